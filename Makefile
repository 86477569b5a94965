# `make` lists the targets. Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results
PROFILE ?= quick
BUDGET ?= 8m
# PyTorch's own index of CPU builds. Where it can't be reached pip goes on with what else it knows.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# No framework is imported and nothing is drawn: the layout, the matrix, records, the machine, the statistics' own mathematics.
FAST := tests/test_layout.py tests/test_promises.py tests/runner/records tests/runner/plan tests/runner/machine tests/runner/sensors tests/platforms/test_pins.py
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --retries 1 --constraint requirements/constraints.txt

.DEFAULT_GOAL := help
export RESULTS
.PHONY: help bench report recommend test test-fast test-long test-images test-images-long test-pythons test-pythons-long check lint venv dev clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-zA-Z0-9_%-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bench: $(VENV)/.bench ## measure the quick part of matrix.yaml on this machine's CPU, then report
	$(BIN)/dyno run --profile $(PROFILE) --time-budget $(BUDGET) --results "$$RESULTS"
	@$(MAKE) --no-print-directory report

# analysis(command, options): in .venv, or with IN_DOCKER=1 in the host image, which sees the results at /results.
analysis = $(if $(IN_DOCKER),sh docker/run.sh dyno-host:$(VERSION) $(1) $(subst RESULTS,/results,$(2)),$(BIN)/dyno $(1) $(subst RESULTS,"$$RESULTS",$(2)))
ANALYSIS := $(if $(IN_DOCKER),analysis-image,$(VENV)/.bench)

report: $(ANALYSIS) ## merge the records of every machine and write results/report/index.html (IN_DOCKER=1: in the host image)
	@$(call analysis,report,--records RESULTS/records --out RESULTS/report) $(ARGS)

recommend: $(ANALYSIS) ## name the networks that meet limits: ARGS="--platform jetson-jp6 --max-latency-ms 50" (IN_DOCKER=1)
	@$(call analysis,recommend,--records RESULTS/records) $(ARGS)

.PHONY: analysis-image
analysis-image:
	@sh docker/inputs.sh report
	@$(MAKE) --no-print-directory build-host

test-fast: $(VENV)/.dev ## run what needs no framework and no drawing, in less than a minute
	$(BIN)/python -m pytest $(FAST)

test: $(VENV)/.dev ## run all tests that need no Docker
	$(BIN)/python -m pytest

test-images: $(VENV)/.dev ## build every image on a stand-in base and run what a CPU can (needs root: it starts a Docker of its own)
	tests/images/run.sh

test-images-long: $(VENV)/.dev ## the same for arm64 under emulation, every lock on its Python and for both processors, all networks on the stick's plugin
	tests/images/run.sh -m long

test-long: test test-pythons-long test-images ## run everything: also the other Pythons and, with Docker, the images

test-pythons: $(VENV)/.dev ## run the runner's tests on Python 3.6 (torch 1.10) and 3.13, where pyenv has them
	tests/on_pythons.sh

test-pythons-long: $(VENV)/.dev ## the same with what is alike on every Python: kills, full disks, the kernel's limits
	tests/on_pythons.sh -m "not long"

check: lint ## lint, then test
	@$(MAKE) --no-print-directory test

lint: $(VENV)/.dev ## ruff, mypy, vermin, which holds runner/ to Python 3.6, and actionlint where it is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --no-tips --target=3.6- --violations --backport dataclasses --backport typing --no-parse-comments runner
	@if command -v actionlint >/dev/null; then actionlint; else echo "actionlint is not installed: workflows are not linted"; fi

venv: $(VENV)/.bench ## set up .venv with the runner, three frameworks and the analysis

dev: $(VENV)/.dev ## add the tools that test and check need

clean: ## remove .venv; results and records stay
	rm -rf $(VENV)

# The torch step names the CPU build (+cpu), so a CUDA build can't be what pip falls back to; torchvision comes without
# its dependencies, because its wheel may belong to another build of the same torch.
$(VENV)/.bench: pyproject.toml requirements/torch-cpu.txt requirements/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("dyno needs Python 3.11 or later on the host; found %d.%d (make PYTHON=python3.12, or make report IN_DOCKER=1)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || { echo "setting up $(VENV)"; $(PYTHON) -m venv $(VENV); }
	$(PIP) --no-deps --timeout 15 --extra-index-url $(TORCH_INDEX) --requirement requirements/torch-cpu.txt
	$(PIP) --editable '.[cpu,timm,analysis]'
	@touch $@

$(VENV)/.dev: $(VENV)/.bench
	$(PIP) --editable '.[cpu,timm,analysis,fleet,dev]'
	@touch $@

-include make/*.mk

# One set of targets per folder of docker/: a new platform is one Dockerfile.
#   make cpu ARGS="--profile quick"      check the host, build, check the device, measure into results/records
#   make accuracy-cpu DATA=/pictures     Top-1 and Top-5 on labelled images
#   make DOCKER="sudo docker" ...        where the user is not in docker's group
#   BUILD_FLAGS, RUN_FLAGS               more flags for docker build and docker run
#   PREFLIGHT=true                       build without checking this host: for another machine
#   DYNO_REGISTRY=ghcr.io/owner          pull the image of this revision from there, where it has it
#   make compare-cpu A=dyno-cpu:1 B=dyno-cpu:2     measure both in alternating rounds (ROUNDS=6), then compare; also two matrices
#   POWER_MODES="0 1"                    make jetson: once per nvpmodel mode
DOCKER ?= docker
RESULTS ?= results
MATRIX ?= matrix.yaml
PREFLIGHT ?= sh docker/preflight.sh
IMAGES := $(patsubst docker/%/Dockerfile,%,$(wildcard docker/*/Dockerfile))
# A platform is an image that says so; the others (host) are built only.
PLATFORMS := $(patsubst docker/%/Dockerfile,%,$(shell grep -l DYNO_PLATFORM= docker/*/Dockerfile))
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' runner/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)$(shell git diff --quiet HEAD 2>/dev/null || test $$? -ne 1 || echo -dirty)
CREATED = $(shell git log -1 --format=%cI 2>/dev/null)
SOURCE = $(shell git remote get-url origin 2>/dev/null | sed -n '/^http/p')
image = dyno-$(1):$(VERSION)
# Paths and flags reach the scripts by the environment, so that any character may be in them.
export DOCKER RESULTS MATRIX DATA BEFORE A B ROUNDS RUN_FLAGS BUILD_FLAGS DYNO_BASE DYNO_L4T VERSION DYNO_REGISTRY

.PHONY: platforms doctor jetson $(PLATFORMS) $(IMAGES:%=build-%) $(foreach verb,preflight pin doctor shell accuracy compare,$(PLATFORMS:%=$(verb)-%))

platforms: ## list the platforms: make PLATFORM checks, builds and measures; preflight-, build-, doctor-, shell-, accuracy-, compare-, pin-PLATFORM do one step
	@for name in $(PLATFORMS); do echo "$$name: $$(sed -n "1s/^# $$name: //p" docker/$$name/Dockerfile)"; done

doctor: ## check this host for Docker and its devices; then by each image that is here
	@fit=$$(sh docker/jetson.sh 2>/dev/null | cut -d ' ' -f 1); IMAGE=dyno-$$fit:$(VERSION) $(PREFLIGHT) $$fit; code=$$?; \
	for name in $${fit:-$(PLATFORMS)}; do \
		if $(DOCKER) image inspect dyno-$$name:$(VERSION) >/dev/null 2>&1; then \
			echo "$$name:"; $(PREFLIGHT) --quiet $$name && sh docker/inputs.sh doctor && sh docker/run.sh dyno-$$name:$(VERSION) doctor || code=1; \
		fi; \
	done; exit $$code

$(PLATFORMS:%=preflight-%): preflight-%:
	@IMAGE=$(call image,$*) sh docker/preflight.sh $*

$(IMAGES:%=build-%): build-%: docker/%/Dockerfile
	@IMAGE=$(call image,$*) $(PREFLIGHT) --quiet $*
	@REVISION='$(REVISION)' CREATED='$(CREATED)' SOURCE='$(SOURCE)' sh docker/build.sh $* $(call image,$*)

$(PLATFORMS:%=doctor-%): doctor-%:
	@sh docker/inputs.sh doctor
	@$(MAKE) --no-print-directory build-$*
	@sh docker/run.sh $(call image,$*) doctor

$(PLATFORMS:%=shell-%): shell-%:
	@sh docker/inputs.sh shell
	@$(MAKE) --no-print-directory build-$*
	@RUN_FLAGS="$$RUN_FLAGS --interactive --tty --entrypoint sh" sh docker/run.sh $(call image,$*)

$(PLATFORMS:%=accuracy-%): accuracy-%:
	@sh docker/inputs.sh accuracy
	@$(MAKE) --no-print-directory build-$*
	@sh docker/run.sh $(call image,$*) accuracy /data $(ARGS)

# Doctor's findings are advice here: run itself stops on a machine that the image is not made for. DYNO_MAKE: the target that its last line suggests.
$(PLATFORMS): %:
	@sh docker/inputs.sh run
	@$(MAKE) --no-print-directory build-$*
	-@sh docker/run.sh $(call image,$*) doctor
	@RUN_FLAGS="$$RUN_FLAGS --env DYNO_MAKE=$(or $(DYNO_TARGET),$*)" sh docker/run.sh $(call image,$*) run $(ARGS)

jetson: ## find this Jetson's JetPack, then make its platform; POWER_MODES="0 1" does it per power mode
	@fit=$$(sh docker/jetson.sh) && set -- $$fit && \
		$(if $(POWER_MODES),sh docker/power_modes.sh '$(POWER_MODES)') $(MAKE) --no-print-directory $$1 DYNO_TARGET=jetson DYNO_BASE="$$2" DYNO_L4T="$$3"

$(PLATFORMS:%=pin-%): pin-%:
	@sh docker/pins/pin.sh $*

# The analysis in the host image: for a board or a host without Python 3.11. With A and B both are measured in alternating rounds.
$(PLATFORMS:%=compare-%): compare-%:
	$(if $(A)$(B),$(alternate),$(against))

define alternate
@sh docker/inputs.sh compare
@$(MAKE) --no-print-directory build-$* build-host
@sh docker/compare.sh $(call image,$*) $(call image,host) $(ARGS)
endef

define against
@test -e "$$BEFORE" || { echo "BEFORE=$$BEFORE: name the earlier records: make $@ BEFORE=old/records, or two images or matrices to measure: make $@ A=... B=..." >&2; exit 2; }
@sh docker/inputs.sh doctor
@$(MAKE) --no-print-directory build-host
@name=$*-$$(uname -n).jsonl; if test -d "$$BEFORE"; then set -- /before/$$name; else set -- /before; fi; \
	sh docker/run.sh $(call image,host) compare "$$1" /results/records/$$name $(ARGS)
endef

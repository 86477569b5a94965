# The search in rounds, where the device's image has no analysis: this host chooses (dyno search --next), the image measures.
#   make search-jetson-jp6 LIMITS="--max-latency-ms 30 --device gpu --backend tensorrt --precision fp16"
LIMITS ?=
ROUNDS ?= 40

.PHONY: $(PLATFORMS:%=search-%)

$(PLATFORMS:%=search-%): search-%: build-% $(VENV)/.bench ## find the most accurate network within LIMITS on a platform
	@test -n '$(LIMITS)' || { echo 'LIMITS is empty: make $@ LIMITS="--max-latency-ms 30"' >&2; exit 2; }
	@mkdir -p '$(RESULTS)/search'
	@for round in $$(seq $(ROUNDS)); do \
		$(BIN)/python -m analysis search $(LIMITS) --platform $* --results '$(RESULTS)' --next > '$(RESULTS)/search/next.yaml' || exit 1; \
		head -n 1 '$(RESULTS)/search/next.yaml'; \
		if grep -q '^# nothing more to measure' '$(RESULTS)/search/next.yaml'; then cat '$(RESULTS)/search/next.yaml'; exit 0; fi; \
		$(MAKE) --no-print-directory measure-next-$* MATRIX='$(RESULTS)/search/next.yaml' || exit 1; \
	done

.PHONY: $(PLATFORMS:%=measure-next-%)
$(PLATFORMS:%=measure-next-%): measure-next-%:
	@$(call in_image,$*,,run)

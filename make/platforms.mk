# One set of targets per folder of docker/: a new platform is one Dockerfile.
#   make cpu ARGS="--profile quick"      build, check the device, measure into results/records
#   make accuracy-cpu DATA=/pictures     Top-1 and Top-5 on labelled images
#   BUILD_FLAGS, RUN_FLAGS               more flags for docker build and docker run
DOCKER ?= docker
RESULTS ?= results
MATRIX ?= matrix.yaml
PLATFORMS := $(patsubst docker/%/Dockerfile,%,$(wildcard docker/*/Dockerfile))
IMAGE_VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' runner/__init__.py)
REVISION = $(shell git describe --always --dirty 2>/dev/null || echo unknown)
image = dyno-$(1):$(IMAGE_VERSION)
# The flags come from the image's labels (docker/flags.sh), so they are read when the image is there.
in_image = eval "$(DOCKER) run $$(DOCKER='$(DOCKER)' sh docker/flags.sh $(call image,$(1))) \
	--volume '$(abspath $(RESULTS)):/results' --volume '$(abspath $(MATRIX)):/matrix.yaml:ro' \
	$(if $(DATA),--volume '$(abspath $(DATA)):/data:ro') $(RUN_FLAGS) $(2) $(call image,$(1)) $(3)"

.PHONY: platforms jetson pin $(PLATFORMS) $(foreach verb,build doctor shell accuracy,$(PLATFORMS:%=$(verb)-%))

platforms: ## list the platforms: make PLATFORM builds, checks and measures; build-, doctor-, shell-, accuracy-PLATFORM do one step
	@for name in $(PLATFORMS); do echo "$$name: $$(sed -n "1s/^# $$name: //p" docker/$$name/Dockerfile)"; done

$(PLATFORMS:%=build-%): build-%: docker/%/Dockerfile
	DOCKER_BUILDKIT=1 $(DOCKER) build --file $< --tag $(call image,$*) \
		--build-arg VERSION=$(IMAGE_VERSION) --build-arg REVISION=$(REVISION) $(BUILD_FLAGS) .

$(PLATFORMS:%=doctor-%): doctor-%: build-%
	@mkdir -p '$(RESULTS)'
	@$(call in_image,$*,,doctor)

$(PLATFORMS:%=shell-%): shell-%: build-%
	@mkdir -p '$(RESULTS)'
	@$(call in_image,$*,--interactive --tty --entrypoint sh,)

$(PLATFORMS:%=accuracy-%): accuracy-%: build-%
	@test -d '$(DATA)' || { echo "DATA=$(DATA): name the folder of labelled images: make $@ DATA=/pictures" >&2; exit 2; }
	@mkdir -p '$(RESULTS)'
	@$(call in_image,$*,,accuracy /data $(ARGS))

# Doctor's findings are advice here: run itself stops on a machine that the image is not made for.
$(PLATFORMS): %: build-%
	@mkdir -p '$(RESULTS)'
	-@$(call in_image,$*,,doctor)
	@$(call in_image,$*,,run $(ARGS))

jetson: ## find this Jetson's JetPack, then make its platform
	@fit=$$(sh docker/jetson.sh) && set -- $$fit && \
		$(MAKE) --no-print-directory $$1 BUILD_FLAGS="$(BUILD_FLAGS) $${2:+--build-arg BASE=$$2 --build-arg L4T=$$3}"

pin: ## write the digests of base images and the checksums of downloads that are not known yet (needs the network)
	python3 docker/pin.py

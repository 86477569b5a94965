# The search where the device's image has no analysis: the host image chooses, the device's image measures, in turns over the results.
#   make search-jetson-jp6 LIMITS="--max-latency-ms 30 --device gpu --backend tensorrt --precision fp16"
export LIMITS

.PHONY: $(PLATFORMS:%=search-%)

$(PLATFORMS:%=search-%): search-%:
	@sh docker/inputs.sh run
	@test -n "$$LIMITS" || { echo 'LIMITS is empty: make $@ LIMITS="--max-latency-ms 30 --device gpu"' >&2; exit 2; }
	@$(MAKE) --no-print-directory build-$* build-host
	@sh docker/search.sh $* $(call image,$*) $(call image,host)

#!/bin/sh
# Run a command as the owner of /results, so that records belong to the user who mounted the folder, but keep
# the one right that opens a USB device node of root's (CAP_DAC_OVERRIDE, which Docker grants by default).
set -eu
if [ "$(id -u)" != 0 ]; then
    exec "$@"
fi
exec setpriv --reuid="$(stat -c %u /results)" --regid="$(stat -c %g /results)" --clear-groups \
    --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override "$@"

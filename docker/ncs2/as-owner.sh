#!/bin/sh
# Run a command as the owner of /results, so that records belong to the user who mounted the folder, but keep
# the one right that opens a USB device node of root's (CAP_DAC_OVERRIDE, which Docker grants by default).
set -eu
if [ "$(id -u)" != 0 ]; then
    exec "$@"
fi
# CAP_DAC_OVERRIDE, CAP_SETGID and CAP_SETUID are bits 1, 6 and 7.
capabilities=$((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
if [ $((capabilities & 0xc2)) -ne $((0xc2)) ]; then
    echo "this container may not leave root: docker run --cap-add DAC_OVERRIDE --cap-add SETGID --cap-add SETUID, or --user \$(id -u):\$(id -g) where a udev rule opens the stick" >&2
    exit 1
fi
user=$(stat -c %u /results)
group=$(stat -c %g /results)
if [ "$user" = 0 ]; then # made by Docker or by root: nothing needs root, so its rights are left all the same
    user=1000
    group=1000
fi
exec setpriv --reuid="$user" --regid="$group" --clear-groups \
    --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override "$@"

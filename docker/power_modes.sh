#!/bin/sh
# Run a command once per power mode of a Jetson, then set the mode that was there: sh docker/power_modes.sh '0 1' COMMAND...
# A container can't change the mode, so it is changed here. NVPMODEL is another command, for tests.
set -u
nvpmodel=${NVPMODEL:-sudo nvpmodel}
modes=$1
shift
current() {
    $nvpmodel -q 2>/dev/null | sed -n 's/^[[:space:]]*\([0-9][0-9]*\)[[:space:]]*$/\1/p' | tail -n 1
}
# A mode that needs a reboot asks for one: the answer is no.
choose() {
    echo no | $nvpmodel -m "$1" >/dev/null 2>&1
    [ "$(current)" = "$1" ]
}
before=$(current)
if [ -z "$before" ]; then
    echo "POWER_MODES: \`$nvpmodel -q\` names no power mode, so none is changed" >&2
    exit 1
fi
restore() {
    trap - EXIT INT TERM HUP
    choose "$before" || echo "POWER_MODES: mode $before could not be set again: sudo nvpmodel -m $before" >&2
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
code=0
for mode in $modes; do
    if choose "$mode"; then
        echo "power mode $mode"
        RUN_FLAGS="${RUN_FLAGS:-} --env DYNO_MODE=$mode" "$@" || code=$?
    else
        echo "POWER_MODES: mode $mode does not exist here or takes effect only after a reboot (sudo nvpmodel -m $mode); left out" >&2
        code=1
    fi
done
exit $code

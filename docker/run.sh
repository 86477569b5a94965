#!/bin/sh
# Run a command in an image with this host's devices and folders: sh docker/run.sh IMAGE COMMAND...
# Reads DOCKER, RESULTS, MATRIX, DATA, BEFORE (paths with any character) and RUN_FLAGS (more flags, as shell words).
set -eu
unset CDPATH
here=$(dirname "$0")
image=$1
shift

absolute() {
    if [ -d "$1" ]; then (cd -- "$1" && pwd); else echo "$(cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")"; fi
}
# --mount and not --volume: a path may hold colons, and one that is missing is an error, not a folder that root owns.
bind() { # PATH TARGET [readonly]
    printf 'type=bind,"source=%s",target=%s%s' "$(absolute "$1" | sed 's/"/""/g')" "$2" "${3:+,readonly}"
}
results=$(bind "$RESULTS" /results)
matrix=$(bind "$MATRIX" /matrix.yaml readonly)
data=
[ -z "${DATA:-}" ] || data=$(bind "$DATA" /data readonly)
before=
[ -z "${BEFORE:-}" ] || before=$(bind "$BEFORE" /before readonly)
flags=$(sh "$here/flags.sh" "$image") # an assignment of its own, so that a refusal ends this, too
eval "exec ${DOCKER:-docker} run $flags \
    --mount \"\$results\" --mount \"\$matrix\" ${data:+--mount \"\$data\"} ${before:+--mount \"\$before\"} ${RUN_FLAGS:-} \"\$image\" \"\$@\""

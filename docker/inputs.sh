#!/bin/sh
# Check what a target takes from its user before anything is built: sh docker/inputs.sh run|doctor|shell|accuracy
# Reads RESULTS, MATRIX and DATA. One line and exit code 2 where one can't serve.
set -eu
no() {
    echo "$1" >&2
    exit 2
}
[ -f "$MATRIX" ] && [ -r "$MATRIX" ] || no "MATRIX=$MATRIX: no such file; it says what to measure (matrix.yaml is the one that comes with Dyno)"
if [ "$1" = accuracy ] || [ -n "${DATA:-}" ]; then
    [ -d "${DATA:-}" ] || no "DATA=${DATA:-}: name the folder of labelled images: make accuracy-PLATFORM DATA=/pictures"
fi
if [ "$1" = shell ] && ! [ -t 0 ]; then
    no "a shell needs a terminal, and standard input is none"
fi
# Docker would make a missing folder as root.
mkdir -p "$RESULTS" 2>/dev/null || no "RESULTS=$RESULTS: this folder can't be made"
[ -w "$RESULTS" ] || no "RESULTS=$RESULTS can't be written: sudo chown -R $(id -u):$(id -g) '$RESULTS'"
if [ -n "${SUDO_UID:-}" ] && [ "$(stat -c %u "$RESULTS")" = 0 ]; then
    chown "$SUDO_UID:$SUDO_GID" "$RESULTS"
fi

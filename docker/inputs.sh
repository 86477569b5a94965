#!/bin/sh
# Check what a target takes from its user before anything is built: sh docker/inputs.sh run|doctor|shell|accuracy|compare|report
# Reads RESULTS, MATRIX, DATA and, for compare, A, B and ROUNDS. One line and exit code 2 where one can't serve.
set -eu
no() {
    echo "$1" >&2
    exit 2
}
[ -f "$MATRIX" ] && [ -r "$MATRIX" ] || no "MATRIX=$MATRIX: no such file; it says what to measure (matrix.yaml is the one that comes with Dyno)"
if [ "$1" = accuracy ] || [ -n "${DATA:-}" ]; then
    [ -d "${DATA:-}" ] || no "DATA=${DATA:-}: name the folder of labelled images: make accuracy-PLATFORM DATA=/pictures"
fi
if [ "$1" = compare ]; then
    case ${ROUNDS:-6} in *[!0-9]* | 0 | 1 | ????*) no "ROUNDS=$ROUNDS: give the number of pairs of rounds, from 2 to 999" ;; esac
    for given in "${A:-}" "${B:-}"; do
        case $given in
            '') no "A=${A:-} B=${B:-}: name both sides, two images or two matrices" ;;
            *.yaml | *.yml) [ -f "$given" ] || no "$given: no such matrix" ;;
        esac
    done
fi
if [ "$1" = shell ] && ! [ -t 0 ]; then
    no "a shell needs a terminal, and standard input is none"
fi
if [ "$1" = report ] && ! [ -d "$RESULTS" ]; then
    no "RESULTS=$RESULTS: no such folder; measure first (make cpu), or name the folder that holds records/: make report IN_DOCKER=1 RESULTS=..."
fi
# Docker would make a missing folder as root.
mkdir -p "$RESULTS" 2>/dev/null || no "RESULTS=$RESULTS: this folder can't be made"
[ -w "$RESULTS" ] || no "RESULTS=$RESULTS can't be written: sudo chown -R $(id -u):$(id -g) '$RESULTS'"
if [ -n "${SUDO_UID:-}" ] && [ "$(stat -c %u "$RESULTS")" = 0 ]; then
    chown "$SUDO_UID:$SUDO_GID" "$RESULTS"
fi

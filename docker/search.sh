#!/bin/sh
# Search on a platform: sh docker/search.sh PLATFORM PLATFORM_IMAGE HOST_IMAGE. The host image says what to measure next, the platform's image measures
# it, in turns over the results. Reads LIMITS (options of `dyno search`), ROUNDS (the most turns) and what docker/run.sh reads. Running again goes on.
set -eu
unset CDPATH
here=$(dirname "$0")
platform=$1 own=$2 host=$3
no() {
    echo "$1" >&2
    exit 2
}
[ -n "${LIMITS:-}" ] || no "LIMITS is empty: make search-$platform LIMITS=\"--max-latency-ms 30 --device gpu --backend tensorrt --precision fp16\""
rounds=${ROUNDS:-60}
case $rounds in '' | *[!0-9]* | 0 | ????*) no "ROUNDS=$rounds: give the most turns, from 1 to 999" ;; esac
mkdir -p "$RESULTS/search"
next=$RESULTS/search/next.yaml
turn=1
while [ "$turn" -le "$rounds" ]; do
    set -f # options, split at blanks and nothing else
    # shellcheck disable=SC2086
    sh "$here/run.sh" "$host" search $LIMITS --platform "$platform" --results /results --next >"$next.new"
    set +f
    mv "$next.new" "$next"
    if head -n 1 "$next" | grep -q '^# nothing more to measure'; then
        sed 's/^# //' "$next"
        exit 0
    fi
    head -n 1 "$next" | sed "s/^#/$turn /"
    code=0
    MATRIX=$next RUN_FLAGS="${RUN_FLAGS:-} --env DYNO_MAKE=$platform" sh "$here/run.sh" "$own" run --results /results || code=$?
    [ "$code" -le 1 ] || exit "$code" # 1: the cell failed, which is an answer
    turn=$((turn + 1))
done
echo "$rounds turns are done; the same command goes on"

#!/bin/sh
# Measure two sides in alternating rounds and compare them: sh docker/compare.sh PLATFORM_IMAGE HOST_IMAGE [OPTION OF dyno run...]
# Reads A and B (images, or matrices for the platform's own image), ROUNDS, and what docker/run.sh reads. For hosts without
# the analysis; elsewhere `dyno compare --run A B` does the same.
set -eu
unset CDPATH
here=$(dirname "$0")
own=$1 host=$2
shift 2
no() {
    echo "$1" >&2
    exit 2
}
rounds=${ROUNDS:-6}
for given in "$A" "$B"; do
    case $given in
        *.yaml | *.yml) ;; # docker/inputs.sh looked before the images were built
        *) ${DOCKER:-docker} image inspect "$given" >/dev/null 2>&1 || no "$given: no matrix (.yaml), and no image that is here" ;;
    esac
done
folder=compare/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$RESULTS/$folder/a" "$RESULTS/$folder/b"

# The image first where a side is one, else its matrix in the platform's own. Exit code 1 of a round: its cells failed, which is an answer.
one_round() { # a|b, GIVEN, OPTION...
    side=$1 given=$2 image=$own code=0
    shift 2
    case $given in *.yaml | *.yml) set -- "$given" "$@" ;; *) image=$given; set -- "$MATRIX" "$@" ;; esac
    matrix=$1
    shift
    MATRIX=$matrix sh "$here/run.sh" "$image" run --round "$number" --results "/results/$folder/$side" --cache /results/cache "$@" || code=$?
    [ "$code" -le 1 ] || exit "$code"
}
number=1
while [ "$number" -le "$rounds" ]; do
    echo "pair $number of $rounds"
    if [ $(($(od -An -N1 -tu1 /dev/urandom) % 2)) = 0 ]; then
        one_round a "$A" "$@" && one_round b "$B" "$@"
    else
        one_round b "$B" "$@" && one_round a "$A" "$@"
    fi
    number=$((number + 1))
done
code=0
sh "$here/run.sh" "$host" compare --paired "/results/$folder/a/records" "/results/$folder/b/records" || code=$?
echo "records of both sides: $RESULTS/$folder"
exit "$code"

#!/bin/sh
# Make a platform's image: sh docker/build.sh PLATFORM IMAGE
#
# Where DYNO_REGISTRY has the image of this very revision it is pulled, else it is built. Reads DOCKER, BUILD_FLAGS
# (more flags of docker build, as shell words), DYNO_BASE and DYNO_L4T (another base, from jetson.sh), VERSION, REVISION, CREATED, SOURCE.
#
# What is not pinned by the repository is trusted on first use: bases by tag and files by URL are recorded in
# docker/PLATFORM/pins.lock as this machine got them. Later builds take the same base; a file that has changed since
# stops them. docker/pins/hints.txt has what one other source saw; a difference is reported once.
set -eu
here=$(dirname "$0")
platform=$1
image=$2
dockerfile=$here/$platform/Dockerfile
lock=$here/$platform/pins.lock
docker=${DOCKER:-docker}
flags=${BUILD_FLAGS:-}

stop() {
    echo "$1" >&2
    exit 1
}
# The client of docker before 23 needs the variable; sudo would drop it, so it is set behind sudo.
buildkit=
for word in $docker; do
    case "$buildkit " in *" env DOCKER_BUILDKIT=1 "*) ;; *) case ${word##*/} in docker*) word="env DOCKER_BUILDKIT=1 $word" ;; esac ;; esac
    buildkit="$buildkit $word"
done

recorded() { # FILE REFERENCE
    [ ! -f "$1" ] || awk -v name="$2" '$2 == name {found = $1} END {print found}' "$1"
}
record() { # SHA256 REFERENCE
    hint=$(recorded "$here/pins/hints.txt" "$2")
    if [ -n "$hint" ] && [ "$hint" != "$1" ]; then
        echo "note: $2 is $1 here; another source saw $hint" >&2
    fi
    printf '%s  %s\n' "$1" "$2" >>"$lock"
}
pinned() { # REFERENCE: the same with a digest, where there is one
    case $1 in *@sha256:*) echo "$1" && return ;; esac
    digest=$(recorded "$lock" "$1")
    if [ -z "$digest" ]; then
        $docker image inspect "$1" >/dev/null 2>&1 || $docker pull "$1" >&2 || stop "$1: the base image can't be pulled"
        digest=$($docker image inspect --format '{{if .RepoDigests}}{{index .RepoDigests 0}}{{end}}' "$1")
        digest=${digest##*@}
        [ -z "$digest" ] || record "$digest" "$1"
    fi
    echo "$1${digest:+@$digest}"
}
case ${MACHINE:-$(uname -m)} in aarch64 | arm64) other=AMD64 ;; *) other=ARM64 ;; esac

build() {
    eval "$buildkit build --file \"\$dockerfile\" $bases ${DYNO_L4T:+--build-arg L4T=$DYNO_L4T} $flags \"\$@\" ."
}

if [ -n "${DYNO_REGISTRY:-}" ] && [ -z "${DYNO_BASE:-}$flags" ]; then
    tag=${REVISION:-unknown}
    [ "$tag" != unknown ] || tag=$VERSION
    case $tag in
        *-dirty) echo "$platform: this checkout has changes of its own, so the image is built" >&2 ;;
        *)
            if $docker pull "$DYNO_REGISTRY/dyno-$platform:$tag" >&2; then
                exec $docker tag "$DYNO_REGISTRY/dyno-$platform:$tag" "$image"
            fi
            echo "$platform: $DYNO_REGISTRY has no image of $tag, so it is built" >&2 ;;
    esac
fi

bases=
for line in $(sed -n 's/^ARG \(BASE[A-Z0-9_]*=.*\|BUILDER=.*\)$/\1/p' "$dockerfile"); do
    name=${line%%=*}
    reference=${line#*=}
    if [ "$name" = BASE ] && [ -n "${DYNO_BASE:-}" ]; then reference=$DYNO_BASE; fi
    case $reference in *'${'*) continue ;; esac # another stage
    case $name in *_$other) continue ;; esac
    case " $flags" in *"--build-arg $name="* | *"--build-arg BASE="*) [ "$name" = BUILDER ] || continue ;; esac
    case " $flags" in *"--build-arg $name="*) continue ;; esac
    case $reference in
        *@*) [ -z "${DYNO_BASE:-}" ] || [ "$name" != BASE ] || bases="$bases --build-arg $name=$reference" ;;
        *)
            reference=$(pinned "$reference") || exit 1
            bases="$bases --build-arg $name=$reference" ;;
    esac
done

if grep -q ' AS sums$' "$dockerfile"; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build --target sums --output - >"$work/sums.tar"
    tar -xOf "$work/sums.tar" >"$work/sums"
    while read -r sum url; do
        before=$(recorded "$lock" "$url")
        if [ -z "$before" ]; then
            record "$sum" "$url"
        elif [ "$before" != "$sum" ]; then
            stop "$url: its SHA-256 is $sum, but this machine got $before before; where the change is meant, delete its line in $lock"
        fi
    done <"$work/sums"
fi

# What no Dockerfile can know: where the sources are, when they are of, and the base with its digest.
base=$(echo " $bases" | sed -n 's/.* --build-arg BASE[A-Z0-9_]*=\([^ ]*\).*/\1/p')
base=${base:-$(sed -n 's/^ARG BASE=//p' "$dockerfile")}
case $base in *@*) digest=${base#*@} ;; *) digest= ;; esac
label() {
    [ -z "$2" ] || labels="$labels --label org.opencontainers.image.$1=$2"
}
labels=
label source "${SOURCE:-}"
label url "${SOURCE:-}"
label created "${CREATED:-}"
case $base in *'${'*) ;; *) label base.name "${base%%@*}" ;; esac
label base.digest "$digest"
build --tag "$image" --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" $labels

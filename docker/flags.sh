#!/bin/sh
# Print the flags with which docker runs an image on this host, as shell words:
#   eval "docker run $(sh docker/flags.sh IMAGE) IMAGE doctor"
#
# The image's labels say what it needs:
#   dyno.docker-flags    passed as they are
#   dyno.docker-devices  device nodes or folders of them, passed with their groups where the host has them
#   dyno.docker-groups   device nodes (patterns) that the runtime brings in: their groups are passed
#   dyno.docker-mounts   files of the host that the runner reads, mounted read-only where they exist
#   dyno.docker-user     "root": the image leaves root by itself; else it runs as whoever calls this
# HOST_ROOT and DOCKER are other places and programs, for tests.
set -eu
image=$1
root=${HOST_ROOT:-}
label() {
    ${DOCKER:-docker} image inspect --format "{{with index .Config.Labels \"$1\"}}{{.}}{{end}}" "$image"
}
quoted() {
    printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}
# Groups by number, since host and image may name them differently; root's is never passed.
groups() {
    find "$@" ! -type d -exec stat -c %g {} + 2>/dev/null | sort -un | grep -v '^0$' || true
}

# The image's digest, which no image can know of itself; the host's name, by which record files are told apart.
digest=$(${DOCKER:-docker} image inspect --format '{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}' "$image")
# --init: without it a `docker stop` in the first moments is not heard.
flags="--rm --init --hostname $(quoted "$(uname -n)") --env DYNO_IMAGE_DIGEST=$digest"
if [ -t 0 ] && [ -t 2 ]; then
    flags="$flags --interactive --tty"
fi
if [ "$(label dyno.docker-user)" != root ]; then
    flags="$flags --user ${SUDO_UID:-$(id -u)}:${SUDO_GID:-$(id -g)}"
fi
flags="$flags $(label dyno.docker-flags)"
nodes=
for path in $(label dyno.docker-devices); do
    if [ -e "$root$path" ]; then
        flags="$flags --device $path"
        nodes="$nodes $root$path"
    fi
done
for path in $(label dyno.docker-groups); do
    for node in $root$path; do
        [ ! -e "$node" ] || nodes="$nodes $node"
    done
done
if [ -n "$nodes" ]; then
    for group in $(groups $nodes); do
        flags="$flags --group-add $group"
    done
fi
for path in $(label dyno.docker-mounts); do
    if [ -e "$root$path" ]; then
        flags="$flags --volume $path:$path:ro"
    fi
done
# Docker hides the device tree from containers, so the board's name is passed on.
if [ -r "$root/proc/device-tree/model" ]; then
    flags="$flags --env DYNO_BOARD=$(quoted "$(tr -d '\000' <"$root/proc/device-tree/model")")"
fi
echo "$flags"

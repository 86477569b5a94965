#!/bin/sh
# Print the flags with which docker runs an image on this host, as shell words:
#   eval "docker run $(sh docker/flags.sh IMAGE) IMAGE doctor"
#
# The image's labels say what it needs:
#   dyno.docker-flags    passed as they are
#   dyno.docker-devices  device nodes or folders of them, passed with their groups where the host has them
#   dyno.docker-mounts   files of the host that the runner reads, mounted read-only where they exist
#   dyno.docker-user     "root": the image leaves root by itself; else it runs as whoever calls this
# HOST_ROOT and DOCKER are other places and programs, for tests.
set -eu
image=$1
root=${HOST_ROOT:-}
label() {
    ${DOCKER:-docker} image inspect --format "{{with index .Config.Labels \"$1\"}}{{.}}{{end}}" "$image"
}

# The image's digest, which no image can know of itself; the host's name, by which record files are told apart.
digest=$(${DOCKER:-docker} image inspect --format '{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}' "$image")
flags="--rm --no-healthcheck --hostname $(hostname) --env DYNO_IMAGE_DIGEST=$digest"
if [ -t 0 ] && [ -t 2 ]; then
    flags="$flags --interactive --tty"
fi
if [ "$(label dyno.docker-user)" != root ]; then
    flags="$flags --user $(id -u):$(id -g)"
fi
flags="$flags $(label dyno.docker-flags)"
for path in $(label dyno.docker-devices); do
    if [ -e "$root$path" ]; then
        flags="$flags --device $path"
        for group in $(find "$root$path" ! -type d -exec stat -c %g {} + | sort -un); do
            flags="$flags --group-add $group"
        done
    fi
done
for path in $(label dyno.docker-mounts); do
    if [ -e "$root$path" ]; then
        flags="$flags --volume $path:$path:ro"
    fi
done
# Docker hides the device tree from containers, so the board's name is passed on.
if [ -r "$root/proc/device-tree/model" ]; then
    flags="$flags --env DYNO_BOARD='$(tr -d "\000'" <"$root/proc/device-tree/model")'"
fi
echo "$flags"

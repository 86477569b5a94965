#!/bin/sh
# Print the flags with which docker runs an image on this host, as shell words:
#   eval "docker run $(sh docker/flags.sh IMAGE) IMAGE doctor"
#
# The image's labels say what it needs. They are data, since an image may be anybody's: what isn't known here is refused.
#   dyno.docker-flags    some of FLAGS
#   dyno.docker-devices  "gpu=/dev/dri npu=/dev/accel": nodes or folders of them in /dev, passed with their groups where the
#                        host has them; the runner gets their names
#   dyno.docker-groups   device nodes (patterns) that the runtime brings in: their groups are passed
#   dyno.docker-mounts   some of MOUNTS, files of the host that the runner reads: read-only, where they exist
#   dyno.docker-user     "root": the image leaves root by itself; else it runs as whoever calls this
# HOST_ROOT and DOCKER are other places and programs, for tests.
set -eu
FLAGS="--runtime nvidia
--gpus all
--ipc=host
--ulimit memlock=-1
--device-cgroup-rule='c 189:* rmw'
--volume /dev/bus/usb:/dev/bus/usb"
MOUNTS="/etc/nv_tegra_release /etc/nvpmodel.conf /var/lib/nvpmodel/status"
image=$1
root=${HOST_ROOT:-}
set -f # a pattern in a label is expanded only where it is meant
refuse() { # LABEL VALUE
    echo "$image: its label $1 asks for \`$2\`, which docker/flags.sh doesn't know, so nothing is run" >&2
    exit 2
}
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
asked=$(label dyno.docker-flags)
while [ -n "$asked" ]; do
    known=$(printf '%s\n' "$FLAGS" | while IFS= read -r flag; do
        case "$asked " in "$flag "*) printf '%s\n' "$flag" ;; esac
    done)
    [ -n "$known" ] || refuse dyno.docker-flags "$asked"
    flags="$flags $known"
    asked=${asked#"$known"}
    asked=${asked# }
done
nodes=
devices=cpu
for pair in $(label dyno.docker-devices); do
    path=${pair#*=}
    case $pair in *[!A-Za-z0-9_/=-]* | */../*) refuse dyno.docker-devices "$pair" ;; *=/dev/*) ;; *) refuse dyno.docker-devices "$pair" ;; esac
    if [ -e "$root$path" ]; then
        flags="$flags --device $path"
        nodes="$nodes $root$path"
        devices=$devices,${pair%%=*}
    fi
done
for path in $(label dyno.docker-groups); do
    case $path in *..*) refuse dyno.docker-groups "$path" ;; /dev/*) ;; *) refuse dyno.docker-groups "$path" ;; esac
    set +f
    for node in "$root"$path; do
        [ ! -e "$node" ] || nodes="$nodes $node"
    done
    set -f
done
if [ -n "$nodes" ]; then
    for group in $(groups $nodes); do
        flags="$flags --group-add $group"
    done
fi
[ -z "$(label dyno.docker-devices)" ] || flags="$flags --env DYNO_DEVICES=$devices"
for path in $(label dyno.docker-mounts); do
    case " $MOUNTS " in *" $path "*) ;; *) refuse dyno.docker-mounts "$path" ;; esac
    if [ -e "$root$path" ]; then
        flags="$flags --volume $path:$path:ro"
    fi
done
# Docker hides the device tree from containers, so the board's name is passed on.
if [ -r "$root/proc/device-tree/model" ]; then
    flags="$flags --env DYNO_BOARD=$(quoted "$(tr -d '\000' <"$root/proc/device-tree/model")")"
fi
echo "$flags"

#!/bin/sh
# Check this host before an image is built: sh docker/preflight.sh [--quiet] [PLATFORM]
#
# One line per check; a failure ends with the command that mends it. --quiet prints failures only. What a platform
# needs is read from its Dockerfile's labels: dyno.arch, dyno.disk-gb, and the nvidia runtime in dyno.docker-flags.
# DOCKER may hold sudo ("sudo docker"). HOST_ROOT and MACHINE are another root and processor, for tests.
set -u
here=$(dirname "$0")
docker=${DOCKER:-docker}
root=${HOST_ROOT:-}
quiet=
failed=0
if [ "${1:-}" = --quiet ]; then
    quiet=yes
    shift
fi
platform=${1:-}
dockerfile=$here/$platform/Dockerfile

ok() {
    [ -n "$quiet" ] || printf 'ok    %-14s %s\n' "$1" "$2"
}
fail() { # NAME WHAT MEND
    printf 'FAIL  %-14s %s: %s\n' "$1" "$2" "$3" >&2
    failed=1
}
lacks_runtime() { # WHAT
    mend="sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
    if ! has nvidia-ctk; then
        mend="sudo apt-get install nvidia-container-toolkit && $mend"
        apt-cache show nvidia-container-toolkit >/dev/null 2>&1 ||
            mend="add NVIDIA's repository (docs.nvidia.com/datacenter/cloud-native/container-toolkit), then $mend"
    fi
    [ "$platform" != jetson-jp4 ] || mend="sudo apt-get install nvidia-container-runtime nvidia-docker2 && sudo systemctl restart docker"
    fail "nvidia runtime" "$1" "$mend"
}
lacks_buildx() { # MEND: no obstacle where the image may be pulled
    if [ -n "${DYNO_REGISTRY:-}" ]; then
        printf -- '--    %-14s %s: %s\n' BuildKit "docker $client has no buildx, needed where $DYNO_REGISTRY lacks the image" "$1" >&2
    else
        fail BuildKit "docker $client has no buildx" "$1"
    fi
}
label() {
    [ -z "$platform" ] || sed -n "s/.*$1=\"\\([^\"]*\\)\".*/\\1/p" "$dockerfile" | head -n 1
}
has() {
    command -v "$1" >/dev/null 2>&1
}

if [ -n "$platform" ] && [ ! -f "$dockerfile" ]; then
    echo "$platform: no such platform; \`make platforms\` lists them" >&2
    exit 2
fi

# The daemon, and who may reach it
daemon=
says=$($docker info --format '{{.ServerVersion}}|{{.DockerRootDir}}|{{range $name, $_ := .Runtimes}}{{$name}} {{end}}' 2>&1)
facts=$(echo "$says" | grep '^[0-9][^|]*|' | head -n 1)
if [ -n "$facts" ]; then
    daemon=${facts%%|*}
    data=$(echo "$facts" | cut -d '|' -f 2)
    runtimes=$(echo "$facts" | cut -d '|' -f 3)
    ok docker "$daemon, reached by \`$docker\` as $(id -un 2>/dev/null || id -u)"
else
    case $says in
        *"ermission denied"*) fail docker "$(id -un 2>/dev/null || id -u) may not use the daemon" "sudo usermod -aG docker $(id -un 2>/dev/null || id -u) and log in again, or for now: make DOCKER=\"sudo docker\" ..." ;;
        *"not found"* | *"o such file or directory"*)
            case ${docker%% *} in
                *docker*) fail docker "it is not installed" "sudo apt-get install docker.io" ;;
                *) fail docker "\`$docker\` can't be run" "install ${docker%% *}, or leave it out: make DOCKER=docker ..." ;;
            esac ;;
        *[Cc]"annot connect"* | *"daemon running"*) fail docker "the daemon is not running" "sudo systemctl start docker" ;;
        *) fail docker "$(echo "$says" | grep . | tail -n 1)" "$docker info says more" ;;
    esac
fi

if [ -n "$daemon" ]; then
    # RUN --mount, which every Dockerfile has, is of 20.10; JetPack 4.4 and 4.5 came with 19.03
    if [ "${daemon%%.*}" -lt 20 ] 2>/dev/null; then
        fail docker "$daemon is too old, 20.10 or later is needed" "sudo apt-get update && sudo apt-get install --only-upgrade docker.io"
    fi

    # BuildKit: in clients before 23, in the buildx plugin since
    client=$($docker version --format '{{.Client.Version}}' 2>/dev/null)
    if $docker buildx version >/dev/null 2>&1; then
        ok BuildKit "by buildx"
    elif [ "${client%%.*}" -lt 23 ] 2>/dev/null; then
        ok BuildKit "in docker $client"
    elif dpkg-query --show docker-ce-cli >/dev/null 2>&1; then
        lacks_buildx "sudo apt-get install docker-buildx-plugin"
    else
        lacks_buildx "sudo apt-get install docker-buildx"
    fi

    # The nvidia runtime
    case " $(label dyno.docker-flags) " in
        *" --runtime nvidia "*)
            case " $runtimes " in
                *" nvidia "*) ok "nvidia runtime" "known to docker" ;;
                *) lacks_runtime "docker doesn't know it" ;;
            esac ;;
        *" --gpus "*)
            if [ -e "$root/dev/nvidiactl" ] || [ -e "$root/dev/dxg" ]; then
                ok driver "NVIDIA's is loaded"
            else
                fail driver "NVIDIA's is not loaded (no /dev/nvidiactl)" "sudo ubuntu-drivers install && sudo reboot; nvidia-smi must then list the GPU"
            fi
            case " $runtimes " in
                *" nvidia "*) ok "nvidia runtime" "known to docker" ;;
                *) if has nvidia-container-runtime-hook; then ok "nvidia runtime" "its hook is installed"; else lacks_runtime "docker run --gpus needs it"; fi ;;
            esac ;;
    esac

    # Space, where the image is still to be built
    need=$(label dyno.disk-gb)
    if [ -n "$need" ] && ! $docker image inspect "${IMAGE:-dyno-$platform}" >/dev/null 2>&1; then
        place=$data
        while [ ! -d "$place" ] && [ "$place" != / ] && [ -n "$place" ]; do place=$(dirname "$place"); done
        free=$(($(df -Pk "${place:-/}" 2>/dev/null | awk 'NR == 2 {print $4}') / 1000000))
        if [ "$free" -ge "$need" ]; then
            ok space "$free GB free in $data, the image needs about $need GB"
        else
            fail space "$free GB free in $data, the image needs about $need GB" "$docker system prune, or move docker's data-root to a larger disk"
        fi
    fi
fi

# The processor
wanted=$(label dyno.arch)
if [ -n "$wanted" ]; then
    machine=${MACHINE:-$(uname -m)}
    case $machine in
        aarch64 | arm64) arch=arm64 ;;
        x86_64 | amd64) arch=amd64 ;;
        *) arch=$machine ;;
    esac
    case " $wanted " in
        *" $arch "*) ok processor "$machine" ;;
        *)
            mend="\`make platforms\` lists the others"
            case $arch in arm*) [ "$arch" = arm64 ] || mend="install a 64-bit system (arm64) on this board" ;; esac
            fail processor "$platform is made for $(echo "$wanted" | sed 's/ / and /g'), this is $machine" "$mend" ;;
    esac
fi

# A Jetson's release
case $platform in
    jetson-*)
        if fits=$(HOST_ROOT=$root sh "$here/jetson.sh" 2>&1); then
            if [ "${fits%% *}" = "$platform" ]; then
                ok L4T "$(sed -n 's/^# R\([0-9]*\) (release), REVISION: \([0-9.]*\).*/r\1.\2/p' "${L4T_RELEASE_FILE:-$root/etc/nv_tegra_release}" | head -n 1)"
            else
                fail L4T "this board's release goes with ${fits%% *}" "make ${fits%% *}"
            fi
        else
            fail L4T "${fits%%: *}" "${fits#*: }"
        fi ;;
esac
exit $failed

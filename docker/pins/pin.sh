#!/bin/sh
# Record the digests and checksums of one platform ahead of its first build, or renew them: sh docker/pins/pin.sh PLATFORM
# pin.py runs in the builder's image, so the host needs no Python; it writes docker/PLATFORM/pins.lock.
set -eu
docker=$(cd "$(dirname "$0")/.." && pwd)
builder=$(sed -n 's/^ARG BUILDER=//p' "$docker/$1/Dockerfile")
exec ${DOCKER:-docker} run --rm --init ${PIN_FLAGS:-} --user "${SUDO_UID:-$(id -u)}:${SUDO_GID:-$(id -g)}" \
    --mount "type=bind,\"source=$(printf %s "$docker" | sed 's/"/""/g')\",target=/docker" "$builder" python3 /docker/pins/pin.py "$1"

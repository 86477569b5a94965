#!/usr/bin/env bash
# The image tests on a machine with nothing but Python and pyenv: builds every Dockerfile on a stand-in base and runs what a CPU can.
# Arguments go to pytest. What takes long (emulation, every lock, every network of the studies) is left out: make test-images-long.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
for pair in dockerd:docker.io debootstrap:debootstrap qemu-aarch64-static:qemu-user-static cc:gcc; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ -x /usr/bin/docker ] || missing+=(docker.io)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
fi
exec "${PYTHON:-.venv/bin/python}" -m pytest tests/images --timeout=1500 "$@"

#!/usr/bin/env bash
# The image tests on a machine with nothing but Python and pyenv: builds every Dockerfile on a stand-in base and runs what a CPU can.
# Arguments go to pytest; what runs under emulation takes long and is left out: make test-images-arm64.
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
if [ $# -eq 0 ]; then set -- tests/images --ignore=tests/images/test_arm64.py; fi
exec "${PYTHON:-.venv/bin/python}" -m pytest --timeout=1500 "$@"

#!/usr/bin/env bash
# The fleet's tests on a machine with nothing but Python: Slurm on the loopback with Docker, hosts by SSH, S3 by moto's server.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
for pair in slurmctld:slurm-wlm munged:munge dockerd:docker.io sshd:openssh-server; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ -x /usr/bin/docker ] || missing+=(docker.io)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" slurm-wlm-basic-plugins >/dev/null
fi
python=${PYTHON:-.venv/bin/python}
# moto's dependencies and the analysis' don't go into one environment (python-dateutil)
if [ -z "${DYNO_MOTO:-}" ]; then
    export DYNO_MOTO=$PWD/.venv-moto/bin/moto_server
    [ -x "$DYNO_MOTO" ] || { "$python" -m venv .venv-moto && .venv-moto/bin/python -m pip --disable-pip-version-check install --quiet 'moto[server]==5.2.5'; }
fi
exec "$python" -m pytest tests/fleet --timeout=420 "$@"

#!/bin/bash
# Start munge and slurmd of this board. The controller's slurm.conf and munge key are mounted at /etc/slurm and /etc/munge/munge.key.
set -eu
node=${SLURM_NODE:?name this board as slurm.conf does: --env SLURM_NODE=nano-1}
for file in /etc/slurm/slurm.conf /etc/munge/munge.key; do
    [ -r "$file" ] || { echo "slurm-agent: $file is not mounted; take the controller's" >&2; exit 1; }
done
docker version >/dev/null 2>&1 || echo "slurm-agent: the host's Docker does not answer; mount /var/run/docker.sock (platforms with runtime: none need none)" >&2
# munge wants a key of its own user's that nobody else reads; the mounted one belongs to whoever made it
mkdir -p /run/munge /var/spool/slurmd
install --owner=munge --group=munge --mode=400 /etc/munge/munge.key /run/munge/key
chown munge:munge /run/munge
su munge --shell /bin/sh --command "munged --force --key-file=/run/munge/key --socket=/run/munge/munge.socket.2"
exec slurmd -D -N "$node"

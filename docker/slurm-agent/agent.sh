#!/bin/bash
# Start munge and slurmd of this board. The controller's slurm.conf and munge key are mounted at /etc/slurm and /etc/munge/munge.key.
set -eu
node=${SLURM_NODE:?name this board as slurm.conf does: --env SLURM_NODE=nano-1}
for file in /etc/slurm/slurm.conf /etc/munge/munge.key; do
    [ -r "$file" ] || { echo "slurm-agent: $file is not mounted; take the controller's" >&2; exit 1; }
done
docker version >/dev/null 2>&1 || echo "slurm-agent: the host's Docker does not answer; mount /var/run/docker.sock (platforms with runtime: none need none)" >&2
# places that slurm.conf names and this container has not
setting() { # NAME: its value in slurm.conf
    sed -n "s/^$1=//Ip" /etc/slurm/slurm.conf | tail -n 1
}
socket=$(setting AuthInfo | sed -n 's/.*socket=\([^,]*\).*/\1/p')
socket=${socket:-/run/munge/munge.socket.2}
spool=$(setting SlurmdSpoolDir)
mkdir -p /run/munge "$(dirname "$socket")" "${spool:-/var/spool/slurmd}"
for name in SlurmdLogFile SlurmdPidFile; do
    place=$(setting $name)
    [ -z "$place" ] || mkdir -p "$(dirname "$place")"
done
# munge wants a key of its own user's that nobody else reads; the mounted one belongs to whoever made it
install --owner=munge --group=munge --mode=400 /etc/munge/munge.key /run/munge/key
chown munge:munge /run/munge "$(dirname "$socket")"
su munge --shell /bin/sh --command "munged --force --key-file=/run/munge/key --socket=$socket"
exec slurmd -D -N "$node"

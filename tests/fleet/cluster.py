"""Slurm on the loopback: munge, one controller and several slurmd of different features on this host, gone with the object."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = """ClusterName=dyno
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=6
InactiveLimit=0
KillWait=2
MinJobAge=300
JobRequeue=1
RequeueExit=75
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=EXCLUSIVE
"""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """A controller and a slurmd per (node, feature); `env` is what Slurm's commands need to reach it."""

    def __init__(self, nodes, env=None, away=()):
        """away: nodes whose slurmd somebody else starts."""
        self.nodes, self.away = dict(nodes), away
        self.folder = Path(tempfile.mkdtemp(prefix="dyno-slurm-"))
        self.env = dict(os.environ, **(env or {}), SLURM_CONF=str(self.folder / "slurm.conf"))
        self.processes = {}

    def __enter__(self):
        try:
            lines = [
                f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={free_port()} CPUs=2 Feature={feature}"
                for name, feature in self.nodes.items()
            ]
            (self.folder / "slurm.conf").write_text(CONFIG.format(folder=self.folder, controller=free_port(), nodes="\n".join(lines)))
            (self.folder / "state").mkdir()
            key = self.folder / "munge.key"
            key.write_bytes(os.urandom(128))
            key.chmod(0o400)
            options = [f"--key-file={key}", f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge.pid"]
            options += [f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed"]
            self.start("munged", ["munged", "--foreground", "--force", *options])
            self.until(lambda: (self.folder / "munge.socket").exists(), 10, "munged")
            self.start_controller()
            for name in self.nodes:
                if name not in self.away:
                    self.start_node(name)
            self.until(lambda: self.idle() == set(self.nodes) - set(self.away), 30, "the nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, name, command):
        """Start a process of ours in its own session."""
        log = open(self.folder / f"{name}.out", "ab")
        self.processes[name] = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def start_controller(self):
        """Start, or start again, the controller, and wait until it answers."""
        self.start("slurmctld", ["slurmctld", "-D"])
        self.until(lambda: "is UP" in self("scontrol", "ping", check=False), 30, "slurmctld")

    def start_node(self, name):
        """Start a node's slurmd."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self.start(name, ["slurmd", "-D", "-N", name])

    def idle(self):
        """Names of the nodes that wait for work."""
        return set(self("sinfo", "--noheader", "--Node", "--states=idle", "--responding", "--format=%N").split())

    def kill(self, name):
        """SIGKILL a daemon of ours, and all that it started (a node that loses its power)."""
        process = self.processes.pop(name)
        for pid in [*_descendants(process.pid), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()

    def __call__(self, *words, check=True):
        """Output of a command in this cluster."""
        done = subprocess.run(list(map(str, words)), env=self.env, text=True, capture_output=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def until(self, true, seconds, what):
        """Wait until something is true; AssertionError with the logs' ends after so many seconds."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"{path.name}: {path.read_text(errors='replace')[-600:]}"
                    for path in sorted(self.folder.glob("*.*"))
                    if path.suffix in (".log", ".out")
                )
                raise AssertionError(f"{what}: not within {seconds} s\n{logs}")
            time.sleep(0.3)

    def __exit__(self, *_):
        for name in [name for name in self.processes if name != "munged"] + ["munged"]:
            if name in self.processes:
                self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)


def _descendants(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    found += [*_descendants(int(child)), int(child)]
    except OSError:
        pass
    return found

"""Docker for these tests: the daemon that runs already, or one of our own that leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

# Debian's client: it builds with BuildKit without the buildx plugin.
CLIENT = "/usr/bin/docker"


class NoDocker(RuntimeError):
    """Docker can't be used here; the message is for the user."""


class Docker:
    """The docker command, and the daemon behind it if this object had to start one."""

    def __init__(self):
        self.env = dict(os.environ, DOCKER_BUILDKIT="1")
        self._daemon = None
        self._folder = None

    def __enter__(self):
        if not os.path.exists(CLIENT) or not shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin"):
            raise NoDocker("docker is not installed; tests/images/run.sh installs what these tests need")
        if self._answers():
            return self
        self._folder = Path(tempfile.mkdtemp(prefix="dyno-docker-"))
        self.env["DOCKER_HOST"] = f"unix://{self._folder}/socket"
        self._start()
        return self

    def _start(self):
        # No bridge and no iptables: neither may exist in a sandbox; builds and runs name their network.
        command = ["dockerd", "--host", self.env["DOCKER_HOST"], "--pidfile", f"{self._folder}/pid"]
        command += ["--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec"]
        command += ["--iptables=false", "--bridge=none", "--storage-driver=overlay2", "--default-ulimit", "nofile=20000:20000"]
        log = self._folder / "log"
        with log.open("w") as file:
            # its own session: Ctrl-C ends the tests first, then __exit__ ends the daemon
            self._daemon = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                reason = "\n".join(log.read_text().splitlines()[-5:])
                self.__exit__()
                raise NoDocker(f"dockerd does not start here:\n{reason}")
            time.sleep(0.3)

    def _answers(self):
        return subprocess.run([CLIENT, "info"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def __exit__(self, *_):
        if self._daemon:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(30)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
            self._daemon = None
        if self._folder:
            for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):  # dockerd leaves its network namespace mounted
                if mount.split()[1].startswith(f"{self._folder}/"):
                    subprocess.run(["umount", mount.split()[1]], stderr=subprocess.DEVNULL)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __call__(self, *arguments, check=True, **options):
        """Run ``docker *arguments``; its CompletedProcess with both outputs as text."""
        done = subprocess.run([CLIENT, *map(str, arguments)], env=self.env, text=True, capture_output=True, **options)
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(map(str, arguments))}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

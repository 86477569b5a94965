"""Docker, and an image that holds nothing: this machine's own Python is mounted into its containers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "images"), str(Path(__file__).parent)]
from daemon import Docker

IMAGE = "dyno-fleet-test:alpha"
MOUNTS = [
    Path("/usr"),
    Path("/lib"),
    Path("/lib64"),
    Path("/bin"),
    Path("/etc"),
    ROOT,
    Path(sys.prefix),
    Path(sys.base_prefix),
]


def mounts():
    """docker's flags for what of this machine a container reads."""
    return [word for path in dict.fromkeys(MOUNTS) if path.exists() for word in ("--volume", f"{path}:{path}:ro")]


@pytest.fixture(scope="session")
def image():
    """Its name."""
    return IMAGE


@pytest.fixture(scope="session")
def docker():
    with Docker() as docker:
        runner = json.dumps([sys.executable, "-m", "runner"])
        environment = f"ENV PYTHONPATH={ROOT} DYNO_PLATFORM=alpha DYNO_DEVICES=cpu DYNO_RESULTS=/results DYNO_CACHE=/results/cache DYNO_MATRIX=/matrix.yaml HOME=/tmp"
        empty = subprocess.run(["tar", "--create", "--files-from", "/dev/null"], capture_output=True, check=True).stdout
        changes = ["--change", f"ENTRYPOINT {runner}", "--change", environment]
        done = subprocess.run(["/usr/bin/docker", "import", *changes, "-", IMAGE], input=empty, env=docker.env, capture_output=True)
        assert done.returncode == 0, done.stderr
        yield docker
        docker("rmi", "--force", IMAGE, check=False)

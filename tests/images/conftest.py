"""Docker, stand-in bases and the images built on them, made when first asked for and gone after the tests."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import bases
from daemon import CLIENT, Docker

ROOT = Path(__file__).resolve().parents[2]
USER = "12345:12345"  # whoever runs a container; CI itself is root

# What stands in for each platform's real base, and the stages that no stand-in can take, replaced by build arguments.
STAND_INS = {
    "cpu": ("py311", {}),
    "openvino": ("py311", {}),
    "ncs2": ("py38", {"OPENVINO": "wheel", "EXPORTER": "none"}),
    "ncs2-2022": ("py38-openvino2022", {"OPENVINO": "base", "EXPORTER": "none"}),
    "cuda": ("py312", {"TENSORRT": "none"}),  # with onnxruntime-gpu, which imports without a GPU
    "jetson-jp4": ("py36-torch110", {}),
    "jetson-jp5": ("py38", {"FRAMEWORKS": "base"}),
    "jetson-jp6": ("py310", {"FRAMEWORKS": "base"}),
    "jetson-jp7": ("py312", {"FRAMEWORKS": "base"}),
    "host": ("py312", {}),
    # For arm64, under emulation. Debian has Python 3.9 and 3.11 for it; PyPI's torch for aarch64 is a CPU build up to 2.10.
    "cpu-arm64": ("arm64-torch25", {"TORCH": "torch"}),  # PyTorch's CPU build for aarch64 is on its own index only
    "jetson-jp5-arm64": ("arm64old-torch21", {"FRAMEWORKS": "base"}),
    "jetson-jp6-arm64": ("arm64-torch25", {"FRAMEWORKS": "base"}),
    "jetson-jp7-arm64": ("arm64-torch210", {"FRAMEWORKS": "base"}),
    "host-arm64": ("arm64", {}),
}
# What debootstrap makes: architecture (this machine's where none is named) and suite.
SUITES = {"debian": (None, "bookworm"), "arm64": ("arm64", "bookworm"), "arm64old": ("arm64", "bullseye")}
# Bases that are another one and what the real base has besides Python.
DERIVED = {
    "arm64old-torch21": ("arm64old", "--no-deps torch==2.1.0 torchvision==0.16.0"),
    "arm64-torch25": ("arm64", "--no-deps torch==2.5.0 torchvision==0.20.0"),
    # with what it imports: the real base of jetson-jp7 brings all of it
    "arm64-torch210": ("arm64", "torch==2.10.0 torchvision==0.25.0"),
    "py36-torch110": ("py36", "--no-deps torch==1.10.0 torchvision==0.11.1"),
    "py38-openvino2022": ("py38", "--no-deps openvino==2022.3.2"),
}
RECIPE = hashlib.sha256(Path(bases.__file__).read_bytes() + repr((SUITES, DERIVED)).encode()).hexdigest()[:8]


PLATFORM = re.compile("-2022|-arm64")  # what a name of STAND_INS has more than its platform's
LARGE = 1_000_000_000  # bytes; a smaller image is not worth the steps of the next builds


@dataclass(frozen=True)
class Made:
    """What an image took: seconds to build it on its stand-in (packages are downloaded once for all images) and to start it, bytes over its base."""

    name: str
    build_s: float
    start_s: float
    added_bytes: int


MADE: list[Made] = []


class Images:
    """``images("cpu")`` is the tag of that platform's image, built by make on its stand-in base."""

    def __init__(self, docker, folder):
        self.docker = docker
        self.folder = folder
        self._made = {}

    def base(self, name):
        """The tag of a stand-in base; a daemon that outlives the tests keeps it for as long as this recipe holds."""
        tag = f"dyno-standin-{RECIPE}:{name}"
        if tag not in self._made:
            if self.docker("image", "inspect", tag, check=False).returncode:
                self._make_base(name, tag)
            self._made[tag] = tag
        return tag

    def _make_base(self, name, tag):
        if name in DERIVED:
            below, packages = DERIVED[name]
            bases.build(self.docker, tag, f"FROM {self.base(below)}\nRUN python3 -m pip install --no-cache-dir {packages}\n")
        elif name in SUITES:
            folder = self.folder / f"debian-{name}"
            bases.import_debian(self.docker, bases.debian(folder, *SUITES[name]), tag)
            shutil.rmtree(folder)
        elif name == "py311":  # Debian's own, and the wheels that this machine's pip looks into
            below = self.base("debian")
            if bases.links():
                bases.with_folder(self.docker, tag, below, bases.links())
            else:
                self.docker("tag", below, tag)
        else:
            bases.with_python(self.docker, tag, self.base("debian"), name.replace("py3", "3."))

    def __call__(self, name):
        if name not in self._made:
            stand_in, arguments = STAND_INS[name]
            arguments = dict(arguments, BASE=self.base(stand_in), BUILDER=self.base("py311"))
            flags = " ".join(f"--build-arg {key}={value}" for key, value in arguments.items())
            tag = f"dyno-test:{name}"
            build_s = self.build_s(PLATFORM.sub("", name), flags)
            self.docker("tag", built(name), tag)
            self._made[name] = tag
            self.note(name, build_s, tag, arguments["BASE"])
        return self._made[name]

    def build_s(self, platform, flags, house=ROOT):
        """Build an image by make; how long that took."""
        began = time.perf_counter()
        self.make(f"build-{platform}", f"BUILD_FLAGS=--network=host {flags}", house=house)
        return time.perf_counter() - began

    def note(self, name, build_s, tag, base):
        """A line of the table at the end."""
        MADE.append(self.measured(name, build_s, tag, base))

    def measured(self, name, build_s, tag, base):
        return Made(name, build_s, min(self._start_s(tag) for _ in range(2)), self._size(tag) - self._size(base))

    def _start_s(self, tag):
        began = time.perf_counter()
        self.docker("run", "--rm", "--network=none", tag, "--version")
        return time.perf_counter() - began

    def _size(self, tag):
        return int(self.docker("image", "inspect", "--format", "{{.Size}}", tag).stdout)

    def drop(self, name):
        """Give an image's disk back; the layers that no other image shares go with it."""
        tag = self._made.pop(name, None)
        if tag:
            size = self._size(tag)
            self.docker("rmi", "--force", self.docker("image", "inspect", "--format", "{{.Id}}", tag).stdout.strip())
            if size > LARGE:  # with the images go the steps of builds, which the next ones would find again
                self.docker("builder", "prune", "--force", "--filter", "type=regular")

    def make(self, *arguments, house=ROOT):
        """make in the repository, or in a copy of it, with this Docker; its output."""
        env = {key: value for key, value in self.docker.env.items() if not key.startswith("MAKE")}
        command = [
            "make",
            "--no-print-directory",
            f"DOCKER={CLIENT}",
            "PREFLIGHT=true",
            *arguments,
        ]  # boards' images are built on this machine
        done = subprocess.run(
            command, cwd=house, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}"
        return done.stdout


def version_of_runner():
    text = (ROOT / "runner/__init__.py").read_text()
    return text.split('__version__ = "')[1].split('"')[0]


def built(name):
    """The tag that make gives an image."""
    return f"dyno-{PLATFORM.sub('', name)}:{version_of_runner()}"


@pytest.fixture(scope="session")
def docker():
    with Docker() as running:
        yield running


@pytest.fixture(scope="session")
def images(docker, tmp_path_factory):
    return Images(docker, tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="session")
def volume(tmp_path_factory):
    """A results folder that belongs to USER; the networks' files in its cache serve all images."""
    folder = tmp_path_factory.mktemp("results")
    os.chown(folder, *map(int, USER.split(":")))
    folder.chmod(0o755)
    for parent in list(folder.parents)[:3]:
        if str(parent) != "/tmp":
            parent.chmod(0o755)  # pytest's folders are closed to other users
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter):
    """The table of docs/docker.md."""
    if MADE:
        terminalreporter.section("images on their stand-ins")
        terminalreporter.write_line(f"{'image':<18} {'Dyno adds':>10} {'build':>8} {'start':>8}")
    for made in MADE:
        terminalreporter.write_line(f"{made.name:<18} {made.added_bytes / 1e9:>7.2f} GB {made.build_s:>6.0f} s {made.start_s:>6.2f} s")

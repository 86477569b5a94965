"""What runs on another processor: arm64 images under emulation, and the locks' aarch64 wheels. Slow, so `make test-images-long` runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, USER
from test_images import cells, command, matrix_file, networks  # noqa: F401 (networks is a fixture)

pytestmark = pytest.mark.long
LOCKS = sorted(path.stem for path in (ROOT / "docker/pins").glob("py*.txt"))
GLIBC = {"py36": 27, "py38": 31, "py39": 31, "py310": 35, "py311": 36, "py312": 36}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_downloads_with_its_hashes_for_every_processor_that_it_names(lock, arch, tmp_path):
    """Two hashes are one for each processor, one is a universal wheel or one for x86-64 (onnxruntime-gpu)."""
    lines = [line for line in (ROOT / f"docker/pins/{lock}.txt").read_text().splitlines() if "--hash=" in line]
    if arch == "aarch64":
        lines = [line for line in lines if not line.startswith(("onnxruntime-gpu==", "tensorrt-cu", "openvino==2021"))]
    (tmp_path / "lock.txt").write_text("\n".join(line.partition("  #")[0] for line in lines) + "\n")
    number = lock[2:]
    tags = [f"manylinux_2_{minor}_{arch}" for minor in range(GLIBC[lock], 4, -1)] + [
        f"manylinux2014_{arch}",
        f"manylinux2010_{arch}",
        f"manylinux1_{arch}",
    ]
    target = [
        "--python-version",
        number,
        "--implementation",
        "cp",
        "--abi",
        f"cp{number}{'m' if number == '36' else ''}",
        "--abi",
        "abi3",
        "--abi",
        "none",
    ]
    arguments = [word for tag in tags for word in ("--platform", tag)]
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
        "--require-hashes",
    ]
    done = subprocess.run(
        [*download, *target, *arguments, "--dest", str(tmp_path / "wheels"), "--requirement", str(tmp_path / "lock.txt")],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((tmp_path / "wheels").iterdir())) == len(lines)
    shutil.rmtree(tmp_path / "wheels")  # up to 1 GB


@pytest.fixture
def emulation():
    """The kernel runs aarch64 programs by qemu; registered here if nobody has."""
    folder = Path("/proc/sys/fs/binfmt_misc")
    mounted = registered = False
    if not (folder / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", folder], check=True)
        mounted = True
    if not (folder / "qemu-aarch64").exists():
        # flag F: the interpreter is opened now, so it works in a root that has none
        (folder / "register").write_text(Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_text())
        registered = True
    old = os.environ.get("QEMU_CPU")
    os.environ["QEMU_CPU"] = "cortex-a57"  # the default emulated CPU gives wrong results
    yield
    if old is None:
        del os.environ["QEMU_CPU"]
    if registered:
        (folder / "qemu-aarch64").write_text("-1")
    if mounted:
        subprocess.run(["umount", folder], check=True)


# What each image measures there. The Jetsons' own images have no OpenVINO; one framework of theirs is enough to show that they work.
MEASURED = {
    "cpu-arm64": ["openvino", "pytorch"],
    "jetson-jp5-arm64": ["pytorch"],
    "jetson-jp6-arm64": ["pytorch"],
    "jetson-jp7-arm64": ["pytorch"],
}


@pytest.mark.timeout(3000)  # building and running take minutes each
@pytest.mark.parametrize("name", sorted(MEASURED))
def test_an_arm64_image_runs_a_cell_under_emulation(docker, images, networks, emulation, name):  # noqa: F811
    """Functional only: the lock's aarch64 wheels are there, install, import and compute the numbers that x86-64 computed."""
    matrix_file(networks, name, model=["squeezenet1_1"], backend=MEASURED[name], batch_size=[1])
    cpu = "neoverse-n1" if "jp7" in name else "cortex-a57"  # torch 2.10 has instructions that no processor before Orin's has
    options = ["--rm", "--env", f"QEMU_CPU={cpu}"]
    docker(*command(networks, images(name), "run", platform=f"standin-{name}", options=options, matrix=name), timeout=1500)
    records = cells(networks, f"standin-{name}")
    found = [(record["cell"]["backend"], record["status"], record["reason"]) for record in records if record["role"] == "cell"]
    assert sorted(found) == [(backend, "ok", None) for backend in MEASURED[name]]
    assert all(record["parity"]["max_rel"] < 1e-3 for record in records)


@pytest.mark.timeout(3000)
def test_the_arm64_host_image_writes_the_report_under_emulation(docker, images, networks, emulation):  # noqa: F811
    image, mount = images("host-arm64"), ["--volume", f"{networks}:/results", "--user", USER]
    matrix_file(networks, "few", model=["squeezenet1_1"], backend=["pytorch"], batch_size=[1])
    docker(*command(networks, images("cpu"), "run", platform="standin-few", options=["--rm"], matrix="few"))
    docker("run", "--rm", "--network=none", "--env", "QEMU_CPU=cortex-a57", *mount, image, "report", timeout=1500)
    assert "standin-few" in (networks / "report/index.html").read_text()

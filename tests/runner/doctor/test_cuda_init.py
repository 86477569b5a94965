"""cuInit asked of a libcuda that is compiled here to answer, crash or hang."""

import os
import shutil
import subprocess

import pytest
import trees

from runner.doctor import cuda_init, devices, doctor, right_machine
from runner.machine import environment

CC = shutil.which("cc") or "gcc"


@pytest.fixture
def libcuda(tmp_path, monkeypatch):
    """``libcuda("return 801;")`` puts a library of that body where the loader finds it first."""

    def compiled(body):
        folder = tmp_path / "lib"
        folder.mkdir(exist_ok=True)
        source = folder / "cuda.c"
        source.write_text("#include <stdlib.h>\n#include <unistd.h>\nint cuInit(unsigned flags) { %s }\n" % body)
        subprocess.check_call([CC, "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(source)])
        monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))

    return compiled


def test_cuda_that_starts_is_no_error(libcuda):
    libcuda("return 0;")
    assert cuda_init.error(False) is None and cuda_init.error(True) is None


@pytest.mark.parametrize(
    "code, on_jetson, elsewhere",
    [
        (100, "--runtime nvidia", "--gpus all"),
        (801, "--group-add $(stat -c %g /dev/dri/renderD128)", "--gpus all"),
        (999, "restart the board", "nvidia-modprobe"),
        (42, "--runtime nvidia", "--gpus all"),
    ],
)
def test_each_answer_of_cuinit_comes_with_what_mends_it(libcuda, tmp_path, code, on_jetson, elsewhere):
    libcuda("return %d;" % code)
    for jetson, fix in ((True, on_jetson), (False, elsewhere)):
        what, found = cuda_init.error(jetson, str(tmp_path))
        assert what.startswith("cuInit answers %d: " % code) and fix in found


def test_a_driver_that_crashes_or_hangs_takes_only_the_child_with_it(libcuda, monkeypatch):
    libcuda("abort();")
    assert cuda_init.error(False)[0] == "cuInit was killed by signal 6"
    libcuda("sleep(60); return 0;")
    monkeypatch.setattr(cuda_init, "TIMEOUT_S", 0.5)
    assert "didn't return within 0.5 s" in cuda_init.error(False)[0]


def test_a_machine_without_the_driver_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda_init, "LIBRARY", "libcuda-that-is-not-there.so.1")
    what, fix = cuda_init.error(False)
    assert "can't be loaded: libcuda-that-is-not-there.so.1: cannot open" in what and "--gpus all" in fix


def test_on_jetpack_6_the_groups_of_the_nodes_are_named_by_number(libcuda, tmp_path, monkeypatch):
    """As on JetPack 6: nvmap and the render node belong to groups that a container's user is not in."""
    libcuda("return 801;")
    root = trees.orin_agx_r36(tmp_path / "root")
    trees.build(root, {"dev/nvmap": "", "dev/dri/renderD128": "", "dev/dri/card0": ""})
    for node, group, bits in (("dev/nvmap", 44, 0o660), ("dev/dri/renderD128", 104, 0o660), ("dev/dri/card0", 44, 0o666)):
        os.chown(os.path.join(root, node), -1, group)
        os.chmod(os.path.join(root, node), bits)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)  # pytest's folders are closed to other users
    wanted = "docker run --group-add 44 --group-add 104"
    assert as_nobody(lambda: cuda_init.missing_groups(root)) == wanted
    monkeypatch.setattr(cuda_init, "missing_groups", lambda root: wanted)  # the interpreter itself may be root's
    assert cuda_init.error(True, root)[1] == wanted


def as_nobody(function):
    """What ``function`` returns to a process without root's rights and groups."""
    read_fd, write_fd = os.pipe()
    if os.fork() == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(write_fd, function().encode("utf-8"))
        finally:
            os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        said = file.read().decode("utf-8")
    os.wait()
    return said


def test_doctor_and_platform_ask_for_function_not_presence(libcuda, tmp_path, monkeypatch):
    monkeypatch.delenv("DYNO_L4T", raising=False)
    root = trees.orin_agx_r36(tmp_path / "root")
    libcuda("return 0;")
    assert devices.device("gpu", "jetson-jp6", root).ok and right_machine.platform_mismatch(root, "jetson-jp6") is None
    libcuda("return 999;")
    assert devices.device("gpu", "jetson-jp6", root).ok is False
    assert "CUDA can't be used: cuInit answers 999" in right_machine.platform_mismatch(root, "jetson-jp6")
    trees.build(root, {"dev/nvidiactl": ""})
    assert "cuInit answers 999" in right_machine.platform_mismatch(root, "cuda")


def test_the_accelerator_dla_counts_where_the_board_has_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_DEVICES", "gpu,dla,cpu")
    nano = trees.nano_r32(tmp_path / "nano")
    assert environment.declared_devices(nano) == ["gpu", "cpu"]
    orin = trees.build(tmp_path / "orin", {"dev/nvhost-ctrl-nvdla0": "", "dev/nvgpu": None})
    assert environment.declared_devices(orin) == ["gpu", "dla", "cpu"]
    assert devices.device("dla", "jetson-jp6", orin).ok


def test_a_container_without_a_volume_is_told_and_nobody_becomes_root(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_IMAGE", "dyno-cpu:1")
    root = trees.build(tmp_path / "root", {"proc/self/mountinfo": "22 1 0:20 / / rw - overlay overlay rw"})
    check = doctor.volume("/results", root)
    assert check.ok is False and "lost with the container" in check.found and "-v $PWD/results:/results" in check.fix
    trees.build(root, {"proc/self/mountinfo": "22 1 0:20 / / rw - overlay overlay rw\n30 22 8:1 /home/me /results rw - ext4 /dev/sda1 rw"})
    assert doctor.volume("/results", root) is None and doctor.volume("/results/deep", root) is None
    monkeypatch.delenv("DYNO_IMAGE")
    assert doctor.volume("/elsewhere", root) is None  # a bare machine


@pytest.mark.parametrize("release", ["32.5.0", "32.5.1", "32.5.2"])
def test_r32_5_1_and_r32_5_2_take_the_image_of_r32_5_0(release):
    assert right_machine.l4t_fits("jetson-jp4", release, "32.5.0") and not right_machine.l4t_fits("jetson-jp4", release, "32.4.4")

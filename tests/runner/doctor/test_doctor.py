"""Each check of the doctor is made to fail, for real where this machine allows it; and identity stops what must not be measured."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile

import pytest
import trees

from runner import sensors
from runner.doctor import cuda_init, devices, doctor, right_machine
from runner.machine import contention


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("DYNO_PLATFORM", "DYNO_DEVICES", "DYNO_L4T", "DYNO_BOARD", "DYNO_POWER_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(contention, "wait_for_quiet", lambda **options: (True, 0.1, 0.0))


@pytest.fixture
def cuda_works(monkeypatch):
    """cuInit succeeds; test_cuda_init.py has the real asking."""
    monkeypatch.setattr(cuda_init, "error", lambda jetson, root="/": None)


def checked(name, results, platform="cpu", root="/"):
    (check,) = [check for check in doctor.checks(str(results), platform, str(root)) if check.name == name]
    return check


def test_a_healthy_folder_passes_with_nothing_to_mend(tmp_path):
    for name in ("platform", "results folder", "owner of results", "device cpu"):
        check = checked(name, tmp_path / "results")
        assert (check.ok, check.fix) == (True, None)
    assert os.listdir(str(tmp_path / "results")) == []  # what it wrote to try is gone


def test_every_failure_says_what_mends_it(tmp_path):
    trees.build(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave"})
    trees.build(tmp_path, {"sys/class/powercap/intel-rapl:0/name": "package-0", "sys/class/powercap/intel-rapl:0/energy_uj": None})
    for platform in ("cpu", "cuda", "ncs2", "jetson-jp4", "openvino"):
        found = doctor.checks(str(tmp_path / "results"), platform, str(tmp_path))
        assert all(check.fix for check in found if check.ok is False)
        assert any(check.ok is False for check in found)


def test_a_file_in_the_way_of_the_results(tmp_path):
    (tmp_path / "results").write_text("")
    check = checked("results folder", tmp_path / "results")
    assert check.ok is False and "--results" in check.fix


def test_a_folder_of_somebody_else_can_not_be_written_and_user_mends_it():
    folder = tempfile.mkdtemp()
    try:
        os.chmod(folder, 0o555)
        check = as_nobody(lambda: checked_text("results folder", folder))
        assert "False" in check and "--user $(id -u):$(id -g)" in check and "Permission denied" in check
    finally:
        shutil.rmtree(folder)


def checked_text(name, folder):
    return repr(doctor.writable(folder))


def as_nobody(function):
    """What ``function`` returns to a process without root's rights."""
    if os.geteuid() != 0:
        return function()
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        os.write(write_fd, str(function()).encode("utf-8"))
        os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        said = file.read().decode("utf-8")
    os.waitpid(pid, 0)
    return said


def mounted(options, commands, tmp_path):
    """Standard output of commands in a mount namespace of their own with a tmpfs at $PLACE; None where that is not allowed."""
    place = tmp_path / "place"
    place.mkdir()
    script = "set -e; mount -t tmpfs -o %s none %s; %s" % (options, place, commands)
    env = dict(os.environ, PLACE=str(place), PYTHONPATH=os.getcwd())
    process = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    out, err = process.communicate()
    return out.decode("utf-8") if process.returncode == 0 else None


DOCTOR = (
    "%s -c \"import os; from runner.doctor import doctor; [print(c) for c in (doctor.writable(os.environ['PLACE']), doctor.space(os.environ['PLACE']))]\""
    % sys.executable
)


def test_a_read_only_mount_is_told_from_a_full_one(tmp_path, monkeypatch):
    said = mounted("ro,size=1m", DOCTOR, tmp_path)
    if said is None:  # no rights to mount here: the same error from the kernel's mouth
        monkeypatch.setattr(doctor.tempfile, "TemporaryFile", failing(errno.EROFS))
        said = repr(doctor.writable(str(tmp_path)))
    assert "Read-only file system" in said and "without :ro" in said


def test_a_full_disk_is_named_and_space_is_asked_for(tmp_path, monkeypatch):
    said = mounted("size=16k", "dd if=/dev/zero of=$PLACE/full bs=1k count=100 2>/dev/null || true; " + DOCTOR, tmp_path)
    if said is None:
        monkeypatch.setattr(doctor.tempfile, "TemporaryFile", failing(errno.ENOSPC))
        said = repr(doctor.writable(str(tmp_path))) + "'0.0 GB free'"
    assert "No space left on device" in said and "free some space" in said and "'0.0 GB free'" in said


def failing(number):
    def fail(**options):
        raise OSError(number, os.strerror(number))

    return fail


def test_too_little_space_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "SPACE_BYTES", 2**60)
    check = checked("space", tmp_path)
    assert check.ok is False and "GB free" in check.found and check.fix


@pytest.mark.parametrize("platform, ok", [("cpu", False), ("ncs2", None)])
def test_a_folder_of_another_owner_names_the_user_to_run_as(tmp_path, monkeypatch, platform, ok):
    owner = os.stat(str(tmp_path))
    chowned = os.geteuid() == 0
    monkeypatch.setattr(doctor.os, "geteuid", lambda: owner.st_uid + 1)
    check = checked("owner of results", tmp_path, platform)
    assert check.ok is ok
    if ok is None or owner.st_uid == 0:  # nobody is told to become root
        assert "chown" in check.fix
    else:
        assert "--user %d:%d" % (owner.st_uid, owner.st_gid) in check.fix
    if ok is False and chowned:
        os.chown(str(tmp_path), 4321, 4322)
        assert "--user 4321:4322" in checked("owner of results", tmp_path, platform).fix


def test_a_governor_that_lowers_clocks_fails_and_names_the_command(tmp_path):
    for platform, command in (("cpu", "cpupower frequency-set -g performance"), ("jetson-jp4", "jetson_clocks")):
        check = checked("governor", tmp_path / "results", platform, trees.nano_r32(tmp_path / platform))
        assert check.ok is False and check.found == "schedutil" and command in check.fix
    trees.build(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance"})
    assert checked("governor", tmp_path / "results", "cpu", tmp_path).ok is True
    assert checked("governor", tmp_path / "results", "cpu", tmp_path / "nothing").ok is None


def test_a_cpu_quota_below_the_visible_cpus_fails(tmp_path):
    trees.build(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000"})
    check = checked("CPU quota", tmp_path / "results", root=tmp_path)
    assert check.ok is False and "0.5" in check.found and "--cpuset-cpus 0-0" in check.fix


def test_a_busy_machine_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(contention, "wait_for_quiet", lambda **options: (False, 0.5, 0.42))
    check = checked("other load", tmp_path)
    assert check.ok is False and "42 %" in check.found and "contended" in check.fix


def test_a_peak_that_can_not_be_reset_is_something_to_know(tmp_path):
    trees.build(tmp_path, {"proc/self/clear_refs": None})
    check = checked("memory counter", tmp_path / "results", root=tmp_path)
    assert check.ok is None and "ru_maxrss" in check.found


def test_hidden_counters_fail_and_absent_ones_are_something_to_know(tmp_path):
    trees.build(tmp_path, {"sys/class/powercap/intel-rapl:0/name": "package-0", "sys/class/powercap/intel-rapl:0/energy_uj": None})
    hidden, absent = (checked("sensor " + name, tmp_path / "results", root=tmp_path) for name in ("rapl", "jetson_ina3221"))
    assert hidden.ok is False and "can't be read" in hidden.found and "/rapl:ro" in hidden.fix
    assert absent.ok is None
    assert checked("sensor jetson_ina3221", tmp_path / "results", root=trees.nano_r32(tmp_path / "nano")).ok is True


def test_each_sensor_beside_has_a_check(tmp_path):
    names = {check.name for check in doctor.checks(str(tmp_path), "cpu")}
    working, absent = sensors.for_supervisor()
    assert {"sensor " + name for name in (*working, *absent)} <= names


# Devices


def test_cuda_without_a_gpu_names_gpus_all(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_DEVICES", "gpu")
    check = checked("device gpu", tmp_path / "results", "cuda", tmp_path)
    assert check.ok is False and "--gpus all" in check.fix
    jetson = checked("device gpu", tmp_path / "results", "jetson-jp6", tmp_path)
    assert jetson.ok is False and "--runtime nvidia" in jetson.fix


def test_a_gpu_whose_library_does_not_load_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_DEVICES", "gpu")
    trees.build(tmp_path, {"dev/nvidiactl": ""})
    monkeypatch.setattr(cuda_init, "LIBRARY", "libcuda-that-is-not-there.so.1")
    check = checked("device gpu", tmp_path / "results", "cuda", tmp_path)
    assert check.ok is False and "libcuda-that-is-not-there.so.1" in check.found and check.fix


@pytest.mark.parametrize("device, node", [("gpu", "dev/dri/renderD128"), ("npu", "dev/accel/accel0")])
def test_an_openvino_device_needs_its_node_and_its_group(tmp_path, monkeypatch, device, node):
    monkeypatch.setenv("DYNO_DEVICES", device)
    folder = "/" + os.path.dirname(node)
    missing = checked("device " + device, tmp_path / "results", "openvino", tmp_path)
    assert missing.ok is False and "--device %s --group-add $(stat -c %%g /%s)" % (folder, node) in missing.fix
    trees.build(tmp_path, {node: ""})
    assert checked("device " + device, tmp_path / "results", "openvino", tmp_path).ok is True
    monkeypatch.setattr(devices.os, "access", lambda path, mode: False)
    check = checked("device " + device, tmp_path / "results", "openvino", tmp_path)
    assert check.ok is False and check.fix == "docker run --group-add %d" % os.stat(str(tmp_path / node)).st_gid


def test_a_stick_must_be_on_the_bus_and_the_bus_in_the_container(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_DEVICES", "myriad")
    none = checked("device myriad", tmp_path / "results", "ncs2", tmp_path)
    assert none.ok is False and "c 189:* rmw" in none.fix
    trees.build(tmp_path, {"sys/bus/usb/devices/1-4/idVendor": "03e7", "sys/bus/usb/devices/1-4/idProduct": "2485"})
    assert "isn't mounted in the container" in checked("device myriad", tmp_path / "results", "ncs2", tmp_path).found
    trees.build(tmp_path, {"dev/bus/usb": None})
    assert checked("device myriad", tmp_path / "results", "ncs2", tmp_path).ok is True


def test_a_host_of_another_l4t_names_the_image_that_fits(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_PLATFORM", "jetson-jp4")
    nano, orin = trees.nano_r32(tmp_path / "nano"), trees.orin_agx_r36(tmp_path / "orin")
    assert checked("L4T of host", tmp_path / "results", "jetson-jp4", nano).ok is True
    wrong = checked("L4T of host", tmp_path / "results", "jetson-jp4", orin)
    assert wrong.ok is False and "jetson-jp6" in wrong.fix
    unknown = checked("L4T of host", tmp_path / "results", "jetson-jp4", tmp_path)
    assert unknown.ok is None and "-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro" in unknown.fix


@pytest.mark.parametrize(
    "host, platform, words",
    [
        ("36.3.0", "jetson-jp6", "update the board to JetPack 6.1"),  # another CUDA than the image's
        ("32.6.1", "jetson-jp4", "build the image for that release (make jetson does)"),
        ("35.4.1", "jetson-jp6", "use the image jetson-jp5"),
        ("28.2.0", "jetson-jp4", "no image is made for that release"),
    ],
)
def test_what_mends_another_l4t_is_said(host, platform, words):
    assert words in right_machine.what_fits(host, platform)


def test_libraries_without_content_mean_that_the_runtime_is_missing(tmp_path):
    trees.nano_r32(tmp_path)
    assert checked("NVIDIA runtime", tmp_path / "results", "jetson-jp4", tmp_path).ok is True
    trees.build(tmp_path, {"usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1": ""})
    open(str(tmp_path / "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1"), "w").close()
    check = checked("NVIDIA runtime", tmp_path / "results", "jetson-jp4", tmp_path)
    assert check.ok is False and "--runtime nvidia" in check.fix and "nvidia-jetpack" in check.fix


def test_a_power_mode_below_the_most_is_something_to_know(tmp_path):
    assert checked("power mode", tmp_path / "results", "jetson-jp4", trees.nano_r32(tmp_path / "nano")).ok is True
    lower = checked("power mode", tmp_path / "results", "jetson-jp6", trees.orin_agx_r36(tmp_path / "orin"))
    assert lower.ok is None and lower.found == "2 MODE_30W" and "nvpmodel -m 0" in lower.fix
    hidden = checked("power mode", tmp_path / "results", "jetson-jp6", tmp_path)
    assert hidden.ok is None and "/var/lib/nvpmodel/status" in hidden.fix


# Identity


def test_a_jetson_image_on_another_machine_stops():
    error = doctor.platform_mismatch(platform="jetson-jp6")
    assert error.startswith("this image is for a Jetson (jetson-jp6), but this machine is not one") and "\n" not in error


@pytest.mark.parametrize(
    "platform, expected", [("jetson-jp6", None), ("jetson-jp4", "use the image jetson-jp6"), ("jetson-jp7", "use the image jetson-jp6")]
)
def test_a_jetson_image_of_another_jetpack_stops(tmp_path, cuda_works, platform, expected):
    error = right_machine.platform_mismatch(trees.orin_agx_r36(tmp_path), platform)
    assert error is None if expected is None else expected in error


def test_a_jetson_without_its_gpu_stops(tmp_path, cuda_works):
    trees.nano_r32(tmp_path)
    assert right_machine.platform_mismatch(str(tmp_path), "jetson-jp4") is None
    trees.remove(tmp_path, "dev/nvhost-gpu")
    assert "--runtime nvidia" in right_machine.platform_mismatch(str(tmp_path), "jetson-jp4")


def test_cuda_without_a_gpu_and_ncs2_without_a_stick_stop(tmp_path, cuda_works):
    assert "--gpus all" in right_machine.platform_mismatch(str(tmp_path), "cuda")
    assert "Neural Compute Stick" in right_machine.platform_mismatch(str(tmp_path), "ncs2")
    trees.build(tmp_path, {"dev/nvidia0": "", "sys/bus/usb/devices/2-1/idVendor": "03e7", "sys/bus/usb/devices/2-1/idProduct": "f63b"})
    assert right_machine.platform_mismatch(str(tmp_path), "cuda") is None and right_machine.platform_mismatch(str(tmp_path), "ncs2") is None


def test_a_bare_machine_and_the_cpu_images_are_what_they_say():
    assert [doctor.platform_mismatch(platform=platform) for platform in ("", "cpu", "openvino")] == [None, None, None]


@pytest.mark.parametrize(
    "image, host, fits",
    [
        ("32.4.4", "32.4.4", True), ("32.4.3", "32.4.4", False), ("r32.7.1", "32.7.6", True), ("32.6.1", "32.7.1", False), ("34.1.1", "34.1.0", True),
        ("35.4.1", "35.6.4", True), ("35.1", "36.3", False), ("36.3", "36.4.3", False), ("36.4.0", "36.5", True), ("36.4.0", "39.2.0", True),
        ("35.4.1", "38.2", True),
    ],
)  # fmt: skip
def test_which_l4t_image_fits_which_host(image, host, fits):
    assert right_machine.l4t_fits("jetson-jp5", host, image) is fits

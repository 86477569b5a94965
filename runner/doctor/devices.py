"""Checks of one device: its files, driver and libraries, each failure with the docker flag or the command that fixes it."""

import os
from dataclasses import dataclass
from typing import Optional

from runner.doctor import cuda_init, right_machine
from runner.machine import board, environment, gpus, sysfs, threads
from runner.sensors import devfreq

DEVICE_NODES = {"gpu": ("/dev/dri", "renderD128"), "npu": ("/dev/accel", "accel0")}  # for OpenVINO


@dataclass(frozen=True)
class Check:
    """``ok`` is None where nothing is wrong but there is something to know. ``fix`` is a flag or a command."""

    name: str
    ok: Optional[bool]
    found: str
    fix: Optional[str] = None


def device(device: str, platform: str, root: str) -> Check:
    """Whether a declared device can be used."""
    name = "device " + device
    if device == "cpu":
        found = threads.for_backends(root=root)
        count = "%d threads" % found.count if found.count > 1 else "1 thread"
        return Check(name, True, "%s; %s, as many as %s (%s)" % (board.cpu_model(root), count, found.rule, found.why))
    if device == "myriad":
        sticks = right_machine.ncs2_sticks(root)
        fix = "plug it in; docker run --device-cgroup-rule='c 189:* rmw' -v /dev/bus/usb:/dev/bus/usb"
        if not sticks:
            return Check(name, False, "no Neural Compute Stick 2 (USB 03e7:2485 or 03e7:f63b) on the USB bus", fix)
        mounted = os.path.isdir(sysfs.join(root, "dev/bus/usb"))
        return Check(
            name,
            mounted,
            ", ".join(sticks) + ("" if mounted else ", but /dev/bus/usb isn't mounted in the container"),
            None if mounted else fix,
        )
    if platform.startswith(("openvino", "cpu")):
        return _openvino_device(name, device, root)
    is_jetson = platform.startswith("jetson")
    if not right_machine.has_nvidia(root):
        return Check(name, False, "no NVIDIA device file (/dev/nvidiactl, /dev/nvhost-gpu)", cuda_init.gpu_flags(is_jetson))
    if device == "dla":
        return Check(name, True, "its device files are there")  # the environment leaves it out where they are not
    wrong = cuda_init.error(is_jetson, root)
    if wrong:
        return Check(name, False, *wrong)
    return Check(name, True, "CUDA initialises (cuInit)")


def _openvino_device(name: str, device: str, root: str) -> Check:
    folder, node = DEVICE_NODES.get(device, ("/dev/" + device, device))
    path = sysfs.join(root, "%s/%s" % (folder, node))
    fix = "docker run --device %s --group-add $(stat -c %%g %s/%s)" % (folder, folder, node)
    if not os.path.exists(path):
        return Check(name, False, "%s/%s doesn't exist" % (folder, node), fix)
    if not os.access(path, os.R_OK | os.W_OK):
        stat = os.stat(path)
        return Check(
            name,
            False,
            "%s/%s belongs to group %d, and this process isn't in it" % (folder, node, stat.st_gid),
            "docker run --group-add %d" % stat.st_gid,
        )
    return Check(name, True, "%s/%s can be used" % (folder, node))


def gpu_clocks(root: str, jetson: bool) -> Optional[Check]:
    """Whether the GPU's clocks are held: unlocked ones rise and fall with heat and load, and times with them."""
    if jetson:
        gpus_found = devfreq.Sensor(root)
        if gpus_found.available() is None:
            held = all(gpu["locked"] for gpu in gpus_found.read()["gpus"].values())
            return Check(
                "GPU clocks", held or None, "locked" if held else "not locked", None if held else "on the host: sudo jetson_clocks"
            )
        return None
    found = gpus.describe(root)["gpus"]
    if not found or not found[0].get("max_sm_clock_hz"):
        return None
    gpu, mhz = found[0], int(found[0]["max_sm_clock_hz"] / 1e6)
    set_hz, default_hz = gpu.get("application_clock_hz"), gpu.get("default_application_clock_hz")
    if set_hz and default_hz and set_hz != default_hz:
        return Check("GPU clocks", True, "application clock set to %d MHz" % (set_hz / 1e6))
    told = "up to %d MHz; the driver reports no lock" % mhz
    lock = 3 * mhz // 4  # what a GPU holds under load and heat
    return Check("GPU clocks", None, told, "on the host: sudo nvidia-smi -pm 1 && sudo nvidia-smi -lgc %d,%d (undo: -rgc)" % (lock, lock))


def l4t(root: str) -> Check:
    """Whether the host's L4T release is one that the image works on."""
    host = board.l4t(root)
    if host is None:
        return Check(
            "L4T of host",
            None,
            "unknown, so it can't be checked against the image",
            "docker run -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro",
        )
    image = os.environ.get("DYNO_L4T")
    fits = right_machine.l4t_fits(environment.platform_name(), host, image)
    return Check(
        "L4T of host",
        fits,
        "host %s, image %s" % (host, image or environment.platform_name()),
        None if fits else right_machine.what_fits(host, environment.platform_name()),
    )


def nvidia_runtime(root: str) -> Check:
    """JetPack 4 mounts CUDA and TensorRT from the host; without the runtime, or without them there, files of no bytes are left."""
    libraries = sysfs.find(root, "usr/lib/aarch64-linux-gnu/tegra/libcuda.so*") + sysfs.find(root, "usr/lib/aarch64-linux-gnu/libcudnn.so*")
    empty = [path for path in libraries if os.path.getsize(sysfs.join(root, path)) == 0]
    if empty:
        fix = 'docker run --runtime nvidia -e NVIDIA_REQUIRE_JETPACK="csv-mounts=all"; on the host: sudo apt install nvidia-jetpack'
        return Check("NVIDIA runtime", False, '%s is empty ("file too short")' % empty[0], fix)
    if not right_machine.has_nvidia(root):
        return Check("NVIDIA runtime", False, "the GPU's device files are not in the container", "docker run --runtime nvidia")
    return Check("NVIDIA runtime", True, "%d NVIDIA libraries found" % len(libraries))


def power_mode(root: str) -> Check:
    """A Jetson's power mode; one below the strongest is not a fault, but worth knowing."""
    mode = board.power_mode(root)
    if mode is None:
        fix = "docker run -v /var/lib/nvpmodel/status:/var/lib/nvpmodel/status:ro -v /etc/nvpmodel.conf:/etc/nvpmodel.conf:ro"
        return Check("power mode", None, "unknown", fix)
    most = "MAXN" in mode or mode == "0"
    return Check(
        "power mode",
        True if most else None,
        mode,
        None if most else "to measure at full power, on the host: sudo nvpmodel -m 0 && sudo jetson_clocks",
    )

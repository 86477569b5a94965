"""Whether this machine is what the image says it is for. Identity is never guessed: a mismatch stops before measuring."""

import os
import re
from typing import List, Optional, Tuple

from runner.doctor import cuda_init
from runner.machine import board, sysfs

JETPACKS = {"jetson-jp4": (32,), "jetson-jp5": (34, 35), "jetson-jp6": (36,), "jetson-jp7": (38, 39)}  # L4T majors
NCS2_IDS = {("03e7", "2485"), ("03e7", "f63b")}  # waiting for its firmware, and running


def platform_mismatch(root: str = "/", platform: Optional[str] = None) -> Optional[str]:
    """None, or one line that says why nothing may be measured under this platform's name."""
    platform = platform or os.environ.get("DYNO_PLATFORM") or ""
    if platform.startswith("jetson"):
        return _jetson_error(root, platform)
    if platform.startswith("cuda") and not has_nvidia(root):
        return "this image is for NVIDIA GPUs, but none is visible: docker run --gpus all (and nvidia-container-toolkit on the host)"
    if platform.startswith("cuda"):
        return _cuda_error(root, False)
    if platform == "ncs2" and not ncs2_sticks(root):
        return (
            "this image is for the Neural Compute Stick 2, but none is on the USB bus: plug it in, and "
            "docker run --device-cgroup-rule='c 189:* rmw' -v /dev/bus/usb:/dev/bus/usb"
        )
    return None


def _jetson_error(root: str, platform: str) -> Optional[str]:
    if not is_jetson(root):
        return "this image is for a Jetson (%s), but this machine is not one: it is %s" % (
            platform,
            board.model(root) or board.cpu_model(root),
        )
    host = board.l4t(root)
    if host and not l4t_fits(platform, host, os.environ.get("DYNO_L4T")):
        return "this image (%s%s) doesn't fit the board's L4T %s: %s" % (
            platform,
            ", L4T " + os.environ["DYNO_L4T"] if os.environ.get("DYNO_L4T") else "",
            host,
            what_fits(host, platform),
        )
    if not has_nvidia(root):
        return "the container has no access to the Jetson's GPU: docker run --runtime nvidia"
    return _cuda_error(root, True)


def _cuda_error(root: str, jetson: bool) -> Optional[str]:
    """Function, not presence: a device file may be there and CUDA not work."""
    wrong = cuda_init.error(jetson, root)
    return None if wrong is None else "CUDA can't be used: %s: %s" % wrong


def is_jetson(root: str = "/") -> bool:
    """By the SoC's family, the device tree or L4T's release file; any of them may be hidden from a container."""
    compatible = (sysfs.text(root, "proc/device-tree/compatible") or "") + (
        sysfs.text(root, "sys/firmware/devicetree/base/compatible") or ""
    )
    family = sysfs.text(root, "sys/devices/soc0/family") or ""
    return "nvidia,tegra" in compatible or family.lower().startswith("tegra") or board.l4t(root) is not None


def l4t_fits(platform: str, host: str, image: Optional[str] = None) -> bool:
    """Whether a container for ``image``'s L4T release (else for the platform's JetPack) works on a host with L4T ``host``.

    Before r32.7 exactly (r32.5.1 and r32.5.2 count as r32.5.0, whose image serves them); r32.7.x, r34, r35.x, r36 before 4 and r36 from 4 on are groups; hosts from r38 take all (SBSA).
    """
    host_release = _release(host)
    if host_release[0] >= 38:
        return True
    if image is None:
        return host_release[0] in JETPACKS.get(platform, (host_release[0],))
    return _group(_release(image)) == _group(host_release)


def image_for(host: str) -> Optional[str]:
    """The platform whose image fits a host's L4T release."""
    for platform, majors in JETPACKS.items():
        if _release(host)[0] in majors:
            return platform
    return None


def what_fits(host: str, platform: str) -> str:
    """What fixes a mismatch of ``platform``'s image and a host's L4T release, in words."""
    fit = image_for(host)
    if fit != platform:
        return "use the image %s" % fit if fit else "no image is made for that release"
    if _release(host)[0] == 36:
        return "update the board to JetPack 6.1 or later (L4T 36.4)"
    return "build the image for that release (make jetson does)"


def has_nvidia(root: str = "/") -> bool:
    """A device file of NVIDIA's driver: discrete GPU, Jetson (nvgpu or the older nvhost), or WSL."""
    names = ("dev/nvidiactl", "dev/nvidia0", "dev/nvhost-gpu", "dev/nvhost-ctrl-gpu", "dev/nvgpu", "dev/dxg")
    return any(os.path.exists(sysfs.join(root, name)) for name in names)


def ncs2_sticks(root: str = "/") -> List[str]:
    """Sticks on the USB bus as ["03e7:2485", ...]."""
    found = []
    for path in sysfs.find(root, "sys/bus/usb/devices/*/idVendor"):
        ids = sysfs.text(root, path), sysfs.text(root, path.replace("idVendor", "idProduct"))
        if ids in NCS2_IDS:
            found.append(":".join(ids))
    return found


def _release(text: str) -> Tuple[int, ...]:
    """ "r36.4.3", "36.4" or "36.4.3" as (36, 4, 3)."""
    numbers = tuple(int(word) for word in re.findall(r"\d+", text))
    return (numbers + (0, 0, 0))[:3]


def _group(release: Tuple[int, ...]) -> Tuple[int, ...]:
    major, minor, _ = release
    if major == 32:
        return (32, 7) if minor >= 7 else (32, 5) if minor == 5 else release
    if major == 36:
        return 36, minor >= 4
    return (major,)

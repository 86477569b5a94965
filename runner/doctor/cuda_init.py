"""Whether CUDA can be used by this process: cuInit, asked in a child process, which may crash or hang without harm."""

import os
import subprocess
import sys
from typing import Optional, Tuple

from runner.machine import sysfs

TIMEOUT_S = 30
LIBRARY = "libcuda.so.1"
CHILD = "import ctypes, sys; print('cuInit', ctypes.CDLL(sys.argv[1]).cuInit(0))"

# What cuInit answers besides 0: (words, what fixes it on a Jetson, what fixes it elsewhere).
ANSWERS = {
    34: ("libcuda is a stub, not the driver's own", "docker run --runtime nvidia", "docker run --gpus all"),
    100: (
        "no CUDA device is visible",
        "docker run --runtime nvidia, and no empty CUDA_VISIBLE_DEVICES",
        "docker run --gpus all, and no empty CUDA_VISIBLE_DEVICES; on the host nvidia-smi must list the GPU",
    ),
    801: (
        "this process may not open the GPU's device files",
        "docker run --group-add $(stat -c %g /dev/dri/renderD128) --group-add $(stat -c %g /dev/nvmap)",
        "docker run --gpus all, with a driver that this CUDA supports",
    ),
    802: ("the system is not ready", "restart the board", "on the host: sudo systemctl start nvidia-fabricmanager"),
    803: (
        "driver and libcuda are of different versions",
        "use the image of the board's JetPack (make jetson)",
        "on the host: restart it, so that the updated driver is loaded",
    ),
    999: (
        "the driver failed",
        "restart the board; sudo dmesg | grep -i nv says more",
        "on the host: sudo nvidia-modprobe -u -c=0 (or restart it); sudo dmesg | grep -i nvrm says more",
    ),
}


def gpu_flags(jetson: bool) -> str:
    """What gives a container the GPU."""
    return (
        "docker run --runtime nvidia"
        if jetson
        else "docker run --gpus all; on the host: nvidia-container-toolkit, and nvidia-smi must work"
    )


def error(jetson: bool, root: str = "/") -> Optional[Tuple[str, str]]:
    """None where cuInit succeeds, else (what is wrong, what fixes it)."""
    general = gpu_flags(jetson)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, LIBRARY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        out, err = child.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return "cuInit didn't return within %g s" % TIMEOUT_S, ANSWERS[999][1 if jetson else 2]
    if child.returncode < 0:
        return "cuInit was killed by signal %d" % -child.returncode, ANSWERS[999][1 if jetson else 2]
    words = out.decode("utf-8", "replace").split()
    if child.returncode or words[:1] != ["cuInit"]:
        last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason given"]
        return "%s can't be loaded: %s" % (LIBRARY, last[0].partition(": ")[2] or last[0]), general
    code = int(words[1])
    if code == 0:
        return None
    what, on_jetson, elsewhere = ANSWERS.get(code, ("see that error number in CUDA's documentation", general, general))
    if jetson and code == 801:
        on_jetson = missing_groups(root) or on_jetson
    return "cuInit answers %d: %s" % (code, what), on_jetson if jetson else elsewhere


def missing_groups(root: str) -> Optional[str]:
    """The flags for the groups of the Jetson's nodes that this process may not open, None where it may open all."""
    missing = set()
    for pattern in ("dev/nvmap", "dev/nvhost-*", "dev/nvgpu/*", "dev/nvgpu/*/*", "dev/nvidia*", "dev/dri/*"):
        for path in sysfs.find(root, pattern):
            node = sysfs.join(root, path)
            if not os.path.isdir(node) and not os.access(node, os.R_OK | os.W_OK):
                missing.add(os.stat(node).st_gid)
    return "docker run " + " ".join("--group-add %d" % group for group in sorted(missing)) if missing else None

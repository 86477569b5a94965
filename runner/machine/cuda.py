"""CUDA as processes see it: which libraries this one has loaded, and which GPU CUDA calls its first."""

import ctypes
import os
import re
import subprocess
import sys
from typing import Any, Dict, List, Optional

from runner.machine import sysfs

DRIVER = "libcuda.so.1"
LIBRARY = re.compile(r"\s(/\S*/lib(cudart|cudnn|cublas|nvinfer)\.so[^\s/]*)$", re.MULTILINE)
CHILD_TIMEOUT_S = 30
# Asked in a process of its own, which opens the device and ends: whoever forks must not.
CHILD = (
    "import ctypes, sys; c = ctypes.CDLL(sys.argv[1]); d = ctypes.c_int(); u = (ctypes.c_ubyte * 16)();"
    "ask = getattr(c, 'cuDeviceGetUuid_v2', None) or c.cuDeviceGetUuid;"
    "print(c.cuInit(0) or c.cuDeviceGet(ctypes.byref(d), 0) or ask(u, d) or bytes(u).hex())"
)


def loaded_versions(root: str = "/") -> Dict[str, Optional[str]]:
    """Versions of CUDA's libraries that this process has loaded, as they say themselves: cudart, cudnn, cublas, nvinfer."""
    maps = sysfs.text(root, "proc/self/maps") or ""
    paths = {name: path for path, name in LIBRARY.findall(maps)}
    return {name: _version(name, path) for name, path in sorted(paths.items())}


def _version(name: str, path: str) -> Optional[str]:
    try:
        library = ctypes.CDLL(path)  # it is loaded, so this is the same one
        number = ctypes.c_int()
        if name == "cublas":
            parts: List[int] = []
            for part in range(3):  # MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
                library.cublasGetProperty(part, ctypes.byref(number))
                parts.append(number.value)
            return ".".join(map(str, parts))
        if name == "cudart":
            library.cudaRuntimeGetVersion(ctypes.byref(number))
            return readable_version(name, number.value)
        return readable_version(name, (library.cudnnGetVersion if name == "cudnn" else library.getInferLibVersion)())
    except (OSError, AttributeError):  # it has been unloaded, or renamed its functions
        return None


def readable_version(name: str, number: int) -> str:
    """A library's version number as people write it: 13000 of cudart is 13.0, 91900 of cudnn 9.19.0, 8907 of it 8.9.7."""
    if name == "cudart":
        return "%d.%d" % (number // 1000, number % 1000 // 10)
    if number >= 20000:  # cuDNN 9 and TensorRT 10 on
        return "%d.%d.%d" % (number // 10000, number // 100 % 100, number % 100)
    return "%d.%d.%d" % (number // 1000, number // 100 % 10, number % 100)


def first_gpu_uuid() -> Optional[str]:
    """UUID of CUDA's device 0, in NVML's spelling, asked in a child process; None where CUDA doesn't answer."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, DRIVER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        said, _ = child.communicate(timeout=CHILD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None
    return _spelled_uuid(said.decode("ascii", "replace").strip())


def own_gpu_uuid() -> Optional[str]:
    """UUID of device 0 of this process, in which a framework has started CUDA already."""
    try:
        driver = ctypes.CDLL(DRIVER)
        device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        ask: Any = getattr(driver, "cuDeviceGetUuid_v2", None) or driver.cuDeviceGetUuid
        if driver.cuDeviceGet(ctypes.byref(device), 0) or ask(raw, device):
            return None
        return _spelled_uuid(bytes(raw).hex())
    except (OSError, AttributeError):
        return None


def _spelled_uuid(digits: str) -> Optional[str]:
    if not re.match(r"^[0-9a-f]{32}$", digits):
        return None
    return "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def first_visible() -> str:
    """The first GPU that CUDA_VISIBLE_DEVICES names: a number, a UUID or nothing."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()

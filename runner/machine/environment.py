"""Facts of the machine, the image and the installed software that a measurement depends on.

Read from files, without importing a framework or opening a device, so that it is safe in every process.
A fact that can't be had is None; ``gpu_reason`` says why there is no GPU.
"""

import os
import platform
import re
import socket
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from runner.machine import board, gpus, sysfs, thermal, threads

FRAMEWORKS = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "pytorchcv", "numpy")

OF_THE_RUN = ("threads", "threads_rule", "dyno")  # facts that are added by whoever measures

# Facts that must be alike for times to be comparable, beside the clocks; temperatures, loads and names of hosts are not among them.
COMPARABLE = (
    "platform", "image_digest", "arch", "cpu", "cpus", "cpu_quota", "cpu_flags", "memory_limit_bytes", "kernel", "python", "frameworks",
    "governor", "turbo", "board", "l4t", "power_mode", "gpu", "gpu_driver", "cuda", "cudnn", "cublas", "thread_env",
) + OF_THE_RUN  # fmt: skip

# Facts that decide whether something can run; `backends` says why each can't, where it can't.
CAPABILITIES = (
    "platform", "devices", "image_digest", "arch", "cpu", "memory_limit_bytes", "python", "frameworks", "packages", "board", "l4t",
    "gpu", "gpu_driver", "cuda", "backends",  # the last is added by whoever measures
)  # fmt: skip

NESTED = ("frameworks", "thread_env", "cpu_clocks_hz")  # facts that are mappings

THREAD_ENV = re.compile(
    r"^(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|TBB|ORT|OV|ONEDNN|DNNL|CUDA|CUDNN|NVIDIA_TF32|TORCH|PYTORCH|ATEN|MALLOC)_|^LD_PRELOAD$"
)


def describe(root: str = "/") -> Dict[str, Any]:
    """All facts, ready for JSON."""
    cpus = threads.cpu_limits(root)
    memory_bytes, limit_bytes = memory(root)
    packages = installed()
    zones = thermal.zones(root)
    facts = {
        "host": host(root),
        "platform": os.environ.get("DYNO_PLATFORM"),
        "devices": declared_devices(root),
        "image": os.environ.get("DYNO_IMAGE"),
        "image_digest": os.environ.get("DYNO_IMAGE_DIGEST"),
        "container": container(root),
        "arch": platform.machine(),
        "cpu": board.cpu_model(root),
        "cpu_flags": board.cpu_flags(root),
        "cpus": len(cpus["affinity"]),
        "cpus_online": os.cpu_count(),
        "cpu_quota": cpus["quota_cpus"],
        "memory_bytes": memory_bytes,
        "memory_limit_bytes": limit_bytes,
        "os": os_name(root),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "frameworks": {name: packages[name] for name in FRAMEWORKS if name in packages},
        "packages": packages,
        "governor": board.governor(root),
        "turbo": board.turbo(root),
        "cpu_clocks_hz": {kind: board.clocks(root, kind) for kind in ("cur", "min", "max")},
        "board": board.model(root),
        "l4t": board.l4t(root),
        "power_mode": board.power_mode(root),
        "temperatures_c": {name: thermal.celsius(root, path) for name, path in zones.items()},
        "cuda": board.cuda(root) or wheel_version(packages, "nvidia-cuda-runtime"),
        "cudnn": wheel_version(packages, "nvidia-cudnn"),
        "cublas": wheel_version(packages, "nvidia-cublas"),
        "thread_env": {name: value for name, value in sorted(os.environ.items()) if THREAD_ENV.match(name)},
    }
    facts.update(gpus.describe(root))
    return facts


def memory(root: str = "/") -> Tuple[Optional[int], Optional[int]]:
    """(bytes of the machine, tightest limit of the cgroups or None)."""
    total = re.search(r"MemTotal:\s*(\d+) kB", sysfs.text(root, "proc/meminfo") or "")
    total_bytes = int(total.group(1)) * 1024 if total else None
    files = sysfs.cgroup_files(root, "memory", "memory.max") + sysfs.cgroup_files(root, "memory", "memory.limit_in_bytes")
    found = [sysfs.number(root, path) for path in files]
    limits = [limit for limit in found if limit and (total_bytes is None or limit < total_bytes)]  # v1 says 2^63 for none
    return total_bytes, min(limits) if limits else None


def host(root: str = "/") -> str:
    """Name of this machine, for its record file: DYNO_HOST, else the host name.

    A container that was given neither has a random name that changes with every `docker run`; it is called
    `container`, so that the next one goes on with the same record file.
    """
    name = os.environ.get("DYNO_HOST") or socket.gethostname()
    return "container" if re.match(r"^[0-9a-f]{12}$", name) and container(root) else name


def comparable(facts: Dict[str, Any]) -> Dict[str, Any]:
    """The facts that must be alike for times to be compared, flat: {"frameworks.torch": "2.13.0", "governor": "performance", ...}."""
    clocks = [hz for hz in ((facts.get("cpu_clocks_hz") or {}).get("max") or {}).values() if hz]
    found = {name: facts.get(name) for name in COMPARABLE}
    found["cpu_clock_max_ghz"] = round(max(clocks) / 1e9, 1) if clocks else None  # read as 2.30 or 2.31 GHz on the same machine
    return _flat(found)


def is_same_machine(facts: Dict[str, Any], others: Dict[str, Any]) -> bool:
    """Whether replicates measured under these facts and those may join into one cell: host, image and all that must be alike agree."""
    same = all(facts.get(name) == others.get(name) for name in ("host", "image", "image_digest"))
    return same and comparable(facts) == comparable(others)


def capabilities(facts: Dict[str, Any]) -> Dict[str, Any]:
    """The facts that decide what can run here at all, flat: devices, drivers, and versions of everything that is installed."""
    return _flat({name: facts.get(name) for name in CAPABILITIES})


def differing(facts: Dict[str, Any], others: Dict[str, Any]) -> List[str]:
    """Names of those flat facts that both know and that differ."""
    return sorted(name for name in set(facts) & set(others) if facts[name] != others[name])


def _flat(facts: Dict[str, Any], prefix: str = "") -> Dict[str, Any]:
    flat = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            flat.update(_flat(value, "%s%s." % (prefix, name)))
        else:
            flat[prefix + str(name)] = value
    return flat


def load_average() -> Optional[List[float]]:
    """Load average over 1, 5 and 15 minutes, or None where the system has none."""
    try:
        return list(os.getloadavg())
    except (AttributeError, OSError):
        return None


def platform_name() -> str:
    """Kind of machine as the image declares it; a bare machine is `cpu`."""
    return os.environ.get("DYNO_PLATFORM") or "cpu"


def declared_devices(root: str = "/") -> Optional[List[str]]:
    """Devices that the image says it is for (DYNO_DEVICES, by comma or blank), None outside an image.

    An image serves boards with and without the accelerator DLA: it is left out where the board has no node of it.
    """
    names = (os.environ.get("DYNO_DEVICES") or "").replace(",", " ").split()
    return [name for name in names if name != "dla" or sysfs.find(root, "dev/nvhost*nvdla*")] or None


def installed(paths: Optional[Sequence[str]] = None) -> Dict[str, str]:
    """{name: version} of the installed distributions, from the names of their metadata folders: nothing is imported."""
    found: Dict[str, Any] = {}
    for path in sys.path if paths is None else paths:
        try:
            names = sorted(os.listdir(path or "."))
        except OSError:
            continue
        for name in names:
            match = re.match(r"^(.+?)-(\d[^-]*)(?:-.*)?\.(?:dist|egg)-info$", name)
            if match:
                found.setdefault(match.group(1).replace("_", "-").lower(), match.group(2))  # the first on the path is imported
    return found


def wheel_version(packages: Dict[str, str], name: str) -> Optional[str]:
    """Version of a library of CUDA that came as a wheel: nvidia-cublas, or nvidia-cublas-cu12. What a process loads stands in its replicate."""
    return next((version for key, version in sorted(packages.items()) if re.match(r"^%s(-cu\d+)?$" % name, key)), None)


def container(root: str = "/") -> Optional[str]:
    """docker, podman, kubernetes or None."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if sysfs.text(root, "run/.containerenv") is not None:
        return "podman"
    if sysfs.text(root, ".dockerenv") is not None or "/docker/" in (sysfs.text(root, "proc/self/cgroup") or ""):
        return "docker"
    return None


def os_name(root: str = "/") -> str:
    """Name and version of the system, as /etc/os-release has it."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', sysfs.text(root, "etc/os-release") or "", re.MULTILINE)
    return match.group(1) if match else platform.platform()

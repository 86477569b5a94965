"""NVIDIA GPUs as facts: through NVML where its binding is there, else through nvidia-smi."""

import re
import subprocess
from typing import Any, Dict, List, Optional

from runner.machine import cuda, sysfs

SMI_FIELDS = ("name", "driver_version", "memory.total", "compute_cap", "uuid", "power.limit", "clocks.max.sm", "persistence_mode")


def load_nvml() -> Any:
    """The NVML binding, initialised; raises ImportError or an error of the driver. Whoever loads it calls nvmlShutdown()."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml


def describe(root: str = "/") -> Dict[str, Any]:
    """{"gpu", "gpus", "gpu_driver", "gpu_reason"}: names, one dict of facts each, the driver; or the reason of their absence."""
    reasons = []
    for name, ask in (("NVML", _by_nvml), ("nvidia-smi", _by_smi)):
        try:
            found = ask()
        except Exception as error:  # each NVML error is a class of its own, and none may stop a run
            reasons.append("%s: %s" % (name, error))
            continue
        if found:
            return {"gpu": ", ".join(gpu["name"] for gpu in found), "gpus": found, "gpu_driver": found[0].get("driver"), "gpu_reason": None}
    tegra = sysfs.find(root, "sys/class/devfreq/*gpu*") + sysfs.find(root, "sys/class/devfreq/*.g[vab]1*")
    if tegra:
        return {"gpu": "Tegra " + tegra[0].rpartition("/")[2], "gpus": [], "gpu_driver": _tegra_driver(root), "gpu_reason": None}
    return {"gpu": None, "gpus": [], "gpu_driver": _tegra_driver(root), "gpu_reason": "; ".join(reasons) or "the driver lists none"}


def first_gpu(nvml: Any) -> Any:
    """NVML's handle of the GPU that frameworks see as their first. CUDA's order of several GPUs isn't NVML's, so CUDA is asked for the UUID."""
    asked = cuda.first_visible()
    if asked.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(asked)
    if nvml.nvmlDeviceGetCount() > 1:
        uuid = cuda.first_gpu_uuid()
        for name in (uuid, uuid and uuid.replace("GPU-", "MIG-")):
            try:
                if name:
                    return nvml.nvmlDeviceGetHandleByUUID(name)
            except nvml.NVMLError:  # a part of a GPU has a name of its own
                continue
    return nvml.nvmlDeviceGetHandleByIndex(int(asked) if asked.isdigit() else 0)


def _by_nvml() -> List[Dict[str, Any]]:
    nvml = load_nvml()
    try:
        driver = text(nvml.nvmlSystemGetDriverVersion())
        return [_facts(nvml, nvml.nvmlDeviceGetHandleByIndex(index), driver) for index in range(nvml.nvmlDeviceGetCount())]
    finally:
        nvml.nvmlShutdown()


def _facts(nvml: Any, handle: Any, driver: Optional[str]) -> Dict[str, Any]:
    def ask(call: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, call)(*arguments)
        except (nvml.NVMLError, AttributeError):  # not for this GPU, or not in this binding
            return None

    memory = ask("nvmlDeviceGetMemoryInfo", handle)
    limit_mw = ask("nvmlDeviceGetEnforcedPowerLimit", handle)
    clock = getattr(nvml, "NVML_CLOCK_GRAPHICS", 0)
    return {
        "name": text(nvml.nvmlDeviceGetName(handle)),
        "driver": driver,
        "uuid": text(ask("nvmlDeviceGetUUID", handle)),
        "memory_bytes": memory.total if memory else None,
        "compute_capability": ask("nvmlDeviceGetCudaComputeCapability", handle),
        "power_limit_w": limit_mw / 1e3 if limit_mw is not None else None,
        "max_sm_clock_hz": hz(ask("nvmlDeviceGetMaxClockInfo", handle, getattr(nvml, "NVML_CLOCK_SM", 1))),
        "application_clock_hz": hz(ask("nvmlDeviceGetApplicationsClock", handle, clock)),
        "default_application_clock_hz": hz(ask("nvmlDeviceGetDefaultApplicationsClock", handle, clock)),
        "persistence": ask("nvmlDeviceGetPersistenceMode", handle),
        "mig": ask("nvmlDeviceGetMigMode", handle),
    }


def _by_smi() -> List[Dict[str, Any]]:
    command = ["nvidia-smi", "--query-gpu=" + ",".join(SMI_FIELDS), "--format=csv,noheader,nounits"]
    output = subprocess.check_output(command, stderr=subprocess.STDOUT, timeout=20).decode("utf-8", "replace")
    return [_smi_facts(line) for line in output.splitlines() if line.count(",") == len(SMI_FIELDS) - 1]


def _smi_facts(line: str) -> Dict[str, Any]:
    name, driver, memory, capability, uuid, limit, clock, persistence = [word.strip() for word in line.split(",")]
    memory_mib, limit_w, clock_mhz = (_number(word) for word in (memory, limit, clock))
    return {
        "name": name,
        "driver": driver,
        "uuid": uuid,
        "memory_bytes": memory_mib * 2**20 if memory_mib else None,
        "compute_capability": capability.split("."),
        "power_limit_w": limit_w,
        "max_sm_clock_hz": hz(clock_mhz),
        "persistence": persistence == "Enabled",
        "mig": None,
    }


def _tegra_driver(root: str) -> Optional[str]:
    match = re.search(r"Kernel Module\S*\s.*?(\d+\.[\d.]+)", sysfs.text(root, "proc/driver/nvidia/version") or "")
    return match.group(1) if match else None


def _number(word: str) -> Optional[float]:
    try:
        return float(word)
    except ValueError:  # [N/A], [Not Supported]
        return None


def hz(mhz: Optional[float]) -> Optional[float]:
    """A clock that NVML gives in MHz; None where it gives none."""
    return None if mhz is None else 1e6 * mhz


def text(value: Any) -> Optional[str]:
    """NVML's answer as text: old bindings answer bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

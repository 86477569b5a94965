"""Facts of the machine, the image and the installed software that a measurement depends on.

Read from files, without importing a framework or opening a device, so that it is safe in every process.
A fact that can't be had is None; ``gpu_reason`` says why there is no GPU.
"""

import hashlib
import json
import os
import platform
import re
import socket
import sys

from runner import gpus, sysfs

FRAMEWORKS = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "pytorchcv", "numpy")

# Facts that must be alike for times to be comparable; temperatures, loads and names of hosts are not among them.
COMPARABLE = (
    "platform", "image_digest", "arch", "cpu", "cpus", "cpu_quota", "cpu_flags", "memory_limit_bytes", "kernel", "python", "frameworks",
    "governor", "turbo", "board", "l4t", "power_mode", "gpu", "gpu_driver", "cuda", "thread_env",
)  # fmt: skip

THREAD_ENV = re.compile(r"^(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|VECLIB|NUMEXPR|TBB|ORT|OV|ONEDNN|DNNL|CUDA|CUDNN|NVIDIA_TF32|TORCH|PYTORCH|ATEN|MALLOC)_|^LD_PRELOAD$")
CPU_FLAGS = re.compile(r"^(avx2|fma|avx512f|avx512_?vnni|avx512_?bf16|avx512_?fp16|avx_vnni|amx_\w+|asimd|asimdhp|asimddp|fphp|bf16|i8mm|sve2?)$")
ARM_CPUS = {
    ("0x41", "0xd03"): "Cortex-A53", ("0x41", "0xd07"): "Cortex-A57", ("0x41", "0xd08"): "Cortex-A72", ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1", ("0x41", "0xd40"): "Neoverse-V1", ("0x41", "0xd42"): "Cortex-A78AE", ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2", ("0x41", "0xd83"): "Neoverse-V3AE", ("0x4e", "0x003"): "Denver 2", ("0x4e", "0x004"): "Carmel",
}  # fmt: skip


def describe(root="/"):
    """All facts, ready for JSON."""
    limits = [sysfs.number(root, path) for name in ("memory.max", "memory.limit_in_bytes") for path in sysfs.cgroup_files(root, "memory", name)]
    meminfo = re.search(r"MemTotal:\s*(\d+) kB", sysfs.text(root, "proc/meminfo") or "")
    memory_bytes = int(meminfo.group(1)) * 1024 if meminfo else None
    limits = [limit for limit in limits if limit and (memory_bytes is None or limit < memory_bytes)]  # v1 says 2^63 for none
    packages = installed()
    facts = {
        "host": socket.gethostname(),
        "platform": os.environ.get("DYNO_PLATFORM"),
        "devices": declared_devices(),
        "image": os.environ.get("DYNO_IMAGE"),
        "image_digest": os.environ.get("DYNO_IMAGE_DIGEST"),
        "container": container(root),
        "arch": platform.machine(),
        "cpu": cpu_model(root),
        "cpu_flags": cpu_flags(root),
        "cpus": len(allowed_cpus()),
        "cpus_online": os.cpu_count(),
        "cpu_quota": cpu_quota(root),
        "memory_bytes": memory_bytes,
        "memory_limit_bytes": min(limits) if limits else None,
        "os": os_name(root),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "frameworks": {name: packages[name] for name in FRAMEWORKS if name in packages},
        "packages": packages,
        "governor": " ".join(sorted({sysfs.text(root, path) or "" for path in sysfs.find(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")})) or None,
        "turbo": turbo(root),
        "cpu_clocks_hz": {kind: clocks(root, kind) for kind in ("cur", "min", "max")},
        "board": board(root),
        "l4t": l4t(root),
        "power_mode": power_mode(root),
        "temperatures_c": temperatures(root),
        "cuda": cuda(root),
        "thread_env": {name: value for name, value in sorted(os.environ.items()) if THREAD_ENV.match(name)},
    }
    facts.update(gpus.describe(root))
    return facts


def fingerprint(facts):
    """Short hash of what must be alike for times to be comparable."""
    kept = json.dumps({name: facts.get(name) for name in COMPARABLE}, sort_keys=True, default=str)
    return hashlib.sha256(kept.encode("utf-8")).hexdigest()[:12]


def load():
    """Load average over 1, 5 and 15 minutes, or None where the system has none."""
    try:
        return list(os.getloadavg())
    except (AttributeError, OSError):
        return None


def declared_devices():
    """Devices that the image says it is for (DYNO_DEVICES, by comma or blank), None outside an image."""
    return (os.environ.get("DYNO_DEVICES") or "").replace(",", " ").split() or None


def installed(paths=None):
    """{name: version} of the installed distributions, from the names of their metadata folders: nothing is imported."""
    found = {}
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


def allowed_cpus():
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:
        return list(range(os.cpu_count() or 1))


def cpu_quota(root="/"):
    """CPUs that the cgroup allows (0.5: half of one), the tightest of all groups above; None without a limit."""
    quotas = []
    for path in sysfs.cgroup_files(root, "cpu", "cpu.max"):
        quota, _, period = (sysfs.text(root, path) or "").partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / float(period))
    for path in sysfs.cgroup_files(root, "cpu", "cpu.cfs_quota_us"):
        quota, period = sysfs.number(root, path), sysfs.number(root, path.replace("quota", "period"))
        if quota and quota > 0 and period:
            quotas.append(quota / float(period))
    return min(quotas) if quotas else None


def cpu_model(root="/"):
    info = sysfs.text(root, "proc/cpuinfo") or ""
    part = re.search(r"CPU implementer\s*: (\w+)(?:.*\n)*?CPU part\s*: (\w+)", info)
    if part:
        return ARM_CPUS.get(part.groups(), "Arm %s/%s" % part.groups())  # "model name" there is only "ARMv8 Processor"
    name = re.search(r"^(?:model name|Model|cpu model)\s*: (.+)$", info, re.MULTILINE)
    return name.group(1).strip() if name else platform.processor() or None


def cpu_flags(root="/"):
    """Instruction sets that decide which kernels a framework picks."""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", sysfs.text(root, "proc/cpuinfo") or "", re.MULTILINE)
    return sorted(flag for flag in line.group(1).split() if CPU_FLAGS.match(flag)) if line else None


def clocks(root, kind):
    """Clock of each CPU in Hz: ``cur``, ``min`` or ``max`` of the governor's range; {} without cpufreq."""
    paths = sysfs.find(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_%s_freq" % kind)
    found = {re.search(r"cpu\d+", path).group(): sysfs.number(root, path) for path in paths}
    return {cpu: 1000 * khz for cpu, khz in found.items() if khz}


def turbo(root="/"):
    """True, False, or None where the machine doesn't say."""
    off = sysfs.number(root, "sys/devices/system/cpu/intel_pstate/no_turbo")
    boost = sysfs.number(root, "sys/devices/system/cpu/cpufreq/boost")
    return not off if off is not None else bool(boost) if boost is not None else None


def temperatures(root="/"):
    """Degrees Celsius by thermal zone; zones that are switched off read as errors and are left out."""
    found = {}
    for path in sysfs.find(root, "sys/class/thermal/thermal_zone*"):
        milli, name = sysfs.number(root, path + "/temp"), sysfs.text(root, path + "/type")
        if milli is not None and name and -40000 < milli < 200000:  # Tegra's PMIC-Die reads a constant, others -256 C when off
            found[name if name not in found else os.path.basename(path)] = milli / 1000.0
    return found


def board(root="/"):
    """Model of the board. Docker masks the device tree, so the host may pass it on as DYNO_BOARD."""
    for path in ("proc/device-tree/model", "sys/firmware/devicetree/base/model"):
        model = sysfs.text(root, path)
        if model:
            return model
    if os.environ.get("DYNO_BOARD"):
        return os.environ["DYNO_BOARD"]
    names = [sysfs.text(root, "sys/class/dmi/id/" + name) for name in ("sys_vendor", "product_name")]
    return " ".join(name for name in names if name) or None


def l4t(root="/"):
    """L4T release of the host as "32.7.1", from its /etc/nv_tegra_release."""
    match = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", sysfs.text(root, "etc/nv_tegra_release") or "")
    return ".".join(match.groups()) if match else None


def power_mode(root="/"):
    """Jetson's power mode, "0 MAXN", from the state that nvpmodel keeps."""
    match = re.search(r"pmode:\s*0*(\d+)", sysfs.text(root, "var/lib/nvpmodel/status") or "")
    if not match:
        return os.environ.get("DYNO_POWER_MODE")
    name = re.search(r"POWER_MODEL\s+ID=%s\s+NAME=(\S+)" % match.group(1), sysfs.text(root, "etc/nvpmodel.conf") or "")
    return "%s %s" % (match.group(1), name.group(1)) if name else match.group(1)


def cuda(root="/"):
    """Version of the CUDA toolkit in the image, None where there is none (a pip wheel brings its own)."""
    for path in ("usr/local/cuda/version.json", "usr/local/cuda/version.txt"):
        match = re.search(r"(?:\"cuda\"[^}]*\"version\"\s*:\s*\"|CUDA Version )([\d.]+)", sysfs.text(root, path) or "")
        if match:
            return match.group(1)
    return None


def container(root="/"):
    """docker, podman, kubernetes or None."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if sysfs.text(root, "run/.containerenv") is not None:
        return "podman"
    if sysfs.text(root, ".dockerenv") is not None or "/docker/" in (sysfs.text(root, "proc/self/cgroup") or ""):
        return "docker"
    return None


def os_name(root="/"):
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', sysfs.text(root, "etc/os-release") or "", re.MULTILINE)
    return match.group(1) if match else platform.platform()

"""Facts of the machine itself: CPU, board, Jetson's L4T release and power mode. None where it doesn't say."""

import os
import platform
import re
from typing import Dict, List, Optional

from runner.machine import sysfs

CPU_FLAGS = re.compile(r"^(avx2|fma|avx512(f|_?vnni|_?bf16|_?fp16)|avx_vnni|amx_\w+|asimd|asimdhp|asimddp|fphp|bf16|i8mm|sve2?)$")
ARM_CPUS = {
    ("0x41", "0xd03"): "Cortex-A53", ("0x41", "0xd07"): "Cortex-A57", ("0x41", "0xd08"): "Cortex-A72", ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1", ("0x41", "0xd40"): "Neoverse-V1", ("0x41", "0xd42"): "Cortex-A78AE", ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2", ("0x41", "0xd83"): "Neoverse-V3AE", ("0x4e", "0x003"): "Denver 2", ("0x4e", "0x004"): "Carmel",
}  # fmt: skip


def cpu_model(root: str = "/") -> Optional[str]:
    """Name of the CPU, from /proc/cpuinfo; an Arm CPU is known by implementer and part."""
    info = sysfs.text(root, "proc/cpuinfo") or ""
    part = re.search(r"CPU implementer\s*: (\w+)(?:.*\n)*?CPU part\s*: (\w+)", info)
    if part:
        return ARM_CPUS.get((part.group(1), part.group(2)), "Arm %s/%s" % part.groups())  # "model name" there is only "ARMv8 Processor"
    name = re.search(r"^(?:model name|Model|cpu model)\s*: (.+)$", info, re.MULTILINE)
    return name.group(1).strip() if name else platform.processor() or None


def cpu_flags(root: str = "/") -> Optional[List[str]]:
    """Instruction sets that decide which kernels a framework picks."""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", sysfs.text(root, "proc/cpuinfo") or "", re.MULTILINE)
    return sorted(flag for flag in line.group(1).split() if CPU_FLAGS.match(flag)) if line else None


def governor(root: str = "/") -> Optional[str]:
    """The cpufreq governor, or all of them where the CPUs' differ."""
    names = {sysfs.text(root, path) for path in sysfs.find(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")}
    return " ".join(sorted(name for name in names if name)) or None


def clocks(root: str, kind: str) -> Dict[str, int]:
    """Clock of each CPU in Hz: ``cur``, ``min`` or ``max`` of the governor's range; {} without cpufreq."""
    paths = sysfs.find(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_%s_freq" % kind)
    found = {"".join(re.findall(r"/(cpu\d+)/", path)): sysfs.number(root, path) for path in paths}
    return {cpu: 1000 * khz for cpu, khz in found.items() if khz}


def turbo(root: str = "/") -> Optional[bool]:
    """True, False, or None where the machine doesn't say."""
    off = sysfs.number(root, "sys/devices/system/cpu/intel_pstate/no_turbo")
    boost = sysfs.number(root, "sys/devices/system/cpu/cpufreq/boost")
    return not off if off is not None else bool(boost) if boost is not None else None


def model(root: str = "/") -> Optional[str]:
    """Model of the board. Docker masks the device tree, so the host may pass it on as DYNO_BOARD."""
    for path in ("proc/device-tree/model", "sys/firmware/devicetree/base/model"):
        name = sysfs.text(root, path)
        if name:
            return name
    if os.environ.get("DYNO_BOARD"):
        return os.environ["DYNO_BOARD"]
    names = [sysfs.text(root, "sys/class/dmi/id/" + name) for name in ("sys_vendor", "product_name")]
    return " ".join(name for name in names if name) or None


def l4t(root: str = "/") -> Optional[str]:
    """L4T release of the host as "32.7.1", from its /etc/nv_tegra_release."""
    match = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", sysfs.text(root, "etc/nv_tegra_release") or "")
    return ".".join(match.groups()) if match else None


def power_mode(root: str = "/") -> Optional[str]:
    """Jetson's power mode, "0 MAXN", from the state that nvpmodel keeps."""
    match = re.search(r"pmode:\s*0*(\d+)", sysfs.text(root, "var/lib/nvpmodel/status") or "")
    if not match:
        return os.environ.get("DYNO_POWER_MODE")
    name = re.search(r"POWER_MODEL\s+ID=%s\s+NAME=(\S+)" % match.group(1), sysfs.text(root, "etc/nvpmodel.conf") or "")
    return "%s %s" % (match.group(1), name.group(1)) if name else match.group(1)


def cuda(root: str = "/") -> Optional[str]:
    """Version of the CUDA toolkit in the image, None where there is none (a pip wheel brings its own)."""
    for path in ("usr/local/cuda/version.json", "usr/local/cuda/version.txt"):
        match = re.search(r"(?:\"cuda\"[^}]*\"version\"\s*:\s*\"|CUDA Version )([\d.]+)", sysfs.text(root, path) or "")
        if match:
            return match.group(1)
    return None

"""Trees of /proc and /sys in the shape of real boards, built in a test's folder; values are made up, names and layout are the boards'."""

import os


def build(root, files):
    """Write {path: content} below root; None makes a folder, where a file would be unreadable for anyone."""
    for path, content in files.items():
        full = os.path.join(str(root), path)
        os.makedirs(full if content is None else os.path.dirname(full), exist_ok=True)
        if content is not None:
            with open(full, "w") as file:
                file.write("%s\n" % content)
    return str(root)


def link(root, path, target):
    """Make path below root a link to target below root."""
    full = os.path.join(str(root), path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    os.symlink(os.path.join(str(root), target), full)


def remove(root, path):
    os.remove(os.path.join(str(root), path))


def stat(cpus):
    """/proc/stat with (user, system, idle, iowait, steal) ticks per CPU."""
    lines = ["cpu  1 2 3 4 5 6 7 8 9 0"]
    for number, (user, system, idle, iowait, steal) in enumerate(cpus):
        lines.append("cpu%d %d 0 %d %d %d 0 0 %d 0 0" % (number, user, system, idle, iowait, steal))
    return "\n".join(lines + ["intr 12345 0 0", "ctxt 1"])


NANO_MONITOR = "sys/devices/7000c400.i2c/i2c-6/6-0040"
NANO_POWER = NANO_MONITOR + "/iio:device0/in_power0_input"


def nano_r32(root):
    """Jetson Nano, L4T 32.7.1: one INA3221 with an IIO driver, board total on POM_5V_IN."""
    link(root, "sys/bus/i2c/devices/6-0040", NANO_MONITOR)
    link(root, "sys/bus/i2c/drivers/ina3221x/6-0040", NANO_MONITOR)
    monitor = NANO_MONITOR + "/"
    return build(root, {
        monitor + "name": "ina3221x",
        monitor + "iio:device0/rail_name_0": "POM_5V_IN",
        monitor + "iio:device0/in_power0_input": 4200,
        monitor + "iio:device0/rail_name_1": "POM_5V_GPU",
        monitor + "iio:device0/in_power1_input": 900,
        monitor + "iio:device0/rail_name_2": "POM_5V_CPU",
        monitor + "iio:device0/in_power2_input": 1100,
        "sys/class/devfreq/57000000.gpu/cur_freq": 76800000,
        "sys/class/devfreq/57000000.gpu/min_freq": 76800000,
        "sys/class/devfreq/57000000.gpu/max_freq": 921600000,
        "sys/class/devfreq/57000000.gpu/device/load": 987,
        "sys/class/thermal/thermal_zone0/type": "AO-therm",
        "sys/class/thermal/thermal_zone0/temp": 38500,
        "sys/class/thermal/thermal_zone1/type": "GPU-therm",
        "sys/class/thermal/thermal_zone1/temp": 31000,
        "sys/class/thermal/thermal_zone2/type": "PMIC-Die",
        "sys/class/thermal/thermal_zone2/temp": 100000,
        "sys/class/thermal/cooling_device0/type": "pwm-fan",
        "sys/class/thermal/cooling_device0/cur_state": 2,
        "sys/class/thermal/cooling_device1/type": "gpu-balanced",
        "sys/class/thermal/cooling_device1/cur_state": 0,
        "sys/devices/soc0/family": "Tegra",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1479000,
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": 102000,
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": 1479000,
        "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3449-0000-b00\0nvidia,tegra210",
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nFeatures\t: fp asimd evtstrm aes crc32\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd07\n",
        "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat Feb 19 2022",
        "var/lib/nvpmodel/status": "pmode:0000",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=5W >\n< PM_CONFIG DEFAULT=0 >",
        "dev/nvhost-gpu": "",
    })  # fmt: skip


def orin_agx_r36(root):
    """Jetson AGX Orin, L4T 36.4: two monitors under hwmon with unconnected channels, no rail for the whole board."""
    monitors = ["sys/devices/platform/c240000.i2c/i2c-1/1-004%d" % n for n in (0, 1)]
    for monitor in monitors:
        link(root, "sys/bus/i2c/devices/" + os.path.basename(monitor), monitor)
        link(root, "sys/bus/i2c/drivers/ina3221/" + os.path.basename(monitor), monitor)
    first, second = ("%s/hwmon/hwmon%d/" % (monitor, 3 + n) for n, monitor in enumerate(monitors))
    files = {monitor + "/name": "ina3221" for monitor in monitors}
    channels = (
        (first, 1, "VDD_GPU_SOC", 19000, 500), (first, 2, "VDD_CPU_CV", 19000, 100), (first, 3, "VIN_SYS_5V0", 5000, 800),
        (second, 1, "NC", 0, 0), (second, 2, "VDDQ_VDD2_1V8AO", 5000, 160), (second, 3, "NC", 0, 0),
    )  # fmt: skip
    for folder, number, label, millivolts, milliamperes in channels:
        files.update({
            "%sin%d_label" % (folder, number): label,
            "%sin%d_input" % (folder, number): millivolts,
            "%scurr%d_input" % (folder, number): milliamperes,
        })  # fmt: skip
    files.update({
        first + "in7_label": "sum of shunt voltages",
        first + "in7_input": 760,
        first + "curr7_input": 9999,
        "sys/class/devfreq/17000000.gpu/cur_freq": 1300500000,
        "sys/class/devfreq/17000000.gpu/min_freq": 1300500000,
        "sys/class/devfreq/17000000.gpu/max_freq": 1300500000,
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": 51250,
        "sys/class/thermal/thermal_zone1/type": "cv0-thermal",
        "sys/class/thermal/thermal_zone1/temp": -256000,
        "sys/class/hwmon/hwmon5/name": "soctherm_oc",
        "sys/class/hwmon/hwmon5/oc1_event_cnt": 0,
        "sys/class/hwmon/hwmon5/oc3_event_cnt": 27,
        "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit",
        "proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025",
        "var/lib/nvpmodel/status": "pmode:0002",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=MODE_30W >",
        "dev/nvgpu": None,
    })  # fmt: skip
    return build(root, files)


def xavier_nx_r35(root):
    """Jetson Xavier NX, L4T 35.4: one monitor under hwmon, found through devices, VDD_IN is the whole module."""
    folder = "sys/bus/i2c/devices/7-0040/hwmon/hwmon6/"
    files = {"sys/bus/i2c/devices/7-0040/name": "ina3221"}
    for number, label, millivolts, milliamperes in ((1, "VDD_IN", 5000, 1500), (2, "VDD_CPU_GPU_CV", 5000, 600), (3, "VDD_SOC", 5000, 300)):
        files.update({
            "%sin%d_label" % (folder, number): label,
            "%sin%d_input" % (folder, number): millivolts,
            "%scurr%d_input" % (folder, number): milliamperes,
        })  # fmt: skip
    return build(root, files)


def server(root, mounted_at="sys/class/powercap"):
    """Two-socket x86 server: RAPL for two packages, each with cores and memory, and the whole platform; counters wrap at 1000 J."""
    files = {}
    zones = {"0": "package-0", "0:0": "core", "0:1": "dram", "1": "package-1", "1:0": "core", "1:1": "dram", "2": "psys"}
    for number, name in zones.items():
        parent = "intel-rapl:%s/" % number.partition(":")[0] if ":" in number else ""
        folder = "%s/%sintel-rapl:%s/" % (mounted_at, parent, number)
        files.update({folder + "name": name, folder + "energy_uj": 0, folder + "max_energy_range_uj": 1000000000})
    files["sys/class/powercap/intel-rapl-mmio:0/name"] = "package-0"  # the same package by another way
    files["sys/class/powercap/intel-rapl-mmio:0/energy_uj"] = 5
    for cpu in range(4):
        files["sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor" % cpu] = "powersave" if cpu else "performance"
        files["sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq" % cpu] = 2000000 + 100000 * cpu
        files["sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count" % cpu] = 7
    files["sys/devices/system/cpu/intel_pstate/no_turbo"] = 0
    files["sys/class/dmi/id/sys_vendor"] = "Example Inc."
    files["sys/class/dmi/id/product_name"] = "Server 2"
    files["proc/cpuinfo"] = "processor\t: 0\nmodel name\t: Example(R) Xeon(R) 1234\nflags\t\t: fpu avx2 fma avx512f amx_bf16 sse2\n"
    return build(root, files)

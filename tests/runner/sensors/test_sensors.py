"""Sensors on trees in the shape of real boards: energy, memory, clocks, heat; and what happens when one vanishes."""

import os
import subprocess
import sys
import tempfile

import pytest
import trees

from runner import sensors
from runner.machine import cuda, gpus
from runner.measure import sampling
from runner.sensors import _energy, base, cpufreq, devfreq, jetson_ina3221, memory, nvml, rapl, thermal


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def working(module, root):
    sensor = module.Sensor(str(root))
    assert sensor.available() is None
    return sensor


def sampled(sensor, seconds=(0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0), change=lambda at_s: None):
    """Readings of a sensor sampled at these moments, ``change`` applied before each."""
    sensor.start()
    for at_s in seconds:
        change(at_s)
        sensor.sample(at_s)
    return sensor.read(seconds[0], seconds[-1])


# Energy from samples


def test_energy_between_two_samples_of_a_counter_is_interpolated():
    meter = _energy.Meter(0.01, "counter")
    for tenth in range(41):
        meter.count(tenth / 10.0, 5.0 * tenth / 10.0)
    readings = meter.read(1.04, 3.54)
    assert readings["energy_j"] == pytest.approx(12.5) and readings["power_w"] == pytest.approx(5.0)


def test_a_counter_that_wraps_more_than_once_in_a_window_goes_on():
    meter = _energy.Meter(0.01, "counter", modulus_j=10.0)
    for second in range(9):
        meter.count(float(second), (7.0 + 4.0 * second) % 10.0)
    assert meter.read(0.0, 8.0)["energy_j"] == pytest.approx(32.0)


def test_a_counter_that_goes_back_without_a_known_range_has_no_energy():
    meter = _energy.Meter(0.01, "counter")
    for at_s, joules in ((0, 5.0), (1, 6.0), (2, 1.0), (3, 2.0), (4, 3.0), (5, 4.0)):
        meter.count(float(at_s), joules)
    readings = meter.read(0.0, 5.0)
    assert readings["energy_j"] is None and "went back" in readings["reason"]


def test_power_that_changes_is_integrated_as_trapezoids():
    meter = _energy.Meter(0.01, "power")
    for at_s, power_w in ((0, 0.0), (1, 10.0), (2, 10.0), (3, 0.0), (4, 0.0)):
        meter.integrate(float(at_s), power_w)
    assert meter.read(0.0, 4.0)["energy_j"] == pytest.approx(20.0)


def test_energy_above_idle_stands_beside_gross_and_survives_the_next_start():
    meter = _energy.Meter(0.01, "power")
    for power_w in (2.0, 10.0):
        meter.clear()
        for second in range(6):
            meter.integrate(float(second), power_w)
        if power_w == 2.0:
            meter.rest(0.0, 5.0)
    readings = meter.read(0.0, 5.0)
    assert (readings["energy_j"], readings["idle_power_w"], readings["above_idle_j"]) == (50.0, 2.0, 40.0)
    _energy.per_image({"x": readings, "memory": {"peak_bytes": 1}}, 100)
    assert (readings["energy_j_per_image"], readings["above_idle_j_per_image"]) == (0.5, 0.4)


def test_without_a_rest_energy_above_idle_is_unknown_not_gross():
    meter = _energy.Meter(0.01, "power")
    for second in range(6):
        meter.integrate(float(second), 3.0)
    readings = _energy.per_image({"x": meter.read(0.0, 5.0)}, 10)["x"]
    assert readings["energy_j_per_image"] == 1.5
    assert readings["above_idle_j"] is None and readings["above_idle_j_per_image"] is None


@pytest.mark.parametrize("window, reason", [((0.0, 0.5), "too short"), ((1.0, 7.0), "don't cover"), ((-1.0, 4.0), "don't cover")])
def test_a_window_that_is_too_short_or_not_covered_has_no_energy_and_says_why(window, reason):
    meter = _energy.Meter(0.1, "counter")
    for tenth in range(51):
        meter.count(tenth / 10.0, float(tenth))
    readings = _energy.per_image({"x": meter.read(*window)}, 10)["x"]
    assert readings["energy_j"] is None and readings["power_w"] is None and readings["energy_j_per_image"] is None
    assert reason in readings["reason"]


def test_too_few_samples_are_not_stretched_over_a_window():
    meter = _energy.Meter(0.01, "counter")
    for second in (0, 5, 10):
        meter.count(float(second), float(second))
    assert "3 samples" in meter.read(0.0, 10.0)["reason"]


# RAPL


def counters(root, joules, mounted_at="sys/class/powercap"):
    """Set every zone's counter: {number: joules}."""
    for number, value in joules.items():
        parent = "intel-rapl:%s/" % number.partition(":")[0] if ":" in number else ""
        trees.build(root, {"%s/%sintel-rapl:%s/energy_uj" % (mounted_at, parent, number): int(value * 1e6)})


@pytest.mark.parametrize("mounted_at", ["sys/class/powercap", "rapl"])
def test_two_sockets_and_their_memory_are_added_and_the_counters_wrap(tmp_path, mounted_at):
    trees.server(tmp_path, mounted_at)
    sensor = working(rapl, tmp_path)
    power_w = {"0": 100, "0:0": 60, "0:1": 10, "1": 200, "1:0": 90, "1:1": 20, "2": 400}  # psys holds all, core lies in its package

    def change(at_s):
        counters(tmp_path, {zone: (950 + watts * at_s) % 1000 for zone, watts in power_w.items()}, mounted_at)

    readings = sampled(sensor, change=change)
    assert readings["energy_j"] == pytest.approx(3.0 * 330)
    assert readings["zones_j"]["package-0"] == pytest.approx(300) and readings["zones_j"]["psys"] == pytest.approx(1200)
    assert "core" not in readings["method"] and "psys" not in readings["method"]


def test_counters_that_only_root_may_read_name_the_mount_that_mends_it(tmp_path):
    trees.build(tmp_path, {"sys/class/powercap/intel-rapl:0/name": "package-0", "sys/class/powercap/intel-rapl:0/energy_uj": None})
    reason = rapl.Sensor(str(tmp_path)).available()
    assert "can't be read" in reason and "-v /sys/devices/virtual/powercap/intel-rapl:/rapl:ro" in reason and "--user 0" in reason


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


def test_a_user_without_permission_gets_a_reason_not_a_crash():
    with tempfile.TemporaryDirectory() as root:  # pytest's own folders are closed to others
        os.chmod(root, 0o755)
        trees.server(root)
        for folder, _, names in os.walk(root):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o000 if name == "energy_uj" else 0o444)
        assert "energy_uj can't be read: only root may" in as_nobody(lambda: rapl.Sensor(root).available())


def test_no_rapl_is_no_energy_with_a_reason(tmp_path):
    assert "no RAPL counters" in rapl.Sensor(str(tmp_path)).available()


# INA3221


def test_nano_r32_has_its_board_total_on_one_rail_seen_once(tmp_path):
    sensor = working(jetson_ina3221, trees.nano_r32(tmp_path))
    readings = sampled(sensor)
    assert readings["rails_w"] == {"POM_5V_IN": pytest.approx(4.2), "POM_5V_GPU": pytest.approx(0.9), "POM_5V_CPU": pytest.approx(1.1)}
    assert readings["power_w"] == pytest.approx(4.2) and readings["method"] == "INA3221 rail POM_5V_IN"


def test_xavier_nx_r35_takes_volts_times_amperes_of_its_input(tmp_path):
    readings = sampled(working(jetson_ina3221, trees.xavier_nx_r35(tmp_path)))
    assert readings["power_w"] == pytest.approx(7.5) and readings["energy_j"] == pytest.approx(22.5)
    assert readings["rails_w"]["VDD_SOC"] == pytest.approx(1.5)


def test_agx_orin_r36_sums_its_rails_without_unconnected_ones_and_without_counting_memory_twice(tmp_path):
    readings = sampled(working(jetson_ina3221, trees.orin_agx_r36(tmp_path)))
    assert sorted(readings["rails_w"]) == ["VDDQ_VDD2_1V8AO", "VDD_CPU_CV", "VDD_GPU_SOC", "VIN_SYS_5V0"]  # no NC, no in7
    assert readings["power_w"] == pytest.approx(9.5 + 1.9 + 4.0)  # the memory's 0.8 W come out of VIN_SYS_5V0
    assert "sum of VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0" in readings["method"]


def test_power_that_rises_is_followed(tmp_path):
    sensor = working(jetson_ina3221, trees.nano_r32(tmp_path))
    power = trees.NANO_POWER
    readings = sampled(sensor, change=lambda at_s: trees.build(tmp_path, {power: int(2000 + 1000 * at_s)}))
    assert readings["energy_j"] == pytest.approx(2 * 3 + 0.5 * 3 * 3)


def test_a_rail_that_vanishes_in_mid_run_makes_the_energy_unknown_with_a_reason(tmp_path):
    sensor = working(jetson_ina3221, trees.nano_r32(tmp_path))
    power = trees.NANO_POWER

    def change(at_s):
        if at_s == 1.5:
            trees.remove(tmp_path, power)

    readings = sampled(sensor, change=change)
    assert readings["energy_j"] is None and readings["power_w"] is None
    assert "POM_5V_IN can no longer be read" in readings["reason"]
    trees.build(tmp_path, {power: 4200})
    assert sampled(sensor)["energy_j"] == pytest.approx(12.6)  # the next measurement has it again


def test_a_rail_beside_the_total_may_be_unreadable_but_not_one_of_it(tmp_path):
    trees.nano_r32(tmp_path)
    trees.remove(tmp_path, trees.NANO_POWER.replace("power0", "power2"))
    readings = sampled(working(jetson_ina3221, tmp_path))
    assert readings["power_w"] == pytest.approx(4.2) and readings["rails_w"]["POM_5V_CPU"] is None
    trees.remove(tmp_path, trees.NANO_POWER)
    assert jetson_ina3221.Sensor(str(tmp_path)).available() == "rail POM_5V_IN can't be read"


def test_a_machine_without_a_monitor_has_a_reason(tmp_path):
    assert "not a Jetson" in jetson_ina3221.Sensor(str(tmp_path)).available()


# Clocks and heat


def test_low_clocks_are_not_throttling_but_throttle_events_are(tmp_path):
    sensor = working(cpufreq, trees.server(tmp_path))
    low = sampled(sensor)
    assert low["throttled"] == [] and low["clock_hz"]["min"] == 2000000000 and low["clock_hz"]["max"] == 2300000000
    counter = "sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count"
    hot = sampled(sensor, change=lambda at_s: trees.build(tmp_path, {counter: 7 + int(at_s)}))
    assert hot["throttle_events"] == 3 and hot["throttled"] == ["3 thermal throttle events of the CPU"]


def test_a_board_that_counts_no_throttle_events_does_not_claim_there_were_none(tmp_path):
    assert sampled(working(cpufreq, trees.nano_r32(tmp_path)))["throttled"] is None


def test_thermal_zones_that_are_off_or_constant_are_left_out(tmp_path):
    nano = sampled(working(thermal, trees.nano_r32(tmp_path / "nano")))
    orin = sampled(working(thermal, trees.orin_agx_r36(tmp_path / "orin")))
    assert sorted(nano["temperatures_c"]) == ["AO-therm", "GPU-therm"] and nano["hottest_c"] == 38.5
    assert orin["temperatures_c"]["cpu-thermal"]["max"] == 51.25 and "cv0-thermal" not in orin["temperatures_c"]


def test_a_fan_is_not_throttling_but_an_active_cooling_device_is(tmp_path):
    sensor = working(thermal, trees.nano_r32(tmp_path))
    assert sampled(sensor)["throttled"] == []
    trees.build(tmp_path, {"sys/class/thermal/cooling_device1/cur_state": 3})
    assert sampled(sensor)["throttled"] == ["cooling device 1 gpu-balanced at state 3"]


def test_over_current_events_count_only_within_the_window(tmp_path):
    sensor = working(thermal, trees.orin_agx_r36(tmp_path))
    assert sampled(sensor)["throttled"] == []  # 27 since boot
    counter = "sys/class/hwmon/hwmon5/oc3_event_cnt"
    assert sampled(sensor, change=lambda at_s: trees.build(tmp_path, {counter: 27 + int(at_s)}))["throttled"] == ["3 over-current events"]


@pytest.mark.parametrize("tree, name, locked", [(trees.nano_r32, "57000000.gpu", False), (trees.orin_agx_r36, "17000000.gpu", True)])
def test_a_jetsons_gpu_clock_is_read_and_a_locked_one_is_seen(tmp_path, tree, name, locked):
    gpu = sampled(working(devfreq, tree(tmp_path)))["gpus"][name]
    assert gpu["locked"] is locked
    assert gpu["clock_hz"]["median"] == (1300500000 if locked else 76800000)


@pytest.mark.parametrize(
    "module, tree, path",
    [
        (devfreq, trees.nano_r32, "sys/class/devfreq/57000000.gpu/cur_freq"),
        (cpufreq, trees.nano_r32, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
        (thermal, trees.xavier_nx_r35, "sys/class/thermal/thermal_zone0/temp"),
    ],
)
def test_a_sensor_that_vanishes_in_mid_run_says_so(tmp_path, module, tree, path):
    tree(tmp_path)
    if module is thermal:
        trees.build(tmp_path, {"sys/class/thermal/thermal_zone0/type": "cpu", path: 40000})
    sensor = working(module, tmp_path)
    readings = sampled(sensor, change=lambda at_s: trees.remove(tmp_path, path) if at_s == 1.5 else None)
    assert "be read" in readings["reason"]


# Memory


def test_peak_memory_is_that_of_the_work_not_of_what_came_before():
    code = (
        "from runner.sensors.memory import Sensor\n"
        "x = bytearray(120 << 20); del x\n"
        "s = Sensor(); s.start(); y = bytearray(60 << 20); del y; r = s.read()\n"
        "print(r['method'], r['above_baseline_bytes'] >> 20, r['peak_bytes'] == r['baseline_bytes'] + r['above_baseline_bytes'])"
    )
    method, above_mib, adds_up = subprocess.check_output([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=os.getcwd())).split()
    assert adds_up == b"True"
    if method == b"VmHWM":
        assert 58 <= int(above_mib) <= 66
    else:  # a kernel that can't reset the peak
        assert method == b"ru_maxrss" and int(above_mib) >= 100


def test_where_the_peak_can_not_be_reset_another_method_is_named(tmp_path):
    trees.build(tmp_path, {"proc/self/clear_refs": None, "proc/self/status": "VmHWM:\t 900 kB\nVmRSS:\t 500 kB\n"})
    sensor = working(memory, tmp_path)
    sensor.start()
    readings = sensor.read()
    assert readings["method"] == "ru_maxrss" and readings["baseline_bytes"] == 500 * 1024
    assert readings["peak_bytes"] > 5 * 2**20  # of this process, not of the tree


def test_a_peak_that_did_not_move_when_reset_is_not_trusted(tmp_path):
    trees.build(tmp_path, {"proc/self/clear_refs": "", "proc/self/status": "VmHWM:\t 900000 kB\nVmRSS:\t 500000 kB\n"})
    sensor = working(memory, tmp_path)
    sensor.start()
    assert sensor.read()["method"] == "ru_maxrss"


@pytest.mark.parametrize(
    "group, files, method",
    [
        ("0::/\n", {"sys/fs/cgroup/memory.peak": 77}, "memory.peak"),
        ("4:memory:/docker/ab\n0::/\n", {"sys/fs/cgroup/memory/memory.max_usage_in_bytes": 77}, "memory.max_usage_in_bytes"),
    ],
)
def test_the_containers_peak_is_read_from_either_cgroup_version(tmp_path, group, files, method):
    trees.build(tmp_path, dict(files, **{"proc/self/cgroup": group}))
    sensor = working(memory, tmp_path)
    sensor.start()
    assert sensor.read()["cgroup"] == {"peak_bytes": 77, "rose": False, "method": method}


# NVML


class FakeNvml:
    """One GPU in the shape of nvidia-ml-py; ``supported`` are the calls that it knows."""

    class NVMLError(Exception):
        pass

    class Memory:
        total, used = 80 * 2**30, 0

    class Process:
        def __init__(self, pid, size):
            self.pid, self.usedGpuMemory = pid, size

    def __init__(self, **answers):
        self.answers = dict(
            {
                "nvmlDeviceGetMemoryInfo": self.Memory(),
                "nvmlDeviceGetComputeRunningProcesses": [],
                "nvmlDeviceGetClockInfo": 1410,
                "nvmlDeviceGetTemperature": 55,
                "nvmlDeviceGetCurrentClocksEventReasons": 0,
                "nvmlDeviceGetTotalEnergyConsumption": 0,
                "nvmlDeviceGetPowerUsage": 250000,
            },
            **answers,
        )
        self.closed = False

    def __getattr__(self, call):
        if call.startswith("nvmlDeviceGetHandle"):
            return lambda what: what
        if call not in self.__dict__.get("answers", {}):
            raise AttributeError(call)

        def answer(handle, *arguments):
            value = self.answers[call]
            if value is None:
                raise self.NVMLError("not supported")
            return value

        return answer

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlShutdown(self):
        self.closed = True


@pytest.fixture
def gpu(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setattr(gpus, "load_nvml", lambda: fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_energy_memory_and_clocks_of_a_gpu(gpu):
    sensor = working(nvml, "/")
    gpu.Memory.used = 2 * 2**30
    sensor.start()
    for step in range(7):
        gpu.answers["nvmlDeviceGetTotalEnergyConsumption"] = int(1e6 + 300e3 * step * 0.5)
        gpu.Memory.used = (2 + (3 if step == 1 else 1)) * 2**30
        sensor.sample(step * 0.5)
    readings = sensor.read(1.0, 3.0)
    assert readings["energy_j"] == pytest.approx(600) and readings["method"] == "NVML total energy counter"
    assert readings["peak_above_baseline_bytes"] == 3 * 2**30  # while loading, before the window
    assert readings["memory_method"] == "NVML device above baseline"
    assert readings["sm_clock_hz"]["median"] == 1410000000 and readings["throttled"] == []
    sensor.close()
    assert gpu.closed


def test_a_gpu_without_a_counter_integrates_power_over_a_long_enough_window(gpu):
    gpu.answers["nvmlDeviceGetTotalEnergyConsumption"] = None
    sensor = working(nvml, "/")
    short = sampled(sensor)
    assert short["energy_j"] is None and "too short" in short["reason"]
    long = sampled(sensor, [0.5 * step for step in range(17)])
    assert long["energy_j"] == pytest.approx(2000) and long["method"] == "NVML power, integrated"


def test_a_gpu_that_tells_neither_has_no_energy(gpu):
    gpu.answers.update(nvmlDeviceGetTotalEnergyConsumption=None, nvmlDeviceGetPowerUsage=None, nvmlDeviceGetMemoryInfo=None)
    readings = sampled(working(nvml, "/"))
    assert readings["energy_j"] is None and "neither energy nor power" in readings["reason"]
    assert readings["peak_above_baseline_bytes"] is None


def test_memory_is_taken_from_the_process_that_came_after_the_start(gpu):
    gpu.answers["nvmlDeviceGetComputeRunningProcesses"] = [gpu.Process(11, 5 * 2**30)]
    sensor = working(nvml, "/")
    sensor.start()
    gpu.answers["nvmlDeviceGetComputeRunningProcesses"] = [gpu.Process(11, 5 * 2**30), gpu.Process(12, 2**30)]
    for step in range(5):
        sensor.sample(step * 1.0)
    readings = sensor.read(0.0, 4.0)
    assert readings["peak_above_baseline_bytes"] == 2**30 and readings["memory_method"] == "NVML process"
    assert readings["other_processes"] == 1


class Utilization:
    def __init__(self, pid, at_us, percent):
        self.pid, self.timeStamp, self.smUtil = pid, at_us, percent


def test_other_processes_that_compute_on_the_gpu_make_it_shared_and_idle_ones_do_not(gpu):
    gpu.answers["nvmlDeviceGetComputeRunningProcesses"] = [gpu.Process(11, 2**30)]
    for percent, shared in ((60, True), (0, False)):
        gpu.answers["nvmlDeviceGetProcessUtilization"] = [Utilization(11, 5, percent), Utilization(12, 6, 90)]
        readings = sampled(working(nvml, "/"))
        assert readings["others_share"] == percent / 100.0 and readings["other_processes"] == 1
        assert sampling.shared({"nvml": readings, "memory": {}, "rapl": None}, 0.05) is shared


def test_a_gpu_of_our_own_is_not_shared_and_a_silent_driver_is_unknown(gpu):
    assert sampled(working(nvml, "/"))["others_share"] == 0.0
    gpu.answers["nvmlDeviceGetComputeRunningProcesses"] = [gpu.Process(11, 2**30)]
    readings = sampled(working(nvml, "/"))
    assert readings["others_share"] is None and not sampling.shared({"nvml": readings}, 0.05)


def test_idle_clocks_are_not_throttling_and_a_power_cap_is():
    assert nvml.throttling([0x1] * 10) == {"clock_reasons": {"idle": 1.0}, "throttled": []}
    assert nvml.throttling([0x1 | 0x4] * 10)["throttled"] == []  # what an idle GPU says of its cap means nothing
    assert nvml.throttling([0x0] * 5 + [0x4] * 5)["throttled"] == ["power cap in 50 % of samples"]
    assert nvml.throttling([0x2 | 0x10] * 4)["throttled"] == []
    assert nvml.throttling([0x0] * 99 + [0x40])["throttled"] == []
    assert nvml.throttling([])["throttled"] is None


def test_older_drivers_name_the_reasons_differently(gpu):
    gpu.answers["nvmlDeviceGetCurrentClocksThrottleReasons"] = 0x40
    del gpu.answers["nvmlDeviceGetCurrentClocksEventReasons"]
    assert sampled(working(nvml, "/"))["throttled"] == ["hardware thermal slowdown in 100 % of samples"]


def test_a_gpu_that_falls_off_the_bus_says_so_in_its_readings(gpu):
    sensor = working(nvml, "/")

    def change(at_s):
        if at_s == 2.0:
            for call in gpu.answers:
                gpu.answers[call] = None

    readings = sampled(sensor, change=change)
    assert "NVML no longer answers" in readings["reason"] and readings["energy_j"] is None


def test_the_gpu_is_the_one_that_the_frameworks_see(gpu, monkeypatch):
    for value, expected in (("2,0", 2), ("GPU-abc", "GPU-abc"), ("", 0)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert gpus.first_gpu(gpu) == expected


def test_of_several_gpus_it_is_the_one_with_cudas_uuid_not_the_one_with_cudas_number(gpu, monkeypatch):
    gpu.nvmlDeviceGetCount = lambda: 2
    monkeypatch.setattr(cuda, "first_gpu_uuid", lambda: "GPU-faster")
    assert gpus.first_gpu(gpu) == "GPU-faster"
    monkeypatch.setattr(cuda, "first_gpu_uuid", lambda: None)
    assert gpus.first_gpu(gpu) == 0


def test_clocks_that_a_user_holds_are_told_from_those_that_merely_did_not_move():
    assert nvml.locked([1410e6] * 3, [0x2] * 3) is True
    assert nvml.locked([1980e6] * 3, [0x0] * 3) is False
    assert nvml.locked([1410e6, 1395e6], [0x2, 0x2]) is False
    assert nvml.locked([345e6], [0x1]) is None and nvml.locked([], []) is None


def test_without_the_binding_or_the_driver_there_is_a_reason(monkeypatch):
    def missing():
        raise ImportError("No module named 'pynvml'")

    def broken():
        raise RuntimeError("Driver Not Loaded")

    monkeypatch.setattr(gpus, "load_nvml", missing)
    assert nvml.Sensor().available() == "nvidia-ml-py is not installed"
    monkeypatch.setattr(gpus, "load_nvml", broken)
    assert "Driver Not Loaded" in nvml.Sensor().available() and "--gpus all" in nvml.Sensor().available()


# Registry and sampler


def test_a_sensor_is_added_by_its_file_alone():
    folder = os.path.dirname(sensors.__file__)
    files = {name[:-3] for name in os.listdir(folder) if name.endswith(".py") and name[0] != "_"} - {"base"}
    inside, beside = sensors.for_measuring_process("/nowhere"), sensors.for_supervisor("/nowhere")
    assert files == {*inside[0], *inside[1], *beside[0], *beside[1]} == set(sensors.NAMES)
    assert "memory" in inside[0]


def test_absent_sensors_have_reasons_and_no_readings(tmp_path):
    sampler = sampling.Sampler(str(tmp_path))
    assert {"rapl", "jetson_ina3221", "cpufreq", "thermal", "devfreq"} <= set(sampler.reasons)
    assert all(reason and "\n" not in reason for reason in sampler.reasons.values())
    sampler.start()
    assert not sampler.reasons.keys() & sampler.read().keys()


def test_a_sampler_reads_the_window_of_the_samples_alone(tmp_path):
    clock = Clock()
    trees.nano_r32(tmp_path)
    sampler = sampling.Sampler(str(tmp_path), clock)
    power = trees.NANO_POWER
    idle = sampler.rest(5.0, clock.sleep)
    assert idle["jetson_ina3221"]["power_w"] == pytest.approx(4.2)
    for phase, milliwatts, seconds in (("load", 9000, 3.0), ("measure", 6200, 4.0)):
        trees.build(tmp_path, {power: milliwatts})
        if phase == "load":
            sampler.start()
        else:
            sampler.sample()
            sampler.begin()
        for _ in range(int(seconds / sampler.period_s)):
            clock.sleep(sampler.period_s)
            sampler.sample()
    readings = sampler.read()["jetson_ina3221"]
    assert readings["window_s"] == pytest.approx(4.0, abs=0.11)
    assert readings["power_w"] == pytest.approx(6.2, rel=0.01)
    assert readings["above_idle_j"] == pytest.approx((6.2 - 4.2) * 4.0, rel=0.05)
    sampler.close()


def test_slow_sensors_are_not_read_as_often_as_energy(tmp_path, monkeypatch):
    clock, taken = Clock(), {"thermal": 0, "jetson_ina3221": 0}
    trees.nano_r32(tmp_path)
    sampler = sampling.Sampler(str(tmp_path), clock)
    for name in taken:

        def take(at_s, name=name):
            taken[name] += 1

        monkeypatch.setattr(sampler.sensors[name], "take", take)
    sampler.start()
    for _ in range(20):
        clock.sleep(0.1)
        sampler.sample()
    assert taken["jetson_ina3221"] >= 20 and 4 <= taken["thermal"] <= 6


def test_a_sensor_that_raises_stops_nothing(tmp_path, monkeypatch):
    clock = Clock()
    trees.nano_r32(tmp_path)
    sampler = sampling.Sampler(str(tmp_path), clock)

    def broken(at_s):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sampler.sensors["thermal"], "take", broken)
    sampler.start()
    sampler.begin()
    readings = sampler.read()
    assert "Permission denied" in readings["thermal"]["reason"] and readings["cpufreq"]["clock_hz"]["n"] >= 1


def test_what_throttled_is_said_with_the_sensors_name():
    readings = {"nvml": {"throttled": ["power cap in 50 % of samples"]}, "thermal": {"throttled": None}, "rapl": {}, "cpufreq": None}
    assert sampling.throttled(readings) == ["nvml: power cap in 50 % of samples"]


def test_a_summary_of_nothing_is_nothing():
    assert base.summary([]) is None
    assert base.summary([3, 1, 2]) == {"n": 3, "min": 1, "median": 2, "max": 3}

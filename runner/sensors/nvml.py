"""An NVIDIA GPU through NVML: memory, energy, clocks, throttle reasons, temperature and other processes on it.

Memory is the device's, or the new processes' where the driver reports it: inside a container its pids are the host's, so the
measuring process is known by having come after ``start()``. Energy is the total-energy counter (Volta and later), else power integrated.
"""

from typing import Any, Dict, List, Optional

from runner.machine import gpus
from runner.sensors import base
from runner.sensors._energy import Meter

# Reasons that make the device slower than it would be; an idle clock, a clock set by the user and sync boost are none.
THROTTLES = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
OTHER_REASONS = {0x1: "idle", 0x2: "application clocks", 0x10: "sync boost", 0x100: "display clocks"}
IDLE, APPLICATION_CLOCKS = 0x1, 0x2
THROTTLED_SHARE = 0.05  # of the samples


class Sensor(base.Sensor):
    every_s = 0.1
    nvml: Any = None

    def available(self) -> Optional[str]:
        try:
            self.nvml = gpus.load_nvml()
        except ImportError:
            return "nvidia-ml-py is not installed"
        except Exception as error:  # no driver, or none that this container may use
            return "NVML: %s; docker run --gpus all (Jetson: --runtime nvidia)" % error
        try:
            self.handle = gpus.first_gpu(self.nvml)
        except Exception as error:
            return "NVML: no GPU: %s" % error
        counter = self._ask("nvmlDeviceGetTotalEnergyConsumption") is not None
        power = self._ask("nvmlDeviceGetPowerUsage") is not None
        self.counts = counter
        self.meter = Meter(0.1, "NVML total energy counter") if counter else Meter(0.5, "NVML power, integrated") if power else None
        self.window_s = self.meter.window_s if self.meter else 0.0
        self.uuid = gpus.text(self._ask("nvmlDeviceGetUUID"))
        self.start()
        return None

    def start(self) -> None:
        base.Sensor.start(self)
        self.before = self._processes()
        self.seen_us = 0
        self.baseline_bytes = self._used_bytes()
        if self.meter:
            self.meter.clear()

    def take(self, at_s: float) -> None:
        values = {
            "used_bytes": self._used_bytes(),
            "sm_clock_hz": gpus.hz(self._ask("nvmlDeviceGetClockInfo", getattr(self.nvml, "NVML_CLOCK_SM", 1))),
            "memory_clock_hz": gpus.hz(self._ask("nvmlDeviceGetClockInfo", getattr(self.nvml, "NVML_CLOCK_MEM", 2))),
            "temperature_c": self._ask("nvmlDeviceGetTemperature", getattr(self.nvml, "NVML_TEMPERATURE_GPU", 0)),
            "reasons": self._first("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
        }
        processes = self._processes()
        if processes is not None and self.before is not None:
            values["others"] = len(self.before)
            values["others_share"] = self._others_share()
            sizes = [size for pid, size in processes.items() if pid not in self.before]
            values["process_bytes"] = sum(sizes) if sizes and None not in sizes else None
        if all(value is None for value in values.values()):
            raise OSError("NVML no longer answers")
        self.samples.add(at_s, values)
        self._sample_energy(at_s)

    def _others_share(self) -> Optional[float]:
        """Share of the multiprocessors' time that processes took which were there before ours; None where the driver doesn't say."""
        if not self.before:
            return 0.0
        samples = self._ask("nvmlDeviceGetProcessUtilization", self.seen_us)
        if samples is None:
            return None
        first = self.seen_us == 0  # what came before this window is not asked for, but answered
        self.seen_us = max([sample.timeStamp for sample in samples] + [self.seen_us])
        return None if first else min(1.0, sum(sample.smUtil for sample in samples if sample.pid in self.before) / 100.0)

    def _sample_energy(self, at_s: float) -> None:
        if not self.meter:
            return
        value = self._ask("nvmlDeviceGetTotalEnergyConsumption" if self.counts else "nvmlDeviceGetPowerUsage")
        if value is None:
            self.meter.lost(at_s, "NVML no longer reports energy")
        elif self.counts:
            self.meter.count(at_s, value * 1e-3)
        else:
            self.meter.integrate(at_s, value * 1e-3)

    def lost(self, at_s: float, reason: str) -> None:
        self.samples.lost(at_s, reason)
        if self.meter:
            self.meter.lost(at_s, reason)

    def rest(self, begin_s: float, end_s: float) -> None:
        if self.meter:
            self.meter.rest(begin_s, end_s)

    def read(self, begin_s: Optional[float] = None, end_s: Optional[float] = None) -> Dict[str, Any]:
        ever = self.samples.within()  # memory peaks while loading, so it counts since start()
        now = self.samples.within(begin_s, end_s)
        readings = dict(self._memory(ever))
        readings.update({name: base.summary(now.get(name, [])) for name in ("sm_clock_hz", "memory_clock_hz", "temperature_c")})
        readings.update(throttling(now.get("reasons", [])))
        readings.update(uuid=self.uuid, clocks_locked=locked(now.get("sm_clock_hz", []), now.get("reasons", [])))
        readings["other_processes"] = max(now["others"]) if now.get("others") else None
        shares = now.get("others_share")
        readings["others_share"] = sum(shares) / len(shares) if shares else None
        if self.meter:
            readings.update(self.meter.read(begin_s, end_s))
        else:
            readings.update({"energy_j": None, "power_w": None, "reason": "this GPU reports neither energy nor power"})
        loss = self.samples.loss(begin_s, end_s)
        if loss:
            readings["reason"] = loss
        return readings

    def _memory(self, columns: Dict[str, List[Any]]) -> Dict[str, Any]:
        used = columns.get("used_bytes")
        own = columns.get("process_bytes")
        if not used or self.baseline_bytes is None:
            return {"peak_above_baseline_bytes": None, "memory_method": "NVML reports no memory here (a Jetson's GPU uses the host's)"}
        delta = max(0, max(used) - self.baseline_bytes)
        return {
            "peak_above_baseline_bytes": max(own) if own else delta,
            "memory_method": "NVML process" if own else "NVML device above baseline",
            "device_peak_bytes": max(used),
            "device_baseline_bytes": self.baseline_bytes,
        }

    def _processes(self) -> Optional[Dict[int, Optional[int]]]:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses")
        return None if running is None else {process.pid: process.usedGpuMemory for process in running}

    def _used_bytes(self) -> Optional[int]:
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return memory.used if memory else None

    def _first(self, *calls: str) -> Any:
        """The first answer; newer drivers renamed calls."""
        for call in calls:
            answer = self._ask(call)
            if answer is not None:
                return answer
        return None

    def _ask(self, call: str, *arguments: Any) -> Any:
        try:
            return getattr(self.nvml, call)(self.handle, *arguments)
        except (self.nvml.NVMLError, AttributeError):  # not for this GPU, or not in this binding
            return None

    def close(self) -> None:
        if self.nvml:
            self.nvml.nvmlShutdown()


def throttling(masks: List[int]) -> Dict[str, Any]:
    """Share of samples under each reason, and those of them that slow the device down; idle samples say nothing about throttling."""
    if not masks:
        return {"clock_reasons": None, "throttled": None}
    busy = [mask for mask in masks if not mask & IDLE]
    names = dict(THROTTLES)
    names.update(OTHER_REASONS)
    shares = {name: sum(bool(mask & bit) for mask in masks) / float(len(masks)) for bit, name in sorted(names.items())}
    slowed = {name: sum(bool(mask & bit) for mask in busy) / float(len(busy)) for bit, name in sorted(THROTTLES.items())} if busy else {}
    return {
        "clock_reasons": {name: share for name, share in shares.items() if share},
        "throttled": ["%s in %.0f %% of samples" % (name, 100 * share) for name, share in slowed.items() if share >= THROTTLED_SHARE],
    }


def locked(clocks_hz: List[float], masks: List[int]) -> Optional[bool]:
    """Whether somebody holds the clocks: the driver names a user's setting as what limits them, and they never moved. None: no sample."""
    busy = [mask for mask in masks if not mask & IDLE]
    if not clocks_hz or not busy:
        return None
    return len(set(clocks_hz)) == 1 and all(mask & APPLICATION_CLOCKS for mask in busy)

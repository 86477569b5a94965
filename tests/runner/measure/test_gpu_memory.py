"""GPU memory of a measuring process: steady is told from the peak, and the GPU is found by what CUDA opened."""

import os

import numpy
import pytest

from runner.backends.base import Backend
from runner.machine import cuda, gpus
from runner.measure import gpu_memory, replicate
from runner.plan.protocol import Protocol
from runner.records.cell import Cell

MIB = 2**20


class Gpu:
    """Two GPUs as NVML lists them; what this process holds on the second is ``held``."""

    class NVMLError(Exception):
        pass

    class Memory:
        def __init__(self, used):
            self.used = used

    class Process:
        def __init__(self, pid, size):
            self.pid, self.usedGpuMemory = pid, size

    def __init__(self, tells_processes=True):
        self.held, self.tells_processes = 0, tells_processes

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, index):
        return ("GPU-slow", "GPU-fast")[index].encode()

    def nvmlDeviceGetMemoryInfo(self, index):
        return self.Memory((500 * MIB, 700 * MIB + self.held)[index])

    def nvmlDeviceGetComputeRunningProcesses(self, index):
        if not self.tells_processes:
            raise self.NVMLError("hidden in this container")
        return [self.Process(1, 9 * MIB), self.Process(os.getpid(), self.held)] if index else []

    def nvmlShutdown(self):
        pass


class Searching(Backend):
    """A framework whose first run takes a workspace that it keeps in its cache until it is trimmed."""

    gpu = None
    cached = 0

    def infer(self):
        self.gpu.held = 450 * MIB + self.cached

    def allocator(self):
        return self.gpu.held - 400 * MIB, 8050 * MIB

    def trim(self):
        self.cached = 0


@pytest.fixture
def gpu(monkeypatch):
    made = Gpu()
    monkeypatch.setattr(gpus, "load_nvml", lambda: made)
    monkeypatch.setattr(cuda, "own_gpu_uuid", lambda: "GPU-fast")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


def read(gpu, backend):
    """The readings of a process that loads, searches and measures."""
    memory = gpu_memory.watch("gpu")
    gpu.held = 420 * MIB
    memory.mark("load")
    backend.gpu, backend.cached = gpu, 600 * MIB
    backend.infer()
    memory.mark("warm-up")
    return memory.read(backend, 1)


def test_steady_leaves_out_the_workspace_of_the_search_and_peak_holds_what_nvml_missed(gpu):
    found = read(gpu, Searching(None))
    assert found["steady_bytes"] == 450 * MIB and found["context_bytes"] == 400 * MIB
    assert found["peak_bytes"] == (400 + 8050) * MIB and "allocator" in found["peak_method"]
    assert found["phases_bytes"] == {"load": 420 * MIB, "warm-up": 1050 * MIB, "steady": 450 * MIB}


def test_without_an_allocator_the_peak_is_the_largest_at_a_phase_s_end(gpu):
    backend = Searching(None)
    backend.allocator = lambda: None
    found = read(gpu, backend)
    assert (found["steady_bytes"], found["peak_bytes"]) == (450 * MIB, 1050 * MIB) and "phase" in found["peak_method"]


def test_where_processes_are_hidden_it_is_the_gpu_above_what_it_was_before(gpu):
    gpu.tells_processes = False
    found = read(gpu, Searching(None))
    assert found["steady_bytes"] == 450 * MIB and "above baseline" in found["steady_method"]


def test_without_nvml_there_is_a_reason_and_a_cpu_is_not_asked(monkeypatch):
    def missing():
        raise ImportError("No module named 'pynvml'")

    monkeypatch.setattr(gpus, "load_nvml", missing)
    memory = gpu_memory.watch("gpu")
    memory.mark("load")
    assert memory.read(Searching(None), 1) == {"steady_bytes": None, "peak_bytes": None, "reason": "nvidia-ml-py is not installed"}
    assert not gpu_memory.watch("cpu").is_gpu


class Clock:
    """A clock that only the network moves, by 0.125 s a call."""

    now = 0.0

    def __call__(self):
        return self.now


class Files:
    """A network without files."""

    output = None

    def batch(self):
        return numpy.zeros((4, 3, 32, 32), "float32")

    def reference(self):
        return None


class Job:
    """What a backend is given, as far as it is read here."""

    artefact = Files()
    cell = Cell("cpu", "cpu", "noop", "resnet18", "fp32", 4, 32, "latency")


def test_the_sensors_get_the_window_they_need_and_energy_counts_every_image_in_it():
    from runner.backends import noop

    clock = Clock()

    class Ticking(noop.Backend):
        def infer(self):
            clock.now += 0.125

    protocol = Protocol(warmup_min_s=0.0, min_time_s=0.0, max_time_s=10.0)
    for window_s, calls in ((0.0, 10), (3.75, 30)):
        made, _ = replicate.replicate(Ticking(Job()), Job(), protocol, lambda name: None, clock, window_s=window_s)
        assert len(made.samples_s) == 10 and made.watched_images == 4 * calls
    made, _ = replicate.replicate(Ticking(Job()), Job(), protocol, lambda name: None, clock, sustained_s=20.0)
    assert 4 * 170 <= made.watched_images <= 4 * 178


def test_versions_of_cudas_libraries_are_spelled_as_people_write_them():
    assert cuda.readable_version("cudart", 13000) == "13.0" and cuda.readable_version("cudart", 11040) == "11.4"
    assert cuda.readable_version("cudnn", 91900) == "9.19.0" and cuda.readable_version("cudnn", 8907) == "8.9.7"
    assert cuda.readable_version("nvinfer", 8201) == "8.2.1" and cuda.readable_version("nvinfer", 100300) == "10.3.0"
    assert cuda.loaded_versions() == {}

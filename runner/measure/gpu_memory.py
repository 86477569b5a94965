"""GPU memory of the measuring process: what it needs once warm (steady), and the most it took on the way there (peak).

Steady is what a deployment needs: the context and what the allocator holds for one batch after its cache was emptied, so without the
workspace of a search for algorithms. Peak counts that too: NVML at the end of each phase misses it, so where the framework has an
allocator of its own, that allocator's peak counts together with the rest of the process. Both are of this process where the driver says
it, else the whole GPU's above what it was before.
"""

import os
from typing import Any, Dict, Optional

from runner.backends.base import Backend
from runner.machine import cuda, gpus


class GpuMemory:
    """Readings of one measuring process; ``absent`` says why there are none."""

    def __init__(self, is_gpu: bool, nvml: Any = None, absent: Optional[str] = None) -> None:
        self.is_gpu, self.nvml, self.absent = is_gpu, nvml, absent
        self.phases: Dict[str, Optional[int]] = {}
        self.method = "NVML process"
        self.handle: Any = None  # known once the framework has opened its GPU
        self.before = {uuid: self._used(handle) for uuid, handle in self._handles().items()} if nvml else {}

    def mark(self, phase: str) -> None:
        """A phase has ended: what does the process hold?"""
        if self.nvml:
            self.handle = self.handle or self._own()
            self.phases[phase] = self._held()

    def _handles(self) -> Dict[str, Any]:
        asked = cuda.first_visible()
        if asked.startswith(("GPU-", "MIG-")):
            return {asked: self.nvml.nvmlDeviceGetHandleByUUID(asked)}
        handles = [self.nvml.nvmlDeviceGetHandleByIndex(index) for index in range(self.nvml.nvmlDeviceGetCount())]
        return {str(gpus.text(self.nvml.nvmlDeviceGetUUID(handle))): handle for handle in handles}

    def _own(self) -> Any:
        """The GPU that this process computes on; NVML and CUDA may number them differently, so they are matched by UUID."""
        handles = self._handles()
        return handles.get(str(cuda.own_gpu_uuid())) or next(iter(handles.values()))

    def read(self, backend: Backend, batches: int) -> Dict[str, Any]:
        """The record's ``gpu_memory``: the cache is emptied and ``batches`` run again, as many at once as were timed."""
        if not self.nvml:
            return {"steady_bytes": None, "peak_bytes": None, "reason": self.absent}
        allocator = backend.allocator()
        try:
            backend.trim()
            if backend.in_flight > 1:
                backend.infer_many(min(batches, backend.in_flight))
            else:
                backend.infer()
        except Exception as error:  # the times that were measured are good all the same
            return {"steady_bytes": None, "peak_bytes": None, "reason": "the batch after the samples failed: %s" % error}
        self.mark("steady")
        steady, held = self.phases["steady"], [value for value in self.phases.values() if value is not None]
        found = {
            "steady_bytes": steady,
            "steady_method": "%s, cache emptied, one batch run" % self.method,
            "peak_bytes": max(held) if held else None,
            "peak_method": "%s at the end of each phase" % self.method,
            "phases_bytes": self.phases,
        }
        after = backend.allocator()
        if allocator is not None and after is not None and steady is not None:
            context = steady - after[0]
            found.update(allocator_steady_bytes=after[0], allocator_peak_bytes=allocator[1], context_bytes=context)
            found.update(peak_bytes=max(held + [context + allocator[1]]), peak_method="peak of the framework's allocator, and the context")
        self._close()
        return found

    def _held(self) -> Optional[int]:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses", self.handle) or []
        own = next((process.usedGpuMemory for process in running if process.pid == os.getpid()), None)
        if own is not None:
            return int(own)
        self.method = "NVML device above baseline"  # inside a container pids are not the host's
        used, before = self._used(self.handle), self.before.get(str(gpus.text(self._ask("nvmlDeviceGetUUID", self.handle))))
        return None if used is None or before is None else max(0, used - before)

    def _used(self, handle: Any) -> Optional[int]:
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        return int(memory.used) if memory else None

    def _ask(self, call: str, handle: Any) -> Any:
        try:
            return getattr(self.nvml, call)(handle)
        except (self.nvml.NVMLError, AttributeError):  # not for this GPU, or not in this binding
            return None

    def _close(self) -> None:
        self.nvml.nvmlShutdown()
        self.nvml = None


def watch(device: str) -> GpuMemory:
    """To be called before anything is loaded, in the process that loads it."""
    if device != "gpu":
        return GpuMemory(is_gpu=False)
    try:
        made = GpuMemory(True, gpus.load_nvml())
    except ImportError:
        return GpuMemory(True, absent="nvidia-ml-py is not installed")
    except Exception as error:  # each NVML error is a class of its own
        return GpuMemory(True, absent="NVML: %s" % error)
    if None in made.before.values():
        return GpuMemory(True, absent="NVML reports no memory here (a Jetson's GPU uses the host's)")
    return made

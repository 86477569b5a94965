"""What a backend is: a class named ``Backend`` in ``runner/backends/<name>.py``.

The module imports its framework on its first lines; it is itself imported only in a worker, before
anything is forked. So importing it must start no thread and open no device.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from runner.errors import Unsupported
from runner.records.cell import Cell

if TYPE_CHECKING:
    import numpy

    from runner.networks.artefact import Artefact


@dataclass(frozen=True)
class Job:
    """What a backend is given: one cell, with the files of its network."""

    cell: Cell
    artefact: "Artefact"
    threads: int  # CPUs of the process
    cache_dir: str  # for what is built from the network's files
    calibration: Optional[str] = None  # path of the images that int8 is calibrated on

    @property
    def variant(self) -> Optional[str]:
        return self.cell.variant


class Backend:
    """One network, loaded by one framework, in one measuring process: what its Job says.

    The class attributes down to ``needs`` are literals: ``runner.backends.declared`` reads them from the source,
    so that a matrix is checked and ``dyno backends`` answers without importing any framework.
    """

    package: Optional[str] = None  # import name of the framework; without it cells are skipped
    devices: Tuple[str, ...] = ("cpu",)  # devices it can drive, of those that the image declares
    precisions: Tuple[str, ...] = ("fp32",)
    variants: Tuple[str, ...] = ()  # what may follow the colon in a matrix: pytorch:compile
    needs: Optional[str] = "onnx"  # the artefact it loads: "onnx", "torch" or None

    in_flight = 1  # batches in flight; load() sets what the framework wants in the throughput scenario
    load_cached = False  # load() sets it when it loaded a compiled artefact instead of building one

    def __init__(self, job: Job) -> None:
        self.job = job

    def load(self) -> None:
        """Build, compile and load until infer() can be called. Raises Unsupported."""

    def stage(self, batch: "numpy.ndarray") -> None:
        """Bring one input to the device: float32 numpy array (batch, channels, height, width)."""

    def infer(self) -> None:
        """Run one batch and return only when its outputs are ready."""

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        """Run ``count`` batches, ``in_flight`` at once, and return only when all outputs are ready.

        ``done()`` is called when a batch has ended, from any thread; for all ``count`` of them, or for none where the framework can't tell.
        """
        for _ in range(count):
            self.infer()
            if done:
                done()

    def outputs(self) -> "numpy.ndarray":
        """The last outputs as a float32 numpy array (batch, classes) on the host."""
        raise NotImplementedError

    def transfers(self, batch: "numpy.ndarray") -> Tuple[Callable[[], Any], Callable[[], Any], str]:
        """(bring ``batch`` to the device, fetch the last outputs, "pinned" or "pageable": what host memory both use); each is timed once warm."""
        return lambda: self.stage(batch), self.outputs, "pageable"

    def device_latency(self) -> Optional[float]:
        """Seconds of the last infer() by the device's own events, or None."""

    def executed(self) -> Dict[str, Any]:
        """What was really done, read back from the framework: at least ``precision`` and ``threads``."""
        raise NotImplementedError

    def memory(self) -> Dict[str, int]:
        """Bytes that the framework itself reports, by name of its counter."""
        return {}

    def allocator(self) -> Optional[Tuple[int, int]]:
        """(bytes of the device that the framework's allocator holds now, the most it ever held), or None where it doesn't say."""
        return None

    def trim(self) -> None:
        """Give back what is only cached of the device's memory; the next infer() takes what it needs again."""

    def profile(self, batches: int) -> Tuple[str, List[Tuple[str, int, float]]]:
        """(where the times come from, [(type of operator, how often it ran, seconds of all its runs)]) of so many batches; raises Unsupported.

        Called after load(), stage() and a warm-up, in a process that measures nothing else.
        """
        raise Unsupported("this backend has no profiler of operators")

    def close(self) -> None:
        """Free what was opened."""

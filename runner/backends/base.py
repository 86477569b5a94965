"""What a backend is: a class named ``Backend`` in ``runner/backends/<name>.py``.

The module imports its framework on its first lines; it is itself imported only in a worker, before
anything is forked. So importing it must start no thread and open no device.
"""

from typing import Optional, Tuple

from runner.errors import Unsupported


class Backend:
    """One network, loaded by one framework, in one measuring process.

    ``job`` is what the process measures (see runner.measure.job.Job): ``cell``, ``artefact`` (files of the
    network, see runner.networks.artefact.Artefact), ``threads`` (CPUs of the process), ``cache_dir``, ``variant``.

    The class attributes down to ``needs`` are literals: ``runner.backends.facts`` reads them from the source,
    so that a matrix is checked and ``dyno backends`` answers without importing any framework.
    """

    package: Optional[str] = None  # import name of the framework; without it cells are skipped
    devices: Tuple[str, ...] = ("cpu",)  # devices it can drive, of those that the image declares
    precisions: Tuple[str, ...] = ("fp32",)
    variants: Tuple[str, ...] = ()  # what may follow the colon in a matrix: pytorch:compile
    needs: Optional[str] = "onnx"  # the artefact it loads: "onnx", "torch" or None

    in_flight = 1  # batches in flight; load() sets what the framework wants in the throughput scenario
    load_cached = False  # load() sets it when it loaded a compiled artefact instead of building one

    def __init__(self, job):
        self.job = job

    def load(self):
        """Build, compile and load until infer() can be called. Raises Unsupported."""

    def stage(self, batch):
        """Bring one input to the device: float32 numpy array (batch, channels, height, width)."""

    def infer(self):
        """Run one batch and return only when its outputs are ready."""

    def infer_many(self, count, done=None):
        """Run ``count`` batches, ``in_flight`` at once, and return only when all outputs are ready.

        ``done()`` is called when a batch has ended, from any thread; for all ``count`` of them, or for none where the framework can't tell.
        """
        for _ in range(count):
            self.infer()
            if done:
                done()

    def outputs(self):
        """The last outputs as a float32 numpy array (batch, classes) on the host."""

    def device_latency(self):
        """Seconds of the last infer() by the device's own events, or None."""

    def executed(self):
        """What was really done, read back from the framework: at least ``precision`` and ``threads``."""

    def memory(self):
        """Bytes that the framework itself reports, by name of its counter."""
        return {}

    def allocator(self):
        """(bytes of the device that the framework's allocator holds now, the most it ever held), or None where it doesn't tell."""
        return None

    def trim(self):
        """Give back what is only cached of the device's memory; the next infer() takes what it needs again."""

    def profile(self, batches):
        """(what tells the times, [(type of operator, how often it ran, seconds of all its runs)]) of so many batches; raises Unsupported.

        Called after load(), stage() and a warm-up, in a process that measures nothing else.
        """
        raise Unsupported("this backend has no profiler of operators")

    def close(self):
        """Free what was opened."""

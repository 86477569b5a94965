"""A backend that computes nothing: what it measures is the harness itself."""

from typing import TYPE_CHECKING, Any, Dict

from runner.backends import base

if TYPE_CHECKING:
    import numpy


class Backend(base.Backend):
    package = "numpy"
    precisions = ("fp32", "tf32", "fp16", "bf16", "int8")
    needs = None

    def stage(self, batch: "numpy.ndarray") -> None:
        self._mean = batch.mean(axis=(2, 3))

    def outputs(self) -> "numpy.ndarray":
        """The mean of each channel, so that outputs depend on the inputs."""
        return self._mean

    def executed(self) -> Dict[str, Any]:
        return {"precision": self.job.cell.precision, "threads": 1}

"""Whether what ran is what the label says: looked at in the measuring process, at the end of each cell."""

from typing import Any, Dict

import numpy

KNOWN = ("fp32", "tf32", "fp16", "bf16", "int8", "fp64")


def known(executed: Any) -> Dict[str, Any]:
    """What a backend says that it did; RuntimeError where that is no dict."""
    if not isinstance(executed, dict):
        raise RuntimeError("executed() of the backend gave %s; it gives a dict" % type(executed).__name__)
    return executed


def check(job: Any, executed: Dict[str, Any], outputs: Any) -> None:
    """Raise RuntimeError, with one line, where precision or outputs are not those of the cell; ``outputs`` is an array (batch, ...)."""
    done, asked = executed.get("precision"), job.cell.precision
    if done in KNOWN and done != asked:
        raise RuntimeError("%s was asked for, but it was computed in %s" % (asked, done))
    if not isinstance(outputs, numpy.ndarray) or not outputs.size:
        raise RuntimeError(
            "there are no outputs: %s" % ("an empty array" if isinstance(outputs, numpy.ndarray) else type(outputs).__name__)
        )
    if not outputs.ndim or outputs.shape[0] != job.cell.batch_size:
        raise RuntimeError("outputs are of shape %s; the first size should be the batch of %d" % (list(outputs.shape), job.cell.batch_size))
    if outputs.dtype.kind in "OSUM":
        raise RuntimeError("outputs are of type %s, not numbers" % outputs.dtype)
    wrong = outputs.size - int(numpy.isfinite(outputs).sum())
    if wrong:
        raise RuntimeError("%d of %d outputs are not finite" % (wrong, outputs.size))

"""How far a backend's outputs are from the fp32 PyTorch reference."""

from typing import Any, Dict, Optional

import numpy


def compare(outputs: Any, reference: Any) -> Optional[Dict[str, Any]]:
    """Differences of two float arrays (images, classes), as in ``parity`` of a record; ValueError on unlike shapes."""
    outputs, reference = numpy.asarray(outputs, numpy.float64), numpy.asarray(reference, numpy.float64)
    if outputs.shape != reference.shape:
        raise ValueError("outputs have shape %s, the reference %s" % (outputs.shape, reference.shape))
    outputs, reference = outputs.reshape(len(outputs), -1), reference.reshape(len(reference), -1)
    difference = numpy.abs(outputs - reference)
    scale = numpy.abs(reference).max()
    norms = numpy.linalg.norm(outputs, axis=1) * numpy.linalg.norm(reference, axis=1)
    cosine = (outputs * reference).sum(axis=1) / numpy.where(norms > 0, norms, 1)
    return {
        "max_abs": float(difference.max()),
        "mean_abs": float(difference.mean()),
        "max_rel": float(difference.max() / scale) if scale > 0 else None,
        "cosine": float(cosine.min()),
        "top1_flips": int((outputs.argmax(axis=1) != reference.argmax(axis=1)).sum()),
        "images": len(outputs),
    }

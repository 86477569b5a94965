"""Counting hits in the measuring process: images through a loaded backend, batch by batch, part by part."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy

from runner.backends.base import Job
from runner.errors import Unsupported
from runner.measure.job import Count
from runner.networks import datasets, onnx_input, preprocessing

PART = 500  # images per record, rounded to whole batches
TOP = 5  # of no more classes than that, Top-5 says nothing


def hits(outputs: Any, labels: Any) -> Tuple[Any, Any, Any]:
    """Per image (Top-1 hit, Top-5 hit, all outputs finite), from outputs (images, classes); of equal outputs the first class wins."""
    own = outputs[numpy.arange(len(labels)), labels][:, None]
    before = (outputs > own) | ((outputs == own) & (numpy.arange(outputs.shape[1]) < numpy.asarray(labels)[:, None]))
    rank, finite = before.sum(axis=1), numpy.isfinite(outputs).all(axis=1)
    return finite & (rank < 1), finite & (rank < TOP), finite


def bitmap(right: Any) -> str:
    """Hits of a part as hexadecimal digits, the first image in the highest bit: which images, so that two precisions can be compared by pairs."""
    return numpy.packbits(right).tobytes().hex()


def evaluate(backend: Any, job: Job, count: Count, phase: Callable[[str], None], send: Callable[..., None]) -> Dict[str, Any]:
    """In the measuring process: count the hits of images first..last, and send each part when it is done."""
    prepare = preprocessing.Preprocessing(**count.preprocessing)
    data = datasets.open_data(count.path, count.format, count.classes)
    if data.id != count.id:
        raise RuntimeError("%s: the data set has changed since the run began" % data.path)
    art, size, shape = job.artefact, job.cell.batch_size, (3, prepare.input_px, prepare.input_px)
    taken = tuple(art.input_shape)
    if (taken[2:] + taken[:2] if art.input_layout == "NHWC" else taken) != shape or art.input_type == "int8":
        raise Unsupported("its input is %s of %s; images of 3 x %d x %d are counted" % (taken, art.input_type, shape[1], shape[2]))
    phase("load")
    backend.load()
    phase("measure")
    per_part = max(1, int(round(PART / size))) * size
    part: Optional[Dict[str, Any]] = None
    marks: List[Any] = []
    for first, images in _batches(data, prepare, range(count.first, count.last, size), count.last, job.threads):
        part = part or {"first": first, "images": 0, "unreadable": 0, "unreadable_first": None, "not_finite": 0, "top1": 0, "top5": 0}
        right = numpy.zeros(len(images), bool)
        batch = numpy.zeros((size,) + shape, numpy.float32)  # what is unreadable, or beyond the last image, stays empty
        for place, image in enumerate(images):
            if image is not None:
                batch[place] = image
        backend.stage(onnx_input.prepared(batch, art.input_type, art.input_layout, prepare.mean, prepare.std))
        backend.infer()
        outputs = backend.outputs().reshape(size, -1)
        if outputs.shape[1] != len(data.classes):
            raise Unsupported("it answers with %d classes, %s has %d" % (outputs.shape[1], data.path, len(data.classes)))
        readable = [place for place, image in enumerate(images) if image is not None]
        top1, top5, finite = hits(outputs[readable], data.labels[first : first + len(images)][readable])
        right[readable] = top1
        marks.append(right)
        broken = [first + place for place, image in enumerate(images) if image is None]
        for name, found in (
            ("images", len(readable)),
            ("unreadable", len(broken)),
            ("not_finite", (~finite).sum()),
            ("top1", top1.sum()),
            ("top5", top5.sum()),
        ):
            part[name] += int(found)
        if broken and not part["unreadable_first"]:
            part["unreadable_first"] = data.describe(broken[0])
        end = first + len(images)
        if end == count.last or end - part["first"] >= per_part:
            part["top5"] = part["top5"] if len(data.classes) > TOP else None
            send(part=dict(part, last=end, hits=bitmap(numpy.concatenate(marks)), executed=backend.executed()))
            part, marks = None, []
    backend.close()
    return {"last": count.last}


def _batches(data: Any, prepare: Any, starts: range, last: int, threads: int) -> Iterator[Tuple[int, List[Any]]]:
    """(first index, images) of each batch; the next batch is decoded while one is inferred."""
    with ThreadPoolExecutor(threads) as pool:

        def begin(first: int) -> Tuple[int, List[Any]]:
            return first, [pool.submit(data.image, index, prepare) for index in range(first, min(first + starts.step, last))]

        ahead = None
        for first in starts:
            following = begin(first)
            if ahead:
                yield ahead[0], [image.result() for image in ahead[1]]
            ahead = following
        if ahead:
            yield ahead[0], [image.result() for image in ahead[1]]

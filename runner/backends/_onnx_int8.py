"""int8: the images that activations' ranges are measured on, and ONNX files with those ranges written in (Q/DQ)."""

import hashlib
import itertools
import os
from types import ModuleType
from typing import Dict, Iterator, List, Optional, Tuple

import numpy

from runner.backends.base import Job
from runner.errors import DataError, Unsupported
from runner.files import made_once
from runner.networks import datasets, preprocessing, weights

IMAGES = 32


def batches(job: Job, images: int = IMAGES) -> Tuple[str, List[numpy.ndarray]]:
    """(source, list of float32 arrays (batch, channels, height, width)) of at least ``images`` images.

    They come from ``job.calibration``, the path of a data set (see runner.networks.datasets), or where there is none are
    synthetic and seeded: fit to measure speed, not to judge the accuracy of an int8 network.
    """
    size, seed = job.cell.batch_size, job.artefact.seed
    count = -(-images // size)
    if job.calibration:
        name, pixels = _from_folder(job, job.calibration, count * size)
        return "%d images of %s" % (len(pixels), name), list(_chunks(pixels, size))
    shape = (size,) + tuple(job.artefact.input_shape)
    if shape[1] == 3 and shape[2] == shape[3]:
        made = [weights.images(size, shape[2], seed + 1 + step) for step in range(count)]
    else:
        random = numpy.random.RandomState(seed + 1)
        made = [random.standard_normal(shape).astype(numpy.float32) for _ in range(count)]
    return "%d synthetic images, seed %d" % (count * size, seed + 1), made


def _from_folder(job: Job, path: str, count: int) -> Tuple[str, numpy.ndarray]:
    """float32 (count, channels, height, width): the data set's first readable images, each network's own preprocessing."""
    try:
        data = datasets.open_data(path)
    except DataError as error:
        raise Unsupported("int8 calibration: %s" % error)
    channels, height, width = job.artefact.input_shape
    if channels != 3 or height != width:
        raise Unsupported(
            "int8 calibration: it needs an input of 3 x n x n, and this network's is %d x %d x %d" % (channels, height, width)
        )
    prepare = preprocessing.for_network(job.artefact.spec, height, data.cifar)
    if data.needs_pillow(prepare) and datasets.without_pillow():
        raise Unsupported("int8 calibration: %s" % datasets.without_pillow())
    readable = (image for image in (data.image(index, prepare) for index in range(len(data))) if image is not None)
    images = list(itertools.islice(readable, count))
    if not images:
        raise Unsupported("int8 calibration: none of the %d images of %s can be read" % (len(data), data.name))
    return data.name, numpy.stack([images[index % len(images)] for index in range(count)])


def _chunks(pixels: numpy.ndarray, size: int) -> Iterator[numpy.ndarray]:
    return (numpy.ascontiguousarray(pixels[start : start + size]) for start in range(0, len(pixels), size))


def qdq(job: Job, tensorrt: bool = False) -> Tuple[str, str]:
    """(path, source) of the network as an int8 ONNX file with explicit Q/DQ, made by onnxruntime's static quantisation, kept in the cache.

    Weights per channel, activations per tensor. TensorRT wants them symmetric, with Q/DQ pairs around weights and float
    biases; ONNX Runtime's CPU kernels want unsigned activations, with whose zero ReLU disappears into the convolution.
    """
    try:
        import onnx
        import onnxruntime
        from onnxruntime import quantization
    except ImportError as error:
        raise Unsupported("int8 needs the Python packages onnx and onnxruntime to write Q/DQ into the network: %s" % error)
    source, images = batches(job)
    key = [job.artefact.onnx_sha256 or "", source, onnxruntime.__version__, onnx.__version__, str(tensorrt)]
    key += [hashlib.sha256(batch.tobytes()).hexdigest() for batch in images]
    path = os.path.join(job.cache_dir, "int8", hashlib.sha256("|".join(key).encode()).hexdigest()[:24] + ".onnx")
    return made_once(path, lambda part: _quantise(onnx, quantization, job.artefact.onnx_path, part, images, tensorrt)), source


def _quantise(onnx: ModuleType, quantization: ModuleType, source: str, path: str, images: List[numpy.ndarray], tensorrt: bool) -> None:
    model = onnx.load(source)
    if max([opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]) < 13:
        model = onnx.version_converter.convert_version(model, 13)  # scales per channel exist from opset 13
    name = [item.name for item in model.graph.input if item.name not in {weight.name for weight in model.graph.initializer}][0]
    prepared = path + ".float"
    onnx.save(model, prepared)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self._feeds = iter([{name: batch} for batch in images])

        def get_next(self) -> Optional[Dict[str, numpy.ndarray]]:
            return next(self._feeds, None)

    extra, activations = {"WeightSymmetric": True}, quantization.QuantType.QUInt8
    if tensorrt:
        extra.update(ActivationSymmetric=True, AddQDQPairToWeight=True, QuantizeBias=False)
        activations = quantization.QuantType.QInt8
    try:
        if hasattr(quantization, "quant_pre_process"):  # folds BatchNorm into convolutions, as old releases did by themselves
            quantization.quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=activations,
            weight_type=quantization.QuantType.QInt8,
            extra_options=extra,
        )
    finally:
        os.remove(prepared)

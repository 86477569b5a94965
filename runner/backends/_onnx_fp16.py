"""Networks as fp16 ONNX files: weights, inputs, outputs and all arithmetic. What strongly typed TensorRT and ONNX Runtime's GPU providers take."""

import hashlib
import os
from typing import TYPE_CHECKING

import numpy

from runner.backends.base import Job
from runner.errors import Unsupported
from runner.files import made_once

if TYPE_CHECKING:
    import onnx

FORMAT = 2  # of the conversion, part of the cache's key; 2: opset 12 where there is a Clip
CLIP_OPSET = 12  # the first in which ONNX Runtime's CUDA provider has Clip (ReLU6) in fp16; below it, Clip runs on the CPU
LARGEST = 65504.0
KEEPS_FLOAT = {"Resize": (1, 2), "Upsample": (1,)}  # inputs (roi, scales) that have to stay fp32


def converted_file(job: Job) -> str:
    """Path of the job's network in fp16, made once and kept in the cache."""
    try:
        import onnx
    except ImportError as error:
        raise Unsupported("fp16 needs the Python package onnx to convert the network: %s" % error)
    key = "%s|%d" % (job.artefact.onnx_sha256 or job.artefact.onnx_path, FORMAT)
    path = os.path.join(job.cache_dir, "fp16", hashlib.sha256(key.encode()).hexdigest()[:24] + ".onnx")
    return made_once(path, lambda part: onnx.save(convert(_with_clip_for_fp16(onnx.load(job.artefact.onnx_path))), part))


def _with_clip_for_fp16(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model in an opset whose Clip has an fp16 kernel on GPUs, if it has a Clip at all."""
    from onnx import version_converter

    opset = max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if opset >= CLIP_OPSET or all(node.op_type != "Clip" for node in model.graph.node):
        return model
    try:
        return version_converter.convert_version(model, CLIP_OPSET)
    except Exception as error:  # the converter's exceptions share no class of their own
        raise Unsupported(
            "fp16: the network can't be brought to opset %d, which its Clip needs: %s" % (CLIP_OPSET, " ".join(str(error).split()))
        )


def convert(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Turn every float of an ONNX model into a float16, in place; larger values are clipped to the largest fp16."""
    from onnx import TensorProto

    graph = model.graph
    if any(attribute.type in (5, 10) for node in graph.node for attribute in node.attribute):  # GRAPH, GRAPHS
        raise Unsupported("fp16: the network has control flow, whose inner graphs can't be converted")
    del graph.value_info[:]  # types of what lies between the operators: inferred anew by every reader
    kept = {node.input[index] for node in graph.node for index in KEEPS_FLOAT.get(node.op_type, ()) if index < len(node.input)}
    for tensor in graph.initializer:
        if tensor.name not in kept:
            _tensor(tensor)
    for item in list(graph.input) + list(graph.output):
        if item.type.tensor_type.elem_type == TensorProto.FLOAT and item.name not in kept:
            item.type.tensor_type.elem_type = TensorProto.FLOAT16
    for node in graph.node:
        if kept.intersection(node.output):
            if node.op_type != "Constant":
                raise Unsupported("fp16: %s computes the scales of a resize, which have to stay fp32" % node.op_type)
            continue
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                _tensor(attribute.t)
            elif attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    return model


def _tensor(tensor: "onnx.TensorProto") -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        values = numpy.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST).astype(numpy.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

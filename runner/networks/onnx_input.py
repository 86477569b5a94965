"""The image input of a user's ONNX file: its name, type, shape and layout, read from the file itself; and seeded images in that form."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy

from runner.errors import GraphError
from runner.networks.graph import load_without_weights

if TYPE_CHECKING:
    import onnx

TYPES = {1: "float32", 10: "float16", 11: "float64", 2: "uint8", 3: "int8"}  # of TensorProto.DataType, those that hold images
OTHERS = {6: "int32", 7: "int64", 8: "string", 9: "bool", 16: "bfloat16"}
CHANNELS = (1, 3, 4)
STANDARD = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "org.openvinotoolkit")  # domains that some backend knows
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")


@dataclass(frozen=True)
class FileInput:
    """``shape`` is [batch, ...] as the file has it, with None for a size that is free; ``precision`` is what its weights are in."""

    name: str
    type: str
    shape: List[Optional[int]]
    layout: str  # NCHW or NHWC
    precision: str

    @property
    def sides(self) -> Tuple[Optional[int], Optional[int]]:
        """(height, width), None where free."""
        return (self.shape[2], self.shape[3]) if self.layout == "NCHW" else (self.shape[1], self.shape[2])

    @property
    def oblong(self) -> Optional[str]:
        """ "48x80", height x width, of a file whose sides are given and differ; None for all others."""
        height, width = self.sides
        return "%dx%d" % (height, width) if height and width and height != width else None

    def filled(self, input_px: int, title: str = "") -> List[int]:
        """The shape of one image in the file's layout, free sizes filled; GraphError where that is not ``input_px`` square.

        A cell's size is one number. An oblong file is measured under its height where the network's title names both sides.
        """
        height, width = [side or input_px for side in self.sides]
        if self.oblong and self.oblong not in title:
            raise GraphError(
                "its input is %s px (height x width), which one number can't express: give it a label that names both sides (`label: my-net-%s`) and `input_px: native`"
                % (self.oblong, self.oblong)
            )
        if height != input_px or width != input_px and not self.oblong:
            size = "%d px" % height if height == width else "%dx%d px (height x width)" % (height, width)
            raise GraphError("its input is %s, not %d px; say `input_px: native`" % (size, input_px))
        channels = (self.shape[1] if self.layout == "NCHW" else self.shape[3]) or 3
        return [channels, height, width] if self.layout == "NCHW" else [height, width, channels]


def read(path: str) -> FileInput:
    """The FileInput of a file; a GraphError, in one line, where it has none that an image fits."""
    try:
        model = load_without_weights(path)
    except GraphError as error:  # it names the path, as whoever asks here does
        raise GraphError(str(error).replace("%s: " % path, "", 1))
    absent = _absent(model, os.path.dirname(path))
    if absent:
        raise GraphError("its weights lie in %s, which is not there; keep that file beside the ONNX file" % absent)
    if not model.graph.output:
        raise GraphError("it has no output")
    known = {name for entry in model.functions for name in (entry.domain,)} if hasattr(model, "functions") else set()
    custom = sorted(
        {"%s:%s" % (node.domain, node.op_type) for node in model.graph.node if node.domain not in STANDARD and node.domain not in known}
    )
    if custom:
        raise GraphError("%s is not a standard operator, and no backend has it" % ", ".join(custom[:3]))
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise GraphError(
            "it has %d inputs (%s); one image input is needed" % (len(inputs), ", ".join(value.name for value in inputs[:4]) or "none")
        )
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in TYPES:
        kind = OTHERS.get(tensor.elem_type, "of type %d" % tensor.elem_type)
        raise GraphError("its input %s is %s, as token ids are; an image input (float or uint8) is needed" % (inputs[0].name, kind))
    if not tensor.HasField("shape"):
        raise GraphError("its input %s has no shape; export it with [batch, channels, height, width]" % inputs[0].name)
    if any(size.HasField("dim_value") and not size.dim_value for size in tensor.shape.dim):
        raise GraphError("a size of its input %s is 0, which holds no image; export it with a batch of 1, or a free one" % inputs[0].name)
    shape = [size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim]
    if len(shape) != 4:
        raise GraphError("its input is %s; [batch, channels, height, width] is needed" % shape)
    last = shape[3] in CHANNELS and shape[1] not in CHANNELS
    return FileInput(inputs[0].name, TYPES[tensor.elem_type], shape, "NHWC" if last else "NCHW", _precision(model))


def _absent(model: "onnx.ModelProto", folder: str) -> Optional[str]:
    """The first file of weights outside the ONNX file that is not in its folder."""
    names = {entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"}
    return next((name for name in sorted(names) if not os.path.isfile(os.path.join(folder, name))), None)


def _precision(model: "onnx.ModelProto") -> str:
    """The type of most weights, int8 where the file is quantised."""
    if any(node.op_type in QUANTISED for node in model.graph.node):
        return "int8"
    total: Dict[int, Any] = {}
    for tensor in model.graph.initializer:
        count = 1
        for length in tensor.dims:
            count *= length
        total[tensor.data_type] = total.get(tensor.data_type, 0) + count
    floats = {kind: total[kind] for kind in (1, 10, 11, 16) if kind in total}
    return {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}[max(floats, key=lambda kind: floats[kind])] if floats else "fp32"


def staged(images: numpy.ndarray, kind: str, layout: str) -> numpy.ndarray:
    """Images of about zero mean and unit variance, float32 [count, channels, height, width], as the file takes them."""
    if kind in ("uint8", "int8"):
        shift = 128 if kind == "uint8" else 0
        images = numpy.clip(numpy.rint(images * 58 + shift), shift - 128, shift + 127)  # 58: the deviation of photographs' bytes
    images = images.astype(kind)
    return numpy.ascontiguousarray(images.transpose(0, 2, 3, 1)) if layout == "NHWC" else images


def prepared(images: numpy.ndarray, kind: str, layout: str, mean: Sequence[float], std: Sequence[float]) -> numpy.ndarray:
    """Photographs, prepared float32 [count, 3, height, width], as the file takes them; bytes are the photograph's own."""
    if kind == "uint8":
        shift, scale = [numpy.asarray(value, numpy.float32).reshape(3, 1, 1) for value in (mean, std)]
        images = numpy.clip(numpy.rint((images * scale + shift) * 255), 0, 255)
    images = images.astype(kind)
    return numpy.ascontiguousarray(images.transpose(0, 2, 3, 1)) if layout == "NHWC" else images

"""Shapes of all tensors of an ONNX graph, through the arithmetic on shapes that exporters leave in it.

onnx's own inference follows only some of that arithmetic (PyTorch writes an Expand's shape by ConstantOfShape, Equal
and Where). So: infer, evaluate what has become known, put it in as constants, and again until nothing is new.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

import numpy

if TYPE_CHECKING:
    import onnx

Options = Dict[str, Any]  # the attributes of a node by name

LARGEST = 4096  # elements: shape arithmetic has few; anything larger is weights
ROUNDS = 200


def infer(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """An onnx.ModelProto like ``model`` with the shapes of all tensors that can be known."""
    import onnx
    from onnx import numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer if _readable(tensor)}
    for _ in range(ROUNDS):
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        shapes = known_shapes(inferred.graph)
        found = {}
        for node in model.graph.node:
            if len(node.output) == 1 and node.output[0] not in values:
                value = _evaluate(node, values, shapes)
                if value is not None and value.size <= LARGEST:
                    values[node.output[0]] = found[node.output[0]] = value
        if not found:
            return inferred
        kept = [node for node in model.graph.node if node.output[0] not in found]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in found.items())
    return inferred


def known_shapes(graph: "onnx.GraphProto") -> Dict[str, Tuple[int, ...]]:
    """{name: shape} of all inputs, outputs and inferred tensors whose sizes are all known."""
    shapes = {}
    for value in list(graph.input) + list(graph.value_info) + list(graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(size.HasField("dim_value") for size in tensor.shape.dim):
            shapes[value.name] = tuple(size.dim_value for size in tensor.shape.dim)
    return shapes


def _readable(tensor: "onnx.TensorProto") -> bool:
    """Whether a tensor is small, and its values stand in the file itself."""
    has_values = tensor.raw_data or tensor.float_data or tensor.int64_data or tensor.int32_data or 0 in tensor.dims
    return bool(has_values) and int(numpy.prod(tensor.dims, dtype=numpy.int64)) <= LARGEST


def _evaluate(node: "onnx.NodeProto", values: Dict[str, Any], shapes: Dict[str, Tuple[int, ...]]) -> Optional[numpy.ndarray]:
    """The value of a node whose inputs are known small constants (or whose input's shape is, for Shape), else None."""
    from onnx import numpy_helper

    options = {item.name: item for item in node.attribute}
    if node.op_type == "Shape":
        shape = shapes.get(node.input[0])
        shape = values[node.input[0]].shape if node.input[0] in values else shape
        return None if shape is None or options else numpy.array(shape, numpy.int64)
    if node.op_type == "Constant":
        return numpy_helper.to_array(options["value"].t) if "value" in options and _readable(options["value"].t) else None
    operation = OPERATIONS.get(node.op_type)
    if operation is None or any(name and name not in values for name in node.input):
        return None
    return numpy.asarray(operation(options, *[values[name] if name else None for name in node.input]))


def _axes(options: Options, axes: Any) -> Optional[Tuple[int, ...]]:
    if axes is not None:
        return tuple(int(axis) for axis in axes)
    return tuple(options["axes"].ints) if "axes" in options else None


def _axis(options: Options, default: int = 0) -> int:
    return options["axis"].i if "axis" in options else default


def _cast(options: Options, data: numpy.ndarray) -> numpy.ndarray:
    import onnx

    kinds = {
        onnx.TensorProto.FLOAT: numpy.float32,
        onnx.TensorProto.INT64: numpy.int64,
        onnx.TensorProto.INT32: numpy.int32,
        onnx.TensorProto.BOOL: numpy.bool_,
        onnx.TensorProto.DOUBLE: numpy.float64,
        onnx.TensorProto.FLOAT16: numpy.float16,
    }
    return data.astype(kinds[options["to"].i])


def _constant_of_shape(options: Options, shape: numpy.ndarray) -> numpy.ndarray:
    from onnx import numpy_helper

    value = numpy_helper.to_array(options["value"].t) if "value" in options else numpy.zeros(1, numpy.float32)
    return numpy.full([int(length) for length in shape], value[0], value.dtype)


def _slice(
    options: Options, data: numpy.ndarray, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> numpy.ndarray:
    if starts is None:  # up to opset 9
        starts, ends = options["starts"].ints, options["ends"].ints
    axes = _axes(options, axes) or range(len(starts))
    index = [slice(None)] * data.ndim
    for number, axis in enumerate(axes):
        step = 1 if steps is None else int(steps[number])
        end = int(ends[number])
        index[axis] = slice(int(starts[number]), None if step < 0 and end < -data.shape[axis] else end, step)
    return data[tuple(index)]


def _unsqueeze(options: Options, data: numpy.ndarray, axes: Any = None) -> numpy.ndarray:
    axes = _axes(options, axes)
    for axis in sorted(axis % (data.ndim + len(axes)) for axis in axes):
        data = numpy.expand_dims(data, axis)
    return data


def _divide(options: Options, a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    if a.dtype.kind == "f":
        return a / b
    return (numpy.sign(a) * numpy.sign(b) * (abs(a) // abs(b))).astype(a.dtype)  # towards zero, as ONNX says


def _reshape(options: Options, data: numpy.ndarray, shape: numpy.ndarray) -> numpy.ndarray:
    return data.reshape([data.shape[i] if length == 0 else int(length) for i, length in enumerate(shape)])


OPERATIONS: Dict[str, Callable[..., Any]] = {
    "Add": lambda options, a, b: a + b,
    "Sub": lambda options, a, b: a - b,
    "Mul": lambda options, a, b: a * b,
    "Div": _divide,
    "Mod": lambda options, a, b: numpy.mod(a, b),
    "Neg": lambda options, a: -a,
    "Equal": lambda options, a, b: a == b,
    "Floor": lambda options, a: numpy.floor(a),
    "Sqrt": lambda options, a: numpy.sqrt(a),
    "Not": lambda options, a: ~a,
    "Where": lambda options, condition, a, b: numpy.where(condition, a, b),
    "Identity": lambda options, a: a,
    "Cast": _cast,
    "Concat": lambda options, *parts: numpy.concatenate(parts, _axis(options)),
    "Gather": lambda options, data, index: numpy.take(data, index, axis=_axis(options)),
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": lambda options, data, axes=None: numpy.squeeze(data, _axes(options, axes)),
    "Reshape": _reshape,
    "ConstantOfShape": _constant_of_shape,
    "Transpose": lambda options, data: numpy.transpose(data, tuple(options["perm"].ints) if "perm" in options else None),
    "Range": lambda options, start, limit, step: numpy.arange(start, limit, step),
}

"""An ONNX file as nodes and shapes. Weights are never read: a file of 500 MB takes no longer than its graph."""

import mmap
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Tuple

from runner.errors import GraphError

if TYPE_CHECKING:
    import onnx

# Field numbers of onnx.proto
MODEL_GRAPH, MODEL_METADATA, GRAPH_INITIALIZER, TENSOR_FLOAT_DATA, TENSOR_RAW_DATA = 7, 14, 5, 4, 9
SMALL_BYTES = 4096  # values up to here are kept: shapes, axes, scalars


class Graph:
    """``nodes`` that compute on the input, in order, with the shapes of all tensors.

    ``constants`` are the names of tensors that don't depend on the input; ``trainable`` maps those initialisers that
    are parameters to their number of elements. ``folded`` are the nodes that compute constants.
    """

    def __init__(self, path: str, batch_size: int = 1) -> None:
        import onnx

        from runner.networks import shapes

        model = load_without_weights(path)
        initialisers = {tensor.name: tensor for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in initialisers]
        if not inputs:
            raise GraphError("%s: has no input" % path)
        for value in inputs:
            sizes = value.type.tensor_type.shape.dim
            if sizes and not sizes[0].dim_value:
                sizes[0].dim_value = batch_size
                del model.graph.value_info[:]  # what the file says of other shapes no longer holds
                for output in model.graph.output:
                    output.type.tensor_type.ClearField("shape")
        self.batch_size = inputs[0].type.tensor_type.shape.dim[0].dim_value
        try:
            model = shapes.infer(model)
        except Exception as error:  # onnx raises several kinds, by version
            raise GraphError("%s: shapes can't be inferred: %s" % (path, str(error).splitlines()[0]))
        graph = model.graph
        self.shapes = shapes.known_shapes(graph)
        self.types = {
            value.name: value.type.tensor_type.elem_type for value in list(graph.input) + list(graph.value_info) + list(graph.output)
        }
        for tensor in graph.initializer:
            self.shapes[tensor.name] = tuple(tensor.dims)
            self.types[tensor.name] = tensor.data_type
        self.constants = {tensor.name for tensor in graph.initializer}
        self.folded: List[Any] = []
        self.nodes = [node for node in graph.node if not self._is_constant(node)]
        self.outputs = {value.name for value in graph.output}
        self.consumers: Dict[str, List[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)
        buffers = {name for entry in model.metadata_props if entry.key == "buffers" for name in entry.value.split(",")}
        buffers |= {name for node in self.nodes if node.op_type == "BatchNormalization" for name in node.input[3:5]}
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)
        self.trainable = {
            name: size(tensor.dims) for name, tensor in initialisers.items() if tensor.data_type in floats and name not in buffers
        }
        self.integers = {name for name, kind in self.types.items() if kind not in floats}

    def _is_constant(self, node: "onnx.NodeProto") -> bool:
        """Whether a node computes from weights alone (or a shape, which is static here); runtimes do so when they load."""
        constant = node.op_type in ("Constant", "Shape") or bool(node.input) and all(name in self.constants for name in node.input if name)
        if constant:
            self.constants.update(node.output)
            self.folded.append(node)
        return constant

    def shape(self, name: str) -> Tuple[int, ...]:
        """Sizes of a tensor, batch included; GraphError where one of them isn't static."""
        if name not in self.shapes:
            raise GraphError("the shape of %s is not static; export with fixed input sizes" % name)
        return self.shapes[name]

    def elements(self, name: str) -> int:
        """Elements of a tensor, batch included; GraphError as in shape()."""
        return size(self.shape(name))


def attribute(node: "onnx.NodeProto", name: str, default: Any = None) -> Any:
    """The value of a node's attribute by name."""
    import onnx

    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def size(shape: Iterable[int]) -> int:
    """Elements of a tensor of this shape."""
    product = 1
    for length in shape:
        product *= length
    return product


def input_shape(path: str) -> List[Optional[int]]:
    """Shape of the file's one input, [batch, ...]; None for a size that is free. Raises GraphError."""
    graph = load_without_weights(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise GraphError("%s: has %d inputs, one is needed" % (path, len(inputs)))
    return [size.dim_value or None for size in inputs[0].type.tensor_type.shape.dim]


def load_without_weights(path: str) -> "onnx.ModelProto":
    """The onnx.ModelProto of a file with the values of all large initialisers left out."""
    import onnx

    with open(path, "rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise GraphError("%s: is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`" % path)
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise GraphError("%s: is empty" % path)
    try:
        model = onnx.ModelProto.FromString(_strip_model(data))
    except Exception:  # the wire format's own errors, and protobuf's
        raise GraphError("%s: is not an ONNX file" % path)
    finally:
        data.close()
    if not model.graph.node:
        raise GraphError("%s: is not an ONNX file" % path)
    return model


def _strip_model(data: mmap.mmap) -> bytes:
    parts = []
    for number, start, body, end in fields(data, 0, len(data)):
        parts.append(message(number, _strip_graph(data, body, end)) if number == MODEL_GRAPH else data[start:end])
    return b"".join(parts)


def _strip_graph(data: mmap.mmap, start: int, stop: int) -> bytes:
    parts = []
    for number, first, body, end in fields(data, start, stop):
        if number == GRAPH_INITIALIZER and end - body > SMALL_BYTES:
            kept = [data[f:e] for n, f, _, e in fields(data, body, end) if n not in (TENSOR_FLOAT_DATA, TENSOR_RAW_DATA)]
            parts.append(message(number, b"".join(kept)))
        else:
            parts.append(data[first:end])
    return b"".join(parts)


def fields(data: mmap.mmap, position: int, stop: int) -> Iterator[Tuple[int, int, int, int]]:
    """(number, start of the field, start of its content, end) of each field of a protobuf message."""
    while position < stop:
        start = position
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 2:
            length, position = _varint(data, position)
            end = position + length
        elif kind == 0:
            end = _varint(data, position)[1]
        else:
            end = position + {1: 8, 5: 4}[kind]
        if end > stop:
            raise ValueError("truncated")
        yield key >> 3, start, position, end
        position = end


def _varint(data: mmap.mmap, position: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        if shift > 63:  # ten bytes hold all 64 bits; a longer one is no protobuf, and slow to add up
            raise ValueError("a varint of more than ten bytes")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def message(number: int, content: bytes) -> bytes:
    """A protobuf field that holds bytes or another message."""
    header = bytearray([number << 3 | 2])
    length = len(content)
    while length > 127:
        header.append(length & 127 | 128)
        length >>= 7
    header.append(length)
    return bytes(header) + content

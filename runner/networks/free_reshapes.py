"""Which reshapes are free: a model of PyTorch's strides, over the shapes of an ONNX graph."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from runner.networks.graph import Graph, attribute, size

if TYPE_CHECKING:
    import onnx


def is_view(graph: Graph, node: "onnx.NodeProto", strides: Dict[str, Any]) -> bool:
    """Whether PyTorch would make this a view; remembers the strides that it has then."""
    source, output = node.input[0], node.output[0]
    shape, new = graph.shape(source), graph.shape(output)
    old = strides.get(source) or contiguous(shape)
    if node.op_type == "Transpose":
        strides[output] = [old[axis] for axis in attribute(node, "perm", range(len(shape) - 1, -1, -1))]
    elif node.op_type in ("Slice", "Split"):
        for name in node.output:
            strides[name] = old
    elif node.op_type == "Expand":
        strides[output] = [0] * (len(new) - len(shape)) + [
            stride if a == b else 0 for stride, a, b in zip(old, shape, new[len(new) - len(shape) :])
        ]
    elif node.op_type == "Gather":
        axis = attribute(node, "axis", 0) % len(shape)
        strides[output] = old[:axis] + old[axis + 1 :]
    else:
        strides[output] = view_strides(shape, old, new)
        return strides[output] is not None
    return True


def inherit(graph: Graph, reads: List[str], output: str, strides: Dict[str, Any]) -> None:
    """An element by element operator lays its output out densely, its axes in the order of its first input of that shape."""
    shape = graph.shape(output)
    first = next((name for name in reads if graph.shape(name) == shape), None)
    if first is not None and strides.get(first):
        order = sorted(range(len(shape)), key=lambda axis: (-strides[first][axis], axis))
        dense = [0] * len(shape)
        for axis, stride in zip(order, contiguous([shape[axis] for axis in order])):
            dense[axis] = stride
        strides[output] = dense


def is_contiguous(graph: Graph, name: str, strides: Dict[str, Any]) -> bool:
    """Whether a tensor lies in memory row by row."""
    shape = graph.shape(name)
    known = strides.get(name)
    return known is None or all(length == 1 or a == b for length, a, b in zip(shape, known, contiguous(shape)))


def stacks(graph: Graph, name: str, strides: Dict[str, Any]) -> bool:
    """Whether a tensor is a stack of matrices as it lies, whatever the number of images: their axes merge into one without a copy."""
    shape = list(graph.shape(name))
    if len(shape) < 4 or name not in strides:
        return True
    if shape[0] == graph.batch_size:
        shape[0] = 1
    return view_strides(shape, strides[name], [size(shape[:-2])] + shape[-2:]) is not None


def contiguous(shape: Sequence[int]) -> List[int]:
    """Strides, in elements, of a tensor of this shape that lies row by row."""
    strides = [1]
    for length in reversed(shape[1:]):
        strides.insert(0, strides[0] * length)
    return strides[: len(shape)]


def view_strides(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> Optional[List[int]]:
    """Strides of a tensor seen with another shape, or None where that takes a copy."""
    runs: List[List[int]] = []  # [length, stride] of dimensions that lie in memory as one
    for length, stride in zip(shape, strides):
        if length != 1:
            if runs and runs[-1][1] == length * stride:
                runs[-1] = [runs[-1][0] * length, stride]
            else:
                runs.append([length, stride])
    result: List[int] = []
    left, stride = 1, 1
    for length in reversed(new):
        if length != 1 and left == 1:
            left, stride = runs.pop()
        if left % length:
            return None
        result.insert(0, stride)
        left, stride = left // length, stride * length
    return result

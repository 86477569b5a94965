"""Complexity of a network, counted on the ONNX file that is timed: per image, at its input size.

Operators are counted as PyTorch executes them, one by one: what the exporter takes apart (HardSwish, SiLU,
GELU, LayerNorm) counts as the one operator that it was, views (reshape, transpose, slice) move nothing, and a
reshape that can't be a view is a copy. Weights count once, not per image.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from runner.errors import GraphError
from runner.networks.exported import addcmul, lookups
from runner.networks.free_reshapes import inherit, is_contiguous, is_view, stacks
from runner.networks.graph import Graph, attribute, size

if TYPE_CHECKING:
    import onnx

GROUPS = ("conv1x1", "conv3x3", "convK", "convgrp", "convdw", "linear", "bmm", "bn", "ln", "pool", "elem", "copy")
ARITHMETIC = GROUPS[:7]  # groups that multiply and add
POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool")
NORMS = ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization")
COPIES = ("Concat", "Pad", "Gather", "GatherND", "ScatterND", "Tile", "DepthToSpace", "SpaceToDepth", "Resize")
VIEWS = ("Identity", "Dropout", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Reshape", "Transpose", "Slice", "Split", "Expand")
POINTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Erf", "Sigmoid", "HardSigmoid", "Tanh", "Clip", "Softplus", "Neg", "Min", "Max",
)  # fmt: skip
ROW_BY_ROW = ("Softmax", "LogSoftmax")  # written row by row, however the input lies
Operator = Tuple[str, int, List[str], str, int]  # see operators()
Belongs = Callable[[Graph, "onnx.NodeProto", List[int]], bool]  # of a node, with the sizes of the constants that it reads
ELEMENT_BYTES = {1: 4, 10: 2, 11: 8, 16: 2}  # by TensorProto.DataType: float, float16, double, bfloat16

ComplexityError = GraphError  # the file can't be counted; a ValueError with one line


def of_onnx(path: str, batch_size: int = 1) -> Dict[str, Any]:
    """{params, macs, activations, groups} of the file at ``path``; ``batch_size`` fills a free batch size.

    macs: multiply-adds of convolutions and matrix products; activations: their output elements;
    groups: by group {count, macs, bytes, out}, bytes being those read (weights included) and written.
    """
    graph = Graph(path, batch_size)
    groups = {name: {"count": 0, "macs": 0, "bytes": 0, "out": 0} for name in GROUPS}
    for group, macs, reads, output, beside in operators(graph):
        moved = sum(graph.elements(name) // (1 if name in graph.constants else graph.batch_size) for name in reads)
        out = (graph.elements(output) + beside) // graph.batch_size
        total = groups[group]
        total["count"] += 1
        total["macs"] += macs // graph.batch_size
        total["bytes"] += ELEMENT_BYTES.get(graph.types.get(output, 0), 4) * (moved + out)
        total["out"] += out
    products = [groups[name] for name in ARITHMETIC]
    return {
        "params": sum(graph.trainable.values()),
        "macs": sum(group["macs"] for group in products),
        "activations": sum(group["out"] for group in products),
        "groups": groups,
    }


def operators(graph: Graph) -> Iterator[Operator]:
    """(group, multiply-adds, tensors read, tensor written, elements written beside it) of each operator; batch included."""
    done: Set[int] = set()
    strides: Dict[str, Any] = {}
    producers = {name: node for node in graph.nodes for name in node.output}
    for node in graph.nodes:
        if id(node) in done or node.output[0] in graph.integers:
            continue
        kind, output = node.op_type, node.output[0]
        reads = [name for name in node.input if name and name not in graph.integers]
        if kind == "Conv":
            yield _convolution(graph, node), graph.elements(output) * size(graph.shape(node.input[1])[1:]), reads, output, 0
        elif kind in ("Gemm", "MatMul"):
            for one in _product(graph, node, reads, done, strides):
                yield one
        elif kind == "Einsum":
            yield "bmm", _einsum_macs(graph, node), reads, output, 0
        elif kind == "BatchNormalization":
            yield "bn", 0, reads, output, 0
        elif kind in POOLS or kind == "ReduceMean" and not _normalises(graph, node):
            yield "pool", 0, [_before_pad(graph, reads[0])], output, 0
        elif kind in NORMS or kind == "ReduceMean":
            members = _grow(graph, node, _of_norm(axes(node))) if kind == "ReduceMean" else [node]
            done.update(id(member) for member in members)
            weights = [name for member in members for name in member.input if name in graph.constants and graph.elements(name) > 1]
            yield "ln", 0, reads[:1] + weights, members[-1].output[0], 2 * _rows(graph, node)
        elif kind == "Pad" and all(after.op_type == "AveragePool" for after in graph.consumers.get(output, ())):
            pass  # the exporter's way of saying count_include_pad
        elif kind in VIEWS or kind == "Gather" and len(graph.shape(output)) < len(graph.shape(reads[0])):
            if not is_view(graph, node, strides):
                yield "copy", 0, reads[:1], output, 0
        elif kind in COPIES:
            if not _rolled(producers, _rolled(producers, node)):  # a roll along two axes is one operator, and two nodes
                yield "copy", 0, reads if kind == "Concat" else reads[:1], output, 0
        else:
            members = addcmul(graph, node) or (_grow(graph, node, _of_activation) if _may_grow(graph, node) else [node])
            done.update(id(member) for member in members)
            shift = [name for name in members[-1].input if name in graph.constants] if len(members) > 1 else []
            yield "elem", 0, [name for name in reads + shift if graph.elements(name) > 1], members[-1].output[0], 0
            if kind not in ROW_BY_ROW:
                inherit(graph, reads, members[-1].output[0], strides)
    for reads, output, beside in lookups(graph):
        yield "copy", 0, reads, output, beside


def _rolled(producers: Dict[str, "onnx.NodeProto"], node: Optional["onnx.NodeProto"]) -> Optional["onnx.NodeProto"]:
    """The node whose output a roll along one axis (two slices of a tensor, the other way round) rolls; None where `node` is no such roll."""
    if node is None or node.op_type != "Concat" or len(node.input) != 2:
        return None
    slices = [part for part in (producers.get(name) for name in node.input) if part is not None and part.op_type == "Slice"]
    if len(slices) == 2 and slices[0].input[0] == slices[1].input[0]:
        return producers.get(slices[0].input[0])
    return None


def _rows(graph: Graph, node: "onnx.NodeProto") -> int:
    """How many means (and as many deviations) a normalisation takes."""
    shape = graph.shape(node.input[0])
    if node.op_type == "ReduceMean":
        return size(shape) // size([shape[axis] for axis in axes(node)])
    if node.op_type == "LayerNormalization":
        return size(shape[: attribute(node, "axis", -1) % len(shape)])
    return size(shape[:2])


def _convolution(graph: Graph, node: "onnx.NodeProto") -> str:
    groups = attribute(node, "group", 1)
    kernel = tuple(graph.shape(node.input[1])[2:])
    if groups > 1:
        return "convdw" if groups == graph.shape(node.input[0])[1] else "convgrp"
    return "conv1x1" if kernel == (1, 1) else "conv3x3" if kernel == (3, 3) else "convK"


def _product(graph: Graph, node: "onnx.NodeProto", reads: List[str], done: Set[int], strides: Dict[str, Any]) -> Iterator[Operator]:
    """A linear layer (with its bias, which the exporter adds apart) or a product of two activations, as operators() says them.

    PyTorch adds the bias apart, too, where the input is not contiguous, and copies an activation whose leading axes don't lie in memory as one.
    """
    output = node.output[0]
    inner = graph.shape(node.input[0])[-2 if attribute(node, "transA", 0) else -1]
    macs = graph.elements(output) * inner
    if not any(name in graph.constants for name in reads[:2]):
        for name in reads[:2]:
            if not stacks(graph, name, strides):
                yield "copy", 0, [name], name, 0
        yield "bmm", macs, reads, output, 0
        return
    after = graph.consumers.get(output, ())
    if len(after) == 1 and after[0].op_type == "Add":
        bias = [name for name in after[0].input if name in graph.constants]
        if bias and graph.elements(bias[0]) == graph.shape(output)[-1]:
            done.add(id(after[0]))
            if is_contiguous(graph, reads[0], strides):
                yield "linear", macs, reads + bias, after[0].output[0], 0
            else:
                yield "linear", macs, reads, output, 0
                yield "elem", 0, [output] + bias, after[0].output[0], 0
            return
    yield "linear", macs, reads, output, 0


def _einsum_macs(graph: Graph, node: "onnx.NodeProto") -> int:
    lengths: Dict[str, Any] = {}
    terms = attribute(node, "equation").decode().replace(" ", "").split("->")[0].split(",")
    for term, name in zip(terms, node.input):
        lengths.update(zip(term, graph.shape(name)))
    return size(lengths.values())


def _normalises(graph: Graph, node: "onnx.NodeProto") -> bool:
    """Whether a mean is the beginning of a layer normalisation taken apart: x - mean(x)."""
    return any(after.op_type == "Sub" and after.input[0] == node.input[0] for after in graph.consumers.get(node.output[0], ()))


def _grow(graph: Graph, first: "onnx.NodeProto", belongs: Belongs) -> List["onnx.NodeProto"]:
    """The nodes that were one operator: from ``first`` on, all that compute from its input and constants alone."""
    inside = {name for name in first.input if name not in graph.constants} | {first.output[0]}
    members, pending = [first], True
    while pending:
        pending = False
        for node in [node for name in sorted(inside) for node in graph.consumers.get(name, ())]:
            constants = [name for name in node.input if name in graph.constants]
            alone = all(name in inside or name in graph.constants for name in node.input if name)
            if (
                alone
                and all(node is not member for member in members)
                and belongs(graph, node, [graph.elements(name) for name in constants])
            ):
                members.append(node)
                inside.add(node.output[0])
                pending = True
    order = {id(node): number for number, node in enumerate(graph.nodes)}
    return sorted(members, key=lambda node: order[id(node)])


def _may_grow(graph: Graph, node: "onnx.NodeProto") -> bool:
    """Whether an activation function may begin here: it reads one tensor, and scalars."""
    reads = [name for name in node.input if name and (name not in graph.constants or graph.elements(name) > 1)]
    return node.op_type in POINTWISE and len(set(reads)) == 1 and reads[0] not in graph.constants


def _of_activation(graph: Graph, node: "onnx.NodeProto", constants: List[int]) -> bool:
    return node.op_type in POINTWISE and all(elements == 1 for elements in constants)


def axes(node: "onnx.NodeProto") -> List[int]:
    """Over which axes a mean is taken."""
    return list(attribute(node, "axes", ()))


def _of_norm(over: List[int]) -> Belongs:
    """Whether a node belongs to a normalisation over these axes.

    Sub, Pow, mean, + epsilon, Sqrt, Div, then * weight, + bias; what follows has scalars, takes a mean to subtract, or one over other axes.
    """

    def belongs(graph: Graph, node: "onnx.NodeProto", constants: List[int]) -> bool:
        if node.op_type in ("Sub", "Div", "Sqrt", "Cast"):
            return not constants
        if node.op_type == "Mul":
            return all(elements > 1 for elements in constants)
        return node.op_type in ("Pow", "Add") or node.op_type == "ReduceMean" and not _normalises(graph, node) and axes(node) == over

    return belongs


def _before_pad(graph: Graph, name: str) -> str:
    for node in graph.nodes:
        if name in node.output and node.op_type == "Pad":
            return node.input[0]
    return name

"""Operators that the exporter writes otherwise than PyTorch runs them: addcmul in three nodes, and look-ups in tables of weights."""

from typing import Any, Iterator, List, Set, Tuple

from runner.networks.graph import Graph, size


def addcmul(graph: Graph, node: Any) -> List[Any]:
    """The nodes of shift + 1 * scale * x from its first product on, which the exporter writes one by one; [] where `node` begins none."""
    nodes = [node]
    for kind, is_scalar in (("Mul", True), ("Add", False)):
        after = graph.consumers.get(nodes[-1].output[0], ())
        weights = [name for one in after for name in one.input if name in graph.constants]
        if len(after) != 1 or after[0].op_type != kind or len(weights) != 1 or (graph.elements(weights[0]) == 1) != is_scalar:
            return []
        nodes.append(after[0])
    return nodes if node.op_type == "Mul" and any(name in graph.constants for name in node.input) else []


def lookups(graph: Graph) -> Iterator[Tuple[List[str], str, int]]:
    """(tensors read, tensor written, elements written beside it) of each look-up in a table of parameters, and of the copy that puts it in order.

    Position biases: PyTorch runs them at each call, once per batch; other runtimes when they load.
    """
    found: Set[str] = set()
    for node in graph.folded:
        output = node.output[0]
        if node.op_type == "Gather" and node.input[0] in graph.trainable:
            found.add(output)
            yield list(node.input[:2]), output, _beside(graph, output)
        elif found.intersection(node.input[:1]) and node.op_type in ("Reshape", "Unsqueeze", "Squeeze", "Transpose"):
            found.add(output)
            if node.op_type == "Transpose":
                yield [node.input[0]], output, _beside(graph, output)


def _beside(graph: Graph, name: str) -> int:
    """What makes elements that are written once per batch count as those of one image."""
    return size(graph.shape(name)) * (graph.batch_size - 1)

"""What ONNX Runtime made of a network: which provider runs which operator, and which operators are left after optimisation."""

import json
import os
import re
from collections import Counter, defaultdict
from typing import Any, DefaultDict, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy

Operators = Dict[str, int]  # by type of operator: how many, or the bytes that they wrote

TYPES = {"tensor(float16)": "float16", "tensor(double)": "float64", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
# how its exceptions say what a release lacks, and the same in a user's words
LACKS = (
    (r"Opset (\d+) is under development.* is till opset (\d+)", "reads opsets up to %s, and the file has %s"),
    (r"nsupported model IR version: (\d+), max supported IR version: (\d+)", "reads IR versions up to %s, and the file has %s"),
    (r"Could not find an implementation for ([\w.:]+)\(", "has no kernel for %s"),
)
CPU_SHARE = 0.01  # of the bytes that operators write: shape arithmetic on the CPU stays far below


def zero_feeds(session: Any, shape: Sequence[int]) -> Dict[str, numpy.ndarray]:
    """Feeds for a session's one input: a batch of this shape, of the type that the file has."""
    item = session.get_inputs()[0]
    return {item.name: numpy.zeros(shape, TYPES.get(item.type, "float32"))}


def operators_by_provider(session: Any) -> Optional[Dict[str, Operators]]:
    """{provider: Counter of operators} as the session assigned them, or None if this release can't tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    nodes: DefaultDict[str, Counter] = defaultdict(Counter)
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name].update(node.op_type for node in part.get_nodes())
    return dict(nodes)


def profiled(
    path: str, options: Any, providers: List[Any], feeds: Dict[str, numpy.ndarray], folder: str
) -> Tuple[Dict[str, Operators], Dict[str, Operators]]:
    """({provider: Counter of operators}, {provider: Counter of bytes written by operator}) of one run in a session of its own."""
    nodes: DefaultDict[str, Counter] = defaultdict(Counter)
    written: DefaultDict[str, Counter] = defaultdict(Counter)
    for event in _events(path, options, providers, feeds, folder, 1):
        provider, operator = event["args"]["provider"], event["args"].get("op_name", "?")
        nodes[provider][operator] += 1
        written[provider][operator] += int(event["args"].get("output_size") or 0)
    return dict(nodes), dict(written)


def times(
    path: str, options: Any, providers: List[Any], feeds: Dict[str, numpy.ndarray], folder: str, batches: int
) -> List[Tuple[str, int, float]]:
    """[(operator, how often it ran, seconds)] of so many runs in a session of its own, after one that isn't counted."""
    seen: Dict[str, int] = Counter()
    count: Dict[str, int] = Counter()
    seconds: Dict[str, float] = defaultdict(float)
    for event in _events(path, options, providers, feeds, folder, batches + 1):
        seen[event["name"]] += 1
        if seen[event["name"]] > 1:
            operator = event["args"].get("op_name", "?")
            count[operator] += 1
            seconds[operator] += event["dur"] * 1e-6
    return [(name, count[name], seconds[name]) for name in sorted(count)]


def _events(path: str, options: Any, providers: List[Any], feeds: Dict[str, numpy.ndarray], folder: str, runs: int) -> List[Dict[str, Any]]:
    """The profile's events of operators that ran, in order of time."""
    import onnxruntime

    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(folder, "profile-%d" % os.getpid())
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    for _ in range(runs):
        session.run(None, feeds)
    profile = session.end_profiling()
    with open(profile, encoding="utf-8") as file:
        events = json.load(file)
    os.remove(profile)
    ran = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    return [event for event in ran if event.get("args", {}).get("provider")]


def left_on_cpu(nodes: Mapping[str, Operators], written: Mapping[str, Operators], provider: str) -> str:
    """What of the work stayed on the CPU, "2 Clip (13 % of the bytes)", or "" where it is no more than shape arithmetic.

    ``nodes`` and ``written`` are those of ``profiled``; ``provider`` is the CPU's.
    """
    total = sum(sum(operators.values()) for operators in written.values())
    on_cpu = written.get(provider, {})
    share = sum(on_cpu.values()) / float(total) if total else 0.0
    if share <= CPU_SHARE:
        return ""
    largest = sorted(on_cpu, key=lambda name: -on_cpu[name])[:3]
    return "%s (%.0f %% of the bytes)" % (", ".join("%d %s" % (nodes[provider][name], name) for name in largest), 100 * share)


def operators(path: str) -> Operators:
    """Operators of an optimised ONNX file and how many; the file is removed."""
    import onnx

    count = Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)
    os.remove(path)
    return dict(count)


def what_it_lacks(text: str) -> Optional[str]:
    """What ONNX Runtime can't do with a file, from its exception's text; None where it is another kind of error."""
    for expression, words in LACKS:
        found = re.search(expression, text)
        if found:
            return words % found.groups()[::-1]
    return "has no kernel for one of its operators" if "NOT_IMPLEMENTED" in text else None

"""What ONNX Runtime made of a network: which provider runs which operator, and which operators are left after optimisation."""

import json
import os
from collections import Counter, defaultdict

import numpy

HEAVY = ("Conv", "Gemm", "MatMul", "Pool")  # what a network's time goes into; shape arithmetic may well stay on the CPU


def zeros(item):
    return numpy.zeros(item.shape, "float16" if "float16" in item.type else "float32")


def assigned(session):
    """{provider: Counter of operators} as the session assigned them, or None if this release can't tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    nodes = defaultdict(Counter)
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name].update(node.op_type for node in part.get_nodes())
    return dict(nodes)


def profiled(path, options, providers, feeds, folder):
    """The same, read from the profile of one run in a session of its own."""
    import onnxruntime

    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(folder, "profile-%d" % os.getpid())
    session = onnxruntime.InferenceSession(path, options, providers=providers)
    session.run(None, feeds)
    profile = session.end_profiling()
    with open(profile, encoding="utf-8") as file:
        events = json.load(file)
    os.remove(profile)
    nodes = defaultdict(Counter)
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and provider and event["name"].endswith("_kernel_time"):
            nodes[provider][event["args"].get("op_name", "?")] += 1
    return dict(nodes)


def heavy(operators):
    """Names of the operators that should not have stayed on the CPU: "3 Conv, 1 Gemm", or ""."""
    found = sorted((name, count) for name, count in operators.items() if any(word in name for word in HEAVY))
    return ", ".join("%d %s" % (count, name) for name, count in found)


def operators(path):
    """Operators of an optimised ONNX file and how many; the file is removed."""
    import onnx

    count = Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)
    os.remove(path)
    return dict(count)

"""Files that ONNX Runtime reads and writes: fp16 networks, and profiles that tell which provider ran what."""

import hashlib
import json
import os
from collections import Counter, defaultdict

import numpy

from runner.backends.base import Unsupported

HEAVY = ("Conv", "Gemm", "MatMul", "Pool")  # what a network's time goes into; shape arithmetic may well stay on the CPU


def half(job):
    """Path of the network as an fp16 ONNX file, inputs and outputs too, made once and kept in the cache."""
    try:
        import onnx
        import onnxruntime
        from onnxruntime.transformers import float16
    except ImportError as error:
        raise Unsupported("fp16 needs the Python package onnx and an onnxruntime with transformers.float16: %s" % error)
    key = "|".join([job.artefact.onnx_sha256 or job.artefact.onnx_path, onnxruntime.__version__])
    folder = os.path.join(job.cache_dir, "fp16")
    path = os.path.join(folder, hashlib.sha256(key.encode()).hexdigest()[:24] + ".onnx")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        part = path + ".%d.part" % os.getpid()
        onnx.save(float16.convert_float_to_float16(onnx.load(job.artefact.onnx_path), keep_io_types=False), part)
        os.replace(part, path)
    return path


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

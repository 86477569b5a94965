"""An ONNX Runtime session on the same file and threads, for the peers that bring no framework."""

import os
import sys

from runner.networks.spec import ModelSpec


def session(case):
    """(session, feeds) of a case."""
    sys.path.insert(0, case["root"])
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    from runner.networks import artefact

    art = artefact.in_cache(case["cache"], ModelSpec(case["model"]), 0, case["batch"], case["px"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = case["threads"], 1
    made = onnxruntime.InferenceSession(art.onnx_path, options, providers=["CPUExecutionProvider"])
    return made, {made.get_inputs()[0].name: art.batch()}

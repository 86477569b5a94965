"""fp16 files: the same network, with operators that GPUs have in fp16."""

import numpy
import pytest
import tiny_network

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper

from runner.backends import _onnx_fp16


def relu6(path, opset):
    """A convolution and a ReLU6 as PyTorch exports it, in an ONNX file of an opset."""
    weight = numpy.random.RandomState(0).standard_normal((4, 3, 3, 3)).astype(numpy.float32)
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(numpy.float32(0), "low")]
    constants.append(numpy_helper.from_array(numpy.float32(6), "high"))
    nodes = [helper.make_node("Conv", ["input", "w"], ["c"]), helper.make_node("Clip", ["c", "low", "high"], ["output"])]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4, 6, 6])]
    graph = helper.make_graph(nodes, "relu6", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
    return str(path)


@pytest.mark.parametrize("opset,expected", [(11, 12), (13, 13)])
def test_a_clip_is_brought_to_the_opset_that_has_it_in_fp16(opset, expected, tmp_path):
    path = relu6(tmp_path / "relu6.onnx", opset)
    converted = _onnx_fp16.converted_file(tiny_network.job(tmp_path, onnx_path=path))
    assert onnx.load(converted).opset_import[0].version == expected
    x = numpy.random.RandomState(1).standard_normal((1, 3, 8, 8)).astype(numpy.float32)
    (before,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})
    (after,) = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"]).run(None, {"input": x.astype(numpy.float16)})
    assert after.dtype == numpy.float16 and 0 < after.max() <= 6
    assert abs(before - after.astype(numpy.float32)).max() < 0.02


def test_a_network_without_clip_keeps_its_opset(tmp_path):
    converted = _onnx_fp16.converted_file(tiny_network.job(tmp_path))
    assert onnx.load(converted).opset_import[0].version == onnx.load(tiny_network.ONNX).opset_import[0].version

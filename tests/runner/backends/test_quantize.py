"""What int8 is calibrated on."""

import numpy
import pytest
import tiny_network

from runner.backends import _onnx_int8
from runner.errors import Unsupported
from runner.networks import preprocessing


def test_synthetic_images_are_seeded_whole_batches_and_not_the_measured_input(tmp_path):
    job = tiny_network.job(tmp_path, batch_size=5)
    source, batches = _onnx_int8.batches(job, images=12)
    assert source == "15 synthetic images, seed 1"
    assert [batch.shape for batch in batches] == [(5, 3, 32, 32)] * 3
    again = _onnx_int8.batches(job, images=12)[1]
    assert all((one == other).all() for one, other in zip(batches, again))
    assert not (batches[0] == batches[1]).all()


def test_a_folder_without_images_is_a_reason(tmp_path):
    with pytest.raises(Unsupported) as error:
        _onnx_int8.batches(tiny_network.job(tmp_path, calibration=str(tmp_path)))
    assert "int8 calibration" in str(error.value) and "empty" in str(error.value)


def test_images_of_a_folder_are_prepared_as_for_accuracy_and_broken_ones_left_out(tmp_path):
    from PIL import Image

    (tmp_path / "cats").mkdir()
    Image.new("RGB", (160, 80), (255, 0, 51)).save(str(tmp_path / "cats" / "one.png"))
    (tmp_path / "cats" / "broken.png").write_bytes(b"no picture")
    source, batches = _onnx_int8.batches(tiny_network.job(tmp_path, calibration=str(tmp_path), batch_size=2), images=2)
    assert source == "2 images of " + tmp_path.name
    (batch,) = batches
    assert batch.shape == (2, 3, 32, 32) and batch.dtype == numpy.float32 and batch.flags["C_CONTIGUOUS"]
    mean, std = preprocessing.CIFAR[10]  # what a network with 32 px inputs is fed
    colour = (numpy.array([1, 0, 0.2]) - mean) / std
    assert numpy.allclose(batch.transpose(0, 2, 3, 1), colour, atol=1e-5)


def test_fp16_networks_clip_what_is_too_large_and_keep_a_resizes_scales(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from runner.backends import _onnx_fp16

    weights = {"big": numpy.float32([1e9, -1e9, 0.5]), "roi": numpy.float32([]), "scales": numpy.float32([1, 1, 2, 2])}
    graph = helper.make_graph(
        [
            helper.make_node("Resize", ["x", "roi", "scales"], ["y"]),
            helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["z", "big"], ["out"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 1, 4, 3])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = _onnx_fp16.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6))
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert kept["big"].dtype == numpy.float16 and list(kept["big"]) == [65504, -65504, 0.5]
    assert kept["scales"].dtype == numpy.float32 and model.graph.node[1].attribute[0].i == TensorProto.FLOAT16
    assert model.graph.input[0].type.tensor_type.elem_type == model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    onnx.checker.check_model(model)

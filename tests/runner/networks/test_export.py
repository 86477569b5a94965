"""Export: the file says what the network says, in every runtime at hand, and appears whole or not at all."""

import os
import sys

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from runner.errors import ExportError
from runner.networks import artefact, complexity, export, external, interchange, sources, weights
from runner.networks.spec import ModelSpec


def exported(name, folder, batch_size=2, px=64):
    network = sources.build(ModelSpec(name, input_px=px), 0)
    path = str(folder / "net.onnx")
    return network, path, export.export_onnx(network, path, batch_size, px)


def relative_difference(outputs, reference):
    return float(abs(outputs - reference).max() / abs(reference).max())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "densenet121"])
def test_runtimes_agree_with_pytorch(name, tmp_path):
    network, path, made = exported(name, tmp_path)
    images = weights.images(2, 64, 3)
    with torch.no_grad():
        reference = network(torch.from_numpy(images)).numpy()
    assert made["opset"] == 11 and made["ir_version"] <= 8
    runtimes = 0
    for run in (with_onnxruntime, with_openvino):
        try:
            outputs = run(path, images)
        except ImportError:
            continue
        assert relative_difference(outputs, reference) < 1e-3
        runtimes += 1
    assert runtimes, "neither ONNX Runtime nor OpenVINO is installed"


@pytest.mark.parametrize("name", ["resnet18", "swin_t"])
def test_weights_that_are_too_large_for_a_file_lie_beside_it_and_runtimes_agree(name, tmp_path, monkeypatch):
    (tmp_path / "large").mkdir()
    path = str(tmp_path / "large" / "net.onnx")
    if not hasattr(torch, "compile"):  # PyTorch 1, which leaves a file that computes something else
        monkeypatch.setattr(export, "LIMIT_BYTES", 1000)
        with pytest.raises(ExportError, match="needs PyTorch 2"):
            export.export_onnx(torch.nn.Conv2d(3, 100, 3), path, 1, 64)
        assert not os.path.exists(path)
        return
    network, whole, _ = exported(name, tmp_path)
    monkeypatch.setattr(export, "LIMIT_BYTES", 1000)  # as 2 GB are for vit_h_14 and regnet_y_128gf
    export.export_onnx(network, path, 2, 64)
    assert sorted(file.name for file in (tmp_path / "large").iterdir()) == ["net.onnx", "net.onnx.data"]
    assert external.files(path) == ["net.onnx.data"] and external.files(whole) == []
    assert os.path.getsize(path) < os.path.getsize(path + ".data") / 20
    images = weights.images(2, 64, 3)
    for run in (with_onnxruntime, with_openvino):
        assert relative_difference(run(path, images), run(whole, images)) < 1e-5
    counted, expected = complexity.of_onnx(path), complexity.of_onnx(whole)
    assert [counted[key] for key in ("params", "macs", "activations")] == [expected[key] for key in ("params", "macs", "activations")]


def test_a_changed_file_of_weights_is_made_anew(tmp_path, monkeypatch):
    is_beside = hasattr(torch, "compile")
    monkeypatch.setattr(export, "LIMIT_BYTES", 1000 if is_beside else export.LIMIT_BYTES)
    art = interchange.make(artefact.in_cache(str(tmp_path), ModelSpec("squeezenet1_1"), 0, 1, 64), "onnx")
    assert art.has_onnx() and art.missing("onnx") is None
    with open(art.onnx_path + (".data" if is_beside else ""), "r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    assert not art.has_onnx() and art.missing("onnx") == "onnx"
    assert interchange.make(art, "onnx").has_onnx()


def with_onnxruntime(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images})[0]


def with_openvino(path, images):
    from openvino import Core

    return Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)[0]


def test_shape_is_static_and_normalisations_are_kept(tmp_path):
    _, path, made = exported("resnet18", tmp_path, batch_size=3)
    model = onnx.load(path)
    assert [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [3, 3, 64, 64]
    assert sum(node.op_type == "BatchNormalization" for node in model.graph.node) == 20
    assert made == {"opset": model.opset_import[0].version, "ir_version": model.ir_version}
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


class Fused(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x).mean((2, 3))


def test_attention_is_written_in_plain_operators(tmp_path):
    if not hasattr(torch.nn.functional, "scaled_dot_product_attention"):
        return  # before torch 2.0 it is plain
    original = torch.nn.functional.scaled_dot_product_attention
    path = str(tmp_path / "net.onnx")
    assert export.export_onnx(Fused(), path, 1, 8)["opset"] == 11
    assert torch.nn.functional.scaled_dot_product_attention is original
    images = weights.images(1, 8, 0)
    assert relative_difference(with_onnxruntime(path, images), Fused()(torch.from_numpy(images)).numpy()) < 1e-5


class Twins(torch.nn.Module):
    """Two layers of equal weights, which stay two layers."""

    def __init__(self):
        super(Twins, self).__init__()
        self.first, self.second = torch.nn.Conv2d(3, 3, 3), torch.nn.Conv2d(3, 3, 3)
        self.second.load_state_dict(self.first.state_dict())

    def forward(self, x):
        return self.second(self.first(x))


def test_parameters_of_equal_value_are_kept_apart(tmp_path):
    from runner.networks import complexity

    path = str(tmp_path / "net.onnx")
    export.export_onnx(Twins().eval(), path, 1, 16)
    assert complexity.of_onnx(path)["params"] == 2 * (3 * 3 * 9 + 3)


class Unexportable(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.det(x[:, 0]) + torch.linalg.eigvalsh(x[:, 0]).sum()


def test_what_no_opset_takes_fails_in_one_line_and_leaves_no_file(tmp_path):
    with pytest.raises(ExportError) as caught:
        export.export_onnx(Unexportable(), str(tmp_path / "net.onnx"), 1, 4)
    assert "PyTorch can't export it at opset" in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_exporter_is_silent(tmp_path, capfd):
    exported("mobilenet_v3_small", tmp_path)
    assert capfd.readouterr() == ("", "")


def test_weights_over_2_gb_ask_for_the_package_that_puts_them_beside_the_file(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match="2 GB .* the Python package onnx"):
        export.write_weights_beside(torch.nn.Linear(3, 3), str(tmp_path / "net.onnx"), str(tmp_path / "net.onnx.data"))


def test_a_large_batch_repeats_a_few_images_and_so_does_its_reference(tmp_path):
    """Preparing 8192 images on the CPU would take minutes; eight tell as much about parity."""
    art = interchange.make(artefact.in_cache(str(tmp_path), ModelSpec("squeezenet1_1"), 0, 20, 64), "torch")
    batch, reference = art.batch(), art.reference()
    assert batch.shape[0] == reference.shape[0] == 20 and len(art.distinct()) == artefact.DISTINCT
    assert (batch[: artefact.DISTINCT] == art.distinct()).all()
    for index in range(20):
        assert (batch[index] == batch[index % artefact.DISTINCT]).all()
        assert (reference[index] == reference[index % artefact.DISTINCT]).all()
    assert len({row.tobytes() for row in batch}) == artefact.DISTINCT

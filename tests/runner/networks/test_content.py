"""What a network is: any change of what is computed changes its content, and nothing else does."""

import sys

import numpy
import pytest

from runner.networks import artefact, content
from runner.networks.spec import ModelSpec


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "nets.py").write_text("from .blocks import block\ndef net(): return block()\n")
    (tmp_path / "mine" / "blocks.py").write_text("def block(): return 1\n")
    (tmp_path / "other.py").write_text("pass\n")
    return tmp_path


def test_an_edit_of_own_code_or_of_what_it_imports_is_another_network(folder):
    spec = ModelSpec("mine.nets:net")
    found = [content.digest(content.network(spec, 0))]
    (folder / "other.py").write_text("pass  # not imported\n")
    assert content.digest(content.network(spec, 0)) == found[0]
    (folder / "mine" / "nets.py").write_text("from .blocks import block\ndef net(): return block() + 1\n")
    found.append(content.digest(content.network(spec, 0)))
    (folder / "mine" / "blocks.py").write_text("def block(): return 20\n")
    found.append(content.digest(content.network(spec, 0)))
    assert len(set(found)) == 3 and "mine" not in sys.modules


def test_a_file_counts_by_what_it_holds_and_not_by_where_it_lies(tmp_path):
    first, second = tmp_path / "a.onnx", tmp_path / "b.pth"
    first.write_bytes(b"1")
    second.write_bytes(b"1")
    specs = [ModelSpec("resnet18", weights=str(path)) for path in (first, second)]
    assert content.network(specs[0], 0) == content.network(specs[1], 0)
    before = content.network(ModelSpec("onnx:%s" % first), 0)
    first.write_bytes(b"2")
    assert content.network(ModelSpec("onnx:%s" % first), 0) != before
    assert content.network(specs[0], 0) != content.network(specs[1], 0)


def test_weights_beside_an_onnx_file_are_part_of_it(tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(numpy.full((3, 10), 0.5, "float32"), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Gemm", ["x", "w"], ["y"])], "g", [onnx.helper.make_tensor_value_info("x", 1, [1, 3])],
                                   [onnx.helper.make_tensor_value_info("y", 1, [1, 10])], [weight])  # fmt: skip
    path = str(tmp_path / "a.onnx")
    onnx.save(onnx.helper.make_model(graph), path, save_as_external_data=True, location="a.weights", size_threshold=0)
    before = content.network(ModelSpec("onnx:" + path), 0)
    (tmp_path / "a.weights").write_bytes(b"\0" * (tmp_path / "a.weights").stat().st_size)
    after = content.network(ModelSpec("onnx:" + path), 0)
    assert before["file"] == after["file"] and before["external"] != after["external"]


def test_label_and_input_size_are_no_content_but_name_weights_classes_and_seed_are():
    plain = content.network(ModelSpec("resnet18"), 0)
    assert content.network(ModelSpec("resnet18", label="mine", input_px=64), 0) == plain
    others = [ModelSpec("resnet34"), ModelSpec("resnet18", weights="pretrained"), ModelSpec("resnet18", num_classes=10)]
    assert all(content.network(spec, 0) != plain for spec in others) and content.network(ModelSpec("resnet18"), 1) != plain


def test_two_networks_never_share_a_folder_of_the_cache(tmp_path):
    names = ["a/b", "a b", "a-b", "网络", "сеть", "timm:a", "timm-a"]
    specs = [ModelSpec("resnet18", label=name) for name in names]
    specs += [ModelSpec("resnet18", weights=path) for path in ("/a/best.pth", "/b/best.pth")]
    folders = [artefact.in_cache(str(tmp_path), spec, 0, 1, 224).folder for spec in specs]
    assert len(set(folders)) == len(specs) and all(name.endswith("-s0-c1000-224px") for name in folders)

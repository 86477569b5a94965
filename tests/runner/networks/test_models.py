"""Networks by name: what is known without a framework, and what is built."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from runner.errors import ModelUnavailable
from runner.networks import sources
from runner.networks.sources import hardnet
from runner.networks.spec import ModelSpec


def test_names_are_known_without_importing_a_framework():
    code = (
        "import sys; sys.path.insert(0, '.'); from runner.networks import sources as models;"
        "assert models.known('resnet18') and models.known('hardnet68') and models.known('timm:dpn68') and models.known('onnx:a/b.onnx');"
        "assert models.known('package.module:function') and not models.known('resnet81') and not models.known('hardnet:hardnet1');"
        "assert 'torch' not in sys.modules and 'timm' not in sys.modules and 'onnx' not in sys.modules"
    )
    root = sources.__file__.rsplit("runner", 1)[0]
    assert subprocess.call([sys.executable, "-c", code], cwd=root) == 0


def test_a_near_miss_is_suggested():
    assert sources.suggest("resnet81") == "resnet18"
    assert sources.suggest("MobileNet-V2") == "mobilenet_v2"
    assert sources.suggest("quite something else") is None


def test_the_source_is_read_from_the_name():
    assert sources.source_of("resnet18") == ("torchvision", "resnet18")
    assert sources.source_of("hardnet39ds") == ("hardnet", "hardnet39ds")
    assert sources.source_of("timm:dpn68") == ("timm", "dpn68")
    assert sources.source_of("onnx:/tmp/a:b.onnx") == ("onnx", "/tmp/a:b.onnx")
    assert sources.source_of("my.package:make") == ("function", "my.package:make")


def test_each_torchvision_classification_network_is_listed():
    from runner.networks.sources.torchvision import NAMES, import_torchvision

    torchvision = import_torchvision()
    if hasattr(torchvision.models, "list_models"):
        present = set(torchvision.models.list_models(module=torchvision.models))
    else:  # before 0.14: the lower-case functions
        present = {name for name, item in vars(torchvision.models).items() if name.islower() and callable(item)}
    assert present <= set(NAMES)


def test_native_sizes_are_those_of_the_published_weights():
    assert [sources.native_px(name) for name in ("resnet18", "inception_v3", "efficientnet_b4", "hardnet68")] == [224, 299, 380, 224]


def test_torchvision_imports_whether_or_not_its_operators_load():
    from runner.networks.sources.torchvision import import_torchvision

    assert import_torchvision().models.resnet18
    assert import_torchvision() is import_torchvision()


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    "name, params", [("hardnet39ds", 3488228), ("hardnet68ds", 4180602), ("hardnet68", 17565348), ("hardnet85", 36670212)]
)
def test_hardnets_have_the_published_number_of_parameters(name, params):
    from runner.networks import weights

    with weights.no_initialisation():
        assert parameters(hardnet.build(name, 1000, False)) == params


def test_a_harmonic_layer_reads_the_powers_of_two_before_it():
    assert [hardnet.links(layer) for layer in (1, 2, 3, 4, 6, 8)] == [[0], [1, 0], [2], [3, 2, 0], [5, 4], [7, 6, 4, 0]]


@pytest.mark.parametrize("name, params", [("googlenet", 6624904), ("inception_v3", 23834568)])
def test_auxiliary_heads_are_removed(name, params):
    from runner.networks import weights

    with weights.no_initialisation():
        assert parameters(sources.modules()["torchvision"].build(name, 1000, False)) == params


def test_the_number_of_classes_is_taken():
    network = sources.build(ModelSpec("squeezenet1_1", num_classes=7, input_px=64), 0)
    assert not network.training
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_an_unknown_network_is_refused_with_a_suggestion():
    with pytest.raises(ModelUnavailable, match="did you mean resnet18"):
        sources.build(ModelSpec("resnet81"), 0)


def test_a_network_that_this_torchvision_lacks_says_so(monkeypatch):
    from runner.networks.sources.torchvision import import_torchvision

    monkeypatch.delattr(import_torchvision().models, "resnet18")
    with pytest.raises(ModelUnavailable, match=r"torchvision [0-9.]+ has no resnet18"):
        sources.build(ModelSpec("resnet18"), 0)


def test_an_onnx_file_is_no_torch_network():
    with pytest.raises(ModelUnavailable, match="can.t run in PyTorch"):
        sources.build(ModelSpec("onnx:net.onnx", input_px=8), 0)


OWN = """
import torch
def make(num_classes=3):
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, num_classes))
def constant():
    network = make()
    torch.nn.init.constant_(network[4].bias, 7.0)
    return network
def nothing():
    return None
"""


def test_a_users_function_is_called(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    network = sources.build(ModelSpec("own_networks:make", num_classes=5, input_px=16), 0)
    assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 5)
    kept = sources.build(ModelSpec("own_networks:constant", weights="pretrained", input_px=16), 0)
    assert kept[4].bias.tolist() == [7.0, 7.0, 7.0]
    with pytest.raises(ModelUnavailable, match="NoneType"):
        sources.build(ModelSpec("own_networks:nothing", input_px=16), 0)
    with pytest.raises(ModelUnavailable, match="can't be imported"):
        sources.build(ModelSpec("own_networks:missing", input_px=16), 0)


def test_a_timm_network_is_built_or_the_reason_is_said():
    try:
        import_timm = sources.modules()["timm"].import_timm
        import_timm()
    except ModelUnavailable as reason:
        assert "timm can't be imported" in str(reason)
        return
    with pytest.raises(ModelUnavailable, match="did you mean timm:dpn68"):
        sources.build(ModelSpec("timm:dpn68x", input_px=32), 0)
    assert sources.native_px("timm:dpn68") == 224
    assert sources.build(ModelSpec("timm:resnet10t", num_classes=9, input_px=64), 0)(torch.zeros(1, 3, 64, 64)).shape == (1, 9)


def test_a_network_that_asks_for_its_own_version_takes_its_saved_weights_back(tmp_path):
    model = sources.build(ModelSpec("mnasnet0_5", input_px=64), 0)
    path = str(tmp_path / "weights.pt")
    torch.save(model.state_dict(), path)
    again = sources.build(ModelSpec("mnasnet0_5", weights=path, input_px=64), 0)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))

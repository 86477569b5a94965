"""Seeded weights under which networks compute something; checkpoints; downloads that break off."""

import hashlib
import os

import numpy
import pytest

from runner.errors import CheckpointError

torch = pytest.importorskip("torch")

from runner.errors import ModelUnavailable, Unprepared
from runner.networks import artefact, interchange, preprocessing, sources, weights
from runner.networks.spec import ModelSpec

HAS_TAGS = hasattr(torch, "compile")  # with PyTorch 2 come several sets of weights a network


def built(name, seed=0, px=64):
    return sources.build(ModelSpec(name, input_px=px), seed)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "densenet121", "shufflenet_v2_x0_5"])
def test_outputs_depend_on_the_input(name):
    network = built(name)
    assert weights.sensitivity(network, 64) > 0.15
    with torch.no_grad():
        answers = network(torch.from_numpy(weights.images(16, 128, 5))).argmax(1)
    assert len(set(answers.tolist())) > 1


def test_a_network_that_ignores_its_input_is_seen_as_such():
    network = built("squeezenet1_1")
    with torch.no_grad():
        network.classifier[1].weight.zero_()
    assert weights.sensitivity(network, 64) < 1e-3


def test_activations_stay_normalised():
    network, seen = built("resnet18", px=128), []
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda layer, _, output: seen.append(float(output.std())))
    with torch.no_grad():
        network(torch.from_numpy(weights.images(4, 128, 9)))
    assert len(seen) == 20 and all(0.3 < std < 3 for std in seen)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others():
    one, same, other = built("squeezenet1_1"), built("squeezenet1_1"), built("squeezenet1_1", seed=1)
    for key, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[key])
        assert not torch.equal(value, other.state_dict()[key])


def test_weights_are_the_same_on_every_version_of_torch():
    first = built("squeezenet1_1").features[0].weight.detach().numpy().ravel()
    # computed with NumPy's legacy generator, whose stream is fixed
    assert numpy.allclose(first[:4], EXPECTED, atol=1e-6)


EXPECTED = [0.6256705522537231, -0.5003305077552795, 0.6118209958076477, 0.4142967462539673]


def test_images_differ_at_every_scale():
    images = weights.images(8, 64, 0)
    assert images.shape == (8, 3, 64, 64) and images.dtype == numpy.float32
    assert images.mean(axis=(2, 3)).std() > 0.3 and 0.7 < images.std() < 1.3


def test_default_initialisation_is_skipped_and_restored():
    original = torch.nn.init.kaiming_uniform_
    with weights.no_initialisation():
        assert torch.nn.init.kaiming_uniform_ is not original
    assert torch.nn.init.kaiming_uniform_ is original


def checkpoint(path, state):
    torch.save(state, str(path))
    return str(path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"module." + key: value for key, value in state.items()},
    ],
)
def test_a_checkpoint_is_loaded_in_each_common_form(tmp_path, wrap):
    source = sources.build(ModelSpec("resnet18", num_classes=10, input_px=32), 5)
    path = checkpoint(tmp_path / "net.pt", wrap(source.state_dict()))
    loaded = sources.build(ModelSpec("resnet18", weights=path, num_classes=10, input_px=32), 0)
    image = torch.from_numpy(weights.images(1, 32, 0))
    assert torch.equal(source(image), loaded(image))


def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(tmp_path):
    path = checkpoint(tmp_path / "net.pt", built("resnet18").state_dict())
    with pytest.raises(CheckpointError, match=r"fc.weight is \[1000, 512\], the network has \[10, 512\]"):
        sources.build(ModelSpec("resnet18", weights=path, num_classes=10), 0)
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")
    for name in ("broken.pt", "missing.pt"):
        with pytest.raises(CheckpointError, match=name):
            sources.build(ModelSpec("resnet18", weights=str(tmp_path / name)), 0)


def test_a_checkpoint_runs_no_code(tmp_path):
    if "weights_only" not in torch.load.__code__.co_varnames:
        return  # old torch can't load without pickle
    path = checkpoint(tmp_path / "net.pt", {"state_dict": {}, "evil": Evil(str(tmp_path / "ran"))})
    with pytest.raises(CheckpointError):
        sources.build(ModelSpec("squeezenet1_1", weights=path), 0)
    assert not (tmp_path / "ran").exists()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def published(folder, monkeypatch, name="squeezenet1_1", broken=False):
    """Weights of ``name`` behind a file:// address with the hash in its name, as torchvision publishes them; returns the cached path."""
    served = folder / "served"
    served.mkdir()
    path = checkpoint(served / "net.pth", built(name, seed=3).state_dict())
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()[:8]
    address = served / ("net-%s.pth" % digest)
    os.rename(path, str(address))
    if broken:
        address.write_bytes(address.read_bytes()[:-1000])
    monkeypatch.setattr(torch.hub, "_hub_dir", str(folder / "hub"))
    torchvision = sources.modules()["torchvision"].import_torchvision()
    url = "file://%s" % address
    if hasattr(torchvision.models, "get_model_weights"):
        monkeypatch.setattr(torchvision.models.get_model_weights(name).IMAGENET1K_V1.value, "url", url)
    else:
        monkeypatch.setitem(torchvision.models.squeezenet.model_urls, name, url)
    return folder / "hub" / "checkpoints" / address.name


PRETRAINED = ModelSpec("squeezenet1_1", weights="pretrained")


def test_pretrained_weights_are_fetched_into_the_cache(tmp_path, monkeypatch):
    cached = published(tmp_path, monkeypatch)
    network = sources.build(PRETRAINED, 0)
    assert cached.exists()
    assert torch.equal(network.features[0].weight, built("squeezenet1_1", seed=3).features[0].weight)


def test_a_download_that_breaks_off_leaves_no_file(tmp_path, monkeypatch):
    cached = published(tmp_path, monkeypatch, broken=True)
    with pytest.raises(ModelUnavailable, match="weights: random"):
        sources.build(PRETRAINED, 0)
    assert not cached.exists()


def test_a_broken_file_in_the_cache_is_fetched_again(tmp_path, monkeypatch):
    cached = published(tmp_path, monkeypatch)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    sources.build(PRETRAINED, 0)
    assert cached.stat().st_size > 1e6


def test_no_network_is_said_with_the_way_out(tmp_path, monkeypatch):
    published(tmp_path, monkeypatch)
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(ModelUnavailable, match="Network is unreachable.*weights: random"):
        sources.build(PRETRAINED, 0)


def unreachable(*_, **__):
    raise OSError("Network is unreachable")


def test_pretrained_weights_are_not_stretched_to_other_classes():
    with pytest.raises(ModelUnavailable, match="1000 classes, not 10"):
        sources.build(ModelSpec("resnet18", weights="pretrained", num_classes=10), 0)


def test_an_input_too_small_for_the_network_is_said_in_one_line(tmp_path):
    with pytest.raises(Unprepared, match="^alexnet: takes no image of 16 px; set another `input_px`$"):
        interchange.make(artefact.in_cache(str(tmp_path), ModelSpec("alexnet"), 0, 1, 16), "torch")


def test_a_tag_names_the_published_weights_and_an_unknown_one_those_that_there_are():
    assert sources.weights_tag(ModelSpec("resnet50", weights="pretrained")) == "IMAGENET1K_V1"
    assert sources.weights_tag(ModelSpec("resnet50", weights="IMAGENET1K_V2")) == "IMAGENET1K_V2"
    assert sources.weights_tag(ModelSpec("resnet50")) is None and sources.weights_tag(ModelSpec("resnet50", weights="my.pt")) is None
    with pytest.raises(
        ModelUnavailable, match="no weights called IMAGENET1K_V3; choose from .*IMAGENET1K_V1" + (", IMAGENET1K_V2" if HAS_TAGS else "")
    ):
        sources.build(ModelSpec("resnet50", weights="IMAGENET1K_V3"), 0)
    with pytest.raises(ModelUnavailable, match="hardnet68: has no published weights called foo"):
        sources.build(ModelSpec("hardnet68", weights="foo"), 0)


def test_images_are_prepared_as_the_weights_of_a_tag_ask():
    second = ModelSpec("resnet50", weights="IMAGENET1K_V2")
    found = preprocessing.for_network(second, 224, data_config=sources.data_config(second))
    assert (found.resize_px, found.interpolation) == (232 if HAS_TAGS else 256, "bilinear")
    first = ModelSpec("resnet50", weights="pretrained")
    assert not sources.has_data_config(first) and preprocessing.for_network(first, 224).resize_px == 256


def test_a_file_of_a_tag_s_name_is_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not ModelSpec("resnet50", weights="mine").is_checkpoint and ModelSpec("resnet50", weights="mine").published == "mine"
    (tmp_path / "mine").write_bytes(b"")
    assert ModelSpec("resnet50", weights="mine").is_checkpoint and ModelSpec("resnet50", weights="mine").published is False

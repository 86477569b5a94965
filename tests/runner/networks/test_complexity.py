"""Complexity: what is counted on an ONNX file is what the networks are known to cost."""

import csv
import os

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from runner.errors import ExportError, ModelUnavailable
from runner.networks import complexity, export, free_reshapes, graph, sources, weights

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "data")


def counted(network, folder, batch_size=1, px=224):
    path = str(folder / "net.onnx")
    export.export_onnx(network.eval(), path, batch_size, px)
    return complexity.of_onnx(path)


def architecture(name):
    """The network with weights that are nothing in particular: counting doesn't look at them."""
    source, bare = sources.source_of(name)
    with weights.no_initialisation():
        return sources.modules()[source].build(bare, 1000, False)


def rows():
    with open(os.path.join(DATA, "complexity.csv")) as file:
        return list(csv.reader(line for line in file if not line.startswith("#")))[1:]


# The large ones, timm's, and those that the exporter is slow with are left to benchmarks/complexity.py, for time's sake.
QUICK = [row for row in rows() if int(row[2]) < 40e6 and int(row[3]) < 2e9 and row[0] != "hardnet68ds" and not row[0].startswith("timm:")]


@pytest.mark.parametrize("name, px, params, macs", QUICK, ids=["%s-%s" % (row[0], row[1]) for row in QUICK])
def test_parameters_and_multiply_adds_are_the_reference(name, px, params, macs, tmp_path):
    found = counted(architecture(name), tmp_path, px=int(px))
    assert (found["params"], found["macs"]) == (int(params), int(macs))


def test_operator_groups_of_resnet18_are_those_of_its_layers(tmp_path):
    """By hand from the architecture at 64 px: 20 convolutions, 20 normalisations, 17 ReLU and 8 additions, two pools."""
    groups = counted(architecture("resnet18"), tmp_path, px=64)["groups"]
    assert {name: group["count"] for name, group in groups.items() if group["count"]} == {
        "conv1x1": 3,
        "conv3x3": 16,
        "convK": 1,
        "linear": 1,
        "bn": 20,
        "pool": 2,
        "elem": 25,
    }
    assert groups["convK"] == {
        "count": 1,
        "macs": 64 * 32 * 32 * 3 * 49,
        "out": 64 * 32 * 32,
        "bytes": 4 * (3 * 64 * 64 + 64 * 3 * 49 + 64 * 32 * 32),
    }
    assert groups["linear"] == {"count": 1, "macs": 512000, "out": 1000, "bytes": 4 * (512 + 513000 + 1000)}
    assert groups["pool"]["bytes"] == 4 * (64 * 32 * 32 + 64 * 16 * 16 + 512 * 2 * 2 + 512)


def test_a_batch_changes_nothing_per_image(tmp_path):
    network = architecture("squeezenet1_1")
    assert counted(network, tmp_path, 1, 64) == counted(network, tmp_path, 4, 64)


class Block(torch.nn.Module):
    def __init__(self, act):
        super(Block, self).__init__()
        self.act = act

    def forward(self, x):
        return self.act(x)


@pytest.mark.parametrize(
    "act",
    [torch.nn.ReLU(), torch.nn.ReLU6(), torch.nn.Hardswish(), torch.nn.SiLU(), torch.nn.GELU(), torch.nn.Sigmoid()],
    ids=lambda act: type(act).__name__,
)
def test_an_activation_is_one_operator_however_it_is_exported(act, tmp_path):
    elements = 3 * 8 * 8
    groups = counted(Block(act), tmp_path, px=8)["groups"]
    assert groups["elem"] == {"count": 1, "macs": 0, "out": elements, "bytes": 8 * elements}
    assert sum(group["count"] for group in groups.values()) == 1


class Norms(torch.nn.Module):
    def __init__(self):
        super(Norms, self).__init__()
        self.one, self.two = torch.nn.LayerNorm(8), torch.nn.LayerNorm(8)

    def forward(self, x):
        return torch.nn.functional.gelu(self.two(self.one(x)))


def test_two_layer_normalisations_and_an_activation_stay_three_operators(tmp_path):
    elements, statistics = 3 * 8 * 8, 2 * 3 * 8  # PyTorch writes a mean and a deviation per row, too
    groups = counted(Norms(), tmp_path, px=8)["groups"]
    assert groups["ln"] == {"count": 2, "macs": 0, "out": 2 * (elements + statistics), "bytes": 4 * 2 * (2 * elements + 16 + statistics)}
    assert groups["elem"]["count"] == 1 and groups["copy"]["count"] == groups["pool"]["count"] == 0


class Attention(torch.nn.Module):
    def __init__(self):
        super(Attention, self).__init__()
        self.project = torch.nn.Linear(8, 24)

    def forward(self, x):
        x = self.project(x.flatten(1, 2))  # [batch, 24, 8] -> [batch, 24, 24]
        q, k, v = x.reshape(-1, 24, 3, 2, 4).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(-2, -1), -1)
        return (scores @ v).transpose(1, 2).reshape(-1, 24, 8)


def test_attention_is_products_a_softmax_and_one_copy(tmp_path):
    found = counted(Attention(), tmp_path, px=8)
    groups = found["groups"]
    assert {name: group["count"] for name, group in groups.items() if group["count"]} == {"linear": 1, "bmm": 2, "elem": 1, "copy": 1}
    assert groups["bmm"]["macs"] == 2 * (2 * 24 * 24 * 4)
    assert groups["linear"]["macs"] == 24 * 8 * 24
    assert found["activations"] == 24 * 24 + 2 * 24 * 24 + 24 * 8


class TokenMean(torch.nn.Module):
    def __init__(self):
        super(TokenMean, self).__init__()
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(x.flatten(1, 2)).mean(1)


def test_a_mean_over_tokens_after_a_normalisation_is_a_pool_of_its_own(tmp_path):
    groups = counted(TokenMean(), tmp_path, px=8)["groups"]
    assert groups["ln"]["count"] == 1 and groups["ln"]["out"] == 192 + 2 * 24
    assert groups["pool"] == {"count": 1, "macs": 0, "out": 8, "bytes": 4 * (192 + 8)}


class MixedTokens(torch.nn.Module):
    def __init__(self):
        super(MixedTokens, self).__init__()
        self.over_tokens = torch.nn.Linear(24, 10)

    def forward(self, x):
        return self.over_tokens(x.flatten(1, 2).transpose(1, 2))


def test_a_layer_over_a_transposed_input_adds_its_bias_apart(tmp_path):
    groups = counted(MixedTokens(), tmp_path, px=8)["groups"]
    assert groups["linear"] == {"count": 1, "macs": 8 * 24 * 10, "out": 80, "bytes": 4 * (192 + 240 + 80)}
    assert groups["elem"] == {"count": 1, "macs": 0, "out": 80, "bytes": 4 * (80 + 10 + 80)}


class Gated(torch.nn.Module):
    """A product of two tensors that lie unlike, then a linear layer."""

    def __init__(self, turned_first):
        super(Gated, self).__init__()
        self.turned_first, self.last = turned_first, torch.nn.Linear(24, 10)

    def forward(self, x):
        x = x.reshape(-1, 24, 8)
        turned = x[:, :8].repeat(1, 3, 3).transpose(1, 2)
        plain = x.repeat(1, 1, 3)
        return self.last(turned * plain if self.turned_first else plain * turned)


def test_a_product_lies_as_its_first_factor_and_a_layer_over_it_adds_its_bias_accordingly(tmp_path):
    plain, turned = (counted(Gated(first), tmp_path, px=8)["groups"]["elem"]["count"] for first in (False, True))
    assert (plain, turned) == (1, 2)


class TalkingHeads(torch.nn.Module):
    """A softmax over a tensor that lies turned, then a linear layer over its result, turned back."""

    def __init__(self):
        super(TalkingHeads, self).__init__()
        self.last = torch.nn.Linear(8, 10)

    def forward(self, x):
        return self.last(x.reshape(-1, 24, 8).transpose(1, 2).softmax(-1).transpose(1, 2))


def test_a_softmax_is_written_row_by_row_so_a_layer_over_its_transpose_adds_its_bias_apart(tmp_path):
    assert counted(TalkingHeads(), tmp_path, px=8)["groups"]["elem"]["count"] == 2


class Windows(torch.nn.Module):
    """Self-attention within four windows of 16 tokens, two heads of three, after a shift."""

    def forward(self, x):
        x = torch.roll(x, shifts=(-2, -2), dims=(2, 3))
        x = x.reshape(-1, 6, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 6)
        q = x.reshape(-1, 16, 2, 3).permute(0, 2, 1, 3)
        return (q @ q.transpose(-2, -1)) @ q


def test_a_shift_is_one_copy_and_heads_of_windows_are_copied_into_stacks(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1), Windows())
    one = counted(network, tmp_path, px=8)["groups"]
    # the shift, the windows, and q three times; the products of q are stacks already
    assert one["copy"] == {"count": 5, "macs": 0, "out": 5 * 384, "bytes": 4 * 2 * 5 * 384}
    assert counted(network, tmp_path, 4, px=8)["groups"] == one


class Affine(torch.nn.Module):
    def __init__(self):
        super(Affine, self).__init__()
        self.scale, self.shift = torch.nn.Parameter(torch.full((1, 1, 8), 0.5)), torch.nn.Parameter(torch.ones(1, 1, 8))

    def forward(self, x):
        return torch.addcmul(self.shift, self.scale, x.flatten(1, 2)) * self.scale + self.shift


def test_an_addcmul_is_one_operator_and_a_product_and_a_sum_are_two(tmp_path):
    if not hasattr(torch, "compile"):  # PyTorch 1 has no ONNX form of addcmul
        with pytest.raises(ExportError):
            counted(Affine(), tmp_path, px=8)
        return
    one = counted(Affine(), tmp_path, px=8)["groups"]["elem"]
    elements = 3 * 8 * 8
    assert one == {"count": 3, "macs": 0, "out": 3 * elements, "bytes": 4 * (3 * 2 * elements + 2 * 8 + 8 + 8)}


class Biased(torch.nn.Module):
    """A position bias: looked up in a table of 9 places x 2 heads, then put in order."""

    def __init__(self):
        super(Biased, self).__init__()
        self.table = torch.nn.Parameter(torch.ones(9, 2))
        self.register_buffer("index", torch.arange(64 * 64) % 9)

    def forward(self, x):
        bias = self.table[self.index].view(64, 64, 2).permute(2, 0, 1).contiguous()
        return x.reshape(-1, 3, 1, 64, 1) + bias


def test_a_position_bias_is_looked_up_and_copied_once_per_batch(tmp_path):
    one = counted(Biased(), tmp_path, px=8)["groups"]
    table, index, bias = 9 * 2, 64 * 64, 2 * 64 * 64
    assert one["copy"] == {"count": 2, "macs": 0, "out": 2 * bias, "bytes": 4 * (table + index + bias + bias + bias)}
    assert counted(Biased(), tmp_path, 4, px=8)["groups"]["copy"] == one["copy"]


class Shuffle(torch.nn.Module):
    def forward(self, x):
        batch, channels, height, width = x.shape
        return x.view(batch, 3, channels // 3, height, width).transpose(1, 2).contiguous().view(batch, channels, height, width)


def test_a_reshape_that_moves_data_is_a_copy_and_a_view_is_free(tmp_path):
    groups = counted(torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1), Shuffle(), torch.nn.Flatten()), tmp_path, px=8)["groups"]
    assert groups["copy"] == {"count": 1, "macs": 0, "out": 6 * 64, "bytes": 4 * 2 * 6 * 64}


def test_view_strides_are_those_of_a_real_view():
    tensor = torch.zeros(2, 3, 4, 5)
    for source, shape in (
        (tensor, (6, 20)),
        (tensor.transpose(1, 2), (2, 4, 3, 5, 1)),
        (tensor.transpose(1, 2), (2, 12, 5)),
        (tensor[:, 1:], (2, 40)),
        (tensor.permute(2, 0, 1, 3), (4, 6, 5)),
    ):
        found = graph_view(source, shape)
        try:
            strides = source.view(shape).stride()
        except RuntimeError:
            strides = None
        assert (found is None) == (strides is None)
        if found:
            assert [a for a, n in zip(found, shape) if n > 1] == [a for a, n in zip(strides, shape) if n > 1]


def graph_view(source, shape):
    return free_reshapes.view_strides(tuple(source.shape), list(source.stride()), shape)


def test_weights_are_not_read(tmp_path):
    path = str(tmp_path / "net.onnx")
    export.export_onnx(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4000)).eval(), path, 1, 8)
    assert os.path.getsize(path) > 3e6
    assert graph.load_without_weights(path).ByteSize() < 30000
    assert complexity.of_onnx(path)["params"] == 193 * 4000


def test_the_input_shape_of_a_file_is_read_and_a_free_batch_is_filled(tmp_path):
    path = str(tmp_path / "net.onnx")
    export.export_onnx(torch.nn.Conv2d(3, 2, 3), path, 1, 16)
    assert graph.input_shape(path) == [1, 3, 16, 16]
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    assert graph.input_shape(path) == [None, 3, 16, 16]
    assert complexity.of_onnx(path, batch_size=4)["macs"] == 14 * 14 * 2 * 27
    assert sources.native_px("onnx:" + path) == 16


@pytest.mark.parametrize("content", [b"", b"not an ONNX file at all", b"\x08\x06"])
def test_what_is_no_onnx_file_is_refused_in_one_line(content, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(complexity.ComplexityError, match="net.onnx: is"):
        complexity.of_onnx(str(path))
    with pytest.raises(ModelUnavailable, match="net.onnx"):
        sources.native_px("onnx:%s" % path)


class Buffered(torch.nn.Module):
    def __init__(self):
        super(Buffered, self).__init__()
        self.register_buffer("table", torch.arange(8.0))
        self.scale = torch.nn.Parameter(torch.ones(8))

    def forward(self, x):
        return x * self.scale + self.table


def test_buffers_are_no_parameters(tmp_path):
    assert counted(Buffered(), tmp_path, px=8)["params"] == 8


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "timm:resmlp_12_224",
        "timm:mixer_s16_224",
        "timm:gmlp_s16_224",
        "timm:swin_tiny_patch4_window7_224",
        "timm:cait_xxs24_224",
        "timm:vit_tiny_patch16_224",
        "timm:deit3_small_patch16_224",
    ],
)
def test_what_is_counted_on_the_onnx_file_is_what_pytorch_ran_for_the_public_features(name, tmp_path):
    catalogue = pytest.importorskip("analysis.data.catalogue")
    path = str(tmp_path / "net.onnx")
    with weights.no_initialisation():
        network = sources.modules()["timm"].build(name.split(":")[1], 1000, False).eval()
    export.export_onnx(network, path, 1, 224)
    assert complexity.of_onnx(path)["groups"] == catalogue.known(name, 224)["groups"]

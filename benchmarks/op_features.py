"""Operator features of the studies' networks, in the form of the public op_features.csv, for benchmarks/prediction.py.

    python benchmarks/op_features.py [--check OP_FEATURES_CSV] > benchmarks/data/classic_op_features.csv

Each network runs once on PyTorch's meta device (shapes without data); every operator that PyTorch dispatches is counted: inputs, weights and all
outputs, in elements. The rule is the one behind op_features.csv, which --check shows on the networks that both have.
"""

import argparse
import collections
import math
import pathlib
import sys

import pandas as pd
import torch
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from runner.networks import weights
from runner.networks.informative import GROUPS
from runner.networks.sources import hardnet, timm, torchvision

SIZES = (224, 32)
FIELDS = ("n", "mac", "io", "out")
_VIEWS = """
view _unsafe_view reshape t transpose permute expand unsqueeze squeeze split chunk select slice detach alias unbind split_with_sizes as_strided
_reshape_alias lift_fresh empty zeros dropout
"""
VIEWS = set(_VIEWS.split())
COPIES = {"clone", "cat", "copy", "_to_copy", "constant_pad_nd", "stack", "roll", "index"}
_NAMES = """
alexnet googlenet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn resnet18 resnet34 resnet50 resnet101 resnet152 squeezenet1_0
squeezenet1_1 shufflenet_v2_x0_5 shufflenet_v2_x1_0 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small mnasnet0_5 mnasnet1_0 densenet121
densenet169 densenet201 densenet161 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 inception_v3 hardnet68 hardnet85
hardnet68ds hardnet39ds dpn68 dpn92 dpn98 dpn107 dpn131
"""
NAMES = tuple(_NAMES.split())


class Count(TorchDispatchMode):
    """Counts (n, mac, io, out) of every operator group while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0, 0])

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.split("::")[1].rstrip("_")
        if name not in VIEWS:
            self._add(name, args, [t for t in (result if isinstance(result, (tuple, list)) else [result]) if isinstance(t, torch.Tensor)])
        return result

    def _add(self, name, args, outputs):
        lists = [a if isinstance(a, (tuple, list)) else [a] for a in args]
        inputs = [t for items in lists for t in items if isinstance(t, torch.Tensor)]
        if not outputs:
            return
        group, macs = classify(name, args, inputs, outputs[0].numel())
        out = sum(t.numel() for t in outputs)
        for i, value in enumerate((1, macs, sum(t.numel() for t in inputs) + out, out)):
            self.groups[group][i] += value


def classify(name, args, inputs, out):
    """(group, multiply-adds) of a dispatched operator."""
    if name in ("convolution", "_convolution"):
        weight, groups = args[1], args[8]
        kernel = tuple(weight.shape[2:])
        macs = out * weight.shape[1] * math.prod(kernel)
        if groups > 1:
            return ("convdw" if weight.shape[1] == 1 else "convgrp"), macs
        return {(1, 1): "conv1x1", (3, 3): "conv3x3"}.get(kernel, "convK"), macs
    if name in ("addmm", "mm"):
        return "linear", out * inputs[-1].shape[0]
    if name in ("bmm", "baddbmm"):
        return "bmm", out * inputs[-2].shape[-1]
    if "batch_norm" in name:
        return "bn", 0
    if "layer_norm" in name or "group_norm" in name:
        return "ln", 0
    if "pool" in name or name == "mean":
        return "pool", 0
    return ("copy" if name in COPIES else "elem"), 0


def _built(source, name: str, px: int) -> torch.nn.Module:
    with weights.no_initialisation():
        if source is torchvision and name.startswith("vit_"):  # the only ones whose parameters depend on the input size
            return torchvision.import_torchvision().models.get_model(name, weights=None, image_size=px)
        return source.build(name, 1000, False)


def features(name: str, px: int) -> dict[str, int | str]:
    """One row: model, img, params, n_all, then n_, mac_, io_ and out_ of each group."""
    source = hardnet if name.startswith("hardnet") else timm if name.startswith("dpn") else torchvision
    module = _built(source, name, px).eval().to("meta")
    with torch.no_grad(), Count() as count:
        module(torch.empty(1, 3, px, px, device="meta"))
    row: dict[str, int | str] = {"model": name, "img": px, "params": sum(p.numel() for p in module.parameters())}
    row["n_all"] = sum(values[0] for values in count.groups.values())
    for group in GROUPS:
        row |= {f"{field}_{group}": value for field, value in zip(FIELDS, count.groups[group], strict=True)}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="CSV", help="a public op_features.csv to compare with, on stderr")
    check = parser.parse_args().check
    rows = []
    for name in NAMES:
        for px in SIZES:
            try:
                rows.append(features(name, px))
            except RuntimeError as error:  # a network whose last maps would be empty at 32 px
                print(f"{name} at {px} px: {str(error).splitlines()[0]}", file=sys.stderr)
    table = pd.DataFrame(rows)
    table.to_csv(sys.stdout, index=False)
    if check:
        both = table.merge(pd.read_csv(check), on=["model", "img"], suffixes=("", "_public"))
        same = [all(r[c] == r[f"{c}_public"] for c in table.columns[2:]) for r in both.to_dict("records")]
        print(f"{sum(same)} of {len(same)} networks in both are the same; not: {list(both.model[[not s for s in same]])}", file=sys.stderr)


if __name__ == "__main__":
    main()

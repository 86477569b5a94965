"""The catalogue: what is published of torchvision's, timm's and HarDNet's networks, and how fast public machines run them.

Facts only, each with its source; benchmarks/make_catalogue.py writes catalogue.zip. A graph is a network at an input size; an accuracy belongs to
a graph with one set of weights, and a time to a graph, whatever the weights.
"""

import functools
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from runner.networks.informative import GROUPS

FILE = Path(__file__).with_name("catalogue.zip")
ELEMENT_BYTES = 4  # features are counted in elements; complexity in bytes of fp32, as a record has it
PRODUCTS = GROUPS[:7]
UNKNOWN = "unknown"
# Licences that forbid commercial use, by the names that timm's and torchvision's metadata give them.
NON_COMMERCIAL = ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "fair-noncommercial-research-license", "seer-license", "apple-amlr")


@dataclass(frozen=True)
class Catalogue:
    """Tables of the catalogue.

    graphs: model, input_px, params, and n_, mac_, io_, out_ (operators, multiply-adds, elements moved and written, per image) of each group.
    weights: model, weights (tag), default, input_px, top1, top5 in percent, data, crop_pct, license, source.
    times: machine, model, input_px, batch_size, images_per_s. machines: machine, device, kind, precision, layout, backend, framework, source.
    """

    graphs: pd.DataFrame
    weights: pd.DataFrame
    times: pd.DataFrame
    machines: pd.DataFrame
    about: dict[str, Any]


@functools.cache
def load() -> Catalogue:
    """The catalogue, read once."""
    with zipfile.ZipFile(FILE) as file:
        graphs, weights, times, machines = (pd.read_csv(file.open(f"{name}.csv")) for name in ("graphs", "weights", "times", "machines"))
        return Catalogue(graphs, weights, times, machines, json.loads(file.read("about.json")))


def complexity(graph: Any) -> dict[str, Any]:
    """One row of `graphs` in the form of a record's `complexity`."""
    groups = {
        group: {
            "count": int(graph[f"n_{group}"]),
            "macs": int(graph[f"mac_{group}"]),
            "bytes": ELEMENT_BYTES * int(graph[f"io_{group}"]),
            "out": int(graph[f"out_{group}"]),
        }
        for group in GROUPS
    }
    return {
        "params": int(graph["params"]),
        "macs": sum(groups[group]["macs"] for group in PRODUCTS),
        "activations": sum(groups[group]["out"] for group in PRODUCTS),
        "groups": groups,
    }


@functools.cache
def _positions() -> dict[tuple[str, int], int]:
    graphs = load().graphs
    return {key: i for i, key in enumerate(zip(graphs["model"], graphs["input_px"].astype(int), strict=True))}


@functools.cache
def names() -> dict[str, int]:
    """Every network, and the input size of the weights that it is loaded with by default."""
    rows = load().weights.sort_values("default", kind="stable")
    sizes = dict(zip(rows["model"], rows["input_px"].astype(int), strict=True))
    graphs = load().graphs
    return {str(model): sizes.get(model, int(px)) for model, px in zip(graphs["model"], graphs["input_px"], strict=True)}


def known(model: str, input_px: int) -> dict[str, Any] | None:
    """The complexity of a network at an input size, or None where the catalogue has no such graph; timm's tag of weights is no part of it."""
    bare = model.split(".")[0] if model.startswith("timm:") else model
    at = next((_positions()[key] for key in ((bare, input_px), (f"timm:{bare}", input_px)) if key in _positions()), None)
    return None if at is None else complexity(load().graphs.iloc[at])


def licence(name: str) -> str:
    """What a licence's name means for use: `free`, `non-commercial`, `own terms` or `unknown`."""
    if name in NON_COMMERCIAL:
        return "non-commercial"
    if name in ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0"):
        return "free"
    return UNKNOWN if name in (UNKNOWN, "other", "") else "own terms"

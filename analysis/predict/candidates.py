"""What can be deployed: the catalogue's networks with their best published weights, and the user's own."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.data import catalogue
from analysis.data.families import family
from analysis.errors import FrameError
from analysis.predict import graphs
from analysis.predict.networks import Networks, networks
from analysis.predict.tables import key
from runner import files
from runner.networks.sources import torchvision

MOST_PX = 65_536  # of an input's side
COLUMNS = ("model", "top1", "input_px")
OWN = "own"  # weights and licence of a candidate of the user


@dataclass(frozen=True)
class Candidate:
    """A network at an input size with one set of weights. `model` is the name that a matrix and records use, `also` those of the very same graph."""

    model: str
    input_px: int
    top1: float
    top5: float
    weights: str
    license: str
    source: str
    complexity: dict[str, Any]
    also: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names that measurements of it may bear."""
        return (self.model, *self.also)

    @property
    def key(self) -> str:
        """What measurements of it are told apart by."""
        return key(self.model, self.input_px)

    @property
    def terms(self) -> str:
        """What its licence means for use, where that must be said."""
        meaning = "own" if self.license == OWN else catalogue.licence(self.license)
        return {
            "free": "",
            "own": "",
            "non-commercial": f"non-commercial ({self.license})",
            "own terms": f"own terms ({self.license})",
        }.get(meaning, "licence unknown")


def catalogued(license: str | None = None, min_top1: float | None = None, every_tag: bool = False) -> list[Candidate]:
    """The catalogue's graphs, each with its most accurate weights; `license`: commercial leaves out what forbids that; `every_tag`: with each set of weights.

    Networks with the very same graph and input size (resnet50 of torchvision and of timm) are one candidate. torchvision's vision transformers stand
    at the size that they are built for alone.
    """
    known = catalogue.load()
    rows = known.weights[known.weights["top1"].notna()]
    rows = rows[~(rows["model"].str.startswith("vit_") & rows["input_px"].ne([_native(model) for model in rows["model"]]))]
    if license == "commercial":
        rows = rows[rows["license"].map(catalogue.licence).ne("non-commercial")]
    if min_top1 is not None:
        rows = rows[rows["top1"] >= min_top1]
    prints, twins = _graphs()
    rows = rows.sort_values(["top1", "default"], ascending=False, kind="stable").merge(known.graphs, on=["model", "input_px"])
    rows["print"] = [prints[model, px] for model, px in zip(rows["model"], rows["input_px"], strict=True)]
    if not every_tag:
        rows = rows.drop_duplicates("print")
    return [
        Candidate(r["model"], int(r["input_px"]), float(r["top1"]), float(r["top5"]), str(r["weights"]), str(r["license"]), str(r["source"]),
                  catalogue.complexity(r), tuple(name for name in twins[r["print"]] if name != r["model"]))
        for r in rows.to_dict("records")
    ]  # fmt: skip


def barred() -> pd.DataFrame:
    """The catalogue's networks that no weights for commercial use are published of, as rows() has them, without a Top-1."""
    free = {name for c in catalogued("commercial") for name in _keys(c)}
    none = rows([c for c in catalogued() if not free.intersection(_keys(c))])
    return none.assign(top1=np.nan, top5=np.nan, accuracy_weights="", terms="no weights for commercial use")


def _keys(candidate: Candidate) -> list[str]:
    return [key(name, candidate.input_px) for name in candidate.names]


@functools.cache
def _graphs() -> tuple[dict[tuple[str, int], int], dict[int, list[str]]]:
    """The number of every graph of the catalogue, the same for the very same graph, and the names that each number has."""
    graphs = catalogue.load().graphs
    numbers: dict[tuple, int] = {}
    of: dict[tuple[str, int], int] = {}
    names: dict[int, list[str]] = {}
    for model, px, mark in zip(graphs["model"], graphs["input_px"], map(tuple, graphs.drop(columns="model").to_numpy()), strict=True):
        number = of[model, px] = numbers.setdefault(mark, len(numbers))
        names.setdefault(number, []).append(model)
    return of, names


def _native(model: str) -> int:
    return int(torchvision.native_px(model))


def own(path: Path, frame: pd.DataFrame) -> list[Candidate]:
    """Candidates of a CSV file with the columns model (a name, onnx:FILE), top1 in percent and, where the network doesn't say it, input_px.

    Of several weights of one network at one input size the most accurate ones stand for all: the time is the same.
    """
    try:
        rows = list(csv.DictReader(files.read_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FrameError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}")
    if not rows or not {"model", "top1"} <= set(rows[0]):
        raise FrameError(f"{path}: needs the columns {', '.join(COLUMNS)} (input_px may be empty), one network a line")
    found: dict[str, Candidate] = {}
    for number, row in enumerate(rows, 2):
        where = f"{path}: line {number}"
        try:
            top1 = float(row["top1"])
        except (TypeError, ValueError):
            raise FrameError(f"{where}: top1 {row['top1'] or ''!r}: give the accuracy in percent")
        if not 1 < top1 <= 100:
            raise FrameError(f"{where}: top1 {top1:g} is not an accuracy in percent (1 to 100)")
        px = (row.get("input_px") or "").strip()
        if px and not (px.isascii() and px.isdecimal() and 0 < int(px[:9]) <= MOST_PX):
            raise FrameError(f"{where}: input_px {px[:20]!r}: give a whole number of pixels (1 to {MOST_PX:,}), or nothing")
        try:
            graph = graphs.find(frame, row["model"] or "", int(px) if px else None)
        except FrameError as error:
            raise FrameError(f"{where}: {str(error).replace(graphs.GIVE, 'give its ONNX file as onnx:FILE')}")
        one = Candidate(row["model"], graph.px, top1, np.nan, OWN, OWN, str(path), graph.complexity)
        if one.key not in found or found[one.key].top1 < top1:
            found[one.key] = one
    return list(found.values())


def nets(candidates: list[Candidate], batch_size: int) -> Networks:
    """The candidates as Networks at a batch size."""
    return networks([c.complexity for c in candidates], np.full(len(candidates), float(batch_size)), [c.key for c in candidates], [family(c.model) for c in candidates])  # fmt: skip


def rows(candidates: list[Candidate]) -> pd.DataFrame:
    """Candidates with the frame's columns of a network, as analysis.recommend takes them."""
    return pd.DataFrame(
        {"model": c.model, "input_px": c.input_px, "top1": c.top1, "top5": c.top5, "accuracy_source": "published", "accuracy_weights": c.weights,
         "params_m": c.complexity["params"] / 1e6, "op_features": c.complexity["groups"], "family": family(c.model), "weights": c.weights, "source": c.source, "terms": c.terms, "names": c.names}
        for c in candidates
    )  # fmt: skip

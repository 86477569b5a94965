"""The graph of a network to predict: from records, a file of features, an ONNX file, or any name that the runner can build."""

import csv
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.data import catalogue
from analysis.data.families import family
from analysis.errors import FrameError
from analysis.predict.networks import Networks, networks
from analysis.predict.tables import key, untagged, with_graph
from runner import files
from runner.errors import ModelUnavailable, Unprepared
from runner.networks import sources
from runner.networks.informative import GROUPS
from runner.networks.sources import timm
from runner.networks.spec import ModelSpec
from runner.program.options import cache_folder

GIVE = "give an ONNX file or --features FILE"


@dataclass(frozen=True)
class Graph:
    """A network's work per image: {"params", "groups"} as a record's `complexity`, at an input size; `origin` says where it is from."""

    model: str
    px: int
    complexity: dict[str, Any]
    family: str
    origin: str

    def at(self, batch: float) -> Networks:
        """The network at a batch size."""
        return networks([self.complexity], [batch], [key(self.model, self.px)], [self.family])


def find(frame: pd.DataFrame, model: str, px: int | None = None, features: Path | None = None, cache: Path | None = None) -> Graph:
    """The Graph of a model's name or ONNX file; `features` is a row of them instead. Raises FrameError with what would do."""
    if features is not None:
        return _from_file(features, model, px)
    if not model.removeprefix("timm:"):
        raise FrameError(f"--model {model!r}: {GIVE}, or a name as resnet50 or timm:convnext_nano")
    names = dict.fromkeys((model, f"timm:{model}", untagged(model), untagged(f"timm:{model}")))
    rows = frame[frame["model"].isin(list(names)) & with_graph(frame)]
    wanted = rows[rows["input_px"] == (px or (rows["input_px"].mode().iloc[0] if len(rows) else 0))]
    if len(wanted):
        row = wanted.iloc[-1]
        params = 1e6 * row["params_m"] if row["params_m"] == row["params_m"] else 0
        return Graph(row["model"], int(row["input_px"]), {"params": params, "groups": row["op_features"]}, str(row["family"]), "records")
    if model.endswith(".onnx"):
        return _from_onnx(Path(model.removeprefix("onnx:")))
    name = model if sources.known(model) else f"timm:{model}"
    return _catalogued(untagged(name), px) or _built(model, name, px, cache or Path(cache_folder()))


def _catalogued(name: str, px: int | None) -> Graph | None:
    """The catalogue's graph at that size, by default the one that the network was designed for."""
    if name not in catalogue.names():
        return None
    size = px or _native(name)
    counted = catalogue.known(name, size)
    return None if counted is None else Graph(name, size, counted, family(name), "the catalogue")


def _native(name: str) -> int:
    try:
        return int(sources.native_px(name))
    except (ImportError, ModelUnavailable):  # no timm here to ask
        return catalogue.names()[name]


def _from_onnx(path: Path) -> Graph:
    if not path.is_file():
        raise FrameError(f"{path}: no such ONNX file")
    try:
        from runner.networks import complexity, graph, onnx_input

        onnx_input.read(str(path))  # what no image fits is told in its words
        counted, shape = complexity.of_onnx(str(path)), graph.input_shape(str(path))
    except ImportError as error:
        raise FrameError(f"{path}: reading it needs the package {error.name}; or give --features FILE")
    except ValueError as error:
        raise FrameError(f"{path}: {error}")
    return Graph(path.stem, int(shape[-1] or 0), counted, family(path.stem), str(path))


def _built(model: str, name: str, px: int | None, cache: Path) -> Graph:
    """Build the network, export it and count: what `dyno run` does before it measures."""
    try:
        if name.startswith("timm:") and not timm.import_timm().is_model(untagged(name).removeprefix("timm:")):
            raise FrameError(f"{model}: no such network in torchvision, timm or HarDNet{_meant(model) or ';'} {GIVE}")
        from runner.networks import artefact, interchange

        spec = ModelSpec(name)
        size = px or sources.native_px(name)
        art = artefact.in_cache(str(cache), spec, 0, 1, size)
        counted = art.complexity or interchange.make(art, "onnx").complexity
    except ImportError as error:
        raise FrameError(f"{model}: in no record and not in the catalogue, and building it needs the package {error.name}"
                         f"{_meant(model) or ';'} {GIVE}")  # fmt: skip
    except (Unprepared, ModelUnavailable) as error:
        raise FrameError(f"{model}: {str(error).removeprefix(f'{name}: ')}; {GIVE}")
    if not counted:
        raise FrameError(f"{model}: it can't be exported to ONNX here; give --features FILE")
    return Graph(name, int(size), counted, family(name), "its graph, built and counted here")


def _meant(model: str) -> str:
    """`; did you mean ..? Else`, where a known network has nearly that name."""
    bare = {name.removeprefix("timm:"): name for name in reversed(catalogue.names())}
    near = difflib.get_close_matches(untagged(model).removeprefix("timm:").lower().replace("-", "_"), list(bare), n=1)
    return f"; did you mean {bare[near[0]]}? Else" if near else ""


def _from_file(path: Path, model: str, px: int | None) -> Graph:
    """JSON as a record's `complexity`, or CSV as op_features.csv (columns model, img, params and n_, mac_, io_, out_ of each group)."""
    try:
        text = files.read_text(path)
        if path.suffix == ".json":
            content = json.loads(text)
            content = content.get("complexity", content)
            if not isinstance(content.get("groups"), dict) or not set(content["groups"]) & set(GROUPS):
                raise FrameError(f"{path}: no `groups` in it; choose them from {', '.join(GROUPS)}")
            return Graph(model, px or 224, content, family(model), str(path))
        rows = list(csv.DictReader(text.splitlines()))
        mine = [r for r in rows if r.get("model") in (model, model.split(":")[-1]) and (px is None or int(float(r["img"])) == px)] or rows[
            :1
        ] * (len(rows) == 1)
        if not mine:
            raise FrameError(f"{path}: no row of {model}{f' at {px} px' if px else ''}")
        row = mine[0]
        groups = {
            g: {
                "count": _number(row, f"n_{g}"),
                "macs": _number(row, f"mac_{g}"),
                "bytes": 4 * _number(row, f"io_{g}"),
                "out": _number(row, f"out_{g}"),
            }
            for g in GROUPS
        }
        return Graph(
            model, int(float(row.get("img") or px or 224)), {"params": _number(row, "params"), "groups": groups}, family(model), str(path)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise FrameError(f"{path}: can't be read: {error}")
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError, RecursionError, csv.Error) as error:
        raise FrameError(f"{path}: neither a record's complexity (.json) nor a row of operator features (.csv): {error}")


def _number(row: dict[str, str], name: str) -> float:
    return float(row.get(name) or 0)

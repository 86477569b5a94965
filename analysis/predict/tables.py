"""Tables of networks with a measured quantity, as a set-up's records hold them: what a predictor is fitted on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.predict.networks import Networks, networks

# Quantities as (column of the frame, what turns it into a positive amount per batch).
QUANTITIES = ("latency_s", "memory_mb", "energy_j")
PER_IMAGE = ("energy_j",)
BOUNDED = ("latency_s", "energy_j")  # by the roofline: memory has none


@dataclass(frozen=True)
class Table:
    """Networks that were measured and their quantity per batch."""

    nets: Networks
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def with_graph(rows: pd.DataFrame) -> pd.Series:
    """True where a row has operator features."""
    return rows["op_features"].map(lambda f: isinstance(f, dict) and bool(f)).astype(bool)


def table(rows: pd.DataFrame, quantity: str) -> Table:
    """The networks of a set-up that have the quantity and operator features, one row per network, input size and batch size."""
    has = rows[pd.to_numeric(rows[quantity], errors="coerce").gt(0) & with_graph(rows)]
    has = has.drop_duplicates(["model", "input_px", "batch_size"], keep="last")
    batch = has["batch_size"].to_numpy(float)
    return Table(nets(has, batch), has[quantity].to_numpy(float) * (batch if quantity in PER_IMAGE else 1))


def nets(rows: pd.DataFrame, batch: np.ndarray) -> Networks:
    """The networks of rows with operator features, each at a batch size."""
    params = (1e6 * pd.to_numeric(rows["params_m"], errors="coerce")).fillna(0)
    features = [{"params": p, "groups": groups} for p, groups in zip(params, rows["op_features"], strict=True)]
    names = [key(model, px) for model, px in zip(rows["model"], rows["input_px"], strict=True)]
    return networks(features, batch, names, rows["family"].astype(str).tolist())


def key(model: str, px: float) -> str:
    """A network is its graph at one input size: what measurements of it are told apart by. The tag of its weights is no part of it."""
    return f"{untagged(model)} at {px:.0f} px"


def untagged(model: str) -> str:
    """A name without the tag of timm's weights: timm:resnet50.a1_in1k -> timm:resnet50."""
    return model.split(".")[0] if model.startswith("timm:") else model

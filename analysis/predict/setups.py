"""What one platform's records can teach: its set-ups, and tables of networks with a measured quantity."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import FrameError
from analysis.frame.cached import once
from analysis.frame.frame import latest, ranked
from analysis.frame.setups import one_in_flight
from analysis.predict.networks import Networks, networks

KEYS = ("platform", "device", "backend", "precision")
# Quantities as (column of the frame, what turns it into a positive amount per batch).
QUANTITIES = ("latency_s", "memory_mb", "energy_j")
PER_IMAGE = ("energy_j",)
BOUNDED = ("latency_s", "energy_j")  # by the roofline: memory has none


@dataclass(frozen=True)
class Setup:
    """One platform, device, backend and precision."""

    platform: str
    device: str
    backend: str
    precision: str

    def __str__(self) -> str:
        where = "" if self.device == self.platform else f" on {self.device}"
        return f"{self.platform}, {self.backend} {self.precision}{where}"


@dataclass(frozen=True)
class Table:
    """Networks that were measured and their quantity per batch."""

    nets: Networks
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that a predictor may learn from: comparable, with one batch in flight."""
    return one_in_flight(ranked(frame))


@once
def setups(frame: pd.DataFrame) -> dict[Setup, pd.DataFrame]:
    """Rows of every set-up, the ones with most networks first."""
    groups = {Setup(*map(str, key)): rows for key, rows in cells(frame).groupby(list(KEYS), dropna=False)}
    return dict(sorted(groups.items(), key=lambda item: (-item[1]["model"].nunique(), str(item[0]))))


def choose(frame: pd.DataFrame, platform: str, **wanted: str | None) -> tuple[Setup, pd.DataFrame]:
    """The set-up of a platform with most networks among those that match `wanted`; raises FrameError with what there is."""
    return next(iter(matching(frame, platform, **wanted).items()))


def matching(frame: pd.DataFrame, platform: str, **wanted: str | None) -> dict[Setup, pd.DataFrame]:
    """The set-ups of a platform that match `wanted` (backend, device, precision), at least one; raises FrameError with what there is."""
    everything = setups(frame)
    mine = {setup: rows for setup, rows in everything.items() if setup.platform == platform}
    if not mine:
        unusable = _unusable(frame, platform)
        if unusable:
            raise FrameError(f"--platform {platform}: {unusable}")
        known = sorted({setup.platform for setup in everything})
        raise FrameError(
            f"--platform {platform}: no records of it; there are {', '.join(known) or 'none'}. `dyno plan --informative 10` picks what to measure first"
        )
    for name, value in wanted.items():
        if value:
            fit = {setup: rows for setup, rows in mine.items() if getattr(setup, name) == value}
            if not fit:
                raise FrameError(
                    f"--{name} {value}: not measured on {platform}; choose from {', '.join(sorted({getattr(s, name) for s in mine}))}"
                )
            mine = fit
    return mine


def _unusable(frame: pd.DataFrame, platform: str) -> str:
    """Why nothing can be learnt from a platform that there are records of; empty where there are none."""
    last = latest(frame[frame["role"].eq("cell") & frame["platform"].eq(platform)])
    if last.empty:
        return ""
    busy = int((last["status"].eq("ok") & last["contended"].astype(bool)).sum())
    how = f"{busy} of {len(last)} cells had busy neighbours" if busy else f"none of {len(last)} cells is ok"
    return (
        f"{how}, and nothing else can be ranked; "
        + ("`dyno run --retry contended`" if busy else "`dyno run --retry failed`")
        + " measures them again"
    )


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

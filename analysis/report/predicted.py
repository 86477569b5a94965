"""Networks that were not measured on a device and that, as predicted there, nothing measured or predicted beats: the hollow points of the first screen."""

import warnings

import numpy as np
import pandas as pd

from analysis.data.families import family
from analysis.frame import data_sets, setups
from analysis.frame.cached import computed_once
from analysis.frame.frame import latest
from analysis.frame.words import spelt
from analysis.predict import contenders, offers
from analysis.predict.limits import Limits
from analysis.report.entries import Entry, batches, entries, fastest, frontier

LEAST = 10  # networks that a set-up must have measured before the page predicts others
MOST = 300  # with so many measured, prediction adds little and takes long
WIDEST = 4.0  # upper over lower end of a prediction that is worth showing
STEP = 0.5  # points of Top-1 that a hollow point must gain over the next faster one


def every(license: str | None, frame: pd.DataFrame) -> list[Entry]:
    """The predicted entries of all devices, with weights that the licence rule allows; one whose prediction fails goes without. In one process, for devices learn from one another."""
    found: list[Entry] = []
    for device in sorted(frame["platform"].unique()):
        try:
            found += hollow(device, frame, license)
        except Exception as error:  # the answer stands on measured networks
            warnings.warn(f"{device}: no prediction: {type(error).__name__}: {error}", stacklevel=2)
    return found


@computed_once
def _at(frame: pd.DataFrame, batch: int) -> pd.DataFrame:
    """What is learnt from: one data set's Top-1, one batch size (the others cost time and tell little here). The same object for every device."""
    frame = data_sets.most_common(frame)
    return frame[frame["batch_size"].eq(batch)]


def hollow(device: str, frame: pd.DataFrame, license: str | None = None) -> list[Entry]:
    """The predicted entries of a device (`platform` of the frame), in its set-up with most networks, at the smallest batch size of its first screen."""
    mine = [row for row in entries(frame) if row.device == device]
    if not LEAST <= len({row.model for row in mine}) <= MOST or not any(row.top1 is not None for row in mine):
        return []
    batch = batches(mine)[0]
    own = latest(frame[frame["platform"].eq(device) & frame["role"].eq("cell") & frame["batch_size"].eq(batch)])
    if not batch or not own["model"].nunique() >= LEAST:
        return []
    frame = _at(frame, batch)
    setup, rows = setups.choose(frame, device)
    if rows["model"].nunique() < LEAST:
        return []
    images = frame.loc[frame["top1"].notna() & frame["accuracy_source"].ne("measured"), "accuracy_data"].fillna("ImageNet")
    known = offers.one_each(offers.catalogue(license)) if images.eq("ImageNet").all() else None
    known = None if known is None else alike(known, rows)
    with np.errstate(all="ignore"):
        table = contenders.candidates(frame, setup, rows, batch, Limits(), known)
    table = table[table["kind"].eq("predicted") & table["top1"].notna() & table["extrapolates"].eq("") & table["latency_s_low"].gt(0)]
    table = table[(table["latency_s_high"] / table["latency_s_low"]).lt(WIDEST) & ~table["model"].isin(own["model"])]
    table = table[table["input_px"].isin(rows["input_px"].mode())]
    series = mine[0].backend if len({row.backend for row in mine}) == 1 else spelt(f"{setup.backend} {setup.precision}")
    found = [_entry(row, device, setup, series, batch) for row in table.to_dict("records")]
    kept: list[Entry] = []
    best = 0.0
    for row in frontier(fastest([*found, *mine], batch)):
        if row.measured or (row.top1 or 0) >= best + STEP:
            best = row.top1 or 0
            kept += [] if row.measured else [row]
    return kept


def alike(known: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The candidates at the usual input size (another is no like-for-like comparison) all of whose operator groups were measured here.

    Without those whose very graph was measured, under whatever name.
    """
    here = set(rows["model"])
    known = known[known["names"].map(here.isdisjoint).astype(bool)]
    seen = {name for groups in rows["op_features"] if isinstance(groups, dict) for name, group in groups.items() if group.get("count")}
    known = known[known["input_px"].isin(rows["input_px"].mode())]
    return known[
        known["op_features"].map(lambda groups: all(name in seen for name, group in groups.items() if group.get("count"))).astype(bool)
    ]


def _entry(row: dict, device: str, setup: setups.Setup, series: str, batch: int) -> Entry:
    name = str(row["model"])
    low, value, high = (1e3 * float(row[column]) for column in ("latency_s_low", "latency_s", "latency_s_high"))
    return Entry(device=device, network=name.split(":")[-1], family=family(name), backend=series, precision=setup.precision, batch=batch, ms=value,
                 low=low, high=high, p90=None, p99=None, top1=float(row["top1"]), mib=None, mj=None, trust="predicted", model=name,
                 px=int(row["input_px"]), framework=setup.backend, tag=str(row["weights"]), terms=str(row["terms"]), measured=False)  # fmt: skip

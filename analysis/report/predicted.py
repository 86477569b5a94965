"""Networks that were not measured on a device and that, as predicted there, nothing measured or predicted beats: the hollow points of the first screen."""

import numpy as np
import pandas as pd

from analysis.data.families import family
from analysis.frame import data_sets, setups
from analysis.frame.frame import latest
from analysis.predict import candidates, recommend
from analysis.report.entries import Entry, batches, entries, fastest, frontier, spelt

LEAST = 10  # networks that a set-up must have measured before the page predicts others
MOST = 300  # with so many measured, prediction adds little and takes long
WIDEST = 4.0  # upper over lower end of a prediction that is worth showing
STEP = 0.5  # points of Top-1 that a hollow point must gain over the next faster one


def hollow(device: str, frame: pd.DataFrame) -> list[Entry]:
    """The predicted entries of a device (`platform` of the frame), in its set-up with most networks, at the smallest batch size of its first screen."""
    mine = [row for row in entries(frame) if row.device == device]
    if not LEAST <= len({row.model for row in mine}) <= MOST or not any(row.top1 is not None for row in mine):
        return []
    batch = batches(mine)[0]
    frame = data_sets.of_one(frame)
    setup, rows = setups.choose(frame, device)
    if not batch or rows.loc[rows["batch_size"].eq(batch), "model"].nunique() < LEAST:
        return []
    frame, rows = frame[frame["batch_size"].eq(batch)], rows[rows["batch_size"].eq(batch)]  # the other sizes cost time and tell little here
    own = latest(frame[frame["platform"].eq(device) & frame["role"].eq("cell")])
    images = frame.loc[frame["top1"].notna() & frame["accuracy_source"].ne("measured"), "accuracy_data"].fillna("ImageNet")
    known = candidates.rows(candidates.catalogued()) if images.eq("ImageNet").all() else None
    with np.errstate(all="ignore"):
        table = recommend.candidates(frame, setup, rows, batch, recommend.Limits(), known)
    table = table[table["kind"].eq("predicted") & table["top1"].notna() & table["extrapolates"].eq("") & table["latency_s_low"].gt(0)]
    table = table[(table["latency_s_high"] / table["latency_s_low"]).lt(WIDEST) & ~table["model"].isin(own["model"])]
    table = table[table["input_px"].isin(rows["input_px"].mode())]  # at another size it is no like-for-like comparison
    series = mine[0].backend if len({row.backend for row in mine}) == 1 else spelt(f"{setup.backend} {setup.precision}")
    found = [_entry(row, device, setup, series, batch) for row in table.to_dict("records")]
    kept: list[Entry] = []
    best = 0.0
    for row in frontier(fastest([*found, *mine], batch)):
        if row.measured or (row.top1 or 0) >= best + STEP:
            best = row.top1 or 0
            kept += [] if row.measured else [row]
    return kept


def _entry(row: dict, device: str, setup: setups.Setup, series: str, batch: int) -> Entry:
    name = str(row["model"])
    low, value, high = (1e3 * float(row[column]) for column in ("latency_s_low", "latency_s", "latency_s_high"))
    return Entry(device=device, network=name.split(":")[-1], family=family(name), backend=series, precision=setup.precision, batch=batch, ms=value,
                 low=low, high=high, p90=None, p99=None, top1=float(row["top1"]), mib=None, mj=None, trust="predicted", model=name,
                 px=int(row["input_px"]), framework=setup.backend, tag="predicted", measured=False)  # fmt: skip

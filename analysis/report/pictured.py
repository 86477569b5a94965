"""Drawings of analyses whose tables are better seen: energy, cold against sustained, measured accuracy."""

from collections.abc import Callable
from html import escape

import pandas as pd

from analysis.analyses import accuracy, energy, sustained
from analysis.frame.words import spelt
from analysis.report.dots import Dot, svg


def drawing_of(name: str, frame: pd.DataFrame) -> str:
    """The drawing of an analysis as HTML; empty where it has none."""
    return DRAWN[name](frame) if name in DRAWN else ""


def _energy(frame: pd.DataFrame) -> str:
    """A figure per device, at the smallest batch size of each."""
    out = []
    for platform, part in energy.rows_of(frame).groupby("platform"):
        batch = part["batch_size"].min()
        rows = part[part["batch_size"].eq(batch)]
        marks = [Dot(row["label"], spelt(row["series"]), row["energy"], family=row["family"]) for row in rows.to_dict("records")]
        out.append(f"{_head(platform)}{svg(marks, f'mJ per image at batch {batch:.0f} (logarithmic)', f'Energy per image on {platform}')}")
    return "".join(out)


def _sustained(frame: pd.DataFrame) -> str:
    out = []
    for platform, part in sustained.pairs(frame).groupby("platform"):
        several = part["series"].nunique() > 1 or part["batch_size"].nunique() > 1
        marks = []
        for row in part.to_dict("records"):
            line = f"{row['label']}, {spelt(row['series'])}, batch {row['batch_size']}" if several else row["label"]
            marks += [Dot(line, word, row[f"{word}, ms"], family=row["family"]) for word in ("cold", "sustained")]
        out.append(f"{_head(platform)}{svg(marks, 'ms per batch (logarithmic)', f'Cold and sustained times on {platform}', joined=True)}")
    return "".join(out)


def _accuracy(frame: pd.DataFrame) -> str:
    out = []
    for data, part in accuracy.rows_of(frame).groupby("data"):
        marks = []
        for row in part.to_dict("records"):
            low, high = (row["low"], row["high"]) if pd.notna(row["low"]) else (None, None)
            marks.append(Dot(row["label"], f"{spelt(row['series'])} on {row['platform']}", row["top1"], low, high, row["family"]))
        out.append(svg(marks, f"Top-1 on {data}, % (bar = 95 % interval)", f"Measured Top-1 on {data}", log=False))
    return "".join(out)


def _head(platform: str) -> str:
    return f"<h3>{escape(platform)}</h3>"


DRAWN: dict[str, Callable[[pd.DataFrame], str]] = {"energy": _energy, "sustained": _sustained, "accuracy": _accuracy}

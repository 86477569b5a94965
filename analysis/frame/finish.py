"""The frame's door: whatever rows come in, every column is there afterwards, with what published tables, environments and noise add."""

import sys
from typing import Any

import numpy as np
import pandas as pd

from analysis.data import catalogue
from analysis.data.families import family
from analysis.frame import published, rounds
from analysis.frame.columns import CELL, COLUMNS, NUMBERS, PRICES, TUPLES
from analysis.frame.environments import flatten


def finish(frame: pd.DataFrame, environments: dict[str, dict[str, Any]] | None = None) -> pd.DataFrame:
    """Add published accuracies, families, env_* columns and every column that is still missing, and join rounds of a fleet; importers end with this too."""
    frame = frame.reset_index(drop=True)
    for name in CELL:  # what no record names, as where all come from a table without it
        if name not in frame:
            frame[name] = np.nan if name in NUMBERS else None
    frame = _with_facts(frame, environments or {})
    if "host" not in frame:
        named = frame.get("env_host", pd.Series(None, index=frame.index, dtype=object))
        stems = [sys.intern(stem.removeprefix(f"{platform}-")) for stem, platform in zip(frame["file"], frame["platform"], strict=True)]
        frame["host"] = named.where(named.notna(), pd.Series(stems, index=frame.index))
    if "power_mode" not in frame:
        frame["power_mode"] = frame.get("env_power_mode", pd.Series(None, index=frame.index, dtype=object))
    frame["host"] = by_power_mode(frame)
    if "family" not in frame:
        families = {model: family(model) for model in frame["model"].unique()}
        frame["family"] = [families[model] for model in frame["model"]]
    asked = frame.reindex(columns=list(published.COLUMNS))
    known = _published(asked)
    if "top1" not in frame:
        frame["top1"] = np.nan
    if "accuracy_source" not in frame:
        frame["accuracy_source"] = None
    use = frame["top1"].isna() & frame["accuracy_source"].ne("measured") & pd.Series([k is not None for k in known], index=frame.index)
    for position, name in enumerate(("top1", "top5", "accuracy_weights")):
        values = pd.Series([k[position] if k else None for k in known], index=frame.index)
        frame[name] = values.where(use) if name not in frame else frame[name].where(~use, values)
    frame["accuracy_source"] = frame["accuracy_source"].astype(object).where(~use, "published")
    for name in (*COLUMNS, *PRICES):
        if name not in frame:
            frame[name] = np.nan if name in (*NUMBERS, *PRICES) else None
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    frame = _known_graphs(frame)
    frame["contended"] = frame["contended"].eq(True)
    frame["role"] = frame["role"].fillna("cell")
    for name in TUPLES:
        frame[name] = pd.Series(
            [value if isinstance(value, tuple) else tuple(value or ()) for value in frame[name]], frame.index, dtype=object
        )
    from analysis.frame import noise  # it brings scipy.stats: 60 MB that processes which read records do without

    return noise.add_noise(describe(rounds.joined(frame, environments or {})))


def _published(asked: pd.DataFrame) -> list[tuple[float, float, str] | None]:
    """What is published for each row; asked once per kind of row, of whose parity only the verdict matters."""
    kinds = asked.assign(parity_max_rel=published.agrees(asked["parity_max_rel"])).astype(object)
    codes = kinds.groupby(list(published.COLUMNS), dropna=False, sort=False).ngroup().to_numpy()
    first = pd.Series(range(len(asked))).groupby(codes).first()
    answers = [published.for_row(*asked.iloc[place]) for place in first]
    return [answers[code] for code in codes]


def _with_facts(frame: pd.DataFrame, environments: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The frame with its environments' facts as env_* columns: flattened once per environment, not per row."""
    facts = {name: flatten(environment) for name, environment in environments.items()}
    columns = sorted({key for flat in facts.values() for key in flat})
    if not columns:
        return frame
    named = frame["environment"].tolist()
    used = [name for name in dict.fromkeys(named) if name in facts]
    known = pd.DataFrame([facts[name] for name in used], columns=columns).add_prefix("env_")
    places = {name: place for place, name in enumerate(used)}
    extra = known.reindex([places.get(name, -1) for name in named])  # -1 is no environment: its facts are missing
    return pd.concat([frame, extra.set_axis(frame.index)], axis=1)


def by_power_mode(frame: pd.DataFrame) -> pd.Series:
    """The hosts; one that was measured in several power modes counts as one per mode, "nano (0 MAXN)", so that they are kept apart."""
    modes = frame.groupby(["platform", "host"])["power_mode"].transform("nunique")
    apart = frame["host"].astype(str) + " (" + frame["power_mode"].astype(str) + ")"
    return frame["host"].where((modes <= 1) | frame["power_mode"].isna(), apart)


def _known_graphs(frame: pd.DataFrame) -> pd.DataFrame:
    """Imported rows that carry no complexity get the catalogue's, where the network is known at their input size."""
    lacks = frame["source"].ne("records") & frame["op_features"].isna() & frame["input_px"].notna() & frame["model"].notna()
    if not lacks.any():
        return frame
    named = [(str(model), int(px)) for model, px in zip(frame.loc[lacks, "model"], frame.loc[lacks, "input_px"], strict=True)]
    graphs = {key: catalogue.known(*key) for key in set(named)}
    found = pd.Series([graphs[key] for key in named], index=frame.index[lacks], dtype=object).dropna()
    if found.empty:
        return frame
    groups = frame["op_features"].astype(object)
    groups.loc[found.index] = found.map(lambda graph: graph["groups"])
    frame["op_features"] = groups
    for name, what, factor in (("params_m", "params", 1e6), ("gmacs", "macs", 1e9), ("activations_m", "activations", 1e6)):
        values = found.map(lambda graph, what=what, factor=factor: graph[what] / factor).astype(float)
        frame[name] = frame[name].fillna(values)
    return frame


def describe(frame: pd.DataFrame) -> pd.DataFrame:
    """Add names that keep unlike cells apart, as short as they may be.

    machine: the platform, with its host where several hosts share it. series: backend, with device and precision where they vary on that
    machine. label: the network, with its input size where that is not the frame's usual one.
    """
    frame = frame.copy()  # in one piece again after all those columns
    hosts = frame.groupby("platform")["host"].transform("nunique")
    frame["machine"] = frame["platform"].where(hosts <= 1, frame["platform"] + " @ " + frame["host"].astype(str))
    series = frame["backend"].copy()
    for name in ("device", "precision"):
        several = frame.groupby(["machine", "backend"])[name].transform("nunique") > 1
        series = series.where(~several, series + " " + frame[name])
    frame["series"] = series
    usual = frame["input_px"].mode()
    plain = frame["input_px"].isna() | frame["input_px"].isin(usual.head(1))  # an importer may not know the size
    frame["label"] = frame["model"].where(plain, frame["model"] + " (" + frame["input_px"].astype("Int64").astype(str) + " px)")
    return frame

"""The frame: any number of record files merged into one table, one row per record, SI units.

Columns: see COLUMNS. Missing is NaN or None, never 0. Nothing in a file is fatal: lines that are torn, malformed, of another
schema or seen before are set aside and counted in `Merged.problems`.
"""

import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.data import catalogue
from analysis.data.families import family
from analysis.errors import FrameError
from analysis.frame import imported, measured_accuracy, noise, published, rounds, sensors, unfinished
from analysis.frame.cached import once
from analysis.stats.intervals import percentile_ranks
from runner.records.check import is_replicate, misfit, misfit_accuracy
from runner.records.lift import lift
from runner.records.schema import SCHEMA_VERSION, STATUSES

CELL = ("platform", "device", "backend", "model", "precision", "batch_size", "input_px", "scenario")
TEXT = ("record_id", "run", "host", "source", *CELL[:5], "scenario", "cell_id", "role", "anchor", "status", "reason", "phase", "started_at", "weights",
        "memory_method", "accuracy_source", "accuracy_weights", "accuracy_data", "family", "environment", "file", "power_mode", "ended", "so_far", "task")  # fmt: skip
NUMBERS = ("batch_size", "input_px", "attempt", "latency_s", "latency_p90_s", "latency_p90_low_s", "latency_p90_high_s", "latency_p95_s", "latency_p95_low_s", "latency_p95_high_s",
           "latency_p99_s", "latency_p99_low_s", "latency_p99_high_s", "n_replicates", "n_samples", "noise", "throughput", "load_s",
           "first_latency_s", "in_flight", "others_share", "params_m", "gmacs", "activations_m", "parity_max_rel", "parity_cosine", "parity_top1_flips",
           "memory_mb", "memory_peak_mb", "memory_sampled_mb", "energy_j", "power_w", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high",
           "accuracy_images", "wall_s", "sensitivity", "n_asked", "sustained_s")  # fmt: skip
OTHER = ("contended", "replicate_medians_s", "replicate_rounds", "quality", "op_features", "executed")
COLUMNS = (*TEXT, *NUMBERS, *OTHER)
NO_WORK = "noop"  # the backend that measures the harness itself: it executes no network, so it can't be ranked with those that do
TASK_CELL = ("task", "cell_id", "role", "anchor")  # what a fleet's task measures once, however often it was delivered
REPEATED = "repeat an id that was read before"
REPEATED_TASK = "repeat a cell of a task that was delivered before"
ENOUGH = {90: 46, 95: 93, 99: 473}  # samples between whose extremes so large a share of all calls lies, with 95 % confidence


@dataclass(frozen=True)
class Merged:
    """The merged table, the environments by id and what was set aside: (file, what) -> lines."""

    frame: pd.DataFrame
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: Counter = field(default_factory=Counter)
    files: tuple[str, ...] = ()
    floors: tuple[Any, ...] = ()  # noise floors of the hosts (analysis.compare.noise), where they are known


def record_files(paths: Iterable[str | Path], problems: Counter | None = None) -> list[Path]:
    """The record files (*.jsonl) among files and, recursively, folders; raises FrameError where a path is no file and no folder.

    What bears such a name in a folder and is no plain file (a folder, a pipe, a link that leads nowhere) is counted in problems.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            named = sorted(path.rglob("*.jsonl"))
            found += [file for file in named if file.is_file()]
            for file in named:
                if not file.is_file() and not file.is_dir() and problems is not None:
                    problems[file.name, "is no file: a pipe, a device, or a link that leads nowhere"] += 1
        elif path.is_file():
            found.append(path)
        else:
            there = path.exists() or path.is_symlink()
            what = "is no file and no folder (a pipe, or a link that leads nowhere)" if there else "no such file or folder"
            raise FrameError(f"{path}: {what}; `make bench` writes results/records; name a file or folder that is there")
    return list(dict.fromkeys(file.resolve() for file in found))


def merge(paths: Iterable[str | Path]) -> Merged:
    """Merge record files and folders; raises FrameError when there is no record at all."""
    paths = list(paths)
    problems: Counter = Counter()
    files = record_files(paths, problems)
    seen: set[str] = set()
    environments: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    counted: list[tuple[Path, dict[str, Any]]] = []
    for file in files:
        for entry in read(file, problems):
            if entry.key in seen:
                problems[file.name, REPEATED] += 1
                continue
            seen.add(entry.key)
            if entry.kind == "environment":
                environments[entry.id] = entry.content
            elif entry.kind == "accuracy":
                counted.append((file, entry.content))
            else:
                rows.append(entry.content)
    if not rows:
        raise nothing(paths, len(files), problems)
    rows = one_per_task(rows, problems)
    accuracies = measured_accuracy.measured(counted)
    rows = [entry | measured_accuracy.of(entry, accuracies) for entry in rows]
    return Merged(finish(pd.DataFrame(rows), environments), environments, problems, tuple(file.name for file in files))


def nothing(paths: Iterable[str | Path], files: int, problems: Counter) -> FrameError:
    """What to say where no line of any file is a record."""
    aside = f" ({sum(problems.values())} lines set aside)" if problems else ""
    where = ", ".join(map(str, paths))
    return FrameError(f"{where}: no records of schema {SCHEMA_VERSION} in {files} file(s){aside}; `make bench` measures some")


@dataclass(frozen=True)
class Entry:
    """What a file holds: a row of the frame (cell, imported), the facts (environment) or the record (accuracy)."""

    kind: str
    id: str
    content: dict[str, Any]

    @property
    def key(self) -> str:
        """What no two entries share."""
        return f"{self.kind}:{self.id}"


def read(file: Path, problems: Counter) -> Iterator[Entry]:
    """The entries of a record file; a file that can't be read is counted in problems."""
    try:
        content = open(file, "rb")
    except OSError as error:
        problems[file.name, f"can't be read: {error.strerror}"] += 1
        return
    with content:
        yield from entries(content, file, problems)


def entries(content: Iterable[bytes], file: Path, problems: Counter) -> Iterator[Entry]:
    """The entries of a record file's lines, in their order, then the cells that no run lived to finish.

    What is torn, foreign or malformed is counted in problems.
    """
    left = unfinished.Unfinished()
    for record in _records(content, file, problems):
        try:
            kind, name = record["kind"], str(record.get("id"))
            if kind in ("cell", "environment") and misfit(record) or kind == "accuracy" and misfit_accuracy(record):
                raise ValueError(misfit(record))
            if kind == "environment":
                flatten(record["environment"])  # raises what nests too deep
                left.facts[name] = dict(record["environment"])
                yield Entry(kind, name, left.facts[name])
            elif kind == "imported":  # written by `import`
                yield Entry(kind, name, imported.row(record, file.stem))
            elif kind == "accuracy":
                measured_accuracy.measured([(file, record)])  # raises what a malformed record raises
                yield Entry(kind, name, record)
            elif kind == "cell":
                yield Entry(kind, name, row(record, file))
                left.finish(record)
            elif kind == "replicate" and is_replicate(record):
                if not left.add(record):
                    problems[file.name, REPEATED] += 1
            else:
                raise ValueError(kind)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            problems[file.name, "are no record of this schema (a field is missing or of another type)"] += 1
    cells, apart = left.cells()
    for line in cells:
        yield Entry("cell", str(line["id"]), row(line, file))
    if apart:
        problems[file.name, unfinished.UNLIKE] += apart


def one_per_task(rows: list[dict[str, Any]], problems: Counter) -> list[dict[str, Any]]:
    """The rows without those that a fleet's task measured again: of each task and cell the first that is complete stays, else the first."""
    first: dict[tuple[Any, ...], int] = {}
    for position, entry in enumerate(rows):
        if entry.get("task"):
            key = tuple(entry.get(name) for name in TASK_CELL)
            if key not in first or (not _complete(rows[first[key]]) and _complete(entry)):
                first[key] = position
    kept = set(first.values())
    for position, entry in enumerate(rows):
        if entry.get("task") and position not in kept:
            problems[f"{entry['file']}.jsonl", REPEATED_TASK] += 1
    return [entry for position, entry in enumerate(rows) if not entry.get("task") or position in kept]


def _complete(entry: dict[str, Any]) -> bool:
    return entry["status"] == "ok" and entry.get("ended") != "interrupted"


def _records(content: Iterable[bytes], file: Path, problems: Counter) -> Iterator[dict[str, Any]]:
    for line in content:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            record = printable(record) if b"\\u" in line else record
        except (ValueError, RecursionError):
            problems[file.name, "are torn or no JSON"] += 1
            continue
        lifted = lift(record)
        if lifted is None:
            problems[file.name, f"have another schema than {SCHEMA_VERSION}"] += 1
        else:
            yield lifted


def printable(value: Any) -> Any:
    """The same JSON with half characters (lone surrogates), which no file or page can hold, replaced."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [printable(item) for item in value]
    return {printable(key): printable(item) for key, item in value.items()} if isinstance(value, dict) else value


def row(record: dict[str, Any], file: Path) -> dict[str, Any]:
    """One cell record as a row of the frame, without what the environment and published tables add."""
    cell = record["cell"]
    if record["status"] not in STATUSES or any(cell[name] is None for name in CELL) or record["cell_id"] is None:
        raise ValueError(record["status"])
    if min(cell["batch_size"], cell["input_px"]) < 1:
        raise ValueError("no batch or image is smaller than 1")
    out: dict[str, Any] = {name: str(cell[name]) for name in CELL if name not in ("batch_size", "input_px")}
    out |= {
        "batch_size": int(cell["batch_size"]),
        "input_px": int(cell["input_px"]),
        "record_id": str(record["id"]),
        "source": "records",
        "file": file.stem,
    }
    out["environment"] = str(record.get("environment"))
    for name in (
        "run",
        "cell_id",
        "role",
        "anchor",
        "attempt",
        "status",
        "reason",
        "phase",
        "started_at",
        "weights",
        "ended",
        "wall_s",
        "sensitivity",
    ):
        out[name] = record.get(name)
    out["n_asked"] = record.get("asked")
    out["quality"] = tuple(map(str, record.get("quality") or ()))
    out["task"] = task(record.get("task"))
    complexity, parity = record.get("complexity") or {}, record.get("parity") or {}
    out["params_m"] = _scaled(complexity.get("params"), 1e-6)
    out["gmacs"] = _scaled(complexity.get("macs"), 1e-9)
    out["activations_m"] = _scaled(complexity.get("activations"), 1e-6)
    out["op_features"] = complexity.get("groups")
    for name in ("max_rel", "cosine", "top1_flips"):
        out[f"parity_{name}"] = parity.get(name)
    out |= timings(record.get("replicates") or [], out)
    return out | {"so_far": so_far(out)}


def so_far(cell: dict[str, Any]) -> str | None:
    """ "2 of 3" replicates where a run ended before the cell had as many as were asked for; None where it has them."""
    unfinished = cell["status"] == "ok" and cell["ended"] == "interrupted" and cell["n_asked"]
    return f"{cell['n_replicates']} of {max(cell['n_asked'], cell['n_replicates'])}" if unfinished else None


def task(of: dict[str, Any] | None) -> str | None:
    """A fleet's task in one line: submission, platform, assigned board, round and block; None for a record of no fleet."""
    return "/".join(str(of.get(name)) for name in ("submission", "platform", "board", "round", "block")) if of else None


def timings(replicates: Sequence[dict[str, Any]], cell: dict[str, Any]) -> dict[str, Any]:
    """Latency, throughput, noise, contention and sensors from a cell's replicates; no latency unless the cell is ok."""
    samples = [sorted(map(float, r["samples_s"])) for r in replicates if r.get("samples_s")]
    if not all(math.isfinite(sum(s)) and s[0] >= 0 and percentile(s, 50) > 0 for s in samples):
        raise ValueError("a sample is no time")
    contention = [r.get("contention") or {} for r in replicates]
    shares = [c["others_share"] for c in contention if c.get("others_share") is not None]
    out: dict[str, Any] = {
        "contended": "contended" in cell["quality"] or any(r.get("contended") for r in replicates),
        "others_share": max(shares, default=np.nan),
        "executed": (replicates[0].get("executed") or {}) if replicates else {},
        "replicate_medians_s": (),
        "replicate_rounds": (),
        "n_replicates": len(samples),
        "rounds": len({(r.get("run"), r.get("round")) for r in replicates if r.get("samples_s")}),
        "n_samples": sum(map(len, samples)),
    }
    if cell["status"] != "ok" or not samples:
        return out
    medians = tuple(percentile(s, 50) for s in samples)
    latency_s = percentile(sorted(medians), 50)
    pooled = sorted(itertools.chain.from_iterable(samples))
    out |= {
        "replicate_medians_s": medians,
        "replicate_rounds": tuple(r.get("round") for r in replicates if r.get("samples_s")),
        "latency_s": latency_s,
        "throughput": cell["batch_size"] / latency_s,
        "in_flight": replicates[0].get("in_flight"),
    }
    if out["in_flight"] in (None, 1):  # in `throughput` a sample is the mean of a window, which has no tail
        out |= percentiles(pooled)
    out["noise"] = percentile(sorted((percentile(s, 75) - percentile(s, 25)) / percentile(s, 50) for s in samples), 50)
    for name in ("load_s", "first_latency_s"):
        spans = [r["spans"][name] for r in replicates if (r.get("spans") or {}).get(name) is not None]
        out[name] = percentile(sorted(map(float, spans)), 50) if spans else np.nan
    late = [float(r["sustained"]["sustained_s"]) for r in replicates if (r.get("sustained") or {}).get("sustained_s")]
    out["sustained_s"] = percentile(sorted(late), 50) if late else np.nan
    return out | sensors.readings(replicates, cell["device"])


def percentiles(ordered: Sequence[float]) -> dict[str, float]:
    """The percentiles that so many samples tell, each with its 95 % interval."""
    found: dict[str, float] = {}
    for percent, enough in ENOUGH.items():
        ranks = percentile_ranks(len(ordered), percent) if len(ordered) >= enough else None
        if ranks:
            name = f"latency_p{percent}"
            found |= {f"{name}_s": percentile(ordered, percent), f"{name}_low_s": ordered[ranks[0]], f"{name}_high_s": ordered[ranks[1]]}
    return found


def percentile(ordered: Sequence[float], percent: float) -> float:
    """numpy.percentile of sorted values, to the last bit: a set holds millions of short lists, for which numpy's own costs a hundred times more."""
    place = (len(ordered) - 1) * (percent / 100)
    below = int(place)
    share = place - below
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def _scaled(value: float | None, factor: float) -> float:
    return np.nan if value is None else float(value) * factor


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
    known = [published.accuracy(model, px) for model, px in zip(frame["model"], frame["input_px"], strict=True)]
    if "top1" not in frame:
        frame["top1"] = np.nan
    if "accuracy_source" not in frame:
        frame["accuracy_source"] = None
    use = frame["top1"].isna() & frame["accuracy_source"].ne("measured") & pd.Series([k is not None for k in known], index=frame.index)
    for position, name in enumerate(("top1", "top5", "accuracy_weights")):
        values = pd.Series([k[position] if k else None for k in known], index=frame.index)
        frame[name] = values.where(use) if name not in frame else frame[name].where(~use, values)
    frame["accuracy_source"] = frame["accuracy_source"].astype(object).where(~use, "published")
    for name in COLUMNS:
        if name not in frame:
            frame[name] = np.nan if name in NUMBERS else None
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    frame = _known_graphs(frame)
    frame["contended"] = frame["contended"].eq(True)
    frame["role"] = frame["role"].fillna("cell")
    if "rounds" not in frame:
        frame["rounds"] = np.nan
    return noise.onto(describe(rounds.joined(frame, environments or {})))


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


def flatten(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested facts as one level, keys joined by `_`; lists, and the long list of installed packages, become text."""
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        if key == "packages" and isinstance(value, dict):
            flat[f"{prefix}{key}"] = ", ".join(f"{name} {version}" for name, version in sorted(value.items()))
        elif isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return flat


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


@once
def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """The last attempt of each cell (anchors apart) per source and host; earlier ones are history.

    Within a file attempts are counted, so a clock that was set back changes nothing; between files the later one wins.
    """
    keys = ["source", "platform", "host", "cell_id", "role", "anchor"]
    told = frame[[*keys, *frame.columns.intersection(["file"]), "started_at", "attempt"]].reset_index(drop=True)  # a frame is wide
    by_time = told.sort_values("started_at", kind="stable", na_position="first")
    attempts = by_time.sort_values("attempt", kind="stable", na_position="first").drop_duplicates(
        [*keys, *told.columns.intersection(["file"])], keep="last"
    )
    last = attempts.sort_values("started_at", kind="stable", na_position="first").drop_duplicates(keys, keep="last")
    return frame.iloc[last.index.to_numpy()].sort_index()


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """What may be compared: the latest attempt of each cell, if it is ok and valid, no anchor, was not contended and executed a network (noop does not)."""
    last = latest(frame[frame["role"] == "cell"])
    valid = ~last["quality"].map(lambda labels: "invalid" in labels if isinstance(labels, (list, tuple)) else False).astype(bool)
    return last[valid & (last["status"] == "ok") & ~last["contended"] & last["latency_s"].notna() & (last["backend"] != NO_WORK)]

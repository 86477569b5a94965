"""Checks of plausibility: what in a frame can't be right, or can't be compared. The report lists them first.

`findings(frame)` runs every check. Each is a generator (severity, cell_id, message) over comparable cells, decorated with its name: an `error`
can't be true, a `warning` asks for a second look, a `note` limits what may be concluded.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import metrics
from analysis.frame import latest
from analysis.stats import roofline, setups, suspects
from runner.environment import COMPARABLE

COLUMNS = ["check", "severity", "cell_id", "message"]
SEVERITIES = ("error", "warning", "note")
PEAKS = Path(__file__).with_name("data") / "peaks.csv"
WINOGRAD = 2.25  # F(2x2, 3x3) does a 3x3 convolution in 1/2.25 of the multiplications, so that nominal rates may pass the peak by as much
NESTED = ("frameworks", "thread_env", "governor", "turbo", "power_mode", "cuda")  # facts that are mappings, flattened in the frame

Finding = tuple[str, Any, str]
Check = Callable[[pd.DataFrame], Iterator[Finding]]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a check under the name that the report shows."""
    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def findings(frame: pd.DataFrame) -> pd.DataFrame:
    """All findings, the worst first: check, severity (error, warning, note), cell_id (of the cell or of one of them), message."""
    cells = cells_of(frame)
    rows = [(name, *finding) for name, function in CHECKS.items() if len(cells) for finding in function(cells)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("severity", key=lambda s: s.map(SEVERITIES.index), kind="stable", ignore_index=True)


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest attempt of every cell that is ok and not contended, with image_s, log_time and setup."""
    if frame.empty:
        return frame
    last = latest(frame[frame["role"].fillna("cell").eq("cell")])
    cells = setups.observations(last[last["status"].eq("ok") & ~last["contended"].eq(True)])
    return cells if "machine" in cells else cells.assign(machine=cells["platform"])


def batched(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(label, cells) of every set-up with two batch sizes or more."""
    several = cells.groupby("setup")["batch_size"].transform("nunique") > 1
    yield from setups.named(cells[several])


def curves(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(seconds per image, cell_id) of one set-up, networks x batch sizes."""
    wide = part.pivot_table(index="model", columns="batch_size", values="image_s", aggfunc="median").sort_index(axis=1)
    ids = part.drop_duplicates(["model", "batch_size"]).pivot(index="model", columns="batch_size", values="cell_id")
    return wide, ids.reindex(index=wide.index, columns=wide.columns)


def times(seconds: Any) -> str:
    """Seconds as milliseconds for a message."""
    return f"{metrics.MILLI * seconds:.3g} ms"


@check("a larger batch takes less time")
def shrinking_batches(cells: pd.DataFrame) -> Iterator[Finding]:
    for label, part in batched(cells):
        wide, ids = curves(part)
        batch = wide.columns.to_numpy(float)
        whole = wide.to_numpy(float) * batch
        for row, column in zip(*np.nonzero(whole[:, 1:] < 0.75 * whole[:, :-1]), strict=True):
            yield ("error", ids.iloc[row, column + 1], f"{wide.index[row]} on {label}: a batch of {batch[column + 1]:.0f} takes "
                   f"{times(whole[row, column + 1])}, one of {batch[column]:.0f} takes {times(whole[row, column])}")


@check("time per image rises with the batch")
def rising_time(cells: pd.DataFrame) -> Iterator[Finding]:
    for label, part in batched(cells):
        wide, ids = curves(part)
        for row, column in zip(*np.nonzero(suspects.rises(wide.columns.to_numpy(float), wide.to_numpy(float))), strict=True):
            before, after = wide.iloc[row, column - 1], wide.iloc[row, column]
            yield ("warning", ids.iloc[row, column], f"{wide.index[row]} on {label}: {times(after)} per image at batch {wide.columns[column]:.0f} after "
                   f"{times(before)} at batch {wide.columns[column - 1]:.0f}, where other networks do not rise so")


@check("outlier in its batch curve")
def curve_outliers(cells: pd.DataFrame) -> Iterator[Finding]:
    for label, part in batched(cells):
        wide, ids = curves(part)
        if wide.shape[1] < 4:
            continue
        residual = suspects.curve_residuals(wide.columns.to_numpy(float), wide.to_numpy(float))
        for column, batch in enumerate(wide.columns):
            gap = residual[:, column] - np.nanmedian(residual[:, column]) if np.isfinite(residual[:, column]).sum() >= 5 else residual[:, column]
            scale = suspects.spread(gap, 0.05)
            pairs = suspects.exchanged(np.log(wide[batch].to_numpy(float)), np.log(wide[batch].to_numpy(float)) - residual[:, column], 0.05)
            for i, j in pairs:
                yield ("error", ids.iloc[i, column], f"{wide.index[i]} and {wide.index[j]} on {label}: their times at batch {batch:.0f} look exchanged")
            for row in np.flatnonzero(np.abs(gap) > max(6 * scale, np.log(1.6))):
                if row not in {index for pair in pairs for index in pair}:
                    yield ("warning", ids.iloc[row, column], f"{wide.index[row]} on {label}: {times(wide.iloc[row, column])} per image at batch {batch:.0f} "
                           f"is {np.exp(gap[row]):.2g} times what its other batch sizes lead to expect")


@check("rows exchanged")
def exchanged_rows(cells: pd.DataFrame) -> Iterator[Finding]:
    centred = {label: _centred(part) for label, part in setups.named(cells)}
    table = pd.DataFrame(centred)
    told = set()
    for label, part in setups.named(cells):
        ids = part.drop_duplicates("model").set_index("model")["cell_id"]
        seen = centred[label]
        others = table.drop(columns=label).reindex(seen.index)
        first = part.drop_duplicates("model").set_index("model").reindex(seen.index)
        for severity, source, expected in (("error", "other set-ups", others.median(axis=1)), ("warning", "their size", _expected(seen, first))):
            for i, j in suspects.exchanged(seen.to_numpy(float), expected.to_numpy(float), 0.03):
                pair = (seen.index[i], seen.index[j])
                if (label, frozenset(pair)) not in told:
                    told.add((label, frozenset(pair)))
                    verb = "lead" if source == "other set-ups" else "leads"
                    yield (severity, ids[pair[0]], f"{pair[0]} and {pair[1]} on {label}: {source} {verb} to expect each other's times; are rows exchanged?")
        for i, j in suspects.out_of_order(_bigger(first), _conditions(part).reindex(seen.index).to_numpy(float)):
            pair = (seen.index[i], seen.index[j])
            if (label, frozenset(pair)) not in told:
                yield ("warning", ids[pair[0]], f"{pair[0]} on {label} is faster than {pair[1]}, its smaller sibling")


def _conditions(part: pd.DataFrame) -> pd.DataFrame:
    return part.pivot_table(index="model", columns="batch_size", values="log_time", aggfunc="median")


def _centred(part: pd.DataFrame) -> pd.Series:
    table = _conditions(part)
    table = table.loc[:, table.notna().mean() >= 0.5]
    return (table - table.median()).median(axis=1).dropna()


def _features(first: pd.DataFrame) -> pd.DataFrame:
    operators = first["op_features"].map(lambda groups: sum(g.get("count") or 0 for g in groups.values()) if isinstance(groups, dict) else np.nan)
    table = first[["gmacs", "params_m", "activations_m"]].assign(operators=operators).astype(float)
    return table.where(table > 0)


def _expected(seen: pd.Series, first: pd.DataFrame) -> pd.Series:
    table = _features(first)
    known = table.loc[:, table.notna().mean() > 0.9].apply(np.log)
    return pd.Series(suspects.from_features(seen.to_numpy(float), known.to_numpy(float)) if known.shape[1] else np.nan, index=seen.index)


def _siblings(names: list[str]) -> np.ndarray:
    """[i, j]: names that differ in one number alone, as densenet121 and densenet169 do."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for at, name in enumerate(names):
        words = re.split(r"(\d+)", name)
        for number in range(1, len(words), 2):
            groups.setdefault((*words[:number], "#", *words[number + 1:]), []).append(at)
    result = np.zeros((len(names), len(names)), bool)
    for members in groups.values():
        result[np.ix_(members, members)] = True
    return result


def _bigger(first: pd.DataFrame) -> np.ndarray:
    """[i, j]: log ratio of multiply-adds of siblings, NaN unless i has clearly more multiply-adds and no less of anything else that is known.

    Other relatives do not count: a variant with cheaper operators may be bigger and faster.
    """
    table = _features(first)
    gmacs = table["gmacs"].to_numpy()
    margin = 1.1 if table["operators"].notna().all() else 1.2
    result = _siblings(list(map(str, first.index))) & (gmacs[:, None] > margin * gmacs[None, :])
    for name in ("params_m", "activations_m", "operators"):
        values = table[name].to_numpy()
        result &= ~(values[:, None] < values[None, :])
    with np.errstate(invalid="ignore"):
        return np.where(result, np.log(gmacs[:, None] / gmacs[None, :]), np.nan)


@check("rate above the roofline")
def impossible_rates(cells: pd.DataFrame) -> Iterator[Finding]:
    usable = cells[~other_size(cells) & cells["gmacs"].gt(0)]
    limits = hardware_peaks(usable)
    for label, part in setups.named(usable):
        rate = roofline.work(part)["flops"] / part["image_s"]
        best = rate.groupby(part["model"]).max().nlargest(2)
        for at in rate.index[rate.gt(min(WINOGRAD * limits[part.index].min(), 3 * best.min()))]:
            row = part.loc[at]
            others = best.drop(row["model"], errors="ignore").max()
            where = f"{row['model']} on {label}, batch {row['batch_size']:.0f}: {rate[at] / 1e9:,.3g} GFLOP/s"
            if rate[at] > WINOGRAD * limits[at]:
                yield "error", row["cell_id"], f"{where}, where the hardware reaches {limits[at] / 1e9:,.3g}"
            elif part["model"].nunique() >= 6 and rate[at] > 3 * others:
                yield "error", row["cell_id"], f"{where}, where no other network passes {others / 1e9:,.3g}"


def hardware_peaks(cells: pd.DataFrame) -> pd.Series:
    """FLOP/s that each cell's hardware can reach at its precision (data/peaks.csv, or cores x clock x vector width); infinite where unknown."""
    named = ["device", "precision", "platform", *(name for name in ("env_gpu", "env_board", "env_cpus", "env_cpu_flags") if name in cells)]
    clocks = [str(name) for name in cells if str(name).startswith("env_cpu_clocks_hz_max")]
    table = pd.read_csv(PEAKS).to_dict("records")
    limits = pd.Series(np.inf, index=cells.index)
    for _, part in cells.groupby(named, dropna=False):
        row = part.iloc[0]
        limits[part.index] = _cpu_peak(row, clocks) if row["device"] == "cpu" else _listed_peak(row, table)
    return limits


def _cpu_peak(row: pd.Series, clocks: list[str]) -> float:
    cores, flags = row.get("env_cpus"), str(row.get("env_cpu_flags"))
    if pd.isna(cores) or "avx" not in flags or row["precision"] != "fp32":
        return np.inf
    known = pd.to_numeric(row[clocks], errors="coerce").max() if clocks else np.nan
    return float(cores) * max(5e9, float(np.nan_to_num(known))) * (64 if "avx512f" in flags else 32)  # two fused multiply-adds a cycle


def _listed_peak(row: pd.Series, table: list[dict]) -> float:
    names = " ".join(str(row.get(name)) for name in ("env_gpu", "env_board", "platform")).lower()
    for entry in table:
        if re.search(entry["pattern"], names):
            column = {"fp32": "fp32_tflops", "tf32": "tf32_tflops", "int8": "int8_tops"}.get(row["precision"], "fp16_tflops")
            known = [value for name, value in entry.items() if name.endswith(("flops", "tops")) and value == value]
            return 1e12 * (entry[column] if entry[column] == entry[column] else max(known))
    return np.inf


def other_size(cells: pd.DataFrame) -> pd.Series:
    """True where the complexity is known to be of another input size than the one timed."""
    size = pd.to_numeric(cells.get("complexity_px", pd.Series(np.nan, index=cells.index)), errors="coerce")
    return size.notna() & cells["input_px"].notna() & size.ne(cells["input_px"])


@check("complexity of another graph")
def other_graph(cells: pd.DataFrame) -> Iterator[Finding]:
    wrong = cells[other_size(cells)]
    for label, part in setups.named(wrong):
        yield ("warning", part["cell_id"].iloc[0], f"{part['model'].nunique()} network(s) on {label} were timed at {part['input_px'].iloc[0]:.0f} px but their "
               f"multiply-adds are those at {float(part['complexity_px'].iloc[0]):.0f} px; time against complexity compares two graphs")
    right = cells[~other_size(cells)]
    for name in ("gmacs", "params_m"):
        middle = right.groupby(["model", "input_px"])[name].transform("median")
        odd = right[(right[name] / middle - 1).abs().gt(0.02) & middle.gt(0)]
        for at, row in odd.drop_duplicates(["model", "input_px", "setup"]).iterrows():
            yield ("error", row["cell_id"], f"{row['model']} at {row['input_px']:.0f} px on {row['setup']}: {name} is {row[name]:.4g}, elsewhere "
                   f"{middle[at]:.4g}; the graph that was timed is not the same network")


def _set(values: pd.Series) -> Any:
    return frozenset(values)


@check("mixed input sizes")
def mixed_inputs(cells: pd.DataFrame) -> Iterator[Finding]:
    keys = ["machine", "device", "backend", "precision", "scenario"]
    for key, part in cells[cells["input_px"].notna()].groupby(keys, dropna=False):
        sizes = part.groupby("model")["input_px"].agg(_set)
        usual = part.groupby("input_px")["model"].nunique().idxmax()
        odd = sizes[[usual not in values for values in sizes]]
        if len(odd):
            said = ", ".join(f"{model} ({', '.join(f'{px:.0f}' for px in sorted(values))} px)" for model, values in odd.head(5).items())
            said += f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            first = part[part["model"].eq(odd.index[0])]["cell_id"].iloc[0]
            yield ("warning", first, f"{key[0]} {key[2]}: {said} were not timed at {usual:.0f} px as the others; no ranking may hold both")
    for machine, part in setups.named(cells[cells["input_px"].notna()], "machine"):
        sizes = part.groupby("backend")["input_px"].agg(_set)
        for at, (a, left) in enumerate(list(sizes.items())):
            for b, right in list(sizes.items())[at + 1:]:
                if not left & right:
                    yield ("warning", part["cell_id"].iloc[0], f"{machine}: {a} was timed at {sorted(left)[0]:.0f} px and {b} at {sorted(right)[0]:.0f} px; "
                           "their ratio is no speed-up")


@check("degenerate network")
def degenerate(cells: pd.DataFrame) -> Iterator[Finding]:
    images = pd.to_numeric(cells.get("accuracy_images", pd.Series(np.nan, index=cells.index)), errors="coerce").fillna(1000)
    labelled = cells["quality"].map(lambda labels: "degenerate" in labels if isinstance(labels, (list, tuple)) else False)
    equal = cells["parity_max_rel"].eq(0) & cells["precision"].isin(["fp16", "bf16", "int8"]) & ~labelled
    guessing = cells["accuracy_source"].eq("measured") & cells["top1"].lt(2)
    for _, row in cells[labelled].iterrows():
        yield "error", row["cell_id"], f"{row['model']} on {row['setup']}: its outputs do not depend on its input; parity and time mean nothing"
    for _, row in cells[equal].iterrows():
        yield ("warning", row["cell_id"], f"{row['model']} on {row['setup']}: {row['precision']} outputs equal the fp32 reference to the last bit, so that "
               f"{row['precision']} was not used or the outputs are constant")
    for at, row in cells[guessing].iterrows():
        if suspects.chance(row["top1"], images[at]):
            yield "error", row["cell_id"], f"{row['model']} on {row['setup']}: a measured Top-1 of {row['top1']:.2g} % is that of guessing"


@check("unlike environments")
def unlike_environments(cells: pd.DataFrame) -> Iterator[Finding]:
    columns = [name for name in cells if str(name).startswith("env_") and _comparable(str(name)[4:])]
    for machine, part in cells.pipe(setups.named, "machine"):
        for name in columns:
            values = part[name].dropna().astype(str)
            if values.nunique() > 1:
                said = " and ".join(f"{value} ({count} cells)" for value, count in values.value_counts().head(3).items())
                yield ("warning", part.loc[values.index[-1], "cell_id"], f"{machine}: {name[4:]} was {said}; its cells are not from one set-up")


def _comparable(fact: str) -> bool:
    return fact in COMPARABLE or fact.startswith(tuple(f"{name}_" for name in NESTED))


@check("machine unknown")
def unnamed_machine(cells: pd.DataFrame) -> Iterator[Finding]:
    for source, part in cells[cells["source"].ne("records")].groupby("source"):
        facts = [name for name in part if str(name).startswith("env_") and part[name].notna().any()]
        if not facts:
            names = ", ".join(sorted(part["platform"].astype(str).unique()))
            yield ("note", part["cell_id"].iloc[0], f"{source}: {names} name(s) no machine, driver or version; compare orders of magnitude, not per cent")


@check("numbers that disagree")
def disagreeing(cells: pd.DataFrame) -> Iterator[Finding]:
    where = cells["model"] + " on " + cells["setup"] + ", batch " + cells["batch_size"].astype(int).astype(str)
    for at, row in cells[cells["top5"].lt(cells["top1"])].iterrows():
        yield "error", row["cell_id"], f"{where[at]}: Top-5 ({row['top5']:.4g}) is below Top-1 ({row['top1']:.4g})"
    low = cells[["latency_p90_s", "latency_p99_s"]].min(axis=1).lt(0.999 * cells["latency_s"])
    for at, row in cells[low].iterrows():
        yield "error", row["cell_id"], f"{where[at]}: a high percentile of latency lies below the median"
    implied = cells["energy_j"] * cells["throughput"]
    apart = cells["power_w"].gt(0) & (implied.gt(2 * cells["power_w"]) | implied.lt(0.3 * cells["power_w"]))
    for at, row in cells[apart].iterrows():
        yield ("warning", row["cell_id"], f"{where[at]}: energy per image times throughput is {implied[at]:.3g} W, power reads {row['power_w']:.3g} W")

"""What changed and what can't be trusted. Each from the frame, each a table or sentences."""

from datetime import datetime

import numpy as np
import pandas as pd

from analysis import checks
from analysis.compare import compare, judge
from analysis.compare.noise import Floor
from analysis.frame import noise
from analysis.frame.cached import computed_once
from analysis.frame.frame import Merged, latest, latest_cells, ranked
from analysis.frame.words import few, plural

AGAIN = [
    "role",
    "anchor",
    "started_at",
    "attempt",
    "run",
    "replicate_medians_s",
    "series",
    "label",
    "batch_size",
    "scenario",
]  # of a cell that was measured again
CHANGE = 0.05  # smallest change of a median that is worth a line
QUALITY = {
    "contended": "others were using the CPU or GPU; left out of rankings", "unsteady": "the warm-up had not settled when its time was up",
    "quota": "a CPU quota paused the process now and then, so some calls took long",
    "drifting": "most processes became slower or faster while being timed",
    "noisy": "the samples scatter widely", "throttled": "the clock was lowered by heat or power", "parity": "outputs differ from the fp32 PyTorch reference",
    "degenerate": "the output does not depend on the input",
}  # fmt: skip


def last_day(frame: pd.DataFrame) -> str:
    """The day of the latest record in words; empty where no record has a date."""
    dates = [value for value in frame["started_at"] if isinstance(value, str) and value[:4].isdigit()]
    if not dates:
        return ""
    day = datetime.fromisoformat(max(dates).replace("Z", "+00:00"))
    return f"{day.day} {day:%B %Y}"


@computed_once
def changes(frame: pd.DataFrame, floors: tuple[Floor, ...] = ()) -> pd.DataFrame:
    """Cells that were measured again and became faster or slower by at least 5 %, largest first.

    The verdict is `compare`'s for the two runs: corrected for the number of cells, and beyond the noise floor of the host, or what its anchors show.
    """
    good = frame[(frame["role"] == "cell") & (frame["status"] == "ok") & ~frame["contended"] & frame["latency_s"].notna()]
    keys = ["source", "platform", "host", "cell_id"]
    told = [*keys, *AGAIN, *good.columns.intersection(["file", "rounds", "env_threads_rule"])]
    good = good[told]  # a row is a hundred columns wide
    last = latest(good)
    earlier = latest(good.drop(last.index))
    both = last.merge(earlier, on=keys, suffixes=("", "_before"))
    rules = both.get("env_threads_rule"), both.get("env_threads_rule_before")
    if rules[0] is not None and rules[1] is not None:
        both = both[
            rules[0].isna() | rules[1].isna() | rules[0].eq(rules[1])
        ]  # another rule of the threads is no change of what was measured
    known = {floor.host: floor.between for floor in floors}
    judged = []
    for (host, before, after), pairs in both.groupby(["host", "run_before", "run"], dropna=False):
        sides = pairs["replicate_medians_s_before"], pairs["replicate_medians_s"]
        mine, floor = frame[frame["host"] == host], known.get(str(host))
        drift = 0.0 if floor else compare.drift(*(mine[mine["run"] == run] for run in (before, after)))
        before_spread, after_spread = (pairs[name].gt(1).to_numpy(bool) if name in pairs else False for name in ("rounds_before", "rounds"))
        judged.append(
            judge.judge(*sides, CHANGE, floor=floor or noise.moments(mine), drifted=drift, spread=(before_spread, after_spread)).set_index(
                pairs.index
            )
        )
    verdicts = pd.concat(judged).reindex(both.index) if judged else pd.DataFrame(columns=["verdict", "ratio", "low", "high"])
    both = both.assign(
        **{name: verdicts[name] for name in ("verdict", "ratio", "low", "high")}, before=both["run_before"], after=both["run"]
    )
    both = both[both["verdict"].isin([judge.FASTER, judge.SLOWER])].assign(verdict=lambda rows: rows["verdict"].str.lower())
    columns = ["platform", "series", "label", "batch_size", "scenario", "verdict", "ratio", "low", "high", "before", "after"]
    return both[columns].sort_values("ratio", key=lambda r: -np.log(r.astype(float)).abs(), ignore_index=True)


def noise_sentence(frame: pd.DataFrame, floors: tuple[Floor, ...]) -> str:
    """The noise floor of the hosts, in words."""
    found = {floor.host: floor for floor in floors}
    hosts = sorted(frame["host"].dropna().astype(str).unique())
    said = [
        f"{host} by {100 * np.expm1(np.hypot(found[host].sweep_sd, found[host].shared_sd)):.1f} % beyond what their replicates show"
        f" (95 % of {found[host].cells} cells by less than {100 * np.expm1(found[host].largest):.1f} %)"
        for host in hosts
        if host in found
    ]
    unknown = [host for host in hosts if host not in found]
    known = f"Noise floor: two identical sweeps differ on {'; on '.join(said)}; smaller changes are not reported. " if said else ""
    return (
        known
        + (
            f"The noise {'floor' if len(unknown) == 1 else 'floors'} of {few(unknown)} {'is' if len(unknown) == 1 else 'are'} unknown; dyno noise measures {'it' if len(unknown) == 1 else 'them'}."
            if unknown
            else ""
        )
    ).strip()


def change_sentence(frame: pd.DataFrame, changed: pd.DataFrame, floors: tuple[Floor, ...] = ()) -> str:
    """What changed since earlier runs, and how large a change must be to be told."""
    cells = frame[(frame["role"] == "cell") & (frame["status"] == "ok")]
    again = int((cells.groupby(["source", "platform", "host", "cell_id"]).size() > 1).sum())
    noise = noise_sentence(cells[cells["source"] == "records"], floors)
    if not again:
        return f"No cell was measured twice, so nothing can have changed. {noise}".strip()
    counts = changed["verdict"].value_counts()
    told = [f"{counts[verdict]} became {verdict}" for verdict in ("faster", "slower") if counts.get(verdict)]
    rest = again - len(changed)
    told += [f"{rest} {'shows' if rest == 1 else 'show'} no change of 5 % or more beyond the noise"] if rest else []
    return f"{plural(again, 'cell')} {'was' if again == 1 else 'were'} measured again: {', '.join(told)}. {noise}".strip()


def aside(count: int, what: str) -> str:
    """`1 line is torn or no JSON and was set aside`; `what` is worded for many."""
    if count == 1:
        first, _, rest = what.partition(" ")
        what = f"{ {'are': 'is', 'have': 'has', 'repeat': 'repeats'}.get(first, first) } {rest}"
    return f"{plural(count, 'line')} {what} and {'was' if count == 1 else 'were'} set aside"


def doubts(merged: Merged) -> list[str]:
    """What can't be trusted, a sentence each; gravest first. Findings of plausibility come as a table of their own."""
    frame = merged.frame
    said = []
    for what in sorted({what for _, what in merged.problems}):
        files = {name: count for (name, other), count in merged.problems.items() if other == what}
        said.append(f"{aside(sum(files.values()), what)} ({few(sorted(files))}).")
    cells = latest_cells(frame)
    for status, verb in (("failed", "failed"), ("skipped", "skipped")):
        if count := int((cells["status"] == status).sum()):
            verb = verb if status == "failed" else f"{'was' if count == 1 else 'were'} skipped"
            said.append(
                f"{count:,} of {plural(len(cells), 'cell')} {verb}; {'its reason stands' if count == 1 else 'their reasons stand'} under Coverage."
            )
    labels = cells.loc[cells["status"] == "ok", "quality"].explode().value_counts()
    said += [
        f"{plural(count, 'cell')} {'is' if count == 1 else 'are'} labelled {label}: {QUALITY[label]}."
        for label, count in labels.items()
        if label in QUALITY
    ]
    good = ranked(frame)
    if good["input_px"].nunique() > 1:  # NaN, of an import that tells none, is no size
        sizes = ", ".join(f"{int(px)} px" for px in sorted(good["input_px"].dropna().unique()))
        said.append(
            f"Input sizes differ ({sizes}): a network timed at an unusual size carries it in its name, and does not compare like for like."
        )
    unrated = sorted(good.loc[good["top1"].isna(), "label"].unique())
    if unrated:
        said.append(
            f"No Top-1 is known at the timed input size for {few(unrated)}; charts of accuracy leave {'it' if len(unrated) == 1 else 'them'} out."
        )
    sources = good.loc[good["top1"].notna(), "accuracy_source"].value_counts()
    if "published" in sources and len(sources) > 1:
        said.append(
            f"Top-1 is published for {sources['published']:,} cells and measured for the others, on other images; the two don't compare."
        )
    elif "published" in sources:
        random = int(good["weights"].eq("random").sum())
        beside = (
            f"; {plural(random, 'cell')} {'was' if random == 1 else 'were'} timed with random weights, which take as long" if random else ""
        )
        said.append(f"Top-1 and Top-5 are the values published with pretrained weights, not measured here{beside}.")
    alone = good[good["n_replicates"] < 2]
    if len(alone):
        said.append(
            f"{plural(len(alone), 'cell')} {'comes' if len(alone) == 1 else 'come'} from one process or none, and so {'has' if len(alone) == 1 else 'have'} no interval."
        )
    return said


def findings(frame: pd.DataFrame) -> pd.DataFrame:
    """The plausibility checks' findings."""
    return checks.findings(frame)


def summary(found: pd.DataFrame, most: int = 3) -> list[tuple[str, str, int, list[str]]]:
    """Findings by check, gravest and rarest first: (check, severity, how many, the first messages)."""
    rows = []
    for (severity, check), group in found.groupby(["severity", "check"], sort=False):
        rows.append((str(check), str(severity), len(group), [str(m) for m in group["message"].drop_duplicates().head(most)]))
    graveness = {"error": 0, "warning": 1}
    return sorted(rows, key=lambda row: (graveness.get(row[1], 2), row[2]))

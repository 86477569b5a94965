"""Analysis of variance of log time: which factor decides, crossed as it should be, and one-way as the studies did it."""

import itertools

import pandas as pd

from analysis.analyses._tables import stacked
from analysis.frame import setups
from analysis.frame.cached import computed_once
from analysis.stats import anova

TITLE = "What decides the time: analysis of variance"
MOST_LEVELS = 150  # networks; beyond that a seeded sample stands for all, because the design matrix grows with them
CROSSED = ("backend", "precision", "power_mode")  # factors of a set-up that may be crossed with one another
NAMES = {"model": "the network", "batch_size": "the batch size", "setup": "the set-up", "backend": "the backend", "precision": "the precision",
         "power_mode": "the power mode"}  # fmt: skip
COLUMNS = ["setup", "source", "ss", "df", "ms", "f", "p", "partial_eta2", "r2", "n"]


def rows(frame: pd.DataFrame) -> pd.DataFrame:
    """One observation per comparable cell with one batch in flight: log of seconds per image."""
    cells = setups.one_in_flight(setups.comparable(frame))
    networks = cells["model"].drop_duplicates()
    if len(networks) > MOST_LEVELS:
        cells = cells[cells["model"].isin(networks.sample(MOST_LEVELS, random_state=0))]
    return cells


def factors(cells: pd.DataFrame) -> list[str]:
    """The factors with two levels or more, among network, batch size and set-up."""
    return [name for name in ("model", "batch_size", "setup") if cells[name].nunique() > 1]


def crossings(cells: pd.DataFrame) -> list[tuple[str, pd.DataFrame, list[str]]]:
    """(label, observations, factors) of any two factors of a set-up that are crossed (precision x power mode, say), over networks that have every combination."""
    found = []
    cells = cells.assign(board=_boards(cells))
    there = [name for name in CROSSED if name in cells and cells[name].nunique() > 1]
    for a, b in itertools.combinations(there, 2):
        part = cells.dropna(subset=[a, b])
        combinations = part[a].nunique() * part[b].nunique()
        key = [
            "board",
            "device",
            "model",
            "batch_size",
            *(n for n in CROSSED if n in part and n not in (a, b)),
        ]
        seen = part.assign(pair=part[a].astype(str) + " " + part[b].astype(str)).groupby(key, dropna=False)["pair"].transform("nunique")
        part = part[seen == combinations]
        if len(part) and part[a].nunique() > 1 and part[b].nunique() > 1:
            names = [*(name for name in ("model", "batch_size") if part[name].nunique() > 1), a, b]
            found.append((f"{NAMES[a]} x {NAMES[b]}".replace("the ", ""), part, names))
    return found


def _boards(cells: pd.DataFrame) -> list[str]:
    """Machines without the power mode that tells those of one board apart."""
    return [str(platform).replace(f" ({mode})", "") for platform, mode in zip(cells["platform"], cells["power_mode"], strict=True)]


@computed_once
def parts(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame, list[str]]]:
    """(label, observations, factors) of every set-up with two crossed factors, then of all set-ups together where there are several."""
    cells = rows(frame)
    found = [(label, part, ["model", "batch_size"]) for label, part in setups.each(cells) if len(factors(part.assign(setup=""))) == 2]
    if cells["setup"].nunique() > 1 and len(factors(cells)) > 1:
        found.append(("all set-ups", cells, factors(cells)))
    found += crossings(cells)
    return [(label, part, names) for label, part, names in found if len(part) > 1 + sum(part[name].nunique() - 1 for name in names)]


@computed_once
def analyse(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`crossed` (type II, on log time), `assumptions` in words, `scale` (additivity on log time against raw time), `one-way, as in the studies`."""
    crossed, checks, scale, single = [], [], [], []
    for label, part, names in parts(frame):
        pair = [(names[-2], names[-1])] if " x " in label else []
        found = anova.factorial(part, "log_time", names, interactions=pair)
        crossed.append(found.table.assign(r2=found.r2, n=len(part), setup=label).reset_index())
        checks.append(anova.assumptions(part, "log_time", names).assign(setup=label))
        for name, value in (("logarithm of time", "log_time"), ("raw time", "image_s")):
            scale.append({"setup": label, "scale": name, **anova.nonadditivity(part, value, names)})
        for factor in names if label != "all set-ups" and " x " not in label else []:
            one = anova.one_way(part, "log_time", factor)
            equal, welch = anova.levene(part, "log_time", factor), anova.welch(part, "log_time", factor)
            between = one.loc["between"]
            single.append(
                {
                    "setup": label,
                    "factor": factor,
                    "f": between["f"],
                    "df1": between["df"],
                    "df2": one.loc["within", "df"],
                    "p": between["p"],
                    "levene": equal["statistic"],
                    "levene_p": equal["p"],
                    "welch_f": welch["f"],
                    "welch_p": welch["p"],
                }
            )
    return {
        "crossed": stacked(crossed, COLUMNS),
        "assumptions": stacked(checks, ["setup", "check", "statistic", "p", "holds", "words"]),
        "scale": pd.DataFrame(scale, columns=["setup", "scale", "f", "df1", "df2", "p"]),
        "one-way, as in the studies": pd.DataFrame(
            single, columns=["setup", "factor", "f", "df1", "df2", "p", "levene", "levene_p", "welch_f", "welch_p"]
        ),
    }


def _name(source: str) -> str:
    """A source of variance in words; an interaction names both of its factors."""
    return " with ".join(NAMES.get(part.strip(), part.strip()) for part in source.replace(" x ", ":").split(":"))


def explain(frame: pd.DataFrame) -> str:
    """What explains most of the variance, and on which scale effects add up."""
    tables = analyse(frame)
    table = tables["crossed"]
    if table.empty:
        return "No set-up has two networks at two batch sizes or more, so nothing can be crossed."
    said = []
    for label, part in table.groupby("setup", sort=False):
        tested = part[part["f"].notna()]
        first = tested.sort_values("ss").iloc[-1]
        total = part.loc[part["source"] == "total", "ss"].iloc[0]
        said.append(
            f"{label}: {_name(first['source'])} explains {100 * first['ss'] / total:.0f} % of the variance of log time (R² of the model "
            f"{first['r2']:.4f})"
        )
    log, raw = (tables["scale"].query("scale == @name")["p"] for name in ("logarithm of time", "raw time"))
    return (
        setups.one_sentence(said[::-1])  # all set-ups together first
        + f" Effects add up on the log scale in {int((log >= 0.05).sum())} of {len(log)} analyses, on raw time in {int((raw >= 0.05).sum()) or 'none'}."
    )

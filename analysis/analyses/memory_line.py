"""Memory against parameters: a robust line, and the networks that it sets aside."""

import pandas as pd

from analysis.frame import metrics, setups
from analysis.frame.cached import computed_once
from analysis.stats import robust

TITLE = "Memory against parameters"


def points(frame: pd.DataFrame) -> pd.DataFrame:
    """Comparable cells with memory and parameters, at each set-up's smallest batch size; with params_mib."""
    cells = setups.comparable(frame)
    cells = cells[cells["memory_mb"].notna() & cells["params_m"].notna()]
    cells = cells[cells["batch_size"] == cells.groupby("setup")["batch_size"].transform("min")]
    return cells.assign(params_mib=1e6 * cells["params_m"] * metrics.FP32_BYTES / metrics.MEBI)


@computed_once
def lines(frame: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, robust.Line]]:
    """{set-up: (points, line)} where there are four networks of different size."""
    cells = points(frame)
    return {
        label: (part, robust.line(part["params_mib"].to_numpy(float), part["memory_mb"].to_numpy(float)))
        for label, part in setups.named(cells)
        if len(part) >= 4 and part["params_mib"].nunique() > 1
    }


@computed_once
def analyse(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per set-up: base_mb and mb_per_mib with its interval, r2, sigma_mb, loo_percent (mean over all points, those set aside included)."""
    rows = []
    for label, (part, line) in lines(frame).items():
        low, high = line.slope_interval()
        rows.append(
            {
                "setup": label,
                "batch_size": int(part["batch_size"].iloc[0]),
                "base_mb": line.intercept,
                "mb_per_mib": line.slope,
                "low": low,
                "high": high,
                "r2": line.r2,
                "sigma_mb": line.sigma,
                "loo_percent": 100 * line.loo_error,
                "n": len(part),
                "set_aside": ", ".join(part.loc[line.aside, "model"]),
            }
        )
    return pd.DataFrame(
        rows, columns=["setup", "batch_size", "base_mb", "mb_per_mib", "low", "high", "r2", "sigma_mb", "loo_percent", "n", "set_aside"]
    )


def insiders(names: str, most: int = 4) -> str:
    """A list of names in words, long ones cut."""
    found = names.split(", ")
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def explain(frame: pd.DataFrame) -> str:
    """The line in words."""
    table = analyse(frame)
    if table.empty:
        return "Fewer than four networks have both memory and parameters."
    said = [
        f"{r.setup}: {r.base_mb:.0f} MiB plus {r.mb_per_mib:.2f} MiB per MiB of parameters (R² {r.r2:.3f}, leave-one-out error {r.loo_percent:.1f} %)"
        + (f", leaving out {insiders(r.set_aside)}" if r.set_aside else "")
        for r in setups.lines(table.sort_values("n", ascending=False, kind="stable"))
    ]
    return setups.one_sentence(said)

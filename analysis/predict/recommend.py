"""What to deploy on a platform within limits: the frontier of accuracy and latency, measured networks first, predicted ones marked."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frame import data_sets
from analysis.frame.cached import keeping
from analysis.frame.setups import matching
from analysis.predict.contenders import candidates
from analysis.predict.limits import Limits, chance, met, relax, settling
from analysis.stats.pareto import frontier


@dataclass(frozen=True)
class Advice:
    """Candidates (all, with `meets` and `frontier`), and, where none meets the limits, what to relax."""

    platform: str
    batch_size: int
    limits: Limits
    candidates: pd.DataFrame
    relax: tuple[str, ...]
    settle: tuple[str, ...] = ()  # the measurements that would tell most: networks that could beat the best one measured

    @property
    def recommended(self) -> pd.DataFrame:
        """The frontier of those that meet the limits, measured or predicted."""
        return self._ordered("frontier")

    @property
    def shown(self) -> pd.DataFrame:
        """The answer: the frontier of the measured ones, then what is predicted beyond it. The page's verdict takes the first measured one, too."""
        own = self.recommended
        parts = [part for part in (self.best_measured, own[own["kind"].eq("predicted")]) if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else own

    @property
    def fitting(self) -> pd.DataFrame:
        """Everything that meets the limits, in the same order."""
        return self._ordered("meets")

    @property
    def best_measured(self) -> pd.DataFrame:
        """The frontier of the measured ones that meet the limits, whatever is predicted of others."""
        own = self.fitting[self.fitting["kind"].ne("predicted")]
        return own[frontier(own["latency_s"].to_numpy(float), own["top1"].fillna(0.0).to_numpy(float))].reset_index(drop=True)

    def _ordered(self, which: str) -> pd.DataFrame:
        """Measured ones first; then the most accurate first, but the fastest where nothing but Top-1 is limited."""
        own = self.candidates[self.candidates[which]]
        fastest = set(self.limits.given()) == {"top1"}
        keys = own.assign(predicted=own["kind"].eq("predicted"), loss=0.0 if fastest else -own["top1"].fillna(0.0))
        return own.loc[keys.sort_values(["predicted", "loss", "latency_s"], kind="stable").index].reset_index(drop=True)

    def as_dict(self, everything: bool = False) -> dict[str, Any]:
        """For JSON: missing numbers are null. `everything`: all that meets the limits, not the frontier alone."""
        return {
            "platform": self.platform,
            "batch_size": self.batch_size,
            "limits": asdict(self.limits),
            "recommended": _plain(self.fitting if everything else self.shown),
            "best_measured": _plain(self.best_measured),
            "relax": list(self.relax),
            "settle": list(self.settle),
        }


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in rows.astype(object).where(rows.notna(), None).to_dict("records")]


@keeping()
def advise(
    frame: pd.DataFrame,
    platform: str,
    limits: Limits,
    batch_size: int = 1,
    known: pd.DataFrame | None = None,
    every_tag: bool = False,
    **wanted: str | None,
) -> Advice:
    """Advice from a frame. Candidates are all networks in it, measured on the platform or not, in every set-up of the platform that matches `wanted`.

    known: more candidates (analysis.predict.candidates.rows), with the frame's columns of a network. every_tag: each set of weights that a time
    serves is a candidate, not the best alone.
    """
    frame = data_sets.most_common(frame)
    tables = [
        candidates(frame, setup, rows, batch_size, limits, known, every_tag) for setup, rows in matching(frame, platform, **wanted).items()
    ]
    table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
    for name, limit in limits.given().items():
        table[f"sure_{name}"] = chance(table, name, limit)
    sure = table[[f"sure_{name}" for name in limits.given()]]
    table["sure"] = sure.prod(axis=1, skipna=False) if limits.given() else 1.0
    table["meets"] = met(table, limits, table["sure"].to_numpy(float))
    table.loc[table["kind"].eq("imported"), "sure"] = np.nan  # its spread is not known, so neither is the chance
    gain = table["top1"].fillna(0.0).to_numpy(float)  # without a known accuracy only the fastest counts
    table["frontier"] = False
    meets = table["meets"].to_numpy(bool)
    table.loc[meets, "frontier"] = frontier(table.loc[meets, "latency_s"].to_numpy(float), gain[meets])
    return Advice(platform, batch_size, limits, table, () if meets.any() else tuple(relax(table, limits)), tuple(settling(table)))

"""Accuracy density against Top-1 with a fit (Zhao's figure 2)."""

import altair as alt
import pandas as pd
from matplotlib.figure import Figure

from analysis.charts import _interactive as live
from analysis.charts import _names, base
from analysis.charts._style import Style
from analysis.frame.cached import computed_once
from analysis.stats import fit

TITLE = "Accuracy density against Top-1"
ORDER = 61


@computed_once
def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Networks with both."""
    return base.networks(frame).dropna(subset=["density", "top1"]).reset_index(drop=True)


def applies(frame: pd.DataFrame) -> str | None:
    """Why there is no such chart."""
    return base.enough(base.networks(frame), "density", "top1")


@computed_once
def curve_of(rows: pd.DataFrame) -> fit.Fit | None:
    """The fitted curve, on the logarithm of density."""
    return base.fitted(rows["top1"], rows["density"], log_y=True)


def draw(frame: pd.DataFrame, style: Style) -> Figure:
    """Density on a logarithmic axis."""
    rows = rows_of(frame)
    figure, (axis,) = base.panels(1, style, height=5.2)
    base.scatter(axis, rows, "top1", "density", style)
    axis.margins(0.08, 0.1)
    curve = curve_of(rows)
    base.curve(axis, curve, style, log_x=False, metric="density")
    base.caption(axis, "", curve.summary if curve else "")
    base.family_legend(figure, rows, style, base.band_handles(style) if curve else ())
    _names.label(axis, rows, "top1", "density", style)
    return figure


def explain(frame: pd.DataFrame) -> str:
    """Whether accuracy is bought with parameters."""
    rows = rows_of(frame)
    curve = curve_of(rows)
    if len(rows) < base.LEAST_FIT:
        return f"{len(rows)} networks; {base.LEAST_FIT} are needed to say whether accuracy and density are related."
    rank = rows["top1"].corr(rows["density"], method="spearman")
    words = (
        "the more accurate, the less dense"
        if rank < -0.3
        else "the more accurate, the denser"
        if rank > 0.3
        else "accuracy and density are hardly related"
    )
    return f"{words[:1].upper()}{words[1:]}: Spearman’s rank correlation is {rank:.2f}" + (f" ({curve.summary})." if curve else ".")


def interactive(frame: pd.DataFrame) -> alt.LayerChart:
    """Points with tooltips, curve and bands."""
    table = live.networks_table(frame)
    curve = curve_of(rows_of(frame))
    layers = [live.points("networks", "top1", "density", table["family"], ["density", "top1", "params", "macs"])]
    tables = {"networks": table}
    if curve:
        tables["density_curve"] = live.bands(curve, log_x=False, metric="density")
        layers = [*live.band_layers("density_curve", "top1", "density"), *layers]
    return live.named(alt.layer(*layers).properties(width=2 * live.WIDTH - 120, height=live.HEIGHT + 60), **tables)

"""What charts share: choosing cells, scatter by family, labels that don't overlap, fitted curves with bands, legends.

`PER = "platform"` in a chart's module asks for one figure per platform; otherwise it gets the whole frame once.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from analysis.charts import _style as styles
from analysis.charts._style import Style
from analysis.frame import data_sets, metrics
from analysis.frame.cached import computed_once
from analysis.frame.frame import ranked
from analysis.stats.fit import Fit, fit

POINTS = 40  # per curve
LEAST_FIT = 8  # points, below which a curve says more about the law than about the networks
MOST_NAMED = 80  # points, beyond which only the frontier is named
MOST_FAMILIES = 24  # of a legend
MOST_ROWS = 150  # networks, beyond which a figure with a line for each can't be read
BOUNDS = {
    "top1": (0.0, 100.0),
    "top5": (0.0, 100.0),
    "memory": (0.0, np.inf),
    "density": (0.0, np.inf),
}  # what a curve or an axis can't leave
BUBBLE = 2.4  # square points of bubble area per million parameters


@computed_once
def slice_of(frame: pd.DataFrame, scenario: str = "latency") -> pd.DataFrame:
    """The ranked cells of a scenario at one batch size of each platform, the smallest that half of its networks have, with metrics as columns."""
    cells = data_sets.most_common_each(ranked(frame))
    cells = cells[cells["scenario"] == scenario]
    usual = {platform: usual_batches(part["label"], part["batch_size"])[0] for platform, part in cells.groupby("platform")}
    return metrics.table(cells[cells["batch_size"] == cells["platform"].map(usual)])


def usual_batches(networks: Iterable[str], batches: Iterable[float]) -> list[int]:
    """The batch sizes that at least half of the networks were measured at, else the one that most were; ascending."""
    pairs = pd.DataFrame({"network": list(networks), "batch": list(batches)}).drop_duplicates()
    counts = pairs["batch"].value_counts()
    common = counts[2 * counts >= pairs["network"].nunique()].index
    return sorted(int(batch) for batch in (common if len(common) else counts.index[:1]))


def fitted(x: Any, y: Any, **options: Any) -> Fit | None:
    """The best-supported curve; None with fewer than LEAST_FIT points, or fewer than half as many different x."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < LEAST_FIT or len(np.unique(x[known])) < LEAST_FIT / 2:
        return None
    return fit(x, y, **options)


def bounded(bands: Any, metric: str) -> Any:
    """A curve and its bands (by name, as `Fit.curve` gives them) inside what the metric can be."""
    low, high = BOUNDS.get(metric, (-np.inf, np.inf))
    for name in ("y", "lo", "hi", "plo", "phi"):
        bands[name] = np.clip(bands[name], low, high)
    return bands


def within(axis: Axes, metric: str) -> None:
    """Keep the vertical axis inside what the metric can be."""
    low, high = BOUNDS.get(metric, (-np.inf, np.inf))
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(bottom, low), min(top, high))


@computed_once
def networks(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per network (and input size), whatever measured it: complexity, parameters and accuracy, with metrics as columns."""
    frame = data_sets.most_common(frame)
    rows = metrics.table(frame[(frame["status"] == "ok") & frame["params_m"].notna()])
    rows = rows.drop_duplicates("label").sort_values("label")
    return rows.drop_duplicates(["model", "gmacs", "params_m", "top1"]).reset_index(
        drop=True
    )  # timed at two sizes and known at one, it is one network


def enough(rows: pd.DataFrame, *columns: str, least: int = 2) -> str | None:
    """Why these rows make no chart: too few have every column; None when they do."""
    found = rows.dropna(subset=list(columns))["label"].nunique() if len(rows) else 0
    if found >= least:
        return None
    titles = [_lower(metrics.METRICS[c].label) if c in metrics.METRICS else c for c in columns]
    who = {0: "no network has", 1: "only one network has"}.get(found, f"only {found} networks have")
    return f"{who} {'both ' if len(titles) == 2 else ''}{' and '.join(titles)} on record" + (f", and it takes {least}" if least > 1 else "")


def _lower(label: str) -> str:
    """A label inside a sentence: `Top-1 accuracy` keeps its capital, `Latency` does not."""
    return label if label.startswith("Top-") else label[:1].lower() + label[1:]


def readable(count: int) -> str | None:
    """Why a figure with a line for each network can't be drawn for that many; None where it can."""
    return None if count <= MOST_ROWS else f"{count:,} networks are too many lines for a figure; the tables hold them all"


def panels(count: int, style: Style, width: float = 7.2, height: float = 4.4) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels: one wide, or rows of two."""
    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(width if columns == 1 else 1.35 * width, height * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def scatter(axis: Axes, rows: pd.DataFrame, x: str, y: str, style: Style, size: float | pd.Series = 26) -> None:
    """Points by family: colour and shape as everywhere; axes are named and scaled by their metrics."""
    for family in styles.order(rows["family"]):
        mine = rows["family"] == family
        area = size[mine] if isinstance(size, pd.Series) else size
        colour = styles.family(family)[0]
        axis.scatter(
            rows.loc[mine, x],
            rows.loc[mine, y],
            s=area,
            c=colour,
            marker=styles.marker(family),
            edgecolors=style.ink,
            linewidths=0.4,
            alpha=0.85,
            zorder=3,
        )
    for name, which in ((x, "x"), (y, "y")):
        metric = metrics.METRICS[name]
        getattr(axis, f"set_{which}label")(metric.title)
        if metric.log:
            log_axis(axis, which)


def log_axis(axis: Axes, which: str) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    getattr(axis, f"set_{which}scale")("log")
    low, high = getattr(axis, f"get_{which}lim")()
    side = getattr(axis, f"{which}axis")
    wide = np.log10(high / low) > 2.2
    side.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=20))
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    side.set_minor_formatter(NullFormatter())
    if not wide:
        side.set_minor_locator(NullLocator())  # 1, 2, 5 are marks enough, and each mark costs in every format


def settle(figure: Any) -> None:
    """Lay the figure out once and for all: places of labels are found in it, and three formats are saved from it."""
    engine = figure.get_layout_engine()
    if not isinstance(engine, PlaceHolderLayoutEngine | None):
        engine.execute(figure)  # a drawing without rendering would do the same, and then draw
        figure.set_layout_engine("none")
    for axis in figure.axes:  # the solver's last digits depend on where objects lie in memory; the same records give the same file
        axis.set_position(axis.get_position(original=True).from_bounds(*np.round(axis.get_position(original=True).bounds, 6)))


def caption(axis: Axes, name: str, summary: str = "") -> None:
    """A panel's title: its name, and below it what was fitted, wrapped to the panel's width in lines of like length."""
    figure: Any = axis.figure
    place: Any = axis.get_subplotspec()
    width = int(figure.get_figwidth() * 14 / place.get_gridspec().ncols)
    # No line begins with a number that belongs to the name before it, or with a unit.
    summary = re.sub(r"(?<=\d) (?=%|GB/s|GFLOP/s)", "\u00a0", summary.replace(" = ", "\u00a0=\u00a0"))
    lines = textwrap.wrap(summary, width, break_on_hyphens=False)
    while len(lines) > 1 and width > 20:
        narrower = textwrap.wrap(summary, width - 1, break_on_hyphens=False)
        if len(narrower) > len(lines):
            break
        lines, width = narrower, width - 1
    axis.set_title("\n".join(filter(None, [name, *lines])), loc="left", fontsize=7.5)


def short(labels: Sequence[str]) -> list[str]:
    """Names without their source (`timm:dpn68` -> dpn68), which the tables keep."""
    return [str(name).split(":")[-1] for name in labels]


def curve(axis: Axes, law: Fit | None, style: Style, log_x: bool, metric: str = "") -> None:
    """A fitted curve over the data's range, its 95 % confidence band and, lighter, its prediction band."""
    within(axis, metric)
    if law is None:
        return
    x = grid(law, log_x)
    bands = bounded(law.curve(x), metric)
    limits = axis.get_ylim()
    axis.fill_between(x, bands["plo"], bands["phi"], color=style.curve, alpha=0.08, linewidth=0, zorder=1)
    axis.fill_between(x, bands["lo"], bands["hi"], color=style.curve, alpha=0.18, linewidth=0, zorder=1)
    axis.plot(x, bands["y"], color=style.curve, linewidth=1.3, zorder=2)
    axis.set_ylim(limits)


def grid(law: Fit, log_x: bool, count: int = POINTS) -> np.ndarray:
    """Where a curve is evaluated: the range of its data, no further."""
    return np.geomspace(*law.x_range, count) if log_x else np.linspace(*law.x_range, count)


def family_legend(figure: Figure, rows: pd.DataFrame, style: Style, extra: Sequence[Artist] = ()) -> None:
    """One legend of the families that are there, the most common where there are many, below the figure."""
    families = rows["family"].value_counts()
    shown = styles.order(families.index[:MOST_FAMILIES])
    handles = [Line2D([], [], linestyle="", marker=styles.marker(f), markerfacecolor=styles.family(f)[0], markeredgecolor=style.ink, markeredgewidth=0.4, markersize=5.5, label=f)
               for f in shown]  # fmt: skip
    if len(families) > len(shown):
        handles.append(Line2D([], [], linestyle="", label=f"and {len(families) - len(shown)} more families"))
    figure.legend(
        handles=[*handles, *extra],
        loc="outside lower center",
        ncols=min(len(handles) + len(extra), 8 if figure.get_figwidth() > 8 else 6),
        handletextpad=0.5,
        handlelength=1.6,
        columnspacing=1.2,
    )


def band_handles(style: Style) -> list[Artist]:
    """Legend entries of a fitted curve and its bands."""
    return [Line2D([], [], color=style.curve, linewidth=1.3, label="fit"), Patch(color=style.curve, alpha=0.25, linewidth=0, label="95 % confidence"),
            Patch(color=style.curve, alpha=0.1, linewidth=0, label="95 % prediction")]  # fmt: skip


def best(rows: pd.DataFrame, column: str) -> pd.Series:
    """The row that is best by a metric."""
    index = rows[column].idxmax() if metrics.METRICS[column].better == "higher" else rows[column].idxmin()
    return rows.loc[index]

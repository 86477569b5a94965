"""Dyno's analysis: record files in, one frame, figures, tables and one report out.

from analysis import charts
from analysis.charts import _style as style
from analysis.frame import frame

merged = frame.merge(["results/records"])
charts.load("pareto").draw(frame.ranked(merged.frame), style.LIGHT)
"""

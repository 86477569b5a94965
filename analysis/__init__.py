"""Dyno's analysis: record files in, one frame, figures, tables and one report out.

from analysis import frame, charts, style
merged = frame.merge(["results/records"])
charts.load("pareto").draw(frame.ranked(merged.frame), style.LIGHT)
"""

"""What the page says is true: each statement that was once false, and what took its place."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import analyses, charts
from analysis.analyses import coverage, inference_time
from analysis.charts import base, pareto
from analysis.frame import frame as frames
from analysis.report import insight, page, report, screen, sections, tables, trust, verdict
from analysis.report.entries import batches, entries, fastest, frontier
from analysis.report.verdict import Limits, decide
from tests.analysis.records import CLASSIC, QUICK, cell_record, environment_record, frame_of, write


def framed(*records):
    return report.by_machine(frame_of(*records))


def timed(model, seconds, **changes):
    record = cell_record("synthetic-cpu", "pytorch", model, samples=12, **changes)
    for replicate, drift in zip(record["replicates"], (0.99, 1.0, 1.01), strict=False):
        replicate["samples_s"] = [seconds * drift] * 12
    return record


FOUR = dict(zip(("alexnet", "resnet18", "resnet50", "vgg19"), (0.004, 0.010, 0.030, 0.2), strict=True))


def four():
    return entries(framed(*(timed(model, seconds) for model, seconds in FOUR.items())))


def test_the_verdict_is_the_most_accurate_network_within_the_limit():
    found = decide(four(), Limits(ms=33.3))
    assert found.title.startswith("Take resnet50: 81.1 % Top-1 in 30.0 ms with PyTorch")
    assert "Its Top-1 is that of the weights timm:resnet50.fb_swsl_ig1b_ft_in1k; random ones were timed" in found.sentence
    assert "Licence of these weights: non-commercial (cc-by-nc-4.0)." in found.sentence
    assert "the 3 networks (of 4) that meet the limit" in found.sentence and "resnet18 gives up" in found.sentence


def test_weights_that_forbid_sale_are_left_out_where_that_is_asked_for():
    frame = report.by_machine(frame_of(*(timed(model, seconds) for model, seconds in FOUR.items())), "commercial")
    found = decide(entries(frame), Limits(ms=33.3))
    assert found.take.network == "resnet50" and 80 < found.take.top1 < 81 and "non-commercial" not in found.sentence + found.take.terms


def test_no_frontier_is_told_of_a_single_network():
    frame = framed(*(timed(model, seconds) for model, seconds in FOUR.items()), timed("resnet18", 0.005, precision="fp16"))
    assert "fp16" not in pareto.explain(frame) and "of 4 networks with pytorch" in pareto.explain(frame)


def test_with_a_limit_on_top1_alone_the_fastest_is_taken():
    found = decide(four(), Limits(top1=69.5))
    assert found.take.network == "resnet18" and "It is the fastest of the 3 networks (of 4) that meet the limit" in found.sentence


def test_a_network_whose_interval_crosses_the_limit_does_not_meet_it():
    assert decide(four(), Limits(ms=30.1)).take.network == "resnet18"


def test_a_limit_that_nothing_meets_says_what_comes_nearest():
    found = decide(four(), Limits(ms=1.0))
    assert (
        found.take is None and found.title.startswith("None of 4 networks meets this limit") and "alexnet, takes 4.00 ms" in found.sentence
    )


def test_a_network_timed_at_two_sizes_is_one_network():
    rows = entries(framed(timed("resnet18", 0.01), timed("resnet50", 0.02), timed("resnet50", 0.03, input_px=288)))
    assert "of 2 networks, all of which" in decide(rows, Limits(ms=100)).sentence
    merged = framed(timed("resnet18", 0.01), timed("resnet18", 0.02, input_px=288))
    assert ("1", "network") in page._counts(report.Merged(merged))


def test_a_time_of_one_process_is_called_that():
    rows = entries(framed(timed("resnet18", 0.01, replicates=1)))
    assert rows[0].trust == "one process" and "carries no interval" in decide(rows, Limits(ms=33)).sentence


@pytest.mark.parametrize("quality", [{"status": "failed", "reason": "out of memory"}, {"contended": True}])
def test_without_a_ranked_cell_the_verdict_says_why(quality):
    said = trust.nothing(framed(*(cell_record("synthetic-cpu", "pytorch", model, **quality) for model in QUICK))).title
    assert said in ("No verdict: all 6 cells failed: out of memory", "No verdict: all 6 cells were contended")


def test_a_run_without_gaps_speaks_of_none():
    frame = framed(*(cell_record("synthetic-cpu", "pytorch", model) for model in QUICK))
    assert coverage.explain(frame) == "All 6 cells can be ranked."
    assert [t["name"] for t in sections.of_analysis(report.analyse("coverage", frame), frame, {})["tables"]] == ["coverage"]


def test_the_batch_size_of_a_chart_is_one_that_half_of_the_networks_have():
    records = [cell_record("synthetic-cpu", "pytorch", model, 64) for model in QUICK] + [
        cell_record("synthetic-cpu", "pytorch", "resnet18", 1)
    ]
    assert base.slice_of(framed(*records))["label"].nunique() == len(QUICK)
    assert batches(entries(framed(*records))) == [64]


def test_no_curve_is_fitted_to_fewer_than_eight_points():
    x = np.arange(1.0, 8)
    assert base.fitted(x, np.log(x) + [0, 0.1, 0, 0.1, 0, 0.1, 0]) is None
    x = np.arange(1.0, 13)
    assert base.fitted(x, np.log(x) + 0.1 * np.sin(5 * x)) is not None


def test_a_curve_stays_within_what_its_metric_can_be():
    bands = pd.DataFrame({name: [-200.0, 50.0, 110.0] for name in ("y", "lo", "hi", "plo", "phi")})
    assert base.bounded(bands.copy(), "top1")["phi"].tolist() == [0, 50, 100] and base.bounded(bands.copy(), "memory")["plo"].min() == 0


def test_no_metric_heads_a_column_of_counts():
    counts, amounts = pd.DataFrame({"memory": [3, 4]}), pd.DataFrame({"memory": [3.5, 4.0]})
    assert "Memory above baseline" not in tables.html(counts) and "Memory above baseline" in tables.html(amounts)


def test_contended_times_are_in_no_sentence():
    frame = framed(timed("resnet18", 0.01), timed("vgg19", 5.0, contended=True))
    assert "vgg19" not in inference_time.explain(frame) and "10.0 ms" in inference_time.explain(frame)


def test_a_page_of_imports_has_no_date_instead_of_nan():
    assert insight.last_day(pd.DataFrame({"started_at": [np.nan, None]})) == ""
    assert insight.last_day(pd.DataFrame({"started_at": ["2026-01-02T00:00:00Z", None]})) == "2 January 2026"


def test_the_page_has_one_answer():
    assert report.ANOTHER_ANSWER in analyses.names()
    frame = framed(*(cell_record("synthetic-cpu", "pytorch", model) for model in QUICK))
    rows = entries(frame)
    assert screen.choices(frame)["network"].tolist() == [row.network for row in frontier(fastest(rows, 1))]


def test_a_figure_with_a_line_for_each_network_gives_way_to_tables_when_there_are_too_many():
    assert base.readable(42) is None and "1,105 networks" in base.readable(1105)
    frame = framed(*(cell_record("synthetic-cpu", "pytorch", model) for model in CLASSIC))
    assert charts.load("time_table").applies(frame) is None


def test_a_difference_that_fifty_thousand_images_cannot_show_is_called_that():
    rows = [r for r in four() if r.network in ("resnet18", "resnet50")]
    near = [replace(rows[0], top1=rows[1].top1 - 0.2), rows[1]] if rows[0].network == "resnet18" else rows
    assert "too little for ImageNet" in decide(near, Limits(ms=33.3)).sentence and verdict.IMAGENET.points == pytest.approx(0.4, abs=0.01)


def test_a_board_that_is_off_is_named_where_its_times_stand_and_the_others_are_not(tmp_path):
    for board, load in (("nano-1", 1.0), ("nano-2", 1.01), ("nano-3", 1.15)):
        lines = []
        for number in (1, 2, 3):
            run = f"2026010{number}T000000Z-{board[-1] * 4}"
            role = {"role": "anchor", "anchor": "first"} if number < 3 else {}
            lines += [environment_record("jetson-nano", run, host=board)]
            lines += [cell_record("jetson-nano", "pytorch", "resnet18", run=run, attempt=number, load=load * (1 + 0.004 * number), **role)]
        write(tmp_path / "records" / f"jetson-nano-{board}.jsonl", lines)
    report.write(frames.merge([tmp_path / "records"]), tmp_path / "report", files=False)
    text = (tmp_path / "report" / "index.html").read_text()
    said = re.findall(r"[^.<>\"]*This board is off: [^.]*\.", text.split('id="doubts"')[1].split("</details>")[0])
    assert [line.strip() for line in said] == [
        "jetson-nano @ nano-3: This board is off: its times are 14 % above the median of 3 boards of jetson-nano."
    ]
    told = json.loads(re.search(r'<script[^>]*id="choices"[^>]*>(.*?)</script>', text, re.S)[1])["screens"]
    assert {name: screen["trust"].startswith("This board is off") for name, screen in told.items()} == {
        "jetson-nano @ nano-1": False, "jetson-nano @ nano-2": False, "jetson-nano @ nano-3": True,
    }  # fmt: skip

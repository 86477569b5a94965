"""What keeps a report of many records small in memory changes nothing in what it says."""

import csv
import gzip
import io
import json
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import charts
from analysis.charts import _columns, _interactive
from analysis.frame.cached import computed_last, computed_once, keeping
from analysis.frame.frame import ranked, selected
from analysis.report import live, tables
from tests.analysis.records import CLASSIC, cell_record, frame_of

NUMBERS = st.one_of(st.floats(width=64), st.just(np.nan), st.sampled_from([0.0, -0.0, 1e4, 12345.678, 1e-300, np.inf]))
WORDS = st.one_of(st.none(), st.sampled_from(["a", "b", "", "é", "resnet18"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WORDS, st.booleans(), st.integers(-(2**40), 2**40)), max_size=12))
def test_a_table_by_column_is_what_its_rows_are(rows):
    table = pd.DataFrame(rows, columns=["number", "word", "flag", "whole"]).astype({"word": "str", "number": float})
    as_rows = _interactive.named(type("Chart", (), {})(), cells=table).datasets["cells"]
    assert json.dumps(_columns.of_table(table)) == json.dumps(_columns.of_rows(as_rows))


def test_the_page_holds_the_data_of_a_chart_as_a_notebook_does():
    frame = frame_of(*(cell_record("a", "pytorch", model, size) for model in CLASSIC for size in (1, 2, 4)))
    with keeping():
        held = live.interactive("batch_curves", frame)
        shown = charts.load("batch_curves").interactive(frame).datasets
    assert held.error is None and set(held.datasets) == {name for name in shown if "+" not in name}
    for name, text in held.datasets.items():
        assert json.loads(text) == json.loads(json.dumps(_columns.of_rows(shown[name]))) and json.loads(text)["n"] == len(shown[name]) > 0


def test_only_the_latest_part_is_kept_and_what_was_derived_from_others_goes():
    asked = []

    @computed_last
    def part(frame, name):
        asked.append(name)
        return frame[frame["name"] == name]

    @computed_once
    def derived(rows):
        asked.append("derived")
        return len(rows)

    frame = pd.DataFrame({"name": ["a", "b", "b"]})
    with keeping():
        assert [derived(part(frame, name)) for name in "aabba"] == [1, 1, 2, 2, 1]
    assert asked == ["a", "derived", "b", "derived", "a", "derived"]


def test_a_selection_of_every_row_is_the_frame_and_of_some_a_copy():
    frame = frame_of(cell_record("a", "pytorch", "resnet18"), cell_record("a", "pytorch", "resnet50"))
    kept = frame["model"].eq("resnet18")
    assert selected(frame, kept | True) is frame
    assert selected(frame, kept)["model"].tolist() == ["resnet18"]
    assert ranked(frame)["model"].tolist() == frame["model"].tolist()


def test_a_csv_of_many_rows_is_the_table_without_the_columns_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CSV_ROWS", 3)
    table = pd.DataFrame({"a": range(10), "b": ["=x"] * 10, "c": [None, "y"] * 5})
    tables.write_csv(table, tmp_path / "table.csv", without=["a"])
    rows = list(csv.reader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert rows == [["b", "c"], *[["'=x", said] for said in ["", "y"] * 5]] and [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_the_library_of_the_charts_is_kept_and_made_anew_where_it_was_broken(tmp_path, monkeypatch):
    made = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = live._bundled()
    monkeypatch.setattr(live, "_bundled", lambda: made.append(1) or whole)
    assert live.vega() == live.vega() == whole and len(made) == 1 and b"vegaEmbed" in gzip.decompress(b64decode(whole))
    (kept,) = (tmp_path / "dyno").glob("vega-*.b64")
    kept.write_text("torn")
    assert live.vega() == whole and len(made) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))  # a file where the folder should be: the report does without
    assert live.vega() == whole


def test_a_user_without_a_home_is_told_how_to_name_the_cache(monkeypatch):
    from analysis.errors import FrameError
    from analysis.merge import cache

    for name in ("XDG_CACHE_HOME", "DYNO_MERGE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(FrameError, match="no home folder; name a folder with DYNO_MERGE_CACHE"):
        cache.default_folder([Path("records")])

"""Ids are one to one: two cells that differ in anything never share one, measured or imported."""

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.importers import base
from runner.records.cell import Cell

NAMES = ("platform", "device", "backend", "model", "precision")
ALPHABET = "ab./-_: \u00e9\u7f51\u0441b1" + "\u202e\x00"
WORDS = (
    st.text(ALPHABET, min_size=1, max_size=6)
    | st.text(min_size=1, max_size=8)
    | st.sampled_from(["a.b", "a/b", "a b", "cpu", "latency.0123456789"])
)
CELLS = st.tuples(*[WORDS] * 5, st.integers(1, 99), st.integers(1, 999), WORDS)


def row(cell):
    return dict(zip((*NAMES, "batch_size", "input_px", "scenario"), cell, strict=True))


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(CELLS, CELLS)
def test_cells_share_an_id_only_where_they_are_one(one, other):
    for identity in (lambda cell: Cell(*cell).id, lambda cell: base.cell_id(row(cell))):
        assert (identity(one) == identity(other)) == (one == other)
        assert identity(one).isascii() and "/" not in identity(one)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(CELLS, st.integers(0, 7), WORDS)
def test_a_change_of_one_field_is_another_id(cell, place, word):
    value = word if place not in (5, 6) else cell[place] + 1
    other = (*cell[:place], value, *cell[place + 1 :])
    if other != cell:
        assert Cell(*cell).id != Cell(*other).id and base.cell_id(row(cell)) != base.cell_id(row(other))


def test_a_plain_row_has_the_id_that_the_runner_would_give_it():
    cell = Cell("nano", "gpu", "tensorrt", "resnet18", "fp16", 1, 224, "latency")
    assert base.cell_id(cell.as_dict()) == cell.id
    assert (
        base.cell_id(dict(cell.as_dict(), input_px=float("nan"), precision=None))
        == "nano.gpu.tensorrt.resnet18.unknown.b1.unknownpx.latency"
    )

"""The example notebook runs from its first cell to its last, and says what the library says."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "notebooks" / "analysis.ipynb"


@pytest.fixture(scope="module")
def executed():
    book = nbformat.read(NOTEBOOK, as_version=4)
    return NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()


def output(cell):
    return "".join(part.get("text", "") + part.get("data", {}).get("text/plain", "") for part in cell.get("outputs", []))


def test_every_cell_of_the_notebook_runs_and_shows_something(executed):
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert len(cells) >= 10 and all(cell.outputs for cell in cells)
    assert not [part for cell in cells for part in cell.outputs if part.output_type in ("error", "stream") and part.get("name") == "stderr"]


def test_the_notebook_shows_the_numbers_that_the_study_is_known_for(executed):
    said = "".join(output(cell) for cell in executed.cells if cell.cell_type == "code")
    for number in ("150.392444", "584", "114", "fits 39 curves", "timed at 32 px: the multiply-adds"):
        assert number in said, number
    assert any("image/png" in part.get("data", {}) for cell in executed.cells for part in cell.get("outputs", []))


def test_the_notebook_is_kept_with_the_outputs_that_it_gives(executed):
    """A forge shows figures and tables without running anything; what they say must still be so."""
    kept = nbformat.read(NOTEBOOK, as_version=4)
    for stored, fresh in zip(kept.cells, executed.cells, strict=True):
        if stored.cell_type == "code":
            assert stored.outputs and output(stored) == output(fresh), stored.source
    assert any("image/png" in part.get("data", {}) for cell in kept.cells for part in cell.get("outputs", []))
    assert NOTEBOOK.stat().st_size < 400_000

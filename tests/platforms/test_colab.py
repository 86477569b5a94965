"""The notebook for Colab runs from its first cell to its last, here on the CPU."""

import json
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks/colab.ipynb"
pytestmark = pytest.mark.timeout(600)  # it measures and writes a report, and machines may be busy


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The executed notebook and its results; one network of small images, so that it is quick."""
    folder = tmp_path_factory.mktemp("colab")
    book = nbformat.read(NOTEBOOK, as_version=4)
    for cell in book.cells:
        cell.source = cell.source.replace("model: [squeezenet1_1, mobilenet_v2, resnet18]", "model: [squeezenet1_1]")
        cell.source = cell.source.replace("input_px: [224]", "input_px: [64]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNO_RESULTS", str(folder / "results"))
        patch.setenv("PYTHONPATH", str(ROOT))
        for name in ("DYNO_PLATFORM", "DYNO_DEVICES", "DYNO_CACHE"):
            patch.delenv(name, raising=False)
        NotebookClient(book, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return book, folder / "results"


def test_the_notebook_measures_and_draws(executed):
    book, results = executed
    (file,) = results.glob("records/colab-*.jsonl")
    cells = [record for record in map(json.loads, file.read_text().splitlines()) if record["kind"] == "cell"]
    assert {(record["cell"]["model"], record["cell"]["batch_size"]) for record in cells if record["status"] == "ok"} == {
        ("squeezenet1_1", batch) for batch in (1, 2, 4, 8, 16)
    }
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)


def test_the_notebook_shows_progress_and_the_report(executed):
    book, results = executed
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    assert said.count("squeezenet1_1") >= 5  # one line per cell
    assert (results / "report/index.html").exists()
    assert any("<iframe srcdoc=" in "".join(output.get("data", {}).get("text/html", "")) for output in outputs)


def test_the_repository_is_named_alike_in_notebook_badge_and_project():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, address = table["project"], table["tool"]["dyno"]["repository"]
    text = NOTEBOOK.read_text()
    badge = f"colab.research.google.com/github/{address.removeprefix('https://github.com/')}/blob/main/notebooks/"
    if address:
        assert f"git+{address}" in text and badge in text and project["urls"]["Source"] == address
    else:
        assert "github.com" not in text and "badge" not in text
    names = {requirement.split("==")[0] for requirement in project["optional-dependencies"]["analysis"]}
    colab = project["optional-dependencies"]["colab"]
    assert names <= set(colab) and not any("==" in requirement for requirement in colab)


def test_the_notebook_packs_the_records_for_download(executed):
    _, results = executed
    (file,) = results.glob("records/colab-*.jsonl")
    with zipfile.ZipFile(results / "dyno-colab-records.zip") as archive:
        assert archive.read(file.name) == file.read_bytes()


def test_the_notebook_is_kept_without_outputs():
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in book.cells if cell.cell_type == "code")

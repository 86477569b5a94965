"""Imports that lack any one column, measured records beside them or not, through every command that decides: an answer or a line, no traceback."""

import json

import pytest
import records
from typer.testing import CliRunner

from analysis.cli import app
from analysis.importers import _lines, table

HEADING = ("model", "platform", "device", "backend", "precision", "scenario", "batch_size", "input_px", "latency_ms", "throughput", "latency_p90_ms", "latency_p99_ms",
           "load_ms", "first_latency_s", "top1", "top5", "params_m", "gmacs", "activations_m", "memory_mb", "energy_j", "power_w", "accuracy_data", "citation", "family")  # fmt: skip
NETWORKS = (
    ("resnet18", 69.8, 11.7, 1.8),
    ("inception_v3", 77.3, 27.2, 5.7),
    ("resnet34", 73.3, 21.8, 3.7),
    ("resnet50", 76.1, 25.6, 4.1),
    ("vgg11", 69.0, 132.9, 7.6),
)
NEEDED = ("model",)  # without it an import is refused
SPREAD = (None, "input_px", "batch_size", "latency_ms", "precision", "top1", "device")
COMMANDS = {
    "report": ["report", "--out", "OUT", "--no-gif"],
    "recommend": ["recommend", "--platform", "desk"],
    "recommend all": ["recommend", "--platform", "desk", "--all", "--max-latency-ms", "100"],
    "predict": ["predict", "--model", "resnet18", "--platform", "desk"],
    "export-table": ["export-table", "OUT.csv"],
}


def rows(without):
    """Rows of two backends and batch sizes, one column of which is empty."""
    lines = [",".join(HEADING)]
    for number, (model, top1, params, gmacs) in enumerate(NETWORKS * 2):
        batch = 1 if number < len(NETWORKS) else 8
        latency = 3.0 + gmacs * batch
        line = [model, "desk", "cpu", "pytorch", "fp32", "latency", batch, 224, latency, 1000 * batch / latency, latency * 1.1, latency * 1.3, 200, 0.5, top1, top1 + 15,
                params, gmacs, gmacs * 3, 100 + params, 0.5, 9.5, "ImageNet", "somebody 2020", "family"]  # fmt: skip
        lines.append(",".join("" if name == without else str(value) for name, value in zip(HEADING, line, strict=True)))
    return "\n".join(lines)


def run(tmp_path, arguments):
    """The exit code of a command over the records; a traceback, or more than a line of an error, fails here."""
    words = [word.replace("OUT", str(tmp_path / "out")) for word in arguments]
    words += ["--records", str(tmp_path / "records")]
    result = CliRunner().invoke(app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not any(word in result.output for word in ("unexpected", "Traceback", "nan ", "nan%", "None")), result.output
    return result.exit_code


@pytest.fixture
def without(tmp_path):
    def make(column, beside):
        (tmp_path / "rows.csv").write_text(rows(column))
        frame = table.read(tmp_path / "rows.csv")
        (tmp_path / "records").mkdir()
        (tmp_path / "records" / "imported-rows.jsonl").write_text(_lines.dump(frame))
        if beside:
            some = [
                records.environment_record("synthetic-cpu"),
                *(records.cell_record("synthetic-cpu", "pytorch", name, samples=8) for name, *_ in NETWORKS),
            ]
            records.write(tmp_path / "records" / "measured.jsonl", some)

    return make


@pytest.mark.parametrize("beside", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "column", [pytest.param(name, marks=() if name in SPREAD else pytest.mark.long) for name in (None, *HEADING) if name not in NEEDED]
)
def test_every_command_answers_whichever_column_is_empty(tmp_path, without, column, beside):
    without(column, beside)
    codes = {name: run(tmp_path, arguments) for name, arguments in COMMANDS.items() if name != "report"}
    assert codes["export-table"] == 0 and set(codes.values()) <= {0, 1, 2}
    side = str(tmp_path / "records")
    result = CliRunner().invoke(app, ["compare", side, side, "--format", "json"])
    assert result.exit_code in (0, 1, 2, 3) and "unexpected" not in result.output
    if result.exit_code == 0:
        assert json.loads(result.output)["cells"] is not None


@pytest.mark.parametrize(
    "column",
    [pytest.param(name, marks=() if name in (None, "input_px") else pytest.mark.long) for name in (None, *HEADING) if name not in NEEDED],
)
def test_a_report_is_made_whichever_column_is_empty(tmp_path, without, column):
    without(column, True)
    assert run(tmp_path, COMMANDS["report"]) == 0
    assert (tmp_path / "out" / "index.html").stat().st_size > 10000

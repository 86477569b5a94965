"""Paths that are no plain files, and imports that lack any one column: told in a line, never waited for, never a traceback."""

import os

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.errors import FrameError
from analysis.frame import frame as frames
from analysis.importers import _lines, table

ROWS = """model,platform,device,backend,precision,scenario,batch_size,input_px,latency_ms,top1,params_m,gmacs,memory_mb
resnet18,desk,cpu,pytorch,fp32,latency,1,224,12.5,69.8,11.7,1.8,80
inception_v3,desk,cpu,pytorch,fp32,latency,1,299,31,77.3,27.2,5.7,150
resnet34,desk,cpu,pytorch,fp32,latency,1,,20,73.3,21.8,3.7,110
resnet50,desk,cpu,onnxruntime,fp32,latency,8,224,90,76.1,25.6,4.1,140
resnet18,desk,cpu,onnxruntime,fp32,latency,8,224,40,69.8,11.7,1.8,90
"""
COLUMNS = ROWS.split("\n", 1)[0].split(",")


def imported(folder, without=None):
    """A record file of the rows above, with one column empty."""
    lines = [line.split(",") for line in ROWS.strip().split("\n")]
    for line in lines[1:]:
        if without:
            line[COLUMNS.index(without)] = ""
    (folder / "rows.csv").write_text("\n".join(map(",".join, lines)))
    (folder / "records").mkdir()
    frame = table.read(folder / "rows.csv")
    (folder / "records" / "imported-rows.jsonl").write_text(_lines.dump(frame))
    return folder / "records"


def test_pipes_folders_and_dangling_links_beside_records_are_told_and_passed_over(tmp_path):
    records = imported(tmp_path)
    os.mkfifo(records / "pipe.jsonl")
    os.symlink("nowhere", records / "dangling.jsonl")
    os.symlink("loop.jsonl", records / "loop.jsonl")
    (records / "folder.jsonl").mkdir()
    merged = frames.merge([records])
    assert len(merged.frame) == 5
    assert sorted(name for name, _ in merged.problems) == ["dangling.jsonl", "loop.jsonl", "pipe.jsonl"]
    for name in ("pipe.jsonl", "dangling.jsonl", "loop.jsonl"):
        with pytest.raises(FrameError, match="neither a file nor a folder"):
            frames.merge([records / name])


def test_an_imported_line_of_wrong_types_is_set_aside_alone(tmp_path):
    records = imported(tmp_path)
    path = records / "imported-rows.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"latency_s":0.031', '"latency_s":"soon"')
    path.write_text("\n".join(lines))  # and no end of line, which is no loss
    merged = frames.merge([records])
    assert len(merged.frame) == 4 and sum(merged.problems.values()) == 1


@pytest.mark.parametrize("column", [None, "input_px", "batch_size"])
def test_a_report_is_made_whichever_column_is_empty(tmp_path, column):
    records = imported(tmp_path, column)
    result = CliRunner().invoke(app, ["report", "--records", str(records), "--out", str(tmp_path / "report"), "--no-gif"])
    assert result.exit_code == 0, result.exception or result.output
    assert (tmp_path / "report" / "index.html").stat().st_size > 10000

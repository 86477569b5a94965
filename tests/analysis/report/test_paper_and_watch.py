"""`dyno report --paper` and `--watch`: what papers need, and a page that follows a run."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from analysis.frame import frame as frames
from analysis.report import paper, report, watch
from analysis.report.entries import entries, fastest
from tests.analysis.records import CLASSIC, cell_record, environment_record, write


@pytest.fixture
def merged(tmp_path):
    records = [environment_record("synthetic-edge"), environment_record("synthetic-cpu", run="r2")]
    records += [cell_record("synthetic-edge", "tensorrt", model) for model in CLASSIC[10:16]]
    records += [cell_record("synthetic-cpu", "openvino", model, run="r2") for model in CLASSIC[10:18]]
    write(tmp_path / "x.jsonl", records)
    found = frames.merge([tmp_path / "x.jsonl"])
    return replace(found, frame=report.by_machine(found.frame))


def test_paper_writes_figures_at_column_width_a_table_and_a_citation(merged, tmp_path):
    files = {file.name for file in paper.write(merged, tmp_path / "paper")}
    assert {"table.csv", "table.tex", "citation.bib", "frontier-synthetic-cpu.pdf", "frontier-synthetic-edge.svg"} <= files
    assert b"/MediaBox [ 0 0 241.2 194.4 ]" in (tmp_path / "paper" / "frontier-synthetic-cpu.pdf").read_bytes()  # 3.35 by 2.7 inches


def test_the_latex_table_has_every_network_and_the_numbers_of_the_page(merged):
    pools = dict(paper._pools(merged.frame))
    text = paper.latex(pools)
    body = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len({line.count("&") for line in body}) == 1 and text.count("{") == text.count("}")
    rows = fastest([row for row in entries(merged.frame) if row.device == "synthetic-cpu"], 1)
    for row in rows:
        line = next(line for line in body if line.startswith(paper.escaped(row.network) + " "))
        assert f"{row.ms:.3g}".rstrip(".") in line and f"{row.top1:.1f}" in line
    assert r"squeezenet1\_1" in text or r"\_" in text


def test_the_citation_names_the_environment_and_changes_with_it(merged, tmp_path):
    said = paper.citation(merged)
    assert "8 networks on 2 devices" in said and re.search(r"sha256:[0-9a-f]{64}", said)
    other = merged.frame.assign(env_cpu="Another CPU")
    assert paper.citation(replace(merged, frame=other)).splitlines()[0] != said.splitlines()[0]
    assert paper.citation(merged) == said


def test_changes_are_told_once_and_only_when_a_file_has_changed(tmp_path):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) in (1, 4):
            with (tmp_path / "x.jsonl").open("a") as file:
                file.write("{}\n")

    told = watch.changes([tmp_path], nap)
    assert next(told) == 1 and len(naps) == 1  # it waited for the first record
    assert next(told) == 2 and len(naps) == 4


@pytest.mark.long
def test_a_watched_report_follows_the_run_and_ends_whole(tmp_path):
    write(tmp_path / "records" / "x.jsonl", [environment_record("synthetic-cpu"), cell_record("synthetic-cpu", "openvino", "resnet18")])
    command = [
        sys.executable,
        "-m",
        "runner.cli",
        "report",
        "--watch",
        "--no-gif",
        "--records",
        str(tmp_path / "records"),
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    page, stamp = tmp_path / "out" / "index.html", tmp_path / "out" / watch.STAMP
    try:
        _until(lambda: stamp.exists())
        assert "this page reloads by itself" in page.read_text() and "resnet50" not in page.read_text()
        with (tmp_path / "records" / "x.jsonl").open("a") as file:
            file.write(write(tmp_path / "more.txt", [cell_record("synthetic-cpu", "openvino", "resnet50")]).read_text())
        _until(lambda: '"2"' in stamp.read_text())
        assert "resnet50" in page.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output
    assert "this page reloads by itself" not in page.read_text() and "done" in stamp.read_text()


def _until(true, seconds=200):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)

"""The report: what it writes, what it survives, what a hostile record can't do."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis import analyses, charts, commands, registry
from analysis.analyses import pareto, speedup
from analysis.frame import frame as frames
from analysis.frame import noise
from analysis.report import figures, insight, report, tables
from analysis.stats.pareto import frontier
from tests.analysis.records import QUICK, cell_record, environment_record, frame_of, sweep, write

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A small report: six networks, two platforms, two batch sizes."""
    folder = tmp_path_factory.mktemp("report")
    sweep(folder / "records", platforms=("synthetic-cpu", "synthetic-gpu"), models=QUICK, batch_sizes=(1, 8), samples=20)
    out = folder / "report"
    done = report.write(frames.merge([folder / "records"]), out, methods=True)
    return out, done


def test_the_page_the_figures_and_the_tables_are_written(written):
    out, done = written
    assert done.page == out / "index.html" and done.page.stat().st_size < 1_500_000
    stems = {path.stem for path in (out / "figures").glob("*.png")}
    assert {"pareto-synthetic-cpu", "time_table-synthetic-gpu", "speedup-synthetic-cpu", "complexity_accuracy", "density_bars"} <= stems
    for stem in stems:
        for suffix in ("png", "svg", "pdf"):
            assert (out / "figures" / f"{stem}.{suffix}").stat().st_size > 2000
    assert {"cells.csv", "coverage.csv", "coverage-gaps.csv", "environments.csv", "speedup.csv", "pareto.csv"} <= {
        path.name for path in (out / "tables").iterdir()
    }


def test_no_chart_or_analysis_of_ours_breaks(written):
    _, done = written
    assert not [line for line in done.warnings if "could not" in line]


def test_every_gap_has_a_reason(written):
    out, _ = written
    with open(out / "tables" / "coverage-gaps.csv", newline="") as file:
        gaps = list(csv.DictReader(file))
    assert gaps and all(row["reason"] for row in gaps)
    assert {row["outcome"] for row in gaps} <= {"failed", "skipped", "contended"}


def test_what_was_set_aside_is_said_in_page_and_warnings(written):
    out, done = written
    assert "2 lines are torn or no JSON and were set aside" in (out / "index.html").read_text()
    assert any("torn" in line for line in done.warnings)


def test_the_page_loads_nothing(written):
    text = (written[0] / "index.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    assert "default-src 'none'" in text and "@import" not in text and "url(" not in text


def test_the_same_records_give_the_same_page(written, tmp_path):
    out, _ = written
    merged = frames.merge([out.parent / "records"])
    report.write(merged, tmp_path, gif=False, methods=True)
    again = (tmp_path / "index.html").read_text()
    strip = re.compile(r"<p class=\"film\">.*?</p>")  # the film is left out
    first, second = (strip.sub("", page).split() for page in ((out / "index.html").read_text(), again))
    differing = [(a[:200], b[:200]) for a, b in zip(first, second, strict=False) if a != b]
    assert not differing[:3] and len(first) == len(second)


EVIL = "../../x/<script>alert(1)</script>&\"'{{7*7}}"


def test_names_from_records_are_escaped_and_stay_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FORMATS", ("svg",))  # the other formats have the same names
    records = [environment_record(EVIL, cpu=EVIL, host=EVIL)]
    for model in (EVIL, "resnet18", "resnet34"):
        for backend in (EVIL, "pytorch"):
            records.append(cell_record(EVIL, backend, model, 1, samples=12))
    records.append(cell_record(EVIL, "pytorch", "vgg11", status="failed", reason=EVIL))
    write(tmp_path / "in" / "x.jsonl", records)
    done = report.write(frames.merge([tmp_path / "in"]), tmp_path / "deep" / "er" / "out")
    text = done.page.read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text and "49" not in re.findall(r"x/.{0,80}", text)[0][:40]
    assert len(re.findall(r"<script", text)) == 5
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert policy and policy.start() < text.index("<script") and "default-src 'none'" in policy[1] and "script-src 'nonce-" in policy[1]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "in" not in path.parents]
    assert written and all(tmp_path / "deep" / "er" / "out" in path.parents for path in written)


def test_platforms_whose_names_look_alike_have_files_of_their_own():
    frame = report.by_machine(frame_of(*(cell_record(name, "pytorch", "resnet18") for name in ("a/b", "a:b", "A:b", "板一", "板二"))))
    stems = [stem.lower() for _, _, stem in figures.jobs(frame)]  # some file systems know no case
    assert len(stems) == len(set(stems))


def test_a_spreadsheet_runs_nothing_from_a_table(tmp_path):
    rows = {"model": ["=cmd()", "ok"], "value": [-1.5, None], "@SUM(A1)": [("-2+3", "b"), " \uff1d1"]}
    tables.write_csv(pd.DataFrame(rows), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines() == [
        "model,value,'@SUM(A1)",
        "'=cmd(),-1.5,'-2+3 b",
        "ok,,' \uff1d1",
    ]


def test_a_chart_that_breaks_costs_only_itself(monkeypatch, tmp_path):
    def broken(frame, style):
        raise RuntimeError("made to break")

    monkeypatch.setattr(charts.load("pareto"), "draw", broken)
    drawn = figures.draw(
        "pareto",
        "synthetic-cpu",
        "pareto",
        tmp_path,
        report.by_machine(frame_of(*(cell_record("synthetic-cpu", "pytorch", m) for m in QUICK))),
    )
    assert not drawn.stem and "made to break" in drawn.missing and "test_report.py" in drawn.missing


def test_an_analysis_that_breaks_costs_only_itself(monkeypatch):
    monkeypatch.setattr(analyses.load("coverage"), "analyse", lambda frame: 1 / 0)
    assert "ZeroDivisionError" in report.analyse("coverage", frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18"))).missing


def test_adding_an_analysis_a_chart_or_a_command_is_one_file(tmp_path, monkeypatch):
    for package, source in ((analyses, "TITLE='New'\ndef analyse(frame):\n    return frame[['model']]\n"),
                            (charts, "TITLE='New'\ndef applies(frame):\n    return 'never'\ndef draw(frame, style):\n    pass\ndef explain(frame):\n    return ''\n"),
                            (commands, "def register(app):\n    app.command('brand-new')(lambda: None)\n")):  # fmt: skip
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "brand_new.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        assert "brand_new" in registry.names(package)
    try:
        frame = report.by_machine(frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18")))
        assert report.analyse("brand_new", frame).tables["brand new"]["model"].tolist() == ["resnet18"]
        assert ("brand_new", None, "brand_new") in figures.jobs(frame)
        assert figures.draw("brand_new", None, "x", tmp_path, frame).missing == "never"
    finally:
        for package in (analyses, charts, commands):
            sys.modules.pop(f"{package.__name__}.brand_new", None)


def test_one_failed_record_still_makes_a_report(tmp_path):
    write(tmp_path / "x.jsonl", [cell_record("synthetic-cpu", "pytorch", "resnet18", status="failed", reason="out of memory")])
    done = report.write(frames.merge([tmp_path]), tmp_path / "out")
    text = done.page.read_text()
    assert "No verdict: the only cell failed: out of memory" in text
    assert not [line for line in done.warnings if "could not" in line]


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "analysis", "report", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


def test_a_missing_folder_is_one_line_and_exit_code_2(tmp_path):
    run = command("--records", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "nowhere" in run.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_t_be_written_is_one_line(tmp_path):
    write(tmp_path / "x.jsonl", [cell_record("synthetic-cpu", "pytorch", "resnet18")])
    (tmp_path / "file").write_text("")
    run = command("--records", tmp_path / "x.jsonl", "--out", tmp_path / "file" / "out")
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and "can't write the report" in run.stderr


# Numbers that the report leads with


def test_a_speed_up_is_the_ratio_of_medians_over_pytorch():
    frame = report.by_machine(
        frame_of(
            cell_record("synthetic-cpu", "pytorch", "resnet18"),
            cell_record("synthetic-cpu", "openvino", "resnet18"),
            cell_record("synthetic-cpu", "noop", "resnet18"),
        )
    )
    each = speedup.ratios(frame).set_index("series")
    latency = frame.set_index("backend")["latency_s"]
    assert each.loc["openvino", "speedup"] == pytest.approx(latency["pytorch"] / latency["openvino"])
    assert each.loc["openvino", "low"] < each.loc["openvino", "speedup"] < each.loc["openvino", "high"]
    assert set(each["reference"]) == {"pytorch"} and each.loc["openvino", "verdict"] == "faster"


def test_a_contended_cell_has_no_speed_up():
    frame = report.by_machine(
        frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18"), cell_record("synthetic-cpu", "openvino", "resnet18", contended=True))
    )
    assert speedup.ratios(frame).empty


def test_the_frontier_holds_what_nothing_beats():
    assert frontier([1, 2, 3, 3, 0.5], [60, 70, 65, 80, 60]).tolist() == [False, True, False, True, True]
    assert frontier([1, 1], [70, 70]).tolist() == [True, True]


def test_a_network_beaten_by_less_than_the_intervals_is_tied_not_dominated():
    rows = pd.DataFrame({"label": ["a", "b", "c"], "latency_s": [1.0, 1.01, 2.0], "top1": [70.0, 69.0, 60.0],
                         "replicate_medians_s": [(0.97, 1.0, 1.03), (0.98, 1.01, 1.04), (1.99, 2.0, 2.01)]})  # fmt: skip
    facts = {"host": "h", "status": "ok", "role": "cell", "contended": False, "rounds": 3}
    placed = pareto.place(noise.add_noise(rows.assign(**dict.fromkeys(noise.CELL), **facts)))
    assert placed["place"].tolist() == ["frontier", "tied", "dominated"]
    assert placed["dominated_by"].isna().tolist() == [True, True, False] and placed["dominated_by"].iloc[2] == "a"


def test_a_cell_that_became_slower_is_told_and_noise_is_not():
    first = [cell_record("synthetic-cpu", "pytorch", m, run="a") for m in ("resnet18", "resnet34")]
    again = [
        cell_record("synthetic-cpu", "pytorch", "resnet18", attempt=2, run="b", load=1.3),
        cell_record("synthetic-cpu", "pytorch", "resnet34", attempt=2, run="b"),
    ]
    changed = insight.changes(report.by_machine(frame_of(*first, *again)))
    assert changed[["label", "verdict"]].to_numpy().tolist() == [["resnet18", "slower"]]
    assert changed["ratio"].iloc[0] == pytest.approx(1.3, rel=0.06)


def test_environments_that_differ_are_named():
    frame = report.by_machine(frame_of(environment_record("c", "a"), cell_record("c", "pytorch", "resnet18", run="a"),
                                       environment_record("c", "b", governor="powersave"), environment_record("c", "d", temperatures_c={"cpu": 60.0}),
                                       cell_record("c", "pytorch", "resnet18", run="b", attempt=2), cell_record("c", "pytorch", "resnet34", run="d")))  # fmt: skip
    found = analyses.load("environments").analyse(frame)
    assert found["environments"].shape[1] == 3  # facts, and two set-ups: temperature is none
    frame.loc[frame["environment"] == "a", "env_governor"] = "performance"
    assert analyses.load("environments").analyse(frame)["differences"]["fact"].tolist() == ["governor"]


def test_the_table_of_times_is_per_image_and_marks_contended_cells():
    frame = report.by_machine(
        frame_of(cell_record("c", "pytorch", "resnet18", 4), cell_record("c", "pytorch", "resnet34", 4, contended=True))
    )
    module = analyses.load("inference_time")
    table = module.analyse(frame)["c · pytorch · latency"].set_index("label")
    assert table.loc["resnet18", "batch 4"] == pytest.approx(1e3 * frame["latency_s"].iloc[0] / 4)
    assert module.marks(frame) == {("c · pytorch · latency", "resnet34", "batch 4")}


@pytest.mark.long
@pytest.mark.parametrize(("methods", "cpu_s"), [(False, 20), (True, 34)])
def test_forty_two_networks_on_four_devices_at_seven_batch_sizes_are_one_small_page_soon(tmp_path, methods, cpu_s):
    sweep(tmp_path / "records", samples=20)
    done = report.write(frames.merge([tmp_path / "records"]), tmp_path / "out", methods=methods)
    assert done.page.stat().st_size <= 1_500_000 and not (tmp_path / "out" / "figures").exists()
    assert sum(seconds for part, seconds in done.seconds.items() if part != "all, wall") <= cpu_s

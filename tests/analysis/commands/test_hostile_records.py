"""A record file may come from anyone: it runs nothing, writes nowhere but where asked, and shows as text in terminal, Markdown and page."""

import ast
import json
import re
from pathlib import Path

import pytest
import records
from typer.testing import CliRunner

from analysis.cli import app
from analysis.compare import text as comparison
from analysis.frame.frame import merge

ROOT = Path(__file__).parents[3]
EVIL = "../../../x/<script>alert(1)</script>[a](javascript:alert(1))`|\n\x1b[2J\x9b31m\u202e{{7*7}}'\""
UNSAFE = {"pickle", "marshal", "shelve", "dill", "joblib"}


def evil(folder, name, run, **changes):
    """A folder with a record file all of whose names are hostile, under a plain name of its own."""
    lines = [records.environment_record(EVIL, run, cpu=EVIL, host="h", governor=EVIL + run)]
    for number in range(5):
        line = records.cell_record(EVIL, EVIL, f"{EVIL}{number}", run=run, precision=EVIL, scenario="latency", samples=8, **changes)
        line |= {"cell_id": EVIL + str(number), "id": f"{EVIL}{run}{number}", "weights": EVIL}
        lines.append(line)
    failed = records.cell_record(EVIL, EVIL, "broken", run=run, status="failed", reason=EVIL, id=f"{run}/failed", cell_id="broken")
    records.write(folder / name / "records.jsonl", [*lines, failed])
    return str(folder / name)


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result


def shows_as_text(output):
    return all(char.isprintable() or char == "\n" for char in output)


@pytest.fixture
def sides(tmp_path):
    return evil(tmp_path, "a", "20260101T000000Z-0001"), evil(tmp_path, "b", "20260102T000000Z-0002")


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_names_show_as_text_in_the_terminal(sides):
    result = run("compare", *sides)
    assert result.exit_code in (0, 1, 3) and "alert(1)" in result.output and shows_as_text(result.output)
    advice = run("recommend", "--platform", EVIL, "--records", sides[0])
    assert shows_as_text(advice.output)


def test_names_show_as_text_in_markdown(sides):
    output = run("compare", *sides, "--format", "markdown").output
    assert shows_as_text(output) and "<" not in output and "&lt;script&gt;" in output
    assert not re.search(r"(?<!\\)\]\(", output) and not re.search(r"(?<!\\)`", output)
    rows = [line for line in output.splitlines() if line.startswith("| ")]
    assert len(rows) == 8 and len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1  # a heading, a rule, six cells


@pytest.mark.parametrize("text", ["a|b", "<img src=x>", "[x](y)", "`x`", "a\\|b", "&lt;", "*x*", "a\nb"])
def test_what_markdown_would_read_as_its_own_is_escaped(text):
    shown = comparison.marked_down(text)
    assert "\n" not in shown and "<" not in shown and not re.search(r"(?<!\\)(\\\\)*[|`*\[\]]", shown)


def test_json_holds_the_names_as_they_are(sides):
    cells = json.loads(run("compare", *sides, "--format", "json").output)["cells"]
    assert {cell["model"] for cell in cells} == {f"{EVIL}{number}" for number in range(5)} | {"broken"}


def test_merging_comparing_and_measuring_noise_write_nothing_but_what_was_asked_for(tmp_path, sides, monkeypatch):
    home = tmp_path / "deep" / "er"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    before = files(tmp_path)
    run("compare", *sides)
    run("recommend", "--platform", EVIL, "--records", sides[0])
    assert files(tmp_path) == before
    assert run("noise", *sides, "--out", home / "noise.json").exit_code == 0
    assert files(tmp_path) - before == {home / "noise.json"}


def test_importing_a_hostile_table_writes_one_file_where_asked(tmp_path, monkeypatch):
    home = tmp_path / "deep" / "er"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    source = tmp_path / "..evil;<b>.csv"
    source.write_text('net,ms\n"../../<script>x</script>",1.5\n"=cmd()",2.5\n')
    options = ["--map", "model=net", "--map", "latency_ms=ms", "--set", "platform=../../p", "--set", "backend=<b>"]
    result = run("import", "table", source, *options)
    written = files(tmp_path) - {source}
    if result.exit_code:  # what it can't take it refuses in a line
        assert not written and result.output.strip()
    else:
        assert written == {home / "results" / "records" / "imported-table-evil-b.jsonl"}
        assert "../../<script>x</script>" in set(merge(list(written)).frame["model"])


def test_an_imported_line_in_a_record_file_is_no_way_around_the_checks(tmp_path):
    good = records.cell_record("p", "pytorch", "resnet18", samples=8)
    strange = [
        {"schema_version": 1, "kind": "imported", "id": str(n), "row": value}
        for n, value in enumerate([None, [], {}, {"model": {"a": 1}}, 1])
    ]
    strange += [{"schema_version": 1, "kind": kind, "id": kind} for kind in ("__import__('os')", "../x", "", None, 1)]
    path = records.write(tmp_path / "x.jsonl", [*strange, good, *strange])
    merged = merge([path])
    assert merged.frame["record_id"].tolist() == [good["id"]] and sum(merged.problems.values()) == 20


def test_nothing_that_reads_records_can_run_what_they_hold():
    """No module of the analysis, nor of the runner's record side, unpickles, evaluates or loads YAML with tags."""
    sources = [
        *(ROOT / "analysis").rglob("*.py"),
        *(ROOT / "runner" / "records").glob("*.py"),
        *(ROOT / "runner" / f"{n}.py" for n in ("measure/run", "cli", "networks/interchange")),
    ]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not UNSAFE & {name.name.partition(".")[0] for name in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in UNSAFE, path
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "compile", "os.system", "yaml.load", "yaml.unsafe_load", "pd.read_pickle"), (path, name)
                assert not name.endswith((".query", ".eval")) or all(isinstance(one, ast.Constant) for one in node.args), (path, name)
                unpickles = any(k.arg == "allow_pickle" and getattr(k.value, "value", True) for k in node.keywords)
                assert not unpickles and not any(k.arg == "shell" for k in node.keywords), (path, name)

"""Promises about the project as a whole: its name, its links, its README."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OTHERS = re.compile(r"pip3? install\s[^\n]*\bdyno(?![\w.*/-])")  # dyno-bench, a path or a wheel of ours may follow


def texts():
    """Every text file of the project, with its content."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and b"\0" not in path.read_bytes():
            yield name, path.read_text(encoding="utf-8", errors="replace")


def test_the_distribution_is_not_somebody_elses():
    assert PROJECT["project"]["name"] == "dyno-bench" and set(PROJECT["project"]["scripts"]) == {"dyno"}
    assert OTHERS.search("pip " + "install dyno[analysis]") and not OTHERS.search("pip " + "install dyno-bench")
    assert not [name for name, text in texts() if OTHERS.search(text)]


def test_no_badge_and_no_link_is_made_of_a_repository_that_is_not_named():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    repository = PROJECT["tool"]["dyno"]["repository"]
    if repository:
        assert repository in readme
    else:
        assert "urls" not in PROJECT["project"] and "badge" not in readme and "actions/workflows" not in readme


def test_both_packages_ship_their_types():
    assert (ROOT / "runner/py.typed").exists() and (ROOT / "analysis/py.typed").exists()


def test_the_readme_is_short_and_its_links_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("\n") < 150
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_table_of_verified_machines_is_written_from_their_self_tests():
    spec = importlib.util.spec_from_file_location("verified_table", ROOT / "docs/verified/table.py")
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table.written(readme) == readme, "run `python docs/verified/table.py`"
    assert table.results()
    for name, result in table.results():
        assert table.machine(result) in readme and result["rows"] and "host" not in result["facts"], name
    rows = [("tiny, pytorch int8 latency on cpu, batch 1", "ok"), ("resnet50, pytorch int8 latency on cpu, batch 1", "wrong"),
            ("tiny, pytorch fp32 latency on cpu, batch 1", "ok")]  # fmt: skip
    assert table.ran({"rows": [{"what": what, "verdict": verdict} for what, verdict in rows]}) == "pytorch fp32"


def test_commands_that_the_documents_name_exist():
    from runner.program.table import DECIDING, MEASURING

    known = {command.name for command in MEASURING + DECIDING}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"(?:`|^    (?:\$ )?)dyno ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.M))
        assert named <= known, f"{page.name}: {named - known}"

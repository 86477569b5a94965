"""What GitHub reads: workflows and the forms of issues."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_its_machine_its_limit_and_releases_of_what_it_uses(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"]) and job["timeout-minutes"] < 360
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
        assert all(
            set(step) <= {"name", "uses", "with", "run", "if", "env"} and ("run" in step) != ("uses" in step) for step in job["steps"]
        )


def test_the_checks_on_github_are_those_of_any_machine_with_every_python_that_they_take():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    *_, pythons, checks = job["steps"]
    assert checks["run"].endswith(" .ci/run") and checks["run"].startswith("sudo ")
    built = {".".join(version.split(".")[:2]) for version in re.search(r"for version in ([\d. ]+);", pythons["run"])[1].split()}
    stand_ins = {f"3.{minor}" for minor in re.findall(r'"py3(\d+)\b', (ROOT / "tests/images/conftest.py").read_text())} - {
        "3.11"
    }  # Debian's own
    others = {f"3.{minor}" for minor in re.findall(r"^on 3\.(\d+)", (ROOT / "tests/on_pythons.sh").read_text(), re.MULTILINE)}
    assert len(stand_ins) >= 4 and stand_ins | others <= built


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"] and set(form) <= {"name", "description", "title", "labels", "body"}
    kinds = {
        "markdown": {"value"},
        "input": {"label", "description", "placeholder"},
        "textarea": {"label", "description", "placeholder", "render"},
    }
    for item in form["body"]:
        assert set(item["attributes"]) <= kinds[item["type"]]
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    assert len({item["id"] for item in fields}) == len(fields) > 0 and all(item["attributes"]["label"] for item in fields)
    assert any("selftest" in item["id"] for item in fields)

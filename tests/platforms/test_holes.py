"""docker/pins/holes.csv: the locks that it names are those that pin a release with the hole, and SECURITY.md names them too."""

import csv
import re
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PINS = ROOT / "docker" / "pins"
TEXT = (PINS / "holes.csv").read_text(encoding="utf-8").splitlines()
HOLES = list(csv.DictReader(line for line in TEXT if not line.startswith("#")))


def pinned(package):
    """{lock: version} of the locks that pin a package."""
    found = {lock.stem: re.search(rf"^{package}==([^ +;]+)", lock.read_text(), re.M) for lock in PINS.glob("py3*.txt")}
    return {lock: Version(match[1]) for lock, match in found.items() if match}


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole["hole"].split(":")[0])
def test_the_locks_of_a_hole_are_those_that_pin_an_earlier_release(hole):
    assert {lock for lock, version in pinned(hole["package"]).items() if version < Version(hole["fixed"])} == set(hole["files"].split())
    assert hole["source"].startswith("https://") and hole["here"]


def test_the_list_is_dated_and_security_md_names_each_lock_and_package():
    assert re.search(r"as of \d{4}-\d\d-\d\d", TEXT[0])
    rows = {
        re.match(r"\| `(py\d+)`", line)[1]: line
        for line in (ROOT / "SECURITY.md").read_text().splitlines()
        if re.match(r"\| `py\d+` ", line)
    }
    for hole in HOLES:
        for lock in hole["files"].split():
            assert hole["package"] in rows[lock]

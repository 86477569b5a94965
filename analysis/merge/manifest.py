"""What a cache holds: its manifest, which is replaced last and whole."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

from analysis.frame.operators import Profile
from analysis.merge.columns import TYPES
from runner import __version__
from runner.files import atomic_write
from runner.records.schema import SCHEMA_VERSION

# what a cache was made with: of another program it is made anew
MADE_WITH = hashlib.sha256(
    json.dumps([__version__, SCHEMA_VERSION, duckdb.__version__, TYPES, list(Profile.__annotations__)]).encode()
).hexdigest()[:12]


@dataclass
class Known:
    """A record file that is in the cache."""

    number: int
    size: int
    modified_ns: int
    problems: dict[str, int] = field(default_factory=dict)


@dataclass
class Manifest:
    """What the cache holds. parts: rows by part; repeats: lines set aside because others came before them, by file and why."""

    made_with: str = MADE_WITH
    files: dict[str, Known] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    dead: list[int] = field(default_factory=list)
    repeats: list[tuple[int, str, int]] = field(default_factory=list)
    next_number: int = 0
    unread: Counter = field(default_factory=Counter)  # what is no file, as of this merge

    def problems(self) -> Counter:
        """(file's name, what) -> lines set aside."""
        found: Counter = Counter(self.unread)
        names = {known.number: Path(path).name for path, known in self.files.items()}
        for path, known in self.files.items():
            for what, count in known.problems.items():
                found[Path(path).name, what] += count
        for number, what, count in self.repeats:
            found[names[number], what] += count
        return found


def load(folder: Path) -> Manifest:
    """The manifest of a usable cache, else an empty one; what a killed merge left is removed."""
    manifest = Manifest()
    try:
        stored = json.loads((folder / "manifest.json").read_text())
        if stored["made_with"] == MADE_WITH and all((folder / name).exists() for name in [*stored["parts"], "masked.parquet"]):
            files = {path: Known(**known) for path, known in stored.pop("files").items()}
            repeats = [(number, what, count) for number, what, count in stored.pop("repeats")]
            manifest = Manifest(files=files, repeats=repeats, **stored)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for path in folder.glob("work-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob("part-*.parquet"):
        if path.name not in manifest.parts:
            path.unlink(missing_ok=True)
    return manifest


def save(manifest: Manifest, folder: Path) -> None:
    stored = {name: value for name, value in asdict(manifest).items() if name != "unread"}
    atomic_write(folder / "manifest.json", json.dumps(stored, separators=(",", ":")))
    for path in folder.glob("part-*.parquet"):
        if path.name not in manifest.parts:
            path.unlink(missing_ok=True)

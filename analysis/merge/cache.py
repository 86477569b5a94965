"""The Parquet cache of a set of record files: only files that are new or have changed are read again.

A folder with parts (`part-*.parquet`, rows of many files), `masked.parquet` (rows that repeat others) and `manifest.json`, which is replaced
last and whole: a merge that is killed leaves the cache as it was. A changed file gets a new number; rows of numbers that no file has are
dead, and when they are the larger half the cache is made anew.
"""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from analysis.errors import CantWrite, FrameError
from analysis.merge import door, ingest, lines, sources
from analysis.merge import manifest as manifests
from analysis.merge.manifest import Known, Manifest
from analysis.merge.sources import Source
from runner.files import locked, user_cache
from runner.program import workers

PART_BYTES = 256 * 2**20  # of record files, read into one part
JOB_BYTES = 16 * 2**20  # of record files that one process reads at a time
MEMORY = "200MB"  # of DuckDB's own; beyond it spills to the cache's folder


def default_folder(paths: Iterable[str | Path]) -> Path:
    """Where the cache of these paths lies: below $DYNO_MERGE_CACHE or the user's cache folder, one folder per set of paths; FrameError where neither is known."""
    try:
        root = os.environ.get("DYNO_MERGE_CACHE") or Path(user_cache(), "merge")
    except OSError as error:
        raise FrameError(f"{error.filename}: can't keep the merge's cache: {error.strerror}; name a folder with DYNO_MERGE_CACHE") from None
    names = sorted(str(path) if str(path).startswith(sources.S3) else str(Path(path).resolve()) for path in paths)
    return Path(root) / hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB with bounded memory, spilling into the folder, fetching nothing from the network."""
    (folder / "spill").mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute(
        f"SET memory_limit = '{MEMORY}'; SET temp_directory = {ingest.text(str(folder / 'spill'))}; SET enable_progress_bar = false"
    )
    connection.execute(f"SET threads = {workers.count()}; SET enable_object_cache = true")
    return connection


def update(paths: Iterable[str | Path], folder: Path) -> Manifest:
    """Bring the cache up to the files as they are now, and say what it holds; FrameError where a path or the cache can't be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"):
            problems: Counter = Counter()
            manifest = _update(sources.sources(paths, folder / "mirror", problems), folder)
            manifest.unread = problems
            return manifest
    except (OSError, duckdb.IOException) as error:
        place = getattr(error, "filename", None) or folder
        raise CantWrite(f"{place}: can't write the merge's cache: {ingest.said(error)}; name another with DYNO_MERGE_CACHE")


def _update(found: Sequence[Source], folder: Path) -> Manifest:
    manifest = manifests.load(folder)
    wanted = {source.path: source for source in found}
    gone = [path for path, known in manifest.files.items() if path not in wanted or _changed(known, wanted[path])]
    fresh = [source for source in found if source.path not in manifest.files or source.path in gone]
    if not gone and not fresh:
        return manifest
    if gone and 2 * (len(manifest.dead) + len(gone)) > len(manifest.files) + len(manifest.dead):
        manifest, fresh = Manifest(), list(found)
    else:
        manifest.dead += [manifest.files.pop(path).number for path in gone]
    for source in fresh:
        manifest.files[source.path] = Known(manifest.next_number, source.size, source.modified_ns)
        manifest.next_number += 1
    manifest.files = {source.path: manifest.files[source.path] for source in found}  # the order in which the first of repeats is found
    with tempfile.TemporaryDirectory(dir=folder, prefix="work-") as work:
        _read(fresh, manifest, folder, Path(work))
        connection = connect(folder)
        lines.mask(connection, manifest, folder, Path(work))
        connection.close()
    manifests.save(manifest, folder)
    return manifest


def _changed(known: Known, source: Source) -> bool:
    return (known.size, known.modified_ns) != (source.size, source.modified_ns)


def _read(fresh: Sequence[Source], manifest: Manifest, folder: Path, work: Path) -> None:
    """Read these files into new parts: the door's first, because its processes are forked, then SQL's."""
    simple: list[Source] = []
    other: list[Source] = []
    peeks = {source.path: ingest.peek(source.path) for source in fresh}
    for source in fresh:
        (simple if peeks[source.path].imported else other).append(source)
    _through_door(other, manifest, folder, work)
    connection = connect(folder)
    for batch in _batches(simple):
        columns = sorted(set().union(*(peeks[source.path].columns for source in batch)))
        part = _part(folder)
        try:
            ingest.imported(connection, [(manifest.files[source.path].number, source.path) for source in batch], columns, str(part))
        except duckdb.OutOfMemoryException:
            raise FrameError(f"{folder}: {MEMORY} of memory are not enough for {len(batch)} files of {len(columns)} columns")
        except duckdb.Error:  # a file that is no text: the door tells which lines are good
            part.unlink(missing_ok=True)
            connection.close()
            _through_door(batch, manifest, folder, work)
            connection = connect(folder)
            continue
        _undecided(connection, part, batch, manifest, folder, work)
        manifest.parts[part.name] = _rows(connection, part)
    connection.close()


def _batches(found: Sequence[Source], size: int = PART_BYTES) -> Iterator[list[Source]]:
    batch: list[Source] = []
    total = 0
    for source in found:
        if batch and total + source.size > size:
            yield batch
            batch, total = [], 0
        batch.append(source)
        total += source.size
    if batch:
        yield batch


def _part(folder: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, prefix="part-", suffix=".parquet")
    os.close(handle)
    return Path(name)


def _through_door(files: Sequence[Source], manifest: Manifest, folder: Path, work: Path) -> None:
    for batch in _batches(files):
        jobs = [
            door.Job(tuple(door.File(manifest.files[source.path].number, source.path) for source in some), str(work / f"{number}.jsonl"))
            for number, some in enumerate(_batches(batch, JOB_BYTES))
        ]
        for source, problems in zip(batch, door.read(jobs), strict=True):
            manifest.files[source.path].problems = problems
        _keep([Path(job.spool) for job in jobs], manifest, folder)


def _keep(spools: Sequence[Path], manifest: Manifest, folder: Path) -> None:
    """Make a part of spools, and remove them."""
    filled = [str(spool) for spool in spools if spool.exists() and spool.stat().st_size]
    if filled:
        connection = connect(folder)
        part = _part(folder)
        ingest.spool(connection, filled, str(part))
        manifest.parts[part.name] = _rows(connection, part)
        connection.close()
    for spool in spools:
        spool.unlink(missing_ok=True)


def _undecided(
    connection: duckdb.DuckDBPyConnection, part: Path, batch: Sequence[Source], manifest: Manifest, folder: Path, work: Path
) -> None:
    """Let the door decide the lines that SQL did not."""
    of = {manifest.files[source.path].number: source for source in batch}
    result = connection.execute(f"SELECT number, undecided FROM {_scan(part)} WHERE undecided IS NOT NULL")
    path = work / "undecided.jsonl"
    with open(path, "wb") as spool:
        while some := result.fetchmany(1000):
            by_file: dict[int, list[bytes]] = {}
            for number, line in some:
                by_file.setdefault(number, []).append(line.encode())
            for number, content in by_file.items():
                known = manifest.files[of[number].path]
                problems = door.spooled(content, door.File(number, of[number].path), spool)
                known.problems = dict(Counter(known.problems) + Counter(problems))
    _keep([path], manifest, folder)


def _rows(connection: duckdb.DuckDBPyConnection, part: Path) -> int:
    return connection.execute(f"SELECT count(*) FROM {_scan(part)}").fetchone()[0]  # type: ignore[index]


def _scan(part: Path) -> str:
    return f"read_parquet({ingest.text(str(part))})"

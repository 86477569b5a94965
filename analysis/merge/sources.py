"""Where records lie: files, folders (an NFS mount is one) and S3 buckets, which are mirrored object by object."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis.errors import FrameError
from analysis.frame import entries
from runner.files import atomic_path

S3 = "s3://"


@dataclass(frozen=True)
class Source:
    """A record file as it stands: what tells that it has changed since it was read."""

    path: str
    size: int
    modified_ns: int


def sources(paths: Iterable[str | Path], mirror: Path, problems: Counter) -> list[Source]:
    """Every record file below the paths, each once, in a stable order; objects of buckets are copied below `mirror` first.

    What is no file is counted in problems.
    """
    local = [Path(path) if not str(path).startswith(S3) else mirrored(str(path), mirror) for path in paths]
    found = []
    for file in entries.record_files(local, problems):
        try:
            stat = file.stat()
        except OSError:
            continue  # it vanished meanwhile
        found.append(Source(str(file), stat.st_size, stat.st_mtime_ns))
    return found


def mirrored(url: str, mirror: Path) -> Path:
    """A folder with the bucket's *.jsonl objects; only new and changed ones are fetched, vanished ones are removed.

    Keys and region come from the environment as S3's tools have them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
    AWS_REGION); AWS_ENDPOINT_URL names another server than Amazon's.
    """
    bucket = url.removeprefix(S3).strip("/")
    folder = mirror / bucket.replace("/", "__")
    folder.mkdir(parents=True, exist_ok=True)
    connection = _s3()
    pattern = f"{S3}{bucket}/**/*.jsonl" if not bucket.endswith(".jsonl") else S3 + bucket
    try:
        objects = connection.execute("SELECT filename, size, epoch_us(last_modified) FROM read_blob(?)", [pattern]).fetchall()
        wanted = set()
        for name, size, modified_us in objects:
            relative = name.removeprefix(S3 + bucket).strip("/") or name.rsplit("/", 1)[-1]
            target = folder / "/".join(part for part in relative.split("/") if part not in ("", ".", ".."))
            wanted.add(target)
            if target.exists() and target.stat().st_size == size and target.stat().st_mtime_ns == modified_us * 1000:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = connection.execute("SELECT content FROM read_blob(?)", [name]).fetchone()
            with atomic_path(target) as partial:
                Path(partial).write_bytes(content[0] if content else b"")
                os.utime(partial, ns=(modified_us * 1000, modified_us * 1000))
    except duckdb.Error as error:
        raise FrameError(f"{url}: {str(error).splitlines()[0]}; check AWS_ENDPOINT_URL, the keys in the environment and the bucket's name")
    finally:
        connection.close()
    for old in set(folder.rglob("*.jsonl")) - wanted:
        old.unlink()
    return folder


def _s3() -> duckdb.DuckDBPyConnection:
    """A connection that reads S3; the extension is the installed package's, nothing is fetched."""
    try:
        import duckdb_extension_httpfs
    except ImportError:
        raise FrameError("s3://: duckdb-extension-httpfs is not installed; install the extra [fleet], or copy the bucket to a folder")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    extension = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))
    connection.load_extension(str(extension))
    server = os.environ.get("AWS_ENDPOINT_URL", "")
    names = {"AWS_ACCESS_KEY_ID": "KEY_ID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "SESSION_TOKEN", "AWS_REGION": "REGION"}
    options = {option: os.environ[name] for name, option in names.items() if os.environ.get(name)}
    if server:
        scheme, _, host = server.rpartition("://")
        options |= {"ENDPOINT": host.rstrip("/"), "URL_STYLE": "path", "USE_SSL": "false" if scheme == "http" else "true"}
    quoted = ", ".join([f"{name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in options.items()])
    connection.execute(f"CREATE SECRET (TYPE s3{', ' + quoted if quoted else ''})")
    return connection

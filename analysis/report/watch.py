"""`dyno report --watch`: rebuild the page while a run goes on, and have the open page reload."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runner.files import atomic_write

STAMP = "stamp.js"  # beside the page; a page opened from a file may read scripts there, and nothing else
EVERY_S = 2.0
# The page asks for the stamp anew and reloads when it is another; the nonce lets it past the page's policy.
SCRIPT = """setInterval(() => { const s = document.createElement("script"); s.nonce = document.currentScript?.nonce || document.querySelector("script[nonce]").nonce;
s.src = "stamp.js?" + Date.now(); s.onload = () => { s.remove(); if (window.dynoStamp && window.dynoStamp !== "%s") location.reload(); }; document.head.append(s); }, 3000);"""


def state(paths: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every record file."""
    files = sorted({file for path in paths for file in (path.rglob("*.jsonl") if path.is_dir() else [path]) if file.is_file()})
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def changes(paths: Sequence[Path], sleep: Callable[[float], None] = time.sleep) -> Iterator[int]:
    """Yield a number now and whenever the record files have changed since; waits until there is one."""
    seen: tuple[tuple[str, int, int], ...] = ()
    number = 0
    while True:
        now = state(paths)
        if now and now != seen:
            seen, number = now, number + 1
            yield number
        else:
            sleep(EVERY_S)


def stamp(folder: Path, value: str) -> None:
    """Tell open pages that there is a newer one."""
    atomic_write(folder / STAMP, f'window.dynoStamp = "{value}";\n')

"""Files that several processes and containers share: locks, and writing that leaves the old file or the whole new one."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from typing import Any, Callable, Iterable, Iterator, Union

try:
    import fcntl
except ImportError:  # Windows: no lock, so one run at a time is the user's care
    fcntl = None  # type: ignore[assignment]


def lock(file: Any, wait: bool = True) -> None:
    """Lock an open file (or descriptor) until it is closed. OSError where another has it and ``wait`` is False, or the file system has no locks."""
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def locked(path: Any) -> Iterator[None]:
    """Wait for the lock on ``path`` and hold it; where the file system has no locks, go on without."""
    with open(str(path), "ab") as file:
        with contextlib.suppress(OSError):
            lock(file)
        yield


def temporary_name(path: str) -> str:
    """A name beside ``path`` that nobody else takes: containers that share a volume have the same process ids, so it is random too."""
    return "%s.%d-%s.part" % (path, os.getpid(), uuid.uuid4().hex[:8])


@contextlib.contextmanager
def atomic_path(path: Any) -> Iterator[str]:
    """A name beside ``path`` to write a file or folder under; it takes its place when the block ends well and is removed otherwise.

    An OSError of what is written names ``path``: of a full disk the system says no name, else the temporary one.
    """
    asked, path = str(path), os.path.realpath(str(path))  # a link stays a link
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename = asked
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary) if os.path.isdir(temporary) else os.remove(temporary)
        raise


def atomic_write(path: Any, data: Union[str, bytes]) -> None:
    """Write ``data`` (text as UTF-8, or bytes) to ``path``, flushed to disk; readers see the old file or the whole new one, never a part."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    if os.path.exists(str(path)) and not os.path.isfile(str(path)):  # a device or a pipe: nothing takes its place
        try:
            with open(str(path), "wb") as device:
                device.write(content)
        except OSError as error:
            error.filename = str(path)
            raise
        return
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_text(path: Any, most: int = 1 << 26) -> str:
    """A user's file as text. OSError where it is a pipe, which would be waited for, or of more than ``most`` bytes, as a device without an end;
    UnicodeDecodeError where it is no UTF-8. Pipes that a shell gives (/dev/fd/63) have a writer and are read."""
    path = str(path)
    if stat.S_ISFIFO(os.stat(path).st_mode) and not path.startswith(("/dev/", "/proc/")):
        raise OSError(errno.ESPIPE, "is a pipe; give a file", path)
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, "has more than %d MiB" % (most >> 20), path)
    return content.decode("utf-8")


def sha256(path: str) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 22), b""):
            found.update(block)
    return found.hexdigest()


def made_once(path: str, make: Callable[[str], Any]) -> str:
    """``path``, made by ``make(name)`` under another name unless it is there with the hash that was recorded beside it."""
    try:
        with open(path + ".sha256", encoding="ascii") as file:
            if file.read().strip() == sha256(path):
                return path
    except (OSError, UnicodeDecodeError):
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with atomic_path(path) as temporary:
        make(temporary)
        atomic_write(path + ".sha256", sha256(temporary) + "\n")
    return path


def user_cache() -> str:
    """The user's folder for what can be made anew: dyno below $XDG_CACHE_HOME or ~/.cache. OSError where the user has no home."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if root.startswith("~"):
        raise OSError(errno.ENOENT, "the user has no home folder", root)
    return os.path.join(root, "dyno")


def slug(text: str) -> str:
    """A text as part of a file's name: whatever is not a letter, digit, ``.``, ``_`` or ``-`` becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)


def is_slug(text: str) -> bool:
    """Whether slug() loses nothing of a text."""
    return slug(text) == text


def file_name(text: str, others: Iterable[str] = ()) -> str:
    """A text as a file's name, never empty, hidden or endless; a short hash follows where nothing is left of it, or as much of one of the others."""
    short = slug(text).strip("-.")[:80]
    if short and all(other == text or slug(other).strip("-.")[:80].lower() != short.lower() for other in others):
        return short
    return ("%s-" % short[:70] if short else "") + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]

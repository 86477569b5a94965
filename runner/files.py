"""Files that several processes and containers share: locks, and writing that leaves the old file or the whole new one."""

import contextlib
import hashlib
import os
import re
import uuid

try:
    import fcntl
except ImportError:  # Windows: no lock, so one run at a time is the user's care
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def held(path):
    """Wait for the lock on ``path`` and hold it; where the file system has no locks, go on without."""
    with open(path, "ab") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def part(path):
    """A name beside ``path`` that nobody else takes: containers that share a volume have the same process ids."""
    return "%s.%d-%s.part" % (path, os.getpid(), uuid.uuid4().hex[:8])


def atomic_write(path, data):
    """Write ``data`` (text as UTF-8, or bytes) to ``path``, flushed to disk; readers see the old file or the whole new one, never a part."""
    path = str(path)
    temporary = part(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def sha256(path):
    """SHA-256 of a file's content, as hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 22), b""):
            found.update(block)
    return found.hexdigest()


def made_once(path, make):
    """``path``, made by ``make(name)`` under another name unless it is there with the hash that was recorded beside it."""
    try:
        with open(path + ".sha256", encoding="ascii") as file:
            if file.read().strip() == sha256(path):
                return path
    except (OSError, UnicodeDecodeError):
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = part(path)
    try:
        make(temporary)
        atomic_write(path + ".sha256", sha256(temporary) + "\n")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)
    return path


def slug(text):
    """A text as part of a file's name: what is no letter, digit, ``.``, ``_`` or ``-`` becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)


def is_slug(text):
    """Whether slug() loses nothing of a text."""
    return slug(text) == text

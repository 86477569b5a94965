"""A lock between processes and containers that share a volume; whoever dies lets go of it."""

import contextlib

try:
    import fcntl
except ImportError:  # Windows: no lock, so one run at a time is the user's care
    fcntl = None


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

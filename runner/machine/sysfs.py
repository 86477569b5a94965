"""Small readers of /proc and /sys below a root, so that tests can build the tree of any board."""

import glob
import os
from typing import List, Optional


def text(root: str, path: str) -> Optional[str]:
    """Content without blanks and the device tree's trailing NUL; None where it can't be read."""
    try:
        with open(join(root, path), "rb") as file:
            return file.read().decode("utf-8", "replace").strip(" \t\r\n\0")
    except OSError:
        return None


def number(root: str, path: str) -> Optional[int]:
    """The file's first word as int; None where it can't be read or is not a number."""
    try:
        return int((text(root, path) or "").split()[0])
    except (ValueError, IndexError):
        return None


def find(root: str, pattern: str) -> List[str]:
    """Paths below root that match a shell pattern, sorted, as ``text`` and ``number`` take them."""
    base = len(root.rstrip("/"))
    return sorted(path[base:] for path in glob.glob(join(root, pattern)))


def join(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def cgroup_files(root: str, controller: str, name: str) -> List[str]:
    """Files called ``name`` of this process's cgroup and of those above it, innermost first.

    ``controller`` is the v1 hierarchy (memory, cpu, cpuset); with v2 there is only one, and it is not used.
    Inside a container the own group is usually mounted as /sys/fs/cgroup itself, whatever /proc/self/cgroup says.
    """
    found = []
    for line in (text(root, "proc/self/cgroup") or "").splitlines():
        if line.count(":") < 2:
            continue
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for base in ("sys/fs/cgroup/" + (controllers or "unified"), "sys/fs/cgroup/" + controller, "sys/fs/cgroup"):
            inner = "/".join(part for part in group.split("/") if part and part != "..")  # a container's path may lie above its own root
            while True:
                path = "/".join(part for part in (base, inner, name) if part)
                if path not in found and os.path.exists(join(root, path)):
                    found.append(path)
                if not inner:
                    break
                inner = inner.rpartition("/")[0]
    return found

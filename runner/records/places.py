"""Where results lie."""

import glob
import hashlib
import os
from dataclasses import dataclass
from typing import Any

LONGEST = 200  # bytes of a file's name without its ending; file systems take 255


@dataclass(frozen=True)
class Places:
    """Where a run writes: ``results`` (records below it) and ``cache`` (networks, engines, weights)."""

    results: str
    cache: str

    def record_path(self, platform: str, host: str) -> str:
        """The record file of a platform and host; whatever they are called, it lies in the folder of records."""
        mode = os.environ.get("DYNO_MODE")  # a sweep over power modes (make POWER_MODES=...) measures every cell in each of them
        parts = [platform, host] + (["mode" + mode] if mode else [])
        name = "-".join("".join(c if c.isalnum() or c in "-_." else "-" for c in part) for part in parts)
        name = name.lstrip(".") or "unnamed"
        if len(name.encode("utf-8")) > LONGEST:
            name = "%s-%s" % (name[: LONGEST // 4], hashlib.sha256(name.encode("utf-8")).hexdigest()[:16])
        return os.path.join(self.results, "records", name + ".jsonl")


def recorded_bytes(results: Any) -> int:
    """How much the record files of a results folder hold: a run that ends badly and adds nothing, as on a full disk, has said nothing of its cells."""
    return sum(os.path.getsize(path) for path in glob.glob(os.path.join(glob.escape(str(results)), "records", "*.jsonl")))

"""Where results lie."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Places:
    """Where a run writes: ``results`` (records below it) and ``cache`` (networks, engines, weights)."""

    results: str
    cache: str

    def record_path(self, platform, host):
        platform, host = ["".join(c if c.isalnum() or c in "-_." else "-" for c in name) for name in (platform, host)]
        mode = os.environ.get("DYNO_MODE")  # a sweep over power modes (make POWER_MODES=...) measures every cell in each of them
        return os.path.join(self.results, "records", "%s-%s%s.jsonl" % (platform, host, "-mode%s" % mode if mode else ""))

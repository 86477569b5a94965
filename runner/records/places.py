"""Where results lie."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Places:
    """Where a run writes: ``results`` (records below it) and ``cache`` (networks, engines, weights)."""

    results: str
    cache: str

    def record_path(self, platform, host):
        host = "".join(c if c.isalnum() or c in "-_." else "-" for c in host)
        return os.path.join(self.results, "records", "%s-%s.jsonl" % (platform, host))

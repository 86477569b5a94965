"""`dyno selftest`: the quick part, with ``full`` the rest too, and its result as one small file without personal data."""

import hashlib
import os
from typing import Any, Callable, Dict, Optional, Sequence

from runner import __version__, backends
from runner.machine import environment
from runner.measure.selftest import full as full_part
from runner.measure.selftest import quick
from runner.measure.selftest.rows import Row
from runner.measure.selftest.trial import Trial
from runner.records import file as record_file

BUDGET_S = 180.0
FULL_BUDGET_S = 470.0
PRIVATE = (
    "host",
    "packages",
    "thread_env",
    "image",
    "container",
    "protocol",
    "comparable",
    "capabilities",
    "sensors_at_rest",
    "sensors_absent",
)


def run(
    folder: str,
    full: bool = False,
    budget_s: Optional[float] = None,
    report: Callable[[Row], None] = lambda row: None,
    names: Optional[Sequence[str]] = None,
    heading: Callable[[str], None] = lambda title: None,
) -> Dict[str, Any]:
    """Try everything within ``budget_s`` seconds; the result is ready for JSON: ``facts``, ``rows``, ``seconds``.

    ``folder`` takes matrices, networks' files and records; ``names`` are the backends to try (default: all).
    """
    trial = Trial(folder, budget_s or (FULL_BUDGET_S if full else BUDGET_S), report, heading)
    running = quick.run(trial, names or backends.names())
    if full:
        full_part.run(trial, running)
    verdicts = [row.verdict for row in trial.rows]
    return {
        "dyno": __version__,
        "made_at": record_file.utc_now(),
        "full": full,
        "seconds": round(trial.budget_s - trial.left_s, 1),
        "machine": hashlib.sha256(environment.host().encode("utf-8")).hexdigest()[:12],
        "platform": environment.platform_name(),
        "devices": trial.devices,
        "facts": without_identity(trial.facts),
        "counts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "rows": [Row(row.what, row.verdict, without_paths(row.detail, folder))._asdict() for row in trial.rows],
    }


def without_identity(facts: Dict[str, Any]) -> Dict[str, Any]:
    """The facts that name no host, no user and no single piece of hardware."""
    kept = {name: value for name, value in facts.items() if name not in PRIVATE}
    if kept.get("gpus"):
        kept["gpus"] = [{name: value for name, value in gpu.items() if name != "uuid"} for gpu in kept["gpus"]]
    return kept


def without_paths(text: str, folder: str) -> str:
    """A message without the folders of this machine."""
    for path in (folder, os.getcwd(), os.path.expanduser("~")):
        text = text.replace(path, "...") if len(path) > 1 else text
    return text

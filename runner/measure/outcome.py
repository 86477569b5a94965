"""What came of one job of a worker, and whether it was memory that it lacked."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional

SAID = ("out of memory", "bad_alloc", "memoryerror", "can't allocate", "cannot allocate", "failed to allocate", "want of memory")


@dataclass
class Outcome:
    """What came of one job. ``result`` is None if it failed; then ``reason`` says why, ``phase`` where.

    ``oom_kills`` counts what the kernel killed for want of memory meanwhile; None where it doesn't say.
    """

    result: Optional[Dict[str, Any]] = None
    reason: Optional[str] = None
    skip: bool = False
    phase: str = "import"
    signal: Optional[str] = None
    stderr: Optional[str] = None
    timed_out: bool = False
    oom_kills: Optional[int] = None
    process_s: float = 0.0
    child_cpu_s: float = 0.0
    worker_cpu_s: float = 0.0
    readings: Dict[str, Any] = field(default_factory=dict)

    @property
    def too_large(self) -> bool:
        """Whether a larger batch can only fail too. Judged by the reason, so that it works for a record too."""
        return self.phase != "prepare" and not self.skip and (self.out_of_memory or (self.reason or "").startswith("timeout:"))

    @property
    def out_of_memory(self) -> bool:
        said = ((self.reason or "") + (self.stderr or "")).lower()
        return any(word in said for word in SAID) or (self.signal == "SIGKILL" and not self.timed_out and self.oom_kills != 0)

    def ended_by(self, who: str, name: str) -> None:
        """Take note that signal ``name`` has ended the process ``who``."""
        self.signal = name
        self.reason = "%s was ended by %s in phase %s" % (who, name, self.phase)
        if name == "SIGKILL" and self.oom_kills is None:
            self.reason += ", most likely for want of memory"
        elif name == "SIGKILL" and self.oom_kills:
            self.reason += ": out of memory"


def oom_kills(path: str = "/proc/vmstat") -> Optional[int]:
    """Processes that the kernel has killed for want of memory since boot, in any cgroup; None before Linux 4.13."""
    try:
        with open(path) as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None

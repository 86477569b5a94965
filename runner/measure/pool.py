"""The workers of a run: started when they are first needed, kept, replaced when they have died, ended with the run."""

import os
from typing import Callable, Dict, Optional

from runner.measure.job import Request
from runner.measure.outcome import Outcome
from runner.measure.sampling import Sampler
from runner.measure.supervise import Worker


class Pool:
    """At most one worker a backend, or with ``one_at_a_time`` one in all: the old one has ended before the next starts. ``cpu_s`` is the CPU time that workers spent on jobs, their imports apart."""

    def __init__(self, cache: str) -> None:
        self.cpu_s = 0.0
        self.one_at_a_time = False
        self._cache = cache
        self._workers: Dict[str, Worker] = {}
        self._counted: Dict[str, float] = {}  # CPU time of a backend's worker that is accounted for

    def run(
        self, backend: str, request: Request, timeout_s: float, sampler: Optional[Sampler] = None, on_part: Optional[Callable] = None
    ) -> Outcome:
        """The Outcome of a job; never raises for what the job does."""
        worker = self._workers.get(backend)
        if worker is None or worker.dead:
            if self.one_at_a_time:
                self.close()
            worker = self._workers[backend] = Worker(backend, {"TORCH_HOME": os.path.join(self._cache, "torch")})
            self._counted[backend] = 0.0
        outcome = worker.run(request.as_dict(), timeout_s, sampler, on_part)
        counted = max(self._counted[backend], worker.import_cpu_s)
        self.cpu_s += max(0.0, outcome.worker_cpu_s - counted)
        self._counted[backend] = max(counted, outcome.worker_cpu_s)
        return outcome

    def close(self) -> None:
        """End all workers; the next job starts a new one."""
        for worker in self._workers.values():
            worker.kill()
        self._workers.clear()

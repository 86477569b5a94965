"""One invocation of a command that measures: its id, its workers, its record file, its line of the environment."""

import random
import time
import zlib
from typing import Any, Callable, Dict, Optional

from runner import __version__, backends
from runner.machine import environment, threads
from runner.measure.outcome import Outcome
from runner.measure.pool import Pool
from runner.measure.prepare import Preparer
from runner.plan.matrix import Matrix
from runner.records import file as record_file
from runner.records import line as lines
from runner.records.places import Places


class Session:
    """What a run and an evaluation of accuracy have in common; close it to end its workers."""

    def __init__(self, loaded: Matrix, places: Places, platform: str, clock: Callable[[], float] = time.time) -> None:
        self.protocol, self.specs, self.places, self.platform = loaded.protocol, loaded.models, places, platform
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
        self.id = "%s-%08x" % (stamp, random.SystemRandom().getrandbits(32))
        rule = self.threads_rule = threads.for_backends(self.protocol.threads)
        self.threads = rule.count
        self.pool = Pool(places.cache)
        self.preparer = Preparer(self.pool, places.cache, self.protocol, self.threads)
        self.origin = lines.Origin(self.id, None, self.protocol.as_dict())
        self.file: Optional[record_file.RecordFile] = None

    @property
    def record_path(self) -> str:
        return self.places.record_path(self.platform, environment.host())

    @property
    def order_seed(self) -> int:
        """Seed of the order of this run: its own, so that effects of the order average out between runs."""
        return zlib.crc32(self.id.encode("ascii"))

    def facts(self) -> Dict[str, Any]:
        """The facts of this machine, with those that must be alike and those that decide what can run here."""
        facts = environment.describe()
        facts.update(dyno=__version__, threads=self.threads, threads_rule=self.threads_rule.rule, protocol=self.protocol.as_dict())
        facts.update(threads_why=self.threads_rule.why)
        facts.update(backends={name: backends.available(name) for name in backends.names()})
        facts.update(comparable=environment.comparable(facts), capabilities=environment.capabilities(facts))
        return facts

    def append_environment(self, facts: Dict[str, Any], **more: Any) -> None:
        """Record the facts of this machine, which the lines that follow refer to."""
        self.origin = lines.Origin(self.id, "env-" + self.id, self.origin.protocol)
        self._file().append(lines.environment(self.origin, dict(facts, **more)))

    def append(self, line: lines.Line) -> None:
        self._file().append(line.as_dict())

    def _file(self) -> record_file.RecordFile:
        assert self.file is not None
        return self.file

    def close(self) -> None:
        self.pool.close()


def failed(line: lines.Line, outcome: Outcome) -> lines.Line:
    """The line with what came of a job that failed."""
    return lines.failed(line, outcome.reason or "", outcome.phase, outcome.skip, outcome.signal, outcome.stderr)

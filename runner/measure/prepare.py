"""Making a network's files before its cells are measured, unless the cache has them."""

import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

from runner import backends
from runner.errors import Unprepared
from runner.measure.job import PREPARE, Request
from runner.measure.outcome import Outcome
from runner.measure.pool import Pool
from runner.networks import artefact, cache
from runner.networks.spec import ModelSpec
from runner.plan.protocol import Protocol
from runner.records.cell import Cell

TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Prepared:
    """What is known of a network whose files are there; all None where the backend needs no files."""

    complexity: Optional[Dict[str, Any]] = None
    sensitivity: Optional[float] = None
    weights_tag: Optional[str] = None


class Preparer:
    """Makes files of networks in the workers of a pool."""

    def __init__(self, pool: Pool, cache: str, protocol: Protocol, threads: int) -> None:
        self.pool, self.cache, self.protocol, self.threads = pool, cache, protocol, threads

    def artefact(self, cell: Cell, spec: ModelSpec) -> artefact.Artefact:
        return artefact.in_cache(self.cache, spec, self.protocol.seed, cell.batch_size, cell.input_px)

    def prepare(self, cell: Cell, spec: ModelSpec, needs: Optional[str]) -> Union[Prepared, Outcome]:
        """Make the files unless they are in the cache; the failed Outcome where that can't be."""
        try:
            art = self.artefact(cell, spec)
            what = art.missing(needs)
        except Unprepared as error:
            return Outcome(reason=str(error), skip=error.skip, phase="prepare")
        if what:
            reason = None if art.is_file else backends.available("pytorch")
            if reason:
                hint = "%s: its %s is not in the cache, and %s; make it with `dyno export` where torch is" % (cell.model, what, reason)
                return Outcome(reason=hint, skip=True, phase="prepare")
            failed = self.make(cell, spec, needs, cell.base_backend if art.is_file else "pytorch")
            if failed:
                return failed
            cache.prune(self.cache, self.protocol.cache_limit_gb * 1e9, keep=art.folder)
            try:
                art = self.artefact(cell, spec)
                art.missing(needs)
            except Unprepared as error:
                return Outcome(reason=str(error), skip=error.skip, phase="prepare")
        elif needs is not None:
            cache.used(art.folder)
        return Prepared() if needs is None else Prepared(art.complexity, art.manifest.get("sensitivity"), art.manifest.get("weights_tag"))

    def is_kept(self, cell: Cell, spec: ModelSpec) -> bool:
        """Whether the folder of files that were there is there still: those of other networks may have taken its place in the cache."""
        folder = self.artefact(cell, spec).folder
        cache.used(folder)
        return os.path.isdir(folder)

    def make(self, cell: Cell, spec: ModelSpec, needs: Optional[str], backend: str = "pytorch") -> Optional[Outcome]:
        """Make the files whatever the cache has, in a worker of ``backend``; the failed Outcome, or None when all is well."""
        outcome = self.pool.run(backend, Request(PREPARE, cell, spec, self.protocol, self.cache, self.threads, needs), TIMEOUT_S)
        if outcome.result is not None:
            return None
        outcome.phase = "prepare"
        return outcome

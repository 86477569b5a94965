"""Accuracy: Top-1 and Top-5 hits on a labelled data set, in the same backend, precision and input size that is timed.

A cell's images are counted in parts, one record of kind ``accuracy`` each, so that a killed run goes on with the next part.
Accuracy depends on neither batch size nor scenario: one batch size of the plan stands for all.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from runner import backends
from runner.errors import DataError
from runner.measure.job import ACCURACY, Count, Request
from runner.measure.outcome import Outcome
from runner.measure.session import Session, failed
from runner.networks import artefact, datasets, preprocessing, sources
from runner.networks.spec import ModelSpec
from runner.plan.matrix import Matrix
from runner.records import accuracy_totals
from runner.records import file as record_file
from runner.records import line as lines
from runner.records.accuracy_totals import Totals
from runner.records.cell import Cell
from runner.records.places import Places

BATCH = 32  # the plan's largest batch size up to here is taken


def representatives(cells: Iterable[Cell], batch_size: Optional[int] = None) -> List[Cell]:
    """One cell for all batch sizes and scenarios of a network, backend, precision, device and input size, in the order given."""
    groups: Dict[Cell, Set[int]] = OrderedDict()
    for cell in cells:
        groups.setdefault(cell._replace(batch_size=0, scenario="latency"), set()).add(cell.batch_size)
    return [
        key._replace(batch_size=batch_size or max([size for size in sizes if size <= BATCH] or [min(sizes)]))
        for key, sizes in groups.items()
    ]


def fitting(cells: Sequence[Cell], specs: Dict[str, ModelSpec], data: Any) -> Tuple[List[Cell], List[str]]:
    """(cells whose network can be judged by the data set, reasons for the rest); what an ONNX file answers is known when it has answered."""
    reasons: Dict[str, None] = OrderedDict()
    fit = []
    for cell in cells:
        spec = specs[cell.model]
        if spec.num_classes == len(data.classes) or spec.name.startswith("onnx:"):
            fit.append(cell)
        else:
            found = (spec.title, spec.num_classes, data.path, len(data.classes))
            reasons["%s has %d classes, %s has %d; set the network's num_classes, or give the data it was trained for" % found] = None
    if (
        fit
        and datasets.without_pillow()
        and any(data.needs_pillow(preprocessing.for_network(specs[c.model], c.input_px, data.cifar)) for c in fit)
    ):
        raise DataError("%s: %s" % (data.path, datasets.without_pillow()))
    return fit, list(reasons)


@dataclass(frozen=True)
class Progress:
    """Where the evaluation stands: ``line`` is the record that was just written, if any; ``totals`` what came of a cell that is done."""

    cell: Cell
    done: int
    total: int
    images: int
    of: int
    remaining_s: float
    line: Optional[lines.Line] = None
    totals: Optional[Totals] = None


class Evaluation:
    """One invocation of ``dyno accuracy``; ``settings`` is the matrix's section (see runner.plan.sections.ACCURACY)."""

    def __init__(
        self,
        loaded: Matrix,
        places: Places,
        platform: str,
        data: Any,
        settings: Dict[str, Any],
        report: Optional[Callable[[Progress], None]] = None,
    ) -> None:
        self.session = Session(loaded, places, platform)
        self.protocol, self.specs = loaded.protocol, loaded.models
        self.report = report or (lambda progress: None)
        self.data, self.settings = data, settings
        self.last = min(len(data), settings.get("limit") or len(data))
        self.changes = {name: settings.get(name) for name in ("resize_px", "interpolation", "mean", "std")}
        self.warnings: List[str] = []

    def execute(self, cells: Sequence[Cell], retry: Sequence[str] = ()) -> List[Tuple[Cell, Totals]]:
        """Count what is missing; returns the Totals of all cells, and raises nothing for what a network does."""
        path = self.session.record_path
        with record_file.RecordFile(path) as self.session.file:
            self.totals, warnings = accuracy_totals.history(path, refuse_newer=True)
            self.warnings = self.session.file.warnings + warnings
            self.evaluated, self.started = 0, time.monotonic()
            try:
                return [(cell, self._judged(cell, (index, len(cells)), retry)) for index, cell in enumerate(cells)]
            finally:
                self.session.close()

    def _judged(self, cell: Cell, place: Tuple[int, int], retry: Sequence[str]) -> Totals:
        found = self._cell(cell, place[0], place[1], retry)
        self.report(Progress(cell, place[0] + 1, place[1], found.images, self.last, float("nan"), totals=found))
        return found

    def _cell(self, cell: Cell, index: int, total: int, retry: Sequence[str]) -> Totals:
        spec = self.specs[cell.model]
        network = artefact.key_hash(spec, self.protocol.seed, cell.input_px)
        prepare = self._preprocessing(cell, spec)
        done = self.totals.get(accuracy_totals.key_of(cell, network, self.data.id, prepare), Totals())
        if done.end >= self.last or done.status != "ok" and done.status not in retry:
            return done
        if self.session.origin.environment is None:
            self.session.append_environment(self.session.facts())
        part = self._part(network, prepare)
        line = lines.accuracy(self.session.origin, cell, spec.weights, part, "end", self._tag(cell, spec))
        refusal = backends.available(cell.base_backend)
        outcome = None if refusal else self._prepare(cell, spec)
        if refusal:
            line = lines.failed(line, refusal, "import", is_skipped=True)
        elif outcome is None:
            part["preprocessing"] = prepare = self._preprocessing(cell, spec)
            done = self.totals.get(accuracy_totals.key_of(cell, network, self.data.id, prepare), Totals())
            if done.end >= self.last:
                return done
            outcome = self._count(cell, spec, part, done.end, (index, total))
        if outcome is not None and outcome.result is None:
            line = failed(line, outcome)
        if line.status != "ok":
            self._append(line)
        return self.totals[accuracy_totals.key_of(cell, network, self.data.id, part["preprocessing"])]

    def _preprocessing(self, cell: Cell, spec: ModelSpec) -> Optional[Dict[str, Any]]:
        """As a dict, or None where it is known only when the network's files have been made (timm)."""
        if self.data.cifar is None and cell.input_px > preprocessing.SMALL_PX and sources.has_data_config(spec):
            config = self.session.preparer.artefact(cell, spec).manifest.get("data_config")
            return preprocessing.for_network(spec, cell.input_px, None, config, **self.changes).as_dict() if config else None
        return preprocessing.for_network(spec, cell.input_px, self.data.cifar, **self.changes).as_dict()

    def _tag(self, cell: Cell, spec: ModelSpec) -> Optional[str]:
        tag: Optional[str] = self.session.preparer.artefact(cell, spec).manifest.get("weights_tag")
        return tag

    def _prepare(self, cell: Cell, spec: ModelSpec) -> Optional[Outcome]:
        """Make the network's files; None when all is well, else the failed Outcome."""
        found = self.session.preparer.prepare(cell, spec, backends.declared(cell.base_backend).needs)
        if isinstance(found, Outcome):
            return found
        if self._preprocessing(cell, spec) is None:  # the cache is older than this command
            return self.session.preparer.make(cell, spec, "torch")
        return None

    def _count(self, cell: Cell, spec: ModelSpec, known: Dict[str, Any], first: int, place: Tuple[int, int]) -> Outcome:
        clock = [time.monotonic()]

        def on_part(part: Dict[str, Any]) -> None:
            now = time.monotonic()
            added = lines.accuracy(self.session.origin, cell, spec.weights, dict(known, **part), str(part["first"]), self._tag(cell, spec))
            added, clock[0] = replace(added, wall_s=now - clock[0]), now
            self._append(added)
            self.evaluated += part["last"] - part["first"]
            self._show(cell, place, part["last"], added)

        self._show(cell, place, first)
        data = self.data
        count = Count(data.path, data.format, data.id, first, self.last, known["preprocessing"], self.settings.get("classes"))
        request = Request(ACCURACY, cell, spec, self.protocol, self.session.places.cache, self.session.threads, count=count)
        return self.session.pool.run(cell.base_backend, request, self.protocol.timeout_s, on_part=on_part)

    def _show(self, cell: Cell, place: Tuple[int, int], images: int, line: Optional[lines.Line] = None) -> None:
        left = (place[1] - place[0]) * self.last - images
        pace = (time.monotonic() - self.started) / self.evaluated if self.evaluated else float("nan")
        self.report(Progress(cell, place[0], place[1], images, self.last, left * pace, line))

    def _append(self, line: lines.Line) -> None:
        self.session.append(line)
        part = line.accuracy or {}
        key = accuracy_totals.key_of(line.cell, part["network"], part["data_id"], part["preprocessing"])
        self.totals[key] = self.totals.get(key, Totals()).plus(line.as_dict())

    def _part(self, network: str, prepare: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        """What is counted of, with nothing counted yet."""
        data = self.data
        part = {"data": data.name, "data_id": data.id, "format": data.format, "data_images": len(data), "classes": len(data.classes)}
        part.update(network=network, preprocessing=prepare, first=None, last=None, images=0, unreadable=0, unreadable_first=None)
        part.update(not_finite=0, top1=0, top5=None, hits=None, executed=None)
        return part

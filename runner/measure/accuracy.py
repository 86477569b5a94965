"""Accuracy: Top-1 and Top-5 hits on a labelled data set, in the same backend, precision and input size that is timed.

A cell's images are counted in parts, one record of kind ``accuracy`` each, so that a killed run goes on with the next part.
Accuracy depends on neither batch size nor scenario: one batch size of the plan stands for all.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from runner import backends
from runner.errors import DataError
from runner.machine import environment
from runner.measure import run
from runner.networks import datasets, interchange, preprocessing, sources
from runner.records import accuracy_totals, schema
from runner.records import file as record_file
from runner.records.cell import cell_from

BATCH = 32  # the plan's largest batch size up to here is taken


def representatives(cells, batch_size=None):
    """One cell for all batch sizes and scenarios of a network, backend, precision, device and input size, in the order given."""
    groups = OrderedDict()
    for cell in cells:
        groups.setdefault(cell._replace(batch_size=0, scenario="latency"), set()).add(cell.batch_size)
    return [
        key._replace(batch_size=batch_size or max([size for size in sizes if size <= BATCH] or [min(sizes)]))
        for key, sizes in groups.items()
    ]


def fitting(cells, specs, data):
    """(cells whose network can be judged by the data set, reasons for the rest); what an ONNX file answers is known when it has answered."""
    fit, reasons = [], OrderedDict()
    for cell in cells:
        spec = specs[cell.model]
        if spec.num_classes == len(data.classes) or spec.name.startswith("onnx:"):
            fit.append(cell)
        else:
            found = (spec.title, spec.num_classes, data.path, len(data.classes))
            reasons["%s has %d classes, %s has %d; set the network's num_classes, or give the data it was trained for" % found] = None
    if fit and datasets.without_pillow() and any(data.needs_pillow(preprocessing.of(specs[c.model], c.input_px, data.cifar)) for c in fit):
        raise DataError("%s: %s" % (data.path, datasets.without_pillow()))
    return fit, list(reasons)


@dataclass(frozen=True)
class Progress:
    """Where the evaluation stands; ``line`` is the record that was just written, if any."""

    cell: object
    done: int
    total: int
    images: int
    of: int
    remaining_s: float
    line: object = None


class Evaluation(run.Run):
    """One invocation of ``dyno accuracy``; ``settings`` is the matrix's section (see runner.plan.matrix.ACCURACY)."""

    rest_s = 0.0  # hits are counted, not timed

    def __init__(self, loaded, places, platform, data, settings, report=None):
        run.Run.__init__(self, loaded, places, platform, report)
        self.data, self.settings = data, settings
        self.last = min(len(data), settings.get("limit") or len(data))
        self.changes = {name: settings.get(name) for name in ("resize_px", "interpolation", "mean", "std")}
        self.environment = None

    def execute(self, cells, retry=()):
        """Count what is missing; returns [(cell, Totals)] of all cells, and raises nothing for what a network does."""
        path = self.places.record_path(self.platform, environment.host())
        with record_file.RecordFile(path) as self.file:
            self.totals, warnings = accuracy_totals.history(path)
            self.warnings = self.file.warnings + warnings
            self.evaluated, self.started = 0, time.monotonic()
            try:
                return [(cell, self._cell(cell, index, len(cells), retry)) for index, cell in enumerate(cells)]
            finally:
                self.close()

    def _wait_for_quiet(self):
        """Others may use the machine."""

    def _cell(self, cell, index, total, retry):
        spec = self.specs[cell.model]
        network = interchange.identity(spec, self.protocol["seed"], cell.input_px)
        prepare = self._preprocessing(cell, spec)
        done = self.totals.get(accuracy_totals.identity(cell, network, self.data.id, prepare), accuracy_totals.Totals())
        if done.end >= self.last or done.status != "ok" and done.status not in retry:
            return done
        if self.environment is None:
            self._append_environment()
        line = self._line(cell, spec, network, prepare)
        refusal = self._refusal(cell)
        outcome = None if refusal else self._prepare(cell, spec)
        if refusal:
            line.update(status="skipped", reason=refusal, phase="import")
        elif outcome is None:
            line["accuracy"]["preprocessing"] = prepare = self._preprocessing(cell, spec)
            done = self.totals.get(accuracy_totals.identity(cell, network, self.data.id, prepare), accuracy_totals.Totals())
            if done.end >= self.last:
                return done
            outcome = self._count(cell, spec, line, done.end, (index, total))
        if outcome is not None and outcome.result is None:
            self._failed(cell, outcome, line)
        if line["status"] != "ok":
            self._append(line)
        return self.totals[accuracy_totals.identity(cell, network, self.data.id, line["accuracy"]["preprocessing"])]

    def _preprocessing(self, cell, spec):
        """As a dict, or None where it is known only when the network's files have been made (timm)."""
        if self.data.cifar is None and cell.input_px > preprocessing.SMALL_PX and sources.has_data_config(spec.name):
            config = interchange.artefact(self.places.cache, spec, self.protocol["seed"], cell.batch_size, cell.input_px).manifest.get(
                "data_config"
            )
            return preprocessing.of(spec, cell.input_px, None, config, **self.changes).as_dict() if config else None
        return preprocessing.of(spec, cell.input_px, self.data.cifar, **self.changes).as_dict()

    def _prepare(self, cell, spec):
        outcome = self.prepare(cell, spec, {}, backends.facts(cell.base_backend)["needs"])
        if outcome is None and self._preprocessing(cell, spec) is None:  # the cache is older than this command
            outcome = self._job("pytorch", cell, spec, run.PREPARE_TIMEOUT_S, kind="prepare", needs="torch")
            outcome = None if outcome.result is not None else outcome
        return outcome

    def _count(self, cell, spec, line, first, place):
        task = {"path": self.data.path, "format": self.data.format, "classes": self.settings.get("classes"), "id": self.data.id}
        clock = [time.monotonic()]

        def on_part(part):
            now = time.monotonic()
            added = dict(line, id="%s/%s/%s-%d" % (self.id, cell.id, self.data.id, part["first"]), wall_s=now - clock[0])
            added["accuracy"] = dict(line["accuracy"], **part)
            self._append(added)
            clock[0] = now
            self.evaluated += part["last"] - part["first"]
            self._show(cell, place, part["last"], added)

        self._show(cell, place, first)
        job = {
            "kind": "accuracy",
            "protocol": self.protocol,
            "data": task,
            "preprocessing": line["accuracy"]["preprocessing"],
            "first": first,
            "last": self.last,
        }
        return self._job(cell.base_backend, cell, spec, self.protocol["timeout_s"], on_part=on_part, **job)

    def _show(self, cell, place, images, line=None):
        left = (place[1] - place[0]) * self.last - images
        pace = (time.monotonic() - self.started) / self.evaluated if self.evaluated else float("nan")
        self.report(Progress(cell, place[0], place[1], images, self.last, left * pace, line))

    def _append(self, line):
        line["started_at"] = record_file.utc_now()
        self.file.append(line)
        part = line["accuracy"]
        key = accuracy_totals.identity(cell_from(line["cell"]), part["network"], part["data_id"], part["preprocessing"])
        self.totals[key] = self.totals.get(key, accuracy_totals.Totals()).plus(line)

    def _line(self, cell, spec, network, prepare):
        data = self.data
        part = {"data": data.name, "data_id": data.id, "format": data.format, "data_images": len(data), "classes": len(data.classes)}
        part.update(network=network, preprocessing=prepare, first=None, last=None, images=0, unreadable=0, unreadable_first=None)
        part.update(not_finite=0, top1=0, top5=None, executed=None)
        line = {
            "schema_version": schema.SCHEMA_VERSION,
            "kind": "accuracy",
            "id": "%s/%s/%s-end" % (self.id, cell.id, data.id),
            "run": self.id,
        }
        line.update(
            environment=self.environment,
            cell=cell.as_dict(),
            cell_id=cell.id,
            status="ok",
            reason=None,
            phase=None,
            signal=None,
            stderr=None,
        )
        line.update(started_at=None, wall_s=0.0, weights=spec.weights, seed=self.protocol["seed"], accuracy=part)
        return line

"""Records: one JSON line per cell and attempt, appended whole and flushed to disk.

A record file is append-only JSON Lines. Three kinds of line: ``environment`` (once per run, before its
first cell), ``cell`` and ``accuracy`` (a part of the images), which name their environment by id. ``FIELDS`` is the schema; docs/records.md
is written from it and a test holds the two, and real records, together.
"""

import errno
import json
import math
import os
import time

try:
    import fcntl
except ImportError:  # Windows: no lock, so one run at a time is the user's care
    fcntl = None

SCHEMA_VERSION = 1  # 1: latency in seconds, replicates as a list

STATUSES = ("ok", "skipped", "failed")
TASK_FIELDS = (("submission", str), ("platform", str), ("board", str), ("round", int), ("block", int))
CELL_FIELDS = ("platform", "device", "backend", "model", "precision", "batch_size", "input_px", "scenario")

# path, type, unit, meaning. A path ends in [] for lists and in {} for mappings with free keys.
FIELDS = (
    ("schema_version", "int", "", "version of this schema"),
    ("kind", "str", "", "`cell`, `accuracy` (a part of the images; it has no replicates) or `environment`"),
    ("id", "str", "", "unique id of the line: run, cell and attempt (environment: its run)"),
    ("run", "str", "", "id of the invocation that wrote the line: UTC time and random digits"),
    ("environment", "str|object", "", "cell: id of its environment line; environment: the recorded facts themselves"),
    ("cell.platform", "str", "", "kind of machine, as the image declares it"),
    ("cell.device", "str", "", "processor: cpu, gpu, dla, npu, myriad"),
    ("cell.backend", "str", "", "framework that executes, with its variant after a colon (`pytorch:compile`)"),
    ("cell.model", "str", "", "name of the network (`source:name`; torchvision's need no prefix)"),
    ("cell.precision", "str", "", "numeric format of the arithmetic as asked"),
    ("cell.batch_size", "int", "images", "images per batch"),
    ("cell.input_px", "int", "px", "height and width of the input"),
    ("cell.scenario", "str", "", "`latency` (one batch in flight) or `throughput` (as many as the backend wants)"),
    ("cell_id", "str", "", "the cell as one slug"),
    (
        "task.submission",
        "str",
        "",
        "of a fleet's run (`dyno fleet`): the submission; it comes in the variable DYNO_TASK, and stands in the environment line too",
    ),
    ("task.platform", "str", "", "platform that the task was planned for"),
    ("task.board", "str", "", "board or replica that the task was assigned to; the environment's `host` is the one that did it"),
    ("task.round", "int", "", "round of the task's block of cells, from 1"),
    ("task.block", "int", "", "block of cells, from 1"),
    ("role", "str", "", "`cell`; `anchor`: the same cell repeated in a run to see drift; `sustained`: run on end for minutes"),
    ("anchor", "str|null", "", "`start`, `middle` or `end` for an anchor"),
    ("order", "int", "", "position in the run's seeded random order"),
    ("attempt", "int", "", "1 for the first record of this cell in this file, then counting up"),
    ("status", "str", "", "`ok`, `skipped` (can never work here) or `failed` (should have worked)"),
    ("reason", "str|null", "", "why a cell is skipped or failed, in one line"),
    ("phase", "str|null", "", "where it failed: import, prepare, load, first, warm-up, measure, outputs"),
    ("signal", "str|null", "", "name of the signal that ended the measuring process"),
    ("stderr", "str|null", "", "end of the failed process's standard error"),
    ("started_at", "str", "UTC, ISO 8601", "wall clock when the cell began"),
    ("wall_s", "float", "s", "whole cost of the cell, waiting and preparation included"),
    ("weights", "str", "", "`random` (seeded, non-degenerate), `pretrained`, or a file's name"),
    ("seed", "int", "", "seed of weights and inputs"),
    ("protocol{}", "object", "", "the protocol in force (see matrix.yaml)"),
    ("replicates[].samples_s[]", "float", "s", "every sample: seconds per batch; in `throughput` the mean over one window"),
    ("replicates[].window_batches", "int", "batches", "batches per sample: 1 in `latency`"),
    ("replicates[].in_flight", "int", "batches", "batches in flight at once"),
    ("replicates[].warmup_samples_s[]", "float", "s", "untimed iterations before the samples"),
    ("replicates[].warmup_verdict", "str", "", "`steady` (two half-windows agree) or `capped` (time ran out first)"),
    ("replicates[].stop", "str", "", "why sampling ended: `interval`, `noise`, `budget` or `count`"),
    ("replicates[].spans.load_s", "float", "s", "build, compile and load until ready to infer"),
    ("replicates[].spans.first_latency_s", "float", "s", "the first iteration"),
    ("replicates[].spans.h2d_s", "float|null", "s", "input from host to device, once"),
    ("replicates[].spans.d2h_s", "float|null", "s", "output from device to host, once"),
    ("replicates[].spans.warmup_s", "float", "s", "wall time of the warm-up"),
    ("replicates[].spans.measure_s", "float", "s", "wall time of the samples"),
    ("replicates[].spans.process_s", "float", "s", "wall time of the measuring process, fork to exit"),
    ("replicates[].load_cached", "bool", "", "the backend loaded a compiled artefact instead of building it"),
    ("replicates[].device_samples_s[]", "float", "s", "the same samples by device events, where there are any"),
    ("replicates[].sustained{}", "object", "s", "role sustained: medians of windows over minutes, cold, sustained and their ratio"),
    (
        "replicates[].contention.others_share",
        "float|null",
        "of the process's CPUs",
        "CPU time others took during the samples, steal included",
    ),
    ("replicates[].contention.steal_share", "float|null", "of the process's CPUs", "CPU time the hypervisor took"),
    ("replicates[].contention.pressure_share", "float|null", "of wall time", "time in which some task waited for a CPU (PSI)"),
    ("replicates[].contention.involuntary_switches", "int|null", "", "involuntary context switches during the samples"),
    ("replicates[].contention.window_s", "float", "s", "window these were taken over"),
    ("replicates[].contended", "bool", "", "others_share was over the protocol's limit"),
    ("replicates[].executed{}", "object", "", "what was really done, read back: precision, threads, layout, providers, properties"),
    ("replicates[].sensors{}", "object", "", "readings by sensor name; null with a reason where there is none"),
    ("parity.max_abs", "float", "", "largest absolute difference of outputs to the fp32 PyTorch reference"),
    ("parity.mean_abs", "float", "", "mean absolute difference"),
    ("parity.max_rel", "float", "", "largest absolute difference over the reference's largest absolute value"),
    ("parity.cosine", "float", "", "smallest cosine similarity over the images"),
    ("parity.top1_flips", "int", "images", "images whose Top-1 class differs from the reference"),
    ("parity.images", "int", "images", "images compared"),
    ("discarded[]{}", "object", "", "replicates measured again because others used the CPU: their contention"),
    ("quality[]", "str", "", "labels: contended, unsteady (warm-up capped), noisy, throttled, parity, degenerate"),
    ("sensitivity", "float|null", "", "spread of the network's outputs over images relative to that over classes; near 0: degenerate"),
    ("complexity.params", "int", "", "trainable parameters in the graph that was timed"),
    ("complexity.macs", "int", "", "multiply-adds per image, convolutions and matrix products"),
    ("complexity.activations", "int", "elements", "outputs of convolutions and matrix products per image"),
    ("complexity.groups{}", "object", "", "by operator group: `count`, `macs`, `bytes` moved, `out` elements; per image"),
    ("accuracy.data", "str", "", "kind `accuracy`: name of the data set"),
    ("accuracy.data_id", "str", "", "hash of the files' relative names and sizes (CIFAR: of labels and pixels)"),
    ("accuracy.format", "str", "", "`folder`, `cifar10` or `cifar100`"),
    ("accuracy.data_images", "int", "images", "images of the whole data set"),
    ("accuracy.classes", "int", "", "classes of the data set, and of the network"),
    ("accuracy.network", "str", "", "hash of what the network is: name, weights, classes, seed, input size"),
    (
        "accuracy.preprocessing{}",
        "object",
        "",
        "`resize_px` (shorter side, or both: `keep_ratio`), centre crop to `input_px`, `interpolation`, `mean`, `std`",
    ),
    ("accuracy.first", "int|null", "", "first image of this part, in the data set's own shuffled order"),
    ("accuracy.last", "int|null", "", "image after the last one of this part"),
    ("accuracy.images", "int", "images", "images that were read and judged"),
    ("accuracy.unreadable", "int", "images", "images of this part that can't be read; they count neither as right nor as wrong"),
    ("accuracy.unreadable_first", "str|null", "", "the first of them"),
    ("accuracy.not_finite", "int", "images", "images with an output that is no number or infinite; they count as wrong"),
    ("accuracy.top1", "int", "images", "images whose class has the largest output (of equal ones the first)"),
    ("accuracy.top5", "int|null", "images", "images whose class is among the five largest; null where there are no more than five classes"),
    ("accuracy.executed{}", "object|null", "", "what was really done, read back, as in replicates"),
    ("load.before[]", "float", "", "load average (1, 5, 15 min) before the cell"),
    ("load.after[]", "float", "", "load average after the cell"),
    ("harness.supervisor_cpu_s", "float", "s", "CPU time of the supervisor during the cell, samplers included"),
    ("harness.worker_cpu_s", "float", "s", "CPU time of the worker that forked the measuring processes"),
)


def dumps(record):
    """One line of JSON; NaN and infinities become null so that every reader takes it."""
    return json.dumps(_finite(record), separators=(",", ":"), sort_keys=False, allow_nan=False)


def _finite(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


class RecordError(Exception):
    """The record file can't be used; the message is one line for the user."""


class RecordFile:
    """The record file of one host and platform, locked for one run at a time.

    Appends are whole lines followed by fsync; a line that can't be written whole (full disk, vanished
    mount) is taken back, so that the file never ends in half a record of ours.
    """

    def __init__(self, path):
        self.path = path
        self.warnings = []
        self.task = None
        self._fd = None

    def __enter__(self):
        try:
            self.task = task()
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._lock()
            self._set_torn_line_aside()
        except (OSError, RecordError) as error:
            self.__exit__()
            if isinstance(error, RecordError):
                raise
            raise RecordError("%s: can't write records: %s" % (self.path, error.strerror))
        return self

    def _lock(self):
        if fcntl:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise RecordError("%s: another run is writing here; wait for it to end, or give another --results" % self.path)
                self.warnings.append("%s: this mount has no locks; run one at a time" % self.path)

    def __exit__(self, *_):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _set_torn_line_aside(self):
        size = os.fstat(self._fd).st_size
        if size == 0 or os.pread(self._fd, 1, size - 1) == b"\n":
            return
        with open(self.path, "rb") as file:
            content = file.read()
        keep = content.rfind(b"\n") + 1
        with open(self.path + ".torn", "ab") as file:
            file.write(content[keep:] + b"\n")
        os.ftruncate(self._fd, keep)
        self.warnings.append(
            "%s: the last line was torn (%d bytes); set aside in %s.torn" % (self.path, size - keep, os.path.basename(self.path))
        )

    def append(self, record):
        """Append one line and flush it to disk; raises RecordError when that fails, with nothing written, or when nobody will find it.

        In a fleet's run every line carries its task.
        """
        if self.task:
            record = dict(record, task=self.task)
        data = (dumps(record) + "\n").encode("utf-8")
        start = None
        try:
            start = os.fstat(self._fd).st_size
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fsync(self._fd)
        except OSError as error:
            try:
                if start is not None:
                    os.ftruncate(self._fd, start)
            except OSError:
                pass
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "free some space" if full else "see that its volume is there and writable"
            raise RecordError("%s: can't append a record: %s; %s and run again" % (self.path, error.strerror, what))
        if not self._is_in_place():
            raise RecordError(
                "%s: the file is no longer there: was its folder moved, removed or unmounted? Put it back and run again" % self.path
            )

    def _is_in_place(self):
        """Whether the path still leads to the file that is written: an unmounted volume takes lines that nobody will read."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except OSError:
            return False


def read(path):
    """(records, warnings) of one file; lines that are no record of this schema are counted, never fatal."""
    records, bad, other = [], 0, 0
    if not os.path.exists(path):
        return records, []
    with open(path, "rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                bad += 1
                continue
            if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
                other += 1
            else:
                records.append(record)
    warnings = []
    if bad:
        warnings.append("%s: %d line(s) are torn or no JSON; set aside" % (path, bad))
    if other:
        warnings.append("%s: %d line(s) have another schema_version; set aside" % (path, other))
    return records, warnings


def task():
    """The task of a fleet's run, from DYNO_TASK; None where there is none. RecordError where it is not what `dyno fleet` writes."""
    text = os.environ.get("DYNO_TASK")
    if not text:
        return None
    try:
        found = {name: kind(json.loads(text)[name]) for name, kind in TASK_FIELDS}
    except (ValueError, KeyError, TypeError):
        raise RecordError("DYNO_TASK: %.80r is no task; `dyno fleet submit` sets it, so leave it unset elsewhere" % text)
    return found


def utc_now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def document():
    """The schema as Markdown: docs/records.md."""
    rows = ["| field | type | unit | meaning |", "| --- | --- | --- | --- |"]
    rows += ["| `%s` | %s | %s | %s |" % (path, kind.replace("|", " or "), unit, meaning) for path, kind, unit, meaning in FIELDS]
    return "\n".join(rows) + "\n"

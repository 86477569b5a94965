"""A self-test under way: its folder, its budget, the rows so far, and real runs of small matrices."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence

from runner.errors import MatrixError
from runner.files import atomic_write
from runner.machine import environment
from runner.machine.processes import tied
from runner.measure.selftest.rows import NOT_REACHED, SKIPPED, WRONG, Row, judged, named
from runner.plan import matrix, plan
from runner.records import file as record_file
from runner.records.line import Line, line_from

PROTOCOL = {
    "replicates": 1, "min_samples": 10, "max_time_s": 0.5, "min_time_s": 0.1, "warmup_max_s": 0.3, "quiet_wait_s": 0, "contention_retries": 0,
    "anchor_from": 0, "timeout_s": 90,
}  # fmt: skip
STOP_S = 10.0  # for a run to end when it is told to

Block = Dict[str, List[Any]]


@dataclass
class Trial:
    """``report(row)`` is called as rows become known, ``heading(title)`` before each part."""

    folder: str
    budget_s: float
    report: Callable[[Row], None] = lambda row: None
    heading: Callable[[str], None] = lambda title: None
    clock: Callable[[], float] = time.monotonic
    rows: List[Row] = field(default_factory=list)
    facts: Dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.clock()
        self.devices = environment.declared_devices() or ["cpu"]
        self.device = "gpu" if "gpu" in self.devices else self.devices[0]

    @property
    def left_s(self) -> float:
        return self.budget_s - (self.clock() - self.started)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.report(row)

    def measure(
        self, title: str, blocks: Sequence[Block], arguments: Sequence[str] = (), is_judged: bool = True, wrap: Sequence[str] = ()
    ) -> List[Line]:
        """Records of a run of these axes; their verdicts become rows, those of cells that weren't reached too.

        ``wrap`` is a command that runs the run. A title that comes again goes on in the same results folder.
        """
        results = os.path.join(self.folder, title.replace(" ", "-"))
        os.makedirs(results, exist_ok=True)
        path = os.path.join(results, "matrix.yaml")
        atomic_write(
            path, json.dumps({"protocol": PROTOCOL, "axes": blocks[0], "profiles": {"all": {"axes": list(blocks)}}})
        )  # JSON is YAML
        try:
            planned = plan.plan(matrix.load(path, "all"), environment.platform_name(), self.devices)
        except MatrixError as error:
            self.add(Row(title, WRONG, str(error)))
            return []
        if not planned.cells:
            return []
        said, ended = self._run(path, results, arguments, wrap)
        lines = self._lines(results)
        wanted = {cell.id for cell in planned.cells}
        found = [line for line in lines if line.cell.id in wanted and line.role != "anchor"]
        if is_judged:
            for line in found:
                self.add(judged(line))
        missing = [cell for cell in planned.cells if cell.id not in {line.cell.id for line in found}]
        for cell in missing if is_judged or not found else []:
            if not ended:
                self.add(Row(named(cell), NOT_REACHED, "the budget of %.0f s was spent" % self.budget_s))
            else:
                self.add(Row(named(cell), WRONG, said[-1] if said else "the run left no record"))
        return found

    def _run(self, path: str, results: str, arguments: Sequence[str], wrap: Sequence[str]) -> Any:
        """(last lines of standard error, whether it came to its end) of `dyno run` in a process of its own."""
        if self.left_s <= 0:
            return [], False
        command = [sys.executable, "-m", "runner", "run", "--matrix", path, "--profile", "all", "--results", results]
        command += ["--cache", os.path.join(self.folder, "cache")] + list(arguments)
        process = subprocess.Popen(list(wrap) + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=tied(signal.SIGTERM))
        try:
            _, said = process.communicate(timeout=max(1.0, self.left_s))
        except subprocess.TimeoutExpired:
            _stop(process)
            return [], False
        except BaseException:
            _stop(process)
            raise
        return said.decode("utf-8", "replace").strip().splitlines(), True

    def _lines(self, results: str) -> List[Line]:
        read: List[Dict[str, Any]] = []
        records = os.path.join(results, "records")
        for name in sorted(os.listdir(records)) if os.path.isdir(records) else []:
            if name.endswith(".jsonl"):
                read += record_file.read(os.path.join(records, name))[0]
        facts: Optional[Dict[str, Any]] = next((line["environment"] for line in read if line.get("kind") == "environment"), None)
        self.facts = facts or self.facts
        return [line_from(line) for line in read if line.get("kind") == "cell"]

    def leave_out(self, what: str, reason: str) -> None:
        """A row for what can't be tried here."""
        self.add(Row(what, SKIPPED, reason))

    def has_time(self, what: str, needs_s: float) -> bool:
        """Whether a part that takes so long fits; a row where it doesn't."""
        if self.left_s >= needs_s:
            return True
        self.add(
            Row(what, NOT_REACHED, "it needs about %.0f s, and %.0f of %.0f s are left" % (needs_s, max(0.0, self.left_s), self.budget_s))
        )
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()

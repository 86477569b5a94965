"""Replicates that a killed run left in a record file without a record of their cell: what they add up to."""

from dataclasses import dataclass, field
from typing import Any

from runner.machine.environment import is_same_machine
from runner.records import line as lines

UNLIKE = "are replicates of an unfinished cell, of another machine or network than its last ones"
Line = dict[str, Any]


@dataclass
class Unfinished:
    """What a file holds, read from its beginning: environments by id, the last attempt of each cell that has a record, and replicates by id."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[tuple, int] = field(default_factory=dict)
    pending: dict[tuple, dict[str, Line]] = field(default_factory=dict)

    def finish(self, cell: Line) -> None:
        """Take note of a cell's record."""
        self.done[_what(cell)] = max(self.done.get(_what(cell), 0), cell["attempt"] or 0)

    def add(self, replicate: Line) -> bool:
        """Take a replicate line; False where it is a repeated one."""
        known = self.pending.setdefault(_what(replicate), {})
        return known.setdefault(str(replicate["id"]), replicate) is replicate

    def cells(self) -> tuple[list[Line], int]:
        """(a record for each unfinished cell, however many killed runs left replicates of it; how many of these could not join)."""
        found, left_out = [], 0
        for what, replicates in self.pending.items():
            orphans = [line for line in replicates.values() if line["attempt"] > self.done.get(what, 0)]
            joined = [line for line in orphans if self._may_join(line, orphans[-1])]
            left_out += len(orphans) - len(joined)
            found += [lines.so_far([lines.line_from(one) for one in joined]).as_dict()] if joined else []
        return found, left_out

    def _may_join(self, line: Line, last: Line) -> bool:
        """Whether the same was measured on the same machine."""
        if any(line["content"].get(part) != last["content"].get(part) for part in ("network", "protocol")):
            return False
        ours, theirs = (self.facts.get(str(one["environment"])) for one in (line, last))
        return line["environment"] == last["environment"] or bool(ours and theirs and is_same_machine(ours, theirs))


def _what(line: Line) -> tuple:
    return line["cell_id"], line["role"], line["anchor"]

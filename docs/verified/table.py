"""README's table of verified machines, written from the self-tests in this folder: `python docs/verified/table.py`.

A file is what `dyno selftest --full --out docs/verified/NAME.json` wrote; nothing in the table is typed by hand.
"""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- verified: written by docs/verified/table.py -->", "<!-- verified: end -->"
ORDER = ("fp32", "tf32", "fp16", "bf16", "int8")
CELL = re.compile(r"(?:^|, )(?P<backend>[\w:]+) (?P<precision>" + "|".join(ORDER) + r") (?:latency|throughput) on (?P<device>\w+)")


def results() -> list[tuple[str, dict[str, Any]]]:
    """(file's name, self-test), the newest first."""
    found = [(path.name, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(HERE.glob("*.json"))]
    return sorted(found, key=lambda pair: pair[1]["made_at"], reverse=True)


def machine(result: dict[str, Any]) -> str:
    """What a reader calls the machine: its board, else its GPU, else its processor."""
    facts = result["facts"]
    board = facts.get("board") if result["platform"].startswith("jetson") else None
    return board or facts.get("gpu") or facts.get("cpu") or facts.get("arch") or "unknown"


def ran(result: dict[str, Any]) -> str:
    """Backends with the precisions that passed: in some cell, and were wrong in none."""
    found = [(CELL.search(row["what"]), row["verdict"]) for row in result["rows"]]
    cells = [(match["backend"], match["precision"], verdict) for match, verdict in found if match]
    wrong = {(backend, precision) for backend, precision, verdict in cells if verdict == "wrong"}
    passed: dict[str, list[str]] = {}
    for backend, precision, verdict in cells:
        if verdict == "ok" and backend != "noop" and ":" not in backend and (backend, precision) not in wrong:
            precisions = passed.setdefault(backend, [])
            if precision not in precisions:
                precisions.append(precision)
    return (
        "; ".join(f"{backend} {', '.join(sorted(precisions, key=ORDER.index))}" for backend, precisions in sorted(passed.items()))
        or "nothing"
    )


def row(name: str, result: dict[str, Any]) -> str:
    """One line of the table."""
    verdicts = [row["verdict"] for row in result["rows"]]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}" for verdict in ("ok", "wrong", "not reached", "skipped") if verdict in verdicts
    )
    when = f"{result['made_at'][:10]}, Dyno {result['dyno']}{', full' if result['full'] else ''}"
    return f"| `{result['platform']}` | {machine(result)} | {when} | {ran(result)} | [{counts}](docs/verified/{name}) |"


def table() -> str:
    """The table as Markdown."""
    head = ["| platform | machine | self-test | passed | rows |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(head + [row(name, result) for name, result in results()])


def written(readme: str) -> str:
    """README's text with the table of today between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")

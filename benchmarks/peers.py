"""Dyno side by side with other tools on the same networks, threads and sizes, interleaved in one run.

    python benchmarks/peers.py [--model resnet18] [--repeat 7] [--wall 10] [--busy 0,1,2] [--sweep] [--out table.md]

pip install '.[peers]' first. Peers: torch.utils.benchmark, pyperf and MLPerf LoadGen (ONNX Runtime), OpenVINO's benchmark_app; timm's benchmark.py where
--timm gives its path; optimum-benchmark where --optimum gives the Python of its environment (benchmarks/optimum_env.sh makes
one). Each measurement is a process of its own; before each, others must have left the CPU quiet. A first round, not counted,
finds what each tool costs beside measuring; then all get the same wall time. Dyno spends it on three replicates, spread over the round as
`dyno run` spreads them over a sweep; each is a `dyno run` of its own here. What it prints goes into docs/methods.md by hand.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from benchmarks.peer_tools import ROOT, Case, Reading, Tool, ToolError, dyno_sweep, tools, wait_for_quiet
from runner.machine import threads
from runner.networks import interchange

MACHINE = """
import statistics, time, numpy
a = numpy.random.default_rng(0).random((384, 384), dtype=numpy.float32)
found, end = [], time.monotonic() + {seconds}
while time.monotonic() < end:
    begin = time.perf_counter(); a @ a; found.append(time.perf_counter() - begin)
print(statistics.median(found))
"""
SWEEP: dict[str, list] = {"model": ["alexnet", "mobilenet_v2", "resnet18", "resnet50", "squeezenet1_1"], "batch_size": [1, 2]}


def machine(seconds: float) -> float:
    """Median seconds of one matrix product: what the machine itself varies by from round to round, whoever measures."""
    return float(subprocess.check_output([sys.executable, "-c", MACHINE.format(seconds=seconds)]))


def busy(count: int) -> list[subprocess.Popen]:
    """Processes that do nothing but take a CPU each."""
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]


def reading(tool: Tool, case: Case) -> tuple[Reading, float]:
    """(what the tool says, its wall seconds), with the case's busy processes beside it."""
    if not case.busy:
        wait_for_quiet()
    others = busy(case.busy)
    try:
        begin = time.monotonic()
        found = tool.measure(case)
        return found, time.monotonic() - begin
    finally:
        for process in others:
            process.kill()
            process.wait()


def budgets(chosen: list[Tool], case: Case, wall: float) -> tuple[dict, list[Tool]]:
    """Each tool's case for the same wall time, from one round that isn't counted, and the tools that work here."""
    cases, able = {}, []
    for tool in chosen:
        try:
            found, spent = reading(tool, case)
        except (ToolError, ImportError) as error:
            print(f"  {tool.name}, {tool.framework}: left out: {error}", file=sys.stderr)
            continue
        able.append(tool)
        budget = max(tool.least, wall / tool.parts - (spent - case.budget)) if wall else case.budget
        cases[tool] = replace(case, budget=budget, seconds=found.seconds)
    return cases, able


def spread(chosen: Iterable[Tool]) -> list[Tool]:
    """One round's order: what has several parts comes first, in between and last, the rest in turn between."""
    often, once = ([tool for tool in chosen if (tool.parts > 1) == several] for several in (True, False))
    most = max((tool.parts for tool in often), default=1)
    gaps = max(1, most - 1)
    order = []
    for part in range(most):
        order += [tool for tool in often if part < tool.parts]
        order += once[part::gaps] if part < gaps else []
    return order


def joined(parts: Sequence[tuple[Reading, float]]) -> tuple[Reading, float]:
    """The median of a tool's parts, whatever any of them says, and their wall seconds together."""
    readings = [one for one, _ in parts]
    says = next((one.says for one in readings if one.says), "")
    records = tuple(record for one in readings for record in one.records)
    return Reading(statistics.median(one.seconds for one in readings), says, records), sum(wall for _, wall in parts)


def rounds(cases: dict, count: int, beside: int) -> tuple[dict, list[float]]:
    """Every tool once a round, its parts spread over it: {tool: [(Reading, wall)]}, and the machine's own readings."""
    found: dict = {tool: [] for tool in cases}
    own = []
    for index in range(count):
        if not beside:
            own.append(machine(1.0))
        parts: dict = {tool: [] for tool in cases}
        for tool in spread(cases):
            parts[tool].append(reading(tool, replace(cases[tool], busy=beside)))
        for tool, several in parts.items():
            found[tool].append(joined(several))
            line = (index + 1, tool.name, tool.framework, 1e3 * found[tool][-1][0].seconds, found[tool][-1][1])
            print("  round %d  %-28s %-12s %8.3f ms  %5.1f s" % line, file=sys.stderr)
    return found, own


def cv(values: list[float]) -> float:
    """Coefficient of variation, percent."""
    return 100 * statistics.stdev(values) / statistics.mean(values) if len(values) > 1 else float("nan")


def table(found: dict) -> list[str]:
    rows = ["| framework | tool | median ms | Dyno against it | run-to-run CV | wall s |", "| --- | --- | --- | --- | --- | --- |"]
    for tool, values in found.items():
        seconds = [one.seconds for one, _ in values]
        (own,) = ([one.seconds for one, _ in found[other]] for other in found if (other.name, other.framework) == ("dyno", tool.framework))
        # pair by pair within a round, so that drift of the machine cancels
        ratio = statistics.median(mine / theirs for mine, theirs in zip(own, seconds, strict=True))
        agreement = "" if tool.name == "dyno" else f"{100 * (ratio - 1):+.1f} %"
        wall = statistics.median(wall for _, wall in values)
        rows.append(
            f"| {tool.framework} | {tool.name} | {1e3 * statistics.median(seconds):.2f} | {agreement} | {cv(seconds):.1f} % | {wall:.1f} |"
        )
    return rows


def noticing(by_busy: dict) -> list[str]:
    """Median ms with busy processes beside, and in how many rounds the tool said something of it."""
    counts = sorted(by_busy)
    heads = [f"{count} busy: ms, it says" for count in counts]
    rows = [f"| framework | tool | {' | '.join(heads)} |", "| --- " * (2 + len(heads)) + "|"]
    for tool in by_busy[counts[0]]:
        cells = []
        for count in counts:
            values = [one for one, _ in by_busy[count][tool]]
            words = {word: sum(one.says == word for one in values) for word in sorted({one.says for one in values})}
            said = ", ".join(f"{word or 'nothing'} {times}/{len(values)}" for word, times in words.items())
            cells.append(f"{1e3 * statistics.median(one.seconds for one in values):.1f}, {said}")
        rows.append(f"| {tool.framework} | {tool.name} | {' | '.join(cells)} |")
    return rows


def overheads(found: dict) -> str:
    """What the harness itself costs, from Dyno's own records."""
    records = [record for values in found.values() for one, _ in values for record in one.records]
    share = sum(line["harness"]["supervisor_cpu_s"] + line["harness"]["worker_cpu_s"] for line in records)
    replicates = [replicate for line in records for replicate in line["replicates"]]
    measured = sum(replicate["spans"]["process_s"] for replicate in replicates)
    beside = statistics.median(replicate["wall_s"] - replicate["spans"]["process_s"] for replicate in replicates)
    return (
        f"Dyno's overhead per measuring process: {beside:.2f} s; harness CPU over measuring processes' wall: {100 * share / measured:.1f} %"
    )


def sweep(able: list[Tool], case: Case) -> list[str]:
    """Wall of ten cells, 3 s of measuring each: one run of Dyno's against ten calls of each peer."""
    rows = ["| framework | tool | wall of 10 cells s | beside measuring, per cell s |", "| --- | --- | --- | --- |"]
    for tool in able:
        if not tool.name.startswith(("dyno", "torch.utils", "pyperf", "MLPerf", "benchmark_app")):
            continue  # the same names must be the same networks
        wait_for_quiet()
        begin = time.monotonic()
        if tool.name == "dyno":
            dyno_sweep(replace(case, budget=3.0), {"backend": tool.framework, "input_px": case.px, **SWEEP}, 3)
        else:
            for model in SWEEP["model"]:
                for batch in SWEEP["batch_size"]:
                    tool.measure(replace(case, model=model, batch=batch, budget=3.0))
        wall = time.monotonic() - begin
        print(f"  sweep  {tool.name} {tool.framework} {wall:.1f} s", file=sys.stderr)
        rows.append(f"| {tool.framework} | {tool.name} | {wall:.0f} | {(wall - 30) / 10:.1f} |")
    return rows


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--px", type=int, default=224)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--budget", type=float, default=3.0, help="seconds of measuring in the first round")
    parser.add_argument("--wall", type=float, default=10.0, help="wall seconds of every tool's measurement; 0 gives each --budget instead")
    parser.add_argument("--busy", default="0", help="busy processes beside: 0,1,2 runs all three")
    parser.add_argument("--busy-repeat", type=int, help="rounds with busy processes beside (as --repeat)")
    parser.add_argument("--sweep", action="store_true", help="also the wall time of ten cells")
    parser.add_argument("--cache", default=os.path.join(ROOT, "results", "cache"))
    parser.add_argument("--framework", default="pytorch,onnxruntime,openvino")
    parser.add_argument("--optimum", help="python of an environment with optimum-benchmark")
    parser.add_argument("--timm", help="path of timm's benchmark.py")
    parser.add_argument("--timm-python", default=sys.executable, help="python that has timm and a torchvision that imports")
    parser.add_argument("--out", help="also write the tables to this file")
    given = parser.parse_args()

    pythons = {"timm python": given.timm_python} | {name: os.path.abspath(v) for name in ("optimum", "timm") if (v := getattr(given, name))}
    case = Case(
        given.model, given.batch, given.px, threads.for_backends().count, os.path.abspath(given.cache), given.budget, pythons=pythons
    )
    os.makedirs(case.cache, exist_ok=True)
    shapes = [case]
    if given.sweep:
        shapes += [replace(case, model=model, batch=batch) for model in SWEEP["model"] for batch in SWEEP["batch_size"]]
    for shape in shapes:
        interchange.make(shape.artefact(), "onnx")
    chosen = [tool for tool in tools(pythons) if tool.framework in given.framework.split(",")]
    cases, able = budgets(chosen, case, given.wall)

    text = [f"{date.today()}, {cpu_name()}, {case.threads} threads: {case.model}, batch {case.batch}, {case.px} px, fp32"]
    by_busy = {}
    for beside in sorted(int(word) for word in given.busy.split(",")):
        by_busy[beside], own = rounds(cases, given.repeat if not beside else given.busy_repeat or given.repeat, beside)
        if not beside:
            text += ["", *table(by_busy[0]), "", overheads(by_busy[0]), f"the machine itself, one matrix product: CV {cv(own):.1f} %"]
    if len(by_busy) > 1:
        text += ["", *noticing(by_busy)]
    if given.sweep:
        text += ["", *sweep(able, case)]
    print("\n".join(text))
    if given.out:
        with open(given.out, "w") as file:
            file.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()

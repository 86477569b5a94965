"""Records of many nodes arriving out of order, twice and torn, through the real merge: counts must be exact. For docs/scale.md.

python tests/fleet/simulate.py --nodes 10000 --folder /tmp/simulated
"""

import argparse
import json
import random
import resource
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from analysis.frame import entries
from analysis.merge import table
from tests.analysis.records import cell_record, environment_record


def node(rng, number):
    """The lines of a node: an environment and a task's six cells; what of them arrives, and what the merge must count."""
    kind, run = ("synthetic-cpu", "synthetic-gpu", "synthetic-edge")[number % 3], f"20260101T000000Z-{number:08x}"
    task = {"submission": "s", "platform": kind, "board": f"node-{number}", "round": 1, "block": 1}
    lines = [environment_record(kind, run, host=f"node-{number}", started_at="2026-01-01T00:00:00Z")]
    late = rng.random() < 0.5  # half of the clocks are an hour behind
    for model in ("alexnet", "resnet18", "resnet50", "vgg11", "mobilenet_v2", "squeezenet1_1"):
        started = "2025-12-31T23:00:00Z" if late else "2026-01-01T00:00:00Z"
        lines.append(cell_record(kind, "pytorch", model, run=run, replicates=1, samples=12, task=task, started_at=started))
    return lines


def main():
    """Make, merge in two steps, count, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, required=True, help="new folder; removed in the end")
    options = parser.parse_args()
    rng = random.Random(1)
    expected: Counter = Counter()
    first = options.folder / "records"
    first.mkdir(parents=True)
    order = list(range(options.nodes))
    rng.shuffle(order)
    later = []
    size = 0
    for place, number in enumerate(order):
        lines = [json.dumps(line) for line in node(rng, number)]
        text = lines[:1] + rng.sample(lines[1:], len(lines) - 1)
        if rng.random() < 0.1:  # delivered twice: the same lines again
            text += lines[1:]
            expected[entries.REPEATED] += 6
        if rng.random() < 0.05:  # done twice: the task ran on after it was believed lost, under another run's id
            again = [line.replace(f"-{number:08x}", f"-f{number:07x}") for line in lines]
            text += again
            expected[entries.REPEATED_TASK] += 6
        tail = ""
        if rng.random() < 0.2:
            tail, expected["are torn or no JSON"] = lines[1][: rng.randrange(10, 400)], expected["are torn or no JSON"] + 1
        content = "\n".join(text) + "\n" + tail
        size += len(content)
        if place < 0.7 * options.nodes:
            (first / f"{number:06d}.jsonl").write_text(content)
        else:
            later.append((number, content))
    begin = time.monotonic()
    table.open_table([first], options.folder / "cache").close()
    once = time.monotonic() - begin
    for number, content in later:
        (first / f"{number:06d}.jsonl").write_text(content)
    begin = time.monotonic()
    opened = table.open_table([first], options.folder / "cache")
    second = time.monotonic() - begin
    begin = time.monotonic()
    table.open_table([first], options.folder / "cache").close()
    cached = time.monotonic() - begin
    found: Counter = Counter()
    for (_, what), count in opened.problems.items():
        found[what] += count
    rows = len(opened)
    hosts = opened.connection.execute("SELECT count(DISTINCT environment) FROM rows").fetchone()[0]
    opened.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{options.nodes:,} nodes, {size / 1e6:.0f} MB: {rows:,} rows of {hosts:,} nodes; set aside {dict(found)}")
    print(f"first 70 % in {once:.1f} s, the rest in {second:.1f} s, from the cache {cached:.2f} s; peak {peak:.0f} MB")
    assert rows == 6 * options.nodes and hosts == options.nodes and found == expected, (rows, hosts, expected)
    print("every count is exact")
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()

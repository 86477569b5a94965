"""How fast record files become one table, beside plain pandas and polars, and from the cache.

Makes two sets with the runner's own writer below --folder, one after the other (under 4 GB of disk): compact lines of kind `imported`, and
full cell records with samples. Each reader runs in a process of its own; memory is the sum of the proportional set sizes of that process
and its children, sampled ten times a second. What is aggregated: records and mean latency per platform and backend.

    python benchmarks/merge.py --folder /big/disk/merge             # the whole: 5 million lines in 1,000 files, 200,000 records in 40
    python benchmarks/merge.py --folder /tmp/merge --scale 0.02     # a fiftieth
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner.records import file as record
from runner.records.schema import CELL_FIELDS, SCHEMA_VERSION

READERS = ("dyno", "dyno, from the cache", "polars", "pandas")
COMPACT, FILES, RECORDS, RECORD_FILES = 5_000_000, 1_000, 200_000, 40


def compact(job):
    """Write one file of compact lines."""
    path, number, count = job
    rng = random.Random(number)
    with open(path, "w", encoding="utf-8") as file:
        for index in range(count):
            model, batch, latency = f"network{rng.randrange(800)}", 2 ** rng.randrange(8), round(rng.lognormvariate(-4, 1), 9)
            platform = f"made-up-{number % 20}"
            row = {"record_id": f"table:{number}:{index}", "run": f"table:{number}", "source": "table", "platform": platform, "device": "gpu",
                   "backend": "tensorrt" if number % 2 else "onnxruntime", "model": model, "precision": "fp16", "scenario": "latency",
                   "cell_id": f"{platform}.gpu.{model}.fp16.b{batch}.latency", "role": "cell", "status": "ok", "batch_size": batch, "input_px": 224.0,
                   "attempt": 1, "latency_s": latency, "throughput": batch / latency, "lacks": "samples", "quality": ["imported"]}  # fmt: skip
            line = {"schema_version": SCHEMA_VERSION, "kind": "imported", "id": row["record_id"], "row": row}
            file.write(record.dumps(line) + "\n")


def full(job):
    """Write one file of full cell records: three replicates of 80 samples."""
    path, number, count = job
    rng = random.Random(number)
    run = f"20260101T000000Z-{number:08x}"
    platform = f"made-up-{number % 8}"
    facts = {"platform": platform, "host": f"host-{number}", "cpu": "made up", "cpus": 4, "frameworks": {"torch": "2.13.0"}}
    head = {"schema_version": SCHEMA_VERSION, "run": run}
    with open(path, "w", encoding="utf-8") as file:
        file.write(record.dumps(dict(head, kind="environment", id=f"env-{run}", environment=facts)) + "\n")
        for index in range(count):
            model, batch = f"network{rng.randrange(400)}", 2 ** rng.randrange(8)
            cell = dict(zip(CELL_FIELDS, (platform, "cpu", "onnxruntime", model, "fp32", batch, 224, "latency")))
            cell_id = ".".join(map(str, cell.values()))
            samples = [[round(rng.gauss(5e-3, 1e-4), 9) for _ in range(80)] for _ in range(3)]
            replicates = [{"samples_s": s, "window_batches": 1, "in_flight": 1, "warmup_samples_s": s[:3], "warmup_verdict": "steady", "stop": "interval",
                           "spans": {"load_s": 0.3, "first_latency_s": 0.01, "h2d_s": None, "d2h_s": None, "warmup_s": 0.1, "measure_s": sum(s), "process_s": 1.0},
                           "load_cached": False, "device_samples_s": [], "contention": {"others_share": 0.01, "window_s": 0.4}, "contended": False,
                           "executed": {"precision": "fp32", "threads": 4}, "sensors": {"memory": {"above_baseline_bytes": 10**8, "method": "VmHWM"}}}
                          for s in samples]  # fmt: skip
            groups = {
                name: {"count": 20, "macs": 10**9, "bytes": 10**7, "out": 10**6} for name in ("conv1x1", "conv3x3", "depthwise", "linear")
            }
            line = dict(head, kind="cell", id=f"{run}/{cell_id}/{index}", environment=f"env-{run}", cell=cell, cell_id=cell_id, role="cell", anchor=None,
                        order=index, attempt=index + 1, status="ok", reason=None, phase=None, started_at="2026-01-01T00:00:00Z", wall_s=4.0, weights="random", seed=0,
                        protocol={"replicates": 3}, replicates=replicates, parity=None, discarded=[], quality=[], sensitivity=1.0,
                        complexity={"params": 10**7, "macs": 10**9, "activations": 10**6, "groups": groups})  # fmt: skip
            file.write(record.dumps(line) + "\n")


def make(folder, write, files, count):
    """Write a set; returns its bytes."""
    folder.mkdir(parents=True)
    each = max(1, count // files)
    jobs = [(str(folder / f"set-{number:04d}.jsonl"), number, each) for number in range(files)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        pool.map(write, jobs, chunksize=1)
    return sum(path.stat().st_size for path in folder.iterdir())


def read_dyno(folder):
    """Through the cache beside the set."""
    from analysis.merge import table

    opened = table.open_table([folder], Path(str(folder) + "-cache"))
    return opened.connection.execute("SELECT platform, backend, count(*), avg(latency_s) FROM rows GROUP BY ALL").fetchall()


def read_polars(folder):
    """As its documentation has it: scan, select, aggregate; of full records the median of all samples."""
    import polars

    lines = polars.scan_ndjson(f"{folder}/*.jsonl", infer_schema_length=100, ignore_errors=False)
    if "compact" in Path(folder).name:
        rows = lines.select("id", polars.col("row").struct.unnest())
        rows = rows.unique("id").group_by("platform", "backend").agg(polars.len(), polars.col("latency_s").mean())
    else:
        latency = polars.col("replicates").list.eval(polars.element().struct.field("samples_s").list.median()).list.median()
        rows = lines.filter(polars.col("kind") == "cell").select(
            "id", polars.col("cell").struct.field("platform"), polars.col("cell").struct.field("backend"), latency.alias("latency_s")
        )
        rows = rows.unique("id").group_by("platform", "backend").agg(polars.len(), polars.col("latency_s").mean())
    return rows.collect(engine="streaming").rows()


def read_pandas(folder):
    """json and a list of rows per file, then one frame."""
    import numpy
    import pandas

    frames = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        rows = []
        with open(path, encoding="utf-8") as file:
            for line in map(json.loads, file):
                if line["kind"] == "imported":
                    rows.append(dict(line["row"], id=line["id"]))
                elif line["kind"] == "cell":
                    latency = numpy.median([numpy.median(replicate["samples_s"]) for replicate in line["replicates"]])
                    rows.append(dict(line["cell"], id=line["id"], latency_s=latency))
        frames.append(pandas.DataFrame(rows))
    frame = pandas.concat(frames).drop_duplicates("id")
    return frame.groupby(["platform", "backend"])["latency_s"].agg(["size", "mean"]).reset_index().values.tolist()


def memory_bytes(pid):
    """Proportional set size of a process and its descendants."""
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total = next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                total += sum(map(memory_bytes, file.read().split()))
    except (OSError, StopIteration):
        pass
    return total


def cpu():
    """CPU seconds of this process and its children that have ended: on a busy machine they tell more than the wall clock."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measured(reader, folder):
    """(seconds, CPU seconds, peak bytes, answer) of a reader in a process of its own."""
    peak = 0
    command = [sys.executable, __file__, "--folder", str(folder), "--read", reader.split(",")[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, memory_bytes(process.pid))
            time.sleep(0.1)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{reader}: ended with {process.returncode}")
    seconds, cpu_s, rows = json.loads(output.splitlines()[-1])
    return seconds, cpu_s, peak, sorted([platform, backend, count, round(mean, 9)] for platform, backend, count, mean in rows)


def compare(folder, size, count, readers):
    """Time every reader on a set and print a row each; all must give the same answer."""
    print(f"| {folder.name} | s | CPU s | MB/s | records/s | peak MB | answer |\n| --- | --- | --- | --- | --- | --- | --- |")
    first = None
    for reader in readers:
        seconds, cpu_s, peak, rows = measured(reader, folder)
        first = first or rows
        same = "the same" if rows == first else "ANOTHER"
        print(
            f"| {reader} | {seconds:.2f} | {cpu_s:.2f} | {size / 1e6 / seconds:.0f} | {count / seconds:,.0f} | {peak / 1e6:.0f} | {same} |",
            flush=True,
        )


def main():
    """Make each set, read it, remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="an empty or new folder; removed in the end")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the whole")
    parser.add_argument("--readers", nargs="+", default=list(READERS), choices=READERS)
    parser.add_argument("--sets", nargs="+", default=["compact", "full"], choices=["compact", "full"])
    parser.add_argument("--read", choices=["dyno", "polars", "pandas"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        __import__({"dyno": "analysis.merge.table"}.get(options.read, options.read))  # the import is paid once, not per set
        begin, before = time.monotonic(), cpu()
        rows = {"dyno": read_dyno, "polars": read_polars, "pandas": read_pandas}[options.read](options.folder)
        print(json.dumps([time.monotonic() - begin, cpu() - before, rows]))
        return
    for name, write, files, count in (("compact", compact, FILES, COMPACT), ("full", full, RECORD_FILES, RECORDS)):
        if name not in options.sets:
            continue
        files, count = max(2, int(files * options.scale)), int(count * options.scale)
        folder = options.folder / name
        size = make(folder, write, files, count)
        print(
            f"\n{name}: {count // files * files:,} records in {files} files, {size:,} bytes, {size // (count // files * files)} bytes per record\n",
            flush=True,
        )
        compare(folder, size, count, options.readers)
        cached = sum(path.stat().st_size for path in Path(f"{folder}-cache").rglob("*") if path.is_file())
        print(f"\ncache: {cached:,} bytes")
        shutil.rmtree(folder)
        shutil.rmtree(f"{folder}-cache", ignore_errors=True)
    options.folder.rmdir()


if __name__ == "__main__":
    main()

"""What the runner's tests share: a small matrix, a run in a process of its own, the records it left."""

import glob
import importlib.util
import json
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAULTY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faulty")

QUICK = "protocol: {replicates: 1, max_time_s: 0.3, min_time_s: 0.02, warmup_max_s: 0.1, quiet_wait_s: 0, contention_retries: 0, anchor_from: 0, %s}\n"


def matrix(folder, axes, protocol="seed: 0", more=""):
    """Write a matrix with a protocol of milliseconds; returns its path."""
    path = os.path.join(str(folder), "matrix.yaml")
    with open(path, "w") as file:
        file.write(QUICK % protocol + "axes: {%s}\n%s" % (axes, more))
    return path


def environment(**more):
    env = dict(os.environ, DYNO_BACKENDS=FAULTY, PYTHONPATH=ROOT, OMP_NUM_THREADS="1", DYNO_HOST="here", PYTHONIOENCODING="utf-8")
    for name in ("DYNO_PLATFORM", "DYNO_DEVICES", "DYNO_RESULTS", "DYNO_CACHE"):
        env.pop(name, None)
    return dict(env, **more)


def start(*arguments, **options):
    """`python -m runner ...` in the background."""
    env = environment(**options.pop("env", {}))
    options.setdefault("preexec_fn", _hear_interrupts)
    return subprocess.Popen(
        [sys.executable, "-m", "runner"] + list(arguments), env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def _hear_interrupts():
    """A job in the background of a shell without job control begins deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def dyno(*arguments, **options):
    """(exit code, standard output, standard error) of `python -m runner ...`."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode("utf-8"), err.decode("utf-8")


def record_file(results):
    (path,) = glob.glob(os.path.join(str(results), "records", "*.jsonl"))
    return path


def records(results, kind="cell"):
    with open(record_file(results)) as file:
        return [line for line in map(json.loads, file) if line["kind"] == kind]


def records_so_far(results, kind="cell"):
    """As records(), while a run writes: none where there is no file yet, and without a line that isn't whole yet."""
    if not glob.glob(os.path.join(str(results), "records", "*.jsonl")):
        return []
    with open(record_file(results)) as file:
        return [line for line in (json.loads(text) for text in file if text.endswith("\n")) if line["kind"] == kind]


def need_torch():
    """Raise what `import torch` would raise where there is none, without the seconds that it takes."""
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("torch", name="torch")

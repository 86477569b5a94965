"""Every command with streams that are closed or full, and with values that no option means: one line, the right exit code, no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import records
from typer.testing import CliRunner

from runner import cli
from runner.program import program, table

ROOT = Path(__file__).parents[3]
MATRIX = "axes: {backend: noop, model: resnet18, input_px: 32}\nprotocol: {replicates: 1, max_time_s: 0.1, min_time_s: 0.01, quiet_wait_s: 0, anchor_from: 0}\n"
NODES = "platforms:\n  cpu: {runtime: none}\nnodes:\n  a: cpu\n"
COMMANDS = {
    "plan": ["-m", "matrix.yaml"],
    "run": ["-m", "matrix.yaml"],
    "status": ["-m", "matrix.yaml"],
    "accuracy": ["images", "-m", "matrix.yaml"],
    "doctor": [],
    "selftest": ["--budget", "1s"],
    "profile": ["resnet18", "--backend", "noop"],
    "export": ["-m", "matrix.yaml"],
    "backends": [],
    "models": [],
    "environment": [],
    "schema": [],
    "noise": ["a", "b", "--out", "noise.json"],
    "report": ["--records", "a", "--out", "report", "--no-gif"],
    "compare": ["a", "b"],
    "predict": ["--model", "vgg13", "--platform", "cpu", "--records", "a"],
    "recommend": ["--platform", "cpu", "--records", "a"],
    "search": ["--next", "--max-latency-ms", "50"],
    "import": ["table", "t.csv", "--out", "rows.jsonl", "--replace"],
    "export-table": ["out.csv", "--records", "a"],
    "fleet": ["plan", "--nodes", "nodes.yaml", "-m", "matrix.yaml"],
}
SLOW = ("selftest", "report", "export", "search", "profile", "predict", "recommend")
STREAMS = {"stdout full": (1,), "stdout closed": (1,), "stderr closed": (2,), "stderr full": (2,), "all closed": (0, 1, 2)}
SHORT = ("stdout full", "all closed")
ODD = [
    "inf",
    "nan",
    "-inf",
    "²",
    "1e400",
    "9" * 400,
    "",
    " ",
    "\udcff",
    "a\x1b[31mb",
    "\u202e",
    "a" * 5000,
    "../..",
    "/dev/full",
    "é\u0000",
]
LARGE = ["-1", "0", "9" * 17]  # numbers that some options mean and some don't
FEW = ["inf", "²", "", "9" * 400, "\udcff"]
PATHS = ("--out", "--results", "--records", "--cache", "--matrix", "--data")  # of which any text is one


def some_records(number):
    run = f"2026010{number}T000000Z-0001"
    names = ("resnet18", "alexnet", "vgg11", "resnet50", "vgg16")
    return [
        records.environment_record("cpu", run, host="here"),
        *(records.cell_record("cpu", "pytorch", name, run=run, samples=8) for name in names),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with what every command needs."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "matrix.yaml").write_text(MATRIX)
    (folder / "nodes.yaml").write_text(NODES)
    (folder / "t.csv").write_text("model,latency_ms\nresnet18,1.5\n")
    for number, side in enumerate("ab", 1):
        records.write(folder / side / "x.jsonl", some_records(number))
    (folder / "images" / "0").mkdir(parents=True)
    (folder / "images" / "0" / "0.png").write_bytes(b"no image")
    return folder


def test_every_command_is_tried():
    assert set(COMMANDS) == {command.name for command in (*table.MEASURING, *table.DECIDING)}


def dyno(folder, words, streams):
    """(exit code, standard output, standard error) of a command; a stream that is closed or full holds nothing."""

    def take_away():
        for number in STREAMS[streams]:
            if streams.endswith("full"):
                os.dup2(os.open("/dev/full", os.O_WRONLY), number)
            else:
                os.close(number)

    env = {name: value for name, value in os.environ.items() if not name.startswith("DYNO_")}
    env.update(
        PYTHONPATH=str(ROOT), DYNO_HOST="here", DYNO_PLATFORM="cpu", DYNO_MERGE_CACHE=str(folder / "cache"), MPLCONFIGDIR=str(folder)
    )
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words], cwd=folder, env=env, preexec_fn=take_away, capture_output=True, text=True, timeout=200
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("streams", [pytest.param(name, marks=() if name in SHORT else pytest.mark.long) for name in STREAMS])
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in COMMANDS])
def test_a_stream_that_takes_nothing_is_an_exit_code_and_at_most_a_line(made, name, streams):
    code, out, said = dyno(made, [name, *COMMANDS[name]], streams)
    assert code in (0, 1, 2, 3), said
    assert not any(word in out + said for word in ("Traceback", "unexpected", "Exception ignored")), said
    if "stdout" in streams:
        assert code == 1 or name == "accuracy" and code == 2, "nobody has seen the answer"
        assert said.splitlines()[-1].startswith("dyno: "), said
    assert not list(made.glob("dyno-error-*")) and not list((made / "results").glob("dyno-error-*"))


def options():
    """(command, option, whether its value is a number) of all options of all commands that take a value."""
    for command in (*table.MEASURING, *table.DECIDING):
        parsed = program.load(command)
        for sub, one in (getattr(parsed, "commands", None) or {"": parsed}).items():
            for option in one.params:
                if option.opts[0].startswith("-") and not option.is_flag and option.opts != ["--help"]:
                    name = max(option.opts, key=len)
                    yield command.name, sub, name, option.type_descriptor.annotation in (int, float)


CASES = sorted(set(options()))


def short(case):
    """Whether a case needs no measurement, no framework and no page."""
    return case[3]


class Late(Exception):
    """A command did not end."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if short(case) else pytest.mark.long) for case in CASES], ids=lambda case: " ".join(case[:3])
)
@pytest.mark.filterwarnings("error::RuntimeWarning")  # it would stand on standard error
def test_a_value_that_no_option_means_is_refused_in_a_line_or_taken_as_a_name(made, case, monkeypatch):
    name, sub, option, is_number = case
    monkeypatch.chdir(made)
    monkeypatch.setenv("DYNO_HOST", "here")
    monkeypatch.setenv("DYNO_PLATFORM", "cpu")
    monkeypatch.setenv("DYNO_MERGE_CACHE", str(made / "cache"))
    words = COMMANDS[name] if not sub else [sub]

    def late(*_):
        raise Late

    signal.signal(signal.SIGALRM, late)
    for value in (*ODD, *LARGE) if is_number else FEW:
        if option in PATHS and value in ("9" * 400, "²"):
            continue
        signal.alarm(60)
        result = CliRunner().invoke(cli.app, [name, *words, option, value])
        signal.alarm(0)
        assert result.exception is None or isinstance(result.exception, SystemExit), (value, result.exception)
        assert result.exit_code in (0, 1, 2, 3) and not any(word in result.output for word in ("unexpected", "Traceback")), (
            value,
            result.output,
        )
        assert result.exit_code != 2 or result.output.count("dyno: ") == 1, (value, result.output)
        if is_number and value in ODD:
            assert result.exit_code == 2 and result.output.count("dyno: ") == 1, (value, result.output)
        result.output.encode("utf-8")

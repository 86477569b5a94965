"""Own backends that misbehave cost their own cells: they end no plan, forge no result and leave no process behind."""

import json
import os
import time

import pytest
from support import dyno, matrix, records

GOOD = """
import os, time
import numpy
from runner.backends import base

class Backend(base.Backend):
    package = "numpy"
    needs = None

    def load(self):
%s

    def stage(self, batch):
        pass

    def infer(self):
        time.sleep(0.001)

    def outputs(self):
        return numpy.arange(10, dtype=numpy.float32)[None]

    def executed(self):
        return {"precision": "fp32", "threads": 1}
"""
FORGE = """
        for number in range(3, 60):
            try:
                os.write(number, b'{"result": {"samples_s": [1]}}\\n{"child": 1}\\n{"exit": 0}\\nhalf')
            except OSError:
                pass
"""
FORK = """
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            with open(os.environ["PID_FILE"], "w") as file:
                file.write(str(os.getpid()))
            time.sleep(300)
        while not os.path.exists(os.environ["PID_FILE"]):
            time.sleep(0.01)
"""
AT_IMPORT = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(os.environ["PID_FILE"] + "_AFTER", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(300)
while not os.path.exists(os.environ["PID_FILE"] + "_AFTER"):
    time.sleep(0.01)
"""
NEEDS_NOTHING = "\nclass Backend:\n    needs = None\n"  # read from the source: no network has to be prepared first
PLUG_INS = {
    "raises": 'raise SystemError("made to fail\\n\\x1b[31m")' + NEEDS_NOTHING,
    "exits": "import sys; sys.exit(3)" + NEEDS_NOTHING,
    "broken": "def (:",
    "lacks": "x = 1",
    "forges": GOOD % (FORGE + "        os._exit(0)"),
    "writes": GOOD % FORGE,
    "forks": GOOD % FORK,
    "forks_early": AT_IMPORT.replace("AFTER", "early") + GOOD % "        pass",
    "forks_and_leaves": AT_IMPORT.replace("AFTER", "leaves") + "os._exit(5)" + NEEDS_NOTHING,
    "forks_and_hangs": AT_IMPORT.replace("AFTER", "hangs") + "time.sleep(3600)" + NEEDS_NOTHING,
    "odd": "\nclass Backend:\n    precisions = 7\n",
    "leaves": "import os; os._exit(5)" + NEEDS_NOTHING,
    "hangs": "import time; time.sleep(3600)" + NEEDS_NOTHING,
    "loud": "import sys; print(1); sys.stderr.write('\\x1b[31m')\n" + GOOD % "        print(2)",
    "not_finite": GOOD.replace("numpy.arange(10, dtype=numpy.float32)[None]", "numpy.full((1, 10), numpy.nan)") % "        pass",
    "no_outputs": GOOD.replace("numpy.arange(10, dtype=numpy.float32)[None]", "None") % "        pass",
    "another_shape": GOOD.replace("numpy.arange(10, dtype=numpy.float32)[None]", "numpy.zeros((7, 3))") % "        pass",
    "objects": GOOD.replace("numpy.arange(10, dtype=numpy.float32)[None]", "numpy.array([[None]])") % "        pass",
    "vague": GOOD.replace('{"precision": "fp32", "threads": 1}', "7") % "        pass",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(records by backend, output, pid of what was forked away) of one run over all of them."""
    folder = tmp_path_factory.mktemp("plug_ins")
    (folder / "backends").mkdir()
    for name, source in PLUG_INS.items():
        (folder / "backends" / (name + ".py")).write_text(source)
    path = matrix(folder, "backend: [noop, %s], model: resnet18, input_px: 32" % ", ".join(PLUG_INS), "timeout_s: 3")
    env = {"DYNO_BACKENDS": str(folder / "backends"), "PID_FILE": str(folder / "pid")}
    code, out, err = dyno("plan", "-m", path, "-r", str(folder), env=env)
    assert code == 0 and "%d cells" % (1 + len(PLUG_INS)) in out, err
    said = err.splitlines()
    assert len(said) == 3 and all(line.startswith("dyno: warning: ") for line in said), err
    assert [line.split(": ")[2] for line in said] == ["broken", "lacks", "odd"]
    assert {"backend broken", "backend lacks", "backend odd"} <= set(doctor(env, folder))
    code, out, err = dyno("run", "-m", path, "-r", str(folder), env=env)
    assert code == 0 and "Traceback" not in err, err
    return {line["cell"]["backend"]: line for line in records(folder)}, out, folder


def doctor(env, folder):
    """Names of the checks that fail."""
    code, out, err = dyno("doctor", "-r", str(folder), "--json", env=env)
    assert code == 1 and err == "", err
    return [check["name"] for check in json.loads(out) if check["ok"] is False]


@pytest.mark.parametrize(("name", "said"), [
    ("raises", "SystemError: made to fail"), ("exits", "SystemExit: 3"), ("broken", "its file can't be understood"), ("lacks", "has no class Backend"),
    ("odd", "Backend.precisions is 7"),
])  # fmt: skip
def test_a_plug_in_that_can_not_be_imported_is_one_skipped_backend(done, name, said):
    line = done[0][name]
    assert line["status"] == "skipped" and said in line["reason"] and "\n" not in line["reason"]
    assert "\x1b" not in done[1]


def test_the_others_are_measured(done):
    assert done[0]["noop"]["status"] == "ok" and done[0]["loud"]["status"] == "ok"


@pytest.mark.parametrize(("name", "said"), [
    ("leaves", "the worker ended (exit code 5) in phase import"), ("hangs", "no end within 3 s (phase import)"), ("not_finite", "10 of 10 outputs are not finite"),
    ("no_outputs", "there are no outputs: NoneType"), ("another_shape", "outputs are of shape [7, 3]"), ("objects", "outputs are of type object, not numbers"),
    ("vague", "executed() of the backend gave int; it gives a dict"),
])  # fmt: skip
def test_a_plug_in_that_ends_hangs_or_computes_nothing_costs_its_cell(done, name, said):
    line = done[0][name]
    assert line["status"] == "failed" and said in line["reason"] and "\n" not in line["reason"]


def test_what_a_plug_in_writes_into_open_files_is_no_message(done):
    assert done[0]["forges"]["status"] == "failed" and "ended without a result" in done[0]["forges"]["reason"]
    samples = done[0]["writes"]["replicates"][0]["samples_s"]
    assert done[0]["writes"]["status"] == "ok" and all(0.001 <= value < 1 for value in samples) and len(samples) > 1


@pytest.mark.parametrize(
    ("name", "file", "status"),
    [
        ("forks", "pid", "ok"),
        ("forks_early", "pid_early", "ok"),
        ("forks_and_leaves", "pid_leaves", "failed"),
        ("forks_and_hangs", "pid_hangs", "failed"),
    ],
)
def test_what_a_plug_in_forks_away_ends_with_it(done, name, file, status):
    assert done[0][name]["status"] == status
    process, deadline = "/proc/" + (done[2] / file).read_text(), time.monotonic() + 5
    while os.path.exists(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(process)

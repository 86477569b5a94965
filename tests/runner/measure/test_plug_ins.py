"""Own backends that misbehave cost their own cells: they end no plan, forge no result and leave no process behind."""

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
NEEDS_NOTHING = "\nclass Backend:\n    needs = None\n"  # read from the source: no network has to be prepared first
PLUG_INS = {
    "raises": 'raise SystemError("made to fail\\n\\x1b[31m")' + NEEDS_NOTHING,
    "exits": "import sys; sys.exit(3)" + NEEDS_NOTHING,
    "broken": "def (:",
    "lacks": "x = 1",
    "forges": GOOD % (FORGE + "        os._exit(0)"),
    "writes": GOOD % FORGE,
    "forks": GOOD % FORK,
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(records by backend, output, pid of what was forked away) of one run over all of them."""
    folder = tmp_path_factory.mktemp("plug_ins")
    (folder / "backends").mkdir()
    for name, source in PLUG_INS.items():
        (folder / "backends" / (name + ".py")).write_text(source)
    path = matrix(folder, "backend: [noop, %s], model: resnet18, input_px: 32" % ", ".join(PLUG_INS))
    env = {"DYNO_BACKENDS": str(folder / "backends"), "PID_FILE": str(folder / "pid")}
    code, out, err = dyno("plan", "-m", path, "-r", str(folder), env=env)
    assert code == 0 and "8 cells" in out, err
    code, out, err = dyno("run", "-m", path, "-r", str(folder), env=env)
    assert code == 0 and "Traceback" not in err, err
    return {line["cell"]["backend"]: line for line in records(folder)}, out, int((folder / "pid").read_text())


@pytest.mark.parametrize(("name", "said"), [
    ("raises", "SystemError: made to fail"), ("exits", "SystemExit: 3"), ("broken", "its file can't be understood"), ("lacks", "has no class Backend"),
])  # fmt: skip
def test_a_plug_in_that_can_not_be_imported_is_one_skipped_backend(done, name, said):
    line = done[0][name]
    assert line["status"] == "skipped" and said in line["reason"] and "\n" not in line["reason"]
    assert "\x1b" not in done[1]


def test_the_others_are_measured(done):
    assert done[0]["noop"]["status"] == "ok"


def test_what_a_plug_in_writes_into_open_files_is_no_message(done):
    assert done[0]["forges"]["status"] == "failed" and "ended without a result" in done[0]["forges"]["reason"]
    samples = done[0]["writes"]["replicates"][0]["samples_s"]
    assert done[0]["writes"]["status"] == "ok" and all(0.001 <= value < 1 for value in samples) and len(samples) > 1


def test_what_a_plug_in_forks_away_ends_with_it(done):
    assert done[0]["forks"]["status"] == "ok"
    deadline = time.monotonic() + 5
    while os.path.exists("/proc/%d" % done[2]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists("/proc/%d" % done[2])

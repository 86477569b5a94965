"""A backend that kills a process of its run in the phase that DYNO_TEST_KILL names (see tests/runner/killing.py)."""

import time

import killing
import numpy

from runner.backends import base

killing.at("import", child=False)


class Backend(base.Backend):
    package = "numpy"
    needs = None

    def load(self):
        self.calls = 0
        killing.at("load")

    def stage(self, batch):
        self.batch = batch

    def infer(self):
        self.calls += 1
        time.sleep(0.001)
        killing.at({1: "first", 4: "warm-up", 150: "measure"}.get(self.calls))  # the warm-up is capped at 0.1 s

    def outputs(self):
        killing.at("outputs")
        return numpy.zeros((len(self.batch), 10), numpy.float32)

    def executed(self):
        return {"precision": "fp32", "threads": 1}

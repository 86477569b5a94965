"""A backend that goes wrong in one way per variant, for the tests of what a run survives."""

import os
import signal
import subprocess
import time

import numpy

from runner.backends import base
from runner.errors import Unsupported


class Backend(base.Backend):
    package = "numpy"
    variants = (
        "crash_load",
        "hang_load",
        "oom_first",
        "exit_measure",
        "error_load",
        "unsupported",
        "slow",
        "brief",
        "orphan",
        "hog",
        "hang_load_from_4",
        "timed",
    )
    needs = None

    def load(self):
        self.calls = 0
        if self.job.variant == "crash_load":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.job.variant == "hang_load":
            time.sleep(600)
        if self.job.variant == "error_load":
            raise RuntimeError("the graph has\nan operator nobody knows")
        if self.job.variant == "hang_load_from_4" and self.job.cell.batch_size >= 4:
            time.sleep(600)
        if self.job.variant == "orphan":
            subprocess.Popen(["sleep", "600"])  # as a framework's own helpers would be
            time.sleep(600)
        if self.job.variant == "hog":  # 64 MiB an image, touched
            self.hoard = numpy.ones((self.job.cell.batch_size, 64 << 17))
        if self.job.variant == "unsupported":
            raise Unsupported("this device has no such operator")

    def stage(self, batch):
        self.batch = batch

    def infer(self):
        self.calls += 1
        if self.job.variant == "oom_first" and self.job.cell.batch_size >= 4:
            raise MemoryError("can't allocate 4 TB")
        if self.job.variant == "exit_measure":
            time.sleep(0.001)
            if self.calls > 150:  # the warm-up is capped at 0.1 s
                os._exit(7)
        if self.job.variant == "brief":
            time.sleep(0.001)
        if self.job.variant == "slow":
            time.sleep(0.05)
        if self.job.variant == "timed":  # at batch 1 as long as the matrix's seed says, else 10 ms
            time.sleep(1e-4 * self.job.artefact.seed if self.job.cell.batch_size == 1 else 0.01)

    def outputs(self):
        return numpy.zeros((len(self.batch), 10), numpy.float32)

    def executed(self):
        return {"precision": "fp32", "threads": 1}

"""PyTorch 1.9 to 2.x, on CPU and CUDA."""

import torch

from concurrent.futures import ThreadPoolExecutor

from runner.backends import base


class Backend(base.Backend):
    package = "torch"
    devices = ("cpu", "gpu")
    precisions = ("fp32",)
    needs = "torch"

    def load(self):
        throughput = self.job.cell.scenario == "throughput"
        self.in_flight = self.job.threads if throughput else 1
        self._threads = 1 if throughput else self.job.threads
        torch.set_num_threads(self._threads)
        torch.set_num_interop_threads(1)
        self._module = self.job.artefact.module().eval()
        self._callers = ThreadPoolExecutor(self.in_flight)

    def stage(self, batch):
        self._x = torch.from_numpy(batch)

    def infer(self):
        with torch.inference_mode():
            self._y = self._module(self._x)

    def infer_many(self, count):
        for _ in self._callers.map(self._call, range(count)):
            pass

    def _call(self, _):
        torch.set_num_threads(self._threads)  # OpenMP keeps the number per calling thread
        self.infer()

    def outputs(self):
        return self._y.float().numpy()

    def executed(self):
        return {
            "precision": {"torch.float32": "fp32"}.get(str(self._y.dtype), str(self._y.dtype)),
            "threads": torch.get_num_threads() * self.in_flight,
            "callers": self.in_flight,
            "interop_threads": torch.get_num_interop_threads(),
        }

    def close(self):
        self._callers.shutdown()

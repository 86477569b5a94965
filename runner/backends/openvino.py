"""OpenVINO, 2022.3 and later: properties are set as strings, which every release of the new API takes."""

import openvino

from collections import Counter

from runner.backends import base

Core = getattr(openvino, "Core", None)
if Core is None:  # 2022.x
    from openvino.runtime import AsyncInferQueue, Core, Tensor
else:
    AsyncInferQueue, Tensor = openvino.AsyncInferQueue, openvino.Tensor

READ_BACK = ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS", "PERFORMANCE_HINT", "EXECUTION_DEVICES", "OPTIMAL_NUMBER_OF_INFER_REQUESTS")


class Backend(base.Backend):
    package = "openvino"
    devices = ("cpu",)
    precisions = ("fp32",)
    needs = "onnx"

    def load(self):
        throughput = self.job.cell.scenario == "throughput"
        self._core = Core()
        properties = {
            "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
            "INFERENCE_NUM_THREADS": str(self.job.threads),
            "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 wherever the CPU has it
        }
        self._compiled = self._core.compile_model(self._core.read_model(self.job.artefact.onnx_path), "CPU", properties)
        # never start a request of the queue by hand: its callback frees it twice and the queue then waits for ever
        self._request = self._compiled.create_infer_request()
        self._queue = None
        if throughput:
            self._queue = AsyncInferQueue(self._compiled, int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
            self.in_flight = len(self._queue)

    def stage(self, batch):
        self._tensor = Tensor(batch, shared_memory=True)
        for request in [self._request] + list(self._queue or ()):
            request.set_input_tensor(self._tensor)

    def infer(self):
        self._request.start_async()  # infer() would copy the outputs into new arrays
        self._request.wait()
        self._last = self._request

    def infer_many(self, count):
        for _ in range(count):
            self._queue.start_async()
        self._queue.wait_all()
        self._last = self._queue[0]

    def outputs(self):
        return self._last.get_output_tensor(0).data.astype("float32")

    def executed(self):
        read = {name: _plain(self._compiled.get_property(name)) for name in READ_BACK if name in self._names()}
        operators = Counter(str(node.get_rt_info()["runtimePrecision"].value) for node in self._compiled.get_runtime_model().get_ops())
        return {"precision": read["INFERENCE_PRECISION_HINT"], "threads": int(read["INFERENCE_NUM_THREADS"]), "operators": dict(operators), "properties": read}

    def _names(self):
        return set(self._compiled.get_property("SUPPORTED_PROPERTIES"))

    def close(self):
        self._request = self._last = self._queue = self._compiled = self._core = None


def _plain(value):
    return value if isinstance(value, (int, float, str, bool)) else [str(item) for item in value] if isinstance(value, (list, tuple)) else str(value)

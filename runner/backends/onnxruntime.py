"""ONNX Runtime: execution providers for CPU, CUDA and TensorRT."""

import onnxruntime

from concurrent.futures import ThreadPoolExecutor

from runner.backends import base


class Backend(base.Backend):
    package = "onnxruntime"
    devices = ("cpu", "gpu")
    precisions = ("fp32",)
    needs = "onnx"

    def load(self):
        throughput = self.job.cell.scenario == "throughput"
        # many callers of single-threaded runs beat one caller of many threads: no barrier per operator
        self.in_flight = self.job.threads if throughput else 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if throughput else self.job.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # the default, said aloud: between operators its threads spin, and latency is what users of a plain session see
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        self._options = options
        self._session = onnxruntime.InferenceSession(self.job.artefact.onnx_path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._callers = ThreadPoolExecutor(self.in_flight)

    def stage(self, batch):
        self._feeds = {self._input: batch}

    def infer(self):
        self._outputs = self._session.run(None, self._feeds)

    def infer_many(self, count):
        for self._outputs in self._callers.map(lambda _: self._session.run(None, self._feeds), range(count)):
            pass

    def outputs(self):
        return self._outputs[0].astype("float32", copy=False)

    def executed(self):
        return {
            "precision": "fp32",
            "threads": self._options.intra_op_num_threads * self.in_flight,
            "intra_op_threads": self._options.intra_op_num_threads,
            "callers": self.in_flight,
            "providers": self._session.get_providers(),
            "allow_spinning": self._options.get_session_config_entry("session.intra_op.allow_spinning"),
            "graph_optimization": str(self._options.graph_optimization_level).split(".")[-1],
        }

    def close(self):
        self._callers.shutdown()
        self._session = None

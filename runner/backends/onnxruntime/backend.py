"""ONNX Runtime: execution providers for CPU, CUDA and TensorRT."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import onnxruntime

from runner.backends import base
from runner.backends.onnxruntime import files as onnxruntime_files
from runner.errors import Unsupported
from runner.files import temporary_name

CALLERS = 4  # threads that feed a GPU in the throughput scenario
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class Backend(base.Backend):
    package = "onnxruntime"
    devices = ("cpu", "gpu")
    precisions = ("fp32", "tf32", "fp16", "int8")
    variants = ("cuda", "tensorrt")
    needs = "onnx"

    def load(self) -> None:
        cell = self.job.cell
        self._gpu = cell.device == "gpu"
        self._kind = (self.job.variant or "cuda") if self._gpu else "cpu"
        self._check()
        self._shape = (cell.batch_size,) + tuple(self.job.artefact.input_shape)
        throughput = cell.scenario == "throughput"
        self._done: Dict[str, Any] = {}
        if self._gpu and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # CUDA and cuDNN from NVIDIA's wheels, which no search path names
        path = self._path = self._file()
        # many callers of single-threaded runs beat one caller of many threads: no barrier per operator
        wide = throughput and not self._gpu
        self.in_flight = (CALLERS if self._gpu else self.job.threads) if throughput else 1
        self._options = self._session_options(1 if wide else self.job.threads)
        self._callers = ThreadPoolExecutor(self.in_flight)
        if cell.precision == "int8" and not self._gpu:
            self._options.optimized_model_filepath = temporary_name(path)
        try:
            self._session = onnxruntime.InferenceSession(path, self._options, providers=self._providers())
        except Exception as error:  # its exceptions share no class of their own
            text = " ".join(str(error).split())
            lacks = onnxruntime_files.what_it_lacks(text)
            if lacks:
                raise Unsupported("ONNX Runtime %s %s" % (onnxruntime.__version__, lacks))
            raise
        self._session.disable_fallback()  # else a failing run is repeated on the CPU
        self._check_no_fallback(path)
        if self._options.optimized_model_filepath:
            self._done["operators"] = onnxruntime_files.operators(self._options.optimized_model_filepath)
            if not any(name.startswith("QLinear") or "Integer" in name for name in self._done["operators"]):
                raise RuntimeError("ONNX Runtime computes none of the network in int8")
        self._input = self._session.get_inputs()[0]
        self._binding = self._session.io_binding() if self._gpu else None

    def _check(self) -> None:
        cell, wanted = self.job.cell, PROVIDERS[self._kind]
        if self.job.variant and not self._gpu:
            raise Unsupported("onnxruntime:%s needs a GPU; on the CPU use onnxruntime" % self.job.variant)
        if wanted not in onnxruntime.get_available_providers():
            have = ", ".join(onnxruntime.get_available_providers())
            raise Unsupported("this onnxruntime %s has no %s (it has %s)" % (onnxruntime.__version__, wanted, have))
        own = self.job.artefact.own_precision
        if own not in (None, "fp32", cell.precision):
            raise Unsupported(
                "the file's weights are %s, and ONNX Runtime computes in the file's own precision, not %s" % (own, cell.precision)
            )
        if not self._gpu and cell.precision in ("fp16", "tf32"):
            raise Unsupported("ONNX Runtime's CPU provider computes in fp32 and int8, not %s" % cell.precision)
        if self._kind == "cuda" and cell.precision == "int8":
            raise Unsupported("ONNX Runtime's CUDA provider has no int8 convolutions; onnxruntime:tensorrt has")

    def _file(self) -> str:
        """The ONNX file to load: the network's own, in fp16 or with Q/DQ."""
        if self.job.cell.precision == "int8":
            from runner.backends import _onnx_int8

            path, self._done["calibration"] = _onnx_int8.qdq(self.job, tensorrt=self._kind == "tensorrt")
            return path
        if self.job.cell.precision == "fp16" and self._kind == "cuda":
            from runner.backends import _onnx_fp16

            return _onnx_fp16.converted_file(self.job)
        return self.job.artefact.onnx_path

    def _session_options(self, threads: int) -> "onnxruntime.SessionOptions":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # the default, said aloud: between operators its threads spin, and that latency is what users of a plain session see
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")  # old releases ignore it
        return options

    def _providers(self) -> List[Any]:
        """The provider asked for, with its options, then those that may take what it can't."""
        precision = self.job.cell.precision
        if not self._gpu:
            return [PROVIDERS["cpu"]]
        # every release and both providers obey this one; option use_tf32 came with 1.18
        os.environ["NVIDIA_TF32_OVERRIDE"] = "1" if precision == "tf32" else "0"
        providers = [(PROVIDERS["cuda"], {"device_id": "0", "cudnn_conv_algo_search": "EXHAUSTIVE"}), PROVIDERS["cpu"]]
        if self._kind == "tensorrt":
            engine = {
                "trt_fp16_enable": str(precision == "fp16"),
                "trt_int8_enable": str(precision == "int8"),
                "trt_engine_cache_enable": "False",  # its key leaves out what matters (precision, flags)
                "device_id": "0",
            }
            providers.insert(0, (PROVIDERS["tensorrt"], engine))
        return providers

    def _check_no_fallback(self, path: str) -> None:
        asked, got = PROVIDERS[self._kind], self._session.get_providers()
        if got[0] != asked:
            raise RuntimeError("ONNX Runtime silently fell back: asked for %s, got %s" % (asked, ", ".join(got)))
        if not self._gpu:
            return
        nodes, cpu = onnxruntime_files.operators_by_provider(self._session), PROVIDERS["cpu"]
        left = ""
        if nodes is None or nodes.get(cpu):  # before 1.24 only the profile of a run shows it
            feeds = onnxruntime_files.zero_feeds(self._session, self._shape)
            nodes, written = onnxruntime_files.profiled(path, self._session_options(1), self._providers(), feeds, self.job.cache_dir)
            left = onnxruntime_files.left_on_cpu(nodes, written, cpu)
        self._done["nodes_by_provider"] = {provider: sum(operators.values()) for provider, operators in nodes.items()}
        if left:
            raise RuntimeError("ONNX Runtime left %s to the CPU though %s was asked for" % (left, asked))

    def stage(self, batch: numpy.ndarray) -> None:
        if "float16" in self._input.type:
            batch = batch.astype("float16", copy=False)
        if not self._binding:
            self._feeds = {self._input.name: batch}
            return
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy(batch, "cuda", 0)
        self._bindings = [self._bind(self._session.io_binding()) for _ in range(self.in_flight)]

    def _bind(self, binding: Any) -> Any:
        binding.bind_ortvalue_input(self._input.name, self._value)
        for output in self._session.get_outputs():
            binding.bind_output(output.name, "cuda")
        return binding

    def infer(self) -> None:
        if self._binding:
            self._session.run_with_iobinding(self._bindings[0])  # waits for the device
        else:
            self._outputs = self._session.run(None, self._feeds)

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        if self._binding:
            # each caller owns one binding, and takes every in_flight-th batch
            shares = [len(range(caller, count, self.in_flight)) for caller in range(self.in_flight)]
            list(self._callers.map(lambda binding, times: self._run_bound(binding, times, done), self._bindings, shares))
            return
        self._outputs = deque(self._callers.map(lambda _: self._run_once(done), range(count)), maxlen=1)[0]

    def _run_bound(self, binding: Any, times: int, done: Optional[Callable[[], None]]) -> None:
        for _ in range(times):
            self._session.run_with_iobinding(binding)
            if done:
                done()

    def _run_once(self, done: Optional[Callable[[], None]]) -> List[numpy.ndarray]:
        outputs = self._session.run(None, self._feeds)
        if done:
            done()
        return outputs

    def profile(self, batches: int) -> Tuple[str, List[Tuple[str, int, float]]]:
        feeds = onnxruntime_files.zero_feeds(self._session, self._shape) if self._binding else self._feeds
        options = self._session_options(self._options.intra_op_num_threads)
        found = onnxruntime_files.times(self._path, options, self._providers(), feeds, self.job.cache_dir, batches)
        return "ONNX Runtime's profile%s" % (", time to launch on the GPU" if self._gpu else ""), found

    def trim(self) -> None:
        options = onnxruntime.RunOptions()
        if self._binding and hasattr(options, "add_run_config_entry"):  # from 1.8 on
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")
            self._session.run_with_iobinding(self._bindings[0], options)

    def outputs(self) -> numpy.ndarray:
        outputs = self._bindings[0].copy_outputs_to_cpu() if self._binding else self._outputs
        return outputs[0].astype("float32", copy=False)

    def executed(self) -> Dict[str, Any]:
        precision = self.job.cell.precision
        if precision == "fp32" and "float16" in self._input.type:
            precision = "fp16"
        read = {
            "precision": precision,
            "threads": self._options.intra_op_num_threads * (1 if self._gpu else self.in_flight),
            "intra_op_threads": self._options.intra_op_num_threads,
            "callers": self.in_flight,
            "providers": self._session.get_providers(),
            "provider_options": self._session.get_provider_options(),
            "input_type": self._input.type,
            "allow_spinning": self._options.get_session_config_entry("session.intra_op.allow_spinning"),
            "graph_optimization": str(self._options.graph_optimization_level).split(".")[-1],
            "tf32_override": os.environ.get("NVIDIA_TF32_OVERRIDE") if self._gpu else None,
        }
        read.update(self._done)
        return read

    def close(self) -> None:
        self._callers.shutdown()
        self._bindings = []
        self._session = self._binding = self._value = None

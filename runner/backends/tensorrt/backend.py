"""TensorRT 7.1 to 11, on NVIDIA GPUs and the DLAs of Jetsons. Memory, streams and events are torch's."""

try:
    import tensorrt as trt
except ImportError as error:  # the bindings are a package of their own; the libraries come with the image or from the board
    raise RuntimeError(
        "TensorRT's Python package is here, but can't be loaded: %s; on a Jetson docker run --runtime nvidia, elsewhere pip install "
        "the tensorrt libraries of the same version" % error
    )

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy

from runner.errors import Unsupported
from runner.files import atomic_write

try:
    import torch
except ImportError:  # said in load(), where it becomes a row
    torch = None  # type: ignore[assignment]

import hashlib
import os
import sys
import time

from runner.backends import _streams, base
from runner.backends.tensorrt import build as trt_build
from runner.backends.tensorrt import cache as trt_cache
from runner.backends.tensorrt import engine as trt_engine

LANES = 2  # batches in flight in the throughput scenario: one computes while the next is started
WORKSPACE_LIMIT = 1 << 32


class Backend(base.Backend):
    package = "tensorrt"
    devices = ("gpu", "dla")
    precisions = ("fp32", "tf32", "fp16", "bf16", "int8")
    variants = ("weak", "strong")
    needs = "onnx"

    def load(self) -> None:
        cell = self.job.cell
        self._strong = trt_build.strongly_typed(trt, self.job.variant == "strong")
        self._check()
        self._done: Dict[str, Any] = {}
        self._log = trt_build.make_log(trt)
        if hasattr(trt, "init_libnvinfer_plugins"):
            trt.init_libnvinfer_plugins(self._log, "")  # operators that the parser maps to plugins
        plan = self._plan()
        self._runtime, self._engine = trt_engine.load(trt, plan, self._log)
        self._io = trt_engine.ports(trt, self._engine)
        self.in_flight = LANES if cell.scenario == "throughput" else 1
        self._inputs = {port.name: self._empty(port) for port in self._io if port.is_input}
        # the default stream would synchronise with every other
        self._lanes = [self._lane() for _ in range(self.in_flight)]
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        self._ends = [torch.cuda.Event() for _ in range(_streams.AHEAD * self.in_flight)]
        torch.cuda.synchronize()

    def _lane(self) -> trt_engine.Lane:
        outputs = {port.name: self._empty(port) for port in self._io if not port.is_input}
        return trt_engine.Lane(self._engine, self._io, self._inputs, outputs, torch.cuda.Stream())

    @staticmethod
    def _empty(port: trt_engine.Port) -> "torch.Tensor":
        return torch.empty(port.shape, dtype=getattr(torch, trt_engine.TORCH_DTYPES[port.dtype]), device="cuda")

    def _check(self) -> None:
        cell, variant = self.job.cell, self.job.variant
        if torch is None:
            raise Unsupported("TensorRT needs the Python package torch, whose memory and streams it uses here")
        if not torch.cuda.is_available():
            raise Unsupported("TensorRT needs an NVIDIA GPU, and torch %s sees none" % torch.__version__)
        if variant == "weak" and self._strong:
            raise Unsupported("TensorRT %s has strongly typed networks only" % trt.__version__)
        if variant == "strong" and not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
            raise Unsupported("TensorRT %s has no strongly typed networks" % trt.__version__)
        if cell.precision == "bf16" and (self._strong or not trt_build.has_flag(trt, "BF16")):
            raise Unsupported("bf16 needs TensorRT 9 or 10, and a weakly typed network; this is TensorRT %s" % trt.__version__)
        if cell.device == "dla" and cell.precision not in ("fp16", "int8"):
            raise Unsupported("a DLA computes in fp16 and int8, not %s" % cell.precision)
        capability = torch.cuda.get_device_capability()
        needs = {"fp16": (5, 3), "tf32": (8, 0), "bf16": (8, 0), "int8": (6, 1)}.get(cell.precision, (0, 0))
        if capability < needs or (cell.precision == "int8" and capability == (6, 2)):  # 6.2: Jetson TX2
            raise Unsupported("this GPU (compute capability %d.%d) has no fast %s" % (capability + (cell.precision,)))

    def _plan(self) -> bytes:
        """The serialised engine: from the cache if everything that matters is the same, else built."""
        path, calibration = self._file()
        with open(path, "rb") as file:
            onnx = file.read()
        gpu = torch.cuda.get_device_properties(0)
        workspace = min(
            WORKSPACE_LIMIT, gpu.total_memory // 4 >> 28 << 28
        )  # in steps: what a Jetson's GPU may use differs a little after each boot
        self._done.update(calibration=calibration, gpu=gpu.name, workspace_bytes=workspace)
        place = trt_cache.tied_to(trt, torch)
        made = [
            hashlib.sha256(onnx).hexdigest(),
            self.job.cell.precision,
            self.job.cell.device,
            str(self._strong),
            str(workspace),
            str(calibration),
        ]
        folder = os.path.join(self.job.cache_dir, "tensorrt")
        os.makedirs(folder, exist_ok=True)
        stem = os.path.join(folder, trt_cache.digest(place + made))
        timing = os.path.join(folder, trt_cache.digest(place) + ".timing")
        plan, done = trt_cache.kept(stem)
        self.load_cached = bool(plan)
        if plan:
            self._done.update(done)
            return plan
        started = time.perf_counter()
        plan, done = self._build(onnx, workspace, timing, stem + ".log")
        done["build_s"] = time.perf_counter() - started
        self._done.update(done)
        trt_cache.keep(stem, plan, done)
        return plan

    def _file(self) -> Tuple[str, Optional[str]]:
        """(ONNX file, what int8 is calibrated on): strongly typed networks carry their precision in the file."""
        precision = self.job.cell.precision
        if precision == "int8":
            from runner.backends import _onnx_int8

            if self._strong or not hasattr(trt, "IInt8EntropyCalibrator2"):
                return _onnx_int8.qdq(self.job, tensorrt=True)
            self._batches = _onnx_int8.batches(self.job)
            return self.job.artefact.onnx_path, self._batches[0]
        if precision == "fp16" and self._strong:
            from runner.backends import _onnx_fp16

            return _onnx_fp16.converted_file(self.job), None
        return self.job.artefact.onnx_path, None

    def _build(self, onnx: bytes, workspace: int, timing: str, log_path: str) -> Tuple[bytes, Dict[str, Any]]:
        precision, calibrator = self.job.cell.precision, None
        if precision == "int8" and not self._strong:
            calibrator = trt_build.make_calibrator(trt, torch, self._batches[1])
        try:
            plan, times, done = trt_build.build(
                trt, onnx, precision, workspace, self._log, self._strong, calibrator, trt_cache.read(timing), self.job.cell.device == "dla"
            )
        except trt_build.BuildError as error:
            text = "\n".join("%s: %s" % line for line in self._log.lines)
            atomic_write(log_path, text)
            sys.stderr.write(text[-8000:] + "\n")  # its end goes into the record
            if isinstance(error, trt_build.Refused):
                raise Unsupported("TensorRT %s: %s" % (trt.__version__, error))
            raise RuntimeError("%s (whole log in the cache: tensorrt/%s)" % (error, os.path.basename(log_path)))
        if times:
            atomic_write(timing, times)
        return plan, done

    def stage(self, batch: numpy.ndarray) -> None:
        name = next(iter(self._inputs))
        self._inputs[name].copy_(torch.from_numpy(batch))
        torch.cuda.synchronize()

    def infer(self) -> None:
        lane = self._lanes[0]
        self._events[0].record(lane.stream)
        lane.enqueue()
        self._events[1].record(lane.stream)
        lane.stream.synchronize()

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        streams = [lane.stream for lane in self._lanes]
        _streams.flow(count, streams, self._ends, lambda lane: self._lanes[lane].enqueue(), done)

    def outputs(self) -> numpy.ndarray:
        return self._output().float().cpu().numpy()

    def transfers(self, batch: numpy.ndarray) -> Tuple[Callable[[], Any], Callable[[], Any], str]:
        device = next(iter(self._inputs.values()))
        host = torch.from_numpy(batch).to(device.dtype)
        return _streams.pinned(torch, host, lambda source: device.copy_(source, non_blocking=True), self._output()) + ("pinned",)

    def _output(self) -> Any:
        return self._lanes[0].outputs[next(port.name for port in self._io if not port.is_input)]

    def device_latency(self) -> Optional[float]:
        return self._events[0].elapsed_time(self._events[1]) / 1000

    def executed(self) -> Dict[str, Any]:
        formats = trt_engine.layer_formats(trt, self._engine)
        read = {
            "precision": trt_engine.computed_precision(formats, self.job.cell.precision),
            "typing": "strong" if self._strong else "weak",
            "threads": 1,
            "streams": self.in_flight,
            "version": trt.__version__,
            "input_type": next(port.dtype for port in self._io if port.is_input),
            "layer_formats": formats,
            "layer_types": trt_engine.layer_types(trt, self._engine),
        }
        read.update(self._done)
        return read

    def memory(self) -> Dict[str, int]:
        return {
            "tensorrt_device_memory": trt_engine.device_memory(self._engine) * self.in_flight,
            "torch_peak_reserved": torch.cuda.max_memory_reserved(),
        }

    def profile(self, batches: int) -> Tuple[str, List[Tuple[str, int, float]]]:
        return "TensorRT's IProfiler, by layer of the engine", trt_engine.profiled(trt, self._lanes[0], batches)

    def trim(self) -> None:
        torch.cuda.empty_cache()

    def close(self) -> None:
        self._lanes = []
        self._engine = self._runtime = None

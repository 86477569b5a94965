"""OpenVINO 2021.4 to 2026, on CPU, GPU, NPU and MYRIAD: one backend over two generations of its Python API."""

import importlib.util
from collections import Counter, defaultdict
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import openvino

from runner.backends import base
from runner.backends.openvino.wanted import Wanted
from runner.errors import Unsupported

if hasattr(openvino, "Core") or importlib.util.find_spec("openvino.runtime"):  # 2022 and later
    from runner.backends.openvino.core import Network
else:
    from runner.backends.openvino.iecore import Network  # type: ignore[assignment]

NAMES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU", "myriad": "MYRIAD"}
HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}  # what int8 leaves over is computed in f32
PRECISIONS = {
    "f32": "fp32",
    "FP32": "fp32",
    "f16": "fp16",
    "FP16": "fp16",
    "bf16": "bf16",
    "BF16": "bf16",
    "i8": "int8",
    "u8": "int8",
    "I8": "int8",
    "U8": "int8",
}
BY_DEVICE = {"cpu": ("fp32", "fp16", "bf16", "int8"), "gpu": ("fp32", "fp16", "int8"), "npu": ("fp16", "int8"), "myriad": ("fp16",)}
COMPUTE = ("convolution", "fullyconnected", "matmul", "deconvolution", "groupconvolution", "innerproduct", "gemm", "fully_connected")
NEVER = (  # parts of messages that say that this can't work here, whatever one does
    "is not registered in the OpenVINO Runtime",
    "failed to create plugin",
    "Cannot load library",
    "Unsupported",
    "unsupported",
    "not supported",
    "Supported values",
    "Cannot convert layer",
    "compiler loading failed",
    "OpConversionFailure",
)


class Backend(base.Backend):
    package = "openvino"
    devices = ("cpu", "gpu", "npu", "myriad")
    precisions = ("fp32", "fp16", "bf16", "int8")
    needs = "onnx"

    def load(self) -> None:
        cell = self.job.cell
        self._done = {}
        if cell.precision not in BY_DEVICE[cell.device]:
            raise Unsupported(
                "OpenVINO on %s computes in %s, not %s" % (NAMES[cell.device], " and ".join(BY_DEVICE[cell.device]), cell.precision)
            )
        if cell.device == "myriad" and cell.batch_size != 1:
            raise Unsupported("MYRIAD only takes batch size 1")
        path = self.job.artefact.onnx_path
        if cell.precision == "int8":
            from runner.backends.openvino import int8 as openvino_int8

            path, self._done["calibration"] = openvino_int8.quantised(self.job)
        cache = None if cell.device == "cpu" else self.job.cache_dir
        shape = (cell.batch_size,) + tuple(self.job.artefact.input_shape)
        try:
            throughput = cell.scenario == "throughput"
            self._made = Wanted(path, NAMES[cell.device], HINTS[cell.precision], self.job.threads, throughput, cache, shape)
            self._network = Network(self._made)
        except Exception as error:  # RuntimeError, GeneralFailure, NotImplementedFailure ...
            text = " ".join(str(error).split())
            if any(words in text for words in NEVER):
                raise Unsupported("OpenVINO on %s: %s" % (NAMES[cell.device], _reason(text)))
            raise
        self.in_flight = self._network.in_flight
        self.load_cached = self._network.loaded_from_cache
        self._check_precision()

    def _check_precision(self) -> None:
        """Compare what the compiled network computes in with what was asked: the default is bf16 wherever a CPU has it."""
        asked = self.job.cell.precision
        self._compute: Dict[str, Any] = {}
        for kind, precision, count in self._network.operators():
            if kind.lower() in COMPUTE:
                self._compute.setdefault(PRECISIONS.get(precision, precision), {}).setdefault(kind, 0)
                self._compute[PRECISIONS.get(precision, precision)][kind] += count
        hint = self._network.precision
        others = sorted(set(self._compute) - {asked})
        if asked == "int8":
            if self._compute and "int8" not in self._compute:
                raise RuntimeError("OpenVINO computes none of the network in int8")
        elif hint is not None and PRECISIONS.get(hint, hint) != asked:
            raise Unsupported("OpenVINO computes %s as %s on this %s" % (asked, hint, NAMES[self.job.cell.device]))
        elif asked == "fp32" and others:
            raise RuntimeError("OpenVINO computes part of the network in %s though fp32 was asked for" % ", ".join(others))

    def stage(self, batch: numpy.ndarray) -> None:
        self._batch = batch
        self._network.stage(batch)

    def infer(self) -> None:
        self._network.infer()

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        self._network.infer_many(count, done)

    def profile(self, batches: int) -> Tuple[str, List[Tuple[str, int, float]]]:
        network = Network(self._made._replace(counters=True))
        network.stage(self._batch)
        network.infer()
        count: Dict[str, int] = Counter()
        seconds: Dict[str, float] = defaultdict(float)
        for _ in range(batches):
            network.infer()
            for kind, own_s in network.counters():
                count[kind] += 1
                seconds[kind] += own_s
        network.close()
        return "OpenVINO's performance counters", [(kind, count[kind], seconds[kind]) for kind in sorted(count)]

    def outputs(self) -> numpy.ndarray:
        return self._network.outputs()

    def executed(self) -> Dict[str, Any]:
        totals = {name: sum(kinds.values()) for name, kinds in self._compute.items()}
        if not totals:  # a device whose plugin reports none
            precision = PRECISIONS.get(self._network.precision or "", self.job.cell.precision)
        else:
            precision = self.job.cell.precision if self.job.cell.precision in totals else max(totals, key=lambda name: totals[name])
        read = {"precision": precision, "compute_operators": self._compute, "api": self._network.api, "version": self._network.version}
        own = self.job.artefact.own_precision
        if own not in (None, precision):
            read["weights_precision"] = own  # of the user's file: the arithmetic is as said above, what it starts from is coarser
        read.update(self._network.read_back())
        read.update(self._done)
        return read

    def close(self) -> None:
        self._network.close()


def _reason(text: str) -> str:
    """The end of a nested exception says why; the beginning only where."""
    parts = [part for part in text.split(" Exception from ") if part.strip()]
    return (parts[-1] if len(parts) > 1 else text)[:400]

"""A compiled network in OpenVINO's first Python API (2021.4 and earlier), the last whose package has the MYRIAD plugin."""

import os
import re
import tempfile
from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from openvino.inference_engine import IECore
from openvino.inference_engine import __version__ as VERSION

from runner.backends.openvino.wanted import Wanted

READ_BACK = ("CPU_THREADS_NUM", "CPU_THROUGHPUT_STREAMS", "ENFORCE_BF16", "GPU_THROUGHPUT_STREAMS", "MYRIAD_THROUGHPUT_STREAMS")


class Network:
    """A network compiled for one device, with the same attributes as core.Network."""

    api = "IECore"
    version = VERSION
    loaded_from_cache = False  # it has a cache, and no way to ask whether it was used

    def __init__(self, wanted: Wanted) -> None:
        core = IECore()
        network = core.read_network(wanted.path)
        name = list(network.input_info)[0]
        if list(network.input_info[name].input_data.shape) != list(wanted.shape):  # a user's file with open dimensions
            network.reshape({name: list(wanted.shape)})
        if wanted.device == "MYRIAD":
            _check_operators(core, network, wanted.device)
        config = {"PERF_COUNT": "YES"} if wanted.counters else {}
        if wanted.device == "CPU":
            config["CPU_THREADS_NUM"] = str(wanted.threads)
            config["CPU_THROUGHPUT_STREAMS"] = "CPU_THROUGHPUT_AUTO" if wanted.throughput else "1"
            config["ENFORCE_BF16"] = "YES" if wanted.precision == "bf16" else "NO"  # on a CPU that has bf16 the default is YES
            if wanted.precision == "bf16" and "BF16" not in core.get_metric(wanted.device, "OPTIMIZATION_CAPABILITIES"):
                raise RuntimeError("bf16 is not supported by this CPU")
        elif wanted.cache_dir and wanted.device != "MYRIAD":  # its plugin refuses the key
            core.set_config({"CACHE_DIR": wanted.cache_dir}, wanted.device)
        # 0: as many requests as the device works best with
        self._executable = core.load_network(network, wanted.device, config=config, num_requests=0 if wanted.throughput else 1)
        self._input, self._output = list(network.input_info)[0], list(network.outputs)[0]
        self._requests = self._executable.requests
        self.in_flight = len(self._requests)
        self._read = self._properties()
        # it has no hint to read back: the CPU computes in f32 unless ENFORCE_BF16 says otherwise, MYRIAD in f16
        by_flag = {"YES": "bf16", "NO": "f32"}
        self.precision: Optional[str] = by_flag.get(self._read.get("ENFORCE_BF16", "")) if wanted.device == "CPU" else None

    def _properties(self) -> Dict[str, Any]:
        known = self._executable.get_metric("SUPPORTED_CONFIG_KEYS")
        return {name: str(self._executable.get_config(name)) for name in READ_BACK if name in known}

    def operators(self) -> List[Tuple[str, str, int]]:
        """(kind, precision, count) of the operators as compiled, read from the serialised execution graph."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "graph.xml")
            try:
                self._executable.get_exec_graph_info().serialize(path)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
            except (RuntimeError, OSError):
                return []
        count = Counter(re.findall(r'<layer [^>]*type="([^"]*)"[^>]*>\s*<data [^>]*runtimePrecision="([^"]*)"', text))
        return [(kind, precision, number) for (kind, precision), number in count.items()]

    def counters(self) -> List[Tuple[str, float]]:
        """(kind, seconds) of each operator that ran in the last infer()."""
        told = self._last.get_perf_counts().values()
        return [(item["layer_type"], item["real_time"] * 1e-6) for item in told if item["status"] == "EXECUTED"]

    def stage(self, batch: numpy.ndarray) -> None:
        for request in self._requests:
            request.input_blobs[self._input].buffer[:] = batch

    def infer(self) -> None:
        self._requests[0].async_infer()  # infer() would copy inputs and outputs
        self._check(self._requests[0].wait())
        self._last = self._requests[0]

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        for index in range(count):
            request = self._requests[index % self.in_flight]
            if index >= self.in_flight:
                self._check(request.wait())
                if done:
                    done()
            request.async_infer()
        for request in self._requests[:count]:
            self._check(request.wait())
            if done:
                done()
        self._last = self._requests[0]

    @staticmethod
    def _check(status: int) -> None:
        if status != 0:
            raise RuntimeError("OpenVINO's request ended with status %d" % status)

    def outputs(self) -> numpy.ndarray:
        return self._last.output_blobs[self._output].buffer.astype("float32")

    def read_back(self) -> Dict[str, Any]:
        """Threads and properties as OpenVINO set them."""
        threads = self._read.get("CPU_THREADS_NUM")
        return {"threads": int(threads) if threads else None, "properties": self._read}

    def close(self) -> None:
        self._last = self._requests = self._executable = None


# arithmetic of shapes, which is folded into constants before anything is compiled
FOLDED = (
    "Parameter",
    "Constant",
    "Result",
    "ShapeOf",
    "Gather",
    "Concat",
    "Unsqueeze",
    "Squeeze",
    "Convert",
    "StridedSlice",
    "Reshape",
    "Range",
)
# Reported missing although the plugin runs them: query_network looks before the plugin's own rewriting, and Intel lists MobileNet v2 as
# tested on the stick. Loading decides.
REWRITTEN = ("GroupConvolution",)


def _check_operators(core: Any, network: Any, device: str) -> None:
    """Raise for operators that the device doesn't have; answers with no device attached."""
    import ngraph

    taken = set(core.query_network(network, device))
    left = Counter(
        node.get_type_name()
        for node in ngraph.function_from_cnn(network).get_ops()
        if node.get_friendly_name() not in taken and node.get_type_name() not in FOLDED + REWRITTEN
    )
    if left:
        raise RuntimeError(
            "operators not supported by %s: %s" % (device, ", ".join("%d %s" % (number, kind) for kind, number in sorted(left.items())))
        )

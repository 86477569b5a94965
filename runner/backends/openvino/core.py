"""A compiled network in OpenVINO's API of 2022 and later. Properties are strings, which every such release takes."""

from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import openvino

from runner.backends.openvino.wanted import Wanted

if not hasattr(openvino, "Core"):  # 2022
    import openvino.runtime

    openvino = openvino.runtime

READ_BACK = (
    "INFERENCE_PRECISION_HINT",
    "INFERENCE_NUM_THREADS",
    "NUM_STREAMS",
    "PERFORMANCE_HINT",
    "EXECUTION_DEVICES",
    "OPTIMAL_NUMBER_OF_INFER_REQUESTS",
    "LOADED_FROM_CACHE",
)


class Network:
    """A network compiled for one device; ``precision`` is the hint that OpenVINO kept, None where it has none."""

    api = "Core"

    def __init__(self, wanted: Wanted) -> None:
        core = openvino.Core()
        self.version = openvino.get_version()
        properties = {"PERFORMANCE_HINT": "THROUGHPUT" if wanted.throughput else "LATENCY"}
        if wanted.device == "CPU":
            properties["INFERENCE_NUM_THREADS"] = str(wanted.threads)
        if wanted.device in ("CPU", "GPU"):
            properties["INFERENCE_PRECISION_HINT"] = wanted.precision
        if wanted.counters:
            properties["PERF_COUNT"] = "YES"
        if wanted.cache_dir and not wanted.counters:  # an engine from the cache may have been built without counters
            core.set_property({"CACHE_DIR": wanted.cache_dir})
        model = core.read_model(wanted.path)
        if model.is_dynamic():  # a user's file with open dimensions
            model.reshape(list(wanted.shape))
        if wanted.device == "MYRIAD":
            _compress(model)
        self._compiled = core.compile_model(model, wanted.device, properties)
        self._read = self._properties()
        self.precision: Optional[str] = self._read.get("INFERENCE_PRECISION_HINT")
        self.loaded_from_cache = bool(self._read.get("LOADED_FROM_CACHE"))
        # never start a request of the queue by hand: its callback frees it twice and the queue then waits for ever
        self._request = self._compiled.create_infer_request()
        self._queue = (
            openvino.AsyncInferQueue(self._compiled, int(self._read["OPTIMAL_NUMBER_OF_INFER_REQUESTS"])) if wanted.throughput else None
        )
        self.in_flight = len(self._queue) if self._queue is not None else 1

    def _properties(self) -> Dict[str, Any]:
        known = set(self._compiled.get_property("SUPPORTED_PROPERTIES"))
        return {name: _plain(self._compiled.get_property(name)) for name in READ_BACK if name in known}

    def operators(self) -> List[Tuple[str, str, int]]:
        """(kind, precision, count) of the operators as compiled; empty where the plugin reports none."""
        try:
            nodes = [node.get_rt_info() for node in self._compiled.get_runtime_model().get_ops()]
            count = Counter((_text(node["layerType"]), _text(node["runtimePrecision"])) for node in nodes)
        except (RuntimeError, KeyError):
            return []
        return [(kind, precision, number) for (kind, precision), number in count.items()]

    def counters(self) -> List[Tuple[str, float]]:
        """(kind, seconds) of each operator that ran in the last infer()."""
        told = getattr(self._request, "profiling_info", None) or self._request.get_profiling_info()
        return [(item.node_type, item.real_time.total_seconds()) for item in told if str(item.status).endswith("EXECUTED")]

    def stage(self, batch: numpy.ndarray) -> None:
        self._batch = numpy.ascontiguousarray(batch)  # 2022's tensors don't keep the memory that they share
        self._tensor = openvino.Tensor(self._batch, shared_memory=True)
        for request in [self._request] + list(self._queue or ()):
            request.set_input_tensor(self._tensor)

    def infer(self) -> None:
        self._request.start_async()  # infer() would copy the outputs into new arrays
        self._request.wait()
        self._last = self._request

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        for index in range(count):
            if self._queue is None:
                self.infer()
            else:
                self._queue.start_async()  # it waits for a request that is free
            if done and (self._queue is None or index >= self.in_flight):
                done()
        if self._queue is None:
            return
        self._queue.wait_all()
        for _ in range(min(count, self.in_flight)):  # those that were still under way
            if done:
                done()
        self._last = self._queue[0]

    def outputs(self) -> numpy.ndarray:
        return self._last.get_output_tensor(0).data.astype("float32")

    def read_back(self) -> Dict[str, Any]:
        """Threads and properties as OpenVINO set them."""
        threads = self._read.get("INFERENCE_NUM_THREADS")
        return {"threads": int(threads) if threads is not None else None, "properties": self._read}

    def close(self) -> None:
        self._request = self._last = self._queue = self._compiled = None


def _compress(model: Any) -> None:
    """Turn weights into fp16, the only ones that MYRIAD takes; releases without this module have no MYRIAD either."""
    try:
        from openvino.offline_transformations import compress_model_transformation
    except ImportError:
        return
    compress_model_transformation(model)


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    if hasattr(value, "get_type_name"):  # openvino.Type
        return value.get_type_name()
    return str(value).split(".")[-1]


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))

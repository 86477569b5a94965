"""Run a TensorRT engine, TensorRT 7.1 to 11: named tensors where there are, bindings by number otherwise. Memory and streams are torch's."""

import json
import re
from collections import Counter, defaultdict, namedtuple
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple

FORMATS = (
    ("bf16", r"bf16|bfloat16"),
    ("fp16", r"fp16|half"),
    ("int8", r"int8"),
    ("fp32", r"fp32|float"),
)  # as the engine inspector spells them

Port = namedtuple("Port", "name is_input shape dtype")  # dtype: TensorRT's name, "HALF"

# our own table: trt.nptype fails with numpy 1.24 up to TensorRT 8.5
TORCH_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "UINT8": "uint8",
}


def load(trt: ModuleType, plan: bytes, log: Any) -> Tuple[Any, Any]:
    """(runtime, engine); the runtime has to live as long as the engine."""
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise RuntimeError("TensorRT can't load this engine here: %s" % (log.tail() or "it gave no reason"))
    return runtime, engine


def ports(trt: ModuleType, engine: Any) -> List[Port]:
    """Inputs and outputs of an engine, in its order."""
    if hasattr(engine, "num_io_tensors"):
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return [
            Port(
                name,
                engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
                tuple(engine.get_tensor_shape(name)),
                _name(engine.get_tensor_dtype(name)),
            )
            for name in names
        ]
    return [
        Port(
            engine.get_binding_name(index),
            engine.binding_is_input(index),
            tuple(engine.get_binding_shape(index)),
            _name(engine.get_binding_dtype(index)),
        )
        for index in range(engine.num_bindings)
    ]


def _name(dtype: Any) -> str:
    return str(dtype).split(".")[-1]


class Lane:
    """One execution context with its stream and outputs; several of them are several batches in flight."""

    def __init__(self, engine: Any, io: List[Port], inputs: Dict[str, Any], outputs: Dict[str, Any], stream: Any) -> None:
        for port in io:
            if -1 in port.shape:
                raise RuntimeError(
                    "the TensorRT engine has a dynamic shape, %s of %s; only static ONNX files are measured" % (list(port.shape), port.name)
                )
        self._context = engine.create_execution_context()
        if self._context is None:
            raise RuntimeError("TensorRT made no execution context: too little device memory")
        self.stream, self.outputs = stream, outputs
        addresses = {port.name: int((inputs if port.is_input else outputs)[port.name].data_ptr()) for port in io}
        if hasattr(self._context, "execute_async_v3"):
            for name, address in addresses.items():
                if not self._context.set_tensor_address(name, address):
                    raise RuntimeError("TensorRT refuses the address of %s" % name)
            self._bindings = None
        else:
            self._bindings = [addresses[port.name] for port in io]

    def profile_with(self, profiler: Any) -> None:
        """Have the context report each layer's time from now on."""
        self._context.profiler = profiler

    def enqueue(self) -> None:
        """Start one batch on the stream."""
        if self._bindings is None:
            started = self._context.execute_async_v3(self.stream.cuda_stream)
        else:
            started = self._context.execute_async_v2(self._bindings, self.stream.cuda_stream)
        if not started:
            raise RuntimeError("TensorRT could not start the batch")


def layer_formats(trt: ModuleType, engine: Any) -> Optional[Dict[str, int]]:
    """How many layers put out which format, as the engine inspector reports: {"Half": 20, ...}; None before 8.2."""
    if not hasattr(engine, "create_engine_inspector"):
        return None
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    count: Counter = Counter()
    for layer in json.loads(text).get("Layers", []):
        if isinstance(layer, dict):  # names alone where the engine was built without details
            count.update(str(port.get("Format/Datatype", "?")) for port in layer.get("Outputs", []))
    return dict(count) or None


def layer_types(trt: ModuleType, engine: Any) -> Optional[Dict[str, int]]:
    """How many layers are of which type, `DLA` among them, as the engine inspector reports; None before 8.2 or without details."""
    if not hasattr(engine, "create_engine_inspector"):
        return None
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    count = Counter(
        str(layer["LayerType"]) for layer in json.loads(text).get("Layers", []) if isinstance(layer, dict) and "LayerType" in layer
    )
    return dict(count) or None


def computed_precision(formats: Optional[Dict[str, int]], asked: str) -> str:
    """The precision that the layers' formats show: the one asked for where layers put it out, else the most frequent.

    A network's outputs are fp32 whatever it computes in, so some fp32 is no proof of fp32; it has to be the most frequent. ``formats`` is that of
    layer_formats(); where the engine doesn't say, nothing contradicts what was asked for.
    """
    found: Dict[str, int] = Counter()
    for text, count in (formats or {}).items():
        name = next((name for name, words in FORMATS if re.search(words, text, re.IGNORECASE)), None)
        if name:
            found[name] += count
    wanted = "fp32" if asked == "tf32" else asked
    most = max(found, key=lambda name: (found[name], name == wanted)) if found else wanted
    is_asked = wanted in found and wanted != "fp32"
    return asked if is_asked or most == wanted else most


def device_memory(engine: Any) -> int:
    """Bytes of activations and workspace."""
    size = getattr(engine, "device_memory_size_v2", None)
    return int(size if size is not None else engine.device_memory_size)


def profiled(trt: ModuleType, lane: Lane, batches: int) -> List[Tuple[str, int, float]]:
    """[(kind of layer, how often it ran, seconds)] by TensorRT's IProfiler; a layer's kind is its name without numbers."""

    base = trt.IProfiler

    class Profiler(base):  # type: ignore
        def __init__(self) -> None:
            base.__init__(self)
            self.count: Dict[str, int] = Counter()
            self.seconds: Dict[str, float] = defaultdict(float)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            kind = re.sub(r"[^A-Za-z]*\d[\d_./]*", "", layer_name.split("/")[-1]) or layer_name
            self.count[kind] += 1
            self.seconds[kind] += ms * 1e-3

    profiler = Profiler()
    lane.profile_with(profiler)
    for _ in range(batches):
        lane.enqueue()
        lane.stream.synchronize()
    return [(kind, profiler.count[kind], profiler.seconds[kind]) for kind in sorted(profiler.count)]

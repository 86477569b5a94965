"""Stand-ins for TensorRT's Python module, one per generation, and for the little of torch.cuda that runs engines.

tests/data/tensorrt_api_*.txt say which attributes a generation has. A stand-in has those and no others: using or setting
anything else raises AttributeError, as the real module would. Its engines answer with the sum of their input.
"""

import itertools
import json
import os
import types
from dataclasses import dataclass

import numpy

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
GENERATIONS = ("7_1", "8_2", "8_5", "10", "11")
SETTABLE = ("max_workspace_size", "int8_calibrator", "default_device_type", "DLA_core", "profiling_verbosity")
ENUMS = (
    "BuilderFlag",
    "DeviceType",
    "LayerInformationFormat",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "ProfilingVerbosity",
    "TensorIOMode",
)
PORTS = (("input", (1, 3, 32, 32)), ("output", (1, 10)))


class Member(int):
    """A member of an enumeration: counts as its number, prints as its name."""

    def __new__(cls, number, name):
        member = int.__new__(cls, number)
        member.name = name
        return member

    def __str__(self):
        return self.name


class Thing:
    """An object of a generation: methods come from the classes below as far as the generation has them."""

    def __init__(self, api, kind, **state):
        self.__dict__.update(_api=api, _kind=kind, _state=state)

    def __getattr__(self, name):
        api, kind = self._api, self._kind
        if "%s.%s" % (kind, name) not in api.listed:
            raise AttributeError("%s of TensorRT %s has no %s" % (kind, api.version, name))
        behaviour = getattr(Behaviour, name)
        return property.__get__(behaviour, self) if isinstance(behaviour, property) else types.MethodType(behaviour, self)

    def __setattr__(self, name, value):
        if "%s.%s" % (self._kind, name) not in self._api.listed or name not in SETTABLE:
            raise AttributeError("%s of TensorRT %s has no %s to set" % (self._kind, self._api.version, name))
        self._api.calls.append((name, value))


class Behaviour:
    """What the methods do, whatever class they are of."""

    def create_network(self, bits):
        self._api.calls.append(("create_network", bits))
        return Thing(self._api, "INetworkDefinition")

    def create_builder_config(self):
        return Thing(self._api, "IBuilderConfig", flags={"TF32"})

    num_DLA_cores = property(lambda self: self._api.dla_cores)
    max_workspace_size = int8_calibrator = default_device_type = DLA_core = property(lambda self: None)
    profiling_verbosity = property(lambda self: 0)
    nbytes = property(lambda self: 0)
    num_errors = property(lambda self: len(self._api.parse_errors))
    num_bindings = num_io_tensors = property(lambda self: len(PORTS))
    device_memory_size = device_memory_size_v2 = property(lambda self: 1 << 20)

    def set_flag(self, flag):
        self._state["flags"].add(str(flag))

    def clear_flag(self, flag):
        self._state["flags"].discard(str(flag))

    def set_memory_pool_limit(self, pool, size):
        self._api.calls.append(("set_memory_pool_limit", str(pool), size))

    def create_timing_cache(self, data):
        self._api.calls.append(("create_timing_cache", data))
        return None if data == b"damaged" else Thing(self._api, "ITimingCache")

    def set_timing_cache(self, cache, ignore_mismatch):
        assert cache is not None

    def parse(self, onnx):
        return not self._api.parse_errors

    def get_error(self, index):
        return self._api.parse_errors[index]

    def build_serialized_network(self, network, config):
        return self._api.build("build_serialized_network", config)

    def build_engine(self, network, config):
        return Thing(self._api, "ICudaEngine") if self._api.build("build_engine", config) else None

    def serialize(self):
        return b"plan" if self._kind == "ICudaEngine" else b"timings"

    def deserialize_cuda_engine(self, plan):
        return Thing(self._api, "ICudaEngine") if plan == b"plan" else None

    def create_execution_context(self):
        return Thing(self._api, "IExecutionContext", addresses={})

    def create_engine_inspector(self):
        return Thing(self._api, "EngineInspector")

    def get_engine_information(self, form):
        return json.dumps({"Layers": [{"Name": "conv", "Outputs": [{"Format/Datatype": self._api.layer_format}]}, "plain name"]})

    def get_binding_name(self, index):
        return PORTS[index][0]

    get_tensor_name = get_binding_name

    def binding_is_input(self, index):
        return index == 0

    def get_tensor_mode(self, name):
        return self._api.TensorIOMode.INPUT if name == "input" else self._api.TensorIOMode.OUTPUT

    def get_binding_shape(self, index):
        return PORTS[index][1]

    def get_tensor_shape(self, name):
        return dict(PORTS)[name]

    def get_binding_dtype(self, index):
        return "DataType.FLOAT"

    get_tensor_dtype = get_binding_dtype

    def set_tensor_address(self, name, address):
        self._state["addresses"][name] = address
        return True

    def execute_async_v2(self, bindings, stream_handle):
        return self._api.execute(*bindings, stream=stream_handle)

    def execute_async_v3(self, stream_handle):
        return self._api.execute(self._state["addresses"]["input"], self._state["addresses"]["output"], stream=stream_handle)


class TensorRT:
    """The module ``tensorrt`` of one generation. ``calls`` is what was called with what; the rest makes it fail."""

    def __init__(self, version):
        with open(os.path.join(DATA, "tensorrt_api_%s.txt" % version)) as file:
            self.listed = {line.strip() for line in file if not line.startswith("#")}
        self.version = self.__version__ = version
        self.layer_format = "Row major linear FP32"
        self.calls, self.parse_errors, self.build_fails, self.dla_cores = [], [], False, 0
        for name in ENUMS:
            members = sorted(entry.split(".")[1] for entry in self.listed if entry.startswith(name + "."))
            if members:
                setattr(self, name, type(name, (), {member: Member(number, member) for number, member in enumerate(members)}))
        if "IInt8EntropyCalibrator2.get_batch" in self.listed:
            self.IInt8EntropyCalibrator2 = type("IInt8EntropyCalibrator2", (), {})

    ILogger = type("ILogger", (), {})

    def Builder(self, log):
        self.log = log
        return Thing(self, "Builder")

    def Runtime(self, log):
        return Thing(self, "Runtime")

    def OnnxParser(self, network, log):
        return Thing(self, "OnnxParser")

    def build(self, method, config):
        self.calls.append((method, sorted(config._state["flags"])))
        if self.build_fails:
            self.log.log("Severity.ERROR", "no implementation\nfor node Conv_7")
            return None
        return b"plan"

    @staticmethod
    def execute(source, target, stream):
        assert stream > 0, "the default stream synchronises with all others"
        Tensor.at[target].array[:] = Tensor.at[source].array.sum()
        return True


class Tensor:
    """Device memory: a numpy array with an address."""

    at = {}
    _addresses = itertools.count(4096, 4096)

    def __init__(self, array, is_pinned=False):
        self.array, self._address, self.is_pinned = array, next(self._addresses), is_pinned
        self.shape, self.dtype = array.shape, array.dtype
        Tensor.at[self._address] = self

    def data_ptr(self):
        return self._address

    def copy_(self, other, non_blocking=False):
        assert other.is_pinned or self.is_pinned or not non_blocking, "a copy of pageable memory can't be left to itself"
        self.array[:] = other.array

    def to(self, dtype):
        return Tensor(self.array.astype(dtype))

    def pin_memory(self):
        return Tensor(self.array.copy(), is_pinned=True)

    def float(self):
        return self

    cpu = float

    def numpy(self):
        return self.array


class Event:
    def __init__(self, enable_timing=False):
        self.enable_timing, self.stream = enable_timing, None

    def record(self, stream):
        self.stream = stream

    def query(self):
        return True

    def synchronize(self):
        assert self.stream is not None, "nothing was recorded that could be waited for"

    def elapsed_time(self, other):
        assert self.enable_timing and other.enable_timing and self.stream is other.stream
        return 2.5


class Stream:
    _handles = itertools.count(1)

    def __init__(self):
        self.cuda_stream = next(self._handles)

    def synchronize(self):
        pass


@dataclass(frozen=True)
class DeviceProperties:
    name: str = "Imagined GPU"
    total_memory: int = (8 << 30) + 12345
    multi_processor_count: int = 8


class Cuda:
    """The part of torch.cuda that the backend uses, on an imagined GPU."""

    Event, Stream = Event, Stream

    def __init__(self, capability):
        self.capability = capability

    def synchronize(self):
        pass

    def is_available(self):
        return True

    def get_device_capability(self):
        return self.capability

    def get_device_properties(self, index):
        return DeviceProperties()

    def max_memory_reserved(self):
        return 0


class Torch:
    """The part of torch that the backend uses."""

    __version__, float32 = "0", "float32"

    def __init__(self, capability):
        self.cuda = Cuda(capability)

    def empty(self, shape, dtype, device="cpu", pin_memory=False):
        return Tensor(numpy.zeros(shape, dtype), is_pinned=pin_memory)

    def from_numpy(self, array):
        return Tensor(array)


def torch(capability=(7, 2)):
    return Torch(capability)

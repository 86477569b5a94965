"""Build a TensorRT engine from ONNX, TensorRT 7.1 to 11, by feature tests: what is there is used, versions are never compared.

Two ways to a precision. Weakly typed networks (up to 10): an fp32 file and builder flags that allow lower precisions; the
builder decides per layer. Strongly typed networks (from 9; the only ones in 11): the file says it, layer by layer.
"""

from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple

import numpy


class BuildError(Exception):
    """No engine; the message ends with the builder's last words."""


class Refused(BuildError):
    """This can never work here: the parser doesn't know an operator, the board has no DLA."""


def make_log(trt: ModuleType) -> Any:
    """A logger that keeps what it hears: ``log.lines``, a list of (severity, text)."""

    class Log(trt.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: List[Tuple[str, str]] = []

        def log(self, severity: Any, text: str) -> None:
            self.lines.append((str(severity).split(".")[-1], text))

        def tail(self, count: int = 4) -> str:
            loud = [text for severity, text in self.lines if severity in ("ERROR", "INTERNAL_ERROR", "WARNING")]
            return " | ".join(" ".join(text.split()) for text in loud[-count:])

    return Log()


def has_flag(trt: ModuleType, name: str) -> bool:
    """Whether this release's builder has a flag of that name."""
    return hasattr(trt.BuilderFlag, name)


def strongly_typed(trt: ModuleType, wanted: bool) -> bool:
    """Whether the network will be strongly typed: where asked and possible, and where there is no other kind."""
    return (wanted and hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")) or not has_flag(trt, "FP16")


def network_flags(trt: ModuleType, strong: bool) -> int:
    """Bits for create_network()."""
    flags = trt.NetworkDefinitionCreationFlag
    bits = 0
    if hasattr(flags, "EXPLICIT_BATCH"):  # until 10; ONNX networks need it up to 9
        bits |= 1 << int(flags.EXPLICIT_BATCH)
    if strong and hasattr(flags, "STRONGLY_TYPED"):
        bits |= 1 << int(flags.STRONGLY_TYPED)
    return bits


def set_workspace(trt: ModuleType, config: Any, size: int) -> None:
    """Always: the default is 0 up to 8.3, and no or a poor engine comes of it."""
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size


def set_precision(trt: ModuleType, config: Any, precision: str, strong: bool, calibrator: Any) -> List[str]:
    """Set the flags; returns the names of those that are set. TF32 is on by default everywhere, so fp32 clears it."""
    flags = []
    if has_flag(trt, "TF32"):
        if precision == "tf32":
            config.set_flag(trt.BuilderFlag.TF32)
            flags.append("TF32")
        else:
            config.clear_flag(trt.BuilderFlag.TF32)
    if strong:
        return flags
    for name, wanted in (("FP16", "fp16"), ("BF16", "bf16"), ("INT8", "int8")):
        if precision == wanted:
            config.set_flag(getattr(trt.BuilderFlag, name))
            flags.append(name)
    if precision == "int8" and calibrator is not None:
        config.int8_calibrator = calibrator
    return flags


def set_device(trt: ModuleType, config: Any, dla: bool) -> None:
    """Put the network on the first DLA, or leave it on the GPU."""
    if dla:
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = 0
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)  # some layers of every classification network need it; the inspector says which


def parse(trt: ModuleType, builder: Any, onnx: bytes, strong: bool, log: Any) -> Tuple[Any, Any]:
    """The network definition of an ONNX file's bytes."""
    network = builder.create_network(network_flags(trt, strong))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        errors = [" ".join(str(parser.get_error(index)).split()) for index in range(parser.num_errors)]
        raise Refused("can't parse the network: %s" % ("; ".join(errors)[:400] or log.tail()))
    return network, parser


def build(
    trt: ModuleType,
    onnx: bytes,
    precision: str,
    workspace: int,
    log: Any,
    strong: bool = False,
    calibrator: Any = None,
    timing: bytes = b"",
    dla: bool = False,
) -> Tuple[bytes, bytes, Dict[str, Any]]:
    """(plan, timing cache, what was done) from the bytes of a single-file ONNX with static shapes."""
    builder = trt.Builder(log)
    if dla and not builder.num_DLA_cores:
        raise Refused("this board has no DLA")
    # the parser holds the weights that the network refers to: keep it until the engine is built
    network, parser = parse(trt, builder, onnx, strong, log)
    config = builder.create_builder_config()
    set_workspace(trt, config, workspace)
    done: Dict[str, Any] = {"typing": "strong" if strong else "weak", "workspace_bytes": workspace}
    done["builder_flags"] = set_precision(trt, config, precision, strong, calibrator)
    set_device(trt, config, dla)
    cache = None
    if hasattr(config, "create_timing_cache"):
        cache = config.create_timing_cache(timing) or config.create_timing_cache(b"")  # None: it is another release's, or damaged
        config.set_timing_cache(cache, False)
    if hasattr(config, "profiling_verbosity"):
        # else the inspector gives names alone; 8.0 and 8.1 call it VERBOSE
        names = trt.ProfilingVerbosity
        config.profiling_verbosity = names.DETAILED if hasattr(names, "DETAILED") else names.VERBOSE
    if hasattr(builder, "build_serialized_network"):
        plan = builder.build_serialized_network(network, config)
    else:
        engine = builder.build_engine(network, config)
        plan = engine.serialize() if engine is not None else None
    del parser
    if plan is None:
        raise BuildError("TensorRT built no engine: %s" % (log.tail() or "it gave no reason"))
    return bytes(plan), bytes(cache.serialize()) if cache is not None else b"", done


def make_calibrator(trt: ModuleType, torch: ModuleType, batches: List[numpy.ndarray]) -> Any:
    """An entropy calibrator that feeds float32 batches from the device's memory, or None where there are none (11 on)."""
    if not hasattr(trt, "IInt8EntropyCalibrator2"):
        return None

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._rest = iter(batches)
            self._on_device = torch.empty(batches[0].shape, dtype=torch.float32, device="cuda")

        def get_batch_size(self) -> int:
            return batches[0].shape[0]

        def get_batch(self, names: Any, *_: Any) -> Optional[List[int]]:
            batch = next(self._rest, None)
            if batch is None:
                return None
            self._on_device.copy_(torch.from_numpy(batch))
            torch.cuda.synchronize()
            return [int(self._on_device.data_ptr())]

        def read_calibration_cache(self, *_: Any) -> None:
            return None

        def write_calibration_cache(self, *_: Any) -> None:
            pass

    return Calibrator()

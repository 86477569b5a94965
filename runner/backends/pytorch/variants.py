"""What PyTorch can do to a module before it is measured, by feature tests, and what it refuses."""

import os
import shutil
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

import torch

from runner.backends.base import Job
from runner.errors import Unsupported


def check(precision: str, gpu: bool, variant: str) -> None:
    """Raise Unsupported for what this PyTorch on this device can't do."""
    if gpu and not torch.cuda.is_available():
        built = "is built without CUDA" if torch.version.cuda is None else "sees no GPU that it can use"
        raise Unsupported("this PyTorch %s %s" % (torch.__version__, built))
    if variant == "cudagraphs":
        if not gpu:
            raise Unsupported("CUDA graphs need a GPU")
        if not hasattr(torch.cuda, "CUDAGraph"):
            raise Unsupported("PyTorch %s has no CUDA graphs (1.10 and later have)" % torch.__version__)
    if variant == "compile":
        if not hasattr(torch, "compile"):
            raise Unsupported("PyTorch %s has no torch.compile (2.0 and later have)" % torch.__version__)
        if not gpu and not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
            raise Unsupported("torch.compile needs a C++ compiler on the CPU")
    if variant == "autocast" and precision not in ("fp16", "bf16"):
        raise Unsupported("autocast computes in fp16 or bf16, not %s" % precision)
    if precision == "tf32" and not (gpu and torch.cuda.get_device_capability()[0] >= 8):
        raise Unsupported("tf32 is a format of NVIDIA GPUs from Ampere (compute capability 8.0) on")
    if precision == "bf16" and gpu and torch.cuda.get_device_capability()[0] < 8:  # torch emulates it below, and says it has it
        raise Unsupported("bf16 is a format of NVIDIA GPUs from Ampere (compute capability 8.0) on")
    if precision == "int8" and (gpu or variant not in ("eager", "torchscript")):
        raise Unsupported("PyTorch's own int8 kernels are for eager and TorchScript modules on the CPU")


def refusal(error: Exception) -> Optional[Unsupported]:
    """Unsupported, if the error says that an operator has no kernel for this format; else None."""
    if "not implemented for" in str(error) or "Could not run" in str(error):  # "batch_norm" not implemented for 'BFloat16'
        return Unsupported("PyTorch %s: %s" % (torch.__version__, str(error).splitlines()[0]))
    return None


def set_flags(precision: str) -> None:
    """fp32 means fp32: no format is left to a default, for the defaults changed between releases."""
    tf32 = precision == "tf32"
    if hasattr(torch, "set_float32_matmul_precision"):  # also stops mkldnn from computing fp32 in bf16
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # shapes are static, so the search for the fastest algorithm is paid once, in the warm-up


def flags() -> Dict[str, Any]:
    """The flags in force, read back."""
    read = {
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "mkldnn": torch.backends.mkldnn.is_available(),
    }
    if hasattr(torch, "get_float32_matmul_precision"):
        read["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    return read


def autocast(device_type: str, dtype: torch.dtype) -> ContextManager[Any]:
    """A context in which operators compute in ``dtype`` where autocast allows it; Unsupported where this release has none."""
    if hasattr(torch, "autocast"):
        return torch.autocast(device_type, dtype=dtype)
    if device_type == "cuda" and dtype == torch.float16:
        return torch.cuda.amp.autocast()
    raise Unsupported("PyTorch %s has autocast to fp16 on CUDA only" % torch.__version__)


def quantised(module: torch.nn.Module, job: Job) -> Tuple[torch.nn.Module, Dict[str, Any]]:
    """(module, what was done): static int8 where the graph can be traced, else int8 weights in linear layers alone."""
    from runner.backends import _onnx_int8

    try:
        from torch.ao import quantization
        from torch.ao.quantization import quantize_fx
    except ImportError:  # before 1.11
        from torch import quantization  # type: ignore[no-redef]
        from torch.quantization import quantize_fx  # type: ignore[no-redef]
    engine = next((name for name in ("x86", "fbgemm", "qnnpack") if name in torch.backends.quantized.supported_engines), None)
    if engine is None:
        raise Unsupported("PyTorch %s was built without int8 kernels" % torch.__version__)
    torch.backends.quantized.engine = engine
    source, images = _onnx_int8.batches(job)
    examples = [torch.from_numpy(batch) for batch in images]
    try:
        if hasattr(quantization, "get_default_qconfig_mapping"):
            prepared = quantize_fx.prepare_fx(module, quantization.get_default_qconfig_mapping(engine), (examples[0],))
        else:
            prepared = quantize_fx.prepare_fx(module, {"": quantization.get_default_qconfig(engine)})  # type: ignore[call-arg]
        with torch.no_grad():
            for example in examples:
                prepared(example)
            converted = quantize_fx.convert_fx(prepared)
            converted(examples[0])
        done: Dict[str, Any] = {"int8_method": "static, traced by FX", "calibration": source}
    except Exception as error:  # control flow that depends on data, an operator without int8 kernel
        if not any(isinstance(layer, torch.nn.Linear) for layer in module.modules()):
            raise Unsupported("PyTorch's static int8: %s" % " ".join(str(error).split())[:300])
        converted = quantization.quantize_dynamic(module, {torch.nn.Linear}, dtype=torch.qint8)
        done = {"int8_method": "dynamic, linear layers alone", "calibration": None, "static_int8_error": " ".join(str(error).split())[:300]}
    # a quantised layer hands out its packed weight by a method
    done["int8_layers"] = sum(
        "quantized" in type(layer).__module__ and callable(getattr(layer, "weight", None)) for layer in converted.modules()
    )
    if not done["int8_layers"]:
        raise Unsupported("PyTorch found no layer to compute in int8")
    done["int8_engine"] = engine
    return converted, done


def scripted(module: torch.nn.Module, x: torch.Tensor) -> torch.nn.Module:
    """The module traced and frozen, after the runs in which TorchScript's executor compiles it."""
    traced = torch.jit.freeze(torch.jit.trace(module, x, check_trace=False).eval())
    if x.device.type == "cpu" and x.dtype == torch.float32 and hasattr(torch.jit, "optimize_for_inference"):
        traced = torch.jit.optimize_for_inference(traced)
    for _ in range(3):  # its executor profiles the first runs and compiles after them: that is building, not running
        traced(x)
    return traced


def compiled(module: torch.nn.Module, x: torch.Tensor, cache_dir: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The module by torch.compile, compiled for ``x``; Inductor keeps its files in ``cache_dir``. Raises Unsupported."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(cache_dir, "inductor")
    import torch._dynamo
    import torch._inductor.config

    torch._inductor.config.compile_threads = 1  # no pool of compilers that would live on beside the samples
    run = torch.compile(module)
    try:
        run(x)
    except Exception as error:
        if "CppCompile" in type(error).__name__ or "InvalidCxxCompiler" in str(error):
            raise Unsupported("torch.compile needs a working C++ compiler: %s" % " ".join(str(error).split())[:200])
        raise
    return run


def graph_breaks() -> int:
    """How often torch.compile had to leave its graph in this process."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def graphed(module: torch.nn.Module, x: torch.Tensor) -> Tuple[Callable[[], None], torch.Tensor]:
    """(replay, output): the module's kernels captured once, on a stream of its own, after the warm-up that capture asks for."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = module(x)
    return graph.replay, y


def profiled(infer: Callable[[], None], batches: int, gpu: bool) -> Tuple[str, List[Tuple[str, int, float]]]:
    """(method, operators) by torch.profiler; on a GPU the time of the kernels that an operator launched."""
    if not hasattr(torch, "profiler"):
        raise Unsupported("PyTorch %s has no torch.profiler (1.8.1 and later have)" % torch.__version__)
    kinds = [torch.profiler.ProfilerActivity.CPU] + ([torch.profiler.ProfilerActivity.CUDA] if gpu else [])
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(batches):
            infer()
    found = []
    for event in profile.key_averages():
        if gpu:
            own_us = getattr(event, "self_device_time_total", None)
            own_us = event.self_cuda_time_total if own_us is None else own_us
            on_cpu = str(getattr(event, "device_type", "CPU")).endswith("CPU")  # kernels stand beside the operators that launched them
            is_operator = on_cpu or event.key.startswith("triton")
        else:
            own_us, is_operator = event.self_cpu_time_total, not event.key.startswith(("cuda", "ProfilerStep"))
        if own_us > 0 and is_operator:
            found.append((event.key, event.count, own_us * 1e-6))
    return "torch.profiler, %s" % ("kernels on the GPU" if gpu else "CPU time of each operator itself"), found

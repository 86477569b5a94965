"""PyTorch 1.9 to 2.x, on CPU and CUDA."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
import torch

from runner.backends import _streams, base
from runner.backends.pytorch import variants as torch_variants

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.float32}
STREAMS = 4  # CUDA streams in the throughput scenario


class Backend(base.Backend):
    package = "torch"
    devices = ("cpu", "gpu")
    precisions = ("fp32", "tf32", "fp16", "bf16", "int8")
    variants = ("eager", "channels_last", "torchscript", "compile", "cudagraphs", "autocast")
    needs = "torch"

    def load(self) -> None:
        cell = self.job.cell
        self._throughput = cell.scenario == "throughput"
        self._variant = self.job.variant or "eager"
        self._gpu = cell.device == "gpu"
        torch_variants.check(cell.precision, self._gpu, self._variant)
        self._device = torch.device("cuda" if self._gpu else "cpu")
        self._dtype = DTYPES[cell.precision]
        self._done: Dict[str, Any] = {}
        self._set_threads()
        torch_variants.set_flags(cell.precision)
        module = self.job.artefact.module().eval()
        if cell.precision == "int8":
            module, self._done = torch_variants.quantised(module, self.job)
        elif self._variant != "autocast":
            module = module.to(self._dtype)
        module = module.to(self._device)
        if self._variant == "channels_last":
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub leaves this one out
        self._x: Any = self._on_device(torch.zeros((cell.batch_size,) + tuple(self.job.artefact.input_shape)))
        self._replay: Optional[Callable[[], None]] = None
        self._y: Any = None
        try:
            self._module: Any = self._made(module)
        except RuntimeError as error:
            raise torch_variants.refusal(error) or error
        if self._gpu:
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            torch.cuda.synchronize()

    def _made(self, module: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        with self._mode():
            if self._variant == "torchscript":
                return torch_variants.scripted(module, self._x)
            if self._variant == "compile":
                return torch_variants.compiled(module, self._x, self.job.cache_dir)
            if self._variant == "cudagraphs":
                self._replay, self._y = torch_variants.graphed(module, self._x)
        return module

    def _set_threads(self) -> None:
        """One caller of many threads for latency; many callers of one thread each, or several streams, for throughput."""
        wide = self._throughput and not self._gpu
        self._threads = 1 if wide else self.job.threads
        self.in_flight = 1
        if self._throughput and self._variant != "cudagraphs":  # a graph has one set of buffers
            self.in_flight = STREAMS if self._gpu else self.job.threads
        torch.set_num_threads(self._threads)
        if torch.get_num_interop_threads() != 1:  # can be set once per process; setting it again aborts in 1.10
            torch.set_num_interop_threads(1)
        self._callers = ThreadPoolExecutor(self.in_flight) if wide else None
        self._streams = [torch.cuda.Stream() for _ in range(self.in_flight)] if self._throughput and self._gpu else []
        self._ends = [torch.cuda.Event() for _ in range(_streams.AHEAD * len(self._streams))]

    @contextlib.contextmanager
    def _mode(self) -> Iterator[None]:
        # both are per thread
        with torch.inference_mode():
            if self._variant == "autocast":
                with torch_variants.autocast(self._device.type, self._dtype):
                    yield
            else:
                yield

    def _on_device(self, x: torch.Tensor) -> torch.Tensor:
        return self._laid_out(x.to(self._device, torch.float32 if self._variant == "autocast" else self._dtype))

    def _laid_out(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self._variant == "channels_last" else x

    def stage(self, batch: numpy.ndarray) -> None:
        x = self._on_device(torch.from_numpy(batch))
        if self._replay:
            self._x.copy_(x)  # the captured graph reads this very memory
        else:
            self._x = x
        if self._gpu:
            torch.cuda.synchronize()

    def _forward(self) -> None:
        if self._replay:
            self._replay()
            return
        try:
            with self._mode():
                self._y = self._module(self._x)
        except RuntimeError as error:
            raise torch_variants.refusal(error) or error

    def infer(self) -> None:
        if not self._gpu:
            self._forward()
            return
        self._events[0].record()
        self._forward()
        self._events[1].record()
        torch.cuda.synchronize()

    def infer_many(self, count: int, done: Optional[Callable[[], None]] = None) -> None:
        if self._callers:
            for _ in self._callers.map(lambda _: self._call(done), range(count)):
                pass
            return
        if self._streams:
            _streams.flow(count, self._streams, self._ends, self._start, done)
            return
        for _ in range(count):
            self._forward()
        if self._gpu:
            torch.cuda.synchronize()

    def _start(self, lane: int) -> None:
        with torch.cuda.stream(self._streams[lane]):
            self._forward()

    def _call(self, done: Optional[Callable[[], None]]) -> None:
        torch.set_num_threads(self._threads)  # OpenMP keeps the number per calling thread
        self._forward()
        if done:
            done()

    def outputs(self) -> numpy.ndarray:
        return self._y.float().cpu().numpy()

    def transfers(self, batch: numpy.ndarray) -> Tuple[Callable[[], Any], Callable[[], Any], str]:
        if not self._gpu:
            return base.Backend.transfers(self, batch)
        host = self._laid_out(torch.from_numpy(batch).to(self._x.dtype))  # the transfer alone: the host's copy is as the device's
        return _streams.pinned(torch, host, self._bring, self._y) + ("pinned",)

    def _bring(self, host: torch.Tensor) -> None:
        if self._replay:
            self._x.copy_(host, non_blocking=True)
        else:
            self._x = host.to(self._device, non_blocking=True)

    def device_latency(self) -> Optional[float]:
        return self._events[0].elapsed_time(self._events[1]) / 1000 if self._gpu else None

    def executed(self) -> Dict[str, Any]:
        precision = self.job.cell.precision
        if precision not in ("int8", "tf32") and self._variant != "autocast":
            precision = {value: key for key, value in DTYPES.items() if key in ("fp32", "fp16", "bf16")}.get(
                self._y.dtype, str(self._y.dtype)
            )
        read = {
            "precision": precision,
            "variant": self._variant,
            "output_dtype": str(self._y.dtype).split(".")[-1],
            "threads": torch.get_num_threads() * (self.in_flight if self._callers else 1),
            "callers": self.in_flight if self._callers else 1,
            "streams": len(self._streams) or None,
            "interop_threads": torch.get_num_interop_threads(),
            "layout": "channels_last" if self._variant == "channels_last" else "contiguous",
        }
        read.update(torch_variants.flags())
        if self._variant == "compile":
            self._done["graph_breaks"] = torch_variants.graph_breaks()
        read.update(self._done)
        return read

    def memory(self) -> Dict[str, int]:
        if not self._gpu:
            return {}
        return {"torch_peak_allocated": torch.cuda.max_memory_allocated(), "torch_peak_reserved": torch.cuda.max_memory_reserved()}

    def profile(self, batches: int) -> Tuple[str, List[Tuple[str, int, float]]]:
        return torch_variants.profiled(self.infer, batches, self._gpu)

    def allocator(self) -> Optional[Tuple[int, int]]:
        return (torch.cuda.memory_reserved(), torch.cuda.max_memory_reserved()) if self._gpu else None

    def trim(self) -> None:
        if self._gpu:
            torch.cuda.empty_cache()

    def close(self) -> None:
        if self._callers:
            self._callers.shutdown()
        self._module = self._replay = self._x = self._y = None

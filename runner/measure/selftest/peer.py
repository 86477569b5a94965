"""What stands beside a self-test: another way to measure the same thing, a busy process, or one that takes the GPU's memory.

    python -m runner.measure.selftest.peer measure DEVICE THREADS MODEL:BATCH...   one JSON line for each
    python -m runner.measure.selftest.peer time DEVICE THREADS MODEL:BATCH...      the same, but only torch.utils.benchmark
    python -m runner.measure.selftest.peer busy DEVICE
    python -m runner.measure.selftest.peer fill FREE_BYTES

The last two say "ready" and go on until their standard input ends. Nothing of Dyno's measuring is used here, only its networks.
"""

import json
import sys
import threading
import time
from typing import Any, Dict, List, Optional

COMMAND = [sys.executable, "-m", "runner.measure.selftest.peer"]
POWER_S = 3.0  # run for the energy: NVML's power is a mean over a second, so the first one is left out
SETTLE_S = 1.0


def measure(device: str, threads: int, model: str, batch: int, only_time: bool) -> Dict[str, Any]:
    """Times by torch.utils.benchmark and Triton, memory by torch's allocator, energy by power x time."""
    import torch
    from torch.utils import benchmark

    from runner.networks import sources
    from runner.networks.spec import ModelSpec

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(threads)
    is_gpu = device == "gpu"
    if is_gpu:  # the networks are measured one after the other in this process
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    where = "cuda" if is_gpu else "cpu"
    with torch.inference_mode():
        module = sources.build(ModelSpec(model, "random"), 0).eval().to(where)
        x = torch.randn(batch, 3, 224, 224, device=where)
        for _ in range(5):
            module(x)
        found: Dict[str, Any] = {"model": model, "batch": batch}
        timer = benchmark.Timer("module(x)", globals={"module": module, "x": x}, num_threads=threads)
        found["benchmark_s"] = timer.blocked_autorange(min_run_time=1.0).median
        if is_gpu and not only_time:
            found.update(allocator_peak_bytes=torch.cuda.max_memory_reserved())  # before Triton takes memory to flush the cache with
            found.update(_by_triton(lambda: module(x)))
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            module(x)
            torch.cuda.synchronize()
            found.update(allocator_steady_bytes=torch.cuda.memory_reserved())

            def call() -> None:
                module(x)
                torch.cuda.synchronize()

            found.update(_energy(call, batch))
    return found


def _by_triton(call: Any) -> Dict[str, Any]:
    try:
        from triton.testing import do_bench
    except ImportError as error:
        return {"do_bench_reason": str(error)}
    return {"do_bench_s": do_bench(call, warmup=100, rep=500, return_mode="median") / 1e3}


def _energy(call: Any, batch: int) -> Dict[str, Any]:
    """Joules per image from the mean of NVML's power over a busy stretch."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetPowerUsage(handle)
    except Exception as error:  # no binding, no driver, or a GPU that reports none
        return {"energy_reason": "%s: %s" % (type(error).__name__, error)}
    watts: List[float] = []
    done, ended = 0, threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            watts.append(pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3)

    settle = time.monotonic() + SETTLE_S
    while time.monotonic() < settle:
        call()
    thread = threading.Thread(target=watch)
    thread.start()
    began = time.monotonic()
    while time.monotonic() - began < POWER_S - SETTLE_S:
        call()
        done += 1
    seconds = time.monotonic() - began
    ended.set()
    thread.join()
    return {"energy_j_per_image": sum(watts) / len(watts) * seconds / (done * batch), "power_w": sum(watts) / len(watts)}


def busy(device: str) -> None:
    """Compute until standard input ends."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    if device != "gpu":
        print("ready", flush=True)
        while not ended.is_set():
            sum(range(10000))
        return
    import torch

    a = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
    torch.cuda.synchronize()
    print("ready", flush=True)
    while not ended.is_set():
        for _ in range(20):
            torch.matmul(a, a)
        torch.cuda.synchronize()


def fill(free_bytes: int) -> None:
    """Take the GPU's memory but for so many bytes, until standard input ends."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - free_bytes), dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    print("ready", flush=True)
    sys.stdin.read()
    del held


def main(arguments: List[str]) -> Optional[int]:
    what, rest = arguments[0], arguments[1:]
    if what == "busy":
        busy(rest[0])
    elif what == "fill":
        fill(int(rest[0]))
    else:
        for name in rest[2:]:
            model, _, batch = name.rpartition(":")
            print(json.dumps(measure(rest[0], int(rest[1]), model, int(batch), what == "time")), flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

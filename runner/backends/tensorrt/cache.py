"""Engines and timings in the cache on the volume: a plan loads only where it was built, by the release that built it."""

import hashlib
import json
from types import ModuleType
from typing import Any, Dict, List, Tuple

from runner.files import atomic_write


def tied_to(trt: ModuleType, torch: ModuleType) -> List[str]:
    """What an engine and its timings are tied to besides the network: release, GPU, L4T, driver."""
    gpu = torch.cuda.get_device_properties(0)
    driver = text("/proc/driver/nvidia/version").partition("\n")[0]
    capability = str(torch.cuda.get_device_capability())
    return [trt.__version__, gpu.name, capability, str(gpu.multi_processor_count), text("/etc/nv_tegra_release"), driver]


def digest(parts: List[str]) -> str:
    """A short hash that names a file of the cache."""
    return hashlib.sha256("|".join(parts).encode("utf-8")).hexdigest()[:24]


def read(path: str) -> bytes:
    """The file's bytes, or none where there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def text(path: str) -> str:
    """The file's text, "" where there is no file."""
    return read(path).decode("utf-8", "replace").strip()


def keep(stem: str, plan: bytes, done: Dict[str, Any]) -> None:
    """Keep an engine, with what was done to build it and the hash that shows whether it is still whole."""
    atomic_write(stem + ".json", json.dumps(dict(done, plan_sha256=hashlib.sha256(plan).hexdigest())))
    atomic_write(stem + ".plan", plan)


def kept(stem: str) -> Tuple[bytes, Dict[str, Any]]:
    """(engine, what was done to build it); (b"", {}) where there is none, or its bytes are not those that were kept."""
    plan = read(stem + ".plan")
    try:
        done = json.loads(text(stem + ".json"))
        is_whole = hashlib.sha256(plan).hexdigest() == done.pop("plan_sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        return b"", {}
    return (plan, done) if plan and is_whole else (b"", {})

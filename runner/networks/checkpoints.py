"""Weights from files: a user's checkpoint, and the downloads of the frameworks' own loaders."""

import argparse
import contextlib
import inspect
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from types import ModuleType
from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Tuple

from runner.errors import CheckpointError

if TYPE_CHECKING:
    import torch

SAFE = (2, 10)  # of PyTorch: the first whose own reader of weights has no hole that is known
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "LongStorage": "int64",
    "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip


_REFUSED = "holds %.100s, which is neither a tensor nor plain data, and nothing it pickles is run; save its state_dict alone"


class _Refused(pickle.UnpicklingError):
    """What a checkpoint holds is not loaded; the message is ours."""


def load_checkpoint(model: "torch.nn.Module", path: str) -> None:
    """Load a state_dict, or a {"state_dict": ...}, by name; auxiliary heads that the network no longer has are passed over."""
    import torch

    if not os.path.isfile(path):
        raise CheckpointError("%s: no such checkpoint" % path)
    with open(path, "rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise CheckpointError("%s: is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`" % path)
    try:
        state = _load(torch, path)
    except Exception as error:  # pickle, zip and torch each have their own
        raise CheckpointError("%s: %s" % (path, _why_not(error)))
    for key in ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise CheckpointError("%s: has no state_dict" % path)
    state = {re.sub(r"^(module\.|_orig_mod\.)+", "", key): value for key, value in state.items()}
    wanted = model.state_dict()
    for prefix in ("model.", "net.", "network.", "backbone."):  # as Lightning's modules hold their network, beside losses and metrics
        inside = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
        if (
            inside
            and all(key in inside for key in wanted if not key.endswith("num_batches_tracked"))
            and not any(key in wanted for key in state)
        ):
            state = inside
    state.pop("n_averaged", None)  # torch.optim.swa_utils.AveragedModel's count
    state = {key: value for key, value in state.items() if key in wanted or not re.match(r"(aux\d?|AuxLogits)\.", key)}
    for key, value in state.items():
        if key in wanted and wanted[key].shape != value.shape:
            raise CheckpointError("%s: %s is %s, the network has %s" % (path, key, list(value.shape), list(wanted[key].shape)))
    # versions of modules (MNASNet asks for its own); a dictionary that was rebuilt by key has lost them
    state = OrderedDict(state)
    state._metadata = getattr(wanted, "_metadata", None)  # type: ignore[attr-defined]
    result = model.load_state_dict(state, strict=False)
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise CheckpointError(
            "%s: doesn't fit the network: it lacks %s, and has unknown %s"
            % (path, missing[:3] or "nothing", result.unexpected_keys[:3] or "nothing")
        )


def _why_not(error: Exception) -> str:
    """Why a file can't be loaded, in our words: libraries advise to run what it pickles."""
    if isinstance(error, (CheckpointError, _Refused)):
        return str(error)
    named = re.search(r"GLOBAL `?([\w.]{1,100})|[Uu]nsupported global: `?([\w.]{1,100})", str(error))
    if named:
        return _REFUSED % next(filter(None, named.groups()))
    return "is no PyTorch checkpoint, or was cut short (%s)" % type(error).__name__


def _safetensors(path: str) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError("reading it needs the Python package safetensors, which is not installed here; save it with torch.save")
    return load_file(path)


def _load(torch: ModuleType, path: str) -> Any:
    """What a checkpoint holds, as data: nothing that it pickles is run.

    PyTorch's own reader of weights alone is absent before 1.13 and has known holes before 2.6 (CVE-2025-32434) and 2.10 (CVE-2026-24747):
    there pickle looks names up in a list of ours, and tensors that claim more than the file holds are refused.
    """
    if path.endswith(".safetensors"):
        return _safetensors(path)
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version >= SAFE:
        with torch.serialization.safe_globals([argparse.Namespace]):  # training scripts keep their options in one
            return torch.load(path, map_location="cpu", weights_only=True)
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise CheckpointError("is of the format before PyTorch 1.6, or was cut short; save it again with a later one")
    _check_storages(torch, path)
    options = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
    return torch.load(path, map_location="cpu", pickle_module=_data_only, **options)


def _check_storages(torch: ModuleType, path: str) -> None:
    """UnpicklingError where a checkpoint names storages that are not in the file, or are shorter than they are said to be."""
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        (pickled,) = [name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
        folder = pickled[: -len("data.pkl")] + "data/"
        with archive.open(pickled) as file:
            reader = _NamesOnly(file, encoding="utf-8")
            reader.load()
    for kind, key, count in reader.storages:
        element = torch.empty(0, dtype=getattr(torch, kind.dtype_name)).element_size() if kind.dtype_name else 1
        if type(count) is not int or not 0 <= count * element <= sizes.get(folder + str(key), -1):
            raise _Refused("its storage %.40s is shorter than it says" % key)


class _DataOnly(pickle.Unpickler):
    """An unpickler that finds tensors, their storages and plain containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"),
            ("collections", "defaultdict"),
            ("argparse", "Namespace"),
            ("torch", "Size"),
            ("torch", "device"),
            ("torch._utils", "_rebuild_tensor"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_parameter"),
        }
        if (module, name) in known or module == "torch" and re.match(r"^[A-Z][A-Za-z0-9]*Storage$", name):
            return pickle.Unpickler.find_class(self, module, name)
        if module == "torch" and re.match(r"^(float|double|half|bfloat16|u?int|long|short|bool)\d*$", name):
            return pickle.Unpickler.find_class(self, module, name)
        raise _Refused(_REFUSED % ("%s.%s" % (module, name)))


class _Nothing:
    """Stands for whatever a checkpoint builds while its storages are counted."""

    dtype_name = None  # of a storage: that of its elements; None for bytes

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def __setstate__(self, *_: Any) -> None:
        pass


class _NamesOnly(_DataOnly):
    """Reads the same names as _DataOnly and builds nothing; ``storages`` are (kind, key, elements)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        _DataOnly.__init__(self, *arguments, **options)
        self.storages: List[Tuple[Any, Any, Any]] = []

    def find_class(self, module: str, name: str) -> Any:
        _DataOnly.find_class(self, module, name)
        dtype = STORAGES.get(name) if module == "torch" else None
        return type(str(name), (_Nothing,), {"dtype_name": dtype})

    def persistent_load(self, saved: Any) -> Any:
        _, kind, key, _, count = saved
        self.storages.append((kind, key, count))
        return _Nothing()


_data_only: Any = type(pickle)("data_only")
_data_only.Unpickler = _DataOnly
_data_only.load = lambda file, **options: _DataOnly(file, **options).load()


@contextlib.contextmanager
def checked_downloads() -> Iterator[None]:
    """Every download of PyTorch's loader is checked against the hash in its file's name, also where old loaders don't ask for it.

    The loader writes to a temporary file and renames it, so a download that breaks off leaves nothing behind.
    """
    from torch import hub

    original = hub.download_url_to_file

    def download(url: str, dst: str, hash_prefix: Optional[str] = None, progress: bool = True) -> None:
        if hash_prefix is None:
            hash_prefix = _hash_in(os.path.basename(dst))
        return original(url, dst, hash_prefix, progress=False)

    hub.download_url_to_file = download
    try:
        yield
    finally:
        hub.download_url_to_file = original


def drop_broken_download(url: str) -> None:
    """Delete the cached file of ``url`` if its content doesn't have the hash in its name, so that it is fetched again."""
    import hashlib

    from torch import hub

    path = os.path.join(hub.get_dir(), "checkpoints", os.path.basename(url))
    expected = _hash_in(os.path.basename(url))
    if not expected or not os.path.isfile(path):
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if not digest.hexdigest().startswith(expected):
        os.remove(path)


def _hash_in(filename: str) -> Optional[str]:
    match = re.search(r"-([a-f0-9]{8,})\.", filename)
    return match.group(1) if match else None

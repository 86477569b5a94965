"""Backends, found by folder: ``<name>.py``, or a package ``<name>/backend.py``, with a class named ``Backend``."""

import ast
import importlib
import importlib.util
import os
import pkgutil
import sys
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Tuple, Type

from runner.backends.base import Backend as _Base
from runner.errors import Unsupported

# Own backends from folders outside the package: DYNO_BACKENDS=/mounted/folder
__path__.extend(folder for folder in os.environ.get("DYNO_BACKENDS", "").split(os.pathsep) if folder)

LITERALS = ("package", "devices", "precisions", "variants", "needs")  # of the class, read from its source


@dataclass(frozen=True)
class Declared:
    """What a backend's class says of itself (see runner.backends.base.Backend); ``fault``: why its file can't be understood."""

    package: Optional[str] = _Base.package
    devices: Tuple[str, ...] = _Base.devices
    precisions: Tuple[str, ...] = _Base.precisions
    variants: Tuple[str, ...] = _Base.variants
    needs: Optional[str] = _Base.needs
    fault: Optional[str] = None


def names() -> List[str]:
    """Names of all backends, whether their framework is installed or not."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base" and not m.name.startswith("_"))


def is_plug_in(name: str) -> bool:
    """Whether a backend comes from DYNO_BACKENDS."""
    return not any(os.path.exists(os.path.join(__path__[0], name + end)) for end in (".py", os.sep + "backend.py"))


def declared(name: str) -> Declared:
    """What a backend declares, by its name, read from its source: nothing is imported."""
    files = [os.path.join(folder, *parts) for folder in __path__ for parts in ((name + ".py",), (name, "backend.py"))]
    path = next((path for path in files if os.path.exists(path)), None)
    try:
        if path is None:
            raise OSError("there is no backend.py in its folder")
        with open(path, encoding="utf-8") as file:
            source = file.read()
        known = Declared(**_literals(ast.parse(source)))
        _check(known)
        return known if "Backend" in source or "import *" in source else replace(known, fault="%s: has no class Backend" % path)
    except (OSError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:  # one broken plug-in is one skipped backend
        return Declared(fault="its file can't be understood: %s" % " ".join(str(error).split())[:200])


def _literals(tree: ast.Module) -> Dict[str, Any]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Backend":
            for item in node.body:
                target = item.targets[0] if isinstance(item, ast.Assign) else None
                if isinstance(item, ast.Assign) and isinstance(target, ast.Name) and target.id in LITERALS:
                    found[target.id] = ast.literal_eval(item.value)
    return found


def _check(known: Declared) -> None:
    """TypeError where what is declared is of no kind that it can be."""
    for name in ("package", "needs"):
        if not isinstance(getattr(known, name), (str, type(None))):
            raise TypeError("Backend.%s is %r; it is a name, or None" % (name, getattr(known, name)))
    for name in ("devices", "precisions", "variants"):
        value = getattr(known, name)
        if not isinstance(value, (tuple, list)) or not all(isinstance(one, str) for one in value):
            raise TypeError("Backend.%s is %r; it is a tuple of names" % (name, value))


def faults() -> Dict[str, str]:
    """Own backends whose file can't be understood, and why."""
    found = {name: declared(name).fault for name in names() if is_plug_in(name)}
    return {name: fault for name, fault in found.items() if fault}


def available(name: str) -> Optional[str]:
    """None if the backend's framework is installed, else the reason why it can't run. Imports no framework."""
    known = declared(name)
    if known.fault:
        return known.fault
    if known.package and importlib.util.find_spec(known.package) is None:
        return "the Python package %s is not installed" % known.package
    return None


def describe() -> List[Dict[str, Any]]:
    """One dict per backend: its name, what it declares, and ``reason`` it can't run here (None if it can)."""
    rows = [dict(vars(declared(name)), name=name, reason=available(name)) for name in names()]
    return [{key: value for key, value in row.items() if key != "fault"} for row in rows]  # the reason says it


def prepare_environment() -> None:
    """Set what the frameworks read while being imported, so that importing them starts no thread and phones nobody."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's OpenBLAS starts its pool at import
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime 1.31 starts a thread at import otherwise
    if importlib.util.find_spec("openvino") and "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # starts a thread and phones out; openvino runs without it


def create(name: str) -> Type[_Base]:
    """The class ``Backend`` of a backend; this imports its framework."""
    prepare_environment()
    module = importlib.import_module("runner.backends." + name)
    if hasattr(module, "__path__"):  # a package
        module = importlib.import_module("runner.backends.%s.backend" % name)
    if not hasattr(module, "Backend"):
        raise Unsupported("%s: has no class Backend" % module.__file__)
    return module.Backend

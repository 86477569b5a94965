"""The folder is the registry: a module in it is found by its file's name."""

import importlib
import pkgutil
from types import ModuleType


def names(package: ModuleType) -> list[str]:
    """Names of the modules in a package's folder, sorted; `base` and private ones are not entries."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and not m.name.startswith("_"))


def load(package: ModuleType, name: str) -> ModuleType:
    """The module of that name."""
    return importlib.import_module(f"{package.__name__}.{name}")

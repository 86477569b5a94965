"""The folder is the registry: a module in it is found by its file's name."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import runner

CHECKOUT = Path(runner.__file__).resolve().parents[1]  # or what holds the installed packages


def names(package: ModuleType) -> list[str]:
    """Names of the modules in a package's folder, sorted; `base` and private ones are not entries."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and not m.name.startswith("_"))


def load(package: ModuleType, name: str) -> ModuleType:
    """The module of that name."""
    return importlib.import_module(f"{package.__name__}.{name}")


def images(checkout: Path = CHECKOUT) -> list[str]:
    """The platforms that a checkout has an image of; none in an installed wheel, which holds no docker folder."""
    files = checkout.glob("docker/*/Dockerfile")
    return sorted(file.parent.name for file in files if "DYNO_PLATFORM=" in file.read_text(encoding="utf-8"))

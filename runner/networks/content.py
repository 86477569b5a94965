"""What a network is, told without importing a framework: its name, own code, files, weights, classes and seed.

A name alone is not enough: a user's function is edited, an ONNX file is replaced, a label moves to another network.
"""

import ast
import hashlib
import json
import os
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import Any, Dict, List, Optional, Set

from runner import files
from runner.networks import external, sources, weights
from runner.networks.sources import function
from runner.networks.spec import ModelSpec

LENGTH = 16  # hex digits of a hash that names a content
MOST_FILES = 500  # of a user's own code that are followed through its imports


def network(spec: ModelSpec, seed: int) -> Dict[str, Any]:
    """The facts that decide what is computed; files count by what they hold, wherever they lie."""
    kind = "sha256:%s" % file_hash(spec.weights) if spec.is_checkpoint else spec.weights
    facts = {"name": spec.name, "weights": [kind, weights.VERSION], "num_classes": spec.num_classes, "seed": seed}
    source, bare = sources.source_of(spec.name)
    if source == "onnx":
        facts["file"] = file_hash(bare)
        beside = [file_hash(os.path.join(os.path.dirname(bare), name)) for name in external.files(bare)]
        if beside:
            facts["external"] = beside
    elif source == "function":
        facts["code"] = code_hash(bare.partition(":")[0])
    return facts


def digest(facts: Any) -> str:
    """A short hash of plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def graph(complexity: Optional[Dict[str, Any]]) -> Optional[str]:
    """A hash of operators and shapes as they were counted, the same on every machine; None where the graph isn't known."""
    if not complexity:
        return None
    groups = complexity.get("groups") or {}
    worked = sorted((name, [group.get(key) for key in ("count", "macs", "out")]) for name, group in groups.items() if group.get("macs"))
    return digest([complexity.get("params"), complexity.get("macs"), complexity.get("activations"), worked])


def file_hash(path: str) -> Optional[str]:
    """SHA-256 of a file's content; None where there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _file_hash(os.path.abspath(path), found.st_size, found.st_mtime, found.st_ino) if os.path.isfile(path) else None


@lru_cache(maxsize=None)
def _file_hash(path: str, size: int, mtime: float, inode: int) -> Optional[str]:
    try:
        return files.sha256(path)
    except OSError:
        return None


def code_hash(module: str) -> Optional[str]:
    """A hash of a user's module and of what it imports from the same folder; None where the module isn't found."""
    top = module.partition(".")[0]
    function.look_here()
    try:
        spec = PathFinder.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or [])
    root = os.path.dirname(places[0] if places else spec.origin or "")
    seen: Set[str] = set()
    todo = [module]
    while todo and len(seen) < MOST_FILES:
        for path in _files(root, todo.pop()):
            if path not in seen:
                seen.add(path)
                todo += _imports(path, root)
    return digest(sorted((os.path.relpath(path, root), file_hash(path)) for path in seen)) if seen else None


def _files(root: str, module: str) -> List[str]:
    """The files of a module and of the packages around it."""
    parts = module.split(".")
    found = [os.path.join(root, *parts[:count], "__init__.py") for count in range(1, len(parts) + 1)]
    return [path for path in found + [os.path.join(root, *parts) + ".py"] if os.path.isfile(path)]


def _imports(path: str, root: str) -> List[str]:
    """Modules that a file names in its imports, whether they lie below ``root`` or not."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    package = os.path.relpath(os.path.dirname(path), root).split(os.sep)
    package = [part for part in package if part != "."]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join(base + ([node.module] if node.module else []))
            found += [name] + [".".join(filter(None, (name, alias.name))) for alias in node.names]
    return [name for name in found if name]

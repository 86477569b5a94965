"""The layout: imports run down the flow, nothing runs in a circle, a registry's folder holds entries and helpers only."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each wing may import those before it. What shares a line may import nothing of each other.
FLOW = {
    "runner": "errors files / records / machine / sensors / networks / backends / doctor / plan / measure / program / commands / cli / __main__",
    "analysis": "errors registry / stats / data / frame / merge / importers / checks / predict / compare / analyses / charts / fleet / report / commands"
    " / cli / __main__",
}
SHARED = {"records", "networks", "errors", "files", "program"}  # what the analysis may use of the runner
# And these modules: which facts of two machines must be alike, and what a YAML file may hold, is said there alone.
FACTS = {"runner.machine.environment", "runner.plan.yaml_text"}
ENTRIES = {  # registry folder: what each entry defines
    "runner/backends": "Backend",
    "runner/sensors": "Sensor",
    "runner/networks/sources": "build",
    "analysis/importers": "read",
    "analysis/checks": "find",
    "analysis/analyses": "analyse",
    "analysis/charts": "draw",
}


def modules() -> dict[str, Path]:
    """Every module of both packages by its dotted name."""
    files = [path for package in FLOW for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports() -> dict[str, set[str]]:
    """The project's modules that each module imports, inside functions too."""
    known = modules()
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found[name].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name].update(one if one in known else str(node.module) for one in full)
        found[name] = {one for one in found[name] if one in known and one != name}
    return found


def wing(module: str) -> tuple[str, str]:
    """`runner.networks.spec` as ("runner", "networks")."""
    package, _, rest = module.partition(".")
    return package, rest.partition(".")[0]


def floors(package: str) -> dict[str, int]:
    """The place of each wing in the flow."""
    return {name: floor for floor, names in enumerate(FLOW[package].split("/")) for name in names.split()}


@pytest.mark.parametrize("package", FLOW)
def test_every_wing_has_its_place_in_the_flow(package):
    wings = {wing(name)[1] for name in modules() if name.startswith(package + ".")}
    assert wings <= set(floors(package)), "name the new wing in FLOW"


@pytest.mark.parametrize("package", FLOW)
def test_imports_run_down_the_flow(package):
    place = floors(package)
    upward = [
        f"{module} imports {used}"
        for module, uses in imports().items()
        for used in uses
        if wing(module)[0] == wing(used)[0] == package and "" not in (wing(module)[1], wing(used)[1]) and wing(module) != wing(used)
        if place[wing(used)[1]] >= place[wing(module)[1]]
    ]
    assert not upward


def test_the_runner_knows_nothing_of_the_analysis_and_the_analysis_little_of_the_runner():
    crossing = [(module, used) for module, uses in imports().items() for used in uses if wing(module)[0] != wing(used)[0]]
    assert crossing and not [
        f"{module} imports {used}"
        for module, used in crossing
        if wing(module)[0] == "runner" or (used not in FACTS and used != "runner" and wing(used)[1] not in SHARED)
    ]


def test_no_module_imports_itself_by_way_of_others():
    order = list(graphlib.TopologicalSorter(imports()).static_order())  # CycleError names the circle
    assert sorted(order) == sorted(modules())


@pytest.mark.parametrize("folder", ENTRIES)
def test_a_registry_folder_holds_entries_and_helpers_only(folder):
    entries = [path for path in (ROOT / folder).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    entries = [path for path in entries if not path.name.startswith("_") and path.stem != "base"]
    assert entries
    for path in entries:
        source = path / "backend.py" if path.is_dir() else path
        defined = {node.name for node in ast.parse(source.read_text(encoding="utf-8")).body if hasattr(node, "name")}
        assert ENTRIES[folder] in defined, f"{path}: no {ENTRIES[folder]}; a helper's name begins with _"


def test_what_crosses_a_border_is_a_type_and_nothing_is_pasted_on_from_outside():
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*modules().values(), *(ROOT / "tests").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("attrs", "SimpleNamespace"))
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "SimpleNamespace" for alias in node.names))
    ]
    assert not offences, "a dataclass says what DataFrame.attrs and SimpleNamespace hide"

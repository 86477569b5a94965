"""From a matrix to the ordered cells of one platform, with a reason for each that is left out."""

import random
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from runner import backends
from runner.errors import MatrixError, ModelUnavailable
from runner.networks import sources
from runner.networks.spec import ModelSpec
from runner.plan.matrix import Matrix
from runner.plan.sections import Exclusion
from runner.plan.wording import choose
from runner.records import schema
from runner.records.cell import Cell


@dataclass(frozen=True)
class Plan:
    """``cells`` in the order of measuring; ``excluded`` pairs a cell with its reason."""

    cells: Tuple[Cell, ...]
    excluded: Tuple[Tuple[Cell, str], ...]


def plan(loaded: Matrix, platform: str, devices: Sequence[str], only: Sequence[Tuple[str, Tuple[str, ...]]] = ()) -> Plan:
    """The Plan of a Matrix on a platform with its devices, in seeded random order.

    Random, so that drift of the machine follows no axis; seeded, so that it can be repeated. ``only`` are
    (field, values) pairs that a cell must match.
    """
    declared = {name: backends.declared(name) for name in backends.names()}
    cells: Dict[Cell, None] = OrderedDict()
    excluded: Dict[Cell, str] = OrderedDict()
    for block in loaded.blocks:
        for cell in _product(block, platform, devices, loaded.models):
            if not all(matches(cell, field, values) for field, values in only):
                continue
            reason = _misfit(cell, declared[cell.base_backend]) or _excluded(cell, loaded.exclude) or _unknown_size(cell, loaded.models)
            if reason:
                excluded[cell] = reason
            else:
                cells[cell] = None
    order = list(cells)
    random.Random(loaded.protocol.seed).shuffle(order)
    return Plan(tuple(order), tuple(excluded.items()))


def _product(block: Dict[str, Any], platform: str, devices: Sequence[str], specs: Dict[str, ModelSpec]) -> Iterator[Cell]:
    for backend in block["backend"]:
        for model in block["model"]:
            for precision in block["precision"]:
                for batch_size in block["batch_size"]:
                    for input_px in block["input_px"]:
                        for scenario in block["scenario"]:
                            for device in devices:
                                px = _input_px(specs[model], input_px)
                                yield Cell(platform, device, backend, model, precision, batch_size, px, scenario)


def _input_px(spec: ModelSpec, input_px: Union[int, str]) -> int:
    """The cell's input size; 0 where it is the network's own, and that can't be told."""
    if spec.input_px:
        return spec.input_px
    return _native(spec.name)[0] if input_px == "native" else int(input_px)


def _unknown_size(cell: Cell, specs: Dict[str, ModelSpec]) -> Optional[str]:
    """Why the network's own input size can't be told; None if it can. One network's fault leaves out its cells alone."""
    return None if cell.input_px else _native(specs[cell.model].name)[1]


@lru_cache(maxsize=None)
def _native(name: str) -> Tuple[int, Optional[str]]:
    """(size, None) of a network's own input, or (0, why it can't be told)."""
    try:
        return sources.native_px(name), None
    except ModelUnavailable as error:
        return 0, str(error)


def _misfit(cell: Cell, declared: backends.Declared) -> Optional[str]:
    """Why the backend has no such cell here, from what it says of itself; None if it has."""
    if cell.device not in declared.devices:
        return "%s has no %s device" % (cell.base_backend, cell.device)
    if cell.precision not in declared.precisions:
        return "%s has no %s" % (cell.base_backend, cell.precision)
    return None


def _excluded(cell: Cell, exclusions: Sequence[Exclusion]) -> Optional[str]:
    for exclusion in exclusions:
        if all(matches(cell, field, values) for field, values in exclusion.when.items()):
            return exclusion.reason
    return None


def matches(cell: Cell, field: str, values: Sequence[Any]) -> bool:
    """Whether a cell's field is one of ``values``; a backend without a variant matches all its variants."""
    value = getattr(cell, field)
    if field == "backend":
        return value in values or cell.base_backend in values
    return value in values or str(value) in [str(one) for one in values]


def parse_only(expressions: Sequence[str]) -> List[Tuple[str, Tuple[str, ...]]]:
    """(field, values) of each ``field=value[,value...]``; raises MatrixError with what would do."""
    result: List[Tuple[str, Tuple[str, ...]]] = []
    for expression in expressions:
        field, equals, values = expression.partition("=")
        if not equals or not values:
            raise MatrixError("--only %s: give field=value, as in --only model=resnet18,alexnet" % expression)
        if field not in ("id",) + schema.CELL_FIELDS:
            raise MatrixError("--only %s: %s" % (expression, choose("%s is unknown" % field, field, schema.CELL_FIELDS)))
        for value in values.split(","):
            if value.partition("=")[0] in schema.CELL_FIELDS and "=" in value:
                raise MatrixError("--only %s: one field each: --only %s=... --only %s" % (expression, field, value))
        result.append((field, tuple(values.split(","))))
    return result

"""The networks' files without measuring anything: `dyno export`, and the graphs that `dyno plan --informative` chooses by."""

from typing import Any, Dict, List, Tuple

from runner import backends
from runner.machine import threads
from runner.measure.pool import Pool
from runner.measure.prepare import Prepared, Preparer
from runner.networks import informative
from runner.plan.matrix import Matrix
from runner.plan.plan import Plan
from runner.records.cell import Cell
from runner.records.places import Places


def fill(loaded: Matrix, planned: Plan, places: Places) -> Tuple[int, List[str]]:
    """(files made or present, reasons of those that can't be made) for every network and batch size of a plan."""
    cells = [cell for cell in planned.cells if backends.declared(cell.base_backend).needs is not None]
    prepared, reasons = _prepared(loaded, {(cell.model, cell.batch_size, cell.input_px): cell for cell in cells}, places)
    return len(prepared), reasons


def informative_models(loaded: Matrix, planned: Plan, places: Places, count: int) -> Tuple[List[str], List[str]]:
    """(names of the ``count`` networks from which the others are predicted best, reasons of those whose graph is unknown)."""
    cells = {cell.model: cell for cell in sorted(planned.cells, key=lambda cell: -cell.batch_size)}
    prepared, reasons = _prepared(loaded, cells, places)
    known = sorted((name, network.complexity) for name, network in prepared.items() if network.complexity)
    if not known:
        return [], reasons
    chosen = informative.most_informative([complexity for _, complexity in known], min(count, len(known)))
    return [known[index][0] for index in chosen], reasons


def _prepared(loaded: Matrix, cells: Dict[Any, Cell], places: Places) -> Tuple[Dict[Any, Prepared], List[str]]:
    """({key: what is known of the network}, reasons) for cells by any key; makes what isn't in the cache."""
    pool = Pool(places.cache)
    preparer = Preparer(pool, places.cache, loaded.protocol, threads.for_backends(loaded.protocol.threads).count)
    prepared, reasons = {}, []
    try:
        for key, cell in sorted(cells.items()):
            outcome = preparer.prepare(cell, loaded.models[cell.model], "onnx")
            if isinstance(outcome, Prepared):
                prepared[key] = outcome
            else:
                reasons.append("%s, batch %d: %s" % (cell.model, cell.batch_size, outcome.reason))
    finally:
        pool.close()
    return prepared, reasons

"""The networks' files without measuring anything: `dyno export`, and the graphs that `dyno plan --informative` chooses by."""

from runner import backends
from runner.measure.run import Run
from runner.networks import informative
from runner.records import schema


def fill(loaded, planned, places):
    """(files made or present, reasons of those that can't be made) for every network and batch size of a plan."""
    cells = [cell for cell in planned.cells if backends.facts(cell.base_backend)["needs"] is not None]
    lines, reasons = _prepared(loaded, {(cell.model, cell.batch_size, cell.input_px): cell for cell in cells}, places)
    return len(lines), reasons


def calibration_models(loaded, planned, places, count):
    """(names of the ``count`` networks from which the others are predicted best, reasons of those whose graph is unknown)."""
    cells = {cell.model: cell for cell in sorted(planned.cells, key=lambda cell: -cell.batch_size)}
    lines, reasons = _prepared(loaded, cells, places)
    known = sorted(name for name, line in lines.items() if line["complexity"])
    if not known:
        return [], reasons
    chosen = informative.calibration_set([lines[name]["complexity"] for name in known], min(count, len(known)))
    return [known[index] for index in chosen], reasons


def _prepared(loaded, cells, places):
    """({key: what is known of the network}, reasons) for cells by any key; makes what isn't in the cache."""
    run = Run(loaded, places, "export")
    lines, reasons = {}, []
    try:
        for key, cell in sorted(cells.items()):
            line = {"complexity": None, "sensitivity": None, "status": schema.STATUSES[0]}
            outcome = run.prepare(cell, loaded.models[cell.model], line, "onnx")
            if outcome is None:
                lines[key] = line
            else:
                reasons.append("%s, batch %d: %s" % (cell.model, cell.batch_size, outcome.reason))
    finally:
        run.close()
    return lines, reasons

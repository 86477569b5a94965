"""`dyno export`: make the files of a plan's networks without measuring them."""

from runner import backends, record
from runner.run import Run


def fill(loaded, planned, places):
    """(files made or present, reasons of those that can't be made) for every cell that loads an ONNX file."""
    run = Run(loaded, places, "export")
    made, reasons, seen = 0, [], set()
    try:
        for cell in planned.cells:
            key = (cell.model, cell.batch_size, cell.input_px)
            if backends.facts(cell.base_backend)["needs"] is None or key in seen:
                continue
            seen.add(key)
            line = {"complexity": None, "sensitivity": None, "status": record.STATUSES[0]}
            outcome = run.prepare(cell, loaded.models[cell.model], line, "onnx")
            if outcome is None:
                made += 1
            else:
                reasons.append("%s, batch %d: %s" % (cell.model, cell.batch_size, outcome.reason))
    finally:
        run.close()
    return made, reasons

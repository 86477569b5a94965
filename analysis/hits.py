"""Measured accuracies: records of kind `accuracy` hold hits by part of a data set; parts of one network and data set are added up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runner import tally
from runner.plan import cell_from

Key = tuple[str, str, str, str, str, str, int]  # file, platform, device, backend, model, precision, input_px


def measured(lines: Iterable[tuple[Path, dict[str, Any]]]) -> dict[Key, dict[str, Any]]:
    """{cell without batch size and scenario: top1 and top5 in percent, accuracy_images, accuracy_data}; of several data sets the one with most images."""
    totals: dict[tuple, tuple[Key, str, tally.Totals]] = {}
    for file, line in lines:
        part, cell = line["accuracy"], line["cell"]
        key = (file.stem, *(str(cell[name]) for name in ("platform", "device", "backend", "model", "precision")), int(cell["input_px"]))
        identity = (file.stem, tally.identity(cell_from(cell), part["network"], part["data_id"], part["preprocessing"]))
        before = totals.get(identity, (key, "", tally.Totals()))[2]
        totals[identity] = (key, str(part["data"]), before.plus(line))
    found: dict[Key, dict[str, Any]] = {}
    for key, data, total in totals.values():
        if total.images > found.get(key, {"accuracy_images": 0})["accuracy_images"]:
            top5 = None if total.top5 is None else 100 * total.top5 / total.images
            found[key] = {"top1": 100 * total.top1 / total.images, "top5": top5, "accuracy_images": total.images, "accuracy_data": data, "accuracy_source": "measured"}
    return found


def of(row: dict[str, Any], found: dict[Key, dict[str, Any]]) -> dict[str, Any]:
    """What was measured for a row of the frame; empty where nothing was."""
    key = (row["file"], row["platform"], row["device"], row["backend"], row["model"], row["precision"], row["input_px"])
    return found.get(key, {})

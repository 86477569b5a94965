"""Measured accuracies: records of kind `accuracy` hold hits by part of a data set; parts of one network and data set are added up.

What a network was measured to reach takes the place of what is published of it. A cell that was not measured itself takes the nearest
measurement of the same network; one of another kind of precision is no stand-in (int8 for floats, or the reverse), so that it has none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runner.networks.sources.torchvision import FIRST
from runner.networks.spec import TAG
from runner.records import accuracy_totals
from runner.records.cell import Cell, cell_from


class Key(NamedTuple):
    """What a measurement was of; `file` is the record file's stem, so that hosts stay apart."""

    file: str
    platform: str
    device: str
    backend: str
    precision: str
    model: str
    input_px: int
    weights: str


def measured(lines: Iterable[tuple[Path, dict[str, Any]]]) -> dict[Key, dict[str, Any]]:
    """Columns of the frame by what was measured, Top-1 and Top-5 in percent; of several data sets the one with most images, then the later."""
    totals: dict[tuple, tuple[Key, str, accuracy_totals.Totals]] = {}
    for file, line in lines:
        part, cell = line["accuracy"], cell_from(line["cell"])
        key = Key(
            file.stem,
            cell.platform,
            cell.device,
            cell.backend,
            cell.precision,
            cell.model,
            int(cell.input_px),
            str(line.get("weights_tag") or line["weights"]),
        )
        counted = (file.stem, accuracy_totals.key_of(cell, part["network"], part["data_id"], part["preprocessing"]))
        before = totals.get(counted, (key, "", accuracy_totals.Totals()))[2]
        totals[counted] = (key, str(part["data"]), before.plus(line))
    found: dict[Key, dict[str, Any]] = {}
    changes = _changes(totals)
    for counted, (key, data, total) in totals.items():
        if total.images and total.images >= found.get(key, {"accuracy_images": 0})["accuracy_images"]:
            found[key] = {"accuracy_source": "measured", "accuracy_images": total.images, "accuracy_data": data} | changes.get(counted, {})
            for name, count in (("top1", total.top1), ("top5", total.top5)):
                if count is not None:
                    from analysis.stats.intervals import wilson  # it brings scipy.stats: 60 MB that reading other records does without

                    low, high = wilson(np.array([count / total.images]), total.images)
                    found[key] |= {
                        name: 100 * count / total.images,
                        f"{name}_low": 100 * float(low[0]),
                        f"{name}_high": 100 * float(high[0]),
                    }
    return found


def _changes(totals: Mapping[tuple, tuple[Key, str, accuracy_totals.Totals]]) -> dict[tuple, dict[str, float]]:
    """Columns of the change of Top-1 against fp32, image by image, in points; where both precisions say which images they hit."""
    alike: dict[tuple, list[tuple[Cell, accuracy_totals.Totals]]] = {}
    for (file, (cell, *network_and_data)), (_, _, total) in totals.items():
        alike.setdefault((file, *network_and_data), []).append((cell, total))
    found: dict[tuple, dict[str, float]] = {}
    for (file, *network_and_data), counted in alike.items():
        for cell, (_, pair) in accuracy_totals.against_fp32(counted).items():
            points = {"top1_change": pair.change, "top1_change_low": pair.low, "top1_change_high": pair.high}
            columns = {name: 100 * value for name, value in points.items()} | {"top1_change_p": pair.p}
            found[file, (cell, *network_and_data)] = columns
    return found


def for_row(row: Mapping[str, Any], found: Mapping[Key, dict[str, Any]]) -> dict[str, Any]:
    """What was measured for a row of the frame; empty where its network was not measured, without a Top-1 where no measurement may stand for it."""
    if row["source"] != "records":
        return {}
    mine = (row["file"], row["platform"], row["device"], row["backend"], row["precision"])
    mine_weights = row["weights_tag"] if isinstance(row.get("weights_tag"), str) else row["weights"]
    same = {
        key: entry
        for key, entry in found.items()
        if (key.model, key.input_px) == (row["model"], row["input_px"]) and _may_stand(key.weights, mine_weights)
    }
    near = [key for key in same if (key.precision == "int8") == (row["precision"] == "int8")]
    if not near:
        return {"accuracy_source": "measured", "top1": np.nan, "accuracy_weights": "measured in another precision alone"} if same else {}
    # the same weights, precision, backend, device, platform and host, in this order of importance
    best = max(
        near,
        key=lambda key: (
            key.weights == mine_weights,
            key.weights in FIRST,
            key[4] == mine[4],
            key[3] == mine[3],
            key[2] == mine[2],
            key[1] == mine[1],
            key[0] == mine[0],
        ),
    )
    note = (
        best.weights
        if best[:5] == mine
        else f"{best.weights}, measured in {best.precision} with {best.backend} on {best.platform} {best.device} ({best.file})"
    )
    return same[best] | {"accuracy_weights": note}


def _may_stand(measured_weights: str, weights: str) -> bool:
    """Time is often measured with random weights: published ones stand for them, as published values do, but never the reverse."""
    return measured_weights == weights or (weights == "random" and (measured_weights == "pretrained" or bool(TAG.match(measured_weights))))

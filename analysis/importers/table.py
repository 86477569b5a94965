"""Any CSV with a column map: `--map latency_ms=time --map model=net --set platform=my-board`."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.frame import frame as frames
from analysis.importers import base

LACKS = "all that has no column in the table; samples and replicates"
UNITS = {
    "latency_ms": ("latency_s", 1e-3),
    "latency_us": ("latency_s", 1e-6),
    "image_ms": ("image_s", 1e-3),
    "image_s": ("image_s", 1.0),
    "latency_p90_ms": ("latency_p90_s", 1e-3),
    "latency_p99_ms": ("latency_p99_s", 1e-3),
    "load_ms": ("load_s", 1e-3),
    "gflops": ("gmacs", 0.5),
    "params": ("params_m", 1e-6),
    "macs": ("gmacs", 1e-9),
    "energy_mj": ("energy_j", 1e-3),
    "top1_share": ("top1", 100.0),
}
FREE = ("model", "platform", "device", "backend", "precision", "scenario", "family", *base.EXTRA)


def read(path: str | Path, columns: Mapping[str, str] | None = None, **constants: str) -> pd.DataFrame:
    """Rows of a CSV. columns: {frame's column: table's column}; a table's column that bears a frame's name needs no entry.

    Units by name: latency_s, latency_ms, latency_us per batch; image_s, image_ms per image; throughput in images/s; gflops is halved to gmacs.
    constants: the same value in every row. Needs model, batch_size (default 1) and a latency or a throughput.
    """
    table = base.csv(path)
    allowed = {*FREE, *frames.NUMBERS, *UNITS}
    wanted = {name: name for name in table.columns if name in allowed} | dict(columns or {})
    unknown = [name for name in (*wanted, *constants) if name not in allowed]
    if unknown:
        raise ImporterError(f"{path}: {unknown[0]} is no column of the frame; choose from {', '.join(sorted(allowed))}")
    base.require(table, wanted.values(), path, "map columns that it has")
    if "model" not in wanted and "model" not in constants:
        raise ImporterError(f"{path}: which column names the network? say it with --map model=COLUMN")
    rows = []
    for line in table.to_dict("records"):
        row: dict[str, object] = {"platform": Path(path).stem, "device": base.UNKNOWN, "backend": base.UNKNOWN, "batch_size": 1}
        for name, value in [*constants.items(), *((name, line[column]) for name, column in wanted.items())]:
            if name in UNITS:
                target, factor = UNITS[name]
                row[target] = base.number(value) * factor
            else:
                row[name] = base.number(value) if name in frames.NUMBERS else None if pd.isna(value) else str(value).strip()
        batch, image_s, rate = (base.number(row.get(name)) for name in ("batch_size", "image_s", "throughput"))
        if not base.number(row.get("latency_s")) > 0:
            row["latency_s"] = image_s * batch if image_s > 0 else batch / rate if rate > 0 else float("nan")
        row.pop("image_s", None)
        if row.get("model"):
            rows.append(row)
    return base.complete(rows, path, "table", LACKS)

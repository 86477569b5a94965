"""MLPerf LoadGen's summary (mlperf_log_summary.txt)."""

from pathlib import Path

import pandas as pd

from analysis.errors import ImporterError
from analysis.importers import base

LACKS = "model, device, backend, precision and input size (give them with --set), samples, replicates, noise, complexity, energy"


def read(
    path: str | Path,
    model: str = "",
    platform: str = "mlperf-host",
    device: str = base.UNKNOWN,
    backend: str = "",
    precision: str = base.UNKNOWN,
    batch_size: int = 0,
    input_px: int = 0,
) -> pd.DataFrame:
    """One row per summary. SingleStream and MultiStream give a latency; Offline and Server a rate, whose batch must be given if it was not 1.

    A result that LoadGen calls INVALID keeps its number, is labelled `invalid`, and is never ranked. The model defaults to the name of the summary's folder.
    """
    given = (model, platform, device, backend, precision, batch_size, input_px)
    rows = base.each(path, ("mlperf_log_summary.txt",), lambda file: [_row(file, *given)])
    return base.complete(rows, path, "loadgen", LACKS)


def _row(
    file: Path, model: str, platform: str, device: str, backend: str, precision: str, batch_size: int, input_px: int
) -> dict[str, object]:
    found = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in base.text(file).split("\n")) if colon}
    scenario = found.get("Scenario", "").replace(" ", "")
    if scenario not in ("SingleStream", "MultiStream", "Offline", "Server"):
        raise ImporterError(f"{file}: no summary of LoadGen: no line 'Scenario : SingleStream'; give mlperf_log_summary.txt")
    if found.get("Mode", "").startswith("Accuracy"):
        raise ImporterError(f"{file}: an accuracy run measures no time; give the summary of a performance run")
    row: dict[str, object] = {
        "model": model or file.resolve().parent.name,
        "platform": platform,
        "device": device,
        "backend": backend or found.get("SUT name", base.UNKNOWN),
        "precision": precision,
        "input_px": input_px or float("nan"),
        "quality": () if found.get("Result is", "").upper() == "VALID" else ("invalid",),
    }
    if row["quality"]:
        base.note(file, 1, "result", "that LoadGen does not call VALID: it is kept, but never ranked or recommended")
    if scenario in ("SingleStream", "MultiStream"):
        batch = base.number(found.get("samples_per_query", 1))
        row |= {
            "scenario": "latency",
            "batch_size": batch,
            "in_flight": 1,
            "latency_s": _seconds(found, "50.00 percentile latency (ns)"),
            "latency_p90_s": _seconds(found, "90.00 percentile latency (ns)"),
            "latency_p99_s": _seconds(found, "99.00 percentile latency (ns)"),
        }
    else:
        rate = base.number(
            found.get("Samples per second") or found.get("Completed samples per second") or found.get("Scheduled samples per second")
        )
        batch = float(batch_size or 1)
        row |= {
            "scenario": "throughput",
            "batch_size": batch,
            "latency_s": batch / rate if rate > 0 else float("nan"),
            "throughput": rate,
        }
    return row


def _seconds(found: dict[str, str], key: str) -> float:
    return base.number(found.get(key)) / 1e9

"""What is said of a device beside its verdict: the machine, whether its cells can be trusted, and why there may be no verdict."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from analysis.compare.noise import Floor
from analysis.frame.frame import latest_cells
from analysis.frame.words import SPELT
from analysis.report.entries import Entry
from analysis.report.verdict import IMAGENET, Seen, Verdict

PACKAGES = {"pytorch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}


def seen(part: pd.DataFrame) -> Seen:
    """The images that most of a device's Top-1 are of."""
    has = part[part["top1"].notna()]
    if has.empty:
        return IMAGENET
    data = str(has["accuracy_data"].fillna(IMAGENET.data).mode().iloc[0])
    counts = (
        has.loc[has["accuracy_data"].fillna(IMAGENET.data).eq(data), "accuracy_images"]
        if "accuracy_images" in has
        else pd.Series(dtype=float)
    )
    counts = pd.to_numeric(counts, errors="coerce").dropna()
    known = {"CIFAR-10": 10_000, "CIFAR-100": 10_000}.get(data, IMAGENET.images)
    return Seen(data, int(counts.mode().iloc[0]) if len(counts) else known)


def nothing(part: pd.DataFrame) -> Verdict:
    """The verdict where no cell can be ranked: why."""
    cells = latest_cells(part)
    contended = int((cells["status"].eq("ok") & cells["contended"]).sum())
    failed = cells[cells["status"].isin(["failed", "skipped"])]
    if contended and not len(failed):
        all_cells = f"all {contended} cells were" if contended > 1 else "the only cell was"
        return Verdict(
            f"No verdict: {all_cells} contended",
            "Something else was using this CPU or GPU. Measure again when nothing else runs: dyno run --retry contended.",
        )
    if len(failed):
        reasons = failed["reason"].fillna("no reason recorded").value_counts()
        count = f"all {len(failed)} cells" if len(failed) > 1 else "the only cell"
        also = "" if len(reasons) == 1 else f", and {len(reasons) - 1} other {'reason' if len(reasons) == 2 else 'reasons'}"
        verb = "failed" if failed["status"].eq("failed").all() else "were skipped or failed" if len(failed) > 1 else "was skipped"
        head = f"No verdict: {count} {verb}" if not contended else f"No verdict: {len(failed)} cells failed and {contended} were contended"
        return Verdict(f"{head}: {reasons.index[0]}{also}", "Each reason stands under Coverage.")
    return Verdict("No verdict: no network was timed one request at a time", "What was measured stands below.")


def machine(part: pd.DataFrame) -> str:
    """Board, GPU or CPU, versions, power mode, date and protocol in words."""
    last = part.sort_values("started_at", kind="stable", na_position="first").iloc[-1]

    def fact(name: str) -> str:
        value = last.get(f"env_{name}")
        return "" if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)) else str(value)

    processor = fact("gpu") if last.get("device") == "gpu" else ""
    said = [fact("board"), processor or ("" if fact("board") else fact("cpu"))]
    memory = last.get("env_memory_bytes")
    said += [f"{memory / 2**30:.0f} GB of memory"] if isinstance(memory, (int, float)) and memory == memory and memory else []
    for backend in sorted(set(part["backend"].dropna())):
        package = PACKAGES.get(str(backend), "")
        said += [f"{SPELT[str(backend)]} {fact('frameworks_' + package)}"] if package and fact(f"frameworks_{package}") else []
    said += [f"power mode {fact('power_mode')}"] if fact("power_mode") else []
    if isinstance(last["started_at"], str) and last["started_at"][:4].isdigit():
        day = datetime.fromisoformat(last["started_at"].replace("Z", "+00:00"))
        said.append(f"measured {day.day} {day:%B %Y}")
    processes = part["n_replicates"].dropna()
    processes = processes[processes > 0]
    if len(processes):
        usual = int(processes.mode().iloc[0])
        said.append("one process per cell" if usual == 1 else f"{usual} processes per cell")
    sources = sorted(set(part["source"].dropna()) - {"records"})
    said += [f"imported from {', '.join(sources)}"] if sources else []
    return " · ".join(filter(None, said)) or "an unnamed machine"


def trust(part: pd.DataFrame, good: Sequence[Entry], floors: Sequence[Floor]) -> tuple[tuple[int, int, int], str]:
    """(clean, with a reservation, left out) of one device's entries of one request in flight, and the same in words with the noise floor."""
    cells = latest_cells(part)
    cells = cells[cells["scenario"].ne("throughput")]
    clean = sum(row.trust == "clean" for row in good)
    out, doubted = len(cells) - len(good), len(good) - clean
    noun = "cell" if len(cells) == 1 else "cells"
    said = (
        [f"{clean:,} of {len(cells):,} {noun} clean"]
        if clean < len(cells) or not len(cells)
        else [f"all {clean:,} cells are clean" if clean > 1 else "the only cell is clean"]
    )
    said += [f"{doubted:,} with a reservation"] if doubted else []
    said += [f"{out:,} left out"] if out else []
    imported = good and all(row.trust == "imported" for row in good)
    if imported and not out:
        said = [
            f"all {len(good):,} cells are imported, and stand as their source gives them"
            if len(good) > 1
            else "the only cell is imported, and stands as its source gives it"
        ]
    text = ", ".join(said)
    noise = "" if imported else _noise(part, floors)
    has = part[part["top1"].notna()]
    published = good and len(has) and "measured" not in set(has["accuracy_source"].dropna())
    accuracy = (
        f"Top-1 is {'as its source gives it' if imported else 'published'} ({seen(part).data}), not measured here." if published else ""
    )
    accuracy += f" {weights(good)}" if weights(good) else ""
    return (clean, doubted, out), " ".join(filter(None, [text[:1].upper() + text[1:] + ".", noise, accuracy]))


def off(part: pd.DataFrame, boards: pd.DataFrame) -> str:
    """What the comparison of boards (`boards` of analysis.analyses.boards) says of this one where it is off; empty where it is not."""
    hosts = part["host"].dropna().astype(str).unique()
    kinds = {platform.removesuffix(f" @ {host}") for platform in part["platform"].unique() for host in hosts}
    for row in boards.to_dict("records"):
        if row["off"] and row["board"] in hosts and row["kind"] in kinds:
            count, effect = int((boards["kind"] == row["kind"]).sum()), row["effect_percent"]
            return f"This board is off: its times are {abs(effect):.0f} % {'above' if effect > 0 else 'below'} the median of {count} boards of {row['kind']}."
    return ""


def weights(rows: Sequence[Entry]) -> str:
    """That Top-1 is of other weights than those that were timed; empty where they are the same."""
    timed = {row.timed for row in rows if row.timed}
    others = "random ones" if timed == {"random"} else "others"
    return f"It belongs to the weights named beside each network; {others} were timed." if timed else ""


def _noise(part: pd.DataFrame, floors: Sequence[Floor]) -> str:
    hosts = set(part["host"].dropna().astype(str))
    known = [floor for floor in floors if floor.host in hosts]
    if not known:
        return "The noise floor of this host is unknown; dyno noise measures it."
    return f"Noise floor of this host: two identical sweeps differ by less than {100 * np.expm1(known[0].largest):.1f} % in 95 % of cells."

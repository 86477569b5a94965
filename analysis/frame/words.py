"""Counts and names in sentences: singular and plural, makers' spelling, networks without their source."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SPELT = {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "tensorrt": "TensorRT"}


def plural(count: int, noun: str) -> str:
    """`1 cell`, `1,200 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def out_of(count: int, total: int, noun: str) -> str:
    """`none of 7 networks`, `3 of 7 networks`, `all 7 networks`, `both networks`, `the only network`."""
    if total == 1:
        return f"the only {noun}" if count else f"no {noun}"
    if count == total == 2:
        return f"both {plural(2, noun).partition(' ')[2]}"
    return f"{'none' if not count else 'all' if count == total else f'{count:,}'}{' of' if count != total else ''} {plural(total, noun)}"


def few(names: Iterable[str], most: int = 6) -> str:
    """Names, the first few of many, with how many are left."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def spelt(series: str) -> str:
    """A set-up as its makers spell it: `onnxruntime fp16` is ONNX Runtime fp16."""
    backend = re.split(r"[ :]", series)[0]
    return SPELT.get(backend, backend) + series[len(backend) :].replace(":", " ")


def with_names_spelt(sentence: str) -> str:
    """A sentence with its backends as their makers spell them."""
    return re.sub(rf"(?<![\w-])({'|'.join(SPELT)})(?![\w-])", lambda found: SPELT[found[0]], sentence)


def bare(labels: "pd.Series") -> "pd.Series":
    """Labels without their source (`timm:dpn68` is dpn68) where no two networks would then share one."""
    short = labels.str.replace(r"^[a-z]+:", "", regex=True)
    clash = labels.groupby(short).nunique()
    return short.where(~short.isin(clash.index[clash > 1]), labels)


def bound(text: str) -> str:
    """A text in which no line begins with the unit of the number before it."""
    return re.sub(r"(?<=\d) (?=%|ms\b|MiB|mJ|images|points?\b|px)", "\u00a0", text)

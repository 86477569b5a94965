"""Public results in the form of timm's result files, and the first study's table, as networks with times.

A folder holds benchmark-infer-*.csv (model, infer_img_size, infer_samples_per_sec, infer_batch_size) and op_features.csv (model, img, params and
n_, mac_, io_, out_ of each operator group); they are joined on model (without its weights' tag) and image size.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.data.families import family
from analysis.predict.networks import Networks, networks
from runner.networks.informative import GROUPS

ELEMENT_BYTES = 4
CLASSIC_FEATURES = Path(__file__).with_name("data") / "classic_op_features.csv"
# timm's names of the studies' networks (studies.md), and their close kin that fill the list up to 40
_CLASSIC = """
vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn resnet18 resnet34 resnet50 resnet101 resnet152 mobilenetv2_100 mobilenetv3_small_100
mobilenetv3_large_100 mnasnet_050 mnasnet_100 densenet121 densenet161 densenet169 densenet201 resnext50_32x4d resnext101_32x8d wide_resnet50_2
wide_resnet101_2 inception_v3 dpn68 dpn92 dpn98 dpn107 dpn131 mobilenetv2_050 mobilenetv2_140 mobilenetv3_small_050 mobilenetv3_large_075
mnasnet_small mnasnet_075 dpn68b resnext101_64x4d
"""
CLASSIC = tuple(_CLASSIC.split())
ZHAO = {
    "Colab, PyTorch": "colab_fps_bs1",
    "Jetson Nano, PyTorch": "nano_pytorch_fps_bs1(fig5)",
    "Jetson Nano, TensorRT": "nano_tensorrt_fps_bs1(fig6)",
}


@dataclass(frozen=True)
class Platform:
    """One result file: networks, their seconds per batch, the bare name and image size of each, and what could not be used."""

    name: str
    nets: Networks
    y: np.ndarray
    base: np.ndarray
    img: np.ndarray
    gmacs: np.ndarray
    activations: np.ndarray
    missing: tuple[str, ...]

    @property
    def is_cpu(self) -> bool:
        return bool(re.search(r"(^|[-_])cpu([-_]|$)", self.name))


def features(rows: Iterable[Mapping]) -> list[dict]:
    """Rows of an op_features.csv in the shape of a record's complexity."""
    names = {"count": "n", "macs": "mac", "out": "out"}
    return [{"params": row["params"], "groups": {
        g: {field: row.get(f"{column}_{g}", 0) for field, column in names.items()} | {"bytes": ELEMENT_BYTES * row.get(f"io_{g}", 0)} for g in GROUPS
    }} for row in rows]  # fmt: skip


def load(folder: Path) -> list[Platform]:
    """The platforms of a folder; raises SystemExit with one line when there is none."""
    files = sorted(folder.glob("benchmark-infer-*.csv"))
    table = folder / "op_features.csv"
    if not files or not table.exists():
        raise SystemExit(f"{folder}: needs benchmark-infer-*.csv and op_features.csv")
    operators = pd.read_csv(table)
    operators = operators[operators["params"].notna()].drop_duplicates(["model", "img"]).drop(columns="err", errors="ignore").fillna(0)
    return [platform for platform in (_platform(file, operators) for file in files) if len(platform.nets)]


def _platform(file: Path, operators: pd.DataFrame) -> Platform:
    rows = pd.read_csv(file)
    for column in ("infer_img_size", "infer_samples_per_sec", "infer_batch_size"):
        rows[column] = pd.to_numeric(rows[column], errors="coerce")
    rows["base"] = rows["model"].astype(str).str.split(".").str[0]
    rows = rows[rows["infer_samples_per_sec"].gt(0) & rows["infer_batch_size"].gt(0)].drop_duplicates(["base", "infer_img_size"])
    # A model that names no file of features may stand there under its tagged name.
    joined = rows.merge(operators, left_on=["base", "infer_img_size"], right_on=["model", "img"], suffixes=("_timed", ""))
    tagged = rows[
        ~rows.index.isin(
            rows.index[rows.set_index(["base", "infer_img_size"]).index.isin(joined.set_index(["base", "infer_img_size"]).index)]
        )
    ]
    joined = pd.concat([joined, tagged.merge(operators, left_on=["model", "infer_img_size"], right_on=["model", "img"])], ignore_index=True)
    missing = sorted(set(rows["base"] + "@" + rows["infer_img_size"].astype(int).astype(str)) - set(_label(joined)))
    batch = joined["infer_batch_size"].to_numpy(float)
    nets = networks(features(joined.to_dict("records")), batch, _label(joined), [family(name) for name in joined["base"]])
    gmacs = (
        pd.to_numeric(joined["infer_gmacs"], errors="coerce").to_numpy(float) if "infer_gmacs" in joined else np.full(len(joined), np.nan)
    )
    macts = (
        pd.to_numeric(joined["infer_macts"], errors="coerce").to_numpy(float) if "infer_macts" in joined else np.full(len(joined), np.nan)
    )
    counted = nets.macs.sum(1) / 1e9
    return Platform(file.stem.removeprefix("benchmark-infer-"), nets, batch / joined["infer_samples_per_sec"].to_numpy(float),
                    joined["base"].to_numpy(object), joined["infer_img_size"].to_numpy(float), np.where(gmacs > 0, gmacs, counted),
                    np.where(macts > 0, macts, nets.out[:, :7].sum(1) / 1e6), tuple(missing))  # fmt: skip


def _label(rows: pd.DataFrame) -> list[str]:
    return [f"{base}@{int(px)}" for base, px in zip(rows["base"], rows["infer_img_size"], strict=True)]


def classic(platform: Platform) -> np.ndarray:
    """Rows of the classic networks, each at its image size nearest to 224."""
    rows = pd.DataFrame({"base": platform.base, "distance": np.abs(platform.img - 224)})
    rows = rows[rows["base"].isin(CLASSIC)].sort_values("distance", kind="stable").drop_duplicates("base")
    return np.sort(rows.index.to_numpy())


def zhao(folder: Path, px: int) -> dict[str, tuple[Networks, np.ndarray]]:
    """(networks, seconds per batch of 1) by set-up of the first study; {} where its table is not there. px: input size of the features."""
    found = [
        path
        for path in (
            folder / "models_digitised.csv",
            folder / "zhao" / "models_digitised.csv",
            folder.parent / "zhao" / "models_digitised.csv",
        )
        if path.exists()
    ]
    if not found:
        return {}
    operators = pd.read_csv(CLASSIC_FEATURES)
    operators = operators[operators["img"] == px]
    rows = operators.merge(pd.read_csv(found[0]).rename(columns={"model": "label"}), left_on="model", right_on="builder")
    out = {}
    for name, column in ZHAO.items():
        if column in rows:
            own = rows[pd.to_numeric(rows[column], errors="coerce") > 0]
            out[name] = (networks(features(own.to_dict("records")), np.ones(len(own)), own["model"].tolist(), [family(m) for m in own["model"]]),
                         1 / own[column].to_numpy(float))  # fmt: skip
    return out

"""Write the catalogue anew: every classification network of torchvision, timm and HarDNet that has a published Top-1.

    python benchmarks/make_catalogue.py TIMM_RESULTS_DIR

TIMM_RESULTS_DIR holds the timm project's result files (Apache-2.0): results-imagenet.csv, benchmark-infer-*.csv, and op_features.csv, whose rule is
that of op_features.py beside this script. Licences, tags and the data that weights were trained on come from timm's and torchvision's own metadata;
HarDNet's accuracies from its authors. The graphs of torchvision and HarDNet are counted here, on PyTorch's meta device.
"""

import argparse
import datetime
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import op_features
from runner.networks.informative import GROUPS
from runner.networks.sources import timm, torchvision

OUT = Path(__file__).resolve().parents[1] / "analysis/data/catalogue/catalogue.zip"
HARDNET = {"hardnet68": 76.5, "hardnet85": 78.0, "hardnet68ds": 74.3, "hardnet39ds": 72.1}
GRAPH = ["model", "input_px", "params", *(f"{field}_{group}" for group in GROUPS for field in op_features.FIELDS)]
WEIGHTS = ["model", "weights", "default", "input_px", "top1", "top5", "data", "crop_pct", "license", "source"]
DATA = "ImageNet-1k validation"
SWAG = "https://github.com/facebookresearch/SWAG"  # its LICENSE is CC BY-NC 4.0
# How the devices in the names of timm's result files are called in full.
DEVICES = {"rtx": "NVIDIA GeForce RTX", "i9": "Intel Core i9-", "i7": "Intel Core i7-"}


def torchvision_weights():
    """Rows of WEIGHTS for every set of weights with a classifier."""
    library = torchvision.import_torchvision()
    from torchvision.models import get_model_weights, list_models

    source = f"torchvision {library.__version__.split('+')[0]} weight metadata"
    for name in list_models(module=library.models):
        for weights in get_model_weights(name):
            metrics = weights.meta["_metrics"]["ImageNet-1K"]
            if not metrics["acc@1"] > 0:  # vgg16's IMAGENET1K_FEATURES: weights without a classifier
                continue
            given = weights.transforms.keywords
            px = given["crop_size"]
            licence = weights.meta.get("license", "unknown")
            yield (name, weights.name, weights == get_model_weights(name).DEFAULT, px, metrics["acc@1"], metrics["acc@5"], DATA,
                   round(px / given.get("resize_size", 256), 3), "cc-by-nc-4.0" if licence.startswith(SWAG) else licence, source)  # fmt: skip


def timm_weights(results: Path):
    """Rows of WEIGHTS from timm's results on ImageNet, with the licence that the installed timm knows."""
    library = timm.import_timm()
    source = f"timm results-imagenet.csv; licence from timm {library.__version__}"
    for row in pd.read_csv(results).to_dict("records"):
        base, _, tag = row["model"].partition(".")
        known = library.get_pretrained_cfg(row["model"], allow_unregistered=True) if library.is_model(base) else None
        first = library.get_pretrained_cfg(base) if known else None
        yield (f"timm:{base}", tag, bool(first and first.tag == tag), row["img_size"], row["top1"], row["top5"], DATA, row["crop_pct"],
               (known.license if known else None) or "unknown", source)  # fmt: skip


def hardnet_weights():
    for name, top1 in HARDNET.items():
        yield (name, "imagenet", True, 224, top1, None, DATA, 0.875, "mit", "PingoLH/Pytorch-HarDNet README; Chao et al. 2019")


def graphs(folder: Path, weights: pd.DataFrame) -> pd.DataFrame:
    """Operator features of every network and input size: timm's as published, the others counted here."""
    public = pd.read_csv(folder / "op_features.csv")
    public = public[public["params"].notna()].rename(columns={"img": "input_px"}).assign(model="timm:" + public["model"])
    wanted = weights.loc[~weights["model"].str.startswith("timm:"), ["model", "input_px"]].drop_duplicates()
    own = [op_features.features(model, int(px)) for model, px in wanted.itertuples(index=False)]
    table = pd.concat([public, pd.DataFrame(own).rename(columns={"img": "input_px"})], ignore_index=True)
    return table.reindex(columns=GRAPH).fillna(0).sort_values(["model", "input_px"])


def machine(file: Path) -> dict[str, str]:
    """What a timm result file's name says: benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv."""
    precision, layout, *rest = file.stem.removeprefix("benchmark-infer-").split("-")
    rest = [part for part in rest if part != "cpu"]
    torch = next(part for part in rest if re.fullmatch(r"pt\d+", part))
    device = next(part for part in rest if re.match(r"rtx|i\d_|[a-z]+\d", part) and not re.match(r"(pt|cu)\d", part))
    kind = next((k for k in DEVICES if device.startswith(k)), "")
    version = torch.removeprefix("pt")
    name = f"{DEVICES.get(kind, '')}{' ' if kind == 'rtx' else ''}{device.removeprefix(kind).strip('_').upper()}"
    return {
        "machine": file.stem.removeprefix("benchmark-infer-"),
        "device": name,
        "kind": "cpu" if "-cpu" in file.stem else "gpu",
        "precision": precision,
        "layout": layout,
        "backend": "pytorch" + (":compile" if "dynamo" in rest else ""),
        "framework": f"torch {version[0]}.{version[1]}" + "".join(f", CUDA {p[2:4]}.{p[4:]}" for p in rest if re.match(r"cu\d", p)),
        "source": f"timm results, {file.name} (Apache-2.0)",
    }


def times(files: list[Path]) -> pd.DataFrame:
    """machine, model, input_px, batch_size and images per second of every network on the public machines."""
    parts = []
    for file in files:
        rows = pd.read_csv(file).rename(
            columns={"infer_img_size": "input_px", "infer_batch_size": "batch_size", "infer_samples_per_sec": "images_per_s"}
        )
        rows["model"] = "timm:" + rows["model"].str.split(".").str[0]
        rows = rows[rows["images_per_s"].gt(0)].drop_duplicates(["model", "input_px"])
        parts.append(rows.assign(machine=machine(file)["machine"])[["machine", "model", "input_px", "batch_size", "images_per_s"]])
    return pd.concat(parts).sort_values(["machine", "model", "input_px"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("timm_results_dir", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    folder = arguments.timm_results_dir
    weights = pd.DataFrame([*torchvision_weights(), *timm_weights(folder / "results-imagenet.csv"), *hardnet_weights()], columns=WEIGHTS)
    files = sorted(folder.glob("benchmark-infer-*.csv"))
    tables = {
        "graphs.csv": graphs(folder, weights),
        "weights.csv": weights.sort_values(["model", "input_px", "weights"]),
        "times.csv": times(files),
        "machines.csv": pd.DataFrame(machine(file) for file in files),
    }
    about = {"date": datetime.date.today().isoformat(), "sources": sorted({*weights["source"], *(f.name for f in folder.glob("*.csv"))})}
    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, table in tables.items():
            text = io.StringIO()
            table.to_csv(text, index=False, float_format="%.10g", lineterminator="\n")
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.getvalue(), zipfile.ZIP_DEFLATED, 9)
        file.writestr(zipfile.ZipInfo("about.json", (1980, 1, 1, 0, 0, 0)), json.dumps(about, indent=1), zipfile.ZIP_DEFLATED, 9)
    print({name: len(table) for name, table in tables.items()}, f"{arguments.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

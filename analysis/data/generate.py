"""Write published.csv anew: accuracies published with pretrained weights, as facts with their source.

    python -m analysis.data.generate [timm_results.csv] > analysis/data/published.csv

torchvision's values come from its weight enumerations; timm's (dual path networks) from the project's own
results file (Apache-2.0); HarDNet's from the README of its authors, who give no Top-5.
"""

import csv
import sys

HARDNET = {"hardnet68": (76.5, 17.6), "hardnet85": (78.0, 36.7), "hardnet68ds": (74.3, 4.2), "hardnet39ds": (72.1, 3.5)}
COLUMNS = ("model", "weights", "default", "top1", "top5", "params_m", "input_px", "source")


def torchvision_rows():
    import torch

    # A CPU torch beside a torchvision whose compiled operators don't load: importing needs the schema alone.
    library = torch.library.Library("torchvision", "FRAGMENT")  # kept alive until the import is done
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
    from torchvision.models import get_model_weights, list_models

    source = f"torchvision {torchvision.__version__.split('+')[0]} weight metadata"
    for name in list_models(module=torchvision.models):
        enum = get_model_weights(name)
        for weights in enum:
            metrics = weights.meta["_metrics"]["ImageNet-1K"]
            px = weights.transforms.keywords["crop_size"]
            params_m = round(weights.meta["num_params"] / 1e6, 3)
            if not metrics["acc@1"] > 0:  # vgg16's IMAGENET1K_FEATURES: weights without a classifier
                continue
            yield (name, weights.name, weights == enum.DEFAULT, metrics["acc@1"], metrics["acc@5"], params_m, px, source)


def timm_rows(path):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            name, _, tag = row["model"].partition(".")
            if name.startswith("dpn") and tag == "mx_in1k" and row["img_size"] == "224":
                yield (name, tag, True, row["top1"], row["top5"], row["param_count"], 224, "timm results-imagenet (Apache-2.0)")


def hardnet_rows():
    for name, (top1, params_m) in HARDNET.items():
        yield (name, "imagenet", True, top1, "", params_m, 224, "PingoLH/Pytorch-HarDNet README; Chao et al. 2019")


def main(arguments):
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = [*torchvision_rows(), *hardnet_rows()]
    for path in arguments:
        rows += timm_rows(path)
    for row in sorted(rows, key=lambda row: (row[0], row[1])):
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in row])


if __name__ == "__main__":
    main(sys.argv[1:])

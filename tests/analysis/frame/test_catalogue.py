"""The catalogue: complete, consistent, small, and its families."""

import numpy as np
import pandas as pd
import pytest

from analysis.data import catalogue
from analysis.data.families import family
from analysis.frame.finish import finish
from runner.networks.sources import torchvision

FAMILIES = [
    ("timm:dpn68", "dpn"), ("wide_resnet50_2", "wide_resnet"), ("mobilenet_v3_small", "mobilenet"), ("timm:mobilenetv3_large_100", "mobilenet"),
    ("resnext50_32x4d", "resnext"), ("timm:seresnext50_32x4d.racm_in1k", "resnext"), ("regnet_y_16gf", "regnet"), ("timm:regnety_160", "regnet"),
    ("timm:tf_efficientnet_b0.ns_jft_in1k", "efficientnet"), ("efficientnet_b0", "efficientnet"), ("vit_b_16", "vit"), ("timm:deit3_base_patch16_224", "vit"),
    ("swin_v2_t", "swin"), ("timm:swinv2_tiny_window8_256", "swin"), ("timm:ens_adv_inception_resnet_v2", "inception_resnet"), ("timm:gernet_l", "gernet"),
    ("timm:jx_nest_tiny", "nest"), ("hardnet:hardnet68ds", "hardnet"), ("onnx:/models/MyNet.onnx", "mynet"), ("12", "12"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "name"), FAMILIES)
def test_families_put_kin_of_torchvision_and_timm_together(model, name):
    assert family(model) == name


def test_the_catalogue_is_one_small_file():
    assert catalogue.FILE.stat().st_size < 1_500_000


def test_every_published_accuracy_has_its_graph_source_and_licence():
    known = catalogue.load()
    graphs = set(zip(known.graphs["model"], known.graphs["input_px"], strict=True))
    assert set(zip(known.weights["model"], known.weights["input_px"], strict=True)) <= graphs
    assert known.weights[["model", "weights", "top1", "data", "license", "source"]].notna().all().all()
    assert (
        known.weights["top1"].between(0, 100).all()
        and (known.weights["top5"].dropna() >= known.weights["top1"][known.weights["top5"].notna()]).all()
    )
    assert not known.weights.duplicated(["model", "weights", "input_px"]).any() and not known.graphs.duplicated(["model", "input_px"]).any()


def test_torchvision_is_all_there_and_timm_nearly():
    weights = catalogue.load().weights
    assert set(torchvision.NAMES) <= set(weights["model"])
    assert weights.loc[weights["model"].str.startswith("timm:"), "model"].nunique() > 800


def test_a_graph_is_found_under_the_name_and_tag_that_the_runner_uses():
    plain, tagged = catalogue.known("timm:resnet50", 224), catalogue.known("timm:resnet50.a1_in1k", 224)
    assert plain == tagged and plain["params"] == 25557032 and 4.0e9 < plain["macs"] < 4.2e9
    assert catalogue.known("resnet50", 224)["macs"] == plain["macs"]
    assert catalogue.known("resnet50", 225) is None and catalogue.known("my_net", 224) is None


def test_every_public_machine_says_what_it_is():
    known = catalogue.load()
    assert set(known.times["machine"]) == set(known.machines["machine"])
    assert known.machines.notna().all().all() and (known.times["images_per_s"] > 0).all()


def test_what_a_licence_allows_is_never_guessed():
    assert [catalogue.licence(name) for name in ("apache-2.0", "cc-by-nc-4.0", "dinov3-license", "unknown")] == [
        "free",
        "non-commercial",
        "own terms",
        "unknown",
    ]


def test_imported_rows_of_known_networks_get_their_graph_and_others_stay_without():
    rows = {
        "model": ["timm:resnet50", "my_net", "resnet50"],
        "input_px": [224, 224, np.nan],
        "source": "table",
        "file": "t",
        "platform": "p",
        "batch_size": 1,
    }
    frame = finish(pd.DataFrame(rows))
    assert isinstance(frame["op_features"][0], dict) and round(frame["params_m"][0], 2) == 25.56 and 4.0 < frame["gmacs"][0] < 4.2
    assert frame["op_features"][1] is None and frame["op_features"][2] is None

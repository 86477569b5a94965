"""Measured accuracy in the frame: intervals, what goes before the published, what may stand for what."""

import json

import numpy as np
import pytest
from records import cell_record, write

from analysis.analyses import accuracy
from analysis.frame.frame import merge
from runner.records import accuracy_totals


def counted(
    top1=350,
    images=500,
    *,
    first=0,
    top5=None,
    backend="pytorch",
    model="resnet18",
    precision="fp32",
    platform="synthetic-cpu",
    batch_size=32,
    **changes,
):
    """One record of kind `accuracy`; `changes` overrides its top-level fields."""
    part = {"data": "mine", "data_id": "d", "format": "folder", "data_images": 50_000, "classes": 1000, "network": "n", "preprocessing": {"resize_px": 256},
            "first": first, "last": first + images, "images": images, "unreadable": 0, "unreadable_first": None, "not_finite": 0, "top1": top1, "top5": top5,
            "executed": {}}  # fmt: skip
    record = cell_record(platform, backend, model, batch_size, precision=precision, replicates=0)
    record |= {"kind": "accuracy", "id": f"{platform}/{backend}/{model}/{precision}/{part['first']}/{changes}", "accuracy": part}
    return record | changes


def frame_of(folder, *lines):
    return merge([write(folder / "host.jsonl", lines)]).frame


def test_measured_accuracy_has_a_wilson_interval_and_its_number_of_images(tmp_path):
    frame = frame_of(
        tmp_path, cell_record("synthetic-cpu", "pytorch", "resnet18"), counted(350, top5=450), counted(360, first=500, top5=460)
    )
    row = frame.iloc[0]
    assert len(frame) == 1 and row["accuracy_source"] == "measured" and row["accuracy_images"] == 1000
    assert (row["top1"], row["top5"]) == (71.0, 91.0)
    # Wilson 1927 for 710 and 910 of 1000, z = 1.96: computed by statsmodels.stats.proportion.proportion_confint(method="wilson")
    assert (row["top1_low"], row["top1_high"]) == pytest.approx((68.11, 73.72), abs=0.01)
    assert (row["top5_low"], row["top5_high"]) == pytest.approx((89.06, 92.62), abs=0.01)


def test_the_runners_interval_is_that_of_a_known_implementation():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for hits, images in ((0, 10), (10, 10), (164, 200), (1, 50_000), (34_879, 50_000)):
        assert accuracy_totals.wilson(hits, images) == pytest.approx(
            proportion.proportion_confint(hits, images, method="wilson"), abs=1e-12
        )


def test_what_was_measured_in_one_batch_size_holds_for_all_batch_sizes_and_scenarios(tmp_path):
    cells = [cell_record("synthetic-cpu", "pytorch", "resnet18", size) for size in (1, 8)]
    cells.append(cell_record("synthetic-cpu", "pytorch", "resnet18", 1, scenario="throughput"))
    assert frame_of(tmp_path, counted(355), *cells)["top1"].tolist() == [71.0] * 3


def test_a_measured_network_shows_no_published_value_anywhere(tmp_path):
    cells = [
        cell_record("synthetic-cpu", "openvino", "resnet18"),
        cell_record("synthetic-edge", "tensorrt", "resnet18"),
        cell_record("synthetic-cpu", "openvino", "vgg11"),
    ]
    frame = frame_of(tmp_path, counted(355), *cells)
    assert frame["accuracy_source"].tolist() == ["measured", "measured", "published"]
    assert frame["top1"].tolist()[:2] == [71.0, 71.0]
    assert frame["accuracy_weights"].iloc[0] == "random, measured in fp32 with pytorch on synthetic-cpu cpu (host)"


def test_the_own_measurement_goes_before_any_others(tmp_path):
    cells = [cell_record("synthetic-cpu", backend, "resnet18") for backend in ("pytorch", "openvino")]
    frame = frame_of(tmp_path, counted(350), counted(340, backend="openvino"), counted(100, 300, platform="synthetic-edge"), *cells)
    assert frame["top1"].tolist() == [70.0, 68.0]


def test_floats_do_not_stand_for_int8_nor_the_reverse(tmp_path):
    cells = [cell_record("synthetic-cpu", "openvino", "resnet18", precision=precision) for precision in ("int8", "fp16")]
    frame = frame_of(tmp_path, counted(350), *cells)
    assert np.isnan(frame["top1"].iloc[0]) and np.isnan(frame["top5"].iloc[0]) and frame["accuracy_source"].iloc[0] == "measured"
    assert frame["top1"].iloc[1] == 70.0
    frame = frame_of(tmp_path, counted(300, precision="int8", backend="openvino"), *cells)
    assert frame["top1"].iloc[0] == 60.0 and np.isnan(frame["top1"].iloc[1])


def test_a_coarser_precision_is_compared_with_fp32_image_by_image(tmp_path):
    """Hits of 500 images: int8 loses 30 of fp32's and wins 10 that it missed."""

    def hits(lost, won):
        ones = [1] * 350 + [0] * 150
        ones[:lost], ones[350 : 350 + won] = [0] * lost, [1] * won
        part = counted(sum(ones), precision="int8" if lost else "fp32")
        part["accuracy"]["hits"] = np.packbits(ones).tobytes().hex()
        return part

    cells = [cell_record("synthetic-cpu", "pytorch", "resnet18", precision=precision) for precision in ("fp32", "int8")]
    frame = frame_of(tmp_path, hits(0, 0), hits(30, 10), *cells)
    plain, coarse = frame.iloc[0], frame.iloc[1]
    assert np.isnan(plain["top1_change"]) and coarse["top1"] == 66.0
    assert coarse["top1_change"] == pytest.approx(-4.0) and coarse["top1_change_low"] < -4 < coarse["top1_change_high"] < 0
    # exact binomial test of 10 of 40 at a half: scipy.stats.binomtest(10, 40).pvalue
    assert coarse["top1_change_p"] == pytest.approx(0.00222, abs=1e-5)
    said = accuracy.explain(frame)
    assert "the only cell differs from fp32 by more than chance" in said and "resnet18 in int8 lost most: -4.00 points" in said
    assert "McNemar p" in accuracy.analyse(frame) and "McNemar p" not in accuracy.analyse(frame_of(tmp_path, hits(0, 0), cells[0]))


def test_published_weights_stand_for_random_ones_that_were_timed_but_never_the_reverse(tmp_path):
    timed, published = (
        cell_record("synthetic-cpu", "pytorch", "resnet18", size, weights=weights) for size, weights in ((1, "random"), (2, "pretrained"))
    )
    frame = frame_of(tmp_path, counted(345, weights="pretrained"), timed, published)
    assert frame["top1"].tolist() == [69.0, 69.0]
    frame = frame_of(tmp_path, counted(1, weights="random"), timed, published)
    assert frame["top1"].tolist() == [0.2, 69.758] and frame["accuracy_source"].tolist() == ["measured", "published"]


def test_images_counted_twice_count_once_and_a_failed_part_adds_nothing(tmp_path):
    again = counted(350, id="again")
    failed = counted(0, 0, first=500, status="failed", reason="made to fail", id="failed")
    frame = frame_of(tmp_path, cell_record("synthetic-cpu", "pytorch", "resnet18"), counted(350), again, failed)
    assert frame["accuracy_images"].tolist() == [500] and frame["top1"].tolist() == [70.0]


def test_a_cell_whose_images_could_not_be_counted_keeps_the_published_value(tmp_path):
    failed = counted(0, 0, status="failed", reason="made to fail")
    failed["accuracy"] |= {"first": None, "last": None}
    frame = frame_of(tmp_path, cell_record("synthetic-cpu", "pytorch", "resnet18"), failed)
    assert frame["accuracy_source"].tolist() == ["published"]


def test_accuracy_lines_are_no_rows_and_a_malformed_one_is_set_aside(tmp_path):
    broken = json.loads(json.dumps(counted(1, first=500)))
    del broken["accuracy"]["network"]
    merged = merge([write(tmp_path / "host.jsonl", [cell_record("synthetic-cpu", "pytorch", "resnet18"), counted(350), broken])])
    assert len(merged.frame) == 1 and sum(merged.problems.values()) == 1

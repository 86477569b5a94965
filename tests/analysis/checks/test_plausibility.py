"""Checks of plausibility: each of the studies' mistakes is found when planted in good data, and good data is left in peace."""

import numpy as np
import pandas as pd
import pytest

from analysis import checks
from analysis.checks import base as check_base
from analysis.checks import slower_precision
from analysis.frame import noise
from analysis.importers import zhao
from analysis.stats import suspects
from tests.analysis.good_frame import SETUPS, good

TIMES = ["latency_s", "throughput", "replicate_medians_s", "energy_j", "latency_p90_s"]
GPU = ("cuda", "pytorch")


@pytest.fixture(scope="module")
def frame():
    return good(7, 39, spread=0.4)


def rows(frame, model, batch=None, setup=GPU):
    mask = frame["platform"].eq(setup[0]) & frame["backend"].eq(setup[1]) & frame["model"].eq(model)
    return frame.index[mask & (frame["batch_size"].eq(batch) if batch else True)]


def exchange(frame, a, b, batch=None):
    planted = frame.copy()
    left, right = rows(frame, a, batch), rows(frame, b, batch)
    for column in TIMES:
        values = list(frame.loc[right, column]), list(frame.loc[left, column])
        planted[column] = planted[column].astype(object)
        for indices, new in zip((left, right), values, strict=True):
            for index, value in zip(indices, new, strict=True):
                planted.at[index, column] = value
        if column != "replicate_medians_s":
            planted[column] = planted[column].astype(float)
    return planted


def found(frame, check):
    table = checks.findings(frame)
    return table[table["check"] == check]


@pytest.mark.parametrize("seed", range(16))
def test_good_data_raises_no_finding(seed):
    kinds = (
        {"n": 24},
        {"n": 6, "batches": (1, 8), "chosen": SETUPS[:2]},
        {"n": 39, "chosen": SETUPS[2:3], "noise": 0.06},
        {"n": 2, "batches": (1,)},
    )
    said = checks.findings(good(seed, **kinds[seed % 4]))
    assert said.empty, said["message"].tolist()


@pytest.mark.parametrize(("a", "b"), [("densenet121", "densenet201"), ("resnet50", "resnet101"), ("vgg16", "mobilenet_v2")])
@pytest.mark.parametrize("alone", [True, False])
def test_two_exchanged_rows_are_named(frame, a, b, alone):
    planted = exchange(frame, a, b)
    if alone:
        planted = planted[planted["platform"].eq("cuda") & planted["backend"].eq("pytorch")]
    messages = found(planted, "rows exchanged")["message"]
    assert any(a in message and b in message and "cuda pytorch" in message for message in messages)


def test_two_values_exchanged_at_one_batch_size_are_named(frame):
    messages = found(exchange(frame, "resnet18", "resnet101", 16), "outlier in its batch curve")["message"]
    assert any("resnet18" in m and "resnet101" in m and "batch 16" in m and "exchanged" in m for m in messages)


def test_a_time_that_rises_where_it_must_fall_is_flagged(frame):
    planted = frame.copy()
    before, at = rows(frame, "resnext50_32x4d", 16)[0], rows(frame, "resnext50_32x4d", 64)[0]
    planted.loc[at, "latency_s"] = 4 * 1.25 * frame.loc[before, "latency_s"]
    table = found(planted, "time per image rises with the batch")
    assert table["cell_id"].tolist() == [frame.loc[at, "cell_id"]]
    assert "resnext50_32x4d" in table["message"].iloc[0]


def test_a_rise_that_all_networks_share_is_the_machines(frame):
    planted = frame.copy()
    planted.loc[planted["platform"].eq("cpu") & planted["batch_size"].eq(64), "latency_s"] *= 1.6
    assert found(planted, "time per image rises with the batch").empty


def test_a_larger_batch_in_less_time_is_an_error(frame):
    planted = frame.copy()
    at = rows(frame, "vgg16", 8)[0]
    planted.loc[at, "latency_s"] = 0.5 * frame.loc[rows(frame, "vgg16", 4)[0], "latency_s"]
    table = found(planted, "a larger batch takes less time")
    assert frame.loc[at, "cell_id"] in set(table["cell_id"]) and set(table["severity"]) == {"error"}


@pytest.mark.parametrize("known", [True, False])
def test_a_rate_above_the_roofline_is_an_error(frame, known):
    """Once against the data sheet of the GPU, once against what the other networks reach."""
    planted = frame if known else frame.assign(env_gpu=None)
    planted = planted.copy()
    at = rows(frame, "vgg16", 64)[0]
    planted.loc[at, "latency_s"] /= 8
    table = found(planted, "rate above the roofline")
    assert frame.loc[at, "cell_id"] in set(table["cell_id"])
    assert ("hardware reaches 8.1e+03" if known else "no other network") in table["message"].iloc[0]


def test_a_rate_within_what_winograd_can_do_is_no_finding(frame):
    planted = frame[frame["platform"].eq("cuda")].copy()
    at = rows(planted, "vgg16", 64)[0]
    planted.loc[at, "latency_s"] = 2e9 * planted.loc[at, "gmacs"] * 64 / 1.5e13
    assert found(planted, "rate above the roofline").empty


def test_a_cpu_is_held_to_its_cores_and_vectors(frame):
    planted = frame[frame["platform"].eq("cpu")].assign(env_cpu_flags="avx2, avx512f").copy()
    at = rows(planted, "vgg16", 64, ("cpu", "pytorch"))[0]
    planted.loc[at, "latency_s"] = 2e9 * planted.loc[at, "gmacs"] * 64 / 2e12
    table = found(planted, "rate above the roofline")
    assert table["cell_id"].tolist() == [frame.loc[at, "cell_id"]] and "640" in table["message"].iloc[0]


def test_one_network_at_another_input_size_is_named(frame):
    planted = frame.copy()
    planted.loc[planted["model"].eq("resnet50"), "input_px"] = 299
    messages = found(planted, "mixed input sizes")["message"]
    assert len(messages) == 4 and all("resnet50 (299 px)" in message for message in messages)


def test_a_backend_at_another_input_size_is_named(frame):
    planted = frame.copy()
    planted.loc[planted["backend"].eq("tensorrt"), "input_px"] = 32
    assert any("not a speed-up" in message for message in found(planted, "mixed input sizes")["message"])


def test_all_networks_at_two_input_sizes_are_an_axis_not_a_mistake(frame):
    both = pd.concat([frame, frame.assign(input_px=288, gmacs=frame["gmacs"] * 1.65)], ignore_index=True)
    both["cell_id"] = both["cell_id"] + both["input_px"].astype(str)
    assert found(both, "mixed input sizes").empty
    assert found(both[both["backend"].eq("pytorch") | both["input_px"].eq(224)], "mixed input sizes").empty  # one size in common is enough


def test_complexity_of_another_input_size_is_said_and_no_rate_is_made_of_it(frame):
    planted = frame.assign(complexity_px=224.0, input_px=32.0)
    assert len(found(planted, "complexity of another graph")) == 4
    planted["latency_s"] /= 40
    assert found(planted, "rate above the roofline").empty


def test_a_degenerate_network_is_found_by_label_graph_parity_or_accuracy(frame):
    labelled = frame.copy()
    labelled.at[rows(frame, "resnet50", 1)[0], "quality"] = ("degenerate",)
    assert len(found(labelled, "degenerate network")) == 1
    shrunk = frame.copy()
    shrunk.loc[rows(frame, "resnet50"), "gmacs"] *= 0.4
    assert any("resnet50" in m and "gmacs" in m for m in found(shrunk, "complexity of another graph")["message"])
    equal = frame.copy()
    equal.loc[rows(frame, "resnet50", 1), ["precision", "parity_max_rel"]] = ["fp16", 0.0]
    assert "last bit" in found(equal, "degenerate network")["message"].iloc[0]
    guessing = frame.copy()
    guessing.loc[rows(frame, "resnet50", 1), ["accuracy_source", "top1"]] = ["measured", 0.1]
    assert "guessing" in found(guessing, "degenerate network")["message"].iloc[0]


def test_a_changed_driver_or_version_is_named_and_a_temperature_is_not(frame):
    planted = frame.copy()
    late = rows(frame, "vgg16")
    planted.loc[late, "env_gpu_driver"] = "590.2"
    planted.loc[late, "env_frameworks_torch"] = "2.14.0"
    planted["env_temperatures_c_gpu"] = np.linspace(40, 70, len(planted))
    messages = found(planted, "unlike environments")["message"].tolist()
    assert len(messages) == 2 and any("gpu_driver was 580.1 (385 cells) and 590.2 (5 cells)" in m for m in messages)


def test_numbers_that_contradict_each_other_are_errors(frame):
    planted = frame.copy()
    first, second, third = rows(frame, "vgg11", 1)[0], rows(frame, "vgg13", 1)[0], rows(frame, "vgg16", 1)[0]
    planted.loc[first, "top5"] = planted.loc[first, "top1"] - 1
    planted.loc[second, "latency_p99_s"] = 0.5 * planted.loc[second, "latency_s"]
    planted.loc[third, "energy_j"] *= 100
    table = found(planted, "numbers that disagree")
    assert set(table["cell_id"]) == set(planted.loc[[first, second, third], "cell_id"])


def test_contended_failed_and_superseded_cells_are_not_accused(frame):
    planted = frame.copy()
    at = rows(frame, "vgg16", 64)[0]
    planted.loc[at, "latency_s"] /= 50
    assert len(checks.findings(planted))
    assert checks.findings(planted.assign(contended=planted.index == at)).empty
    assert checks.findings(planted.assign(status=np.where(planted.index == at, "failed", "ok"))).empty


def test_zhaos_table_is_accused_of_what_is_wrong_with_it():
    table = checks.findings(zhao.read())
    messages = " ".join(table["message"])
    assert "pytorch was timed at 32 px and tensorrt at 224 px" in messages
    assert "timed at 32 px: the multiply-adds are those at 224 px" in messages
    assert "nothing names the machine" in messages
    assert "error" not in set(table["severity"])


def test_findings_are_sorted_worst_first_and_empty_frames_have_none(frame):
    planted = frame.copy()
    planted.loc[rows(frame, "resnet50"), "env_gpu_driver"] = "1"
    planted.loc[rows(frame, "vgg16", 64), "latency_s"] /= 50
    order = checks.findings(planted)["severity"].map(checks.SEVERITIES.index)
    assert order.is_monotonic_increasing and order.nunique() > 1
    assert list(checks.findings(frame.iloc[:0]).columns) == checks.COLUMNS


def test_an_exchange_needs_both_out_of_place_in_opposite_directions():
    expected = np.linspace(0, 3, 12)
    seen = expected + 0.01 * np.random.default_rng(0).normal(size=12)
    assert suspects.exchanged(seen, expected) == []
    both = seen.copy()
    both[[2, 9]] = both[[9, 2]]
    assert suspects.exchanged(both, expected) == [(2, 9)]
    one = seen.copy()
    one[2] += 2
    assert suspects.exchanged(one, expected) == []
    assert suspects.exchanged(both[:5], expected[:5]) == []


def test_a_check_is_a_file_in_its_folder_with_a_title_of_its_own(frame, tmp_path, monkeypatch):
    from analysis import checks, registry

    modules = [registry.load(checks, name) for name in registry.names(checks)]
    assert len(modules) >= 11 and len({module.TITLE for module in modules}) == len(modules)
    (tmp_path / "mine.py").write_text(
        'TITLE = "mine"\n\ndef find(cells):\n    return [("note", cells["cell_id"].iloc[0], f"{len(cells)} cells seen")]\n'
    )
    monkeypatch.setattr(checks, "__path__", [str(tmp_path)])
    assert checks.findings(frame)[["check", "message"]].to_numpy().tolist() == [["mine", "780 cells seen"]]


def test_a_precision_that_is_slower_than_fp32_is_flagged_and_a_faster_one_or_one_within_the_noise_is_not(frame):
    base = frame[frame["backend"].eq("pytorch") & frame["platform"].eq("cuda")]
    for factor, flagged in ((20.0, True), (1.02, False), (0.5, False)):
        half = base.assign(precision="fp16", cell_id=base["cell_id"] + "-fp16", latency_s=base["latency_s"] * factor)
        half["replicate_medians_s"] = [tuple(factor * value for value in medians) for medians in half["replicate_medians_s"]]
        both = noise.add_noise(pd.concat([base.assign(precision="fp32"), half], ignore_index=True))
        said = list(slower_precision.find(check_base.cells_of(both)))
        assert bool(said) is flagged
        assert not flagged or ("fp16 takes" in said[0][2] and said[0][1].endswith("-fp16") and len(said) == len(base))

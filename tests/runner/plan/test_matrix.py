"""matrix.yaml: what is taken, and the one line that says what is wrong."""

import os
import random

import pytest
from support import ROOT

from runner.errors import MatrixError
from runner.plan import matrix, plan

GOOD = "axes: {backend: noop, model: [resnet18, alexnet], batch_size: [1, 8], input_px: 224}\n"


def error_of(text, profile=None):
    with pytest.raises(MatrixError) as caught:
        matrix.parse(text, profile=profile)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("matrix.yaml: ")
    return message


def cells(text, platform="cpu", devices=("cpu",), profile=None, only=()):
    return plan.plan(matrix.parse(text, profile=profile), platform, devices, plan.parse_only(only))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("axis: 1", "key axis is unknown; did you mean axes?"),
        ("axes: {backend: noop, model: resnet81}", "axes.model: resnet81 is unknown; did you mean resnet18?"),
        ("axes: {backend: pytorh, model: resnet18}", "axes.backend: pytorh is unknown; did you mean pytorch?"),
        ("axes: {backend: [], model: resnet18}", "axes.backend: empty; give at least one value"),
        ("axes: {backend: noop}", "axes.model: missing; give a list"),
        ("axes: {backend: [noop, noop], model: resnet18}", "axes.backend: noop appears twice; keep one"),
        ("axes: {backend: noop, model: [alexnet, alexnet]}", "axes.model: alexnet appears twice; keep one"),
        (
            "axes: {backend: noop, model: alexnet, precision: fp8}",
            "axes.precision: fp8 is unknown; choose from fp32, tf32, fp16, bf16, int8",
        ),
        ("axes: {backend: noop, model: alexnet, scenario: throughputs}", "axes.scenario: throughputs is unknown; did you mean throughput?"),
        ("axes: {backend: noop, model: alexnet, batch_size: a}", "axes.batch_size: found a, a text; give a whole number"),
        ("axes: {backend: noop, model: alexnet, batch_size: true}", "axes.batch_size: found True, a true/false; give a whole number"),
        ("axes: {backend: noop, model: alexnet, batch_size: 0}", "axes.batch_size: 0 is out of range; give 1 to 65536"),
        ("axes: {backend: noop, model: alexnet, scenario: fast}", "axes.scenario: fast is unknown; choose from latency, throughput"),
        ("axes: {backend: noop, model: {nam: alexnet}}", "axes.model: key nam is unknown; did you mean name?"),
        ("protocol: {threads: 1}\n" + GOOD, "protocol.threads: found 1, a whole number; choose from cores, logical"),
        ("protocol: {replicates: three}\n" + GOOD, "protocol.replicates: found three, a text; give a whole number"),
        ("protocol: {replicates: 0}\n" + GOOD, "protocol.replicates: 0 is out of range; give 1 to 100"),
        ("protocol: {replikates: 3}\n" + GOOD, "protocol: key replikates is unknown; did you mean replicates?"),
        ("protocol: {min_samples: 50, max_samples: 20}\n" + GOOD, "protocol.max_samples: 20 is below min_samples, 50"),
        ("exclude: [{when: {backend: noop}}]\n" + GOOD, "exclude[0].reason: missing; every exclusion says why"),
        ("exclude: [{when: {}, reason: why}]\n" + GOOD, "exclude[0].when: empty; name at least one axis"),
        ("profiles: {fast: {axes: {batch_size: []}}}\n" + GOOD, "profiles.fast.axes.batch_size: empty; give at least one value"),
        ("[1, 2]", "found [1, 2], a list; give a mapping"),
        ("", "empty; give at least axes.backend and axes.model"),
        ("axes: {backend: noop\n", "line 2, column 1"),
        (GOOD + GOOD, "line 2, column 1: axes appears twice; keep one"),
    ],
)
def test_an_error_says_place_finding_and_remedy_in_one_line(text, expected):
    assert expected in error_of(text)


@pytest.mark.parametrize(
    "number", ["9" * 399, "-" + "9" * 399, "0x" + "f" * 5000, "0b" + "1" * 20000, ":".join(["59"] * 5000), "9" * 5000 + ".5", "1e999"]
)
@pytest.mark.parametrize("place", [
    "protocol: {interval: %s}", "protocol: {seed: %s}", "axes: {backend: noop, model: resnet18, batch_size: %s}", "accuracy: {data: x, mean: [%s, 1, 1]}",
    "axes: {backend: noop, model: {name: resnet18, num_classes: %s}}", "exclude: [{when: {batch_size: %s}, reason: x}]", "%s: 1",
])  # fmt: skip
def test_a_number_beyond_all_bounds_is_refused_in_a_line(place, number):
    assert len(error_of(place % number)) < 300


def test_an_unknown_profile_is_named_with_the_nearest():
    assert "profile quik is unknown; did you mean quick?" in error_of(GOOD + "profiles: {quick: {}}", "quik")


def test_a_missing_file_is_one_line():
    with pytest.raises(MatrixError) as caught:
        matrix.load("nowhere.yaml")
    assert str(caught.value).startswith("nowhere.yaml: no such file; name a matrix with --matrix")


def test_the_plan_is_the_product_of_the_axes_less_the_exclusions():
    planned = cells(GOOD + "exclude: [{when: {model: alexnet, batch_size: 8}, reason: too slow here}]")
    assert {(cell.model, cell.batch_size) for cell in planned.cells} == {("resnet18", 1), ("resnet18", 8), ("alexnet", 1)}
    assert [(cell.model, cell.batch_size, reason) for cell, reason in planned.excluded] == [("alexnet", 8, "too slow here")]


def test_the_order_is_random_but_the_same_for_the_same_seed():
    text = "protocol: {seed: %d}\naxes: {backend: noop, model: resnet18, batch_size: [1, 2, 3, 4, 5, 6, 7, 8]}"
    first, again, other = (cells(text % seed).cells for seed in (1, 1, 2))
    assert first == again and first != other and sorted(first) == sorted(other)
    assert [cell.batch_size for cell in first] != sorted(cell.batch_size for cell in first)


def test_a_profile_replaces_the_axes_that_it_names_and_a_list_of_axes_is_a_union():
    text = GOOD + "profiles: {both: {axes: [{model: alexnet}, {model: resnet18, batch_size: 1, scenario: [latency, throughput]}]}}"
    found = {(cell.model, cell.batch_size, cell.scenario) for cell in cells(text, profile="both").cells}
    latency = {("alexnet", 1, "latency"), ("alexnet", 8, "latency"), ("resnet18", 1, "latency")}
    assert found == latency | {("resnet18", 1, "throughput")}


def test_a_backend_without_the_device_is_left_out_with_that_reason():
    planned = cells("axes: {backend: noop, model: alexnet}", devices=("gpu",))
    assert not planned.cells and [reason for _, reason in planned.excluded] == ["noop has no gpu device"]


def test_only_keeps_the_cells_that_match_and_refuses_unknown_fields():
    assert {cell.model for cell in cells(GOOD, only=["model=alexnet", "batch_size=8"]).cells} == {"alexnet"}
    with pytest.raises(MatrixError) as caught:
        plan.parse_only(["modl=alexnet"])
    assert "did you mean model?" in str(caught.value)


def test_native_size_is_the_size_the_network_was_made_for():
    planned = cells("axes: {backend: noop, model: [inception_v3, resnet18], input_px: native}")
    assert {(cell.model, cell.input_px) for cell in planned.cells} == {("inception_v3", 299), ("resnet18", 224)}


def test_a_users_checkpoint_with_its_classes_and_size_is_a_model():
    loaded = matrix.parse("axes: {backend: noop, model: [{name: resnet18, weights: my.pt, num_classes: 100, input_px: 32, label: mine}]}")
    assert loaded.models["mine"].num_classes == 100
    assert [cell.input_px for cell in plan.plan(loaded, "cpu", ("cpu",)).cells] == [32]


def test_the_projects_matrix_has_its_profiles_and_the_studies_42_networks():
    path = os.path.join(ROOT, "matrix.yaml")
    quick = plan.plan(matrix.load(path, "quick"), "cpu", ("cpu",)).cells
    assert {cell.backend for cell in quick} == {"pytorch", "onnxruntime", "openvino"}
    assert len({cell.model for cell in quick}) >= 6 and {cell.batch_size for cell in quick} == {1, 8}
    assert "throughput" in {cell.scenario for cell in quick}
    full = matrix.load(path, "full")
    assert len(full.models) == 42 and full.blocks[0]["batch_size"] == [1, 2, 4, 8, 16, 32, 64]


def test_ids_of_cells_are_unique_and_fit_for_file_names():
    planned = cells(
        "axes: {backend: noop, model: ['timm:dpn68', resnet18], input_px: 224, batch_size: [1, 2], scenario: [latency, throughput]}"
    )
    ids = [cell.id for cell in planned.cells]
    assert len(set(ids)) == len(ids) == 8
    assert all(character.isalnum() or character in "._-" for cell_id in ids for character in cell_id)


def test_a_thousand_malformed_files_each_end_in_one_line_and_never_in_a_traceback():
    rng = random.Random(0)
    text = "protocol: {seed: 1, interval: 0.01, weights: random}\n" + GOOD
    text += "exclude:\n  - when: {device: myriad, batch_size: [2, 4]}\n    reason: batch 1 only\nprofiles:\n  quick:\n    axes: [{}, {scenario: throughput}]\n"
    for _ in range(1000):
        kind, at = rng.randrange(4), rng.randrange(len(text))
        if kind == 0:
            broken = text[:at] + rng.choice("{}[]:,&*!|>'\"%@`\t\0#-?\n") + text[at:]
        elif kind == 1:
            broken = text[:at] + text[at + rng.randrange(1, 40) :]
        elif kind == 2:
            words = text.split()
            broken = text.replace(rng.choice(words), rng.choice(words + ["null", "-1", "1e999", "2001-01-01", "!!python/object:os.system"]))
        else:
            broken = "".join(chr(rng.randrange(1, 300)) for _ in range(rng.randrange(60)))
        try:
            matrix.parse(broken, profile=rng.choice((None, "quick")))
        except MatrixError as error:
            assert "\n" not in str(error)

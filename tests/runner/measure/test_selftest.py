"""The self-test: rows from real records, and verdicts that tell a wrong result from a missing device."""

import json
import os
from dataclasses import replace

import pytest
import yaml

from runner.measure.selftest import agreement, full, quick, rows, selftest
from runner.measure.selftest.rows import Row
from runner.measure.selftest.trial import Trial
from runner.records.line import line_from

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..")
MIB = 2**20


def line(**changes):
    """A record of a cell, as far as the verdict reads it."""
    cell = dict(
        platform="cpu",
        input_px=224,
        backend="openvino",
        model=rows.NETWORK,
        precision="fp16",
        batch_size=1,
        scenario="latency",
        device="cpu",
    )
    cell.update(changes.pop("cell", {}))
    made = {"cell": cell, "status": "ok", "reason": None, "parity": {"max_rel": 1e-3}}
    made["replicates"] = [{"samples_s": [0.001, 0.002, 0.003], "executed": {"precision": "fp16"}}]
    head = {"kind": "cell", "id": "x", "run": "x", "environment": None}
    return line_from(dict(head, **dict(made, **changes)))


def gpu_line(energy_j=0.3, steady=400, peak=9000, **changes):
    """A record of a GPU's cell with memory in MiB and joules per image."""
    replicate = {
        "samples_s": [0.0202, 0.0204, 0.0206],
        "device_samples_s": [0.0200, 0.0202, 0.0204],
        "executed": {"precision": "fp32", "gpu_uuid": "GPU-1", "libraries": {"cudart": "13.0", "cudnn": "9.19.0", "cublas": "13.1.0"}},
        "sensors": {"nvml": {"uuid": "GPU-1", "energy_j": 40.0, "energy_j_per_image": energy_j, "clocks_locked": False}},
        "gpu_memory": {
            "steady_bytes": (steady + 500) * MIB,
            "peak_bytes": (peak + 500) * MIB,
            "allocator_steady_bytes": steady * MIB,
            "allocator_peak_bytes": peak * MIB,
        },
    }
    cell = {"backend": "pytorch", "model": "resnet50", "precision": "fp32", "batch_size": 64, "device": "gpu"}
    return line(cell=cell, replicates=[replicate], **changes)


INT8 = {
    "cell": {"precision": "int8"}, "parity": {"max_rel": 0.37, "cosine": 0.94},
    "replicates": [{"samples_s": [0.001], "executed": {"precision": "int8"}}],
}  # fmt: skip


@pytest.mark.parametrize(
    "changes,verdict,words",
    [
        ({}, "ok", "2 ms"),
        ({"status": "skipped", "reason": "no device"}, "skipped", "no device"),
        ({"status": "failed", "reason": "timeout", "replicates": []}, "wrong", "timeout"),
        ({"replicates": [{"samples_s": [0.1], "executed": {"precision": "fp32"}}]}, "wrong", "fp32 was executed"),
        ({"parity": {"max_rel": 0.5}}, "wrong", "found 0.5"),
        ({"parity": {"max_rel": None}}, "wrong", "found None"),
        ({"parity": None}, "ok", "not compared"),
        (INT8, "ok", "1 ms"),
        (dict(INT8, parity={"max_rel": 0.2, "cosine": 0.7}), "wrong", "found 0.7"),
        (dict(INT8, parity={"max_rel": None, "cosine": None}), "wrong", "found None"),
    ],
)
def test_a_row_is_ok_only_if_the_right_thing_ran_and_its_outputs_are_right(changes, verdict, words):
    row = rows.judged(line(**changes))
    assert row.verdict == verdict and words in row.detail


def test_it_proves_a_backend_by_running_it_and_names_what_is_not_here(tmp_path):
    seen = []
    result = selftest.run(str(tmp_path), report=seen.append, names=["noop", "tensorrt"])
    verdicts = {row.what: row.verdict for row in seen}
    assert verdicts["noop fp32 latency on cpu, batch 1"] == "ok"
    assert verdicts["tensorrt"] == "skipped"
    assert any(what.startswith("sensor ") for what in verdicts)
    assert [row["what"] for row in result["rows"]] == [row.what for row in seen] and result["counts"]["ok"] == 1


def test_its_file_names_no_host_no_folder_and_no_single_gpu(tmp_path):
    result = selftest.run(str(tmp_path), names=["noop"])
    assert len(json.dumps(result)) < 50000 and not {"host", "packages", "image", "container"} & set(result["facts"])
    assert selftest.without_identity({"gpus": [{"uuid": "GPU-1", "name": "T4"}]}) == {"gpus": [{"name": "T4"}]}
    said = selftest.without_paths("%s/cache/x and %s/y" % (tmp_path, os.path.expanduser("~")), str(tmp_path))
    assert said == ".../cache/x and .../y"


def test_what_the_budget_leaves_out_is_not_reached_and_never_passed(tmp_path):
    result = selftest.run(str(tmp_path), budget_s=1e-9, names=["noop"])
    cells = [row for row in result["rows"] if not row["what"].startswith("sensor")]
    assert [row["verdict"] for row in cells] == ["not reached"]
    trial = Trial(str(tmp_path), 10.0)
    assert not trial.has_time("heat", 1000.0) and trial.rows[0].verdict == "not reached"


def test_a_gpu_s_rows_hold_libraries_uuid_memory_and_energy():
    assert {row.verdict for row in quick.gpu([gpu_line()]) + quick.energy([gpu_line()])} == {"ok"}
    bare = gpu_line()
    (replicate,) = bare.replicates
    replicate.executed.update(gpu_uuid="GPU-2", libraries={"cudart": "13.0", "cudnn": None})
    bare.replicates[0] = replace(replicate, gpu_memory={"steady_bytes": None, "reason": "nvidia-ml-py is not installed"})
    replicate.sensors["nvml"].update(energy_j=None, reason="a window of 0.35 s is too short")
    found = {row.what: row for row in quick.gpu([bare]) + quick.energy([bare])}
    assert "cublas, cudnn" in found["CUDA's libraries as loaded"].detail
    wrong = {"CUDA's libraries as loaded", "NVML's GPU is CUDA's", "GPU memory of the tiny network", "energy of short cells"}
    assert {what for what, row in found.items() if row.verdict == "wrong"} == wrong


PEER = {
    "model": "resnet50", "batch": 64, "benchmark_s": 0.0206, "benchmark_after_s": 0.0205, "do_bench_s": 0.0201, "allocator_steady_bytes": 410 * MIB,
    "allocator_peak_bytes": 8900 * MIB, "energy_j_per_image": 0.31,
}  # fmt: skip


@pytest.mark.parametrize(
    "change,wrong",
    [
        ({}, None),
        ({"benchmark_s": 0.03, "benchmark_after_s": 0.03}, "torch.utils.benchmark"),
        ({"do_bench_s": 0.03}, "do_bench"),
        ({"allocator_steady_bytes": 4000 * MIB}, "steady memory"),
        ({"allocator_peak_bytes": 20000 * MIB}, "peak memory"),
        ({"energy_j_per_image": 3.0}, "energy"),
    ],
)
def test_a_number_that_another_tool_reads_otherwise_is_wrong(change, wrong):
    found = agreement.against("resnet50", gpu_line(), dict(PEER, **change), is_gpu=True)
    assert len(found) == 5
    assert [row.what for row in found if row.verdict != "ok"] == [row.what for row in found if wrong and wrong in row.what]


def test_a_machine_that_changes_between_two_readings_of_another_tool_is_not_taken_for_a_disagreement():
    row = agreement.in_turns("x", own_s=0.155, before_s=0.155, after_s=0.115, most=0.25)
    assert row.verdict == "not reached" and "the machine changed: 155 ms" in row.detail
    assert agreement.in_turns("x", own_s=0.155, before_s=0.12, after_s=0.115, most=0.25).verdict == "wrong"
    assert agreement.in_turns("x", own_s=0.135, before_s=0.13, after_s=0.115, most=0.25).verdict == "ok"


def test_a_time_beside_busy_others_is_not_held_against_other_tools():
    (row,) = agreement.against("x", gpu_line(quality=["contended"]), PEER, is_gpu=True)
    assert row.verdict == "not reached" and "others were busy" in row.detail


def test_a_number_that_is_missing_on_one_side_is_wrong_not_passed():
    assert rows.compared("x", [("J", None, 3.0, 0.1)]).verdict == "wrong"
    assert agreement.against("x", gpu_line(energy_j=None), PEER, is_gpu=True)[-1].verdict == "wrong"


def test_out_of_memory_is_proven_by_one_that_fits_one_that_does_not_and_a_larger_one_that_is_skipped():
    fits, large, larger = (line(cell={"batch_size": size}) for size in (1, full.TOO_LARGE, 2 * full.TOO_LARGE))
    large = replace(large, status="failed", reason="CUDA out of memory")
    larger = replace(larger, status="skipped", reason="batch 512 already failed")
    assert full.out_of_memory("x", [fits, large], [larger]).verdict == "ok"
    assert full.out_of_memory("x", [fits, large], []).verdict == "not reached"
    assert full.out_of_memory("x", [replace(fits, status="failed"), large], [larger]).verdict == "wrong"
    assert full.out_of_memory("x", [fits, replace(large, reason="timeout")], [larger]).verdict == "wrong"
    assert full.out_of_memory("x", [fits, large], [replace(larger, status="ok")]).verdict == "wrong"


def test_sustained_energy_that_forgets_images_is_wrong():
    own, long = gpu_line(), gpu_line(energy_j=3.6)
    long.replicates[0] = replace(long.replicates[0], sustained={"medians_s": [0.02] * 8, "ratio": 1.01})
    assert full.sustained("x", long, own).verdict == "wrong"
    long.replicates[0].sensors["nvml"]["energy_j_per_image"] = 0.33
    assert full.sustained("x", long, own) == Row("x", "ok", full.sustained("x", long, own).detail)
    assert full.sustained("x", own, own).verdict == "wrong"


def test_a_label_for_the_cpu_s_sake_does_not_prove_that_others_on_the_gpu_are_seen():
    shared = replace(gpu_line(), quality=["contended"], protocol={"contention_limit": 0.05})
    shared.replicates[0] = replace(shared.replicates[0], contention={"others_share": 0.9})
    assert full.labelled("x", shared, "cpu").verdict == "ok"
    for share, verdict in ((None, "wrong"), (0.0, "wrong"), (0.99, "ok")):
        shared.replicates[0].sensors["nvml"]["others_share"] = share
        assert full.labelled("x", shared, "gpu").verdict == verdict


def test_the_42_networks_are_those_of_the_matrix():
    with open(os.path.join(ROOT, "matrix.yaml"), encoding="utf-8") as file:
        zoo = yaml.safe_load(file)["profiles"]["zoo"]["axes"]["model"]
    assert list(full.ALL_42) == zoo

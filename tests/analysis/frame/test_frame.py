"""The frame: what is merged, what is set aside, what is derived."""

import json

import numpy as np
import pytest

from analysis.errors import FrameError
from analysis.frame import cached, columns, published
from analysis.frame.frame import latest, merge, ranked
from analysis.frame.row import percentiles
from analysis.merge import table
from tests.analysis.records import QUICK, cell_record, environment_record, frame_of, sweep, write


def test_files_and_folders_are_merged_into_one_frame(tmp_path):
    sweep(tmp_path / "a", models=QUICK, batch_sizes=(1,), throughput=False)
    merged = merge([tmp_path / "a", tmp_path / "a" / "synthetic-cpu-host0.jsonl"])
    assert len(merged.files) == 4
    assert set(merged.frame["platform"]) == {"synthetic-cpu", "synthetic-gpu", "synthetic-edge", "synthetic-stick"}


def test_torn_lines_duplicates_other_schemas_and_malformed_records_are_counted_not_fatal(tmp_path):
    good = cell_record("synthetic-cpu", "pytorch", "resnet18")
    path = write(
        tmp_path / "x.jsonl",
        [good, good, {**good, "id": "b", "schema_version": 99}, {**good, "id": "c", "cell": None}, {**good, "id": "d", "status": "fine"}],
        tail='{"kind',
    )
    merged = merge([path])
    assert len(merged.frame) == 1
    counts = {what.split()[0] + " " + what.split()[1]: count for (_, what), count in merged.problems.items()}
    assert counts == {"repeat an": 1, "have another": 1, "are not": 2, "are torn": 1}


def test_lines_that_are_json_but_no_object_are_set_aside(tmp_path):
    path = write(tmp_path / "x.jsonl", [cell_record("synthetic-cpu", "pytorch", "resnet18")], tail="[1]\n12\nnull\n\xff\n")
    assert len(merge([path]).frame) == 1


def test_the_same_id_in_two_files_is_one_record(tmp_path):
    record = cell_record("synthetic-cpu", "pytorch", "resnet18")
    write(tmp_path / "a.jsonl", [record])
    write(tmp_path / "b.jsonl", [record])
    assert len(merge([tmp_path]).frame) == 1


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(FrameError) as error:
        merge([tmp_path / "nowhere"])
    assert "nowhere" in str(error.value) and "\n" not in str(error.value)


def test_no_records_at_all_is_one_line(tmp_path):
    write(tmp_path / "x.jsonl", [], tail="{")
    with pytest.raises(FrameError, match=r"no records .* 1 lines? set aside|no records .*\(1 lines set aside\)"):
        merge([tmp_path])


def test_latency_is_the_median_of_the_replicates_medians():
    record = cell_record("synthetic-cpu", "pytorch", "resnet18", batch_size=4)
    for replicate, samples in zip(record["replicates"], ([1.0, 2.0, 9.0], [4.0, 4.0, 4.0], [3.0, 3.0, 3.0]), strict=True):
        replicate["samples_s"] = samples
    row = frame_of(record).iloc[0]
    assert row["replicate_medians_s"] == (2.0, 4.0, 3.0)
    assert row["latency_s"] == 3.0
    assert row["throughput"] == pytest.approx(4 / 3.0)


@pytest.mark.parametrize(("samples", "p90", "p99"), [(15, False, False), (16, True, False), (157, True, False), (158, True, True)])
def test_percentiles_need_enough_samples(samples, p90, p99):
    row = frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18", samples=samples)).iloc[0]  # times three replicates
    assert np.isfinite(row["latency_p90_s"]) == p90
    assert np.isfinite(row["latency_p99_s"]) == p99


def test_a_percentile_carries_the_interval_that_its_samples_give():
    row = frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18", samples=158)).iloc[0]
    for percent in (90, 95, 99):
        low, value, high = (row[f"latency_p{percent}{part}_s"] for part in ("_low", "", "_high"))
        assert low < value < high
    assert row["latency_p99_high_s"] - row["latency_p99_low_s"] > row["latency_p90_high_s"] - row["latency_p90_low_s"]


@pytest.mark.parametrize(("samples", "percent"), [(46, 90), (93, 95), (473, 99), (2000, 99)])
def test_the_interval_of_a_percentile_covers_it(samples, percent):
    rng = np.random.default_rng(samples)
    covered = 0
    for _ in range(1000):
        found = percentiles(sorted(rng.random(samples)))
        covered += found[f"latency_p{percent}_low_s"] <= percent / 100 <= found[f"latency_p{percent}_high_s"]
    assert 0.94 <= covered / 1000 <= 0.99


def test_a_throughput_cell_has_no_percentiles():
    row = frame_of(cell_record("synthetic-cpu", "openvino", "resnet18", scenario="throughput", samples=600)).iloc[0]
    assert row["in_flight"] == 4 and np.isnan(row["latency_p90_s"])


def test_noise_is_the_interquartile_range_over_the_median():
    record = cell_record("synthetic-cpu", "pytorch", "resnet18", replicates=1)
    record["replicates"][0]["samples_s"] = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert frame_of(record)["noise"].iloc[0] == pytest.approx(2 / 3)


def test_missing_is_not_zero():
    row = frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18", status="failed")).iloc[0]
    for name in ("latency_s", "throughput", "memory_mb", "energy_j", "power_w"):
        assert np.isnan(row[name]), name


def test_every_promised_column_is_there():
    assert set(columns.COLUMNS) <= set(frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18")).columns)


def test_the_latest_attempt_wins():
    frame = frame_of(
        cell_record("synthetic-cpu", "pytorch", "resnet18", attempt=1),
        cell_record("synthetic-cpu", "pytorch", "resnet18", attempt=2, load=3.0, id="2"),
    )
    assert latest(frame)["attempt"].tolist() == [2]


def test_contended_failed_and_anchor_rows_are_left_out_of_rankings():
    frame = frame_of(
        cell_record("synthetic-cpu", "pytorch", "resnet18"),
        cell_record("synthetic-cpu", "pytorch", "resnet34", contended=True),
        cell_record("synthetic-cpu", "pytorch", "resnet50", status="failed"),
        cell_record("synthetic-cpu", "pytorch", "vgg11", role="anchor", anchor="start"),
    )
    assert ranked(frame)["model"].tolist() == ["resnet18"]


def test_a_backend_that_executes_nothing_is_in_no_ranking():
    frame = frame_of(cell_record("c", "noop", "resnet18"), cell_record("c", "pytorch", "resnet18"))
    assert set(frame["backend"]) == {"noop", "pytorch"} and set(ranked(frame)["backend"]) == {"pytorch"}


def test_a_frame_that_changes_is_never_answered_from_memory_and_one_that_is_kept_is_asked_once():
    asked = []

    @cached.computed_once
    def rows(frame):
        asked.append(len(frame))
        return len(frame)

    frame = frame_of(cell_record("c", "pytorch", "resnet18"))
    assert [rows(frame), rows(frame)] == [1, 1] and len(asked) == 2
    with cached.keeping():
        assert [rows(frame), rows(frame), rows(frame.copy())] == [1, 1, 1] and len(asked) == 4
    assert rows(frame) == 1 and len(asked) == 5


def test_a_later_failure_does_not_leave_an_old_time_in_the_rankings():
    frame = frame_of(
        cell_record("synthetic-cpu", "pytorch", "resnet18"),
        cell_record("synthetic-cpu", "pytorch", "resnet18", attempt=2, status="failed", id="2"),
    )
    assert ranked(frame).empty


def test_hosts_that_share_a_platform_are_told_apart(tmp_path):
    for host in ("a", "b"):
        run = f"run-{host}"
        write(
            tmp_path / f"cpu-{host}.jsonl", [environment_record("cpu", run, host=host), cell_record("cpu", "pytorch", "resnet18", run=run)]
        )
    frame = merge([tmp_path]).frame
    assert sorted(frame["machine"]) == ["cpu @ a", "cpu @ b"]
    assert len(ranked(frame)) == 2


def test_series_names_what_varies_and_no_more():
    frame = frame_of(
        cell_record("synthetic-cpu", "pytorch", "resnet18"),
        cell_record("synthetic-cpu", "openvino", "resnet18"),
        cell_record("synthetic-cpu", "openvino", "resnet18", precision="int8"),
    )
    assert frame["series"].tolist() == ["pytorch", "openvino fp32", "openvino int8"]


def test_a_network_at_another_input_size_carries_it_in_its_name():
    frame = frame_of(*(cell_record("synthetic-cpu", "pytorch", m) for m in ("resnet18", "resnet34", "inception_v3")))
    assert frame["label"].tolist() == ["resnet18", "resnet34", "inception_v3 (299 px)"]


def test_environment_facts_become_columns_and_stay_with_their_records():
    frame = frame_of(
        environment_record("synthetic-cpu", frameworks={"torch": "2.13.0"}), cell_record("synthetic-cpu", "pytorch", "resnet18")
    )
    assert frame["env_frameworks_torch"].tolist() == ["2.13.0"]
    assert frame["env_cpu"].tolist() == ["Synthetic CPU, 2 cores"]
    assert not [c for c in frame if c.startswith("env_packages_")]


def test_published_accuracy_is_marked_and_belongs_to_its_input_size():
    frame = frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18"), cell_record("synthetic-cpu", "pytorch", "resnet18", input_px=32))
    assert frame["top1"].iloc[0] == 69.758 and frame["accuracy_source"].iloc[0] == "published"
    assert np.isnan(frame["top1"].iloc[1]) and frame["accuracy_source"].iloc[1] is None


def test_published_accuracy_belongs_to_the_weights_that_ran_and_is_shown_with_their_tag():
    cells = [
        cell_record("synthetic-cpu", "pytorch", "resnet50", weights=weights, weights_tag=tag)
        for weights, tag in (("random", None), ("pretrained", "IMAGENET1K_V1"), ("IMAGENET1K_V2", "IMAGENET1K_V2"), ("mine.pt", None))
    ]
    frame = frame_of(*cells)
    assert frame["top1"].tolist()[:3] == [76.13, 76.13, 80.858] and np.isnan(frame["top1"].iloc[3])
    assert [text.partition(",")[0] for text in frame["accuracy_weights"][:3]] == ["IMAGENET1K_V1", "IMAGENET1K_V1", "IMAGENET1K_V2"]


def test_int8_has_no_published_accuracy_and_coarse_formats_only_with_passed_parity():
    cells = [cell_record("synthetic-cpu", "pytorch", "resnet18", precision=precision) for precision in ("int8", "fp16", "bf16", "tf32")]
    cells[1]["parity"] = cells[2]["parity"] | {"max_rel": 0.5}
    frame = frame_of(*cells)
    assert frame["top1"].isna().tolist() == [True, True, False, False]
    assert "passed parity" in frame["accuracy_weights"].iloc[2] and "parity" not in frame["accuracy_weights"].iloc[3]


def test_every_published_value_names_its_source_and_a_network_has_that_of_its_librarys_weights():
    table = published.table()
    assert table["source"].notna().all() and table["top1"].between(5, 92).all()
    assert table.groupby(["model", "is_timm", "input_px"])["default"].sum().le(1).all()
    assert published.accuracy("timm:dpn92", 224)[0] == 80.032 and published.accuracy("nothing", 224) is None
    assert published.accuracy("timm:resnet18", 224)[0] == 71.504  # timm's default; torchvision's resnet18 has other weights
    assert published.accuracy("resnet18", 224)[0] == 69.758 and published.accuracy("resnet18", 288) is None
    assert published.accuracy("timm:resnet18.gluon_in1k", 224)[0] == 70.844
    assert published.accuracy("resnet50", 224, "IMAGENET1K_V3") is None


def accuracy_record(first, last, top1, top5=None, **changes):
    record = cell_record("synthetic-cpu", "pytorch", "resnet18", 32, id=f"accuracy-{first}-{changes}", kind="accuracy", replicates=0)
    part = {"data": "mine", "data_id": "d", "format": "folder", "data_images": 1000, "classes": 1000, "network": "n", "preprocessing": {"resize_px": 256}, "first": first, "last": last,
            "images": last - first, "unreadable": 0, "unreadable_first": None, "not_finite": 0, "top1": top1, "top5": top5, "executed": {}}  # fmt: skip
    return {**record, "accuracy": part, **changes}


def test_measured_accuracy_adds_up_its_parts_and_goes_before_the_published(tmp_path):
    lines = [
        cell_record("synthetic-cpu", "pytorch", "resnet18"),
        cell_record("synthetic-cpu", "openvino", "resnet18"),
        accuracy_record(0, 500, 350, 450),
        accuracy_record(500, 1000, 360, 460),
    ]
    frame = merge([write(tmp_path / "x.jsonl", lines)]).frame.set_index("backend", drop=False)
    assert frame.loc["pytorch", ["top1", "top5", "accuracy_source", "accuracy_images", "accuracy_data"]].tolist() == [
        71.0,
        91.0,
        "measured",
        1000,
        "mine",
    ]
    assert frame.loc["openvino", "top1"] == 71.0  # the same network: what is published of it is no longer shown


def test_a_part_counted_twice_counts_once_and_a_malformed_one_is_set_aside(tmp_path):
    lines = [
        cell_record("synthetic-cpu", "pytorch", "resnet18"),
        accuracy_record(0, 500, 350),
        accuracy_record(0, 500, 350, id="again"),
        accuracy_record(500, 600, 1, accuracy={}),
    ]
    merged = merge([write(tmp_path / "x.jsonl", lines)])
    assert merged.frame["top1"].tolist() == [70.0] and merged.frame["accuracy_images"].tolist() == [500]
    assert sum(merged.problems.values()) == 1


def test_memory_is_the_gpu_s_on_a_gpu_and_the_host_s_on_a_cpu():
    record = cell_record("synthetic-gpu", "pytorch", "resnet18")
    for replicate in record["replicates"]:
        replicate["sensors"] = {
            "memory": {"above_baseline_bytes": 2**20, "method": "VmHWM"},
            "nvml": {"peak_above_baseline_bytes": 5 * 2**20, "memory_method": "NVML process", "power_w": 90.0},
        }
        replicate["gpu_memory"] = {"steady_bytes": 3 * 2**20, "steady_method": "NVML process", "peak_bytes": 9 * 2**20}
    row = frame_of(record).iloc[0]
    assert (row["memory_mb"], row["memory_method"], row["power_w"]) == (3.0, "steady: NVML process", 90.0)
    assert row["memory_peak_mb"] == 9.0 and np.isnan(row["memory_sampled_mb"])
    record["cell"]["device"] = "cpu"
    for replicate in record["replicates"]:
        del replicate["gpu_memory"]
    row = frame_of(record).iloc[0]
    assert (row["memory_mb"], row["memory_method"]) == (1.0, "memory: VmHWM") and np.isnan(row["power_w"])


def test_a_gpu_s_memory_that_mixes_steady_and_peak_never_enters_a_figure_of_steady_memory():
    record = cell_record("synthetic-gpu", "pytorch", "resnet18")
    for replicate in record["replicates"]:
        replicate["sensors"] = {"nvml": {"peak_above_baseline_bytes": 5 * 2**20, "memory_method": "NVML process"}}
    row = frame_of(record).iloc[0]
    assert row["memory_sampled_mb"] == 5.0 and row["memory_method"] == "nvml: NVML process"
    assert np.isnan(row["memory_mb"]) and np.isnan(row["memory_peak_mb"])


def test_a_line_of_where_the_time_goes_is_no_row_and_no_problem(tmp_path):
    cell = cell_record("synthetic-cpu", "pytorch", "resnet18")
    line = {
        **cell,
        "kind": "profile",
        "id": "p",
        "profile": {"method": "counters", "groups": {"conv": {"count": 20, "s": 0.1}}, "timed_s": 0.09},
    }
    failed = {**line, "id": "q", "status": "failed", "profile": None}
    for torn in ({"groups": {"conv": {"s": "long"}}}, {"groups": {}}, None):
        merged = merge([write(tmp_path / "x.jsonl", [cell, line, failed, {**line, "id": "r", "profile": torn}])])
        assert len(merged.frame) == 1 and sum(merged.problems.values()) == 1
        assert [(one.model, one.groups) for one in merged.profiles] == [("resnet18", {"conv": 0.1})]
        cached = table.merge([tmp_path / "x.jsonl"], tmp_path / f"cache{len(str(torn))}")
        assert cached.profiles == merged.profiles and cached.problems == merged.problems


def test_a_sensor_that_says_why_it_can_t_read_gives_nothing():
    record = cell_record("synthetic-gpu", "pytorch", "resnet18")
    for replicate in record["replicates"]:
        replicate["sensors"] = {"memory": None, "nvml": {"energy_j_per_image": None, "power_w": None, "reason": "too short"}}
    row = frame_of(record).iloc[0]
    assert np.isnan(row["energy_j"]) and np.isnan(row["power_w"]) and np.isnan(row["memory_mb"])


def test_the_synthetic_records_hold_what_the_schema_says():
    from runner.records.schema import FIELDS

    record = json.loads(json.dumps(cell_record("synthetic-cpu", "pytorch", "resnet18")))
    top = {path.split(".")[0].split("[")[0].split("{")[0] for path, *_ in FIELDS}
    assert top - {"accuracy", "profile", "task"} <= set(
        record
    )  # accuracy, profile: kinds of line of their own; task: of a fleet's run alone
    replicate = {path.split(".")[1].split("[")[0].split("{")[0] for path, *_ in FIELDS if path.startswith("replicates[].")}
    assert replicate - {"sustained", "gpu_memory"} <= set(record["replicates"][0])

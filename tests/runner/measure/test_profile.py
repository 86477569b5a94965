"""Where a network's time goes: groups of operators, the record's line, and the framework's own counters."""

import json

import pytest
from support import dyno, need_torch, records

from runner.backends.tensorrt import engine
from runner.measure import profile


@pytest.mark.parametrize(
    "operator, group",
    [
        ("aten::mkldnn_convolution", "conv"), ("FusedConv", "conv"), ("Conv + Relu", "conv"), ("aten::addmm", "matmul"), ("Gemm", "matmul"),
        ("BatchNormalization", "norm"), ("aten::max_pool2d_with_indices", "pool"), ("ReorderInput", "copy"), ("Concat", "copy"),
        ("aten::hardtanh_", "elem"), ("Subgraph", "elem"), ("NonMaxSuppression", "other"),
    ],
)  # fmt: skip
def test_operators_of_every_framework_fall_into_the_same_groups(operator, group):
    assert profile.group_of(operator) == group


def test_times_are_per_batch_and_add_up_over_groups():
    made = profile.summed("counters", [("Conv", 40, 0.2), ("Relu", 40, 0.04), ("Gemm", 2, 0.01)], 2, 0.3)
    assert made["sum_s"] == pytest.approx(0.125) and made["batches"] == 2
    assert [one["type"] for one in made["operators"]] == ["Conv", "Relu", "Gemm"]
    assert made["groups"]["conv"] == {"count": 20.0, "s": pytest.approx(0.1)}


def test_profile_times_a_network_watches_it_and_keeps_a_line_of_it(tmp_path):
    need_torch()
    arguments = ("runner.networks.tiny:network", "--backend", "onnxruntime", "--input-px", "32", "-r", str(tmp_path))
    code, out, err = dyno("profile", *arguments)
    assert code == 0, err
    assert "conv" in out and "median where nobody watched" in out
    (line,) = records(tmp_path, kind="profile")
    told = line["profile"]
    assert told["groups"]["conv"]["count"] == 3 and told["timed_s"] > 0 and told["method"].startswith("ONNX Runtime")


@pytest.mark.any_python
def test_what_can_t_be_profiled_is_said_in_one_line(tmp_path):
    code, _, err = dyno("profile", "resnet18", "--backend", "noop", "--input-px", "32", "-r", str(tmp_path))
    assert code == 1 and "has no profiler" in err
    code, _, err = dyno("profile", "resnet18", "--backend", "nothing", "-r", str(tmp_path))
    assert code == 2 and "nothing is unknown" in err


def test_a_protocol_that_says_profile_adds_one_after_each_cell(tmp_path):
    need_torch()
    path = tmp_path / "m.yaml"
    axes = {"backend": "onnxruntime", "model": "runner.networks.tiny:network", "input_px": 32}
    protocol = {"profile": True, "replicates": 1, "max_time_s": 0.2, "min_time_s": 0.1, "quiet_wait_s": 0, "contention_retries": 0}
    path.write_text(json.dumps({"protocol": protocol, "axes": axes}))
    code, _, err = dyno("run", "-m", str(path), "-r", str(tmp_path))
    assert code == 0, err
    (cell,), (line,) = records(tmp_path), records(tmp_path, kind="profile")
    assert line["cell_id"] == cell["cell_id"] and min(cell["replicates"][0]["samples_s"]) <= line["profile"]["timed_s"]


class Trt:
    """The part of TensorRT's API that profiling touches."""

    class IProfiler:
        pass


class Lane:
    """Reports two layers per batch, as a context with a profiler does."""

    class stream:
        @staticmethod
        def synchronize():
            pass

    def profile_with(self, profiler):
        self.profiler = profiler

    def enqueue(self):
        self.profiler.report_layer_time("/features/conv1/Conv + /features/relu1/Relu", 2.0)
        self.profiler.report_layer_time("Reformatting CopyNode for Input Tensor 0 to Conv_0", 1.0)


def test_tensorrts_layers_are_summed_without_their_numbers():
    found = engine.profiled(Trt, Lane(), 3)
    assert sorted((count, round(seconds, 6)) for _, count, seconds in found) == [(3, 0.003), (3, 0.006)]
    assert {profile.group_of(kind) for kind, _, _ in found} <= {"conv", "copy", "elem"}

"""Backends on the CPU with their real frameworks, as far as these are installed."""

import functools
import os
import shutil

import numpy
import pytest
import tiny_network

from runner import backends
from runner.errors import Unsupported

FRAMEWORKS = [name for name in ("pytorch", "onnxruntime", "openvino") if backends.available(name) is None]
SCENARIOS = ("latency", "throughput")


def loaded(name, job):
    backend = backends.create(name)(job)
    backend.load()
    backend.stage(tiny_network.arrays()["input"])
    return backend


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_fp32_means_fp32_and_agrees_with_pytorch(name, scenario, tmp_path):
    backend = loaded(name, tiny_network.job(tmp_path, scenario=scenario, threads=2))
    backend.infer()
    assert tiny_network.difference(backend.outputs()) < 1e-5
    for count in (1, 2 * backend.in_flight + 1):
        ended = []
        backend.infer_many(count)
        backend.infer_many(count, functools.partial(ended.append, None))
        assert len(ended) == count or (scenario == "latency" and not ended)
    assert tiny_network.difference(backend.outputs()) < 1e-5
    executed = backend.executed()
    assert executed["precision"] == "fp32" and executed["threads"] == 2
    assert backend.in_flight == 1 or scenario == "throughput"
    assert backend.load_cached is False and backend.device_latency() is None
    backend.close()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_new_input_gives_a_new_output(name, tmp_path):
    backend = loaded(name, tiny_network.job(tmp_path))
    backend.infer()
    first = backend.outputs().copy()
    backend.stage(numpy.zeros_like(tiny_network.arrays()["input"]))
    backend.infer()
    assert abs(backend.outputs() - first).max() > 1e-3
    backend.close()


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("device", ("gpu", "cpu"))
def test_what_can_not_work_here_is_unsupported_with_a_reason(name, device, tmp_path):
    """No test machine has a GPU that these CPU builds could use, and no CPU computes in tf32."""
    precision = "fp32" if device == "gpu" else "tf32"
    with pytest.raises(Unsupported) as error:
        backends.create(name)(tiny_network.job(tmp_path, device=device, precision=precision)).load()
    assert len(str(error.value)) > 20 and "\n" not in str(error.value)


def pytorch(tmp_path, **wanted):
    backend = loaded("pytorch", tiny_network.job(tmp_path, **wanted))
    backend.infer()
    return backend


if "pytorch" in FRAMEWORKS:
    import torch

    @pytest.mark.parametrize("variant", ("eager", "channels_last", "torchscript"))
    def test_pytorchs_variants_compute_the_same(variant, tmp_path):
        backend = pytorch(tmp_path, variant=variant)
        assert tiny_network.difference(backend.outputs()) < 1e-5
        executed = backend.executed()
        assert executed["variant"] == variant
        assert executed["layout"] == ("channels_last" if variant == "channels_last" else "contiguous")
        assert executed["tf32_matmul"] is False and executed["tf32_cudnn"] is False

    def test_pytorch_computes_in_bf16_when_asked_or_names_the_operator_that_can_not(tmp_path):
        try:
            backend = pytorch(tmp_path, precision="bf16")
        except Unsupported as error:  # 1.10 on the CPU
            assert "not implemented for 'BFloat16'" in str(error)
            return
        assert backend.executed()["precision"] == "bf16"
        assert 1e-5 < tiny_network.difference(backend.outputs()) < 0.05

    def test_pytorchs_int8_is_static_calibrated_and_counted(tmp_path):
        backend = pytorch(tmp_path, precision="int8")
        executed = backend.executed()
        assert executed["precision"] == "int8" and executed["int8_method"].startswith("static") and executed["int8_layers"] >= 4
        assert executed["calibration"] == "32 synthetic images, seed 1"
        assert 1e-5 < tiny_network.difference(backend.outputs()) < 0.2

    def test_a_network_that_can_not_be_traced_keeps_int8_for_its_linear_layers(tmp_path):
        class Branches(torch.nn.Module):
            def __init__(self):
                torch.nn.Module.__init__(self)
                self.inner = tiny_network.module()

            def forward(self, x):
                return self.inner(x) if x.sum() < 1e9 else x

        backend = loaded("pytorch", tiny_network.job(tmp_path, precision="int8", network=Branches))
        backend.infer()
        executed = backend.executed()
        assert executed["int8_method"] == "dynamic, linear layers alone" and executed["int8_layers"] == 1 and executed["static_int8_error"]

    @pytest.mark.parametrize(
        "variant,precision,words", [("cudagraphs", "fp32", "need a GPU"), ("autocast", "fp32", "autocast computes in fp16 or bf16")]
    )
    def test_pytorch_says_why_a_variant_can_not_work(variant, precision, words, tmp_path):
        with pytest.raises(Unsupported) as error:
            pytorch(tmp_path, variant=variant, precision=precision)
        assert words in str(error.value)

    def test_torch_compile_is_compiled_in_load_or_unsupported(tmp_path, monkeypatch):
        if hasattr(torch, "compile"):
            monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
            compiled = []
            backend = pytorch(tmp_path, variant="compile")
            assert len(compiled) == 1 and backend.executed()["graph_breaks"] == 0
            monkeypatch.delattr(torch, "compile")
        with pytest.raises(Unsupported) as error:
            pytorch(tmp_path, variant="compile")
        assert "no torch.compile" in str(error.value)


if "onnxruntime" in FRAMEWORKS:
    import onnxruntime

    def test_a_silent_fallback_to_the_cpu_fails(tmp_path, monkeypatch):
        """The CPU build is told that it has CUDA, and really falls back without a word."""
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
        with pytest.raises(RuntimeError) as error:
            backends.create("onnxruntime")(tiny_network.job(tmp_path, device="gpu")).load()
        assert "silently fell back: asked for CUDAExecutionProvider, got CPUExecutionProvider" in str(error.value)

    def test_operators_left_to_the_cpu_are_found_by_profile_and_by_assignment(tmp_path):
        from runner.backends.onnxruntime import files as onnxruntime_files

        feeds = {"input": tiny_network.arrays()["input"]}
        cpu = "CPUExecutionProvider"
        nodes, written = onnxruntime_files.profiled(tiny_network.ONNX, onnxruntime.SessionOptions(), [cpu], feeds, str(tmp_path))
        assert set(nodes) == {cpu} and "Conv" in onnxruntime_files.left_on_cpu(nodes, written, cpu)
        gpu = {"CUDAExecutionProvider": {"Conv": 10**9}, cpu: {"Shape": 64, "Gather": 8}}
        assert onnxruntime_files.left_on_cpu({cpu: {"Shape": 3, "Gather": 2}}, gpu, cpu) == ""
        gpu[cpu]["Clip"] = 10**9
        assert onnxruntime_files.left_on_cpu({cpu: {"Shape": 3, "Gather": 2, "Clip": 35}}, gpu, cpu).startswith("35 Clip, 3 Shape")
        assert list(tmp_path.iterdir()) == []
        backend = loaded("onnxruntime", tiny_network.job(tmp_path))
        assigned = onnxruntime_files.operators_by_provider(backend._session)
        assert assigned is None or "Conv" in assigned[cpu]

    def test_onnxruntimes_int8_really_computes_in_int8(tmp_path):
        try:
            backend = loaded("onnxruntime", tiny_network.job(tmp_path, precision="int8"))
        except Unsupported as error:  # onnx or what it needs isn't there
            assert "No module named" in str(error)
            return
        backend.infer()
        executed = backend.executed()
        assert executed["precision"] == "int8" and executed["operators"]["QLinearConv"] == 3
        assert executed["calibration"] == "32 synthetic images, seed 1"
        assert 1e-5 < tiny_network.difference(backend.outputs()) < 0.2

    def test_an_int8_network_that_stays_in_float_fails(tmp_path, monkeypatch):
        from runner.backends import _onnx_int8

        monkeypatch.setattr(_onnx_int8, "qdq", lambda job, tensorrt: (shutil.copy(tiny_network.ONNX, str(tmp_path)), "nothing"))
        with pytest.raises(RuntimeError) as error:
            loaded("onnxruntime", tiny_network.job(tmp_path, precision="int8"))
        assert "none of the network in int8" in str(error.value)


if "openvino" in FRAMEWORKS:

    def test_openvino_is_asked_for_f32_and_what_it_compiled_is_read_back(tmp_path):
        backend = loaded("openvino", tiny_network.job(tmp_path))
        backend.infer()
        executed = backend.executed()
        assert set(executed["compute_operators"]) == {"fp32"}
        properties = executed["properties"]
        assert properties.get("INFERENCE_PRECISION_HINT", "f32") == "f32" and properties.get("ENFORCE_BF16", "NO") == "NO"

    def test_a_file_with_fp16_weights_is_computed_in_fp32_where_that_is_asked_and_the_record_says_both(tmp_path):
        from runner.backends import _onnx_fp16
        from runner.measure import as_labelled

        try:
            path = _onnx_fp16.converted_file(tiny_network.job(tmp_path))
        except Unsupported as error:  # onnx isn't there
            assert "onnx" in str(error)
            return
        job = tiny_network.job(tmp_path, onnx_path=path, own_precision="fp16")
        backend = backends.create("openvino")(job)
        backend.load()
        backend.stage(tiny_network.arrays()["input"].astype("float16"))
        backend.infer()
        executed = backend.executed()
        assert set(executed["compute_operators"]) == {"fp32"}  # as compiled, not as asked
        assert (executed["precision"], executed["weights_precision"]) == ("fp32", "fp16")
        as_labelled.check(job, executed, backend.outputs())

    def test_openvino_that_computes_in_another_precision_than_asked_fails(tmp_path, monkeypatch):
        module = __import__("runner.backends.openvino.backend", fromlist=["Network"])
        monkeypatch.setattr(module.Network, "operators", lambda self: [("Convolution", "bf16", 3)])
        with pytest.raises(RuntimeError) as error:
            loaded("openvino", tiny_network.job(tmp_path))
        assert "in bf16 though fp32" in str(error.value)

    def test_openvinos_int8_is_calibrated_by_nncf_or_unsupported(tmp_path):
        job = tiny_network.job(tmp_path, precision="int8")
        try:
            backend = loaded("openvino", job)
        except Unsupported as error:
            assert "nncf" in str(error).lower()
            return
        backend.infer()
        executed = backend.executed()
        assert executed["precision"] == "int8" and sum(executed["compute_operators"]["int8"].values()) >= 3
        assert executed["calibration"] == "32 synthetic images, seed 1"

    @pytest.mark.parametrize("precision,batch_size,words", [("fp32", 1, "MYRIAD computes in fp16"), ("fp16", 2, "batch size 1")])
    def test_a_stick_takes_fp16_and_one_image_at_a_time(precision, batch_size, words, tmp_path):
        with pytest.raises(Unsupported) as error:
            loaded("openvino", tiny_network.job(tmp_path, device="myriad", precision=precision, batch_size=batch_size))
        assert words in str(error.value)

    def test_a_file_with_an_open_batch_is_measured_at_the_cells_batch_size(tmp_path):
        """hard_sigmoid.onnx is log_softmax(hardsigmoid(mean of each channel)), with any number of images."""
        job = tiny_network.job(tmp_path, batch_size=2, onnx_path=os.path.join(tiny_network.DATA, "hard_sigmoid.onnx"))
        backend = backends.create("openvino")(job)
        backend.load()
        x = numpy.random.RandomState(0).standard_normal((2,) + tiny_network.SHAPE).astype("float32")
        backend.stage(x)
        backend.infer()
        logits = numpy.clip(x.mean(axis=(2, 3)) / 6 + 0.5, 0, 1)
        assert abs(backend.outputs() - (logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True)))).max() < 1e-5

    def test_operators_that_a_stick_does_not_have_are_named(tmp_path):
        """2021.4's plugin answers without a stick; later packages have no plugin."""
        job = tiny_network.job(tmp_path, device="myriad", precision="fp16", onnx_path=os.path.join(tiny_network.DATA, "hard_sigmoid.onnx"))
        with pytest.raises(Unsupported) as error:
            loaded("openvino", job)
        assert "1 HardSigmoid, 1 LogSoftmax" in str(error.value) or "not registered" in str(error.value)

    def test_no_stick_is_a_failure_and_no_plugin_for_it_is_unsupported(tmp_path):
        """Only 2021.4's package has the plugin: the network passes its check of operators, then no stick is found."""
        with pytest.raises((Unsupported, RuntimeError)) as error:
            loaded("openvino", tiny_network.job(tmp_path, device="myriad", precision="fp16"))
        assert "NC_ERROR" in str(error.value) or (isinstance(error.value, Unsupported) and "not registered" in str(error.value))

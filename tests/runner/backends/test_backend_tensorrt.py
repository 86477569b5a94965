"""The TensorRT backend's decisions against recorded descriptions of five generations of its API; no TensorRT runs here."""

import importlib
import importlib.util
import sys

import pytest
import tensorrt_stand_in
import tiny_network
from tensorrt_stand_in import GENERATIONS

from runner.backends.tensorrt import build as trt_build
from runner.backends.tensorrt import engine as trt_engine
from runner.errors import Unsupported

NAMED = ("8_5", "10", "11")


@pytest.fixture
def module(monkeypatch):
    """Import the backend over a stand-in: ``module("8_5")``."""

    def over(generation, **imagined):
        monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_stand_in.TensorRT(generation))
        monkeypatch.delitem(sys.modules, "runner.backends.tensorrt.backend", raising=False)
        backend = importlib.import_module("runner.backends.tensorrt.backend")
        monkeypatch.setattr(backend, "torch", tensorrt_stand_in.torch(**imagined))
        return backend

    yield over
    sys.modules.pop("runner.backends.tensorrt.backend", None)


def test_bindings_without_their_libraries_are_said_with_what_mends_it(tmp_path, monkeypatch):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvonnxparser.so.10: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("tensorrt", "runner.backends.tensorrt.backend"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(RuntimeError, match="can't be loaded: libnvonnxparser.so.10: .* --runtime nvidia"):
        importlib.import_module("runner.backends.tensorrt.backend")


def loaded(module, job):
    backend = module.Backend(job)
    backend.load()
    return backend


def gpu(tmp_path, **wanted):
    return tiny_network.job(tmp_path, device=wanted.pop("device", "gpu"), **wanted)


def calls(backend_module, name):
    return [call[1:] for call in backend_module.trt.calls if call[0] == name]


@pytest.mark.parametrize("scenario", ("latency", "throughput"))
@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_builds_loads_and_answers_with_nothing_but_its_own_api(generation, scenario, module, tmp_path):
    backend = loaded(module(generation), gpu(tmp_path, scenario=scenario))
    x = tiny_network.arrays()["input"]
    backend.stage(x)
    backend.infer()
    assert backend.outputs() == pytest.approx(float(x.sum()), rel=1e-4) and backend.outputs().shape == (1, 10)
    backend.stage(2 * x)
    ended = []
    backend.infer_many(3, lambda: ended.append(1))
    assert backend.outputs() == pytest.approx(2 * float(x.sum()), rel=1e-4) and len(ended) == 3
    bring, fetch, host_memory = backend.transfers(3 * x)
    bring()
    backend.infer()
    fetch()
    assert backend.outputs() == pytest.approx(3 * float(x.sum()), rel=1e-4) and host_memory == "pinned"
    assert backend.device_latency() == 0.0025
    assert backend.in_flight == (2 if scenario == "throughput" else 1) == len({lane.stream.cuda_stream for lane in backend._lanes})
    assert backend.memory()["tensorrt_device_memory"] == backend.in_flight << 20
    executed = backend.executed()
    assert executed["precision"] == "fp32" and executed["typing"] == ("strong" if generation == "11" else "weak")
    assert executed["layer_formats"] == (None if generation == "7_1" else {"Row major linear FP32": 1})
    backend.close()


def test_the_precision_is_read_from_what_the_layers_put_out_not_from_what_was_asked():
    half, full = "Thirty-two wide channel vectorized row major FP16 format", "Row major linear FP32"
    computed = sys.modules["runner.backends.tensorrt.engine"].computed_precision
    assert computed({half: 20, full: 1}, "fp16") == "fp16" and computed({full: 20}, "fp16") == "fp32"
    assert computed({half: 20, full: 1}, "fp32") == "fp16"  # a file whose weights are fp16
    assert computed({full: 20}, "tf32") == "tf32" and computed({full: 20, "Int8": 3}, "int8") == "int8"
    assert computed({full: 20}, "int8") == "fp32" and computed({"DLA linear BF16 format": 2}, "bf16") == "bf16"
    assert computed(None, "int8") == "int8" and computed({"Unknown format": 2}, "fp16") == "fp16"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_workspace_is_always_set(generation, module, tmp_path):
    loaded(module(generation), gpu(tmp_path))
    trt = sys.modules["tensorrt"]
    if generation in NAMED:
        assert ("set_memory_pool_limit", "WORKSPACE", 2 << 30) in trt.calls
    else:
        assert ("max_workspace_size", 2 << 30) in trt.calls


@pytest.mark.parametrize("generation,precision,flags", [
    ("7_1", "fp32", []), ("7_1", "tf32", ["TF32"]), ("8_2", "fp16", ["FP16"]), ("8_5", "int8", ["INT8"]), ("10", "bf16", ["BF16"]), ("11", "fp32", []), ("11", "tf32", ["TF32"]),
])  # fmt: skip
def test_precision_is_a_builder_flag_and_fp32_clears_tf32(generation, precision, flags, module, tmp_path):
    over = module(generation, capability=(8, 0))
    backend = loaded(over, gpu(tmp_path, precision=precision))
    assert calls(over, "build_engine" if generation == "7_1" else "build_serialized_network") == [(flags,)]
    assert backend.executed()["builder_flags"] == flags


@pytest.mark.parametrize(
    "generation,variant,bits", [("7_1", None, 1), ("8_5", "weak", 1), ("10", None, 1), ("10", "strong", 3), ("11", None, 1)]
)
def test_networks_have_an_explicit_batch_and_are_typed_as_asked(generation, variant, bits, module, tmp_path):
    """Bit 0 is the first flag of the generation by name: EXPLICIT_BATCH up to 10, STRONGLY_TYPED in 11."""
    over = module(generation)
    loaded(over, gpu(tmp_path, variant=variant))
    assert calls(over, "create_network") == [(bits,)]


@pytest.mark.parametrize("generation,variant", [("10", "strong"), ("11", None)])
def test_a_strongly_typed_fp16_network_is_an_fp16_file_without_flags(generation, variant, module, tmp_path):
    import onnx

    over = module(generation)
    backend = loaded(over, gpu(tmp_path, precision="fp16", variant=variant))
    assert calls(over, "build_serialized_network") == [([],)]
    (converted,) = (tmp_path / "fp16").glob("*.onnx")
    graph = onnx.load(str(converted)).graph
    types = {item.type.tensor_type.elem_type for item in list(graph.input) + list(graph.output)} | {
        tensor.data_type for tensor in graph.initializer
    }
    assert onnx.TensorProto.FLOAT16 in types and onnx.TensorProto.FLOAT not in types
    assert backend.executed()["precision"] == "fp32"  # what its layers put out, until they put out something else
    over.trt.layer_format = "Row major linear FP16 format"
    assert backend.executed()["precision"] == "fp16"


@pytest.mark.parametrize("generation", ("7_1", "8_2", "8_5", "10"))
def test_int8_is_calibrated_by_images_in_device_memory(generation, module, tmp_path):
    over = module(generation)
    backend = loaded(over, gpu(tmp_path, precision="int8"))
    ((calibrator,),) = calls(over, "int8_calibrator")
    assert calibrator.get_batch_size() == 1
    addresses = [calibrator.get_batch(["input"]) for _ in range(33)]
    assert len({tuple(address) for address in addresses[:32]}) == 1 and addresses[32] is None
    assert tensorrt_stand_in.Tensor.at[addresses[0][0]].array.std() > 0.1
    assert calibrator.read_calibration_cache() is None
    assert backend.executed()["calibration"] == "32 synthetic images, seed 1"


def test_int8_without_calibrators_is_an_explicit_qdq_file(module, tmp_path, monkeypatch):
    from runner.backends import _onnx_int8

    asked = []
    monkeypatch.setattr(_onnx_int8, "qdq", lambda job, tensorrt: asked.append(tensorrt) or (tiny_network.ONNX, "32 images of cats"))
    backend = loaded(module("11"), gpu(tmp_path, precision="int8"))
    assert asked == [True] and backend.executed()["calibration"] == "32 images of cats" and backend.executed()["builder_flags"] == []


def test_an_engine_is_built_once_and_then_loaded(module, tmp_path):
    first = loaded(module("10"), gpu(tmp_path))
    assert first.load_cached is False
    over = module("10")
    second = loaded(over, gpu(tmp_path))
    assert second.load_cached is True and over.trt.calls == []
    assert second.executed()["build_s"] == first.executed()["build_s"] > 0


@pytest.mark.parametrize("change", ("precision", "device", "onnx", "generation", "typing", "gpu"))
def test_an_engine_is_built_anew_when_anything_that_matters_changes(change, module, tmp_path):
    wanted = {"precision": "fp16"}
    loaded(module("10"), gpu(tmp_path, **wanted))
    imagined = {"capability": (8, 9)} if change == "gpu" else {}
    over = module("8_5" if change == "generation" else "10", **imagined)
    over.trt.dla_cores = 1
    if change == "precision":
        wanted["precision"] = "int8"
    elif change == "device":
        wanted["device"] = "dla"
    elif change == "typing":
        wanted["variant"] = "strong"
    elif change == "onnx":
        other = tmp_path / "other.onnx"
        with open(tiny_network.ONNX, "rb") as file:
            other.write_bytes(file.read() + b"\n")
        wanted["onnx_path"] = str(other)
    assert loaded(over, gpu(tmp_path, **wanted)).load_cached is False


def test_timings_are_kept_and_used_for_the_next_engine_and_damaged_ones_are_not(module, tmp_path):
    loaded(module("10"), gpu(tmp_path))
    over = module("10")
    loaded(over, gpu(tmp_path, precision="fp16"))
    assert calls(over, "create_timing_cache") == [(b"timings",)]
    (kept,) = (tmp_path / "tensorrt").glob("*.timing")
    kept.write_bytes(b"damaged")
    over = module("10")
    loaded(over, gpu(tmp_path, precision="int8"))
    assert calls(over, "create_timing_cache") == [(b"damaged",), (b"",)]


def test_a_build_that_fails_says_why_and_keeps_its_log(module, tmp_path, capsys):
    over = module("8_2")
    over.trt.build_fails = True
    with pytest.raises(RuntimeError) as error:
        loaded(over, gpu(tmp_path))
    assert "no implementation for node Conv_7" in str(error.value)
    (log,) = (tmp_path / "tensorrt").glob("*.log")
    assert log.name in str(error.value) and "Conv_7" in log.read_text() and "Conv_7" in capsys.readouterr().err


def test_a_network_that_the_parser_refuses_is_unsupported_with_its_words(module, tmp_path):
    over = module("7_1")
    over.trt.parse_errors = ["In node 3 (importHardSwish): UNSUPPORTED_NODE"]
    with pytest.raises(Unsupported) as error:
        loaded(over, gpu(tmp_path))
    assert "importHardSwish" in str(error.value) and "7_1" in str(error.value)


@pytest.mark.parametrize("generation,wanted,capability,words", [
    ("8_2", {"precision": "int8"}, (5, 3), "no fast int8"),  # Jetson Nano
    ("8_2", {"precision": "int8"}, (6, 2), "no fast int8"),  # Jetson TX2
    ("8_2", {"precision": "fp16"}, (5, 2), "no fast fp16"),
    ("8_5", {"precision": "tf32"}, (7, 5), "no fast tf32"),
    ("8_5", {"precision": "bf16"}, (8, 0), "bf16 needs TensorRT 9 or 10, and a weakly typed network"),
    ("11", {"precision": "bf16"}, (8, 0), "bf16 needs TensorRT 9 or 10, and a weakly typed network"),
    ("8_5", {"variant": "strong"}, (8, 0), "no strongly typed networks"),
    ("11", {"variant": "weak"}, (8, 0), "strongly typed networks only"),
    ("8_5", {"device": "dla", "precision": "fp32"}, (8, 7), "DLA computes in fp16 and int8"),
    ("8_5", {"device": "dla", "precision": "fp16"}, (8, 7), "no DLA"),
])  # fmt: skip
def test_what_a_board_or_release_can_not_do_is_unsupported(generation, wanted, capability, words, module, tmp_path):
    with pytest.raises(Unsupported) as error:
        loaded(module(generation, capability=capability), gpu(tmp_path, **wanted))
    assert words in str(error.value)


def test_a_dla_may_leave_layers_to_the_gpu(module, tmp_path):
    over = module("8_5")
    over.trt.dla_cores = 2
    loaded(over, gpu(tmp_path, device="dla", precision="fp16"))
    assert calls(over, "build_serialized_network") == [(["FP16", "GPU_FALLBACK"],)] and calls(over, "DLA_core") == [(0,)]


def test_without_torch_or_gpu_it_is_unsupported(module, tmp_path, monkeypatch):
    over = module("10")
    monkeypatch.setattr(over.torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unsupported) as error:
        loaded(over, gpu(tmp_path))
    assert "sees none" in str(error.value)
    monkeypatch.setattr(over, "torch", None)
    with pytest.raises(Unsupported) as error:
        loaded(over, gpu(tmp_path))
    assert "package torch" in str(error.value)


def test_an_engine_with_open_dimensions_is_refused(module):
    port = trt_engine.Port("input", True, (-1, 3, 32, 32), "FLOAT")
    with pytest.raises(RuntimeError) as error:
        trt_engine.Lane(None, [port], {}, {}, None)
    assert "dynamic shape, [-1, 3, 32, 32] of input" in str(error.value)


if importlib.util.find_spec("tensorrt_rtx"):  # another product with the API of TensorRT 11; it parses and builds without a GPU

    @pytest.mark.parametrize("precision", ("fp32", "tf32"))
    def test_the_real_parser_and_builder_of_tensorrt_rtx_take_the_network(precision):
        import tensorrt_rtx

        with open(tiny_network.ONNX, "rb") as file:
            onnx = file.read()
        log = trt_build.make_log(tensorrt_rtx)
        strong = trt_build.strongly_typed(tensorrt_rtx, False)
        plan, timing, done = trt_build.build(tensorrt_rtx, onnx, precision, 1 << 28, log, strong)
        assert strong is True and len(plan) > 10000 and timing
        assert done == {"typing": "strong", "workspace_bytes": 1 << 28, "builder_flags": ["TF32"] if precision == "tf32" else []}
        with pytest.raises(trt_build.Refused) as error:
            trt_build.build(tensorrt_rtx, b"no network", precision, 1 << 28, log, strong)
        assert "can't parse the network" in str(error.value)

"""A user's ONNX file is staged by its own type, shape and layout, or refused in a line of ours."""

import numpy
import pytest
from support import dyno, matrix, records

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper

from runner.errors import GraphError
from runner.networks import onnx_input
from runner.networks.graph import load_without_weights

FLOAT, HALF, DOUBLE, BYTE, LONG = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8, TensorProto.INT64


def network(path, shape=(1, 3, 8, 8), kind=FLOAT, channels=3, nhwc=False, weights="float32", domain="", second=False, opset=13):
    """A convolution and a mean over an input of this type and shape (None: no shape at all)."""
    nodes, last = [], "x"
    if kind in (BYTE, DOUBLE):
        nodes.append(helper.make_node("Cast", [last], ["f"], to=FLOAT))
        last = "f"
    if nhwc:
        nodes.append(helper.make_node("Transpose", [last], ["t"], perm=[0, 3, 1, 2]))
        last = "t"
    nodes += [
        helper.make_node("Conv", [last, "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    if domain:
        nodes.append(helper.make_node("Magic", ["y"], ["z"], domain=domain))
    values = numpy.random.RandomState(0).standard_normal((4, channels, 1, 1)).astype(weights)
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    if second:
        inputs.append(helper.make_tensor_value_info("mask", FLOAT, [1]))
    out = HALF if weights == "float16" else FLOAT
    graph = helper.make_graph(
        nodes, "g", inputs, [helper.make_tensor_value_info(nodes[-1].output[0], out, None)], [numpy_helper.from_array(values, "w")]
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7 if opset < 20 else 10), str(path))
    return str(path)


FILES = pytest.mark.parametrize(("options", "kind", "layout", "shape", "precision"), [
    ({}, "float32", "NCHW", [3, 8, 8], "fp32"),
    ({"shape": (1, 8, 8, 3), "nhwc": True}, "float32", "NHWC", [8, 8, 3], "fp32"),
    ({"kind": BYTE}, "uint8", "NCHW", [3, 8, 8], "fp32"),
    ({"kind": DOUBLE}, "float64", "NCHW", [3, 8, 8], "fp32"),
    ({"kind": HALF, "weights": "float16"}, "float16", "NCHW", [3, 8, 8], "fp16"),
    ({"shape": ("n", 3, "h", "w")}, "float32", "NCHW", [3, 8, 8], "fp32"),
    ({"shape": (1, 1, 8, 8), "channels": 1}, "float32", "NCHW", [1, 8, 8], "fp32"),
])  # fmt: skip


@FILES
def test_type_shape_and_layout_are_read_from_the_file(tmp_path, options, kind, layout, shape, precision):
    found = onnx_input.read(network(tmp_path / "a.onnx", **options))
    assert (found.type, found.layout, found.filled(8), found.precision) == (kind, layout, shape, precision)


@FILES
def test_onnxruntime_is_fed_zeros_of_the_files_own_type_and_shape(tmp_path, options, kind, layout, shape, precision):
    onnxruntime = pytest.importorskip("onnxruntime")
    from runner.backends.onnxruntime import files

    session = onnxruntime.InferenceSession(network(tmp_path / "a.onnx", **options), providers=["CPUExecutionProvider"])
    feeds = files.zero_feeds(session, [1] + shape)
    assert [(name, values.dtype.name) for name, values in feeds.items()] == [("x", kind)]
    assert (session.run(None, feeds)[0] == 0).all()


@pytest.mark.parametrize(("options", "said"), [
    ({"shape": (1, 16), "kind": LONG}, "int64, as token ids are"), ({"shape": None}, "has no shape"), ({"second": True}, "2 inputs .x, mask."),
    ({"domain": "com.acme"}, "com.acme:Magic is not a standard operator"), ({"shape": (1, 3, 8)}, "height, width. is needed"),
])  # fmt: skip
def test_what_no_image_fits_is_refused_in_our_words(tmp_path, options, said):
    with pytest.raises(GraphError, match=said):
        onnx_input.read(network(tmp_path / "a.onnx", **options))


def test_a_file_that_no_backend_could_load_is_refused_in_our_words_too(tmp_path):
    with pytest.raises(GraphError, match="a size of its input x is 0"):
        onnx_input.read(network(tmp_path / "a.onnx", (0, 3, 8, 8)))
    (tmp_path / "pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(GraphError, match="^is a Git LFS pointer"):
        onnx_input.read(str(tmp_path / "pointer.onnx"))
    model = onnx.load(network(tmp_path / "b.onnx"))
    onnx.save_model(model, str(tmp_path / "b.onnx"), save_as_external_data=True, size_threshold=0, location="b.bin")
    assert onnx_input.read(str(tmp_path / "b.onnx")).filled(8) == [3, 8, 8]
    (tmp_path / "b.bin").unlink()
    with pytest.raises(GraphError, match="its weights lie in b.bin, which is not there"):
        onnx_input.read(str(tmp_path / "b.onnx"))
    model = onnx.load(network(tmp_path / "c.onnx"))
    del model.graph.output[:]
    onnx.save(model, str(tmp_path / "c.onnx"))
    with pytest.raises(GraphError, match="it has no output"):
        onnx_input.read(str(tmp_path / "c.onnx"))


@pytest.mark.parametrize(("shape", "said"), [
    ((1, 3, 8, 8), "8 px, not 16 px"), ((1, 3, 8, 16), "`label: my-net-8x16`"), ((1, 3, None, 8), "16x8 px .height x width., not 16 px"),
])  # fmt: skip
def test_a_size_that_is_not_the_files_is_refused(tmp_path, shape, said):
    with pytest.raises(GraphError, match=said):
        onnx_input.read(network(tmp_path / "a.onnx", shape)).filled(16)


def test_an_oblong_input_is_measured_where_the_label_tells_both_sides(tmp_path):
    found = onnx_input.read(network(tmp_path / "a.onnx", (1, 3, 8, 16)))
    assert found.filled(8, "net-8x16") == [3, 8, 16]
    with pytest.raises(GraphError, match="8x16 px"):
        found.filled(16, "net-8x16")
    path = matrix(
        tmp_path,
        "backend: [onnxruntime, noop], input_px: [native, 16], model: [{name: 'onnx:%s', label: net-8x16}]" % (tmp_path / "a.onnx"),
    )
    dyno("run", "-m", path, "-r", str(tmp_path / "results"))
    found = {(line["cell"]["backend"], line["cell"]["input_px"]): line for line in records(tmp_path / "results") if line["kind"] == "cell"}
    assert found["onnxruntime", 8]["status"] == found["noop", 8]["status"] == "ok" and found["onnxruntime", 8]["complexity"]["macs"] > 0
    assert found["onnxruntime", 16]["status"] == "skipped" and "8x16 px" in found["onnxruntime", 16]["reason"]


def test_bytes_of_images_span_their_range():
    images = numpy.random.RandomState(0).standard_normal((2, 3, 16, 16)).astype("float32")
    made = onnx_input.staged(images, "uint8", "NHWC")
    assert made.dtype == numpy.uint8 and made.shape == (2, 16, 16, 3) and made.flags.c_contiguous
    assert abs(made.mean() - 128) < 5 and 45 < made.std() < 65


def test_a_varint_without_an_end_is_no_file_and_takes_no_time(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08" + b"\xff" * 2000000)
    with pytest.raises(GraphError, match="is not an ONNX file"):
        load_without_weights(str(tmp_path / "a.onnx"))


def test_files_of_every_kind_are_measured_as_their_label_says_or_skipped(tmp_path):
    for name, options in (("plain", {}), ("bytes", {"kind": BYTE}), ("nhwc", {"shape": (1, 8, 8, 3), "nhwc": True}), ("free", {"shape": ("n", 3, "h", "w")}),
                          ("half", {"kind": HALF, "weights": "float16"}), ("oblong", {"shape": (1, 3, 8, 16)})):  # fmt: skip
        network(tmp_path / (name + ".onnx"), **options)
    models = ", ".join('"onnx:%s"' % (tmp_path / (name + ".onnx")) for name in ("plain", "bytes", "nhwc", "free", "half", "oblong"))
    path = matrix(tmp_path, "backend: onnxruntime, input_px: [8, 16], model: [%s]" % models)
    dyno("run", "-m", path, "-r", str(tmp_path / "results"))
    found = {
        (line["cell"]["model"].rsplit("/", 1)[-1], line["cell"]["input_px"]): line
        for line in records(tmp_path / "results")
        if line["kind"] == "cell"
    }
    states = {key: line["status"] for key, line in found.items()}
    assert {key for key, status in states.items() if status == "ok"} == {
        ("plain.onnx", 8), ("bytes.onnx", 8), ("nhwc.onnx", 8), ("free.onnx", 8), ("free.onnx", 16),
    }  # fmt: skip
    assert set(states.values()) == {"ok", "skipped"}
    assert "weights are fp16" in found["half.onnx", 8]["reason"] and "8x16 px" in found["oblong.onnx", 8]["reason"]


def test_a_new_opset_is_measured_and_one_that_is_too_new_is_told_in_our_words(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    reads_25 = tuple(map(int, onnxruntime.__version__.split(".")[:2])) >= (1, 24)
    for opset in (25, 99):
        network(tmp_path / ("o%d.onnx" % opset), opset=opset)
    path = matrix(
        tmp_path, "backend: onnxruntime, input_px: 8, model: ['onnx:%s', 'onnx:%s']" % (tmp_path / "o25.onnx", tmp_path / "o99.onnx")
    )
    dyno("run", "-m", path, "-r", str(tmp_path / "results"))
    found = {line["cell"]["model"][-8:]: line for line in records(tmp_path / "results") if line["kind"] == "cell"}
    assert found["o25.onnx"]["status"] == ("ok" if reads_25 else "skipped") and found["o99.onnx"]["status"] == "skipped"
    reason = found["o99.onnx"]["reason"]
    said = "reads opsets up to" in reason and "the file has 99" in reason
    assert (said or not reads_25 and "reads IR versions up to" in reason) and len(reason) < 100

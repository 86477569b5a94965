"""The registry of backends: what is known without importing a framework, and what importing one does."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys

import numpy
import pytest
import tiny_network

from runner import backends
from runner.backends import base

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
INSTALLED = [name for name in backends.names() if backends.available(name) is None]


def python(code):
    """Standard output of a fresh interpreter, as JSON."""
    environment = dict(os.environ, PYTHONPATH=ROOT)
    for name in ("OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    return json.loads(subprocess.check_output([sys.executable, "-c", code], env=environment).decode().splitlines()[-1])


def test_a_file_in_the_folder_is_a_backend():
    assert backends.names() == ["noop", "onnxruntime", "openvino", "pytorch", "tensorrt"]


def test_a_new_file_needs_no_registration(tmp_path, monkeypatch):
    (tmp_path / "abacus.py").write_text(
        "from runner.backends import base\n\n\nclass Backend(base.Backend):\n    package = 'json'\n    variants = ('wood',)\n"
    )
    monkeypatch.setattr(backends, "__path__", list(backends.__path__)[:1] + [str(tmp_path)])
    assert "abacus" in backends.names()
    assert backends.declared("abacus").variants == ("wood",) and backends.declared("abacus").precisions == ("fp32",)
    assert backends.available("abacus") is None
    assert issubclass(backends.create("abacus"), base.Backend)
    sys.modules.pop("runner.backends.abacus")


def test_what_a_backend_declares_is_known_without_importing_any_framework():
    code = "import json, sys; from runner import backends; backends.describe(); print(json.dumps(sorted(sys.modules)))"
    assert not {"torch", "onnxruntime", "openvino", "tensorrt", "onnx"} & set(python(code))


@pytest.mark.parametrize("name", INSTALLED)
def test_what_is_read_from_a_backends_source_is_what_its_class_has(name):
    made = backends.create(name)
    assert backends.declared(name) == backends.Declared(*[getattr(made, literal) for literal in backends.LITERALS])


@pytest.mark.parametrize("name", INSTALLED)
def test_importing_a_backend_starts_no_thread(name):
    code = "import json, os; from runner import backends; backends.create(%r); print(len(os.listdir('/proc/self/task')))" % name
    assert python(code) == 1


def test_a_missing_package_is_a_reason(monkeypatch):
    declared = dataclasses.replace(backends.declared("tensorrt"), package="no_such_framework")
    monkeypatch.setattr(backends, "declared", lambda name: declared)
    assert backends.available("tensorrt") == "the Python package no_such_framework is not installed"
    assert [row["reason"] for row in backends.describe()][0] == "the Python package no_such_framework is not installed"


def test_openvinos_telemetry_is_never_imported(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("openvino")]:
        monkeypatch.delitem(sys.modules, name)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object() if name == "openvino" else real(name, *rest))
    backends.prepare_environment()
    with pytest.raises(ImportError):
        importlib.import_module("openvino_telemetry")
    monkeypatch.delitem(sys.modules, "openvino_telemetry")


def test_the_backend_that_does_nothing_answers_from_its_input(tmp_path):
    backend = backends.create("noop")(tiny_network.job(tmp_path))
    backend.load()
    backend.stage(numpy.full((2, 3, 4, 4), 7, numpy.float32))
    backend.infer()
    backend.infer_many(3)
    assert (backend.outputs() == 7).all() and backend.outputs().shape == (2, 3)
    assert backend.executed() == {"precision": "fp32", "threads": 1}
    assert backend.device_latency() is None and backend.memory() == {}
    backend.close()


@pytest.mark.parametrize(
    "source", ["class Backend(:\n", "class Backend:\n    devices = [d for d in x]\n", "class Backend:\n    precisions = open('x')\n", None]
)
def test_a_broken_plug_in_is_one_backend_that_cannot_run(tmp_path, monkeypatch, source):
    if source is None:
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "__init__.py").write_text("")
    else:
        (tmp_path / "broken.py").write_text(source)
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    told = {entry["name"]: entry["reason"] for entry in backends.describe()}
    assert "can't be understood" in told["broken"] and "\n" not in told["broken"] and told["noop"] is None

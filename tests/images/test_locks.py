"""Each lock installs on the interpreter that it is for, checks its hashes, and what it installed imports."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import bases
import pytest

# torch-cpu and TensorRT's libraries are on their vendors' indexes; onnxruntime-gpu would take onnxruntime's place (the cuda image has it).
ELSEWHERE = {"boot", "torch-cpu", "tensorrt-10", "tensorrt-11", "onnxruntime-gpu"}
PINS = Path(__file__).resolve().parents[2] / "docker/pins"
IMPORTS = {
    "runner": "import numpy, yaml, typer",
    "onnx": "import onnx; onnx.checker",
    "torch": "import typing_extensions, PIL.Image",
    "timm": "",  # imports torch
    "onnxruntime": "import onnxruntime; onnxruntime.get_available_providers()",
    "onnxruntime-needs": "import flatbuffers, google.protobuf, packaging, sympy",
    "analysis": "import altair, jinja2, matplotlib, pandas, scipy, sklearn, statsmodels, threadpoolctl, vl_convert",
    "openvino": "import openvino; openvino.Core()",
    "nncf": "import nncf",
    "openvino-myriad": "",  # its image has the libusb that it needs
    "nvml": "import pynvml",
}
# torch comes with the base or from PyTorch's own index, and only timm asks for it. OpenVINO 2021.4 asks for numpy before 1.20, but uses
# nothing that is gone before 1.24 (test_images runs it).
KNOWN = r"No broken requirements|timm .* requires torch(vision)?, which|openvino 2021\.4\.2 has requirement numpy<1\.20"
# The images that test_images builds install the groups of all but 3.9, which is the stick's on arm64.
VERSIONS = ["3.9", *(pytest.param(version, marks=pytest.mark.long) for version in ("3.6", "3.8", "3.10", "3.11", "3.12"))]


@pytest.fixture
def environment(tmp_path):
    """A folder for a virtual environment that goes after the test: each takes up to 2 GB, and pytest keeps folders."""
    yield tmp_path / "env"
    shutil.rmtree(tmp_path / "env", ignore_errors=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lock_installs_and_imports_on_its_python(version, environment):
    lock = (PINS / f"py{version.replace('.', '')}.txt").read_text()
    groups = set(re.findall(r"[a-z][a-z0-9-]+", " ".join(line.partition("#")[2] for line in lock.splitlines()[1:]))) - ELSEWHERE
    assert groups <= set(IMPORTS)
    subprocess.run([bases.interpreter(version) / "bin/python3", "-m", "venv", environment], check=True)
    env = dict(os.environ, PATH=f"{environment}/bin:{os.environ['PATH']}")
    env.pop("PYTHONPATH", None)
    python = environment / "bin/python3"
    for chosen in (["boot"], sorted(groups)):  # 3.6's own pip knows no manylinux2014
        subprocess.run(["sh", PINS / "install.sh", *chosen], env=env, check=True, stdout=subprocess.DEVNULL)
    for group in sorted(groups):
        subprocess.run([python, "-W", "ignore", "-c", IMPORTS[group]], env=env, check=True)
    complaints = subprocess.run([python, "-m", "pip", "check"], env=env, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    assert [line for line in complaints if not re.match(KNOWN, line)] == []

"""int8 networks for OpenVINO, by NNCF's post-training quantisation; kept in the cache."""

import contextlib
import hashlib
import os
import shutil
import sys
from typing import Tuple

import openvino

from runner.backends import _onnx_int8
from runner.backends.base import Job
from runner.errors import Unsupported
from runner.files import atomic_path, sha256

HASHES = "sha256"  # the file of hashes in a network's folder


def quantised(job: Job) -> Tuple[str, str]:
    """(path of the int8 network, what it was calibrated on)."""
    try:
        import nncf
    except ImportError as error:
        raise Unsupported("int8 in OpenVINO needs the Python package nncf: %s" % error)
    if not hasattr(openvino, "save_model"):
        raise Unsupported("int8 by NNCF needs OpenVINO 2023.2 or later, not %s" % openvino.__version__)
    source, images = _onnx_int8.batches(job)
    key = [job.artefact.onnx_sha256 or job.artefact.onnx_path, source, nncf.__version__, openvino.__version__]
    key += [hashlib.sha256(batch.tobytes()).hexdigest() for batch in images]
    name = hashlib.sha256("|".join(key).encode()).hexdigest()[:24]
    folder = os.path.join(job.cache_dir, "int8", "openvino-%s" % name)
    path = os.path.join(folder, "network.xml")
    if not _is_as_made(folder):
        shutil.rmtree(folder, ignore_errors=True)
        model = openvino.Core().read_model(job.artefact.onnx_path)
        with contextlib.redirect_stdout(sys.stderr):  # it draws progress bars
            model = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
        with atomic_path(folder) as part:
            os.makedirs(part)
            openvino.save_model(model, os.path.join(part, "network.xml"), compress_to_fp16=False)
            with open(os.path.join(part, HASHES), "w", encoding="ascii") as file:
                file.write(_hashes(part))
    return path, source


def _is_as_made(folder: str) -> bool:
    """Whether both files of a network have the hashes that were recorded when they were made."""
    try:
        with open(os.path.join(folder, HASHES), encoding="ascii") as file:
            return file.read() == _hashes(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _hashes(folder: str) -> str:
    return "".join("%s  %s\n" % (sha256(os.path.join(folder, name)), name) for name in ("network.bin", "network.xml"))

"""The files of a network that every backend loads, as they lie in the cache on the volume.

One folder per network, input size, weights and seed::

    <cache>/networks/<slug>/manifest.json   what the files are and what made them
                            weights.pt      state_dict of the PyTorch module
                            b<N>.onnx       one static ONNX file per batch size
                            b<N>.ref.npy    fp32 PyTorch outputs for the seeded input: the reference of parity

runner.networks.interchange makes them. The manifest has their hashes: a file of another hash (a bad disk, a copy cut short) doesn't count.
"""

import json
import os
import zipfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

import numpy

from runner import files
from runner.errors import Unprepared
from runner.networks import content, export, onnx_input, sources, weights
from runner.networks.spec import ModelSpec

if TYPE_CHECKING:
    import torch

FORMAT = 2  # of the manifest; another number means: make anew. 2: at most DISTINCT images in a reference
DISTINCT = 8  # different images of an input; larger batches repeat them, so that references stay cheap


@dataclass(frozen=True)
class Artefact:
    """The files of one network at one batch size."""

    folder: str
    spec: ModelSpec
    seed: int
    batch_size: int
    input_px: int
    manifest: Dict = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """The network is a user's ONNX file; no PyTorch module stands behind it."""
        return self.spec.name.startswith("onnx:")

    @property
    def onnx_path(self) -> str:
        """The ONNX file of this batch size; of a user's own network, the user's file."""
        if self.is_file:
            return self.spec.name[len("onnx:") :]
        return os.path.join(self.folder, "b%d.onnx" % self.batch_size)

    @property
    def weights_path(self) -> str:
        return os.path.join(self.folder, "weights.pt")

    @property
    def reference_path(self) -> str:
        return os.path.join(self.folder, "b%d.ref.npy" % self.batch_size)

    @property
    def onnx_sha256(self) -> Optional[str]:
        """Hash of the ONNX file as it was made; None until then."""
        return self._batch().get("sha256")

    @property
    def own_precision(self) -> Optional[str]:
        """What the weights of a user's file are in; None for a network that is exported here, in fp32."""
        return self.manifest.get("precision")

    @property
    def complexity(self) -> Optional[Dict[str, Any]]:
        """What runner.networks.complexity.of_onnx counted, per image; None where the file can't be counted."""
        return self.manifest.get("complexity")

    @property
    def input_shape(self) -> Tuple[int, ...]:
        """(channels, height, width) of one image; of a user's file in its own layout."""
        return tuple(self.manifest.get("input_shape") or (3, self.input_px, self.input_px))

    @property
    def input_type(self) -> str:
        """What the input's values are: float32, or as a user's file has it."""
        return self.manifest.get("input_type", "float32")

    @property
    def input_layout(self) -> str:
        """NCHW, or NHWC where a user's file has that."""
        return self.manifest.get("input_layout", "NCHW")

    @property
    def output(self) -> Optional[str]:
        """Which tensor is measured of a network that returns several; None for one that returns a tensor."""
        return self.manifest.get("output")

    def _batch(self) -> Dict[str, Any]:
        return self.manifest.get("batches", {}).get(str(self.batch_size), {})

    def batch(self) -> numpy.ndarray:
        """The seeded input, the same on every machine: float32 (batch, channels, height, width), or as the user's file takes it.

        It repeats its first DISTINCT images.
        """
        return _repeated(self.distinct(), self.batch_size)

    def distinct(self) -> numpy.ndarray:
        """The different images of batch(), at most DISTINCT."""
        count = min(self.batch_size, DISTINCT)
        kind, layout = self.input_type, self.input_layout
        channels, height, width = self.input_shape if layout == "NCHW" else [self.input_shape[axis] for axis in (2, 0, 1)]
        if channels == 3 and height == width:
            images = weights.images(count, height, self.seed)
        else:
            random = numpy.random.RandomState(self.seed)
            images = random.standard_normal((count, channels, height, width)).astype(numpy.float32)
        return images if (kind, layout) == ("float32", "NCHW") else onnx_input.staged(images, kind, layout)

    def reference(self) -> Optional[numpy.ndarray]:
        """fp32 PyTorch outputs for batch(), or None where no torch made them: float32 (batch, classes)."""
        path = self.reference_path
        return _repeated(numpy.load(path, allow_pickle=False), self.batch_size) if os.path.exists(path) else None

    def module(self) -> "torch.nn.Module":
        """The network as a PyTorch module in eval mode with its weights."""
        return sources.build(replace(self.spec, weights=self.weights_path), self.seed)

    def missing(self, needs: Optional[str]) -> Optional[str]:
        """What of ("onnx", "torch") isn't in the cache yet, or None if all is there."""
        if needs is None:
            return None
        done = self._batch()
        if needs == "onnx" and done.get("onnx_error"):
            raise Unprepared("no ONNX file: %s" % done["onnx_error"], skip=True)
        if not self.manifest:
            return "manifest"
        if needs == "torch" and not self.has_weights():
            return "weights"
        if needs == "onnx" and not self.has_onnx():
            return "onnx"
        return None if self.is_file or self.has_reference() else "reference"

    def has_weights(self) -> bool:
        """Whether the weights are there as they were made; without a hash, in the cache of an older release, at least not cut off."""
        recorded = self.manifest.get("weights_sha256")
        return _is_as_made(self.weights_path, recorded) if recorded else zipfile.is_zipfile(self.weights_path)

    def has_onnx(self) -> bool:
        """Whether the ONNX file is there as it was made."""
        data = self._batch().get("data_sha256")  # of weights that lie beside the file
        return _is_as_made(self.onnx_path, self.onnx_sha256) and (data is None or _is_as_made(self.onnx_path + export.DATA, data))

    def has_reference(self) -> bool:
        """Whether the reference outputs are there as they were made."""
        recorded = self._batch().get("reference_sha256")
        return bool(self._batch().get("reference")) and (
            _is_as_made(self.reference_path, recorded) if recorded else os.path.exists(self.reference_path)
        )


def _is_as_made(path: str, recorded: Optional[str]) -> bool:
    """Whether a file has the hash that was recorded when it was made."""
    return recorded is not None and content.file_hash(path) == recorded


def _repeated(rows: numpy.ndarray, count: int) -> numpy.ndarray:
    """``count`` rows that repeat the given ones in order."""
    return rows if len(rows) == count else numpy.resize(rows, (count,) + rows.shape[1:])


def in_cache(cache: str, spec: ModelSpec, seed: int, batch_size: int, input_px: int) -> Artefact:
    """The Artefact as the cache holds it; its manifest is empty when nothing (or something else) is there."""
    kind = os.path.basename(spec.weights) if spec.is_checkpoint else spec.weights
    name = "%s-%s" % (spec.title, kind)
    if kind != spec.weights or not files.is_slug(name):  # two networks never share a folder
        name = "%s-%s" % (files.slug(name), content.digest([spec.title, spec.weights])[:10])
    folder = os.path.join(cache, "networks", "%s-s%d-c%d-%dpx" % (name, seed, spec.num_classes, input_px))
    return Artefact(folder, spec, seed, batch_size, input_px, manifest_of(folder, key_of(spec, seed, input_px)))


def manifest_of(folder: str, key: Dict[str, Any]) -> Dict[str, Any]:
    """What the folder says of its files; empty where it is of something else."""
    manifest = _read(os.path.join(folder, "manifest.json"))
    return manifest if manifest.get("key") == key else {}


def key_of(spec: ModelSpec, seed: int, input_px: int) -> Dict[str, Any]:
    """What the files depend on. Versions of torch are not in it: the weights are drawn by numpy, and a cache made by
    one image serves the others; they are in the manifest for the reader."""
    return dict(content.network(spec, seed), format=FORMAT, input_px=input_px)


def key_hash(spec: ModelSpec, seed: int, input_px: int) -> str:
    """What the files depend on, as a short hash."""
    return content.digest(key_of(spec, seed, input_px))


def _read(path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        return value if isinstance(value, dict) else {}
    except (OSError, ValueError):
        return {}

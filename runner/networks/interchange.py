"""The files of a network that every backend loads, made once and kept in the cache on the volume.

One folder per network, input size, weights and seed::

    <cache>/networks/<slug>/manifest.json   what the files are and what made them
                            weights.pt      state_dict of the PyTorch module
                            b<N>.onnx       one static ONNX file per batch size
                            b<N>.ref.npy    fp32 PyTorch outputs for the seeded input: the reference of parity

Files are written under another name and renamed, so that none is ever half there; the manifest has their hashes, and a file
of another hash (a bad disk, a copy cut short) is made anew. An image without torch takes whatever a machine with torch has left in the cache (`dyno export`).
"""

import json
import os
import shutil
import zipfile
from dataclasses import dataclass, field, replace
from typing import Dict, Optional

import numpy

from runner import files
from runner.errors import CheckpointError, ExportError, ModelUnavailable, Unprepared
from runner.networks import content, onnx_input, sources, weights
from runner.networks.spec import ModelSpec

DEGENERATE = 0.02  # sensitivity (see runner.networks.weights) below which outputs hardly depend on the input

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
    def is_file(self):
        """The network is a user's ONNX file; no PyTorch module stands behind it."""
        return self.spec.name.startswith("onnx:")

    @property
    def onnx_path(self):
        if self.is_file:
            return self.spec.name[len("onnx:") :]
        return os.path.join(self.folder, "b%d.onnx" % self.batch_size)

    @property
    def weights_path(self):
        return os.path.join(self.folder, "weights.pt")

    @property
    def reference_path(self):
        return os.path.join(self.folder, "b%d.ref.npy" % self.batch_size)

    @property
    def onnx_sha256(self):
        return self._batch().get("sha256")

    @property
    def own_precision(self):
        """What the weights of a user's file are in; None for a network that is exported here, in fp32."""
        return self.manifest.get("precision")

    @property
    def complexity(self):
        return self.manifest.get("complexity")

    @property
    def input_shape(self):
        """(channels, height, width) of one image; of a user's file in its own layout."""
        return tuple(self.manifest.get("input_shape") or (3, self.input_px, self.input_px))

    @property
    def input_type(self):
        """What the input's values are: float32, or as a user's file has it."""
        return self.manifest.get("input_type", "float32")

    @property
    def input_layout(self):
        return self.manifest.get("input_layout", "NCHW")

    def _batch(self):
        return self.manifest.get("batches", {}).get(str(self.batch_size), {})

    def batch(self):
        """The seeded input, the same on every machine: float32 (batch, channels, height, width), or as the user's file takes it.

        It repeats its first DISTINCT images.
        """
        return _repeated(self.distinct(), self.batch_size)

    def distinct(self):
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

    def reference(self):
        """fp32 PyTorch outputs for batch(), or None where no torch made them: float32 (batch, classes)."""
        path = self.reference_path
        return _repeated(numpy.load(path, allow_pickle=False), self.batch_size) if os.path.exists(path) else None

    def module(self):
        """The network as a PyTorch module in eval mode with its weights."""
        return sources.build(replace(self.spec, weights=self.weights_path), self.seed)

    def missing(self, needs):
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

    def has_weights(self):
        """Whether the weights are there as they were made; without a hash, in the cache of an older release, at least not cut off."""
        recorded = self.manifest.get("weights_sha256")
        return _is_as_made(self.weights_path, recorded) if recorded else zipfile.is_zipfile(self.weights_path)

    def has_onnx(self):
        return _is_as_made(self.onnx_path, self.onnx_sha256)

    def has_reference(self):
        recorded = self._batch().get("reference_sha256")
        return bool(self._batch().get("reference")) and (
            _is_as_made(self.reference_path, recorded) if recorded else os.path.exists(self.reference_path)
        )


def _is_as_made(path, recorded):
    """Whether a file has the hash that was recorded when it was made."""
    return recorded is not None and content.file_hash(path) == recorded


def _repeated(rows, count):
    """``count`` rows that repeat the given ones in order."""
    return rows if len(rows) == count else numpy.resize(rows, (count,) + rows.shape[1:])


def artefact(cache, spec, seed, batch_size, input_px):
    """The Artefact as the cache holds it; its manifest is empty when nothing (or something else) is there."""
    kind = os.path.basename(spec.weights) if spec.is_checkpoint else spec.weights
    name = "%s-%s" % (spec.title, kind)
    if kind != spec.weights or not files.is_slug(name):  # two networks never share a folder
        name = "%s-%s" % (files.slug(name), content.digest([spec.title, spec.weights])[:10])
    folder = os.path.join(cache, "networks", "%s-s%d-c%d-%dpx" % (name, seed, spec.num_classes, input_px))
    return Artefact(folder, spec, seed, batch_size, input_px, _manifest(folder, _key(spec, seed, input_px)))


def _manifest(folder, key):
    """What the folder says of its files; empty where it is of something else."""
    manifest = _read(os.path.join(folder, "manifest.json"))
    return manifest if manifest.get("key") == key else {}


def _key(spec, seed, input_px):
    """What the files depend on. Versions of torch are not in it: the weights are drawn by numpy, and a cache made by
    one image serves the others; they are in the manifest for the reader."""
    return dict(content.network(spec, seed), format=FORMAT, input_px=input_px)


def identity(spec, seed, input_px):
    """What the files depend on, as a short hash."""
    return content.digest(_key(spec, seed, input_px))


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        return value if isinstance(value, dict) else {}
    except (OSError, ValueError):
        return {}


def make(art, needs):
    """Make what is missing of an Artefact; imports torch. Returns the Artefact with its new manifest.

    Raises Unprepared with the framework's own reason. Runs that share the cache take turns at a network.
    """
    os.makedirs(art.folder, exist_ok=True)
    with files.held(os.path.join(art.folder, ".lock")):
        art = replace(art, manifest=_manifest(art.folder, _key(art.spec, art.seed, art.input_px)))  # another run may have been here
        return _adopt(art) if art.is_file else _make(art, needs)


def _make(art, needs):
    import torch

    from runner.networks import complexity, export

    manifest = dict(art.manifest) or {
        "key": _key(art.spec, art.seed, art.input_px),
        "made_with": {"torch": str(torch.__version__)},
        "batches": {},
    }
    try:
        if art.manifest and art.has_weights():
            module = art.module()
        else:
            module = sources.build(_at_size(art), art.seed)
            with files.whole(art.weights_path) as part:
                with open(part, "wb") as file:  # given a name, torch writes it into the file
                    torch.save(module.state_dict(), file)
                manifest["weights_sha256"] = files.sha256(part)
            manifest["sensitivity"] = weights.sensitivity(module, art.input_px, channels=sources.channels(art.spec.name, module))
    except (ModelUnavailable, CheckpointError) as error:
        raise Unprepared(str(error), skip=True)
    if sources.channels(art.spec.name, module) != 3:
        manifest["input_shape"] = [sources.channels(art.spec.name, module), art.input_px, art.input_px]
        art = replace(art, manifest=manifest)
    if "data_config" not in manifest:
        manifest["data_config"] = sources.data_config(art.spec)
    manifest["weights_tag"] = sources.weights_tag(art.spec)
    sizes = {art.batch_size} if needs == "onnx" else set()
    if "complexity" not in manifest:
        sizes.add(1)
    for size in sorted(sizes):
        batch = manifest["batches"].setdefault(str(size), {})
        path = os.path.join(art.folder, "b%d.onnx" % size)
        try:
            batch.update(export.export_onnx(module, path, size, art.input_px, art.input_shape[0]))
            batch.update(onnx_bytes=os.path.getsize(path), sha256=files.sha256(path), onnx_error=None)
        except ExportError as error:
            batch["onnx_error"] = str(error)
            continue
        if size == 1:
            try:
                manifest["complexity"] = complexity.of_onnx(path)
            except complexity.ComplexityError as error:  # a network can be timed without being understood
                manifest.update(complexity=None, complexity_error=str(error))
    batch = manifest["batches"].setdefault(str(art.batch_size), {})
    if not art.has_reference():
        batch.update(reference="torch %s" % torch.__version__, reference_sha256=_write_reference(torch, module, art))
    return _finish(art, manifest)


def _write_reference(torch, module, art):
    """Write the outputs that others are compared with; returns the file's hash."""
    with torch.no_grad():
        outputs = module(torch.from_numpy(art.distinct())).float().numpy()
    with files.whole(art.reference_path) as part:
        with open(part, "wb") as file:
            numpy.save(file, outputs, allow_pickle=False)
        return files.sha256(part)


def _at_size(art):
    """An own network may take the axis's size alone; others are the same network at every size."""
    own = sources.source_of(art.spec.name)[0] == "function"
    return replace(art.spec, input_px=art.spec.input_px or art.input_px) if own else art.spec


def _adopt(art):
    """A user's own ONNX file: used as it is, at its own shape and batch size."""
    from runner.networks import complexity

    if not os.path.isfile(art.onnx_path):
        raise Unprepared("%s: no such ONNX file" % art.onnx_path, skip=True)
    manifest = {"key": _key(art.spec, art.seed, art.input_px), "batches": {}}
    try:
        found = onnx_input.read(art.onnx_path)
        if found.shape[0] not in (art.batch_size, None):
            raise Unprepared("%s has batch %d built in, not %d" % (art.onnx_path, found.shape[0], art.batch_size), skip=True)
        manifest.update(input_shape=found.filled(art.input_px), input_type=found.type, input_layout=found.layout, precision=found.precision)
    except (ValueError, OSError) as error:
        raise Unprepared("%s: %s" % (art.onnx_path, error), skip=True)
    try:
        manifest["complexity"] = complexity.of_onnx(art.onnx_path, art.batch_size)
    except Exception as error:  # what can't be counted can be timed all the same, and onnx has many kinds of error
        manifest.update(complexity=None, complexity_error=" ".join(str(error).split())[:300])
    manifest["batches"][str(art.batch_size)] = {"onnx_bytes": os.path.getsize(art.onnx_path), "sha256": files.sha256(art.onnx_path)}
    return _finish(art, manifest)


def _finish(art, manifest):
    with files.whole(os.path.join(art.folder, "manifest.json")) as part, open(part, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
    return Artefact(art.folder, art.spec, art.seed, art.batch_size, art.input_px, manifest)


def prune(cache, limit_bytes, keep: Optional[str] = None):
    """Remove the networks used longest ago until the cache is under its limit; returns the bytes freed."""
    root = os.path.join(cache, "networks")
    folders = []
    for name in os.listdir(root) if os.path.isdir(root) else []:
        folder = os.path.join(root, name)
        try:
            inside = [os.path.join(folder, file) for file in os.listdir(folder)] if os.path.isdir(folder) else []
            size = sum(os.path.getsize(file) for file in inside)
            folders.append((os.path.getmtime(folder), folder, size))
        except OSError:  # another run has just removed it
            continue
    total, freed = sum(size for _, _, size in folders), 0
    for _, folder, size in sorted(folders):
        if total - freed <= limit_bytes:
            break
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            freed += size
    return freed

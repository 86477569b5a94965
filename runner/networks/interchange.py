"""Make the files of a network (see runner.networks.artefact), once; they are kept in the cache on the volume.

Files are written under another name and renamed, so that none is ever half there. An image without torch takes whatever a machine
with torch has left in the cache (`dyno export`).
"""

import json
import os
from dataclasses import replace
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, Dict, Optional

import numpy

from runner import files
from runner.errors import CheckpointError, ExportError, ModelUnavailable, Unprepared
from runner.networks import export, external, onnx_input, sources, weights
from runner.networks.artefact import Artefact, key_of, manifest_of
from runner.networks.spec import ModelSpec

if TYPE_CHECKING:
    import torch


def make(art: Artefact, needs: Optional[str]) -> Artefact:
    """Make what is missing of an Artefact; imports torch. Returns the Artefact with its new manifest.

    Raises Unprepared with the framework's own reason. Runs that share the cache take turns at a network.
    """
    os.makedirs(art.folder, exist_ok=True)
    with files.locked(os.path.join(art.folder, ".lock")):
        art = replace(art, manifest=manifest_of(art.folder, key_of(art.spec, art.seed, art.input_px)))  # another run may have been here
        return _adopt(art) if art.is_file else _make(art, needs)


def _make(art: Artefact, needs: Optional[str]) -> Artefact:
    import torch

    from runner.networks import complexity

    manifest = dict(art.manifest) or {
        "key": key_of(art.spec, art.seed, art.input_px),
        "made_with": {"torch": str(torch.__version__)},
        "batches": {},
    }
    try:
        if art.manifest and art.has_weights():
            module = art.module()
        else:
            module = sources.build(_at_size(art), art.seed)
            with files.atomic_path(art.weights_path) as part:
                with open(part, "wb") as file:  # given a name, torch writes it into the file
                    _save(torch, module, file)
                manifest["weights_sha256"] = files.sha256(part)
            manifest["sensitivity"] = _sensitivity(module, art)
            manifest["output"] = sources.output(art.spec.name, module)
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
            data = path + export.DATA
            batch.update(onnx_bytes=os.path.getsize(path), sha256=files.sha256(path), onnx_error=None)
            batch.update(data_sha256=files.sha256(data) if external.files(path) else None)
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


def _sensitivity(module: "torch.nn.Module", art: Artefact) -> float:
    try:
        return weights.sensitivity(module, art.input_px, channels=sources.channels(art.spec.name, module))
    except Exception as error:  # the first pass at the cell's size
        raise sources.misfit(art.spec.name, error, art.input_px)


def _save(torch: ModuleType, module: "torch.nn.Module", file: IO[bytes]) -> None:
    try:
        torch.save(module.state_dict(), file)
    except RuntimeError as error:  # of a full disk torch says only that it is at the wrong place
        raise error.__context__ if isinstance(error.__context__, OSError) else error


def _write_reference(torch: ModuleType, module: "torch.nn.Module", art: Artefact) -> str:
    """Write the outputs that others are compared with; returns the file's hash."""
    with torch.no_grad():
        outputs = module(torch.from_numpy(art.distinct())).float().numpy()
    with files.atomic_path(art.reference_path) as part:
        with open(part, "wb") as file:
            numpy.save(file, outputs, allow_pickle=False)
        return files.sha256(part)


def _at_size(art: Artefact) -> ModelSpec:
    """An own network may take the axis's size alone; others are the same network at every size."""
    own = sources.source_of(art.spec.name)[0] == "function"
    return replace(art.spec, input_px=art.spec.input_px or art.input_px) if own else art.spec


def _adopt(art: Artefact) -> Artefact:
    """A user's own ONNX file: used as it is, at its own shape and batch size."""
    from runner.networks import complexity

    if not os.path.isfile(art.onnx_path):
        raise Unprepared("%s: no such ONNX file" % art.onnx_path, skip=True)
    manifest: Dict[str, Any] = {"key": key_of(art.spec, art.seed, art.input_px), "batches": {}}
    try:
        found = onnx_input.read(art.onnx_path)
        if found.shape[0] not in (art.batch_size, None):
            raise Unprepared("%s has batch %d built in, not %d" % (art.onnx_path, found.shape[0], art.batch_size), skip=True)
        manifest.update(
            input_shape=found.filled(art.input_px, art.spec.title),
            input_type=found.type,
            input_layout=found.layout,
            precision=found.precision,
        )
    except (ValueError, OSError) as error:
        raise Unprepared("%s: %s" % (art.onnx_path, error), skip=True)
    try:
        manifest["complexity"] = complexity.of_onnx(art.onnx_path, art.batch_size)
    except Exception as error:  # what can't be counted can be timed all the same, and onnx has many kinds of error
        manifest.update(complexity=None, complexity_error=" ".join(str(error).split())[:300])
    manifest["batches"][str(art.batch_size)] = {"onnx_bytes": os.path.getsize(art.onnx_path), "sha256": files.sha256(art.onnx_path)}
    return _finish(art, manifest)


def _finish(art: Artefact, manifest: Dict[str, Any]) -> Artefact:
    with files.atomic_path(os.path.join(art.folder, "manifest.json")) as part, open(part, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
    return Artefact(art.folder, art.spec, art.seed, art.batch_size, art.input_px, manifest)

"""Export to ONNX: one file per network, batch size and input size, that every backend since 2020 reads; weights beyond 2 GB lie beside it."""

import inspect
import os
import re
import warnings
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, Iterator

from runner.errors import ExportError
from runner.files import atomic_path

if TYPE_CHECKING:
    import torch

# Opset 11 is what TensorRT 7.1 reads; a newer one only for a network that has no form in it.
OPSETS = (11, 13, 17, 20)
LIMIT_BYTES = 2**31 - 1  # of one protobuf message
DATA = ".data"  # what is put behind a file's name for the one with its weights
SMALL_ELEMENTS = 256  # of a tensor that stays inside: shape inference asks for its values


def export_onnx(model: "torch.nn.Module", path: str, batch_size: int, input_px: int, channels: int = 3) -> Dict[str, int]:
    """Write ``model`` (eval, CPU) with static shape to ``path``; returns its opset and IR version.

    The exporter of TorchScript, opset 11 where possible, one file; weights that are too large for that go to another, ``path`` + DATA.
    Batch normalisations are kept as they are (every runtime folds them when it loads), so that the graph that is counted is the one that
    is timed. The file appears whole or not at all.
    """
    import torch

    large = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()) > LIMIT_BYTES
    if large and not hasattr(torch, "compile"):  # what the exporter of PyTorch 1 leaves without weights computes something else
        raise ExportError("weights of more than 2 GB go beside the ONNX file, which needs PyTorch 2")
    example = torch.zeros(batch_size, channels, input_px, input_px)
    with atomic_path(path) as temporary:
        for opset in OPSETS:
            try:
                _export(torch, model, example, temporary, opset, not large)
                break
            except Exception as error:  # the exporter raises a dozen kinds
                reason = error
        else:
            raise ExportError("PyTorch can't export it at opset %d or below: %s" % (OPSETS[-1], _in_short(reason)))
        if large:
            write_weights_beside(model, temporary, path + DATA)
        ir_version = _ir_version(temporary)
        _note_buffers(temporary, model)
    return {"opset": opset, "ir_version": ir_version}


def _in_short(error: Exception) -> str:
    """The first sentence of the exporter's error, without its advice and its graph."""
    if isinstance(error, (TypeError, AttributeError, LookupError)):  # a fault of the exporter's, which tells a user nothing
        return "its exporter breaks on this network (%s)" % type(error).__name__
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    operator = re.search(r"ONNX export of operator (\w+), (.*?)\.? Please feel free", said)
    if operator:
        return "%s (%s)" % operator.groups()
    return said.partition(" Please feel free")[0].partition("  [Caused by")[0][:200]


def _export(torch: ModuleType, model: "torch.nn.Module", example: Any, path: str, opset: int, with_weights: bool) -> None:
    options = {
        "opset_version": opset,
        "export_params": with_weights,
        "input_names": ["input"],
        "output_names": ["output"],
        "do_constant_folding": with_weights and _is_plain(torch, model),
        "training": torch.onnx.TrainingMode.PRESERVE,
    }
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    with warnings.catch_warnings(), _quiet(), _plain_attention(torch), _adjusted_passes(torch), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, example, path, **options)


def write_weights_beside(model: "torch.nn.Module", path: str, target: str) -> None:
    """Give the weights to a file that was exported without: it takes them as inputs, under their names. They go to ``target``, next to it."""
    try:
        import onnx
    except ImportError:
        raise ExportError("weights of more than 2 GB lie beside the ONNX file, which needs the Python package onnx")
    network = onnx.load(path)
    weights = model.state_dict()
    named = [value.name for value in network.graph.input if value.name in weights]
    kept = [value for value in network.graph.input if value.name not in weights]
    del network.graph.input[:]
    network.graph.input.extend(kept)
    with atomic_path(target) as temporary, open(temporary, "wb") as file:
        for name in named:
            values = weights[name].detach().cpu().numpy()
            tensor = onnx.numpy_helper.from_array(values if values.size <= SMALL_ELEMENTS else values.ravel()[:0], name)
            if values.size > SMALL_ELEMENTS:
                tensor.ClearField("raw_data")
                del tensor.dims[:]
                tensor.dims.extend(values.shape)
                tensor.data_location = onnx.TensorProto.EXTERNAL
                place = {"location": os.path.basename(target), "offset": file.tell(), "length": values.nbytes}
                for key, value in place.items():
                    tensor.external_data.add(key=key, value=str(value))
                file.write(memoryview(values.reshape(-1)).cast("B"))
            network.graph.initializer.append(tensor)
    with open(path, "wb") as file:
        file.write(network.SerializeToString())


def _is_plain(torch: ModuleType, model: "torch.nn.Module") -> bool:
    """Whether only convolutions, batch normalisations and linear layers have weights.

    Then folding touches shapes alone, and old importers (OpenVINO 2021.4) want the axes of a slice as constants. Elsewhere it would
    write weights anew (transposed, or gathered from tables), and what is counted as parameters would not be the network's own.
    """
    plain = (torch.nn.modules.conv._ConvNd, torch.nn.modules.batchnorm._BatchNorm, torch.nn.Linear)
    return all(isinstance(module, plain) for module in model.modules() if next(module.parameters(recurse=False), None) is not None)


@contextmanager
def _plain_attention(torch: ModuleType) -> Iterator[None]:
    """Attention in plain operators: PyTorch's fused ones have no form in ONNX, or none below opset 14."""
    functional, switch = torch.nn.functional, getattr(torch.backends, "mha", None)
    fused, enabled = getattr(functional, "scaled_dot_product_attention", None), switch and switch.get_fastpath_enabled()

    def attention(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: Any = None
    ) -> Any:
        scores = query * (query.shape[-1] ** -0.5 if scale is None else scale) @ key.transpose(-2, -1)
        return functional.softmax(scores if attn_mask is None else scores + attn_mask, dim=-1) @ value

    try:
        if fused:
            functional.scaled_dot_product_attention = attention
        if switch:
            switch.set_fastpath_enabled(False)
        yield
    finally:
        if fused:
            functional.scaled_dot_product_attention = fused
        if switch:
            switch.set_fastpath_enabled(enabled)


@contextmanager
def _adjusted_passes(torch: ModuleType) -> Iterator[None]:
    """Two passes of the exporter, in C++, called otherwise than it does.

    It merges parameters of equal value: kept apart, the file has as many as the network (called as if in training, the
    pass merges only what shares memory). And it copies all weights for each inference of shapes, which needs only the
    small ones: half of the export's time.
    """
    merge, infer = "_jit_pass_onnx_deduplicate_initializers", "_jit_pass_onnx_graph_shape_type_inference"
    original = {name: getattr(torch._C, name) for name in (merge, infer) if hasattr(torch._C, name)}

    def infer_from_small(graph: Any, parameters: Dict[str, Any], *more: Any) -> Any:
        return original[infer](graph, {name: value for name, value in parameters.items() if value.numel() <= 1024}, *more)

    try:
        if merge in original:
            setattr(torch._C, merge, lambda graph, parameters, training: original[merge](graph, parameters, True))
        if infer in original:
            setattr(torch._C, infer, infer_from_small)
        yield
    finally:
        for name, function in original.items():
            setattr(torch._C, name, function)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter writes to the process's standard output and error, also from C++."""
    saved = [os.dup(1), os.dup(2)]
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        yield
    finally:
        for number, descriptor in enumerate(saved, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(sink)


def _note_buffers(path: str, model: "torch.nn.Module") -> None:
    """Add the names of the network's buffers to the file's metadata: in ONNX they look like parameters."""
    from runner.networks.graph import MODEL_METADATA, message

    names = ",".join(name for name, _ in model.named_buffers() if not name.endswith("num_batches_tracked"))
    with open(path, "ab") as file:  # a field may stand anywhere in a protobuf message, so also at its end
        file.write(message(MODEL_METADATA, message(1, b"buffers") + message(2, names.encode())))


def _ir_version(path: str) -> int:
    """The first field of every ONNX file (tag 0x08, then a varint); no package needed."""
    with open(path, "rb") as file:
        tag, version = bytearray(file.read(2))
    if tag != 8:
        raise ExportError("the exporter wrote no ONNX file")
    return version

"""A user's ONNX file, as ``onnx:PATH``: it goes to the backends as it is, with its own input shape."""

from typing import Union

from runner.errors import ModelUnavailable

NAMES = ()


def native_px(name: str) -> int:
    """Height of the file's input, which must be an image input. A file whose size is free has none of its own: 224."""
    from runner.networks import onnx_input

    try:
        height, width = onnx_input.read(name).sides
    except (OSError, ValueError) as error:
        raise ModelUnavailable("onnx:%s: %s" % (name, getattr(error, "strerror", None) or error))
    return height or width or 224


def build(name: str, num_classes: int, pretrained: Union[bool, str]) -> None:
    raise ModelUnavailable("onnx:%s: an ONNX file can't run in PyTorch; the other backends take it" % name)

"""A user's ONNX file, as ``onnx:PATH``: it goes to the backends as it is, with its own input shape."""

from runner.errors import ModelUnavailable

NAMES = ()


def native_px(name):
    """Height of the file's input; it must be an image input, square and of fixed size."""
    from runner.networks.graph import input_shape

    try:
        shape = input_shape(name)
    except (OSError, ValueError) as error:
        raise ModelUnavailable("onnx:%s: %s" % (name, getattr(error, "strerror", None) or error))
    if len(shape) != 4 or not shape[2] or shape[2] != shape[3]:
        raise ModelUnavailable("onnx:%s: its input is %s; [batch, channels, px, px] is needed" % (name, shape))
    return shape[2]


def build(name, num_classes, pretrained):
    raise ModelUnavailable("onnx:%s: an ONNX file is no PyTorch network; the other backends take it" % name)

"""A user's ONNX file, as ``onnx:PATH``: it goes to the backends as it is, with its own input shape."""

from . import ModelUnavailable

NAMES = ()


def native_px(name):
    return input_shape(name)[-1]


def input_shape(path):
    """Shape of the file's one input as a list [batch, 3, height, width]; a free batch size is None."""
    graph = load_graph(path)
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ModelUnavailable("onnx:%s: has %d inputs; one image input is needed" % (path, len(inputs)))
    shape = [size.dim_value or None for size in inputs[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] != 3 or not shape[2] or shape[2] != shape[3]:
        raise ModelUnavailable("onnx:%s: its input is %s; [batch, 3, px, px] is needed" % (path, shape))
    return shape


def load_graph(path):
    from ..graph import GraphError, load_without_weights

    try:
        return load_without_weights(path).graph
    except (OSError, GraphError) as error:
        raise ModelUnavailable("onnx:%s: %s" % (path, getattr(error, "strerror", None) or error))


def build(name, num_classes, pretrained):
    raise ModelUnavailable("onnx:%s: an ONNX file is no PyTorch network; the other backends take it" % name)

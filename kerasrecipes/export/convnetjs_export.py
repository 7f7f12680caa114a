"""Export of models as ConvNetJS JSON snapshots, which `net.fromJSON()` reads."""

import math
from itertools import pairwise
from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes.errors import DataError
from kerasrecipes.export.convnetjs_import import ACTIVATIONS, LOSSES, POOL_PADDING_VALUE

PADDED = {"ZeroPadding2D": "Conv2D", "Pad": "MaxPooling2D"}  # padding layer -> the layer that may follow it


def to_json(model: Any) -> dict:
    """Return a model of the recipe, or one from `from_json`, as a ConvNetJS snapshot.

    It ends in a softmax, or in an SVM or a regression if the model's last layer is a linear `Activation` of the name `svm` or
    `regression`. The scaling of images is not part of it: ConvNetJS takes p / 255 - 0.5. Decay factors are ConvNetJS's defaults.

    Raises:
        DataError: The layers are not a chain, ConvNetJS does not have one of them, or it places windows elsewhere, as for
            kernels of even sides with the padding "same".
    """
    layers = layer_chain(model)
    if layers and convnetjs_type(layers[0]) == "Rescaling" and regularization_json(layers[0]) == [1 / 255, -0.5]:
        del layers[0]
    entries = [output_size_json("input", model.inputs[0])]
    for before, layer in pairwise([None, *layers]):
        layer_type = convnetjs_type(layer)
        if convnetjs_type(before) in PADDED and layer_type != PADDED[convnetjs_type(before)]:
            raise unsupported(before, f"ConvNetJS pads so only before a {PADDED[convnetjs_type(before)]}")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise unsupported(layer, "ConvNetJS keeps the channels last")
        if layer_type in WRITERS:
            entries += WRITERS[layer_type](layer, before)
        elif layer_type == "Pad" and not padding_is_harmless(model, layer):
            raise unsupported(layer, f"ConvNetJS pads a max pooling with {POOL_PADDING_VALUE}, which never wins")
        elif layer_type not in PADDED:
            raise DataError(f"ConvNetJS has no layer for {layer.name} ({layer_type})")
    classes = math.prod(model.outputs[0].shape[1:])
    loss = layers[-1].name if layers and layers[-1].name in LOSSES and convnetjs_type(layers[-1]) == "Activation" else "softmax"
    end = {"layer_type": loss, "out_sy": 1, "out_sx": 1, "out_depth": classes, "num_inputs": classes}
    return {"layers": [*entries, end]}


def layer_chain(model: Any) -> list:
    """Return the layers of a model in order, without its input."""
    x = model.inputs[0]
    is_chain = len(x.shape) == 4 and None not in x.shape[1:]
    layers = [v for v in getattr(model, "operations", model.layers) if convnetjs_type(v) != "InputLayer"]
    for layer in layers:
        is_chain &= layer.input is x
        x = layer.output
    ends_padded = layers and convnetjs_type(layers[-1]) in PADDED
    if not is_chain or len(model.outputs) > 1 or x is not model.outputs[0] or ends_padded:
        raise DataError(
            f"{model.name} cannot be written as a snapshot, which holds a chain of layers from one input of fixed height, "
            "width and depth to one output"
        )
    return layers


def convnetjs_type(layer: Any) -> str:
    return type(layer).__name__.removeprefix("Fast")


def unsupported(layer: Any, reason: str) -> DataError:
    return DataError(f"{layer.name} ({convnetjs_type(layer)}) cannot be written as a snapshot: {reason}")


def regularization_json(layer: Any) -> list:
    config = layer.get_config()
    return [config["scale"], config["offset"]]


def padding_is_harmless(model: Any, layer: Any) -> bool:
    """Return whether `keras.ops.pad` adds the value around maps that ConvNetJS's max pooling begins with."""
    node = next(v for v in model.get_config()["layers"] if v["name"] == layer.name)["inbound_nodes"][0]
    value = node["kwargs"].get("constant_values")
    pads_maps = len(layer.pad_width) == 4 and not any(layer.pad_width[0])
    return pads_maps and layer.mode == "constant" and value == POOL_PADDING_VALUE


def convolution_json(layer: Any, before: Any) -> list[dict]:
    if layer.groups > 1 or set(layer.dilation_rate) != {1}:
        raise unsupported(layer, "ConvNetJS's convolutions have neither groups nor dilation")
    sizes = windows_json(layer, layer.kernel_size, before)
    weights = weights_json(layer, sizes["sx"], sizes["sy"])
    return [output_size_json("conv", layer.output) | sizes | weights, *activation_json(layer)]


def pooling_json(layer: Any, before: Any) -> list[dict]:
    return [output_size_json("pool", layer.output) | windows_json(layer, layer.pool_size, before)]


def dense_json(layer: Any, _: Any) -> list[dict]:
    if len(layer.input.shape) != 2:
        raise unsupported(layer, "ConvNetJS's fully connected layers take a whole map; put a Flatten before it")
    size = output_size_json("fc", layer.output) | {"num_inputs": layer.input.shape[-1]}
    return [size | weights_json(layer, 1, 1), *activation_json(layer)]


def activation_json(layer: Any, _: Any = None) -> list[dict]:
    """Return the entry of a layer's ReLU, tanh or sigmoid, or none for a linear layer."""
    name = getattr(layer.activation, "__name__", None)
    if name not in ("linear", *ACTIVATIONS) or layer.activation is not keras.activations.get(name):
        raise unsupported(layer, f"ConvNetJS's activations are {', '.join(ACTIVATIONS)}")
    return [] if name == "linear" else [output_size_json(name, layer.output)]


def dropout_json(layer: Any, _: Any) -> list[dict]:
    """Return the dropout that `from_json` makes a scaling."""
    scale, offset = regularization_json(layer)
    if offset != 0 or not layer.name.startswith("dropout") or not isinstance(scale, int | float) or not 0 <= scale <= 1:
        raise unsupported(layer, "ConvNetJS scales images to p / 255 - 0.5, and by drop_prob in layers `dropout_...`")
    return [output_size_json("dropout", layer.output) | {"drop_prob": scale}]


def maxout_json(layer: Any, _: Any) -> list[dict]:
    return [output_size_json("maxout", layer.output) | {"group_size": layer.group_size}]


def normalization_json(layer: Any, _: Any) -> list[dict]:
    """Return `lrn`, whose alpha is divided by the number of maps. Its window is symmetric."""
    if layer.size % 2 == 0:
        raise unsupported(layer, "ConvNetJS's windows are symmetric; use an odd size")
    alpha = layer.alpha if layer.mean else layer.alpha * layer.size
    return [output_size_json("lrn", layer.output) | {"k": layer.k, "n": layer.size, "alpha": alpha, "beta": layer.beta}]


WRITERS = {
    "Conv2D": convolution_json, "MaxPooling2D": pooling_json, "Dense": dense_json, "Activation": activation_json,
    "Rescaling": dropout_json, "Maxout": maxout_json, "LocalResponseNormalization": normalization_json, "Flatten": lambda *_: [],
}  # fmt: skip


def windows_json(layer: Any, window: tuple[int, int], before: Any) -> dict:
    """Return the sizes of a convolution's or pooling's (height, width) windows, if ConvNetJS places them the same."""
    start, source = (0, 0), layer.input
    if convnetjs_type(before) in PADDED:
        start, source = padding_offsets(before), before.input
    (stride, other), counts = layer.strides, layer.output.shape[1:3]
    if layer.padding == "same":
        excess = [
            (n - 1) * stride + k - side for n, k, side in zip(counts, window, layer.input.shape[1:3], strict=True)
        ]
        start = tuple(s + max(e, 0) // 2 for s, e in zip(start, excess, strict=True))
    pad = start[0]
    expected = [(side + 2 * pad - k) // stride + 1 for side, k in zip(source.shape[1:3], window, strict=True)]
    depths = {source.shape[-1], layer.input.shape[-1]}  # a padded depth is not supported
    if other != stride or start[1] != pad or pad < 0 or expected != [*counts] or len(depths) > 1:
        raise unsupported(
            layer,
            "ConvNetJS has one stride for both axes and one padding for all four sides; use kernels of odd sides, or a "
            "ZeroPadding2D before the layer",
        )
    sy, sx = window
    return {"sx": sx, "sy": sy, "stride": stride, "in_depth": source.shape[-1], "pad": pad}


def padding_offsets(padding: Any) -> tuple[int, int]:
    """Return the padding (above, on the left)."""
    rows, columns = padding.padding if convnetjs_type(padding) == "ZeroPadding2D" else padding.pad_width[1:3]
    return rows[0], columns[0]


def output_size_json(layer_type: str, x: Any) -> dict:
    height, width, depth = (1, 1, *x.shape[1:])[-3:]
    return {"layer_type": layer_type, "out_sy": height, "out_sx": width, "out_depth": depth}


def weights_json(layer: Any, sx: int, sy: int) -> dict:
    """Return `filters` and `biases` of a layer with its kernel (..., filters) and bias (filters,), and their decay."""
    if not layer.use_bias:
        raise unsupported(layer, "ConvNetJS's layers have biases")
    kernel, bias = keras.ops.convert_to_numpy(layer.kernel), keras.ops.convert_to_numpy(layer.bias)
    columns = kernel.reshape(-1, kernel.shape[-1]).T
    size = {"sx": sx, "sy": sy, "depth": columns.shape[1] // (sx * sy)}
    return {
        "l1_decay_mul": 0, "l2_decay_mul": 1, "filters": [size | {"w": column.tolist()} for column in columns],
        "biases": {"sx": 1, "sy": 1, "depth": len(bias), "w": bias.tolist()},
    }  # fmt: skip

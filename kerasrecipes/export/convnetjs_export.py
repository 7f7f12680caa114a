"""JSON snapshots of ConvNetJS, written: models as `net.fromJSON()` takes them."""

import math
from itertools import pairwise
from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes.errors import DataError
from kerasrecipes.export.convnetjs_import import ACTIVATIONS, POOL_PADDING_VALUE

PADDED = {"ZeroPadding2D": "Conv2D", "Pad": "MaxPooling2D"}  # what pads -> what it may pad for


def to_json(model: Any) -> dict:
    """A model of this recipe, or one that `from_json` made, as a ConvNetJS snapshot; it ends in a softmax.

    The scaling of pictures is not part of it: ConvNetJS takes p / 255 - 0.5. Its factors of decay are ConvNetJS's defaults.

    Raises:
        DataError: the layers do not simply follow one another, ConvNetJS does not have one of them, or it lays windows
            elsewhere, as for kernels of even sides with the padding "same".
    """
    layers = layer_chain(model)
    if layers and convnetjs_type(layers[0]) == "Rescaling" and regularization_json(layers[0]) == [1 / 255, -0.5]:
        del layers[0]
    found = [output_size_json("input", model.inputs[0])]
    for before, layer in pairwise([None, *layers]):
        kind = convnetjs_type(layer)
        if convnetjs_type(before) in PADDED and kind != PADDED[convnetjs_type(before)]:
            raise unsupported(before, f"ConvNetJS pads so only before a {PADDED[convnetjs_type(before)]}")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise unsupported(layer, "ConvNetJS keeps the channels last")
        if kind in WRITERS:
            found += WRITERS[kind](layer, before)
        elif kind == "Pad" and not padding_is_harmless(model, layer):
            raise unsupported(
                layer, f"before a max pooling ConvNetJS has {POOL_PADDING_VALUE} around, which never wins"
            )
        elif kind not in PADDED:
            raise DataError(f"ConvNetJS has no layer for {layer.name} ({kind})")
    scores = math.prod(model.outputs[0].shape[1:])
    end = {"layer_type": "softmax", "out_sy": 1, "out_sx": 1, "out_depth": scores, "num_inputs": scores}
    return {"layers": [*found, end]}


def layer_chain(model: Any) -> list:
    """The layers of a model in their order, without its input."""
    x = model.inputs[0]
    known = len(x.shape) == 4 and None not in x.shape[1:]
    layers = [v for v in getattr(model, "operations", model.layers) if convnetjs_type(v) != "InputLayer"]
    for layer in layers:
        known &= layer.input is x
        x = layer.output
    if (
        not known
        or len(model.outputs) > 1
        or x is not model.outputs[0]
        or (layers and convnetjs_type(layers[-1]) in PADDED)
    ):
        raise DataError(
            f"{model.name} cannot be written as a snapshot: that holds layers behind one another, from one input of known "
            "height, width and depth to one output"
        )
    return layers


def convnetjs_type(layer: Any) -> str:
    return type(layer).__name__


def unsupported(layer: Any, why: str) -> DataError:
    return DataError(f"{layer.name} ({convnetjs_type(layer)}) cannot be written as a snapshot: {why}")


def regularization_json(layer: Any) -> list:
    config = layer.get_config()
    return [config["scale"], config["offset"]]


def padding_is_harmless(model: Any, layer: Any) -> bool:
    """Whether `keras.ops.pad` adds around maps what ConvNetJS's max pooling begins with."""
    node = next(v for v in model.get_config()["layers"] if v["name"] == layer.name)["inbound_nodes"][0]
    value = node["kwargs"].get("constant_values")
    maps = len(layer.pad_width) == 4 and not any(layer.pad_width[0])
    return maps and layer.mode == "constant" and value == POOL_PADDING_VALUE


def convolution(layer: Any, before: Any) -> list[dict]:
    if layer.groups > 1 or set(layer.dilation_rate) != {1}:
        raise unsupported(layer, "ConvNetJS's convolutions have neither groups nor dilation")
    sizes = windows(layer, layer.kernel_size, before)
    return [
        output_size_json("conv", layer.output) | sizes | weights_json(layer, sizes["sx"], sizes["sy"]),
        *step(layer),
    ]


def pooling(layer: Any, before: Any) -> list[dict]:
    return [output_size_json("pool", layer.output) | windows(layer, layer.pool_size, before)]


def dense(layer: Any, _: Any) -> list[dict]:
    if len(layer.input.shape) != 2:
        raise unsupported(layer, "ConvNetJS's fully connected layers take a whole map; put a Flatten before it")
    return [
        output_size_json("fc", layer.output) | {"num_inputs": layer.input.shape[-1]} | weights_json(layer, 1, 1),
        *step(layer),
    ]


def step(layer: Any, _: Any = None) -> list[dict]:
    """The rectifier, tanh or sigmoid of a layer; nothing for a linear one."""
    kind = getattr(layer.activation, "__name__", None)
    if kind not in ("linear", *ACTIVATIONS) or layer.activation is not keras.activations.get(kind):
        raise unsupported(layer, f"ConvNetJS's activations are {', '.join(ACTIVATIONS)}")
    return [] if kind == "linear" else [output_size_json(kind, layer.output)]


def dropout(layer: Any, _: Any) -> list[dict]:
    """The scaling that `from_json` makes of a dropout."""
    scale, offset = regularization_json(layer)
    if offset != 0 or not layer.name.startswith("dropout") or not isinstance(scale, int | float) or not 0 <= scale <= 1:
        raise unsupported(layer, "ConvNetJS scales pictures to p / 255 - 0.5, and by drop_prob in layers `dropout_...`")
    return [output_size_json("dropout", layer.output) | {"drop_prob": scale}]


WRITERS = {
    "Conv2D": convolution, "MaxPooling2D": pooling, "Dense": dense, "Activation": step, "Rescaling": dropout,
    "Flatten": lambda *_: [],
}  # fmt: skip


def windows(layer: Any, window: tuple[int, int], before: Any) -> dict:
    """The sizes of a convolution's or pooling's (height, width) windows, where ConvNetJS lays them at the same places."""
    begin, whole = (0, 0), layer.input
    if convnetjs_type(before) in PADDED:
        begin, whole = padding_offsets(before), before.input
    (stride, other), counts = layer.strides, layer.output.shape[1:3]
    if layer.padding == "same":
        spans = [(n - 1) * stride + k - side for n, k, side in zip(counts, window, layer.input.shape[1:3], strict=True)]
        begin = tuple(b + max(span, 0) // 2 for b, span in zip(begin, spans, strict=True))
    pad = begin[0]
    laid = [(side + 2 * pad - k) // stride + 1 for side, k in zip(whole.shape[1:3], window, strict=True)]
    depths = {whole.shape[-1], layer.input.shape[-1]}  # nothing is padded there
    if other != stride or begin[1] != pad or pad < 0 or laid != [*counts] or len(depths) > 1:
        raise unsupported(
            layer,
            "ConvNetJS has one stride for both axes and one padding for all four sides; take kernels of odd sides, or a "
            "ZeroPadding2D before the layer",
        )
    sy, sx = window
    return {"sx": sx, "sy": sy, "stride": stride, "in_depth": whole.shape[-1], "pad": pad}


def padding_offsets(padding: Any) -> tuple[int, int]:
    """What is padded (above, on the left)."""
    (above, _), (left, _) = padding.padding if convnetjs_type(padding) == "ZeroPadding2D" else padding.pad_width[1:3]
    return above, left


def output_size_json(kind: str, x: Any) -> dict:
    height, width, depth = (1, 1, *x.shape[1:])[-3:]
    return {"layer_type": kind, "out_sy": height, "out_sx": width, "out_depth": depth}


def weights_json(layer: Any, sx: int, sy: int) -> dict:
    """`filters` and `biases` of a layer with its kernel (..., filters) and bias (filters,), and their decay."""
    if not layer.use_bias:
        raise unsupported(layer, "ConvNetJS's layers have biases")
    kernel, bias = keras.ops.convert_to_numpy(layer.kernel), keras.ops.convert_to_numpy(layer.bias)
    columns = kernel.reshape(-1, kernel.shape[-1]).T
    size = {"sx": sx, "sy": sy, "depth": columns.shape[1] // (sx * sy)}
    return {
        "l1_decay_mul": 0, "l2_decay_mul": 1, "filters": [size | {"w": column.tolist()} for column in columns],
        "biases": {"sx": 1, "sy": 1, "depth": len(bias), "w": bias.tolist()},
    }  # fmt: skip

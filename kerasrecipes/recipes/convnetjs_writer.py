"""JSON snapshots of ConvNetJS, written: models as `net.fromJSON()` takes them."""

import math
from itertools import pairwise
from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes.errors import DataError
from kerasrecipes.recipes.convnetjs_reader import OUTSIDE, STEP

PADDED = {"ZeroPadding2D": "Conv2D", "Pad": "MaxPooling2D"}  # what pads -> what it may pad for


def to_json(model: Any) -> dict:
    """A model of this recipe, or one that `from_json` made, as a ConvNetJS snapshot; it ends in a softmax.

    The scaling of pictures is not part of it: ConvNetJS takes p / 255 - 0.5. Its factors of decay are ConvNetJS's defaults.

    Raises:
        DataError: the layers do not simply follow one another, ConvNetJS does not have one of them, or it lays windows
            elsewhere, as for kernels of even sides with the padding "same".
    """
    layers = chain(model)
    if layers and kind_of(layers[0]) == "Rescaling" and factors(layers[0]) == [1 / 255, -0.5]:
        del layers[0]
    found = [shaped("input", model.inputs[0])]
    for before, layer in pairwise([None, *layers]):
        kind = kind_of(layer)
        if kind_of(before) in PADDED and kind != PADDED[kind_of(before)]:
            raise refused(before, f"ConvNetJS pads so only before a {PADDED[kind_of(before)]}")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise refused(layer, "ConvNetJS keeps the channels last")
        if kind in WRITERS:
            found += WRITERS[kind](layer, before)
        elif kind == "Pad" and not never_wins(model, layer):
            raise refused(layer, f"before a max pooling ConvNetJS has {OUTSIDE} around, which never wins")
        elif kind not in PADDED:
            raise DataError(f"ConvNetJS has no layer for {layer.name} ({kind})")
    scores = math.prod(model.outputs[0].shape[1:])
    end = {"layer_type": "softmax", "out_sy": 1, "out_sx": 1, "out_depth": scores, "num_inputs": scores}
    return {"layers": [*found, end]}


def chain(model: Any) -> list:
    """The layers of a model in their order, without its input."""
    x = model.inputs[0]
    known = len(x.shape) == 4 and None not in x.shape[1:]
    layers = [v for v in getattr(model, "operations", model.layers) if kind_of(v) != "InputLayer"]
    for layer in layers:
        known &= layer.input is x
        x = layer.output
    if not known or len(model.outputs) > 1 or x is not model.outputs[0] or (layers and kind_of(layers[-1]) in PADDED):
        raise DataError(
            f"{model.name} cannot be written as a snapshot: that holds layers behind one another, from one input of known "
            "height, width and depth to one output"
        )
    return layers


def kind_of(layer: Any) -> str:
    return type(layer).__name__


def refused(layer: Any, why: str) -> DataError:
    return DataError(f"{layer.name} ({kind_of(layer)}) cannot be written as a snapshot: {why}")


def factors(layer: Any) -> list:
    config = layer.get_config()
    return [config["scale"], config["offset"]]


def never_wins(model: Any, layer: Any) -> bool:
    """Whether `keras.ops.pad` adds around maps what ConvNetJS's max pooling begins with."""
    node = next(v for v in model.get_config()["layers"] if v["name"] == layer.name)["inbound_nodes"][0]
    value = node["kwargs"].get("constant_values")
    maps = len(layer.pad_width) == 4 and not any(layer.pad_width[0])
    return maps and layer.mode == "constant" and value == OUTSIDE


def convolution(layer: Any, before: Any) -> list[dict]:
    if layer.groups > 1 or set(layer.dilation_rate) != {1}:
        raise refused(layer, "ConvNetJS's convolutions have neither groups nor dilation")
    sizes = windows(layer, layer.kernel_size, before)
    return [shaped("conv", layer.output) | sizes | volumes(layer, sizes["sx"], sizes["sy"]), *step(layer)]


def pooling(layer: Any, before: Any) -> list[dict]:
    return [shaped("pool", layer.output) | windows(layer, layer.pool_size, before)]


def dense(layer: Any, _: Any) -> list[dict]:
    if len(layer.input.shape) != 2:
        raise refused(layer, "ConvNetJS's fully connected layers take a whole map; put a Flatten before it")
    return [shaped("fc", layer.output) | {"num_inputs": layer.input.shape[-1]} | volumes(layer, 1, 1), *step(layer)]


def step(layer: Any, _: Any = None) -> list[dict]:
    """The rectifier, tanh or sigmoid of a layer; nothing for a linear one."""
    kind = getattr(layer.activation, "__name__", None)
    if kind not in ("linear", *STEP) or layer.activation is not keras.activations.get(kind):
        raise refused(layer, f"ConvNetJS's activations are {', '.join(STEP)}")
    return [] if kind == "linear" else [shaped(kind, layer.output)]


def dropout(layer: Any, _: Any) -> list[dict]:
    """The scaling that `from_json` makes of a dropout."""
    scale, offset = factors(layer)
    if offset != 0 or not layer.name.startswith("dropout") or not isinstance(scale, int | float) or not 0 <= scale <= 1:
        raise refused(layer, "ConvNetJS scales pictures to p / 255 - 0.5, and by drop_prob in layers `dropout_...`")
    return [shaped("dropout", layer.output) | {"drop_prob": scale}]


WRITERS = {
    "Conv2D": convolution, "MaxPooling2D": pooling, "Dense": dense, "Activation": step, "Rescaling": dropout,
    "Flatten": lambda *_: [],
}  # fmt: skip


def windows(layer: Any, window: tuple[int, int], before: Any) -> dict:
    """The sizes of a convolution's or pooling's (height, width) windows, where ConvNetJS lays them at the same places."""
    begin, whole = (0, 0), layer.input
    if kind_of(before) in PADDED:
        begin, whole = begins(before), before.input
    (stride, other), counts = layer.strides, layer.output.shape[1:3]
    if layer.padding == "same":
        spans = [(n - 1) * stride + k - side for n, k, side in zip(counts, window, layer.input.shape[1:3], strict=True)]
        begin = tuple(b + max(span, 0) // 2 for b, span in zip(begin, spans, strict=True))
    pad = begin[0]
    laid = [(side + 2 * pad - k) // stride + 1 for side, k in zip(whole.shape[1:3], window, strict=True)]
    depths = {whole.shape[-1], layer.input.shape[-1]}  # nothing is padded there
    if other != stride or begin[1] != pad or pad < 0 or laid != [*counts] or len(depths) > 1:
        raise refused(
            layer,
            "ConvNetJS has one stride for both axes and one padding for all four sides; take kernels of odd sides, or a "
            "ZeroPadding2D before the layer",
        )
    sy, sx = window
    return {"sx": sx, "sy": sy, "stride": stride, "in_depth": whole.shape[-1], "pad": pad}


def begins(padding: Any) -> tuple[int, int]:
    """What is padded (above, on the left)."""
    (above, _), (left, _) = padding.padding if kind_of(padding) == "ZeroPadding2D" else padding.pad_width[1:3]
    return above, left


def shaped(kind: str, x: Any) -> dict:
    height, width, depth = (1, 1, *x.shape[1:])[-3:]
    return {"layer_type": kind, "out_sy": height, "out_sx": width, "out_depth": depth}


def volumes(layer: Any, sx: int, sy: int) -> dict:
    """`filters` and `biases` of a layer with its kernel (..., filters) and bias (filters,), and their decay."""
    if not layer.use_bias:
        raise refused(layer, "ConvNetJS's layers have biases")
    kernel, bias = keras.ops.convert_to_numpy(layer.kernel), keras.ops.convert_to_numpy(layer.bias)
    columns = kernel.reshape(-1, kernel.shape[-1]).T
    size = {"sx": sx, "sy": sy, "depth": columns.shape[1] // (sx * sy)}
    return {
        "l1_decay_mul": 0, "l2_decay_mul": 1, "filters": [size | {"w": column.tolist()} for column in columns],
        "biases": {"sx": 1, "sy": 1, "depth": len(bias), "w": bias.tolist()},
    }  # fmt: skip

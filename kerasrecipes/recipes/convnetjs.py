"""ConvNetJS (Karpathy, 2014): the digit and CIFAR-10 nets that train in a browser, and their JSON snapshots.

    picture -> p / 255 - 0.5 -> [5 x 5 convolution, rectifier, max pooling] x 2 or 3 -> fully connected -> scores

5,994 parameters for MNIST, 22,466 for CIFAR-10: the nets of demo/mnist.html and demo/cifar10.html.
"""

import json
from pathlib import Path
from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes._lazy import numpy as np
from kerasrecipes.errors import DataError
from kerasrecipes.registry import Recipe

STEP = ("relu", "tanh", "sigmoid")  # layers of a snapshot that have no sizes


def convnetjs(
    *,
    size: int = 32,
    channels: int = 3,
    classes: int = 10,
    layers: tuple = ((16, 5, 2), (20, 5, 2), (20, 5, 2)),
    l2: float = 2.5e-5,
):
    """Build a net of the demos; the defaults are those of CIFAR-10.

    Args:
        size: height and width of the input. channels: 3, or 1 for grey.
        classes: of the scores.
        layers: (filters, kernel, pool) of each stage: a convolution of stride 1 with (kernel - 1) / 2 zeros around, and a
            max pooling over windows of `pool` without overlap.
        l2: decay of the weights, not of the biases: l2 p^2 / 2 is added to the mean loss. ConvNetJS divides its
            l2_decay by the batch: 0.0001 / 4 for CIFAR-10, 0.001 / 20 for MNIST.

    Returns:
        A functional `keras.Model`: (batch, size, size, channels), 0 to 255 -> scores (batch, classes); no softmax.
    """
    picture = keras.Input((size, size, channels), dtype="float32", name="picture")
    x = keras.layers.Rescaling(1 / 255, -0.5, dtype="float32")(picture)

    def weighted(layer, bias, *arguments, **keywords):  # N(0, 1 / fan-in); biases of 0.1 before a rectifier
        start = keras.initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal")
        decay = keras.regularizers.L2(l2 / 2) if l2 else None
        return layer(
            *arguments, kernel_initializer=start, bias_initializer=keras.initializers.Constant(bias), kernel_regularizer=decay,
            **keywords,
        )  # fmt: skip

    for filters, kernel, pool in layers:
        x = weighted(keras.layers.Conv2D, 0.1, filters, kernel, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(pool)(x)  # (batch, side / pool, side / pool, filters)
    x = keras.layers.Flatten()(x)
    scores = weighted(keras.layers.Dense, 0.0, classes, dtype="float32", name="logits")(x)
    return keras.Model(picture, scores, name="convnetjs")


# ---------------------------------------------------------------------------------------------- snapshots


def from_json(source: str | Path | dict) -> Any:
    """A model from a ConvNetJS snapshot (`net.toJSON()`).

    Args:
        source: its path, or what `json.load` gives.

    Returns:
        A functional `keras.Model`: (batch, height, width, channels), scaled as the snapshot's author did (the demos:
        p / 255 - 0.5) -> scores (batch, classes) before the softmax.

    Raises:
        DataError: no snapshot, or a layer that this reader does not know.

    Example:
        >>> model = from_json("cifar10_snapshot.json")
        >>> model.predict(pictures / 255 - 0.5)
    """
    if not isinstance(source, dict):
        try:
            source = json.loads(Path(source).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{source} cannot be read as a ConvNetJS snapshot: {error}") from error
    listed = source.get("layers") if isinstance(source, dict) else None
    if not listed or listed[0].get("layer_type") != "input":
        raise DataError("A ConvNetJS snapshot holds `layers`, the first of which is of the layer_type `input`")
    begin = listed[0]
    x = picture = keras.Input((begin["out_sy"], begin["out_sx"], begin["out_depth"]), dtype="float32", name="picture")
    filled = []
    for number, layer in enumerate(listed[1:], 1):
        kind = layer.get("layer_type")
        if kind == "conv":
            made, x = convolution(layer, x, number)
            filled.append((made, layer))
        elif kind == "fc":
            dense = keras.layers.Dense(layer["out_depth"], name=f"fc_{number}")
            x = dense(keras.layers.Flatten()(x))  # ConvNetJS counts ((y * width) + x) * depth + d, as Flatten does
            filled.append((dense, layer))
        elif kind == "pool":
            x = pooled(layer, x)
        elif kind in STEP:
            x = keras.layers.Activation(kind)(x)
        elif kind == "dropout":  # at test time ConvNetJS multiplies by drop_prob
            x = keras.layers.Rescaling(layer["drop_prob"])(x)
        elif kind == "softmax":
            break
        else:
            known = ", ".join(("input", "conv", "fc", "pool", *STEP, "dropout", "softmax"))
            raise DataError(f"Layer {number} of the snapshot is of the layer_type {kind!r}; this reader knows {known}")
    model = keras.Model(picture, x, name="convnetjs_snapshot")
    for made, layer in filled:
        try:
            made.set_weights(filters_of(layer))
        except ValueError as error:
            raise DataError(f"The snapshot's layer {made.name} does not fit its sizes: {error}") from error
    return model


def convolution(layer: dict, x: Any, number: int) -> tuple[Any, Any]:
    """A snapshot's convolution: `pad` zeros around, then only whole windows."""
    made = keras.layers.Conv2D(
        layer["out_depth"], (layer["sy"], layer["sx"]), layer["stride"], padding="valid", name=f"conv_{number}"
    )
    return made, made(keras.layers.ZeroPadding2D(layer["pad"])(x) if layer["pad"] else x)


def pooled(layer: dict, x: Any) -> Any:
    """A snapshot's max pooling; what lies outside the map never wins."""
    if layer.get("pad"):
        p = layer["pad"]
        x = keras.ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=-99999.0)
    return keras.layers.MaxPooling2D((layer["sy"], layer["sx"]), layer["stride"], padding="valid")(x)


def filters_of(layer: dict) -> list[Any]:
    """(kernel, bias) in Keras's order: a filter's number ((y * sx) + x) * depth + d goes to (y, x, d, filter)."""
    filters = np.stack([numbers(f) for f in layer["filters"]], axis=-1)
    if layer["layer_type"] == "conv":
        filters = filters.reshape(layer["sy"], layer["sx"], layer["in_depth"], -1)
    return [filters.astype("float32"), numbers(layer["biases"]).astype("float32")]


def numbers(volume: dict) -> Any:
    """The values of a Vol; old browsers wrote its typed array as {"0": ..., "1": ...}."""
    w = volume["w"]
    return np.array([w[str(i)] for i in range(len(w))] if isinstance(w, dict) else w, "float64")


def to_json(model: Any) -> dict:
    """A model of this file, or one that `from_json` made, as a ConvNetJS snapshot.

    The scaling of pictures is not part of it: ConvNetJS takes p / 255 - 0.5.

    Raises:
        DataError: a layer that ConvNetJS does not have.
    """
    height, width, depth = model.input_shape[1:]
    found: list[dict] = [shaped("input", (height, width, depth))]
    pad = 0
    for layer in model.layers:
        name = type(layer).__name__
        shape = tuple(layer.output.shape[1:])
        if name in ("InputLayer", "Flatten") or (name == "Rescaling" and layer.offset):
            continue
        if name == "ZeroPadding2D":
            pad = layer.padding[0][0]
        elif name == "Conv2D":
            (sy, sx), (stride, _) = layer.kernel_size, layer.strides
            zeros = (sy - 1) // 2 if layer.padding == "same" else pad
            kernel, bias = layer.get_weights()
            found.append(
                shaped("conv", shape) | {"sx": sx, "sy": sy, "stride": stride, "in_depth": kernel.shape[2], "pad": zeros}
                | decays() | volumes(kernel.reshape(-1, kernel.shape[-1]), bias, (sx, sy, kernel.shape[2]))
            )  # fmt: skip
            pad = 0
            if layer.activation.__name__ in STEP:
                found.append(shaped(layer.activation.__name__, shape))
        elif name == "MaxPooling2D":
            (sy, sx), (stride, _) = layer.pool_size, layer.strides
            before = layer.input.shape[-1]
            found.append(shaped("pool", shape) | {"sx": sx, "sy": sy, "stride": stride, "in_depth": before, "pad": 0})
        elif name == "Dense":
            kernel, bias = layer.get_weights()
            found.append(
                shaped("fc", (1, 1, shape[-1])) | {"num_inputs": len(kernel)} | decays()
                | volumes(kernel, bias, (1, 1, len(kernel)))
            )  # fmt: skip
        elif name == "Activation" and layer.activation.__name__ in STEP:
            found.append(shaped(layer.activation.__name__, shape if len(shape) == 3 else (1, 1, *shape)))
        else:
            raise DataError(f"ConvNetJS has no layer for {layer.name} ({name})")
    classes = found[-1]["out_depth"]
    return {"layers": [*found, shaped("softmax", (1, 1, classes)) | {"num_inputs": classes}]}


def shaped(kind: str, shape: tuple) -> dict:
    return {"layer_type": kind, "out_sy": shape[0], "out_sx": shape[1], "out_depth": shape[2]}


def decays() -> dict:
    return {"l1_decay_mul": 0, "l2_decay_mul": 1}


def volumes(kernel: Any, bias: Any, size: tuple) -> dict:
    """`filters` and `biases` of (inputs, filters) and (filters,)."""
    sx, sy, depth = size
    return {
        "filters": [{"sx": sx, "sy": sy, "depth": depth, "w": [float(v) for v in column]} for column in kernel.T],
        "biases": {"sx": 1, "sy": 1, "depth": len(bias), "w": [float(v) for v in bias]},
    }


# ---------------------------------------------------------------------------------------------- recipes

CIFAR10 = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ADADELTA = {"class_name": "Adadelta", "config": {"learning_rate": 1.0, "rho": 0.95, "epsilon": 1e-8}}


def _recipe(name, config, summary, classes, picture):
    return Recipe(
        name=name, paper="https://cs.stanford.edu/people/karpathy/convnetjs/", title="ConvNetJS: deep learning in your browser",
        task="image-classification", builder="kerasrecipes.recipes.convnetjs:convnetjs", config=config, summary=summary,
        tags=("cnn", "pretrained"), classes=classes, picture=picture, optimizer=ADADELTA,
    )  # fmt: skip


RECIPES = (
    _recipe(
        "convnetjs_mnist",
        {"size": 24, "channels": 1, "classes": 10, "layers": ((8, 5, 2), (16, 5, 3)), "l2": 5e-5},
        "Two convolutions for digits, 5,994 parameters; views are 24 x 24 cut-outs of 28 x 28.",
        tuple("0123456789"), {"canvas": (28, 28)},
    ),
    _recipe(
        "convnetjs_cifar10",
        {"size": 32, "channels": 3, "classes": 10, "layers": ((16, 5, 2), (20, 5, 2), (20, 5, 2)), "l2": 2.5e-5},
        "Three convolutions for small pictures, 22,466 parameters; views are shifted by up to 2 pixels and mirrored.",
        CIFAR10, {"pad": 2, "fill": 127.5, "flip": True},
    ),
)  # fmt: skip

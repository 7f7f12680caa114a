"""Import of ConvNetJS JSON snapshots (`net.toJSON()`). `convnetjs_export` writes them.

ConvNetJS places windows from -pad on, with the same `pad` on all sides, and counts (side + 2 pad - window) / stride + 1 of
them, rounded down. Outside the image are zeros for a convolution, and a value that never wins for a max pooling.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes import layers
from kerasrecipes._lazy import keras
from kerasrecipes._lazy import numpy as np
from kerasrecipes.errors import DataError

ACTIVATIONS = ("relu", "tanh", "sigmoid")  # layers of a snapshot without sizes
LOSSES = ("softmax", "svm", "regression")  # last layers of a snapshot, without weights
BRAIN_JS_TYPES = (
    "NeuralNetwork", "NeuralNetworkGPU", "FeedForward", "RNN", "LSTM", "GRU", "RNNTimeStep", "LSTMTimeStep", "GRUTimeStep",
)  # fmt: skip
POOL_PADDING_VALUE = -99999.0  # loses against every value in ConvNetJS's max pooling


def from_json(source: str | Path | dict) -> Any:
    """Build a model from a ConvNetJS snapshot.

    Args:
        source: Path of the snapshot, or its parsed JSON.

    Returns:
        A functional `keras.Model`: (batch, height, width, channels), scaled as the snapshot's author did (the demos:
        p / 255 - 0.5) -> logits (batch, classes). A snapshot for an SVM gives its scores, and one for a regression its values, after a
        linear `Activation` of the name `svm` or `regression`. `kerasrecipes.losses.convnetjs_losses` has their losses.

    Raises:
        DataError: It is no snapshot, holds an unknown layer, or a layer's values are missing or do not fit.

    Example:
        >>> model = from_json("cifar10_snapshot.json")
        >>> model.predict(images / 255 - 0.5)
    """
    first, *entries = parse_layers(source)
    with layer_context(0, first):
        shape = (first["out_sy"], first["out_sx"], first["out_depth"])
        x = image = keras.Input(shape, dtype="float32", name="image")
    weighted, loss = [], "softmax"
    for number, entry in enumerate(entries, 1):
        if entry.get("layer_type") in LOSSES:
            loss = entry["layer_type"]
            break
        with layer_context(number, entry):
            layer, x = add_layer(entry, x, number)
        if entry["layer_type"] in ("conv", "fc"):
            weighted.append((number, layer, entry))
    x = keras.layers.Flatten()(x) if len(x.shape) > 2 else x
    if loss != "softmax":
        x = keras.layers.Activation("linear", name=loss)(x)
    model = keras.Model(image, x, name="convnetjs_snapshot")
    for number, layer, entry in weighted:
        with layer_context(number, entry):
            layer.set_weights(parse_filters(entry))
    return model


def parse_layers(source: Any) -> list[dict]:
    """Return the entries of a snapshot's layers, the input first."""
    if isinstance(source, str | Path):
        try:
            source = json.loads(Path(source).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{source} cannot be read as a ConvNetJS snapshot: {error}") from error
    if is_brain_js(source):
        sizes = f" of sizes {', '.join(map(str, source['sizes']))}" if isinstance(source.get("sizes"), list) else ""
        raise DataError(
            f"This is a network of Brain.js ({source.get('type', 'NeuralNetwork')}), not a ConvNetJS snapshot: build its layers{sizes} "
            "in Keras and set their weights, or export a snapshot from ConvNetJS with net.toJSON()"
        )
    entries = source.get("layers") if isinstance(source, dict) else None
    valid = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not entries or not valid or entries[0].get("layer_type") != "input":
        raise DataError("A ConvNetJS snapshot holds `layers`, objects, the first of which has the layer_type `input`")
    return entries


def is_brain_js(source: Any) -> bool:
    """Return whether parsed JSON is a network of Brain.js, of its version 1 (objects of neurons) or later."""
    if not isinstance(source, dict):
        return False
    layers = source.get("layers")
    if source.get("type") in BRAIN_JS_TYPES or (isinstance(source.get("sizes"), list) and layers is not None):
        return True
    neurons = (
        [n for layer in layers[1:2] if isinstance(layer, dict) for n in layer.values()]
        if isinstance(layers, list)
        else []
    )
    return bool(neurons) and all(isinstance(neuron, dict) and {"bias", "weights"} <= set(neuron) for neuron in neurons)


@contextmanager
def layer_context(number: int, entry: dict) -> Iterator[None]:
    """Name the layer in errors about its values."""
    label = f"Layer {number} of the snapshot ({entry.get('layer_type')})"
    try:
        yield
    except KeyError as error:
        raise DataError(f"{label} lacks {error}") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"{label} does not fit its sizes: {error}") from error


def add_layer(entry: dict, x: Any, number: int) -> tuple[Any, Any]:
    """Return the Keras layer of a snapshot's entry and its output for x."""
    layer_type = entry.get("layer_type")
    if layer_type == "conv":
        sizes = entry["out_depth"], (entry["sy"], entry["sx"]), entry["stride"]
        layer = keras.layers.Conv2D(*sizes, padding="valid", name=f"conv_{number}")
        pad = parse_padding(entry)
        return layer, conv_or_pool_input(entry, layer(keras.layers.ZeroPadding2D(pad)(x) if pad else x))
    if layer_type == "pool":
        layer = keras.layers.MaxPooling2D((entry["sy"], entry["sx"]), entry["stride"], padding="valid")
        if pad := parse_padding(entry):
            sides = ((0, 0), (pad, pad), (pad, pad), (0, 0))
            x = keras.ops.pad(x, sides, constant_values=POOL_PADDING_VALUE)
        return layer, conv_or_pool_input(entry, layer(x))
    if layer_type == "fc":
        layer = keras.layers.Dense(entry["out_depth"], name=f"fc_{number}")
        x = keras.layers.Flatten()(x)  # both count ((y * width) + x) * depth + d
    elif layer_type in ACTIVATIONS:
        layer = keras.layers.Activation(layer_type)
    elif layer_type == "maxout":
        layer = layers.Maxout(entry["group_size"], name=f"maxout_{number}")
    elif layer_type == "lrn":
        layer = parse_normalization(entry, number)
    elif layer_type == "dropout":  # at test time ConvNetJS multiplies by drop_prob
        if not isinstance(scale := entry["drop_prob"], int | float) or not 0 <= scale <= 1:
            raise ValueError(f"`drop_prob` is {scale!r}, not 0 to 1")
        layer = keras.layers.Rescaling(scale, name=f"dropout_{number}")
    else:
        supported = ", ".join(("input", "conv", "fc", "pool", *ACTIVATIONS, "maxout", "lrn", "dropout", *LOSSES))
        raise DataError(
            f"Layer {number} of the snapshot has the unknown layer_type {layer_type!r}; known are {supported}"
        )
    return layer, layer(x)


def parse_normalization(entry: dict, number: int) -> Any:
    """Return the layer for `lrn`, which sums n // 2 maps on each side and divides alpha by n. The window has n + 1 maps if n is even."""
    n, alpha = entry["n"], entry["alpha"]
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"`n` is {n!r}, not 1, 2, 3 ...")
    size = 2 * (n // 2) + 1
    options = {"beta": entry["beta"], "k": entry["k"], "name": f"lrn_{number}"}
    if not all(isinstance(v, int | float) for v in (alpha, options["beta"], options["k"])):
        raise ValueError("`k`, `alpha` and `beta` must be numbers")
    if size == n:
        return layers.LocalResponseNormalization(size, alpha, mean=True, **options)
    return layers.LocalResponseNormalization(size, alpha / n, **options)


def parse_padding(entry: dict) -> int:
    pad = entry.get("pad", 0)  # old snapshots have none
    if not isinstance(pad, int) or pad < 0:
        raise ValueError(f"`pad` is {pad!r}, not 0, 1, 2 ...")
    return pad


def conv_or_pool_input(entry: dict, x: Any) -> Any:
    """Return x (batch, height, width, filters) if the snapshot counts as many windows."""
    expected = entry["out_sy"], entry["out_sx"]
    if expected != tuple(x.shape[1:3]):
        raise ValueError(f"out_sy and out_sx are {expected}, its windows give {tuple(x.shape[1:3])}")
    return x


def parse_filters(entry: dict) -> list[Any]:
    """Return (kernel, bias) in Keras's order: value ((y * sx) + x) * depth + d of a filter goes to (y, x, d, filter)."""
    filters = np.stack([parse_volume(f) for f in entry["filters"]], axis=-1)
    if entry["layer_type"] == "conv":
        filters = filters.reshape(entry["sy"], entry["sx"], entry["in_depth"], -1)
    return [filters, parse_volume(entry["biases"])]


def parse_volume(volume: dict) -> Any:
    """Return the values of a Vol as float32. Old browsers wrote its typed array as {"0": ..., "1": ...}."""
    w = volume["w"]
    values = np.array([w[str(i)] for i in range(len(w))] if isinstance(w, dict) else w, "float64")
    with np.errstate(over="ignore"):
        values = values.astype("float32")
    if not np.isfinite(values).all():  # JSON writes NaN as null
        raise ValueError("its weights hold null, NaN or infinity: the training diverged, take an earlier snapshot")
    return values

"""JSON snapshots of ConvNetJS (`net.toJSON()`), read; `convnetjs_writer` writes them.

ConvNetJS lays windows from -pad on, `pad` the same on all sides, and counts (side + 2 pad - window) / stride + 1 of them,
rounded down: outside are zeros for a convolution, and nothing that could win for a max pooling.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes._lazy import keras
from kerasrecipes._lazy import numpy as np
from kerasrecipes.errors import DataError

ACTIVATIONS = ("relu", "tanh", "sigmoid")  # layers of a snapshot that have no sizes
POOL_PADDING_VALUE = -99999.0  # what every value of a window beats in ConvNetJS's max pooling


def from_json(source: str | Path | dict) -> Any:
    """A model from a ConvNetJS snapshot (`net.toJSON()`).

    Args:
        source: its path, or what `json.load` gives.

    Returns:
        A functional `keras.Model`: (batch, height, width, channels), scaled as the snapshot's author did (the demos:
        p / 255 - 0.5) -> scores (batch, classes) before the softmax.

    Raises:
        DataError: no snapshot, a layer that this reader does not know, or one whose values are missing or do not fit.

    Example:
        >>> model = from_json("cifar10_snapshot.json")
        >>> model.predict(pictures / 255 - 0.5)
    """
    begin, *listed = parse_layers(source)
    with layer_context(0, begin):
        x = picture = keras.Input(
            (begin["out_sy"], begin["out_sx"], begin["out_depth"]), dtype="float32", name="picture"
        )
    filled = []
    for number, layer in enumerate(listed, 1):
        if layer.get("layer_type") == "softmax":
            break
        with layer_context(number, layer):
            made, x = add_layer(layer, x, number)
        if layer["layer_type"] in ("conv", "fc"):
            filled.append((number, made, layer))
    model = keras.Model(picture, keras.layers.Flatten()(x) if len(x.shape) > 2 else x, name="convnetjs_snapshot")
    for number, made, layer in filled:
        with layer_context(number, layer):
            made.set_weights(parse_filters(layer))
    return model


def parse_layers(source: Any) -> list[dict]:
    """The layers of a snapshot, the input first."""
    if isinstance(source, str | Path):
        try:
            source = json.loads(Path(source).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{source} cannot be read as a ConvNetJS snapshot: {error}") from error
    listed = source.get("layers") if isinstance(source, dict) else None
    objects = isinstance(listed, list) and all(isinstance(v, dict) for v in listed)
    if not listed or not objects or listed[0].get("layer_type") != "input":
        raise DataError("A ConvNetJS snapshot holds `layers`, objects, the first of which is of the layer_type `input`")
    return listed


@contextmanager
def layer_context(number: int, layer: dict) -> Iterator[None]:
    """Errors in a layer's values name the layer."""
    named = f"Layer {number} of the snapshot ({layer.get('layer_type')})"
    try:
        yield
    except KeyError as error:
        raise DataError(f"{named} lacks {error}") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"{named} does not fit its sizes: {error}") from error


def add_layer(layer: dict, x: Any, number: int) -> tuple[Any, Any]:
    """(the Keras layer of a snapshot's layer, its output from x)."""
    kind = layer.get("layer_type")
    if kind == "conv":
        sizes = layer["out_depth"], (layer["sy"], layer["sx"]), layer["stride"]
        made = keras.layers.Conv2D(*sizes, padding="valid", name=f"conv_{number}")
        pad = parse_padding(layer)
        return made, conv_or_pool_input(layer, made(keras.layers.ZeroPadding2D(pad)(x) if pad else x))
    if kind == "pool":
        made = keras.layers.MaxPooling2D((layer["sy"], layer["sx"]), layer["stride"], padding="valid")
        if p := parse_padding(layer):
            x = keras.ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), constant_values=POOL_PADDING_VALUE)
        return made, conv_or_pool_input(layer, made(x))
    if kind == "fc":
        made = keras.layers.Dense(layer["out_depth"], name=f"fc_{number}")
        x = keras.layers.Flatten()(x)  # ConvNetJS counts ((y * width) + x) * depth + d, as Flatten does
    elif kind in ACTIVATIONS:
        made = keras.layers.Activation(kind)
    elif kind == "dropout":  # at test time ConvNetJS multiplies by drop_prob
        if not isinstance(share := layer["drop_prob"], int | float) or not 0 <= share <= 1:
            raise ValueError(f"`drop_prob` is {share!r}, not 0 to 1")
        made = keras.layers.Rescaling(share, name=f"dropout_{number}")
    else:
        known = ", ".join(("input", "conv", "fc", "pool", *ACTIVATIONS, "dropout", "softmax"))
        raise DataError(f"Layer {number} of the snapshot is of the layer_type {kind!r}; this reader knows {known}")
    return made, made(x)


def parse_padding(layer: dict) -> int:
    pad = layer.get("pad", 0)  # old snapshots have none
    if not isinstance(pad, int) or pad < 0:
        raise ValueError(f"`pad` is {pad!r}, not 0, 1, 2 ...")
    return pad


def conv_or_pool_input(layer: dict, x: Any) -> Any:
    """x (batch, height, width, filters), if the snapshot counts as many windows."""
    said = layer["out_sy"], layer["out_sx"]
    if said != tuple(x.shape[1:3]):
        raise ValueError(f"out_sy and out_sx are {said}, its windows give {tuple(x.shape[1:3])}")
    return x


def parse_filters(layer: dict) -> list[Any]:
    """(kernel, bias) in Keras's order: a filter's number ((y * sx) + x) * depth + d goes to (y, x, d, filter)."""
    filters = np.stack([parse_volume(f) for f in layer["filters"]], axis=-1)
    if layer["layer_type"] == "conv":
        filters = filters.reshape(layer["sy"], layer["sx"], layer["in_depth"], -1)
    return [filters.astype("float32"), parse_volume(layer["biases"]).astype("float32")]


def parse_volume(volume: dict) -> Any:
    """The values of a Vol; old browsers wrote its typed array as {"0": ..., "1": ...}."""
    w = volume["w"]
    return np.array([w[str(i)] for i in range(len(w))] if isinstance(w, dict) else w, "float64")

"""Units by name: "conv3:17" is channel 17 of layer conv3, "conv3:17@6,6" its position (row 6, column 6)."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import LayerCall, functional_graph, input_name, layer_calls

UNIT_PATTERN = re.compile(r"(?P<layer>[^:@]+)(:(?P<channel>[^@]+))?(@(?P<position>all|\d+(,\d+)*))?")
UNIT_RANGE_PATTERN = re.compile(r"(?P<layer>[^:@]+):(?P<first>\d+)-(?P<last>\d+)(?P<position>@.*)?")


@dataclass(frozen=True)
class Unit:
    """A channel of a layer and a position in it.

    Args:
        layer: Name of the layer.
        channel: Index on the channel axis.
        position: Indices on the other axes, (row, column) or (frame,); "all"; or None for the strongest.
    """

    layer: str
    channel: int
    position: tuple[int, ...] | str | None = None

    def __str__(self) -> str:
        position = self.position if isinstance(self.position, str) else ",".join(map(str, self.position or ()))
        return f"{self.layer}:{self.channel}" + (f"@{position}" if position else "")

    @property
    def stem(self) -> str:
        """The unit's name as part of a file name."""
        return re.sub(r"[^\w.-]+", "_", str(self))


def layer_names(model: Any) -> list[str]:
    """Return the names of all layers in the order of computation.

    Raises:
        KerasRecipesError: The model has no graph.
    """
    return [call.name for call in layer_calls(model)]


def find_layer_call(model: Any, name: str) -> LayerCall:
    """Return the layer call of that name.

    Raises:
        KerasRecipesError: There is none. The message has the most similar name and all names.
    """
    calls = {call.name: call for call in layer_calls(model)}
    if name in calls:
        return calls[name]
    inputs = [input_name(t) for t in functional_graph(model).inputs]
    if name in inputs:
        raise KerasRecipesError(f"{name} is the model's input; its layers are {', '.join(calls)}")
    similar = difflib.get_close_matches(name, calls, n=1, cutoff=0.5)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    raise KerasRecipesError(f"There is no layer {name!r}.{hint} {model.name} has {', '.join(calls)}")


def channel_axis(call: LayerCall) -> int:
    """Return the channel axis of a layer's output: -1, or 1 for channels-first layers."""
    first = getattr(call.operation, "data_format", None) == "channels_first"
    return 1 if first and len(call.outputs[0].shape) > 2 else -1


def num_channels(call: LayerCall) -> int | None:
    """Return the number of channels of a layer's output, or None if it has no channel axis."""
    shape = call.outputs[0].shape
    return shape[channel_axis(call)] if len(shape) > 1 else None


def find_unit(model: Any, unit: str | Unit) -> Unit:
    """Parse "LAYER:CHANNEL", "LAYER:CHANNEL@ROW,COLUMN" or "LAYER:CHANNEL@all" and check it against the model.

    CHANNEL is a number. In a layer with as many channels as the model has classes or symbols, it may be one of their names.

    Raises:
        KerasRecipesError: No such layer, channel or position. The message lists what exists.

    Example:
        >>> find_unit(model, "scores:tabby")
        Unit(layer='scores', channel=281, position=None)
    """
    position: Any
    if isinstance(unit, Unit):
        layer, channel, position = unit.layer, str(unit.channel), unit.position
    else:
        match = UNIT_PATTERN.fullmatch(unit) if isinstance(unit, str) else None
        if match is None:
            raise KerasRecipesError(f'{unit!r} is not a unit: write "conv3:17", "conv3:17@6,6" or "conv3:17@all"')
        layer, channel, position = match["layer"], match["channel"], match["position"]
        position = position if position in (None, "all") else tuple(int(n) for n in position.split(","))
    call = find_layer_call(model, layer)
    count = num_channels(call)
    if count is None:
        raise KerasRecipesError(f"The output of {layer}, {call.outputs[0].shape}, has no channels to choose from")
    if channel is None:
        raise KerasRecipesError(f'{layer} has {count} channels: name one, for instance "{layer}:0"')
    number = channel_index(model, call, channel, count)
    shape = list(call.outputs[0].shape[1:])
    shape.pop(channel_axis(call) - (1 if channel_axis(call) > 0 else 0))
    if isinstance(position, tuple):
        fits = len(position) == len(shape) and all(
            s is None or 0 <= p < s for p, s in zip(position, shape, strict=True)
        )
        if not fits:
            sizes = " x ".join("?" if s is None else str(s) for s in shape) or "no"
            raise KerasRecipesError(f"{layer} has no position {','.join(map(str, position))}: it has {sizes} positions")
    return Unit(layer, number, position if shape else ())


def channel_index(model: Any, call: LayerCall, channel: str, count: int) -> int:
    """Return the channel of a layer from a number or one of `output_names`."""
    if channel.isdecimal():
        if int(channel) < count:
            return int(channel)
        raise KerasRecipesError(f"{call.name} has no channel {channel}: it has {count}, numbered from 0 to {count - 1}")
    names = output_names(model)
    if len(names) != count:
        raise KerasRecipesError(
            f"{channel!r} is not a channel of {call.name}: its channels are numbered from 0 to {count - 1}"
        )
    for number, name in enumerate(names):
        if name.lower() == channel.lower():
            return number
    similar = difflib.get_close_matches(channel.lower(), [n.lower() for n in names], n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(similar)}?" if similar else ""
    raise KerasRecipesError(f"{channel!r} is not a class of {model.name}{hint}")


def output_names(model: Any) -> list[str]:
    """Return the names of a recipe's logits: its classes, or the blank and the symbols of its alphabet."""
    if classes := getattr(model, "classes", None):
        return list(classes)
    alphabet = getattr(model, "alphabet", None)
    if alphabet is None:
        return []
    if alphabet.num_repetition_symbols is None:
        return ["blank", *alphabet.symbols]
    return [*alphabet.symbols, *(f"repeat{k}" for k in range(1, alphabet.num_repetition_symbols + 1))]


def expand_units(patterns: Sequence[str]) -> list[str]:
    """Expand ranges and lists of units.

    Args:
        patterns: "conv3:17", the range "conv3:0-15" or the list "conv1:0,conv1:3@2,2". A comma separates units where another
            layer name follows.
    """
    units = []
    for pattern in patterns:
        for part in re.split(r",(?=[^,@]*:)", pattern):
            match = UNIT_RANGE_PATTERN.fullmatch(part.strip())
            if match:
                numbers = range(int(match["first"]), int(match["last"]) + 1)
                units += [f"{match['layer']}:{n}{match['position'] or ''}" for n in numbers]
            elif part.strip():
                units.append(part.strip())
    return units

"""Units by name: "conv3:17" is the 17th map of layer conv3, "conv3:17@6,6" its place (row 6, column 6)."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import LayerCall, functional_graph, input_name, layer_calls

UNIT_PATTERN = re.compile(r"^(?P<layer>[^:@]+)(:(?P<channel>[^@]+))?(@(?P<place>all|\d+(,\d+)*))?$")


@dataclass(frozen=True)
class Unit:
    """One map (channel) of a layer, and where in it.

    Args:
        layer: name of the step. channel: index on the last axis (of a channels-first layer, the first).
        place: indices on the other axes, (row, column) or (frame,); "all"; None for the strongest.
    """

    layer: str
    channel: int
    place: tuple[int, ...] | str | None = None

    def __str__(self) -> str:
        where = self.place if isinstance(self.place, str) else ",".join(map(str, self.place or ()))
        return f"{self.layer}:{self.channel}" + (f"@{where}" if where else "")

    @property
    def stem(self) -> str:
        """For file names."""
        return re.sub(r"[^\w.-]+", "_", str(self))


def layer_names(model: Any) -> list[str]:
    """All that units can be named of, in the order of computation.

    Raises:
        KerasRecipesError: the model has no graph.
    """
    return [step.name for step in layer_calls(model)]


def find_layer_call(model: Any, name: str) -> LayerCall:
    """The step of that name.

    Raises:
        KerasRecipesError: there is none; the closest and all names are given.
    """
    steps = {step.name: step for step in layer_calls(model)}
    if name in steps:
        return steps[name]
    inputs = [input_name(t) for t in functional_graph(model).inputs]
    if name in inputs:
        raise KerasRecipesError(f"{name} is the model's input; its layers are {', '.join(steps)}")
    close = difflib.get_close_matches(name, steps, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise KerasRecipesError(f"There is no layer {name!r}.{meant} {model.name} has {', '.join(steps)}")


def channel_axis(step: LayerCall) -> int:
    """The axis of a step's output that counts its maps: -1, or 1 of channels-first layers."""
    first = getattr(step.operation, "data_format", None) == "channels_first"
    return 1 if first and len(step.outputs[0].shape) > 2 else -1


def num_channels(step: LayerCall) -> int | None:
    """How many maps a step's output has; None of outputs without maps."""
    shape = step.outputs[0].shape
    return shape[channel_axis(step)] if len(shape) > 1 else None


def find_unit(model: Any, unit: str | Unit) -> Unit:
    """A unit from "LAYER:CHANNEL", "LAYER:CHANNEL@ROW,COLUMN" or "LAYER:CHANNEL@all", checked against the model.

    CHANNEL is a number, or of a layer with as many maps as the model has classes or symbols, one of their names.

    Raises:
        KerasRecipesError: no such layer, map or place; the message says what there is.

    Example:
        >>> find_unit(model, "scores:tabby")
        Unit(layer='scores', channel=281, place=None)
    """
    if isinstance(unit, Unit):
        layer, channel, place = unit.layer, str(unit.channel), unit.place
    else:
        match = UNIT_PATTERN.match(unit) if isinstance(unit, str) else None
        if match is None:
            raise KerasRecipesError(f'{unit!r} names no unit: write "conv3:17", "conv3:17@6,6" or "conv3:17@all"')
        layer, channel, where = match["layer"], match["channel"], match["place"]
        place = where if where in (None, "all") else tuple(int(n) for n in where.split(","))
    step = find_layer_call(model, layer)
    count = num_channels(step)
    if count is None:
        raise KerasRecipesError(f"The output of {layer}, {step.outputs[0].shape}, has no maps to choose from")
    if channel is None:
        raise KerasRecipesError(f'{layer} has {count} maps: name one, for instance "{layer}:0"')
    number = channel_index(model, step, channel, count)
    shape = list(step.outputs[0].shape[1:])
    shape.pop(channel_axis(step) - (1 if channel_axis(step) > 0 else 0))
    if isinstance(place, tuple):
        fits = len(place) == len(shape) and all(s is None or 0 <= p < s for p, s in zip(place, shape, strict=True))
        if not fits:
            sides = " x ".join("?" if s is None else str(s) for s in shape) or "no"
            raise KerasRecipesError(f"{layer} has no place {','.join(map(str, place))}: it has {sides} places")
    return Unit(layer, number, place if shape else ())


def channel_index(model: Any, step: LayerCall, channel: str, count: int) -> int:
    """The map of a step that a number or a name of `symbols_of` means.

    Raises:
        KerasRecipesError: none; the message says which there are.
    """
    if channel.isdecimal():
        if int(channel) < count:
            return int(channel)
        raise KerasRecipesError(f"{step.name} has no map {channel}: it has {count}, numbered from 0 to {count - 1}")
    names = output_names(model)
    if len(names) != count:
        raise KerasRecipesError(f"{channel!r} is no map of {step.name}: its maps are numbered from 0 to {count - 1}")
    for number, name in enumerate(names):
        if name.lower() == channel.lower():
            return number
    close = difflib.get_close_matches(channel.lower(), [n.lower() for n in names], n=3, cutoff=0.4)
    raise KerasRecipesError(
        f"{channel!r} is no class of {model.name}" + (f"; did you mean {', '.join(close)}?" if close else "")
    )


def output_names(model: Any) -> list[str]:
    """Names of a recipe's scores: its classes, or the blank and the symbols of its alphabet."""
    if classes := getattr(model, "classes", None):
        return list(classes)
    alphabet = getattr(model, "alphabet", None)
    if alphabet is None:
        return []
    if alphabet.num_repetition_symbols is None:
        return ["blank", *alphabet.symbols]
    return [*alphabet.symbols, *(f"repeat{k}" for k in range(1, alphabet.num_repetition_symbols + 1))]

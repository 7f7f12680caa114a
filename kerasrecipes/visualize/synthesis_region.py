"""Region of the input that an ascent optimizes: the whole input, a unit's receptive field, or the output of a front end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward, ravel_position
from kerasrecipes.graph.model_input import input_shape, model_value_range
from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals, spatial_axes, unit_box
from kerasrecipes.graph.traversal import layer_calls, layer_shapes
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call
from kerasrecipes.visualize.saliency import layer_output_sizes


@dataclass(frozen=True)
class AscentTarget:
    """Optimized region of an ascent."""

    shape: tuple[int, ...]
    index: int  # flat position of the unit in the region
    position: tuple[int, ...]  # of the unit in the whole input


def last_untrained_step(model: Any) -> str:
    """Return the name of the last layer before the first one with trainable weights, the end of the front end."""
    name = None
    for call in layer_calls(model):
        if getattr(call.operation, "trainable_weights", []):
            break
        name = call.name
    if name is None:
        raise KerasRecipesError(f"{model.name} has no layer before its first weights: name a layer (from_layer=...)")
    return name


def make_ascent_target(
    model: Any, unit: Unit, from_layer: str | None, whole_input: bool, value_range: Any
) -> AscentTarget:
    """Return the region and the unit's position, by default the middle.

    In images the region is the unit's receptive field unless `whole_input` is set.
    """
    if from_layer is not None:
        shapes = layer_shapes(model, input_shapes(model))
        if from_layer not in shapes:
            find_layer_call(model, from_layer)
        shape, sizes = shapes[from_layer][0][1:], shapes[unit.layer][0][1:-1]
    else:
        height, width, channels = input_shape(model)
        if height is None or width is None:
            raise KerasRecipesError(f"{model.name} leaves the size of its image open: build it with a size")
        shape, sizes = (height, width, channels), layer_output_sizes(model, unit.layer)
    if unit.position == "all":
        return AscentTarget(shape, ravel_position("all", sizes), ())
    position = unit.position if isinstance(unit.position, tuple) else tuple(n // 2 for n in sizes)
    target = AscentTarget(shape, ravel_position(position, sizes), tuple(position))
    if whole_input or from_layer is not None or len(sizes) != 2:
        return target
    return crop_to_receptive_field(model, unit.layer, target, value_range) or target


def crop_to_receptive_field(model: Any, layer: str, target: AscentTarget, value_range: Any) -> AscentTarget | None:
    """Return the receptive field of a unit as its region, or None if the model gives another activation there.

    The region starts at a multiple of the stride, so that all grids stay aligned. A trial on random values finds the models
    that differ nevertheless ("same" padding with strides, layers of fixed size).
    """
    intervals = receptive_intervals(model, until=layer)[layer][1]
    if not intervals or any(
        r.axis is None or r.span is None or r.stride is None or r.stride.denominator > 1 for r in intervals
    ):
        return None
    call = find_layer_call(model, layer)
    box = unit_box(intervals, spatial_axes(call), target.position)
    strides = [int(r.stride or 1) for r in intervals]
    starts = [a // s * s for (a, _), s in zip(box, strides, strict=True)]
    region = tuple(slice(a, b) for a, (_, b) in zip(starts, box, strict=True))
    position = tuple(p - a // s for p, a, s in zip(target.position, starts, strides, strict=True))
    low, high = model_value_range(model, value_range)
    trial = np.random.default_rng(0).uniform(low, high, (1, *target.shape)).astype("float32")
    crop = trial[(slice(None), *region)]
    axis = 0 if channel_axis(call) == 1 else -1
    try:
        whole, part = (np.moveaxis(make_layer_forward(model, [layer])(x)[0][0], axis, -1) for x in (trial, crop))
        tolerance = 1e-4 * float(np.abs(whole).max())
        same = np.allclose(whole[target.position], part[position], rtol=1e-3, atol=tolerance)
    except Exception:  # backends raise different errors for a size that a layer cannot take
        return None
    return AscentTarget(crop.shape[1:], ravel_position(position, part.shape[:-1]), target.position) if same else None

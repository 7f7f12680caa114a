"""Where an ascent takes place: on the whole input, on the part that a unit sees, or behind a front end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward, ravel_position
from kerasrecipes.graph.model_input import input_shape, value_range
from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals, spatial_axes, unit_box
from kerasrecipes.graph.traversal import layer_calls, layer_shapes
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call
from kerasrecipes.visualize.saliency import layer_output_sizes


@dataclass(frozen=True)
class AscentTarget:
    """Where an ascent takes place: the input's shape and the unit's place in it."""

    shape: tuple[int, ...]
    place: int
    shown: tuple[int, ...]


def last_untrained_step(model: Any) -> str:
    """The last step before the first that has weights to train: what the network reads.

    Raises:
        KerasRecipesError: there is none.
    """
    before = None
    for step in layer_calls(model):
        if getattr(step.operation, "trainable_weights", []):
            break
        before = step.name
    if before is None:
        raise KerasRecipesError(
            f"{model.name} has nothing before its first layer with weights: name a layer (begin=...)"
        )
    return before


def make_ascent_target(model: Any, unit: Unit, begin: str | None, whole: bool, span: Any) -> AscentTarget:
    """The input's shape and the unit's place: the middle one; of pictures, cut to what the unit sees unless `whole`."""
    if begin is not None:
        shapes = layer_shapes(model, input_shapes(model))
        if begin not in shapes:
            find_layer_call(model, begin)
        shape, sizes = shapes[begin][0][1:], shapes[unit.layer][0][1:-1]
    else:
        height, width, channels = input_shape(model)
        if height is None or width is None:
            raise KerasRecipesError(f"{model.name} leaves the size of its picture open: build it with one")
        shape, sizes = (height, width, channels), layer_output_sizes(model, unit.layer)
    if unit.place == "all":
        return AscentTarget(shape, ravel_position("all", sizes), ())
    place = unit.place if isinstance(unit.place, tuple) else tuple(n // 2 for n in sizes)
    scene = AscentTarget(shape, ravel_position(place, sizes), tuple(place))
    if whole or begin is not None or len(sizes) != 2:
        return scene
    return crop_to_receptive_field(model, unit.layer, scene, sizes, span) or scene


def crop_to_receptive_field(
    model: Any, layer: str, scene: AscentTarget, sizes: tuple[int, ...], span: Any
) -> AscentTarget | None:
    """The part that a unit sees, beginning at a whole stride so that all grids stay as they are; None where a trial shows
    that the network answers otherwise there (grids of "same" strides, layers of fixed size)."""
    reaches = receptive_intervals(model, until=layer)[layer][1]
    if not reaches or any(
        r.axis is None or r.span is None or r.stride is None or r.stride.denominator > 1 for r in reaches
    ):
        return None
    box = unit_box(reaches, spatial_axes(find_layer_call(model, layer)), scene.shown)
    strides = [int(r.stride or 1) for r in reaches]
    begins = [a // s * s for (a, _), s in zip(box, strides, strict=True)]
    part = tuple(slice(a, b) for a, (_, b) in zip(begins, box, strict=True))
    place = tuple(p - a // s for p, a, s in zip(scene.shown, begins, strides, strict=True))
    low, high = value_range(model, span)
    trial = np.random.default_rng(0).uniform(low, high, (1, *scene.shape)).astype("float32")
    cut = trial[(slice(None), *part)]
    axis = channel_axis(find_layer_call(model, layer))
    try:
        whole, alone = (
            np.moveaxis(make_layer_forward(model, [layer])(x)[0][0], 0 if axis == 1 else -1, -1) for x in (trial, cut)
        )
        same = np.allclose(whole[scene.shown], alone[place], rtol=1e-3, atol=1e-4 * float(np.abs(whole).max()))
    except Exception:  # whatever a backend raises for a size that a layer cannot take
        return None
    return AscentTarget(cut.shape[1:], ravel_position(place, alone.shape[:-1]), scene.shown) if same else None

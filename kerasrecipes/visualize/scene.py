"""Where an ascent takes place: on the whole input, on the part that a unit sees, or behind a front end."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.backward import sizes_of
from kerasrecipes.visualize.compute import flat_place, forward
from kerasrecipes.visualize.pictures import sides, span_of
from kerasrecipes.visualize.receptive import box_of, fields_of, input_shapes, place_axes
from kerasrecipes.visualize.units import Unit, channel_axis, find_step
from kerasrecipes.visualize.walk import shapes_of, steps_of


@dataclass(frozen=True)
class Scene:
    """Where an ascent takes place: the input's shape and the unit's place in it."""

    shape: tuple[int, ...]
    place: int
    shown: tuple[int, ...]


def front_end(model: Any) -> str:
    """The last step before the first that has weights to train: what the network reads.

    Raises:
        KerasRecipesError: there is none.
    """
    before = None
    for step in steps_of(model):
        if getattr(step.operation, "trainable_weights", []):
            break
        before = step.name
    if before is None:
        raise KerasRecipesError(
            f"{model.name} has nothing before its first layer with weights: name a layer (begin=...)"
        )
    return before


def scene_of(model: Any, unit: Unit, begin: str | None, whole: bool, span: Any) -> Scene:
    """The input's shape and the unit's place: the middle one; of pictures, cut to what the unit sees unless `whole`."""
    if begin is not None:
        shapes = shapes_of(model, input_shapes(model))
        if begin not in shapes:
            find_step(model, begin)
        shape, sizes = shapes[begin][0][1:], shapes[unit.layer][0][1:-1]
    else:
        height, width, channels = sides(model)
        if height is None or width is None:
            raise KerasRecipesError(f"{model.name} leaves the size of its picture open: build it with one")
        shape, sizes = (height, width, channels), sizes_of(model, unit.layer)
    if unit.place == "all":
        return Scene(shape, flat_place("all", sizes), ())
    place = unit.place if isinstance(unit.place, tuple) else tuple(n // 2 for n in sizes)
    scene = Scene(shape, flat_place(place, sizes), tuple(place))
    if whole or begin is not None or len(sizes) != 2:
        return scene
    return cut_to(model, unit.layer, scene, sizes, span) or scene


def cut_to(model: Any, layer: str, scene: Scene, sizes: tuple[int, ...], span: Any) -> Scene | None:
    """The part that a unit sees, beginning at a whole stride so that all grids stay as they are; None where a trial shows
    that the network answers otherwise there (grids of "same" strides, layers of fixed size)."""
    reaches = fields_of(model, until=layer)[layer][1]
    if not reaches or any(
        r.axis is None or r.span is None or r.stride is None or r.stride.denominator > 1 for r in reaches
    ):
        return None
    box = box_of(reaches, place_axes(find_step(model, layer)), scene.shown)
    strides = [int(r.stride or 1) for r in reaches]
    begins = [a // s * s for (a, _), s in zip(box, strides, strict=True)]
    part = tuple(slice(a, b) for a, (_, b) in zip(begins, box, strict=True))
    place = tuple(p - a // s for p, a, s in zip(scene.shown, begins, strides, strict=True))
    low, high = span_of(model, span)
    trial = np.random.default_rng(0).uniform(low, high, (1, *scene.shape)).astype("float32")
    cut = trial[(slice(None), *part)]
    axis = channel_axis(find_step(model, layer))
    try:
        whole, alone = (np.moveaxis(forward(model, [layer])(x)[0][0], 0 if axis == 1 else -1, -1) for x in (trial, cut))
        same = np.allclose(whole[scene.shown], alone[place], rtol=1e-3, atol=1e-4 * float(np.abs(whole).max()))
    except Exception:  # whatever a backend raises for a size that a layer cannot take
        return None
    return Scene(cut.shape[1:], flat_place(place, alone.shape[:-1]), scene.shown) if same else None

"""Pictures that units like, for one unit and many starts or for many units: activation maximisation as a verb."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_uint8_image, value_range
from kerasrecipes.graph.traversal import functional_graph
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.activation_maximization import (
    IMAGE_MEAN,
    AscentResult,
    AscentSettings,
    GradientAscent,
    initial_input,
    resolve_settings,
)
from kerasrecipes.visualize.synthesis_region import last_untrained_step, make_ascent_target

BATCH = 9  # pictures that climb together
# of spectrograms, whose values have unit variance and need no limits; found by looking, not by the paper
SPECTROGRAM_SETTINGS = AscentSettings(0.01, 0.7, 4, 0, 0, 200, "progress", 1.0, 0.3)


@dataclass(frozen=True)
class SynthesizedInputs(plotting.Figure):
    """Inputs that a unit likes.

    Args:
        unit: with its place. values: (starts, height, width, channels), the best input of each start; (starts, time,
            features) of speech. pictures: (starts, height, width, 3) uint8; None for speech.
        activations: (starts,) of the best; at_start: of the start. best_at: its step.
        majority_at: first step at which the unit is the strongest of its layer at its place; -1 for never.
        stopped: starts that ended at a gradient of zero. settings: of the ascent. curve: (steps, starts).
    """

    unit: Unit
    values: np.ndarray = field(repr=False)
    pictures: np.ndarray | None = field(repr=False)
    activations: tuple[float, ...]
    at_start: tuple[float, ...]
    best_at: tuple[int, ...]
    majority_at: tuple[int, ...]
    stopped: tuple[bool, ...]
    settings: AscentSettings
    curve: np.ndarray = field(repr=False)

    def image(self, columns: int | None = None) -> np.ndarray:
        """All starts as one sheet, uint8; of speech, time runs to the right and features upwards."""
        if self.pictures is not None:
            return plotting.image_grid(self.pictures, columns, gap=2)
        tiles = np.stack([plotting.signed_to_uint8(v.T[::-1]) for v in self.values])
        return plotting.image_grid(tiles, columns or 1, gap=2)

    def plot(self) -> Any:
        """The sheet of pictures; of speech, each start as a spectrogram."""
        image = self.image()
        size = 4.2 * np.array([image.shape[1], image.shape[0]]) / max(image.shape[:2])
        drawn = plotting.new_figure(max(size[0], 2.4), size[1] + 0.4)
        axes = drawn.add_subplot()
        plotting.imshow(
            axes,
            image,
            f"{self.unit}: {max(self.activations):.1f}",
            aspect="equal" if self.pictures is not None else "auto",
        )
        if self.pictures is None:
            axes.set(xlabel="time", ylabel="features")
        return drawn


def synthesize(
    model: Any, unit: str | Unit, preset: int | AscentSettings | None = None, *, starts: int = 9, seed: int = 0,
    start: str = "mean_plus_rand", whole: bool = False, span: tuple[float, float] = DEFAULT_VALUE_RANGE, begin: str | None = None,
    progress: Callable | None = None, **changes: Any,
) -> SynthesizedInputs:  # fmt: skip
    """An input that activates a unit strongly, from several random starts.

    Args:
        model: any functional or Sequential model. unit: "fire9:40"; of a map, its middle place if none is named.
        preset: row 1 to 4 of table 1 of the paper, or a `Regularisation`. By default 3, with which most of its pictures were
            made; for speech `SPECTROGRAM`. changes: to its fields, for instance steps=200.
        starts: how many, with the seeds `seed`, `seed` + 1 ...; start: "mean_plus_rand", "randu" or "mean".
        whole: climb on the whole input. By default, only on what the unit sees: many times faster, with percentiles and
            blurred edges of that part.
        span: black and white in the input, of models that are no recipes: the presets' rates are for 0 to 255.
        begin: name of a step whose output is optimised in place of the input; by default, of speech recipes, the last before
            the first layer with weights: the spectrogram.
        progress: called with (step, steps).

    Raises:
        KerasRecipesError: no such unit, preset, setting or start.

    Example:
        >>> synthesize(kerasrecipes.load("squeezenet"), "scores:flamingo", steps=300).save("flamingo.png")
    """
    found = find_unit(model, unit)
    return synthesize_units(model, [found], preset, starts=starts, seed=seed, start=start, whole=whole, span=span, begin=begin,
                            progress=progress, **changes)[0]  # fmt: skip


def synthesize_units(
    model: Any, units: Sequence[str | Unit], preset: int | AscentSettings | None = None, *, starts: int = 9, seed: int = 0,
    start: str = "mean_plus_rand", whole: bool = False, span: tuple[float, float] = DEFAULT_VALUE_RANGE, begin: str | None = None,
    progress: Callable | None = None, **changes: Any,
) -> list[SynthesizedInputs]:  # fmt: skip
    """`synthesize` for units of one layer, climbing together in batches.

    Raises:
        KerasRecipesError: the units are of several layers, or as `synthesize`.
    """
    asked = [find_unit(model, u) for u in units]
    if len({u.layer for u in asked}) != 1 or len({u.place for u in asked}) != 1 or starts < 1:
        raise KerasRecipesError(
            "Units that climb together are of one layer and at one place, with one start or more each"
        )
    settings, begin = resolve_plan(model, preset, begin, **changes)
    layer, step = asked[0].layer, find_layer_call(model, asked[0].layer)
    scene = make_ascent_target(model, asked[0], begin, whole, span)
    if begin is None:
        low, high = value_range(model, span)
        climber = GradientAscent(
            model, layer, channel_axis(step), settings, limits=(-IMAGE_MEAN, 255 - IMAGE_MEAN),
            to_input=lambda x: low + (high - low) / 255 * (x + IMAGE_MEAN),
        )  # fmt: skip
        first = [initial_input(start, scene.shape, seed + i) for i in range(starts)]
    else:
        climber = GradientAscent(model, layer, channel_axis(step), settings, begin=begin)
        first = [initial_input(start, scene.shape, seed + i) / 100 for i in range(starts)]
    items = [(u, x) for u in asked for x in first]
    runs = []
    for at in range(0, len(items), BATCH):
        part = items[at : at + BATCH]
        filled = part + [part[0]] * (
            BATCH - len(part) if len(items) > BATCH else 0
        )  # one size of batch: one compilation
        run = climber.run(
            np.stack([x for _, x in filled]), [u.channel for u, _ in filled], [scene.place] * len(filled), progress
        )
        runs += [_row(run, i) for i in range(len(part))]
    found = []
    for i, u in enumerate(asked):
        shown = replace(u, place="all" if u.place == "all" else scene.shown)
        found.append(_result(model, shown, runs[i * starts : (i + 1) * starts], settings, begin, span))
    return found


def resolve_plan(
    model: Any, preset: int | AscentSettings | None, begin: str | None, **changes: Any
) -> tuple[AscentSettings, str | None]:
    """The settings of the ascent, and the step where it begins (None: at the input), with the defaults of `synthesize`."""
    speech = begin is not None or len(functional_graph(model).inputs[0].shape) != 4
    if speech and begin is None:
        begin = last_untrained_step(model)
    return resolve_settings(preset if preset is not None else SPECTROGRAM_SETTINGS if speech else 3, **changes), begin


def _row(run: AscentResult, i: int) -> dict:
    return {name: values[:, i] if name == "curve" else values[i] for name, values in vars(run).items()}


def _result(
    model: Any, unit: Unit, rows: list[dict], settings: AscentSettings, begin: str | None, span: Any
) -> SynthesizedInputs:
    values = np.stack([r["best"] for r in rows])
    pictures = None
    if begin is None:
        low, high = value_range(model, span)
        values = low + (high - low) / 255 * (values + IMAGE_MEAN)
        pictures = np.stack([to_uint8_image(model, v, span) for v in values])
    return SynthesizedInputs(
        unit, values, pictures, tuple(float(r["top"]) for r in rows), tuple(float(r["start"]) for r in rows),
        tuple(int(r["best_at"]) for r in rows), tuple(int(r["majority_at"]) for r in rows),
        tuple(bool(r["stopped"]) for r in rows), settings, np.stack([r["curve"] for r in rows], axis=1),
    )  # fmt: skip

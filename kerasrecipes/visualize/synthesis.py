"""Synthesis of inputs that activate units: activation maximization for one unit with many starts, or for many units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, model_value_range, to_uint8_image
from kerasrecipes.graph.traversal import functional_graph
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.activation_maximization import (
    IMAGE_MEAN,
    AscentSettings,
    GradientAscent,
    initial_input,
    resolve_settings,
)
from kerasrecipes.visualize.fourier_ascent import FourierAscent
from kerasrecipes.visualize.fourier_images import FourierSettings, initial_spectrum
from kerasrecipes.visualize.synthesis_region import last_untrained_step, make_ascent_target

Preset: TypeAlias = int | str | AscentSettings | FourierSettings
BATCH_SIZE = 9  # inputs that are optimized together
# for spectrograms, whose values have unit variance and no limits; chosen by inspection, not from the paper
SPECTROGRAM_SETTINGS = AscentSettings(0.01, 0.7, 4, 0, 0, 200, "progress", 1.0, 0.3)


@dataclass(frozen=True)
class SynthesizedInputs(plotting.Figure):
    """Inputs that activate a unit strongly.

    Args:
        values: (starts, height, width, channels), the best input of each start; (starts, time, features) for speech.
        images: (starts, height, width, 3) uint8; None for speech.
        activations: (starts,) of the best inputs.
        at_start: (starts,) of the initial inputs.
        best_at: (starts,) step of the best input.
        majority_at: (starts,) first step at which the unit is the strongest of its layer at its position; -1 for never.
        stopped: (starts,) whether the gradient became zero.
        curve: (steps, starts) activations.
    """

    unit: Unit
    values: np.ndarray = field(repr=False)
    images: np.ndarray | None = field(repr=False)
    activations: tuple[float, ...]
    at_start: tuple[float, ...]
    best_at: tuple[int, ...]
    majority_at: tuple[int, ...]
    stopped: tuple[bool, ...]
    settings: AscentSettings | FourierSettings
    curve: np.ndarray = field(repr=False)

    def render(self, columns: int | None = None) -> np.ndarray:
        """Arrange all starts in one image, uint8. For speech, time runs to the right and features upward."""
        if self.images is not None:
            return plotting.image_grid(self.images, columns, gap=2)
        tiles = np.stack([plotting.signed_to_uint8(v.T[::-1]) for v in self.values])
        return plotting.image_grid(tiles, columns or 1, gap=2)

    def plot(self) -> Any:
        """Plot all starts, for speech as spectrograms."""
        image = self.render()
        height, width = 4.2 * np.array(image.shape[:2]) / max(image.shape[:2])
        figure = plotting.new_figure(max(width, 2.4), height + 0.4)
        axes = figure.add_subplot()
        aspect = "equal" if self.images is not None else "auto"
        plotting.imshow(axes, image, f"{self.unit}: {max(self.activations):.1f}", aspect=aspect)
        if self.images is None:
            axes.set(xlabel="time", ylabel="features")
        return figure


def synthesize(
    model: Any, unit: str | Unit, preset: Preset | None = None, **options: Any
) -> SynthesizedInputs:
    """Synthesize inputs that activate a unit strongly, from several random starts.

    Args:
        model: Functional or Sequential model.
        unit: "fire9:40"; without a position, the middle one.
        preset: Row 1 to 4 of table 1 of the paper, "fourier" (Fourier coefficients and random transforms, for images), or settings.
            Default: 3, with which most of the paper's images were made, and for speech `SPECTROGRAM_SETTINGS`.
        **options: Options of `synthesize_units`.

    Raises:
        KerasRecipesError: No such unit, preset, setting or init.

    Example:
        >>> synthesize(kerasrecipes.load("squeezenet"), "scores:flamingo", steps=300).save("flamingo.png")
    """
    return synthesize_units(model, [unit], preset, **options)[0]


def synthesize_units(
    model: Any, units: Sequence[str | Unit], preset: Preset | None = None, *, num_restarts: int = 9, seed: int = 0,
    init: str = "mean_plus_rand", whole_input: bool = False, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
    from_layer: str | None = None, progress: Callable[[int, int], None] | None = None, **changes: Any,
) -> list[SynthesizedInputs]:  # fmt: skip
    """Synthesize inputs for units of one layer, optimized together in batches.

    Args:
        model: Functional or Sequential model.
        units: Units of one layer at one position.
        preset: Row of table 1 of the paper, or settings, see `synthesize`.
        num_restarts: Number of random starts of each unit, with the seeds `seed`, `seed` + 1 ...
        seed: First random seed.
        init: Initial input, see `activation_maximization.initial_input`. The preset "fourier" has its own.
        whole_input: Optimize the whole input. By default only the unit's receptive field is optimized, which is many times faster;
            percentiles and blurred edges are then those of that part.
        value_range: Black and white in the input of models that are not recipes; the presets' steps are for 0 to 255.
        from_layer: Layer whose output is optimized in place of the input. Default for speech: the last before the first weights,
            the spectrogram.
        progress: Called with (done, total) steps of each batch.
        **changes: Changes of the settings, for instance steps=200.

    Raises:
        KerasRecipesError: The units are in several layers, or no such unit, preset, setting or init.
    """
    targets = [find_unit(model, u) for u in units]
    if len({u.layer for u in targets}) != 1 or len({u.position for u in targets}) != 1 or num_restarts < 1:
        raise KerasRecipesError("Units of one call are in one layer and at one position, with num_restarts 1 or more")
    settings, from_layer = resolve_plan(model, preset, from_layer, **changes)
    layer, axis = targets[0].layer, channel_axis(find_layer_call(model, targets[0].layer))
    region = make_ascent_target(model, targets[0], from_layer, whole_input, value_range)
    seeds = range(seed, seed + num_restarts)
    ascent, starts = _make_ascent(model, layer, axis, settings, region.shape, from_layer, value_range, init, seeds)
    items = [(u, x) for u in targets for x in starts]
    runs: list[dict[str, Any]] = []
    for first in range(0, len(items), BATCH_SIZE):
        batch = items[first : first + BATCH_SIZE]
        padding = BATCH_SIZE - len(batch) if len(items) > BATCH_SIZE else 0  # one batch size needs one compilation
        filled = batch + [batch[0]] * padding
        result = ascent.run(
            np.stack([x for _, x in filled]), [u.channel for u, _ in filled], [region.index] * len(filled), progress
        )
        runs += [{k: v[:, i] if k == "curve" else v[i] for k, v in vars(result).items()} for i in range(len(batch))]
    results = []
    for i, unit in enumerate(targets):
        unit = replace(unit, position="all" if unit.position == "all" else region.position)
        rows = runs[i * num_restarts : (i + 1) * num_restarts]
        results.append(_make_result(model, unit, rows, settings, from_layer, value_range))
    return results


def _make_ascent(
    model: Any, layer: str, axis: int, settings: AscentSettings | FourierSettings, shape: tuple[int, ...], from_layer: str | None,
    value_range: Any, init: str, seeds: Sequence[int],
) -> tuple[GradientAscent | FourierAscent, list[np.ndarray]]:  # fmt: skip
    """Return the compiled ascent and its initial inputs, one for each seed."""
    if isinstance(settings, FourierSettings):
        starts = [initial_spectrum(shape, seed, settings.stddev) for seed in seeds]
        low, high = model_value_range(model, value_range)
        fourier = FourierAscent(
            model, layer, axis, settings, (shape[0], shape[1]), to_input=lambda x: low + (high - low) * x, seed=seeds[0]
        )
        return fourier, starts
    starts = [initial_input(init, shape, seed) for seed in seeds]
    if from_layer is not None:
        return GradientAscent(model, layer, axis, settings, from_layer=from_layer), [x / 100 for x in starts]
    low, high = model_value_range(model, value_range)
    ascent = GradientAscent(
        model, layer, axis, settings, limits=(-IMAGE_MEAN, 255 - IMAGE_MEAN),
        to_input=lambda x: low + (high - low) / 255 * (x + IMAGE_MEAN),
    )  # fmt: skip
    return ascent, starts


def resolve_plan(
    model: Any, preset: Preset | None, from_layer: str | None, **changes: Any
) -> tuple[AscentSettings | FourierSettings, str | None]:
    """Return the settings and the layer whose output is optimized (None: the input), with the defaults of `synthesize`."""
    is_speech = from_layer is not None or len(functional_graph(model).inputs[0].shape) != 4
    if is_speech and from_layer is None:
        from_layer = last_untrained_step(model)
    if preset is None:
        preset = SPECTROGRAM_SETTINGS if is_speech else 3
    return resolve_settings(preset, **changes), from_layer


def _make_result(
    model: Any, unit: Unit, rows: list[dict], settings: AscentSettings | FourierSettings, from_layer: str | None, value_range: Any
) -> SynthesizedInputs:
    values = np.stack([r["best"] for r in rows])
    images = None
    if from_layer is None:
        low, high = model_value_range(model, value_range)
        values = low + (high - low) / 255 * (values + IMAGE_MEAN)
        images = np.stack([to_uint8_image(model, v, value_range) for v in values])
    return SynthesizedInputs(
        unit, values, images, tuple(float(r["top"]) for r in rows), tuple(float(r["start"]) for r in rows),
        tuple(int(r["best_at"]) for r in rows), tuple(int(r["majority_at"]) for r in rows),
        tuple(bool(r["stopped"]) for r in rows), settings, np.stack([r["curve"] for r in rows], axis=1),
    )  # fmt: skip

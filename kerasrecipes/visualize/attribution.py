"""Attribution of a unit's activation to the values of an input: what all methods share, for images and for speech.

The input is an image, or what a speech recognizer reads: its features, or its samples if it has none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, ravel_position
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, model_value_range, to_model_input, to_uint8_image
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit, layer_names, output_names
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.occlusion import GRAY, are_logits, softmax
from kerasrecipes.visualize.saliency import Saliency, SaliencyMethod
from kerasrecipes.visualize.speech import AudioSaliency, load_waveform, read_features, symbol_unit

BATCH_SIZE = 16
SUMMED_METHODS = ("integrated gradients", "Grad-CAM", "RISE")  # values are shares of the activation, not slopes


@dataclass(frozen=True)
class Attribution(Saliency):
    """Attribution of a unit's activation to an image.

    Args:
        method: Name of the method.
        values: (height, width, channels) signed values, with one channel for methods whose maps have no colors.
        activation: Activation of the unit.
        image: (height, width, 3) uint8, the input of the model.
        baseline_activation: Activation on the baseline, for integrated gradients.
    """

    baseline_activation: float | None = None

    def plot(self, render_mode: str = "raw") -> Any:
        """Plot the image and its `overlay_map`, or for another `render_mode` what `Saliency` plots."""
        if render_mode != "raw":
            return super().plot(render_mode)
        assert self.image is not None
        overlay = overlay_map(self.image, importance_map(self.method, self.values))
        return plotting.side_by_side([(f"{self.unit}: {self.activation:.2f}", self.image), (self.method, overlay)])


def importance_map(method: str, values: np.ndarray) -> np.ndarray:
    """Return one number for each pixel from values (height, width, channels): larger is more important.

    Attributions are added over the channels. Of gradients it is the largest magnitude over the channels (arXiv 1312.6034).
    """
    return values.sum(-1) if method in SUMMED_METHODS else np.abs(values).max(-1)


def overlay_map(image: np.ndarray, importance: np.ndarray) -> np.ndarray:
    """Color a gray copy of an image, uint8: red for importance above zero, blue below.

    Maps without negative values start at their minimum.
    """
    shifted = importance - importance.min() if importance.min() >= 0 else importance
    limit = float(np.quantile(np.abs(shifted), 0.995)) or float(np.abs(shifted).max()) or 1.0
    strength = np.clip(shifted / limit, -1, 1)[..., None]
    gray = 0.3 * 255 + 0.7 * image.mean(-1, keepdims=True)
    color = np.where(strength > 0, (200.0, 16.0, 16.0), (16.0, 16.0, 200.0))
    return np.round(gray * (1 - np.abs(strength)) + color * np.abs(strength)).astype("uint8")


class AttributionTarget:
    """A unit, the input that is explained, and compiled functions of it. Use `prepare_target`.

    Args:
        model: Functional or Sequential model.
        unit: Unit with a position.
        inputs: (1, ...) input of the model, or the output of `from_layer`.
        position: Flat position of the unit, or `autodiff.ALL_POSITIONS`.
        from_layer: Layer whose output is explained in place of the input.
        value_range: Black and white of an image. None for speech.
        seconds: Duration of the audio.
        features_from: Name of the layer or input that computed `inputs`.
    """

    def __init__(
        self, model: Any, unit: Unit, inputs: np.ndarray, position: int, *, from_layer: str | None = None,
        value_range: tuple[float, float] | None = None, seconds: float = 0.0, features_from: str = "",
    ):  # fmt: skip
        self.model, self.unit, self.inputs, self.position = model, unit, inputs, position
        self.from_layer, self.value_range, self.seconds, self.features_from = from_layer, value_range, seconds, features_from
        call = find_layer_call(model, unit.layer)
        self._axis = channel_axis(call)
        count = call.outputs[0].shape[self._axis]
        self._is_output = unit.layer == layer_names(model)[-1] or count == len(output_names(model))

    @property
    def is_image(self) -> bool:
        """True for images, False for speech."""
        return self.value_range is not None

    def constant_input(self, level: float | None) -> np.ndarray:
        """Return an input without content, in the shape of `inputs`.

        Args:
            level: Gray level of an image, 0 to 255, default 117. Value of all features of speech, default the mean of each band.
        """
        if self.value_range is not None:
            low, high = self.value_range
            return np.full_like(self.inputs, low + (high - low) * (GRAY if level is None else level) / 255)
        means = self.inputs.mean(1, keepdims=True) if level is None else np.float32(level)
        return np.broadcast_to(means, self.inputs.shape).astype("float32")

    @cached_property
    def _forward(self) -> Callable[[np.ndarray], list[np.ndarray]]:
        layers, origin = [self.unit.layer], self.from_layer
        return compile_function(self.model, lambda x: forward_to_layers(self.model, x, layers, None, origin))

    @cached_property
    def _gradient(self) -> SaliencyMethod:
        return SaliencyMethod(self.model, self.unit.layer, "gradient", from_layer=self.from_layer)

    def gradients(self, batch: np.ndarray) -> np.ndarray:
        """Return the gradient of the activation for each input (batch, ...)."""
        return self._gradient(batch, [self.unit.channel] * len(batch), [self.position] * len(batch))[0]

    def activations(self, batch: np.ndarray, probabilities: bool = False) -> np.ndarray:
        """Return the activation (batch,) for each input.

        Args:
            batch: (batch, ...) inputs.
            probabilities: Return the probability of the class or symbol instead, if the unit is in the model's output.
        """
        y = np.moveaxis(np.asarray(self._forward(batch)[0], "float32"), self._axis, -1)
        y = y.reshape(len(batch), -1, y.shape[-1])
        if self.position < 0:
            return y[..., self.unit.channel].sum(1)
        row = y[:, self.position]
        if probabilities and self._is_output and are_logits(row):
            row = softmax(row)
        return row[:, self.unit.channel]

    def result(self, method: str, values: np.ndarray, baseline_activation: float | None = None) -> Any:
        """Return an `Attribution` or `AudioSaliency` of values in the shape of one input, or with one channel."""
        activation = float(self.activations(self.inputs)[0])
        if self.value_range is not None:
            pixels = to_uint8_image(self.model, self.inputs[0], self.value_range)
            return Attribution(self.unit, method, values, activation, pixels, baseline_activation)
        features = self.inputs[0].reshape(len(self.inputs[0]), -1)
        return AudioSaliency(
            self.unit, method, values.reshape(features.shape), features, self.features_from, activation, self.seconds, baseline_activation
        )


def prepare_target(
    model: Any, source: Any, unit: str | Unit, *, sample_rate: int | None = None, from_layer: str | None = None,
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> AttributionTarget:  # fmt: skip
    """Read an image or a recording and resolve the position of a unit.

    Args:
        model: Functional or Sequential model of an image, or a speech recognizer.
        source: An image (see `model_input.to_model_input`) or audio: a path, bytes, a file object, or an array with `sample_rate`.
        unit: "scores:tabby" for a class, "logits:e@37" for a letter at a frame, "transcript:4" for the fifth symbol of the greedy
            transcript. Without a position the strongest one is used.
        sample_rate: Sample rate of an audio array in Hz.
        from_layer: For speech, the layer whose output is explained. Default: the features, see `speech.compute_audio_saliency`.
        value_range: Black and white in the input of image models that are not recipes.

    Raises:
        KerasRecipesError: There is no such unit or layer.
        ImageError: The image cannot be read.
        AudioError: The audio cannot be read.
    """
    options: dict[str, Any]
    if hasattr(model, "transcribe"):
        wave = load_waveform(model, source, sample_rate)
        unit = symbol_unit(model, wave, unit)
        inputs, features_from, from_layer = read_features(model, wave, from_layer)
        options = {"seconds": len(wave) / model.sample_rate, "features_from": features_from, "from_layer": from_layer}
    elif isinstance(unit, str) and unit.startswith("transcript:"):
        raise KerasRecipesError(f"{unit} is for speech recognizers, which {model.name} is not: name a class, for instance scores:tabby")
    else:
        unit = find_unit(model, unit)
        inputs = to_model_input(model, source, value_range)[:1]
        options = {"value_range": model_value_range(model, value_range)}
    layers = [unit.layer]
    forward = compile_function(model, lambda x: forward_to_layers(model, x, layers, None, options.get("from_layer")))
    y = np.moveaxis(forward(inputs)[0], channel_axis(find_layer_call(model, unit.layer)), -1)[0]
    sizes = y.shape[:-1]
    position: Any = unit.position
    if position is None:
        position = tuple(int(i) for i in np.unravel_index(int(y[..., unit.channel].argmax()), sizes)) if sizes else ()
    if isinstance(position, tuple) and any(p >= n for p, n in zip(position, sizes, strict=True)):
        raise KerasRecipesError(f"{unit} is outside the input: {unit.layer} has {' x '.join(map(str, sizes))} positions here")
    return AttributionTarget(model, replace(unit, position=position), inputs, ravel_position(position, sizes), **options)


def map_batches(function: Callable[[np.ndarray], np.ndarray], batches: Iterable[np.ndarray], size: int) -> np.ndarray:
    """Apply a compiled function to batches of up to `size` inputs, which are filled up so that it compiles once."""
    results = []
    for batch in batches:
        filled = np.concatenate([batch, np.repeat(batch[:1], size - len(batch), 0)]).astype("float32")
        results.append(function(filled)[: len(batch)])
    return np.concatenate(results)

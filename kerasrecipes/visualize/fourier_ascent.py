"""Gradient ascent on Fourier coefficients with random transforms, the recipe of lucid and lucent."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.graph.autodiff import ALL_POSITIONS, compile_function, forward_to_layers, value_and_vjp
from kerasrecipes.graph.backward_rules import bypass_last_relu
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.visualize.activation_maximization import IMAGE_MEAN, AscentResult
from kerasrecipes.visualize.fourier_images import (
    FourierSettings,
    affine_weights,
    apply_transform,
    sample_transform,
    spectrum_to_image,
)

MOMENTUMS = (0.9, 0.999)  # of Adam
MIN_COSINE = 0.1  # below it the direction counts as little as at it


class FourierAscent:
    """Compiled ascent for directions in the channels of one layer. Several run as one batch.

    `to_images` converts coefficients to images (items, height, width, channels) from 0 to 1.

    Args:
        model: Functional or Sequential model.
        layer: Layer of the directions.
        axis: Channel axis of the layer.
        settings: Settings of the ascent.
        size: Height and width of the images.
        to_input: Function from images (0 to 1) to the model's input.
        cosine: Multiply the activation by the cosine between the layer's output and the direction, so that other channels stay low.
        seed: Random seed of the transforms.
    """

    def __init__(
        self, model: Any, layer: str, axis: int, settings: FourierSettings, size: tuple[int, int], *,
        to_input: Callable[[Any], Any] = lambda x: x, cosine: bool = False, seed: int = 0,
    ):  # fmt: skip
        self.settings, self.size, self.seed = settings, size, seed
        self.num_channels = find_layer_call(model, layer).outputs[0].shape[axis]
        rule = bypass_last_relu(model, layer)

        def to_image(spectrum: Any) -> Any:
            return spectrum_to_image(spectrum, size[1], settings.decay_power)

        def pick(y: Any, position: Any) -> tuple[Any, Any]:
            last = y if axis == -1 else ops.moveaxis(y, axis, -1)
            rows = ops.reshape(last, (ops.shape(y)[0], -1, last.shape[-1]))
            numbers = ops.arange(ops.shape(rows)[1], dtype="int32")[None, :]
            mask = ops.cast((numbers == position[:, None]) | (position == ALL_POSITIONS)[:, None], y.dtype)[..., None]
            return ops.sum(rows * mask, axis=1), mask

        def step(spectrum: Any, pixels: Any, weights: Any, direction: Any, position: Any) -> list[Any]:
            def seed_gradient(y: Any) -> Any:
                picked, mask = pick(y, position)
                gradient = mask * (cosine_gradient(picked, direction) if cosine else direction)[:, None, :]
                channels_last = (*y.shape[:1], *y.shape[2:], y.shape[1]) if axis == 1 else y.shape
                gradient = ops.reshape(gradient, (-1, *channels_last[1:]))
                return gradient if axis == -1 else ops.moveaxis(gradient, -1, axis)

            def forward(value: Any) -> Any:
                image = apply_transform(to_image(value), pixels, weights)
                return forward_to_layers(model, to_input(image), [layer], rule)[0]

            y, gradient = value_and_vjp(forward, spectrum, seed_gradient)
            picked = pick(y, position)[0]
            value = ops.sum(picked * direction, axis=1)
            return [gradient, value, value >= ops.max(picked, axis=1)]

        self._step = compile_function(model, step)
        self.to_images = compile_function(model, to_image)

    def run(
        self, x: np.ndarray, channels: Sequence[int], positions: Sequence[int], progress: Callable | None = None
    ) -> AscentResult:
        """Run the ascent for units.

        Args:
            x: (items, 2, channels, height, width // 2 + 1) initial coefficients, see `initial_spectrum`.
            channels: Channel of each item.
            positions: Flat positions or `autodiff.ALL_POSITIONS`.
            progress: Called with (done, total) steps.

        Returns:
            The last images, in place of the best, as values from 0 to 255 minus `IMAGE_MEAN`.
        """
        return self.run_directions(x, np.eye(self.num_channels)[list(channels)], positions, progress)

    def run_directions(
        self, spectrum: np.ndarray, directions: np.ndarray, positions: Sequence[int], progress: Callable | None = None
    ) -> AscentResult:
        """Run the ascent for directions (items, channels of the layer), see `run`."""
        rng, s = np.random.default_rng(self.seed), self.settings
        directions, position = np.asarray(directions, "float32"), np.asarray(positions, "int32")
        still = affine_weights(self.size, 1.0, 0.0)
        mean, square = np.zeros_like(spectrum), np.zeros_like(spectrum)
        curve, majority = np.zeros((s.steps, len(spectrum)), "float32"), np.full(len(spectrum), -1)
        start = self._step(spectrum, *still, directions, position)[1]
        for number in range(s.steps):
            transform = sample_transform(self.size, rng) if s.transforms else still
            gradient, curve[number], is_strongest = self._step(spectrum, *transform, directions, position)
            majority[is_strongest & (majority < 0)] = number
            mean = MOMENTUMS[0] * mean + (1 - MOMENTUMS[0]) * gradient
            square = MOMENTUMS[1] * square + (1 - MOMENTUMS[1]) * gradient**2
            first, second = (m / (1 - beta ** (number + 1)) for m, beta in zip((mean, square), MOMENTUMS, strict=True))
            spectrum = (spectrum + s.learning_rate * first / (np.sqrt(second) + 1e-8)).astype("float32")
            if progress:
                progress(number + 1, s.steps)
        top = self._step(spectrum, *still, directions, position)[1]
        images = 255 * self.to_images(spectrum) - IMAGE_MEAN
        last = np.full(len(spectrum), s.steps - 1)
        return AscentResult(images, images, last, start, top, top, majority, np.zeros(len(spectrum), bool), curve)


def cosine_gradient(picked: Any, direction: Any) -> Any:
    """Return the gradient, by `picked` (batch, channels), of dot * max(cosine, `MIN_COSINE`) with constant `direction`."""
    dot = ops.sum(picked * direction, axis=1, keepdims=True)
    norm = ops.sqrt(ops.sum(ops.square(picked), axis=1, keepdims=True) + 1e-12)
    length = ops.sqrt(ops.sum(ops.square(direction), axis=1, keepdims=True) + 1e-12)
    cosine = dot / (norm * length)
    curved = 2 * cosine * direction - ops.square(cosine) * length / norm * picked
    return ops.where(cosine > MIN_COSINE, curved, MIN_COSINE * direction)

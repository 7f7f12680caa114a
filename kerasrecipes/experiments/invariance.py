"""Invariance: how much features change as an image is shifted, scaled or rotated (arXiv 1311.2901, section 4.1, figure 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.experiments.linear_probes import pooled_features
from kerasrecipes.experiments.measurement import Measurement
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.units import find_layer_call, layer_names
from kerasrecipes.utils.plotting import new_figure
from kerasrecipes.visualize.occlusion import are_logits, softmax

TRANSFORMS = {  # name -> magnitudes of the paper's figure, axis label
    "shift": (tuple(np.linspace(-0.25, 0.25, 11)), "vertical shift, fraction of the height"),
    "scale": (tuple(np.linspace(1.0, 1.8, 9)), "scale"),
    "rotate": (tuple(np.linspace(0, 345, 24)), "degrees"),
}


@dataclass(frozen=True)
class Invariance(Measurement):
    """Effects of a transformation.

    Args:
        transform: "shift", "scale" or "rotate".
        magnitudes: (magnitudes,) magnitudes of the transformation.
        distances: (layers, magnitudes) mean over images of |f(transformed) - f(image)| / |f(image)|, Euclidean.
        probabilities: (magnitudes,) mean probability of the class: the true one, or without labels the prediction for the image.
    """

    transform: str
    magnitudes: np.ndarray
    layers: tuple[str, ...]
    distances: np.ndarray
    probabilities: np.ndarray

    def summary(self) -> dict[str, str]:
        low, high = int(self.probabilities.argmin()), int(self.probabilities.argmax())
        highest, lowest = (f"{self.probabilities[i]:.2f} at {self.magnitudes[i]:.3g}" for i in (high, low))
        distances = {
            f"{self.transform}, {name}": f"mean distance {row.mean():.2f}, largest {row.max():.2f}"
            for name, row in zip(self.layers, self.distances, strict=True)
        }
        return distances | {f"{self.transform}, probability of the class": f"highest {highest}, lowest {lowest}"}

    def plot(self) -> Any:
        """Plot the distances of each layer on the left and the probability of the class on the right."""
        figure = new_figure(7, 2.8)
        left, right = figure.subplots(1, 2)
        for name, row in zip(self.layers, self.distances, strict=True):
            left.plot(self.magnitudes, row, "o-", markersize=3, label=name)
        left.set(xlabel=TRANSFORMS[self.transform][1], ylabel="distance of features", ylim=(0, None))
        left.legend(frameon=False, fontsize=8)
        right.plot(self.magnitudes, self.probabilities, "o-", markersize=3, color="#c62828")
        right.set(xlabel=TRANSFORMS[self.transform][1], ylabel="probability of the class", ylim=(0, 1))
        return figure


def measure_invariance(
    model: Any, images: np.ndarray, transform: str, layers: Sequence[str], labels: Any = None,
    magnitudes: Sequence[float] | None = None, logits: bool | None = None,
) -> Invariance:  # fmt: skip
    """Compare features of transformed images with those of the images.

    Args:
        model: Classifier of images.
        images: (images, height, width, channels) inputs of the model, 0 to 255.
        transform: "shift" (down, as fractions of the height), "scale" (about the center) or "rotate" (degrees). Pixels outside
            the image repeat its border.
        layers: Names of the layers.
        labels: (images,) class indices.
        magnitudes: Magnitudes of the transformation. Default: those of the paper's figure.
        logits: Whether the outputs are logits, not probabilities. None: decided by their values.

    Raises:
        KerasRecipesError: There is no such transformation or layer.
    """
    if transform not in TRANSFORMS:
        raise KerasRecipesError(f"There is no transform {transform!r}; there are {', '.join(TRANSFORMS)}")
    for name in layers:
        find_layer_call(model, name)
    run = make_layer_forward(model, [*layers, layer_names(model)[-1]])
    images = np.asarray(images, "float32")
    *originals, outputs = flat_features(run, images)
    logits = are_logits(outputs) if logits is None else logits
    classes = outputs.argmax(-1) if labels is None else np.asarray(labels)
    values = np.asarray(TRANSFORMS[transform][0] if magnitudes is None else magnitudes, "float64")
    distances, probabilities = np.zeros((len(layers), len(values))), np.zeros(len(values))
    for i, value in enumerate(values):
        transformed = np.stack([transform_image(image, transform, float(value)) for image in images])
        *features, outputs = flat_features(run, transformed)
        for k, (a, b) in enumerate(zip(features, originals, strict=True)):
            distances[k, i] = (np.linalg.norm(a - b, axis=1) / np.maximum(np.linalg.norm(b, axis=1), 1e-9)).mean()
        rows = softmax(outputs) if logits else outputs
        probabilities[i] = rows[np.arange(len(rows)), classes].mean()
    return Invariance(transform, values, tuple(layers), distances, probabilities)


def flat_features(run: Callable, images: np.ndarray) -> list[np.ndarray]:
    """Return the outputs (images, features) of each layer of a `make_layer_forward` function."""
    return pooled_features(run, images, 32, lambda values: values.reshape(len(values), -1).astype("float64"))


def transform_image(image: np.ndarray, transform: str, value: float) -> np.ndarray:
    """Shift down, scale or rotate one image (height, width, channels). Its border is repeated outside."""
    height, width = image.shape[:2]
    if transform == "shift":
        rows = np.clip(np.arange(height) - round(value * height), 0, height - 1)
        return image[rows]
    pad = max(height, width)  # a rotation never leaves the padded image
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    channels = []
    for channel in np.moveaxis(padded, -1, 0):
        plane = Image.fromarray(channel.astype("float32"))
        if transform == "rotate":
            plane = plane.rotate(value, Image.Resampling.BILINEAR) if value % 360 else plane
            box = (pad, pad, pad + width, pad + height)
        else:
            w, h = width / value, height / value
            box = (pad + (width - w) / 2, pad + (height - h) / 2, pad + (width + w) / 2, pad + (height + h) / 2)
        channels.append(np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR, box=box)))
    return np.stack(channels, -1)

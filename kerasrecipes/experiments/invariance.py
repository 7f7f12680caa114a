"""How much a layer's features move when the picture is shifted, scaled or turned (arXiv 1311.2901, section 4.1, figure 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.units import find_layer_call, layer_names
from kerasrecipes.utils.plotting import Figure, new_figure
from kerasrecipes.visualize.occlusion import are_logits, softmax

TRANSFORMS = {
    "shift": (tuple(np.linspace(-0.25, 0.25, 11)), "vertical shift, share of the height"),
    "scale": (tuple(np.linspace(1.0, 1.8, 9)), "enlargement"),
    "turn": (tuple(np.linspace(0, 345, 24)), "degrees"),
}


@dataclass(frozen=True)
class Invariance(Figure):
    """What changes of the pictures did.

    Args:
        kind: "shift", "scale" or "turn". values: how far. layers: whose features were compared.
        distances: (layers, values) mean over pictures of |f(changed) - f(picture)| / |f(picture)|, Euclidean.
        probabilities: (values,) mean probability of the class, the true one where labels were given, else the first guess.
    """

    kind: str
    values: np.ndarray
    layers: tuple[str, ...]
    distances: np.ndarray
    probabilities: np.ndarray

    def figures(self) -> dict[str, str]:
        """What was found, in words."""
        found = {
            f"{self.kind}, {name}": f"distance {row.mean():.2f} on average, {row.max():.2f} at most"
            for name, row in zip(self.layers, self.distances, strict=True)
        }
        worst = int(self.probabilities.argmin())
        least = f"{self.probabilities[worst]:.2f} at {self.values[worst]:.3g}"
        best = f"{self.probabilities.max():.2f} at {self.values[int(self.probabilities.argmax())]:.3g}"
        return found | {f"{self.kind}, probability of the class": f"{best}, least {least}"}

    def plot(self) -> Any:
        """Left the distances, a curve for each layer; right the probability of the class."""
        drawn = new_figure(7, 2.8)
        left, right = drawn.subplots(1, 2)
        for name, row in zip(self.layers, self.distances, strict=True):
            left.plot(self.values, row, "o-", markersize=3, label=name)
        left.set(xlabel=TRANSFORMS[self.kind][1], ylabel="distance of features", ylim=(0, None))
        left.legend(frameon=False, fontsize=8)
        right.plot(self.values, self.probabilities, "o-", markersize=3, color="#c62828")
        right.set(xlabel=TRANSFORMS[self.kind][1], ylabel="probability of the class", ylim=(0, 1))
        return drawn


def measure_invariance(
    model: Any, pictures: np.ndarray, kind: str, layers: Sequence[str], labels: Any = None, values: Sequence[float] | None = None,
    logits: bool | None = None,
) -> Invariance:  # fmt: skip
    """Compare features of changed pictures with those of the pictures.

    Args:
        model: a classifier. pictures: (pictures, height, width, channels), inputs of the network, 0 to 255.
        kind: "shift" (down, in shares of the height), "scale" (about the centre) or "turn" (degrees); what comes into view
            repeats the border. layers: names. labels: (pictures,) numbers of classes.
        values: how far; default: those of the paper's figure. logits: whether the output is not yet probabilities; None looks
            at it.

    Raises:
        KerasRecipesError: another kind, or no such layer.
    """
    if kind not in TRANSFORMS:
        raise KerasRecipesError(f"There is no kind {kind!r}; there are {', '.join(TRANSFORMS)}")
    for name in layers:
        find_layer_call(model, name)
    seen = make_layer_forward(model, [*layers, layer_names(model)[-1]])
    pictures = np.asarray(pictures, "float32")
    *own, scores = features(seen, pictures)
    logits = are_logits(scores) if logits is None else logits
    classes = scores.argmax(-1) if labels is None else np.asarray(labels)
    far = np.asarray(TRANSFORMS[kind][0] if values is None else values, "float64")
    distances, probabilities = np.zeros((len(layers), len(far))), np.zeros(len(far))
    for i, value in enumerate(far):
        *found, scores = features(seen, np.stack([transform_image(p, kind, float(value)) for p in pictures]))
        for k, (a, b) in enumerate(zip(found, own, strict=True)):
            distances[k, i] = (np.linalg.norm(a - b, axis=1) / np.maximum(np.linalg.norm(b, axis=1), 1e-9)).mean()
        chances = softmax(scores) if logits else scores
        probabilities[i] = chances[np.arange(len(scores)), classes].mean()
    return Invariance(kind, far, tuple(layers), distances, probabilities)


def features(seen: Callable, pictures: np.ndarray, batch: int = 32) -> list[np.ndarray]:
    """(pictures, features) of every output of a `compute.forward`."""
    parts = [seen(pictures[i : i + batch]) for i in range(0, len(pictures), batch)]
    return [np.concatenate(column).reshape(len(pictures), -1).astype("float64") for column in zip(*parts, strict=True)]


def transform_image(picture: np.ndarray, kind: str, value: float) -> np.ndarray:
    """One picture (height, width, channels) shifted down, enlarged or turned; its border is repeated outside."""
    height, width = picture.shape[:2]
    if kind == "shift":
        rows = np.clip(np.arange(height) - round(value * height), 0, height - 1)
        return picture[rows]
    pad = max(height, width)  # so that turning never leaves the picture
    wide = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    layers = []
    for channel in np.moveaxis(wide, -1, 0):
        image = Image.fromarray(channel.astype("float32"))
        if kind == "turn":
            image = image.rotate(value, Image.Resampling.BILINEAR) if value % 360 else image
            box = (pad, pad, pad + width, pad + height)
        else:
            w, h = width / value, height / value
            box = (pad + (width - w) / 2, pad + (height - h) / 2, pad + (width + w) / 2, pad + (height + h) / 2)
        layers.append(np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box)))
    return np.stack(layers, -1)

"""Linear probes: the accuracy of a linear classifier on each layer's features (arXiv 1311.2901, section 5.2, table 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.experiments.measurement import Measurement
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.traversal import layer_calls
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.metrics import MetricWithInterval, classification_error
from kerasrecipes.utils.plotting import new_figure
from kerasrecipes.visualize.activations import SKIPPED_LAYERS
from kerasrecipes.visualize.occlusion import softmax

POOL_GRID = 4  # a channel is averaged to 4 x 4 cells
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 100, 3e-3, 1e-2  # of a linear classifier


@dataclass(frozen=True)
class Probes(Measurement):
    """Error rates of a linear classifier on each layer, with 95 % intervals over images."""

    layers: tuple[str, ...]
    errors: tuple[MetricWithInterval, ...]
    features: tuple[int, ...]

    def summary(self) -> dict[str, str]:
        return {
            layer: f"{100 * e.rate:.1f} % wrong ({100 * e.ci_low:.1f} to {100 * e.ci_high:.1f}), {count:,} features"
            for layer, e, count in zip(self.layers, self.errors, self.features, strict=True)
        }

    def plot(self) -> Any:
        """Plot a bar for each layer, with its interval."""
        figure = new_figure(1.2 + 0.7 * len(self.layers), 2.8)
        axes = figure.add_subplot()
        rates = 100 * np.array([e.rate for e in self.errors])
        intervals = 100 * np.array([[e.rate - e.ci_low, e.ci_high - e.rate] for e in self.errors]).T
        axes.bar(self.layers, rates, yerr=np.abs(intervals), color="#3f51b5", capsize=3)
        axes.set(ylabel="wrong classes, %", ylim=(0, None))
        axes.tick_params(axis="x", rotation=30)
        return figure


def probe_layers(
    model: Any, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray],
    layers: Sequence[str] | None = None, epochs: int = 15, seed: int = 0,
) -> Probes:  # fmt: skip
    """Train a softmax classifier on each layer's features. The model stays unchanged.

    Args:
        model: Functional or Sequential model of an image.
        train: Images, inputs of the model from 0 to 255, and their class indices.
        test: Images and class indices to measure on.
        layers: Names of layers. Default: `stage_outputs`. Channels are averaged to 4 x 4 cells, so that layers are compared by
            their content, not by their size.
        epochs: Epochs of the classifiers.
        seed: Random seed of the order of images.
    """
    layers = tuple(layers or stage_outputs(model))
    for name in layers:
        find_layer_call(model, name)
    run = make_layer_forward(model, layers)
    features = [pooled_features(run, np.asarray(x, "float32")) for x, _ in (train, test)]
    steps = epochs * -(-len(train[0]) // BATCH_SIZE)
    errors = [
        classification_error(test[1], train_linear_probe(x, train[1], test_set, steps, seed))
        for x, test_set in zip(*features, strict=True)
    ]
    return Probes(layers, tuple(errors), tuple(x.shape[1] for x in features[0]))


def stage_outputs(model: Any) -> list[str]:
    """Return the last layer of every stage but the last. A stage begins at a layer with a kernel."""
    names: list[str] = []
    for call in layer_calls(model):
        if getattr(call.operation, "kernel", None) is not None:
            names.append(call.name)
        elif names and not call.kind.startswith(SKIPPED_LAYERS):
            names[-1] = call.name
    return names[:-1]


def train_linear_probe(
    x: np.ndarray, labels: np.ndarray, test_set: np.ndarray, steps: int, seed: int = 0
) -> np.ndarray:
    """Train a softmax classifier by AdamW and classify a test set.

    Weights start at zero. Features are divided by their standard deviation plus a constant, so that a feature that is nearly
    always inactive in training has little influence later.

    Args:
        x: (images, features) to train on.
        labels: (images,) class indices.
        test_set: (images, features) to classify.
        steps: Number of steps.
        seed: Random seed of the order.
    """
    mean, deviation = x.mean(0), x.std(0)
    deviation = deviation + 0.1 * deviation.mean() + 1e-6
    x, test_set = ((v - mean) / deviation for v in (x, test_set))
    num_classes, batch_size = int(np.max(labels)) + 1, min(BATCH_SIZE, len(x))
    weights = [np.zeros((x.shape[1], num_classes), "float32"), np.zeros(num_classes, "float32")]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    rng, order = np.random.default_rng(seed), np.empty(0, "int64")
    for step in range(1, steps + 1):
        if len(order) < batch_size:
            order = rng.permutation(len(x))
        batch, order = order[:batch_size], order[batch_size:]
        gradient = softmax(x[batch] @ weights[0] + weights[1])
        gradient[np.arange(batch_size), labels[batch]] -= 1  # for the logits
        rate = LEARNING_RATE * (1 + np.cos(np.pi * (step - 1) / steps)) / 2
        weights[0] *= 1 - rate * WEIGHT_DECAY
        gradients = (x[batch].T @ gradient / batch_size, gradient.mean(0))
        for w, (m, v), g in zip(weights, moments, gradients, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
    return (test_set @ weights[0] + weights[1]).argmax(-1)


def average_pool_to_grid(maps: np.ndarray) -> np.ndarray:
    """Average (batch, height, width, channels) to (batch, cells * cells * channels). Vectors stay unchanged."""
    if maps.ndim < 4:
        return maps.reshape(len(maps), -1)
    rows, columns = (np.array_split(np.arange(n), min(POOL_GRID, n)) for n in maps.shape[1:3])
    cells = [maps[:, r][:, :, c].mean((1, 2)) for r in rows for c in columns]
    return np.concatenate(cells, -1)


def pooled_features(
    run: Callable, images: np.ndarray, batch_size: int = 100, pool: Callable = average_pool_to_grid
) -> list[np.ndarray]:
    """Return the pooled outputs (images, features) of each layer of a `make_layer_forward` function.

    Each batch is pooled at once, because the outputs of all images may not fit in memory.
    """
    batches = (np.asarray(images[i : i + batch_size], "float32") for i in range(0, len(images), batch_size))
    return [np.concatenate(column) for column in zip(*(map(pool, run(batch)) for batch in batches), strict=True)]

"""How much each layer knows: a linear classifier on its features (arXiv 1311.2901, section 5.2, table 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.traversal import layer_calls
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.metrics import MetricWithInterval, classification_error
from kerasrecipes.utils.plotting import Figure, new_figure
from kerasrecipes.visualize.activations import SKIPPED_LAYERS

POOL_GRID = 4  # a map is averaged to so many cells on each side
BATCH, RATE, DECAY = (
    100,
    3e-3,
    1e-2,
)  # of a linear classifier: pictures in a step, largest learning rate, decay of weights


@dataclass(frozen=True)
class Probes(Figure):
    """Share of wrong classes by a linear classifier on each layer, with 95 % intervals over pictures."""

    layers: tuple[str, ...]
    errors: tuple[MetricWithInterval, ...]
    features: tuple[int, ...]

    def figures(self) -> dict[str, str]:
        """What was found, in words."""
        return {
            layer: f"{100 * e.rate:.1f} % wrong ({100 * e.low:.1f} to {100 * e.high:.1f}), {count:,} features"
            for layer, e, count in zip(self.layers, self.errors, self.features, strict=True)
        }

    def plot(self) -> Any:
        """A bar for each layer, with its interval."""
        drawn = new_figure(1.2 + 0.7 * len(self.layers), 2.8)
        axes = drawn.add_subplot()
        rates = 100 * np.array([e.rate for e in self.errors])
        ends = 100 * np.array([[e.rate - e.low, e.high - e.rate] for e in self.errors]).T
        axes.bar(self.layers, rates, yerr=np.abs(ends), color="#3f51b5", capsize=3)
        axes.set(ylabel="wrong classes, %", ylim=(0, None))
        axes.tick_params(axis="x", rotation=30)
        return drawn


def probe_layers(
    model: Any, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray],
    layers: Sequence[str] | None = None, epochs: int = 15, seed: int = 0,
) -> Probes:  # fmt: skip
    """Train a softmax on each layer's features, which stay as they are.

    Args:
        model: any network of one picture. train, test: (pictures, labels): inputs of the network, 0 to 255, and numbers.
        layers: names, by default `stage_ends`; maps are averaged to 4 x 4 cells, so that layers are compared by what they
            hold, not by their size.
        epochs: passes of the linear classifiers. seed: of their first weights and order.
    """
    layers = tuple(layers or stage_outputs(model))
    for name in layers:
        find_layer_call(model, name)
    seen = make_layer_forward(model, layers)
    parts = [pooled_features(seen, np.asarray(x, "float32")) for x, _ in (train, test)]
    steps = epochs * -(-len(train[0]) // BATCH)
    errors = [
        classification_error(test[1], train_linear_probe(x, train[1], other, steps, seed))
        for x, other in zip(*parts, strict=True)
    ]
    return Probes(layers, tuple(errors), tuple(x.shape[1] for x in parts[0]))


def stage_outputs(model: Any) -> list[str]:
    """The last layer of every stage: of what lies between one layer with a kernel and the next; not the scores."""
    ends: list[str] = []
    for step in layer_calls(model):
        if getattr(step.operation, "kernel", None) is not None:
            ends.append(step.name)
        elif ends and not step.kind.startswith(SKIPPED_LAYERS):
            ends[-1] = step.name
    return ends[:-1]


def train_linear_probe(x: np.ndarray, labels: np.ndarray, other: np.ndarray, steps: int, seed: int = 0) -> np.ndarray:
    """Train a softmax on features (pictures, features) by AdamW, and let it choose the classes of others.

    It begins at zero, and a feature hardly ever active is not blown up: what never acts in training says nothing later.
    """
    mean, deviation = x.mean(0), x.std(0)
    deviation = deviation + 0.1 * deviation.mean() + 1e-6
    x, other = ((v - mean) / deviation for v in (x, other))
    classes, batch = int(np.max(labels)) + 1, min(BATCH, len(x))
    weights = [np.zeros((x.shape[1], classes), "float32"), np.zeros(classes, "float32")]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    rng, order = np.random.default_rng(seed), np.empty(0, "int64")
    for step in range(1, steps + 1):
        if len(order) < batch:
            order = rng.permutation(len(x))
        members, order = order[:batch], order[batch:]
        scores = x[members] @ weights[0] + weights[1]
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        chances[np.arange(batch), labels[members]] -= 1  # now the gradient for the scores
        rate = RATE * (1 + np.cos(np.pi * (step - 1) / steps)) / 2
        weights[0] *= 1 - rate * DECAY
        for w, (m, v), g in zip(weights, moments, (x[members].T @ chances / batch, chances.mean(0)), strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
    return (other @ weights[0] + weights[1]).argmax(-1)


def pooled_features(seen: Callable, pictures: np.ndarray, batch: int = 100) -> list[np.ndarray]:
    """(pictures, features) of all outputs of a `compute.forward`, maps averaged to cells; by batches: whole maps fill the memory."""
    found: list[list[np.ndarray]] = []
    for begin in range(0, len(pictures), batch):
        found.append([average_pool_to_grid(v) for v in seen(np.asarray(pictures[begin : begin + batch], "float32"))])
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def average_pool_to_grid(maps: np.ndarray) -> np.ndarray:
    """(batch, height, width, maps) -> (batch, cells * cells * maps); vectors stay."""
    if maps.ndim < 4:
        return maps.reshape(len(maps), -1)
    rows, columns = (np.array_split(np.arange(n), min(POOL_GRID, n)) for n in maps.shape[1:3])
    cells = [maps[:, r][:, :, c].mean((1, 2)) for r in rows for c in columns]
    return np.concatenate(cells, -1)

"""How much each layer knows: a linear classifier on its features (arXiv 1311.2901, section 5.2, table 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasrecipes.metrics import Ratio, wrong_share
from kerasrecipes.visualize.drawing import Drawing, figure
from kerasrecipes.visualize.units import find_step

CELLS = 4  # a map is averaged to so many cells on each side


@dataclass(frozen=True)
class Probes(Drawing):
    """Share of wrong classes by a linear classifier on each layer, with 95 % intervals over pictures."""

    layers: tuple[str, ...]
    errors: tuple[Ratio, ...]
    features: tuple[int, ...]

    def plot(self) -> Any:
        drawn = figure(1.2 + 0.7 * len(self.layers), 2.8)
        axes = drawn.add_subplot()
        rates = 100 * np.array([e.rate for e in self.errors])
        ends = 100 * np.array([[e.rate - e.low, e.high - e.rate] for e in self.errors]).T
        axes.bar(self.layers, rates, yerr=np.abs(ends), color="#3f51b5", capsize=3)
        axes.set(ylabel="wrong classes, %", ylim=(0, None))
        axes.tick_params(axis="x", rotation=30)
        return drawn


def probe_layers(
    model: Any, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], layers: Sequence[str],
    epochs: int = 15, seed: int = 0,
) -> Probes:  # fmt: skip
    """Train a softmax on each layer's features, which stay as they are.

    Args:
        model: any network of one picture. train, test: (pictures, labels): inputs of the network, 0 to 255, and numbers.
        layers: names; maps are averaged to 4 x 4 cells, so that layers are compared by what they hold, not by their size.
        epochs: passes of the linear classifiers. seed: of their first weights and order.
    """
    steps = [find_step(model, name) for name in layers]
    seen = keras.Model(model.inputs, [step.outputs[0] for step in steps])
    parts = [keras.tree.flatten(cells_of(seen, np.asarray(x, "float32"))) for x, _ in (train, test)]
    errors, sizes = [], []
    for x, other in zip(*parts, strict=True):
        mean, deviation = x.mean(0), x.std(0) + 1e-3
        keras.utils.set_random_seed(seed)
        linear = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(int(np.max(train[1])) + 1)])
        rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(x) // 100))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        linear.compile(keras.optimizers.AdamW(rate, weight_decay=1e-2), loss)
        linear.fit((x - mean) / deviation, train[1], batch_size=100, epochs=epochs, verbose=0)
        chosen = linear.predict((other - mean) / deviation, batch_size=500, verbose=0).argmax(-1)
        errors.append(wrong_share(test[1], chosen))
        sizes.append(x.shape[1])
    return Probes(tuple(layers), tuple(errors), tuple(sizes))


def cells_of(seen: Any, pictures: np.ndarray, batch: int = 100) -> list[np.ndarray]:
    """(pictures, features) of every output, maps averaged to cells; a batch at a time, for whole maps would fill the memory."""
    found: list[list[np.ndarray]] = []
    for begin in range(0, len(pictures), batch):
        outputs = keras.tree.flatten(seen.predict_on_batch(pictures[begin : begin + batch]))
        found.append([averaged(np.asarray(v, "float32")) for v in outputs])
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def averaged(maps: np.ndarray) -> np.ndarray:
    """(batch, height, width, maps) -> (batch, cells * cells * maps); vectors stay."""
    if maps.ndim < 4:
        return maps.reshape(len(maps), -1)
    rows, columns = (np.array_split(np.arange(n), min(CELLS, n)) for n in maps.shape[1:3])
    cells = [maps[:, r][:, :, c].mean((1, 2)) for r in rows for c in columns]
    return np.concatenate(cells, -1)

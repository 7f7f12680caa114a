"""What features learned on one set are worth on another: transfer against training from scratch (arXiv 1311.2901, section
5.2, tables 4 and 5, figure 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.experiments.linear_probes import pooled_features, stage_outputs, train_linear_probe
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.utils.plotting import Figure, new_figure

PRETRAINED, RANDOM, FROM_SCRATCH = "features kept, new softmax", "random features, new softmax", "trained from scratch"
COLOURS = {PRETRAINED: "#3f51b5", RANDOM: "#9e9e9e", FROM_SCRATCH: "#c62828"}


@dataclass(frozen=True)
class Transfer(Figure):
    """Share of wrong classes on another set, after training on a few pictures of each class.

    Args:
        layer: whose outputs are the features. per_class: how many pictures. test: pictures that were classified.
        errors: {way: (numbers of pictures, draws)} for `LEARNED`, `RANDOM` and `SCRATCH`.
    """

    layer: str
    per_class: tuple[int, ...]
    test: int
    errors: dict[str, np.ndarray] = field(repr=False)

    def figures(self) -> dict[str, str]:
        """What was found, in words."""
        return {
            f"{count} of each class, {way}": f"{100 * row.mean():.1f} % wrong ({100 * row.min():.1f} to {100 * row.max():.1f})"
            for k, count in enumerate(self.per_class)
            for way, row in ((w, e[k]) for w, e in self.errors.items())
        }

    def plot(self) -> Any:
        """Errors over pictures of each class, from the best draw to the worst."""
        drawn = new_figure(5, 3.2)
        axes = drawn.add_subplot()
        for way, found in self.errors.items():
            rates = 100 * found
            spread = np.stack([rates.mean(1) - rates.min(1), rates.max(1) - rates.mean(1)])
            axes.errorbar(self.per_class, rates.mean(1), spread, fmt="o-", color=COLOURS[way], capsize=3, label=way)
        axes.set(xscale="log", xlabel="pictures of each class", ylabel="wrong classes, %", ylim=(0, None))
        axes.set_xticks(self.per_class, [str(n) for n in self.per_class])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
        return drawn


def measure_transfer(
    model: Any, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray],
    per_class: Sequence[int] = (1, 5, 15, 60), *, layer: str | None = None, draws: int = 3, steps: int = 300,
    batch: int = 64, rate: float = 1e-3, seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> Transfer:  # fmt: skip
    """Compare three ways to learn another set's classes from few pictures: a softmax on the network's features, which stay
    as they are; the same on the features of the network before it was trained; and training all of it from random numbers.

    Args:
        model: a trained network of one picture; it is left as it is. train, test: (pictures, labels) of the other set: inputs of
            the network, 0 to 255, and numbers.
        per_class: pictures of each class; the smaller sets are parts of the larger. draws: other pictures and random numbers.
        layer: whose outputs are the features, by default the last before the scores; maps are averaged to 4 x 4 cells.
        steps, batch, rate: of training from scratch by AdamW, the rate falling as a cosine. The softmax takes as many steps.
        progress: called with (trainings done, trainings).

    Raises:
        DataError: a class has fewer pictures than asked for. KerasRecipesError: no such layer, or it is that of a model inside.
    """
    (x, y), (other, wanted) = ((np.asarray(p), np.asarray(n)) for p, n in (train, test))
    counts = tuple(sorted(set(map(int, per_class))))
    layer = layer or stage_outputs(model)[-1]
    find_layer_call(model, layer)
    if "/" in layer:
        raise KerasRecipesError(
            f"{layer} is inside a model in {model.name}: pass that model, or a layer of {model.name} itself"
        )
    fewest = min((int((y == c).sum()), int(c)) for c in np.unique(y))
    if not counts or counts[0] < 1 or fewest[0] < counts[-1]:
        raise DataError(
            f"{counts[-1] if counts else 0} pictures of each class were asked for: class {fewest[1]} has {fewest[0]}"
        )
    errors = {way: np.zeros((len(counts), draws)) for way in COLOURS}
    done, total = 0, len(COLOURS) * len(counts) * draws
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        orders = [rng.permutation(np.flatnonzero(y == c))[: counts[-1]] for c in np.unique(y)]
        keras.utils.set_random_seed(1000 * seed + draw)
        nets = {PRETRAINED: model, RANDOM: keras.models.clone_model(model)}
        union = np.concatenate(orders)
        features = {way: [extract_features(net, layer, p) for p in (x[union], other)] for way, net in nets.items()}
        for k, count in enumerate(counts):
            members = np.concatenate([o[:count] for o in orders])
            part = np.concatenate([np.arange(count) + i * counts[-1] for i in range(len(orders))])  # of the union
            for way in COLOURS:
                if way == FROM_SCRATCH:
                    chosen = train_from_scratch(
                        model, layer, x[members], y[members], other, steps, batch, rate, 1000 * seed + draw
                    )
                else:
                    own, others = features[way]
                    chosen = train_linear_probe(own[part], y[members], others, steps, draw)
                errors[way][k, draw] = (chosen != wanted).mean()
                done += 1
                if progress:
                    progress(done, total)
    return Transfer(layer, counts, len(other), errors)


def extract_features(model: Any, layer: str, pictures: np.ndarray) -> np.ndarray:
    """(pictures, features) of a layer."""
    return pooled_features(make_layer_forward(model, [layer]), pictures)[0]


def train_from_scratch(
    model: Any,
    layer: str,
    x: np.ndarray,
    labels: np.ndarray,
    other: np.ndarray,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> np.ndarray:
    """Train a network of this plan from random numbers, with a new softmax on the layer, and let it choose others' classes."""
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(model)
    top = find_layer_call(fresh, layer).outputs[0]
    flat = top if len(top.shape) == 2 else keras.layers.Flatten()(top)
    scores = keras.layers.Dense(int(labels.max()) + 1, dtype="float32")(flat)
    net = keras.Model(fresh.inputs, scores)
    decay = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.AdamW(decay, weight_decay=1e-2), loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        members = rng.choice(len(x), min(batch, len(x)), replace=False)
        net.train_on_batch(x[members].astype("float32"), labels[members])
    found = [net.predict_on_batch(other[i : i + 100].astype("float32")) for i in range(0, len(other), 100)]
    return np.concatenate([np.asarray(v) for v in found]).argmax(-1)

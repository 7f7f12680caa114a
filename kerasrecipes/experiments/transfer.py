"""Transfer of features to another data set against training from scratch (arXiv 1311.2901, section 5.2, tables 4 and 5, figure 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.experiments.linear_probes import pooled_features, stage_outputs, train_linear_probe
from kerasrecipes.experiments.measurement import Measurement
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.units import find_layer_call
from kerasrecipes.utils.plotting import new_figure

PRETRAINED, RANDOM, FROM_SCRATCH = (
    "pretrained features, new softmax",
    "random features, new softmax",
    "trained from scratch",
)
COLORS = {PRETRAINED: "#3f51b5", RANDOM: "#9e9e9e", FROM_SCRATCH: "#c62828"}


@dataclass(frozen=True)
class Transfer(Measurement):
    """Error rates on another data set after training on a few images of each class.

    Args:
        images_per_class: Numbers of training images of each class.
        test_images: Number of images that were classified.
        errors: (numbers of images, repeats) for `PRETRAINED`, `RANDOM` and `FROM_SCRATCH`.
    """

    layer: str
    images_per_class: tuple[int, ...]
    test_images: int
    errors: dict[str, np.ndarray] = field(repr=False)

    def summary(self) -> dict[str, str]:
        return {
            f"{count} of each class, {method}": (
                f"{100 * rates[k].mean():.1f} % wrong ({100 * rates[k].min():.1f} to {100 * rates[k].max():.1f})"
            )
            for k, count in enumerate(self.images_per_class)
            for method, rates in self.errors.items()
        }

    def plot(self) -> Any:
        """Plot errors over images of each class, with the range of the repeats."""
        figure = new_figure(5, 3.2)
        axes = figure.add_subplot()
        for method, errors in self.errors.items():
            rates = 100 * errors
            mean = rates.mean(1)
            extent = np.stack([mean - rates.min(1), rates.max(1) - mean])
            axes.errorbar(self.images_per_class, mean, extent, fmt="o-", color=COLORS[method], capsize=3, label=method)
        axes.set(xscale="log", xlabel="images of each class", ylabel="wrong classes, %", ylim=(0, None))
        axes.set_xticks(self.images_per_class, [str(n) for n in self.images_per_class])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
        return figure


def measure_transfer(
    model: Any, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray],
    images_per_class: Sequence[int] = (1, 5, 15, 60), *, layer: str | None = None, num_repeats: int = 3, steps: int = 300,
    batch_size: int = 64, learning_rate: float = 1e-3, seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> Transfer:  # fmt: skip
    """Compare three ways to learn another data set's classes from few images.

    They are a softmax classifier on the model's features, the same on the features of the model with random weights, and
    training the whole model from random weights.

    Args:
        model: Trained model of an image; it stays unchanged.
        train: Images, inputs of the model from 0 to 255, and their class indices.
        test: Images and class indices to measure on.
        images_per_class: Numbers of training images of each class; smaller sets are subsets of larger ones.
        layer: Layer of the features. Default: the last before the logits. Channels are averaged to 4 x 4 cells.
        num_repeats: Number of repetitions with other images and random weights.
        steps: Steps of each training.
        batch_size: Batch size of training from scratch.
        learning_rate: Initial learning rate of AdamW from scratch, with cosine decay.
        seed: Random seed.
        progress: Called with (done, total) trainings.

    Raises:
        DataError: A class has too few images.
        KerasRecipesError: There is no such layer, or it is in a nested model.
    """
    (x, y), (test_set, labels) = ((np.asarray(images), np.asarray(numbers)) for images, numbers in (train, test))
    counts = tuple(sorted(set(map(int, images_per_class))))
    layer = layer or stage_outputs(model)[-1]
    find_layer_call(model, layer)
    if "/" in layer:
        raise KerasRecipesError(
            f"{layer} is in a nested model of {model.name}: pass that model, or a layer of {model.name} itself"
        )
    smallest, smallest_class = min((int((y == c).sum()), int(c)) for c in np.unique(y))
    if not counts or counts[0] < 1 or smallest < counts[-1]:
        raise DataError(
            f"{counts[-1] if counts else 0} images of each class were requested: class {smallest_class} has {smallest}"
        )
    errors = {method: np.zeros((len(counts), num_repeats)) for method in COLORS}
    done, total = 0, len(COLORS) * len(counts) * num_repeats
    for repeat in range(num_repeats):
        rng = np.random.default_rng((seed, repeat))
        orders = [rng.permutation(np.flatnonzero(y == c))[: counts[-1]] for c in np.unique(y)]
        keras.utils.set_random_seed(1000 * seed + repeat)
        models = {PRETRAINED: model, RANDOM: keras.models.clone_model(model)}
        largest = np.concatenate(orders)
        features = {
            k: [extract_features(m, layer, images) for images in (x[largest], test_set)] for k, m in models.items()
        }
        for k, count in enumerate(counts):
            subset = np.concatenate([o[:count] for o in orders])
            rows = np.concatenate([np.arange(count) + i * counts[-1] for i in range(len(orders))])  # in `largest`
            for method in COLORS:
                if method == FROM_SCRATCH:
                    predictions = train_from_scratch(
                        model,
                        layer,
                        x[subset],
                        y[subset],
                        test_set,
                        steps,
                        batch_size,
                        learning_rate,
                        1000 * seed + repeat,
                    )
                else:
                    train_features, test_features = features[method]
                    predictions = train_linear_probe(train_features[rows], y[subset], test_features, steps, repeat)
                errors[method][k, repeat] = (predictions != labels).mean()
                done += 1
                if progress:
                    progress(done, total)
    return Transfer(layer, counts, len(test_set), errors)


def extract_features(model: Any, layer: str, images: np.ndarray) -> np.ndarray:
    """Return the pooled features (images, features) of a layer."""
    return pooled_features(make_layer_forward(model, [layer]), images)[0]


def train_from_scratch(
    model: Any, layer: str, x: np.ndarray, labels: np.ndarray, test_set: np.ndarray, steps: int, batch_size: int,
    learning_rate: float, seed: int,
) -> np.ndarray:  # fmt: skip
    """Train a copy of the model from random weights, with a new softmax on the layer, and classify a test set."""
    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(model)
    features = find_layer_call(copy, layer).outputs[0]
    features = features if len(features.shape) == 2 else keras.layers.Flatten()(features)
    logits = keras.layers.Dense(int(labels.max()) + 1, dtype="float32")(features)
    classifier = keras.Model(copy.inputs, logits)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-2), loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        batch = rng.choice(len(x), min(batch_size, len(x)), replace=False)
        classifier.train_on_batch(x[batch].astype("float32"), labels[batch])
    batches = (test_set[i : i + 100].astype("float32") for i in range(0, len(test_set), 100))
    return np.concatenate([np.asarray(classifier.predict_on_batch(batch)) for batch in batches]).argmax(-1)

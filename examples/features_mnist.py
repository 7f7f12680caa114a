"""Random, k-means and trained features of digits (*Deep Learning*, section 9.9).

    python examples/features_mnist.py --data PATH/mnist.npz [--pictures 60000] [--write benchmarks/results/features_mnist.json]

One layer of 5 x 5 filters, a rectifier, max-pooling over 6 x 6, and a linear layer of scores. The filters are drawn at random,
are the centers of whitened patches (k-means, after Coates, Lee and Ng, 2011), or are trained with the rest; the scores always
are. What is not trained is computed once.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

from kerasrecipes import image
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.metrics import classification_error
from kerasrecipes.utils.environment import hardware_summary

KERNEL, POOL, FILTERS = 5, 6, 64


def network(side: int = 28, classes: int = 10) -> keras.Model:
    """(batch, side, side, 1), 0 to 255 -> scores; layers `filters` and `scores`."""
    picture = keras.Input((side, side, 1))
    x = keras.layers.Rescaling(1 / 128, -0.25)(picture)
    x = keras.layers.Conv2D(FILTERS, KERNEL, activation="relu", name="filters")(x)
    x = keras.layers.Flatten(name="features")(keras.layers.MaxPooling2D(POOL)(x))
    return keras.Model(picture, keras.layers.Dense(classes, name="scores")(x))


def patches(pictures: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 25): random cut-outs, scaled as the network does."""
    which = rng.integers(len(pictures), size=count)
    y, x = (rng.integers(n - KERNEL + 1, size=count) for n in pictures.shape[1:3])
    cuts = [pictures[i, a : a + KERNEL, b : b + KERNEL, 0] for i, a, b in zip(which, y, x, strict=True)]
    return np.stack(cuts).reshape(count, -1) / 128 - 0.25


def kmeans_centers(values: np.ndarray, count: int, rng: np.random.Generator, rounds: int = 20) -> np.ndarray:
    """k-means with centers of length 1 (spherical): (count, features)."""
    found = values[rng.choice(len(values), count, replace=False)]
    for _ in range(rounds):
        found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        nearest = (values @ found.T).argmax(1)
        sums = np.stack([np.bincount(nearest, column, count) for column in values.T], 1)
        empty = np.bincount(nearest, minlength=count) == 0
        sums[empty] = values[rng.choice(len(values), int(empty.sum()))]
        found = sums
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def kmeans_filters(pictures: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(kernel, bias) of a convolution that whitens a patch and compares it with each center."""
    cuts = patches(pictures, 50_000, rng)
    mean = cuts.mean(0)
    values, vectors = np.linalg.eigh(np.cov((cuts - mean).T))
    whiten = vectors @ np.diag(1 / np.sqrt(values + 0.1)) @ vectors.T
    found = kmeans_centers((cuts - mean) @ whiten, FILTERS, rng)
    kernel = whiten @ found.T  # (25, filters)
    return kernel.reshape(KERNEL, KERNEL, 1, FILTERS), -(mean @ kernel)


def random_filters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(kernel, bias) drawn from N(0, 2 / 25)."""
    return rng.normal(0, np.sqrt(2 / KERNEL**2), (KERNEL, KERNEL, 1, FILTERS)), np.zeros(FILTERS)


def errors(kind: str, train: tuple, test: tuple, epochs: int, seed: int = 0):
    """Share of wrong test digits with that kind of filters, and seconds of training."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    model = network(train[0].shape[1])
    begin = time.perf_counter()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if kind == "trained":
        part, x = model, train[0].astype("float32")
    else:
        filters = random_filters(rng) if kind == "random" else kmeans_filters(train[0], rng)
        model.get_layer("filters").set_weights(filters)
        lower = keras.Model(model.input, model.get_layer("features").output)
        x = lower.predict(train[0].astype("float32"), batch_size=500, verbose=0)
        part = keras.Sequential([keras.Input(x.shape[1:]), model.get_layer("scores")])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // 100))
    part.compile(keras.optimizers.Adam(rate), loss)
    part.fit(x, train[1], batch_size=100, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - begin
    chosen = model.predict(test[0].astype("float32"), batch_size=500, verbose=0).argmax(-1)
    return classification_error(test[1], chosen), seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True, help="MNIST's .npz, or the folder of its four files")
    options.add_argument("--pictures", type=int, default=60_000, help="to train on")
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--write", type=Path, help="also write the figures as JSON")
    o = options.parse_args()
    rule = image.ImagePreprocessing(resize_to=(28, 28), crop_size=(28, 28), channels=1)
    train, test = (load_image_datasets([f"mnist:{o.data}?split={s}"], "0123456789", rule) for s in ("train", "test"))
    train = tuple(v[: o.pictures] for v in train)
    figures = {}
    for kind in ("random", "k-means", "trained"):
        found, seconds = errors(kind, train, test, o.epochs)
        figures[f"{kind} filters"] = (
            f"{100 * found.rate:.2f} % wrong ({100 * found.low:.2f} to {100 * found.high:.2f}) after {seconds:.0f} s"
        )
        print(kind, figures[f"{kind} filters"], flush=True)
    if o.write:
        setting = f"{len(train[0]):,} digits, {o.epochs} passes, 10,000 test digits; {hardware_summary()}"
        values = {"title": "Random, k-means and trained features of digits", "setting": setting, "figures": figures}
        o.write.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Train the small networks of the illustrated chapter, and record what they reach in docs/guides/chapter/experiments.json.

    KERAS_BACKEND=torch KERASRECIPES_DATA=PATH python docs/build/train_chapter.py [pooling separable sizes refinement clips]

Each takes about a minute of one core. `plot_chapter.py` plots the figures from the record.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from drawing import small_data, small_models

RECORD = Path(__file__).parents[1] / "guides" / "chapter" / "experiments.json"
BATCH, TRAIN, TEST, EPOCHS, SEEDS = 50, 2000, 10000, 6, (0, 1)
SIZES, TRAINED_SIZES = (10, 12, 14, 18, 22, 28), (10, 14, 18, 22)
STEPS, HOLES, CLIPS = (1, 2, 4, 8), 1000, 2000
EXAMPLES = 4  # images of the refinement that the record keeps


def make_batches(x: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """Return get_batches of `small_models.train`, each epoch in another order."""

    def get_batches(epoch: int) -> list:
        order = np.random.default_rng((seed, epoch)).permutation(len(x))
        return [(x[part], y[part]) for part in np.array_split(order, len(x) // BATCH)]

    return get_batches


def measure(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of correct classes in percent."""
    return float(100 * (predict(model, x).argmax(-1) == y).mean())


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.concatenate([keras.ops.convert_to_numpy(model(part)) for part in np.array_split(x, max(len(x) // 500, 1))])


def compare(build: Any, kinds: tuple[str, ...], train: tuple, test: tuple, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train a network of each kind from each seed. Returns {kind: {parameters, accuracies}}."""
    rows = {}
    for kind in kinds:
        accuracies = []
        for seed in SEEDS:
            keras.utils.set_random_seed(seed)
            model = build(kind)
            small_models.train(model, make_batches(*train, seed), epochs)
            accuracies.append(round(measure(model, *test), 2))
        rows[kind] = {"parameters": model.count_params(), "accuracies": accuracies}
        print(kind, rows[kind], flush=True)
    return rows


def load_digits(side: int) -> tuple[tuple, tuple]:
    (x, y), (x_test, y_test) = small_data.load_mnist("train", TRAIN), small_data.load_mnist("test", TEST)
    return (small_data.resize_digits(x, side), y), (small_data.resize_digits(x_test, side), y_test)


def train_pooling() -> dict[str, Any]:
    return compare(small_models.build_pooling, small_models.POOLINGS, *load_digits(14))


def train_separable() -> dict[str, Any]:
    return compare(small_models.build_separable, small_models.SEPARABLES, *load_digits(14))


def train_sizes() -> dict[str, Any]:
    """Train on digits of one size and of several, and measure on digits of all sizes and on larger canvases."""
    (x, y), (x_test, y_test) = small_data.load_mnist("train", TRAIN), small_data.load_mnist("test", 2000)
    rows = {}
    for name, sides in (("trained on 14", (14,)), (f"trained on {', '.join(map(str, TRAINED_SIZES))}", TRAINED_SIZES)):
        keras.utils.set_random_seed(0)
        model = small_models.build_any_size()
        by_side = [make_batches(small_data.resize_digits(x, side), y, 0) for side in sides]

        def get_batches(epoch: int, by_side: list = by_side) -> list:
            lists = [get(epoch) for get in by_side]
            return [lists[i % len(lists)][i] for i in range(len(lists[0]))]  # equally many batches for both

        small_models.train(model, get_batches, EPOCHS)
        rows[name] = {
            "parameters": model.count_params(),
            "resized": {side: round(measure(model, small_data.resize_digits(x_test, side), y_test), 2) for side in SIZES},
            "padded": {side: round(measure(model, small_data.pad_digits(x_test, side), y_test), 2) for side in (14, 18, 22, 28)},
        }
        print(name, rows[name], flush=True)
    return rows


def train_refinement() -> dict[str, Any]:
    """Train figure 9.17's network with 1 to 8 steps, and record the intersection over union of enclosed pixels after each step."""
    (x, y), (x_test, y_test) = small_data.make_holes("train", HOLES), small_data.make_holes("test", 500, seed=1)
    rows: dict[str, Any] = {}
    for steps in STEPS:
        keras.utils.set_random_seed(0)
        model = small_models.build_refinement(steps)
        labels = np.repeat(y[:, None], steps, axis=1)
        small_models.train(model, make_batches(x, labels, 0), 12, rate=6e-3)
        classes = predict(model, x_test).argmax(-1)  # (images, steps, rows, columns)
        unions = [measure_overlap(classes[:, step] == 2, y_test == 2) for step in range(steps)]
        rows[str(steps)] = {"parameters": model.count_params(), "overlap": unions}
        print(steps, rows[str(steps)], flush=True)
    enclosed = np.flatnonzero((y_test == 2).sum((1, 2)) > 12)[:2]
    opened = np.flatnonzero((y_test == 2).sum((1, 2)) == 0)[:2]
    chosen = np.concatenate([enclosed, opened])[:EXAMPLES]
    images = x_test[chosen, ..., 0].astype(int)
    rows["examples"] = {"images": to_text(images), "classes": to_text(classes[chosen]), "labels": to_text(y_test[chosen])}
    return rows


def to_text(classes: np.ndarray) -> list[str]:
    """Return square maps of numbers below 10, (..., rows, columns), as a line of digits for each map."""
    return ["".join(map(str, pixels)) for pixels in classes.reshape(-1, classes.shape[-1] ** 2)]


def measure_overlap(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the intersection over union of two masks in percent."""
    return round(float(100 * (prediction & truth).sum() / max((prediction | truth).sum(), 1)), 1)


def train_clips() -> dict[str, Any]:
    train, test = small_data.make_clips("train", CLIPS), small_data.make_clips("test", 1000, seed=1)
    return compare(small_models.build_clip_model, small_models.CLIP_MODELS, train, test)


EXPERIMENTS = {
    "pooling": train_pooling, "separable": train_separable, "sizes": train_sizes, "refinement": train_refinement, "clips": train_clips,
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or EXPERIMENTS:
        begin = time.process_time()
        results = EXPERIMENTS[name]()
        record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
        record[name] = {"results": results, "cpu_seconds": round(time.process_time() - begin), "backend": keras.backend.backend()}
        RECORD.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

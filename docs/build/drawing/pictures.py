"""Image classifiers and segmenters: filters, activation maps, synthesized images, confusions.

The figures show free images and digits of MNIST, never images of CIFAR-10 or CamVid.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drawing.figure_cache import FigureCache
from kerasrecipes import metrics, visualize
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.utils import plotting

FREE = ("astronaut", "camera", "chelsea", "coffee", "rocket")  # CC0 or public domain
DIGITS = "MNIST (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0)"


def data_folder() -> Path:
    """Return the folder of the data sets."""
    return Path(os.environ["KERASRECIPES_DATA"])


def collect_figures(model: Any, cache: FigureCache) -> None:
    """Collect the figures and examples of a classifier."""
    plot_filters(model, cache)
    is_mnist = model.input_shape[-1] == 1
    plot_maps(model, cache, load_mnist(model)[0][7] if is_mnist else load_photograph("chelsea"), is_mnist)
    if not is_mnist:
        plot_classes(model, cache)
    if len(model.classes) > 10:
        collect_free_images(model, cache)
        return
    spec = "mnist:{data}/mnist/mnist.npz?split=test" if is_mnist else "cifar10:{data}/cifar10?split=test"
    images, labels = load_image_datasets([spec], model.classes, model.preprocessing)
    predictions, confidences = classify(model, images)
    size = len(model.classes)
    table = np.zeros((size, size), int)
    np.add.at(table, (labels, predictions), 1)
    cache.wrong = {
        "set": "MNIST, test digits" if is_mnist else "CIFAR-10, first 1,000 test images", "classes": list(model.classes),
        "confusion": table.tolist(), "unit": "images",
    }  # fmt: skip
    if is_mnist:
        plot_wrong_digits(cache, images, labels, predictions, confidences)
    else:
        collect_free_images(model, cache)


def load_mnist(model: Any) -> tuple[np.ndarray, np.ndarray]:
    return load_image_datasets(["mnist:{data}/mnist/mnist.npz?split=test"], model.classes, model.preprocessing)


def load_photograph(name: str) -> np.ndarray:
    path = next((data_folder() / "images_cc0").glob(f"{name}.*"))
    return np.asarray(Image.open(path).convert("RGB"))


def classify(model: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted class of each image and its probability."""
    p = np.concatenate([model.probabilities(images[i : i + 500]) for i in range(0, len(images), 500)])
    return p.argmax(-1), p.max(-1)


def plot_filters(model: Any, cache: FigureCache) -> None:
    sheet = visualize.show_filters(model)
    count, height, width, depth = sheet.filters.shape
    colors = (
        " in their own colors. Zero is gray" if depth == 3 else ". Black is negative, white is positive, zero is gray"
    )
    cache.save_image(
        "filters.png", sheet.render(columns=16 if count > 16 else 8), "Filters of the first layer",
        f"All {count} filters of {height} x {width}{colors}. `visualize.show_filters` plots them.", min_side=560,
    )  # fmt: skip


def plot_maps(model: Any, cache: FigureCache, image: np.ndarray, is_mnist: bool) -> None:
    pixels = image[..., 0] if is_mnist else image
    path = cache.folder / "input.png"
    Image.fromarray(pixels.astype("uint8")).save(path)
    maps = visualize.activation_maps(model, str(path))
    path.unlink()
    names = [n for n, v in maps.layers.items() if v.ndim == 3][:8]
    figure = plotting.new_figure(10, 2.9 * -(-(len(names) + 1) // 4))
    grid = [("input", maps.image), *((n, maps.render(n)) for n in names)]
    for number, (title, tile) in enumerate(grid[: 4 * -(-(len(names) + 1) // 4)], 1):
        plotting.imshow(figure.add_subplot(-(-len(grid) // 4), 4, number), tile, title)
    cache.save_figure(
        "maps.png", figure, "Activation maps",
        f"{'A digit of ' + DIGITS if is_mnist else 'The cat Chelsea (CC0)'} and all maps of {len(names)} layers. "
        "White is the maximum of each map. `visualize.activation_maps` computes them.",
    )  # fmt: skip


def plot_classes(model: Any, cache: FigureCache) -> None:
    """Plot images that maximize the logits of classes."""
    layer = visualize.layer_names(model)[-1]
    names = model.classes if len(model.classes) == 10 else ("flamingo", "lemon", "volcano", "tabby", "strawberry")
    indices = [
        next(i for i, c in enumerate(model.classes) if c == n or c.split(",")[0] == n or n in c.split(", "))
        for n in names
    ]
    units = [f"{layer}:{i}" for i in indices]
    results = visualize.synthesize_units(
        model, units, num_restarts=1, seed=2, steps=200, step_policy="normalized", target_gain=8.0
    )
    figure = plotting.new_figure(9, 1 + 1.9 * (-(-len(results) // 5)))
    for number, (name, result) in enumerate(zip(names, results, strict=True), 1):
        plotting.imshow(figure.add_subplot(-(-len(results) // 5), 5, number), result.images[0], name)
    cache.save_figure(
        "classes.png", figure, "Images that activate classes most",
        "Images that maximize the logit of a class (activation maximization, `visualize.synthesize`). "
        "They contain no image of the training set.",
    )  # fmt: skip


def plot_wrong_digits(cache: FigureCache, images: Any, labels: Any, predictions: Any, confidences: Any) -> None:
    """Plot the errors with the highest confidence, with label and prediction."""
    wrong = np.flatnonzero(predictions != labels)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:30]
    figure = plotting.new_figure(8.6, 3.5)
    for number, i in enumerate(worst, 1):
        axes = figure.add_subplot(3, 10, number)
        plotting.imshow(axes, 255 - images[i][..., 0].astype("uint8"), f"{labels[i]} read as {predictions[i]}")
        axes.title.set_fontsize(6.5)
    figure.savefig(cache.folder / "wrong.png", format="png", dpi=130)
    cache.reduce_colors("wrong.png")
    cache.wrong |= {
        "picture": "wrong.png",
        "caption": f"{len(worst)} of the {len(wrong)} errors, those with the highest confidence first. {DIGITS}.",
    }  # fmt: skip


def collect_free_images(model: Any, cache: FigureCache) -> None:
    """Collect the three most probable classes of each free image."""
    rows = []
    for name in FREE:
        pixels = load_photograph(name)
        small = Image.fromarray(pixels)
        small.thumbnail((220, 220))
        small.save(cache.folder / f"{name}.jpg", quality=80)
        answers = [[c.name, round(float(c.probability), 4)] for c in model.classify(pixels).top(3)]
        rows.append({"file": f"{name}.jpg", "name": name, "answers": answers})
    cache.wrong |= {"free": rows}


def collect_segmenter_figures(model: Any, cache: FigureCache) -> None:
    """Collect the figures and examples of a segmenter, without images of CamVid."""
    plot_filters(model, cache)
    images, masks = load_masks(["camvid:{data}/camvid/camvid_240x180.npz?split=test"], model.classes)
    table = sum(
        metrics.confusion_matrix(m, r.mask, len(model.classes))
        for m, r in zip(masks, model.segment(list(images)), strict=True)
    )
    union = table.sum(0) + table.sum(1) - np.diag(table)
    cache.wrong = {
        "set": f"CamVid, {len(images)} test images", "classes": list(model.classes), "confusion": np.asarray(table).tolist(),
        "unit": "pixels", "iou": [round(float(d / u), 4) if u else None for d, u in zip(np.diag(table), union, strict=True)],
    }  # fmt: skip
    areas = Counter()
    for name in FREE:
        pixels = load_photograph(name)
        for label, share in model.segment(pixels).class_areas().items():
            areas[label] += share / len(FREE)
    cache.wrong["lost"] = [[k, round(float(v), 3)] for k, v in areas.most_common(3)]

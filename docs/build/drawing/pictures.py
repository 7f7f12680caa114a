"""Classifiers and segmenters: filters, maps, wished-for pictures, and what is confused with what.

Only free pictures and MNIST's digits are shown, never one of CIFAR-10 or CamVid.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drawing.figure_cache import Keeper
from kerasrecipes import metrics, visualize
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.utils import plotting

FREE = ("astronaut", "camera", "chelsea", "coffee", "rocket")  # CC0 or public domain
DIGITS = "MNIST (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0)"


def folder() -> Path:
    """The data sets."""
    return Path(os.environ["KERASRECIPES_DATA"])


def draw(model: Any, keeper: Keeper) -> None:
    """A classifier's."""
    filters(model, keeper)
    digits = model.input_shape[-1] == 1
    maps(model, keeper, mnist(model)[0][7] if digits else photograph("chelsea"), digits)
    if not digits:
        wishes(model, keeper)
    if len(model.classes) > 10:
        free_pictures(model, keeper)
        return
    spec = "mnist:{data}/mnist/mnist.npz?split=test" if digits else "cifar10:{data}/cifar10?split=test"
    pictures, labels = load_image_datasets([spec], model.classes, model.preprocessing)
    chosen, sure = probabilities(model, pictures)
    size = len(model.classes)
    table = np.zeros((size, size), int)
    np.add.at(table, (labels, chosen), 1)
    keeper.wrong = {
        "set": "MNIST, test digits" if digits else "CIFAR-10, first 1,000 test pictures", "classes": list(model.classes),
        "confusion": table.tolist(), "unit": "pictures",
    }  # fmt: skip
    if digits:
        wrong_digits(keeper, pictures, labels, chosen, sure)
    else:
        free_pictures(model, keeper)


def mnist(model: Any) -> tuple[np.ndarray, np.ndarray]:
    return load_image_datasets(["mnist:{data}/mnist/mnist.npz?split=test"], model.classes, model.preprocessing)


def photograph(name: str) -> np.ndarray:
    path = next((folder() / "images_cc0").glob(f"{name}.*"))
    return np.asarray(Image.open(path).convert("RGB"))


def probabilities(model: Any, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chosen class of each picture, and its probability."""
    found = np.concatenate([model.probabilities(pictures[i : i + 500]) for i in range(0, len(pictures), 500)])
    return found.argmax(-1), found.max(-1)


def filters(model: Any, keeper: Keeper) -> None:
    sheet = visualize.show_filters(model)
    count, height, width, depth = sheet.filters.shape
    what = "in their own colors" if depth == 3 else "black is negative, white positive"
    keeper.image(
        "filters.png", sheet.render(columns=16 if count > 16 else 8), "Filters of the first layer",
        f"All {count} filters of {height} x {width}, {what}, zero in gray: `visualize.show_filters`.", least=560,
    )  # fmt: skip


def maps(model: Any, keeper: Keeper, picture: np.ndarray, digits: bool) -> None:
    shown = picture[..., 0] if digits else picture
    path = keeper.folder / "seen.png"
    Image.fromarray(shown.astype("uint8")).save(path)
    found = visualize.activation_maps(model, str(path))
    path.unlink()
    names = [n for n, v in found.layers.items() if v.ndim == 3][:8]
    drawn = plotting.new_figure(10, 2.9 * -(-(len(names) + 1) // 4))
    grid = [("what it sees", found.image), *((n, found.render(n)) for n in names)]
    for number, (title, image) in enumerate(grid[: 4 * -(-(len(names) + 1) // 4)], 1):
        plotting.imshow(drawn.add_subplot(-(-len(grid) // 4), 4, number), image, title)
    keeper.figure(
        "maps.png", drawn, "What its layers make of a picture",
        f"{'A digit of ' + DIGITS if digits else 'The cat Chelsea (CC0)'} and all maps of {len(names)} layers; "
        "white is the strongest of each map: `visualize.activation_maps`.",
    )  # fmt: skip


def wishes(model: Any, keeper: Keeper) -> None:
    """Pictures that classes would like to see."""
    scores = visualize.layer_names(model)[-1]
    names = model.classes if len(model.classes) == 10 else ("flamingo", "lemon", "volcano", "tabby", "strawberry")
    wanted = [
        next(i for i, c in enumerate(model.classes) if c == n or c.split(",")[0] == n or n in c.split(", "))
        for n in names
    ]
    units = [f"{scores}:{i}" for i in wanted]
    found = visualize.synthesize_units(
        model, units, num_restarts=1, seed=2, steps=200, step_policy="normalized", target_gain=8.0
    )
    drawn = plotting.new_figure(9, 1 + 1.9 * (-(-len(found) // 5)))
    for number, (name, wish) in enumerate(zip(names, found, strict=True), 1):
        plotting.imshow(drawn.add_subplot(-(-len(found) // 5), 5, number), wish.images[0], name)
    keeper.figure(
        "classes.png", drawn, "What activates classes most",
        "Pictures that raise a class's score as far as they can (activation maximization, `visualize.synthesize`). "
        "No picture of the training set is in them.",
    )  # fmt: skip


def wrong_digits(keeper: Keeper, pictures: Any, labels: Any, chosen: Any, sure: Any) -> None:
    """The wrong digits of which it was surest, as one picture, with what they are and what was read."""
    wrong = np.flatnonzero(chosen != labels)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:30]
    drawn = plotting.new_figure(8.6, 3.5)
    for number, i in enumerate(worst, 1):
        axes = drawn.add_subplot(3, 10, number)
        plotting.imshow(axes, 255 - pictures[i][..., 0].astype("uint8"), f"{labels[i]} read as {chosen[i]}")
        axes.title.set_fontsize(6.5)
    drawn.savefig(keeper.folder / "wrong.png", format="png", dpi=130)
    keeper.shrink("wrong.png")
    keeper.wrong |= {
        "picture": "wrong.png",
        "caption": f"The {len(worst)} of {len(wrong)} wrong digits of which it is surest, worst first. {DIGITS}.",
    }  # fmt: skip


def free_pictures(model: Any, keeper: Keeper) -> None:
    """What it says of the free pictures."""
    shown = []
    for name in FREE:
        pixels = photograph(name)
        small = Image.fromarray(pixels)
        small.thumbnail((220, 220))
        small.save(keeper.folder / f"{name}.jpg", quality=80)
        answers = [[c.name, round(float(c.probability), 4)] for c in model.classify(pixels).top(3)]
        shown.append({"file": f"{name}.jpg", "name": name, "answers": answers})
    keeper.wrong |= {"free": shown}


def draw_segmenter(model: Any, keeper: Keeper) -> None:
    """A segmenter's: no picture of CamVid is shown."""
    filters(model, keeper)
    pictures, masks = load_masks(["camvid:{data}/camvid/camvid_240x180.npz?split=test"], model.classes)
    table = sum(
        metrics.confusion_matrix(m, r.mask, len(model.classes))
        for m, r in zip(masks, model.segment(list(pictures)), strict=True)
    )
    union = table.sum(0) + table.sum(1) - np.diag(table)
    keeper.wrong = {
        "set": f"CamVid, {len(pictures)} test pictures", "classes": list(model.classes), "confusion": np.asarray(table).tolist(),
        "unit": "pixels", "iou": [round(float(d / u), 4) if u else None for d, u in zip(np.diag(table), union, strict=True)],
    }  # fmt: skip
    sure = Counter()
    for name in FREE:
        pixels = photograph(name)
        for label, share in model.segment(pixels).class_areas().items():
            sure[label] += share / len(FREE)
    keeper.wrong["lost"] = [[k, round(float(v), 3)] for k, v in sure.most_common(3)]

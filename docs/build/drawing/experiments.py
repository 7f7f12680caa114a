"""Figures of the chapter about pooling and its small trained networks, from the record of docs/build/train_chapter.py."""

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from drawing.operators import GRAY, GREEN, ORANGE, save_figure
from kerasrecipes.utils import plotting

CLASS_COLORS = np.array([[240, 238, 230], [60, 66, 63], [217, 84, 30]], "uint8")  # outside, ink, enclosed


def read_record(folder: Path, name: str) -> Any:
    """Return the results of an experiment."""
    return json.loads((folder / "experiments.json").read_text("utf-8"))[name]["results"]


def read_maps(lines: list[str]) -> np.ndarray:
    """Return the square maps that `train_chapter.to_text` wrote, (maps, rows, columns)."""
    side = math.isqrt(len(lines[0]))
    return np.array([[int(c) for c in line] for line in lines]).reshape(-1, side, side)


def pool_signal(signal: np.ndarray, kind: str, size: int = 3) -> np.ndarray:
    """Return the mean, maximum or root mean square of each window of `size`."""
    x = keras.ops.convert_to_tensor(signal[None, :, None].astype("float32"))
    if kind == "max":
        y = keras.ops.max_pool(x, size, 1, "same")
    else:
        y = keras.ops.average_pool(x if kind == "average" else keras.ops.square(x), size, 1, "same")
        y = y if kind == "average" else keras.ops.sqrt(y)
    return keras.ops.convert_to_numpy(y)[0, :, 0]


def plot_pooling(folder: Path) -> None:
    """Plot a signal of edges and three kinds of pooling over it, before and after a shift by one position."""
    signal = np.array([0.1, 0.2, 1.0, 0.2, 0.1, 0.0, 0.3, 0.8, 0.9, 0.3, 0.1, 0.0, 0.6, 0.1, 0.2, 0.0])
    shifted = np.roll(signal, 1)
    figure = plotting.new_figure(9, 4.4)
    rows = [("input", lambda v: v), *((f"{kind} of 3", lambda v, kind=kind: pool_signal(v, kind)) for kind in ("max", "average", "L2"))]
    for number, (name, function) in enumerate(rows, 1):
        axes = figure.add_subplot(2, 2, number)
        before, after = function(signal), function(shifted)
        axes.bar(np.arange(len(signal)) - 0.2, before, 0.4, color=GREEN, label="signal")
        axes.bar(np.arange(len(signal)) + 0.2, after, 0.4, color=ORANGE, label="shifted by one")
        change = np.abs(after - before).sum() / np.abs(before).sum()
        axes.set_title(f"{name}: changes by {100 * change:.0f} %", fontsize=9)
        axes.set(ylim=(0, 1.15), xticks=[])
        if number == 1:
            axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    save_figure(figure, folder / "pooling.png")


def plot_refinement(folder: Path) -> None:
    """Plot what the network of figure 9.17 says after 1, 2, 4 and 8 steps, and the share of enclosed pixels over steps."""
    results = read_record(folder, "refinement")
    examples = {name: read_maps(lines) for name, lines in results.pop("examples").items()}
    count = len(examples["images"])
    examples["classes"] = examples["classes"].reshape(count, -1, *examples["images"].shape[1:])
    figure = plotting.new_figure(9, 5.4)
    grid = figure.add_gridspec(count, 9)
    steps = (1, 2, 4, 8)
    for row, (image, classes, labels) in enumerate(
        zip(examples["images"], examples["classes"], examples["labels"], strict=True)
    ):
        panels = [("input", image), *((f"step {s}", classes[s - 1]) for s in steps), ("truth", labels)]
        for column, (title, panel) in enumerate(panels):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(CLASS_COLORS[panel])
            axes.axis("off")
            if not row:
                axes.set_title(title, fontsize=8)
    axes = figure.add_subplot(grid[:, 6:])
    for (number, entry), color in zip(results.items(), (GRAY, "#7aa6c2", GREEN, ORANGE), strict=True):
        axes.plot(range(1, int(number) + 1), entry["overlap"], "o-", color=color, label=f"trained with {number}", ms=4)
    axes.set(xlabel="step", ylim=(0, 100))
    axes.set_title("enclosed pixels: intersection over union, %", fontsize=8)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, folder / "refinement.png")


def plot_sizes(folder: Path) -> None:
    """Plot the accuracy of networks that read any size over the size of the image."""
    results = read_record(folder, "sizes")
    figure = plotting.new_figure(7, 3.2)
    axes = figure.add_subplot()
    for (name, entry), color in zip(results.items(), (GRAY, GREEN), strict=True):
        for kind, line, words in (("resized", "o-", "digits resized"), ("padded", "s--", "digits of 14 on a larger canvas")):
            sides = [int(side) for side in entry[kind]]
            axes.plot(sides, list(entry[kind].values()), line, color=color, label=f"{name}: {words}", ms=4)
    axes.set(xlabel="side of the image in pixels", ylabel="correct, %", ylim=(0, 101))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, folder / "sizes.png")

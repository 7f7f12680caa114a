"""Figures of the chapter about convolutions: weight sharing, padding, dilation, receptive fields."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from drawing.figure_cache import ROOT
from kerasrecipes import layers, visualize
from kerasrecipes.layers.locally_connected import output_size, padding_amounts
from kerasrecipes.utils import plotting

GREEN, ORANGE, GRAY = "#12664f", "#d9541e", "#9aa5a0"
LENGTH, KERNEL = 8, 3


def number_weights(layer: Any, length: int = LENGTH) -> np.ndarray:
    """Return the number of the weight between each output and input, (outputs, inputs), or 0 for no connection.

    Sets the weights of the layer to 1, 2, 3 ... and applies it to impulses.
    """
    layer.build((None, length, 1))
    values_by_weight, count = [], 1
    for variable in layer.weights:
        size = 0 if "bias" in variable.path else int(np.prod(variable.shape))
        values = np.arange(count, count + size) if size else np.zeros(variable.shape)
        values_by_weight.append(values.reshape(variable.shape).astype("float32"))
        count += size
    layer.set_weights(values_by_weight)
    impulses = np.eye(length, dtype="float32")[:, :, None]
    return keras.ops.convert_to_numpy(layer(impulses))[..., 0].T.round().astype(int)


class Dense(keras.layers.Layer):
    """Fully connected along time: each output position has its own weight for each input position."""

    def build(self, shape):
        self.kernel = self.add_weight((shape[1], shape[1] - KERNEL + 1), name="kernel")

    def call(self, x):
        return keras.ops.einsum("bic,io->boc", x, self.kernel)


def plot_sharing(folder: Path) -> None:
    """Plot six layers as matrices. Equal colors are equal weights."""
    kinds = {
        "convolution": keras.layers.Conv1D(1, KERNEL),
        "stride 2": keras.layers.Conv1D(1, KERNEL, 2),
        "dilation 2": keras.layers.Conv1D(1, KERNEL, dilation_rate=2),
        "tiled, 2 kernels": layers.TiledConv1D(1, KERNEL, 2),
        "locally connected": layers.LocallyConnected1D(1, KERNEL),
        "fully connected": Dense(),
    }
    figure = plotting.new_figure(9, 5.2)
    for number, (name, layer) in enumerate(kinds.items(), 1):
        matrix = number_weights(layer)
        count = len(set(matrix[matrix > 0].tolist()))
        axes = figure.add_subplot(2, 3, number)
        axes.imshow(
            np.ma.masked_equal(matrix, 0),
            cmap="Set2" if count <= 8 else "tab20" if count <= 20 else "nipy_spectral",
            interpolation="nearest",
            vmin=1,
            vmax=max(count, 8),
        )
        axes.set(
            xticks=range(matrix.shape[1]),
            yticks=range(matrix.shape[0]),
            xlabel="input position",
            ylabel="output position",
        )
        axes.tick_params(labelsize=6)
        axes.set_title(f"{name}: {count} weights", fontsize=9)
        if count <= 20:
            for (y, x), n in np.ndenumerate(matrix):
                if n:
                    axes.text(x, y, n, ha="center", va="center", fontsize=7)
    save_figure(figure, folder / "sharing.png")


def plot_channels(folder: Path) -> None:
    """Plot the connections between input and output channels."""
    kinds = {
        "convolution": keras.layers.Conv1D(8, 1),
        "in 2 groups": keras.layers.Conv1D(8, 1, groups=2),
        "in 8 groups (depthwise)": keras.layers.Conv1D(8, 1, groups=8),
    }
    figure = plotting.new_figure(9, 3.1)
    for number, (name, layer) in enumerate(kinds.items(), 1):
        layer.build((None, 1, 8))
        layer.set_weights([np.ones_like(w) if w.ndim > 1 else np.zeros_like(w) for w in layer.get_weights()])
        connections = keras.ops.convert_to_numpy(layer(np.eye(8, dtype="float32")[:, None]))[:, 0].T
        axes = figure.add_subplot(1, 3, number)
        axes.imshow(connections, cmap="Greens", vmin=0, vmax=1.4, interpolation="nearest")
        axes.set(xticks=range(8), yticks=range(8), xlabel="input channel", ylabel="output channel")
        axes.set_title(f"{name}: {layer.count_params() - 8} weights per tap", fontsize=9)
    save_figure(figure, folder / "channels.png")


def plot_sliding(folder: Path) -> None:
    """Plot a signal and the output of a kernel."""
    signal = np.array([0, 0, 0, 1, 2, 3, 3, 3, 3, 1, 0, 0, 2, 2, 0, 0], "float32")
    kernel = np.array([-1, 0, 1], "float32")
    layer = keras.layers.Conv1D(1, 3, use_bias=False)
    layer.build((None, len(signal), 1))
    layer.set_weights([kernel[:, None, None]])
    output = keras.ops.convert_to_numpy(layer(signal[None, :, None]))[0, :, 0]
    figure = plotting.new_figure(8, 3)
    axes = figure.add_subplot()
    axes.step(range(len(signal)), signal, where="mid", color=GRAY, lw=2, label="signal")
    axes.bar(
        np.arange(len(output)) + 1,
        output,
        color=np.where(output >= 0, GREEN, ORANGE),
        width=0.6,
        label="output of (-1, 0, 1)",
    )
    axes.axhline(0, color="#444", lw=0.8)
    axes.set(xlabel="position", ylabel="value", xticks=range(len(signal)))
    axes.legend(frameon=False, loc="upper right")
    save_figure(figure, folder / "sliding.png")


def plot_edges(folder: Path) -> None:
    """Plot the outputs of two edge kernels for the cat Chelsea (CC0)."""
    import os

    path = next((Path(os.environ["KERASRECIPES_DATA"]) / "images_cc0").glob("chelsea.*"))
    gray = np.asarray(Image.open(path).convert("L").resize((225, 150)), "float32")
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")
    images = [("the cat Chelsea", gray.astype("uint8"))]
    for name, kernel in (("edges from dark to bright", sobel), ("the transposed kernel", sobel.T)):
        edges = keras.ops.convert_to_numpy(
            keras.ops.conv(gray[None, :, :, None], kernel[:, :, None, None], padding="valid")
        )
        images.append((name, plotting.signed_to_uint8(edges[0, :, :, 0])))
    save_figure(plotting.side_by_side(images, 2.3), folder / "edges.png")


def plot_padding(folder: Path) -> None:
    """Plot the positions of a kernel with padding valid, same and full."""
    figure = plotting.new_figure(9, 2.5)
    size, kernel = 7, 3
    for number, name in enumerate(("valid", "same", "full"), 1):
        axes = figure.add_subplot(1, 3, number)
        before, after = padding_amounts(kernel, name)
        num_outputs = output_size(size, kernel, 1, name)
        for position in range(-before, size + after):
            is_inside = 0 <= position < size
            axes.add_patch(make_box(position, 0, GREEN if is_inside else "#ffffff", 0.75 if is_inside else 0.4))
            axes.text(position + 0.45, 0.45, "" if is_inside else "0", ha="center", va="center", fontsize=8)
        for position in range(num_outputs):
            middle = position - before + (kernel - 1) / 2
            axes.add_patch(make_box(middle, 2, ORANGE, 0.8))
            for tap in range(kernel):
                axes.plot([position - before + tap + 0.45, middle + 0.45], [0.95, 1.95], color=GRAY, lw=0.6)
        axes.set(xlim=(-2.3, size + 2.2), ylim=(-0.2, 3.1))
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(f"{name}: {size} inputs, {num_outputs} outputs", fontsize=9)
    save_figure(figure, folder / "padding.png")


def make_box(x: float, y: float, color: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.9, 0.9, fc=color, ec="#444", alpha=alpha, lw=0.8)


def plot_tree(folder: Path) -> None:
    """Plot the inputs that the last output of four layers of two taps depends on, without and with doubled dilations."""
    figure = plotting.new_figure(9, 5)
    steps = 20
    for number, (title, dilations) in enumerate(
        (("dilations 1, 1, 1, 1", (1,) * 4), ("dilations 1, 2, 4, 8", (1, 2, 4, 8))), 1
    ):
        axes = figure.add_subplot(2, 1, number)
        needed = [{steps - 1}]
        for d in reversed(dilations):
            needed.append({p for t in needed[-1] for p in find_dependencies(t, d, steps)})
        needed = needed[::-1]
        for level in range(len(dilations) + 1):
            for t in range(steps):
                is_needed = t in needed[level]
                axes.scatter(
                    t,
                    level,
                    s=46,
                    color=ORANGE if is_needed else "#ffffff",
                    edgecolors=ORANGE if is_needed else GRAY,
                    zorder=3,
                )
                for p in find_dependencies(t, dilations[level - 1], steps) if level else ():
                    axes.plot(
                        [p, t],
                        [level - 1, level],
                        color=ORANGE if is_needed else "#e3e3e0",
                        lw=1.6 if is_needed else 0.6,
                        zorder=2 if is_needed else 1,
                    )
        axes.set(
            yticks=range(len(dilations) + 1), yticklabels=["input", *(f"dilation {d}" for d in dilations)], xticks=[]
        )
        axes.set_title(f"{title}: one output depends on {len(needed[0])} inputs", fontsize=9)
        for side in axes.spines.values():
            side.set_visible(False)
    save_figure(figure, folder / "tree.png")


def find_dependencies(t: int, dilation: int, steps: int) -> list[int]:
    """Return the input positions that output `t` of a causal convolution of two taps depends on."""
    layer = keras.layers.Conv1D(
        1, 2, dilation_rate=dilation, padding="causal", kernel_initializer="ones", use_bias=False
    )
    outputs = keras.ops.convert_to_numpy(layer(np.eye(steps, dtype="float32")[:, :, None]))[:, t, 0]
    return np.flatnonzero(outputs).tolist()


def plot_growth(folder: Path) -> None:
    """Plot receptive fields over the layers of stacks of 3 x 3 convolutions, from `visualize.layer_table`."""
    figure = plotting.new_figure(7, 3.4)
    axes = figure.add_subplot()
    stacks = {
        "plain": [keras.layers.Conv2D(1, 3, padding="same") for _ in range(7)],
        "pooling after every second": [
            part for i in range(7)
            for part in (keras.layers.Conv2D(1, 3, padding="same"), *([keras.layers.MaxPooling2D(2)] if i % 2 else []))
        ],
        "dilations 1, 1, 2, 4, 8, 16, 1": [keras.layers.Conv2D(1, 3, padding="same", dilation_rate=d) for d in (1, 1, 2, 4, 8, 16, 1)],
    }  # fmt: skip
    for (name, stack), color, mark in zip(stacks.items(), (GRAY, GREEN, ORANGE), "os^", strict=True):
        model = keras.Sequential([keras.Input((256, 256, 1)), *stack])
        rows = [r for r in visualize.layer_table(model).rows if r.kind == "Conv2D"]
        axes.plot(
            range(1, 8),
            [r.span[0] for r in rows],
            f"{mark}-",
            color=color,
            label=f"{name}: stride {rows[-1].stride[0]:g}",
        )
    axes.set(xlabel="convolution", ylabel="receptive field, side in pixels")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, folder / "growth.png")


def save_figure(figure: Any, path: Path) -> None:
    """Save a PNG with few colors."""
    figure.savefig(path, format="png", dpi=110)
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)
    print(path.relative_to(ROOT), flush=True)

"""The chapter's pictures of convolutions: which weight connects what, places, dilation, receptive fields."""

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
PLACES, KERNEL = 8, 3


def weights_of(layer: Any, places: int = PLACES) -> np.ndarray:
    """(outputs, inputs): the number of the weight between them, 0 where there is none; asked of the layer itself.

    Its weights are set to 1, 2, 3 ... and it is shown one impulse after the other.
    """
    layer.build((None, places, 1))
    numbered, count = [], 1
    for variable in layer.weights:
        free = 0 if "bias" in variable.path else int(np.prod(variable.shape))
        values = np.arange(count, count + free) if free else np.zeros(variable.shape)
        numbered.append(values.reshape(variable.shape).astype("float32"))
        count += free
    layer.set_weights(numbered)
    impulses = np.eye(places, dtype="float32")[:, :, None]
    return keras.ops.convert_to_numpy(layer(impulses))[..., 0].T.round().astype(int)


class Dense(keras.layers.Layer):
    """Fully connected along time: every output place has its own weight for every input place."""

    def build(self, shape):
        self.kernel = self.add_weight((shape[1], shape[1] - KERNEL + 1), name="kernel")

    def call(self, x):
        return keras.ops.einsum("bic,io->boc", x, self.kernel)


def sharing(folder: Path) -> None:
    """Six layers as the matrices that they are; one color is one weight."""
    kinds = {
        "convolution": keras.layers.Conv1D(1, KERNEL),
        "stride 2": keras.layers.Conv1D(1, KERNEL, 2),
        "dilation 2": keras.layers.Conv1D(1, KERNEL, dilation_rate=2),
        "tiled, 2 kernels": layers.TiledConv1D(1, KERNEL, 2),
        "locally connected": layers.LocallyConnected1D(1, KERNEL),
        "fully connected": Dense(),
    }
    drawn = plotting.new_figure(9, 5.2)
    for number, (name, layer) in enumerate(kinds.items(), 1):
        found = weights_of(layer)
        count = len(set(found[found > 0].tolist()))
        axes = drawn.add_subplot(2, 3, number)
        shown = np.ma.masked_equal(found, 0)
        axes.imshow(
            shown,
            cmap="Set2" if count <= 8 else "tab20" if count <= 20 else "nipy_spectral",
            interpolation="nearest",
            vmin=1,
            vmax=max(count, 8),
        )
        axes.set(
            xticks=range(found.shape[1]), yticks=range(found.shape[0]), xlabel="input place", ylabel="output place"
        )
        axes.tick_params(labelsize=6)
        axes.set_title(f"{name}: {count} weights", fontsize=9)
        if count <= 20:
            for (y, x), n in np.ndenumerate(found):
                if n:
                    axes.text(x, y, n, ha="center", va="center", fontsize=7)
    save(drawn, folder / "sharing.png")


def channels(folder: Path) -> None:
    """Which input channel reaches which output channel."""
    kinds = {
        "convolution": keras.layers.Conv1D(8, 1),
        "in 2 groups": keras.layers.Conv1D(8, 1, groups=2),
        "in 8 groups (depthwise)": keras.layers.Conv1D(8, 1, groups=8),
    }
    drawn = plotting.new_figure(9, 3.1)
    for number, (name, layer) in enumerate(kinds.items(), 1):
        layer.build((None, 1, 8))
        layer.set_weights([np.ones_like(w) if w.ndim > 1 else np.zeros_like(w) for w in layer.get_weights()])
        reached = keras.ops.convert_to_numpy(layer(np.eye(8, dtype="float32")[:, None]))[:, 0].T
        axes = drawn.add_subplot(1, 3, number)
        axes.imshow(reached, cmap="Greens", vmin=0, vmax=1.4, interpolation="nearest")
        axes.set(xticks=range(8), yticks=range(8), xlabel="input channel", ylabel="output channel")
        axes.set_title(f"{name}: {layer.count_params() - 8} weights a tap", fontsize=9)
    save(drawn, folder / "channels.png")


def sliding(folder: Path) -> None:
    """A kernel along a signal."""
    signal = np.array([0, 0, 0, 1, 2, 3, 3, 3, 3, 1, 0, 0, 2, 2, 0, 0], "float32")
    kernel = np.array([-1, 0, 1], "float32")
    layer = keras.layers.Conv1D(1, 3, use_bias=False)
    layer.build((None, len(signal), 1))
    layer.set_weights([kernel[:, None, None]])
    answer = keras.ops.convert_to_numpy(layer(signal[None, :, None]))[0, :, 0]
    drawn = plotting.new_figure(8, 3)
    axes = drawn.add_subplot()
    axes.step(range(len(signal)), signal, where="mid", color=GRAY, lw=2, label="signal")
    axes.bar(
        np.arange(len(answer)) + 1,
        answer,
        color=np.where(answer >= 0, GREEN, ORANGE),
        width=0.6,
        label="answer of (-1, 0, 1)",
    )
    axes.axhline(0, color="#444", lw=0.8)
    axes.set(xlabel="place", xticks=range(len(signal)))
    axes.legend(frameon=False, loc="upper right")
    save(drawn, folder / "sliding.png")


def edges(folder: Path) -> None:
    """The same in two dimensions, on the cat Chelsea (CC0)."""
    import os

    path = next((Path(os.environ["KERASRECIPES_DATA"]) / "images_cc0").glob("chelsea.*"))
    gray = np.asarray(Image.open(path).convert("L").resize((225, 150)), "float32")
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")
    shown = [("the cat Chelsea", gray.astype("uint8"))]
    for name, kernel in (("edges from dark to bright", sobel), ("the kernel turned", sobel.T)):
        found = keras.ops.convert_to_numpy(
            keras.ops.conv(gray[None, :, :, None], kernel[:, :, None, None], padding="valid")
        )
        shown.append((name, plotting.signed_to_uint8(found[0, :, :, 0])))
    save(plotting.side_by_side(shown, 2.3), folder / "edges.png")


def padding(folder: Path) -> None:
    """Where a kernel may lie: valid, same, full."""
    drawn = plotting.new_figure(9, 2.5)
    size, kernel = 7, 3
    for number, name in enumerate(("valid", "same", "full"), 1):
        axes = drawn.add_subplot(1, 3, number)
        before, behind = padding_amounts(kernel, name)
        places = output_size(size, kernel, 1, name)
        for place in range(-before, size + behind):
            inside = 0 <= place < size
            axes.add_patch(box(place, 0, GREEN if inside else "#ffffff", 0.75 if inside else 0.4))
            axes.text(place + 0.45, 0.45, "" if inside else "0", ha="center", va="center", fontsize=8)
        for place in range(places):
            middle = place - before + (kernel - 1) / 2
            axes.add_patch(box(middle, 2, ORANGE, 0.8))
            for tap in range(kernel):
                axes.plot([place - before + tap + 0.45, middle + 0.45], [0.95, 1.95], color=GRAY, lw=0.6)
        axes.set(xlim=(-2.3, size + 2.2), ylim=(-0.2, 3.1))
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(f"{name}: {size} places become {places}", fontsize=9)
    save(drawn, folder / "padding.png")


def box(x: float, y: float, color: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), 0.9, 0.9, fc=color, ec="#444", alpha=alpha, lw=0.8)


def tree(folder: Path) -> None:
    """What the last output of four layers of two taps depends on, without and with doubled dilations; asked of the layers."""
    drawn = plotting.new_figure(9, 5)
    steps = 20
    for number, (title, dilations) in enumerate(
        (("dilations 1, 1, 1, 1", (1,) * 4), ("dilations 1, 2, 4, 8", (1, 2, 4, 8))), 1
    ):
        axes = drawn.add_subplot(2, 1, number)
        needed = [{steps - 1}]
        for d in reversed(dilations):
            needed.append({p for t in needed[-1] for p in depends(t, d, steps)})
        needed = needed[::-1]
        for level in range(len(dilations) + 1):
            for t in range(steps):
                seen = t in needed[level]
                axes.scatter(
                    t, level, s=46, color=ORANGE if seen else "#ffffff", edgecolors=ORANGE if seen else GRAY, zorder=3
                )
                for p in depends(t, dilations[level - 1], steps) if level else ():
                    axes.plot(
                        [p, t],
                        [level - 1, level],
                        color=ORANGE if seen else "#e3e3e0",
                        lw=1.6 if seen else 0.6,
                        zorder=2 if seen else 1,
                    )
        axes.set(
            yticks=range(len(dilations) + 1), yticklabels=["input", *(f"dilation {d}" for d in dilations)], xticks=[]
        )
        axes.set_title(f"{title}: one output sees {len(needed[0])} inputs", fontsize=9)
        for side in axes.spines.values():
            side.set_visible(False)
    save(drawn, folder / "tree.png")


def depends(t: int, dilation: int, steps: int) -> list[int]:
    """The input places that output `t` of a causal convolution of two taps answers to."""
    layer = keras.layers.Conv1D(
        1, 2, dilation_rate=dilation, padding="causal", kernel_initializer="ones", use_bias=False
    )
    found = keras.ops.convert_to_numpy(layer(np.eye(steps, dtype="float32")[:, :, None]))[:, t, 0]
    return np.flatnonzero(found).tolist()


def growth(folder: Path) -> None:
    """Receptive fields over the layers of stacks of 3 x 3 convolutions, from `visualize.layer_table`."""
    drawn = plotting.new_figure(7, 3.4)
    axes = drawn.add_subplot()
    stacks = {
        "plain": [keras.layers.Conv2D(1, 3, padding="same") for _ in range(7)],
        "pooling behind every second": [
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
    axes.set(xlabel="convolution", ylabel="pixels seen, a side")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(drawn, folder / "growth.png")


def save(drawn: Any, path: Path) -> None:
    """A PNG of few colors."""
    drawn.savefig(path, format="png", dpi=110)
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)
    print(path.relative_to(ROOT), flush=True)

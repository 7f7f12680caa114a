"""Figures of the chapter about recurrence and CTC: memory, influence of the input, gradient of the criterion."""

from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from drawing.figure_cache import list_clips
from drawing.operators import GRAY, GREEN, ORANGE, save_figure
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.losses.ctc import ctc_loss
from kerasrecipes.utils import plotting

CLIP = "1919-142785-0015"


def plot_forgetting(folder: Path, steps: int = 80, units: int = 64) -> None:
    """Plot how much a change of one input changes the output of a cell with random weights, over the steps between them."""
    figure = plotting.new_figure(7, 3.2)
    axes = figure.add_subplot()
    cells = {
        "simple recurrence": keras.layers.SimpleRNN, "GRU": keras.layers.GRU, "LSTM, forget bias 1": keras.layers.LSTM,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, steps, 16)).astype("float32")
    for (name, cell), color in zip(cells.items(), (GRAY, GREEN, ORANGE), strict=True):
        changes = np.zeros(steps)
        for seed in range(5):
            keras.utils.set_random_seed(seed)
            layer = cell(units)
            changed = np.repeat(x, steps, 0)
            changed[np.arange(steps), np.arange(steps)] += 0.05 * rng.normal(size=(steps, 16))
            base = keras.ops.convert_to_numpy(layer(x))
            changes += np.linalg.norm(keras.ops.convert_to_numpy(layer(changed)) - base, axis=1)
        axes.semilogy(np.arange(steps)[::-1], np.maximum(changes / changes[-1], 1e-8), color=color, label=name)
    axes.set(xlabel="steps ago", ylabel="change of the output", ylim=(1e-6, 3))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, folder / "forgetting.png")


def plot_influence(folder: Path) -> None:
    """Plot how much the middle frame of a clip changes if 40 ms of the clip are silenced."""
    path, _ = list_clips()[CLIP]
    wave = kr.load_audio(path)
    chunk = 640
    figure = plotting.new_figure(8, 3.2)
    axes = figure.add_subplot()
    for name, color in (("wav2letter_small", GREEN), ("deepspeech2_small", ORANGE)):
        model = kr.load(name, compile=False)
        count = len(wave) // chunk
        silenced = np.repeat(wave[None], count + 1, 0)
        for i in range(count):
            silenced[i + 1, i * chunk : (i + 1) * chunk] *= 0.01
        lengths = np.full(count + 1, len(wave), "int32")
        logits = model.predict_logits({"audio": silenced, "length": lengths}).astype("float64")
        middle = int(model.output_length(len(wave))) // 2
        p = np.exp(logits[:, middle] - np.logaddexp.reduce(logits[:, middle], axis=-1, keepdims=True))
        changes = 0.5 * np.abs(p[1:] - p[:1]).sum(-1)
        times = (np.arange(count) + 0.5) * chunk / model.sample_rate
        axes.semilogy(times, np.maximum(changes, 1e-6), color=color, label=name)
        if model.receptive_field:
            at = middle * model.stride / model.sample_rate
            half = model.receptive_field / model.sample_rate / 2
            axes.axvspan(at - half, at + half, color=color, alpha=0.1)
    axes.set(xlabel="seconds: position of the silenced 40 ms", ylabel="change of the middle frame")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, folder / "influence.png")


def plot_criterion(folder: Path) -> None:
    """Plot the probabilities of letters over a clip, the same given its text, and the difference: the gradient of CTC."""
    import tensorflow as tf

    path, text = list_clips()[CLIP]
    model = kr.load("deepspeech2_small", compile=False)
    wave = kr.load_audio(path)
    logits = logits_of(model, wave).astype("float32")
    labels = model.alphabet.encode(text)[None]
    scores = tf.Variable(logits[None])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ctc_loss(labels, scores, np.array([len(logits)], "int32")))
    gradient = tape.gradient(loss, scores).numpy()[0]
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    posteriors = p - gradient / max(np.abs(gradient.sum(-1)).max(), 1.0)
    symbols = ["blank", *(s if s.strip() else "space" for s in model.alphabet.symbols)]
    order = [i for i in range(len(symbols)) if posteriors[:, i].max() > 0.5]
    order.sort(key=lambda i: int(posteriors[:, i].argmax()))
    figure = plotting.new_figure(9, 8.2)
    seconds = len(wave) / model.sample_rate
    rows = [("probabilities of the network", p, "Greys", 0, 1), ("probabilities given the text", posteriors, "Greens", 0, 1),
            ("difference: the negative gradient", posteriors - p, "PiYG", -1, 1)]  # fmt: skip
    for number, (title, values, colors, low, high) in enumerate(rows, 1):
        axes = figure.add_subplot(3, 1, number)
        axes.imshow(
            values[:, order].T,
            aspect="auto",
            cmap=colors,
            vmin=low,
            vmax=high,
            extent=(0, seconds, len(order) - 0.5, -0.5),
            interpolation="nearest",
        )
        axes.set(yticks=range(len(order)), yticklabels=[symbols[i] for i in order], ylabel="symbol")
        axes.tick_params(labelsize=7)
        axes.set_title(title, fontsize=9)
    axes.set(xlabel=f"seconds; “{text}”")
    save_figure(figure, folder / "ctc.png")


def plot_lattice(folder: Path) -> None:
    """Plot all CTC paths of "see" in eight frames."""
    word, frames = "see", 8
    states = ["-", *(c for letter in word for c in (letter, "-"))]
    figure = plotting.new_figure(7.5, 3.6)
    axes = figure.add_subplot()
    num_paths = np.zeros((frames, len(states)))
    num_paths[0, :2] = 1
    steps = []
    for t in range(1, frames):
        for s in range(len(states)):
            before = [s] + ([s - 1] if s else [])
            if s > 1 and states[s] != "-" and states[s] != states[s - 2]:
                before.append(s - 2)
            num_paths[t, s] = sum(num_paths[t - 1, b] for b in before)
            steps += [(t, b, s) for b in before]
    back = np.zeros_like(num_paths)
    back[-1, -2:] = 1
    for t, b, s in reversed(steps):
        back[t - 1, b] += back[t, s]
    for t, b, s in steps:
        through = num_paths[t - 1, b] * back[t, s]
        if through:
            axes.plot([t - 1, t], [b, s], color=GREEN, lw=0.4 + 2.6 * through / (num_paths * back).max(), alpha=0.7)
    counts = num_paths * back
    for (t, s), n in np.ndenumerate(counts):
        axes.scatter(t, s, s=130 if n else 20, color=ORANGE if n else "#dddddd", zorder=3)
        if n:
            axes.text(t, s, f"{n:.0f}", ha="center", va="center", fontsize=6.5, color="#ffffff", zorder=4)
    total = int(num_paths[-1, -2:].sum())
    axes.set(
        yticks=range(len(states)),
        yticklabels=states,
        xticks=range(frames),
        xlabel="frame",
        ylim=(len(states) - 0.4, -0.6),
    )
    axes.set_title(
        f"{total} paths of “{word}” in {frames} frames; each node shows how many pass through it", fontsize=9
    )
    for side in axes.spines.values():
        side.set_visible(False)
    save_figure(figure, folder / "lattice.png")

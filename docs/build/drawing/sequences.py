"""The chapter's pictures of recurrence and CTC: what is remembered, what a frame depends on, what the criterion asks for."""

from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from drawing.figure_cache import clips
from drawing.operators import GRAY, GREEN, ORANGE, save
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.losses.ctc import ctc_loss
from kerasrecipes.utils import plotting

CLIP = "1919-142785-0015"


def forgetting(folder: Path, steps: int = 80, units: int = 64) -> None:
    """How much a change of one input still moves a cell's output so many steps later; fresh random weights."""
    drawn = plotting.new_figure(7, 3.2)
    axes = drawn.add_subplot()
    cells = {
        "simple recurrence": keras.layers.SimpleRNN, "GRU": keras.layers.GRU, "LSTM, forget bias 1": keras.layers.LSTM,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, steps, 16)).astype("float32")
    for (name, cell), color in zip(cells.items(), (GRAY, GREEN, ORANGE), strict=True):
        moved = np.zeros(steps)
        for seed in range(5):
            keras.utils.set_random_seed(seed)
            layer = cell(units)
            changed = np.repeat(x, steps, 0)
            changed[np.arange(steps), np.arange(steps)] += 0.05 * rng.normal(size=(steps, 16))
            base = keras.ops.convert_to_numpy(layer(x))
            moved += np.linalg.norm(keras.ops.convert_to_numpy(layer(changed)) - base, axis=1)
        axes.semilogy(np.arange(steps)[::-1], np.maximum(moved / moved[-1], 1e-8), color=color, label=name)
    axes.set(xlabel="steps ago", ylabel="change of the output", ylim=(1e-6, 3))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(drawn, folder / "forgetting.png")


def influence(folder: Path) -> None:
    """What the frame in the middle of a clip depends on: pieces of 40 ms are silenced, one after the other."""
    path, _ = clips()[CLIP]
    wave = kr.load_audio(path)
    piece = 640
    drawn = plotting.new_figure(8, 3.2)
    axes = drawn.add_subplot()
    for name, color in (("wav2letter_small", GREEN), ("deepspeech2_small", ORANGE)):
        model = kr.load(name, compile=False)
        count = len(wave) // piece
        silenced = np.repeat(wave[None], count + 1, 0)
        for i in range(count):
            silenced[i + 1, i * piece : (i + 1) * piece] *= 0.01
        lengths = np.full(count + 1, len(wave), "int32")
        logits = model.predict_logits({"audio": silenced, "length": lengths}).astype("float64")
        middle = int(model.output_length(len(wave))) // 2
        p = np.exp(logits[:, middle] - np.logaddexp.reduce(logits[:, middle], axis=-1, keepdims=True))
        moved = 0.5 * np.abs(p[1:] - p[:1]).sum(-1)
        times = (np.arange(count) + 0.5) * piece / model.sample_rate
        axes.semilogy(times, np.maximum(moved, 1e-6), color=color, label=name)
        if model.receptive_field:
            at = middle * model.stride / model.sample_rate
            half = model.receptive_field / model.sample_rate / 2
            axes.axvspan(at - half, at + half, color=color, alpha=0.1)
    axes.set(xlabel="seconds: the piece that is silenced", ylabel="change of the middle frame")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(drawn, folder / "influence.png")


def criterion(folder: Path) -> None:
    """Probabilities of a clip's letters, the same given its text, and their difference: CTC's gradient."""
    import tensorflow as tf

    path, text = clips()[CLIP]
    model = kr.load("deepspeech2_small", compile=False)
    wave = kr.load_audio(path)
    logits = logits_of(model, wave).astype("float32")
    labels = model.alphabet.encode(text)[None]
    scores = tf.Variable(logits[None])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ctc_loss(labels, scores, np.array([len(logits)], "int32")))
    pull = tape.gradient(loss, scores).numpy()[0]
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    given = p - pull / max(np.abs(pull.sum(-1)).max(), 1.0)
    symbols = ["blank", *(s if s.strip() else "space" for s in model.alphabet.symbols)]
    order = [i for i in range(len(symbols)) if given[:, i].max() > 0.5]
    order.sort(key=lambda i: int(given[:, i].argmax()))
    drawn = plotting.new_figure(9, 8.2)
    seconds = len(wave) / model.sample_rate
    rows = [("what the network says", p, "Greys", 0, 1), ("the same, if the text is known", given, "Greens", 0, 1),
            ("the difference: what the gradient asks for", given - p, "PiYG", -1, 1)]  # fmt: skip
    for number, (title, values, colors, low, high) in enumerate(rows, 1):
        axes = drawn.add_subplot(3, 1, number)
        axes.imshow(
            values[:, order].T,
            aspect="auto",
            cmap=colors,
            vmin=low,
            vmax=high,
            extent=(0, seconds, len(order) - 0.5, -0.5),
            interpolation="nearest",
        )
        axes.set(yticks=range(len(order)), yticklabels=[symbols[i] for i in order])
        axes.tick_params(labelsize=7)
        axes.set_title(title, fontsize=9)
    axes.set(xlabel=f"seconds; “{text}”")
    save(drawn, folder / "ctc.png")


def lattice(folder: Path) -> None:
    """All ways of CTC through "see" in eight frames."""
    word, frames = "see", 8
    states = ["-", *(c for letter in word for c in (letter, "-"))]
    drawn = plotting.new_figure(7.5, 3.6)
    axes = drawn.add_subplot()
    ways = np.zeros((frames, len(states)))
    ways[0, :2] = 1
    steps = []
    for t in range(1, frames):
        for s in range(len(states)):
            before = [s] + ([s - 1] if s else [])
            if s > 1 and states[s] != "-" and states[s] != states[s - 2]:
                before.append(s - 2)
            ways[t, s] = sum(ways[t - 1, b] for b in before)
            steps += [(t, b, s) for b in before]
    back = np.zeros_like(ways)
    back[-1, -2:] = 1
    for t, b, s in reversed(steps):
        back[t - 1, b] += back[t, s]
    for t, b, s in steps:
        through = ways[t - 1, b] * back[t, s]
        if through:
            axes.plot([t - 1, t], [b, s], color=GREEN, lw=0.4 + 2.6 * through / (ways * back).max(), alpha=0.7)
    used = ways * back
    for (t, s), n in np.ndenumerate(used):
        axes.scatter(t, s, s=130 if n else 20, color=ORANGE if n else "#dddddd", zorder=3)
        if n:
            axes.text(t, s, f"{n:.0f}", ha="center", va="center", fontsize=6.5, color="#ffffff", zorder=4)
    total = int(ways[-1, -2:].sum())
    axes.set(
        yticks=range(len(states)),
        yticklabels=states,
        xticks=range(frames),
        xlabel="frame",
        ylim=(len(states) - 0.4, -0.6),
    )
    axes.set_title(f"{total} ways to write “{word}” in {frames} frames; a node's number: how many pass it", fontsize=9)
    for side in axes.spines.values():
        side.set_visible(False)
    save(drawn, folder / "lattice.png")

"""Character language models: generated texts, and the bits of each character."""

from typing import Any

import numpy as np

from drawing.figure_cache import REPORT, FigureCache, list_clips
from kerasrecipes import data
from kerasrecipes.utils import plotting

PROMPT = "once upon a time"


def collect_figures(model: Any, cache: FigureCache) -> None:
    """Collect the figures and examples of a language model."""
    samples = [
        {"temperature": t, "text": str(model.generate(PROMPT, max_length=240, temperature=t, seed=1))}
        for t in (0.0, 0.6, 1.0)
    ]
    plot_memory(model, cache)
    reports = data.load_datasets(["librispeech:{data}/LibriSpeech/dev-mini"], REPORT)
    texts = [model.alphabet.normalize(u.text) for u in reports]
    bits = np.array([-model.log_probabilities([t])[0] for t in texts]) / np.log(2)
    sizes = np.array([len(t) + 1 for t in texts])
    rates, overall = bits / sizes, bits.sum() / sizes.sum()
    long_enough = np.flatnonzero(sizes >= 30)
    order = long_enough[np.argsort(-rates[long_enough], kind="stable")]
    nearest = long_enough[np.argsort(np.abs(rates[long_enough] - overall), kind="stable")]

    def make_examples(indices: Any) -> list[dict]:
        return [
            {"clip": reports[i].id, "rate": round(float(rates[i]), 3), **measure_bits(model, texts[i])} for i in indices
        ]

    cache.wrong = {
        "set": "transcripts of dev-mini-report", "unit": "bits per character", "samples": samples, "prompt": PROMPT,
        "worst": make_examples(order[:2]), "typical": make_examples(nearest[:2]), "best": make_examples(order[::-1][:2]),
        "clips": [{"clip": name, **measure_bits(model, text)} for name, (_, text) in list_clips().items()],
    }  # fmt: skip


def measure_bits(model: Any, text: str) -> dict[str, Any]:
    """Return a text and the bits of each of its characters."""
    codes = model.alphabet.encode(text)
    length = np.array([len(codes) + 1], "int32")
    symbols = np.zeros((1, len(codes) + 1), "int32")
    symbols[0, 1:] = codes
    logits = model.predict_logits({"symbols": symbols, "length": length})[0].astype("float64")
    logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return {"text": text, "bits": [round(float(-logs[i, n] / np.log(2)), 2) for i, n in enumerate(codes)]}


def plot_memory(model: Any, cache: FigureCache) -> None:
    """Plot how much a changed character changes the prediction, over its distance."""
    text = model.alphabet.normalize(" ".join(t for _, t in list_clips().values()))[:200]
    codes = model.alphabet.encode(text)
    whole = np.zeros((1, len(codes) + 1), "int32")
    whole[0, 1:] = codes
    length = np.array([whole.shape[1]], "int32")

    def predict_next(symbols: np.ndarray) -> np.ndarray:
        logits = model.predict_logits({"symbols": symbols, "length": length})[0, -1].astype("float64")
        return np.exp(logits - np.logaddexp.reduce(logits))

    base, changes = predict_next(whole), []
    for distance in range(120):
        changed = whole.copy()
        position = whole.shape[1] - 1 - distance
        changed[0, position] = 1 + (changed[0, position] + 7) % (len(model.alphabet.symbols) - 1)
        changes.append(0.5 * np.abs(predict_next(changed) - base).sum())
    figure = plotting.new_figure(7, 3)
    axes = figure.add_subplot()
    axes.semilogy(range(1, len(changes) + 1), np.maximum(changes, 1e-7), color="#0b6e4f")
    axes.set(
        xlabel="distance in characters", ylabel="change of the prediction", title="Effect of one replaced character"
    )
    axes.grid(alpha=0.3)
    cache.save_figure(
        "memory.png", figure, "Memory of past characters",
        "One character of a text is replaced. The curve shows how much the probabilities of the next character change (total "
        "variation, 0 to 1), over the distance to the replaced character.",
    )  # fmt: skip

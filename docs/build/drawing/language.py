"""Language models of characters: what they write, and which characters surprise them."""

from typing import Any

import numpy as np

from drawing.figure_cache import REPORT, Keeper, clips
from kerasrecipes import data
from kerasrecipes.utils import plotting

PROMPT = "once upon a time"


def draw(model: Any, keeper: Keeper) -> None:
    """All of it."""
    samples = [
        {"temperature": t, "text": str(model.generate(PROMPT, max_length=240, temperature=t, seed=1))}
        for t in (0.0, 0.6, 1.0)
    ]
    memory(model, keeper)
    reports = data.load_datasets(["librispeech:{data}/LibriSpeech/dev-mini"], REPORT)
    texts = [model.alphabet.normalize(u.text) for u in reports]
    bits = np.array([-model.log_probabilities([t])[0] for t in texts]) / np.log(2)
    sizes = np.array([len(t) + 1 for t in texts])
    rates, overall = bits / sizes, bits.sum() / sizes.sum()
    enough = np.flatnonzero(sizes >= 30)
    order = enough[np.argsort(-rates[enough], kind="stable")]
    nearest = enough[np.argsort(np.abs(rates[enough] - overall), kind="stable")]

    def examples(chosen: Any) -> list[dict]:
        return [{"clip": reports[i].id, "rate": round(float(rates[i]), 3), **spelled(model, texts[i])} for i in chosen]

    keeper.wrong = {
        "set": "transcripts of dev-mini-report", "unit": "bits per character", "samples": samples, "prompt": PROMPT,
        "worst": examples(order[:2]), "typical": examples(nearest[:2]), "best": examples(order[::-1][:2]),
        "clips": [{"clip": name, **spelled(model, text)} for name, (_, text) in clips().items()],
    }  # fmt: skip


def spelled(model: Any, text: str) -> dict[str, Any]:
    """A text and the bits that each of its characters costs."""
    numbers = model.alphabet.encode(text)
    length = np.array([len(numbers) + 1], "int32")
    symbols = np.zeros((1, len(numbers) + 1), "int32")
    symbols[0, 1:] = numbers
    logits = model.predict_logits({"symbols": symbols, "length": length})[0].astype("float64")
    logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return {"text": text, "bits": [round(float(-logs[i, n] / np.log(2)), 2) for i, n in enumerate(numbers)]}


def memory(model: Any, keeper: Keeper) -> None:
    """How far back a changed character still changes what it expects."""
    text = model.alphabet.normalize(" ".join(t for _, t in clips().values()))[:200]
    numbers = model.alphabet.encode(text)
    whole = np.zeros((1, len(numbers) + 1), "int32")
    whole[0, 1:] = numbers
    length = np.array([whole.shape[1]], "int32")

    def expected(symbols: np.ndarray) -> np.ndarray:
        logits = model.predict_logits({"symbols": symbols, "length": length})[0, -1].astype("float64")
        p = np.exp(logits - np.logaddexp.reduce(logits))
        return p

    base, moved = expected(whole), []
    for back in range(0, 120):
        changed = whole.copy()
        place = whole.shape[1] - 1 - back
        changed[0, place] = 1 + (changed[0, place] + 7) % (len(model.alphabet.symbols) - 1)
        moved.append(0.5 * np.abs(expected(changed) - base).sum())
    drawn = plotting.new_figure(7, 3)
    axes = drawn.add_subplot()
    axes.semilogy(range(1, len(moved) + 1), np.maximum(moved, 1e-7), color="#0b6e4f")
    axes.set(xlabel="characters back", ylabel="change of what is expected", title="One character replaced")
    axes.grid(alpha=0.3)
    keeper.figure(
        "memory.png", drawn, "How far back it remembers",
        "One character of a text is replaced: by how much the probabilities of the next one move (total variation, 0 to 1), "
        "over how long ago it was.",
    )  # fmt: skip

"""Recognizers of letters and phones: what they see in a clip, what they listen for, and what they get wrong."""

import os
from collections import Counter
from typing import Any

import numpy as np
from pages.cached_figures import align_words

from drawing.figure_cache import REPORT, Keeper, clips
from kerasrecipes import data, metrics, visualize
from kerasrecipes.audio import load_audio
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.training.evaluation import transcribe_all
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.frequency_response import save_filter_responses

CLIP = "1919-142785-0015"
LETTERS = "aeiost"
SHOWN = 14  # symbols of a picture of probabilities


def draw(model: Any, keeper: Keeper) -> None:
    """All of it."""
    probabilities(model, keeper)
    try:
        save_filter_responses(model, keeper.folder / "filters.png")
        keeper.shrink("filters.png")
        keeper.shown(
            "filters.png", "What its first filters hear",
            "The frequency response of every filter of the first layer, sorted by the frequency that it lets through most: "
            "`kerasrecipes filters`. Nobody told the network about frequencies.",
        )  # fmt: skip
    except KerasRecipesError:  # it begins on spectra, or on codes, of which a picture says nothing
        if model.recipe.task != "phoneme-recognition":
            wishes(model, keeper)
    if model.criterion.transition_matrix() is not None:
        transitions(model, keeper)
    if model.recipe.task == "phoneme-recognition":
        phones_wrong(model, keeper)
    else:
        words_wrong(model, keeper)


def probabilities(model: Any, keeper: Keeper) -> None:
    """Log spectrogram of a clip above the likeliest symbols' probabilities."""
    path, text = clips()[CLIP]
    wave = load_audio(path)
    logits = logits_of(model, wave).astype("float64")
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    symbols = [s if s.strip() else "space" for s in symbols_of(model)]
    order = list(np.argsort(-p.max(0))[:SHOWN])
    order.sort(key=lambda i: int(p[:, i].argmax()))
    seconds = len(wave) / model.sample_rate
    drawn = plotting.new_figure(9, 5)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
    upper.specgram(wave, NFFT=400, Fs=model.sample_rate, noverlap=240, cmap="magma", vmin=-130)
    upper.set(ylabel="Hz", title=f"“{text}”")
    lower.imshow(
        p[:, order].T, aspect="auto", cmap="Greys", vmin=0, vmax=1, extent=(0, seconds, len(order) - 0.5, -0.5),
        interpolation="nearest",
    )  # fmt: skip
    lower.set(yticks=range(len(order)), yticklabels=[symbols[i] for i in order], xlabel="seconds")
    kind = "a softmax of its scores" if model.criterion.transition_matrix() is not None else "its probabilities"
    unit = f"every {1000 * model.stride / model.sample_rate:.0f} ms"
    keeper.figure(
        "clip.png", drawn, "What it makes of a clip",
        f"A clip of LibriSpeech (CC BY 4.0) as a spectrogram, and below it {kind} of the {len(order)} symbols that are surest "
        f"somewhere in it, {unit}.",
    )  # fmt: skip


def symbols_of(model: Any) -> list[str]:
    """Names of the scores' columns."""
    alphabet = model.alphabet
    blank = ["blank"] if alphabet.first_index == 0 else []
    return [*blank, *alphabet.symbols, *[f"\u00d7{n + 2}" for n in range(alphabet.num_repetition_symbols or 0)]]


def wishes(model: Any, keeper: Keeper) -> None:
    """Spectrograms that letters would like to hear."""
    found = visualize.synthesize_units(model, [f"logits:{c}" for c in LETTERS], num_restarts=1, steps=150)
    drawn = plotting.new_figure(9, 2.6)
    for number, (letter, wish) in enumerate(zip(LETTERS, found, strict=True)):
        axes = drawn.add_subplot(1, len(LETTERS), number + 1)
        plotting.imshow(axes, plotting.signed_to_uint8(wish.values[0].T[::-1]), letter, aspect="auto")
    keeper.figure(
        "letters.png", drawn, "What letters would like to hear",
        "Inputs that raise the score of a letter as far as they can (activation maximization, `visualize.synthesize`): time "
        "runs to the right, frequency upwards; bright is louder than usual.",
    )  # fmt: skip


def transitions(model: Any, keeper: Keeper) -> None:
    """The learned scores of going from one symbol to another."""
    values = np.asarray(model.criterion.transition_matrix())
    names = [s if s.strip() else "␣" for s in symbols_of(model)]
    size = 5.6 if len(values) < 35 else 7.2
    drawn = plotting.new_figure(size, size)
    axes = drawn.add_subplot()
    most = np.abs(values).max()
    picture = axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    drawn.colorbar(picture, shrink=0.7, label="score")
    axes.set(xlabel="to", ylabel="from", xticks=range(len(names)), yticks=range(len(names)))
    axes.set_xticklabels(names, fontsize=7, rotation=90 if len(max(names, key=len)) > 1 else 0)
    axes.set_yticklabels(names, fontsize=7)
    keeper.figure(
        "transitions.png", drawn, "What may follow what",
        "The learned transition scores, part of the criterion: red is welcome, blue is not. The diagonal, staying where one is, "
        "stands for how long a symbol lasts.",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- mistakes


def words_wrong(model: Any, keeper: Keeper) -> None:
    """The worst, the typical and the best clips of dev-mini-report, and the words most often heard wrongly."""
    reports = data.load_datasets(["librispeech:{data}/LibriSpeech/dev-mini"], REPORT)
    results = [r.text for r in transcribe_all(model, reports)]
    references = [model.alphabet.normalize(u.text) for u in reports]
    pairs = [(r.split(), h.split()) for r, h in zip(references, results, strict=True)]
    names = [u.id for u in reports]
    keeper.wrong = summary(names, pairs, "words") | {
        "set": "dev-mini-report", "decoder": "greedy", "unit": "words",
        "clips": [
            {"clip": name, "said": text, "heard": model.transcribe(str(path)).text, **with_lm(model, path)}
            for name, (path, text) in clips().items()
        ],
    }  # fmt: skip


def with_lm(model: Any, path: Any) -> dict[str, str]:
    return {"with_lm": model.transcribe(str(path), language_model="librispeech_small").text}


def phones_wrong(model: Any, keeper: Keeper) -> None:
    """The same for phones, against forced alignments; PHONES names their file for dev-mini."""
    labels = os.environ.get("PHONES")
    if not labels:
        raise SystemExit("PHONES=FILE names dev-mini's labels: kerasrecipes data align-phones (guides/phones.md)")
    reports = data.load_datasets([f"phones:{labels}?audio={{data}}/LibriSpeech/dev-mini"], REPORT)
    results = transcribe_all(model, reports)
    pairs = [
        (
            model.alphabet.fold_for_scoring(p for p, _ in u.phones),
            model.alphabet.fold_for_scoring(model.alphabet.insert_silences(r.words)),
        )
        for u, r in zip(reports, results, strict=True)
    ]
    heard = {u.id: (" ".join(a), " ".join(b)) for u, (a, b) in zip(reports, pairs, strict=True)}
    shown = []
    for name, (_, text) in clips().items():
        found = next((v for k, v in heard.items() if k.endswith(name)), None)
        if found:
            shown.append({"clip": name, "text": text, "said": found[0], "heard": found[1]})
    names = [u.id for u in reports]
    keeper.wrong = summary(names, pairs, "phones") | {
        "set": "dev-mini-report", "decoder": "its criterion's best path", "unit": "phones", "clips": shown,
    }  # fmt: skip


def summary(names: list[str], pairs: list[tuple[list, list]], unit: str) -> dict[str, Any]:
    """Counts of the three kinds of errors, common substitutions, and examples."""
    counts = np.array([metrics.edit_counts(a, b) for a, b in pairs])
    sizes = np.array([len(a) for a, _ in pairs])
    rates = counts.sum(1) / np.maximum(sizes, 1)
    overall = counts.sum() / sizes.sum()
    long_enough = np.flatnonzero(sizes >= (6 if unit == "words" else 20))
    order = long_enough[np.argsort(rates[long_enough], kind="stable")]
    nearest = long_enough[np.argsort(np.abs(rates[long_enough] - overall), kind="stable")]
    swapped = Counter(
        pair for a, b in pairs for pair in ((x, y) for x, y in align_words(a, b) if x and y and x != y)
    )  # fmt: skip

    def examples(chosen: Any) -> list[dict]:
        return [
            {"clip": names[i], "said": " ".join(pairs[i][0]), "heard": " ".join(pairs[i][1]), "rate": round(float(rates[i]), 4)}
            for i in chosen
        ]  # fmt: skip

    return {
        "substitutions": int(counts[:, 0].sum()), "deletions": int(counts[:, 1].sum()),
        "insertions": int(counts[:, 2].sum()), "total": int(sizes.sum()),
        "confused": [[a, b, n] for (a, b), n in swapped.most_common(12)],
        "worst": examples(order[::-1][:3]), "typical": examples(nearest[:3]), "best": examples(order[:2]),
    }  # fmt: skip

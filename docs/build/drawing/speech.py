"""Recognizers of letters and phonemes: probabilities over a clip, filters, synthesized inputs, errors."""

import os
from collections import Counter
from typing import Any

import numpy as np
from pages.cached_figures import align_words

from drawing.figure_cache import REPORT, FigureCache, list_clips
from kerasrecipes import data, metrics, visualize
from kerasrecipes.audio import load_audio
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.training.evaluation import transcribe_all
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.frequency_response import save_filter_responses

CLIP = "1919-142785-0015"
LETTERS = "aeiost"
NUM_SYMBOLS = 14  # in a plot of probabilities


def collect_figures(model: Any, cache: FigureCache) -> None:
    """Collect the figures and examples of a recognizer."""
    plot_probabilities(model, cache)
    try:
        save_filter_responses(model, cache.folder / "filters.png")
        cache.reduce_colors("filters.png")
        cache.add_caption(
            "filters.png", "Frequency responses of the first layer",
            "The frequency response of each filter, sorted by the frequency with the highest gain. `kerasrecipes filters` plots "
            "them. The network learned them from raw audio.",
        )  # fmt: skip
    except KerasRecipesError:  # the first layer reads spectra or codes, so it has no frequency response
        if model.recipe.task != "phoneme-recognition":
            plot_letters(model, cache)
    if model.criterion.transition_matrix() is not None:
        plot_transitions(model, cache)
    if model.recipe.task == "phoneme-recognition":
        collect_phoneme_errors(model, cache)
    else:
        collect_word_errors(model, cache)


def plot_probabilities(model: Any, cache: FigureCache) -> None:
    """Plot the log spectrogram of a clip above the probabilities of the most probable symbols."""
    path, text = list_clips()[CLIP]
    wave = load_audio(path)
    logits = logits_of(model, wave).astype("float64")
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    symbols = [s if s.strip() else "space" for s in list_symbols(model)]
    order = list(np.argsort(-p.max(0))[:NUM_SYMBOLS])
    order.sort(key=lambda i: int(p[:, i].argmax()))
    seconds = len(wave) / model.sample_rate
    figure = plotting.new_figure(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
    upper.specgram(wave, NFFT=400, Fs=model.sample_rate, noverlap=240, cmap="magma", vmin=-130)
    upper.set(ylabel="Hz", title=f"“{text}”")
    lower.imshow(
        p[:, order].T, aspect="auto", cmap="Greys", vmin=0, vmax=1, extent=(0, seconds, len(order) - 0.5, -0.5),
        interpolation="nearest",
    )  # fmt: skip
    lower.set(yticks=range(len(order)), yticklabels=[symbols[i] for i in order], xlabel="seconds", ylabel="symbol")
    kind = "the softmax of the logits" if model.criterion.transition_matrix() is not None else "the probabilities"
    step = f"every {1000 * model.stride / model.sample_rate:.0f} ms"
    cache.save_figure(
        "clip.png", figure, "Probabilities over a clip",
        f"A clip of LibriSpeech (CC BY 4.0) as a spectrogram, and below it {kind} of the {len(order)} symbols with the highest "
        f"maxima, {step}.",
    )  # fmt: skip


def list_symbols(model: Any) -> list[str]:
    """Return the names of the columns of the logits."""
    alphabet = model.alphabet
    blank = ["blank"] if alphabet.first_index == 0 else []
    return [*blank, *alphabet.symbols, *[f"\u00d7{n + 2}" for n in range(alphabet.num_repetition_symbols or 0)]]


def plot_letters(model: Any, cache: FigureCache) -> None:
    """Plot spectrograms that maximize the logits of letters."""
    results = visualize.synthesize_units(model, [f"logits:{c}" for c in LETTERS], num_restarts=1, steps=150)
    figure = plotting.new_figure(9, 2.6)
    for number, (letter, result) in enumerate(zip(LETTERS, results, strict=True)):
        axes = figure.add_subplot(1, len(LETTERS), number + 1)
        plotting.imshow(axes, plotting.signed_to_uint8(result.values[0].T[::-1]), letter, aspect="auto")
    cache.save_figure(
        "letters.png", figure, "Inputs that activate letters most",
        "Inputs that maximize the logit of a letter (activation maximization, `visualize.synthesize`). Time runs to the right "
        "and frequency upward. Bright is louder than average.",
    )  # fmt: skip


def plot_transitions(model: Any, cache: FigureCache) -> None:
    """Plot the learned scores of transitions between symbols."""
    values = np.asarray(model.criterion.transition_matrix())
    names = [s if s.strip() else "␣" for s in list_symbols(model)]
    size = 5.6 if len(values) < 35 else 7.2
    figure = plotting.new_figure(size, size)
    axes = figure.add_subplot()
    most = np.abs(values).max()
    image = axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    figure.colorbar(image, shrink=0.7, label="score")
    axes.set(xlabel="to", ylabel="from", xticks=range(len(names)), yticks=range(len(names)))
    axes.set_xticklabels(names, fontsize=7, rotation=90 if len(max(names, key=len)) > 1 else 0)
    axes.set_yticklabels(names, fontsize=7)
    cache.save_figure(
        "transitions.png", figure, "Transition scores",
        "The learned transition scores of the criterion. Red transitions have high scores, blue ones low scores. The diagonal "
        "determines how long a symbol lasts.",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- errors


def collect_word_errors(model: Any, cache: FigureCache) -> None:
    """Collect the worst, typical and best clips of dev-mini-report, and the most frequent confusions of words."""
    reports = data.load_datasets(["librispeech:{data}/LibriSpeech/dev-mini"], REPORT)
    results = [r.text for r in transcribe_all(model, reports)]
    references = [model.alphabet.normalize(u.text) for u in reports]
    pairs = [(r.split(), h.split()) for r, h in zip(references, results, strict=True)]
    names = [u.id for u in reports]
    cache.wrong = summarize_errors(names, pairs, "words") | {
        "set": "dev-mini-report", "decoder": "greedy", "unit": "words",
        "clips": [
            {"clip": name, "said": text, "heard": model.transcribe(str(path), decoder="greedy").text, **transcribe_with_lm(model, path)}
            for name, (path, text) in list_clips().items()
        ],
    }  # fmt: skip


def transcribe_with_lm(model: Any, path: Any) -> dict[str, str]:
    return {"with_lm": model.transcribe(str(path), language_model="librispeech_small").text}


def collect_phoneme_errors(model: Any, cache: FigureCache) -> None:
    """Collect the same for phonemes, compared with forced alignments. PHONES is the file of those of dev-mini."""
    labels = os.environ.get("PHONES")
    if not labels:
        raise SystemExit(
            "Set PHONES to the label file of dev-mini, which `kerasrecipes data align-phones` writes (guides/phones.md)"
        )
    reports = data.load_datasets([f"phones:{labels}?audio={{data}}/LibriSpeech/dev-mini"], REPORT)
    results = transcribe_all(model, reports)
    pairs = [
        (
            model.alphabet.fold_for_scoring(p for p, _ in u.phones),
            model.alphabet.fold_for_scoring(model.alphabet.insert_silences(r.words)),
        )
        for u, r in zip(reports, results, strict=True)
    ]
    texts = {u.id: (" ".join(a), " ".join(b)) for u, (a, b) in zip(reports, pairs, strict=True)}
    rows = []
    for name, (_, text) in list_clips().items():
        pair = next((v for k, v in texts.items() if k.endswith(name)), None)
        if pair:
            rows.append({"clip": name, "text": text, "said": pair[0], "heard": pair[1]})
    names = [u.id for u in reports]
    cache.wrong = summarize_errors(names, pairs, "phones") | {
        "set": "dev-mini-report", "decoder": "best path of the criterion", "unit": "phones", "clips": rows,
    }  # fmt: skip


def summarize_errors(names: list[str], pairs: list[tuple[list, list]], unit: str) -> dict[str, Any]:
    """Return counts of the three kinds of errors, frequent substitutions, and examples."""
    counts = np.array([metrics.edit_counts(a, b) for a, b in pairs])
    sizes = np.array([len(a) for a, _ in pairs])
    rates = counts.sum(1) / np.maximum(sizes, 1)
    overall = counts.sum() / sizes.sum()
    long_enough = np.flatnonzero(sizes >= (6 if unit == "words" else 20))
    order = long_enough[np.argsort(rates[long_enough], kind="stable")]
    nearest = long_enough[np.argsort(np.abs(rates[long_enough] - overall), kind="stable")]
    substitutions = Counter(
        pair for a, b in pairs for pair in ((x, y) for x, y in align_words(a, b) if x and y and x != y)
    )  # fmt: skip

    def make_examples(indices: Any) -> list[dict]:
        return [
            {"clip": names[i], "said": " ".join(pairs[i][0]), "heard": " ".join(pairs[i][1]), "rate": round(float(rates[i]), 4)}
            for i in indices
        ]  # fmt: skip

    return {
        "substitutions": int(counts[:, 0].sum()), "deletions": int(counts[:, 1].sum()),
        "insertions": int(counts[:, 2].sum()), "total": int(sizes.sum()),
        "confused": [[a, b, n] for (a, b), n in substitutions.most_common(12)],
        "worst": make_examples(order[::-1][:3]), "typical": make_examples(nearest[:3]), "best": make_examples(order[:2]),
    }  # fmt: skip

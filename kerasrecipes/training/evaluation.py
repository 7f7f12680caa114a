"""What a model scores on a set: a recogniser's error rates, a language model's and a generator's bits."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes import metrics
from kerasrecipes.audio import SAMPLE_RATE, read_audio
from kerasrecipes.data.augment import add_noise, coloured
from kerasrecipes.errors import KerasRecipesError


def error_rates(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> dict[str, Any]:
    """Word and character error rates of `model.transcribe`, with intervals over speakers.

    Args:
        model: a recogniser or an engine with `transcribe` and `alphabet`.
        utterances: the set; texts are normalised to the model's alphabet.
        noise: decibels of the speech above pink noise that is added, the same in every call; None adds none.
        options: of `transcribe`.

    Returns:
        {"wer": ErrorRate, "cer": ErrorRate}.

    Raises:
        KerasRecipesError: a clip cannot be read; a score over the rest would be of another set.
    """
    if noise is None:
        results = model.transcribe([u.path for u in utterances], **options)
    else:
        waves = [noisy(u.path, noise, number) for number, u in enumerate(utterances)]
        results = model.transcribe(waves, SAMPLE_RATE, **options)
    bad = [f"{u.id}: {r}" for u, r in zip(utterances, results, strict=True) if isinstance(r, Exception)]
    if bad:
        raise KerasRecipesError(f"{len(bad)} of {len(results)} clips cannot be read, the first: {bad[0]}")
    references = [model.alphabet.normalise(u.text) for u in utterances]
    hypotheses = [r.text for r in results]
    speakers = [u.speaker for u in utterances]
    return {
        "wer": metrics.word_errors(references, hypotheses, speakers),
        "cer": metrics.character_errors(references, hypotheses, speakers),
    }


def noisy(path: str, decibels: float, seed: int) -> Any:
    """A clip with pink noise at the package's rate."""
    wave = read_audio(path)
    return add_noise(wave, coloured(len(wave), 1.0, np.random.default_rng(seed)), decibels).astype("float32")


def bits_per_character(model: Any, texts: Sequence[str], groups: Sequence[Any] | None = None) -> dict[str, Any]:
    """Bits per character of a language model; each text's end counts as a character.

    Args:
        model: has `log_probabilities` and `alphabet`. texts: the set.
        groups: of each text, its speaker for instance; intervals are over them; default: every text is its own.

    Returns:
        {"bpc": Rate}.
    """
    normal = [model.alphabet.normalise(t) for t in texts]
    if not normal:
        raise KerasRecipesError("There is no text to measure")
    bits = -model.log_probabilities(normal) / np.log(2)
    return {"bpc": metrics.ratio(bits, [len(t) + 1 for t in normal], groups or range(len(normal)))}


def bits_per_sample(model: Any, utterances: Any) -> dict[str, Any]:
    """Bits per sample of a generator, with intervals over clips; a speaker it does not know is nobody in particular.

    Returns:
        {"bps": Ratio}, and where it has local conditioning "bps_conditioned", the same given each clip's spectrogram.
    """
    from kerasrecipes.tasks.likelihood import log_probabilities

    rates = {}
    for name in ("bps", "bps_conditioned") if model.mels else ("bps",):
        bits, samples = [], []
        for u in utterances:
            known = u.speaker if model.speaker_number(u.speaker, known=False) else None
            logs = log_probabilities(model, u.path, speaker=known, conditioned=name != "bps")
            bits.append(-logs.sum() / np.log(2))
            samples.append(len(logs))
        if not bits:
            raise KerasRecipesError("There is no recording to measure")
        rates[name] = metrics.ratio(bits, samples, range(len(bits)))
    return rates


def evaluate(model: Any, specs: Sequence[str], speakers: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """The scores that belong to the model's task on the sets that the words name.

    A recogniser's also hold "rtf", the real-time factor: seconds from files to texts per second of audio, after a first
    clip for the compiler. It is the machine's as much as the model's.
    """
    from kerasrecipes import data

    if model.recipe.task == "language-model":
        if any(spec.startswith("text:") for spec in specs):
            return bits_per_character(model, data.load_texts(specs, speakers))
        utterances = data.load_specs(specs, speakers)
        return bits_per_character(model, [u.text for u in utterances], [u.speaker for u in utterances])
    utterances = data.load_specs(specs, speakers)
    if model.recipe.task == "waveform-generation":
        return bits_per_sample(model, utterances)
    model.transcribe([u.path for u in utterances[:1]], **{k: v for k, v in options.items() if k != "noise"})
    begin = time.perf_counter()
    rates = error_rates(model, utterances, **options)
    took, seconds = time.perf_counter() - begin, 3600 * utterances.hours
    return rates | {"rtf": metrics.Ratio(took / seconds, seconds, float("nan"), float("nan"))}

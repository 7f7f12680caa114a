"""What a model scores on a set: error rates of recognisers and classifiers, bits of language models and generators."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes import metrics
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.audio_augmentation import add_noise, colored_noise
from kerasrecipes.decoding.phoneme_transcript import boundaries, count_matched_boundaries
from kerasrecipes.errors import KerasRecipesError


def evaluate_speech(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> dict[str, Any]:
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
    results = transcribe_all(model, utterances, noise, **options)
    references = [model.alphabet.normalise(u.text) for u in utterances]
    hypotheses = [r.text for r in results]
    speakers = [u.speaker for u in utterances]
    return {
        "wer": metrics.word_error_rate(references, hypotheses, speakers),
        "cer": metrics.character_error_rate(references, hypotheses, speakers),
    }


BOUNDARY_TOLERANCE = 0.02  # seconds


def evaluate_phonemes(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> dict[str, Any]:
    """Phone error rate of `model.transcribe`, and how well the phones' boundaries agree, with intervals over speakers.

    Runs of one phone are one phone and silence is left out, on both sides; TIMIT's 61 phones are folded into 39.

    Args:
        model: a phone recogniser. utterances: of clips with aligned phones.
        noise: as in `error_rates`. options: of `transcribe`.

    Returns:
        {"per": ErrorRate; "boundaries_found": share of the labels' boundaries that have one of the model's within 20 ms;
        "boundaries_right": share of the model's boundaries that have one of the labels'. Each is paired at most once.}

    Raises:
        KerasRecipesError: a clip cannot be read or has no aligned phones; the phones are of another set.
    """
    plain = [u.id for u in utterances if not hasattr(u, "boundaries")]
    if plain or not utterances:
        raise KerasRecipesError(
            f"{plain[0] if plain else 'The set'} has no aligned phones: pass phones:LABELS?audio=FOLDER"
        )
    results = transcribe_all(model, utterances, noise, **options)
    for u in utterances:
        model.alphabet.encode(u.text)  # raises where the phones are of another set
    references = [model.alphabet.scored(p for p, _ in u.phones) for u in utterances]
    hypotheses = [model.alphabet.scored(model.alphabet.insert_silences(r.words)) for r in results]
    speakers = [u.speaker for u in utterances]
    found = [boundaries(r) for r in results]
    paired = [
        count_matched_boundaries(u.boundaries, times, BOUNDARY_TOLERANCE)
        for u, times in zip(utterances, found, strict=True)
    ]
    return {
        "per": metrics.error_rate(references, hypotheses, speakers),
        "boundaries_found": metrics.ratio_with_interval(paired, [len(u.boundaries) for u in utterances], speakers),
        "boundaries_right": metrics.ratio_with_interval(paired, [max(len(times), 1e-9) for times in found], speakers),
    }


def transcribe_all(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> list[Any]:
    """What the model makes of every clip.

    Raises:
        KerasRecipesError: a clip cannot be read; a score over the rest would be of another set.
    """
    if noise is None:
        results = model.transcribe([u.path for u in utterances], **options)
    else:
        waves = [read_with_noise(u.path, noise, number) for number, u in enumerate(utterances)]
        results = model.transcribe(waves, SAMPLE_RATE, **options)
    bad = [f"{u.id}: {r}" for u, r in zip(utterances, results, strict=True) if isinstance(r, Exception)]
    if bad:
        raise KerasRecipesError(f"{len(bad)} of {len(results)} clips cannot be read, the first: {bad[0]}")
    return results


def read_with_noise(path: str, decibels: float, seed: int) -> Any:
    """A clip with pink noise at the package's rate."""
    wave = load_audio(path)
    return add_noise(wave, colored_noise(len(wave), 1.0, np.random.default_rng(seed)), decibels).astype("float32")


def evaluate_bits_per_character(
    model: Any, texts: Sequence[str], groups: Sequence[Any] | None = None
) -> dict[str, Any]:
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
    return {"bpc": metrics.ratio_with_interval(bits, [len(t) + 1 for t in normal], groups or range(len(normal)))}


def evaluate_classification(model: Any, pictures: np.ndarray, labels: np.ndarray, views: int = 1) -> dict[str, Any]:
    """Share of wrong classes on pictures (pictures, height, width, channels) of the recipe's canvas.

    Args:
        views: to average over, as `classify` does.

    Returns:
        {"error": Ratio}, and "top5" where there are more than ten classes; intervals are over pictures.
    """
    step = max(512 // views, 1)
    parts = [model.probabilities(pictures[i : i + step], views) for i in range(0, len(pictures), step)]
    order = np.argsort(-np.concatenate(parts), axis=-1)
    found = {"error": metrics.classification_error(labels, order[:, 0])}
    if order.shape[-1] > 10:
        within = (order[:, :5] == np.asarray(labels)[:, None]).any(1)
        found["top5"] = metrics.classification_error(np.ones(len(within)), within)
    return found


def evaluate_segmentation(model: Any, pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> dict[str, Any]:
    """{"miou": Ratio, "pixels": Ratio}: mean intersection over union, and the share of wrong pixels; both over labelled
    pixels, with intervals over pictures."""
    chosen = [result.mask for result in model.segment(list(pictures))]
    counts = np.array([metrics.confusion_matrix(m, c, len(model.classes)) for m, c in zip(masks, chosen, strict=True)])
    totals = counts.sum((1, 2))
    wrong = totals - np.trace(counts, axis1=1, axis2=2)
    return {"miou": metrics.mean_iou(counts), "pixels": metrics.ratio_with_interval(wrong, totals, range(len(totals)))}


def evaluate_bits_per_sample(model: Any, utterances: Any) -> dict[str, Any]:
    """Bits per sample of a generator, with intervals over clips; a speaker it does not know is nobody in particular.

    Returns:
        {"bps": Ratio}, and where it has local conditioning "bps_conditioned", the same given each clip's spectrogram.
    """
    from kerasrecipes.inference.wavenet_likelihood import log_probabilities

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
        rates[name] = metrics.ratio_with_interval(bits, samples, range(len(bits)))
    return rates


def evaluate(model: Any, specs: Sequence[str], speakers: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """The scores that belong to the model's task on the sets that the words name.

    A recogniser's also hold "rtf", the real-time factor: seconds from files to texts per second of audio, after a first
    clip for the compiler. It is the machine's as much as the model's. A generator's hold what `copies.copy_synthesis` measures
    where the option `copies` names a folder for its sounds.
    """
    from kerasrecipes import data

    if model.recipe.task == "language-model":
        if any(spec.startswith("text:") for spec in specs):
            return evaluate_bits_per_character(model, data.load_text_datasets(specs, speakers))
        utterances = data.load_datasets(specs, speakers)
        return evaluate_bits_per_character(model, [u.text for u in utterances], [u.speaker for u in utterances])
    if model.recipe.task == "image-classification":
        from kerasrecipes.data.images import load_image_datasets

        return evaluate_classification(model, *load_image_datasets(specs, model.classes, model.preparation), **options)
    if model.recipe.task == "segmentation":
        from kerasrecipes.data.segmentation_masks import load_masks

        return evaluate_segmentation(model, *load_masks(specs, model.classes))
    utterances = data.load_datasets(specs, speakers)
    if model.recipe.task == "waveform-generation":
        rates = evaluate_bits_per_sample(model, utterances)
        if options.get("copies"):
            from kerasrecipes.experiments.copy_synthesis import copy_synthesis

            more = {name: options[name] for name in ("progress", "listeners") if name in options}
            rates |= copy_synthesis(model, utterances, options["copies"], **more)
        return rates
    model.transcribe([u.path for u in utterances[:1]], **{k: v for k, v in options.items() if k != "noise"})
    begin = time.perf_counter()
    rates = (evaluate_phonemes if model.recipe.task == "phoneme-recognition" else evaluate_speech)(
        model, utterances, **options
    )
    took, seconds = time.perf_counter() - begin, 3600 * utterances.hours
    return rates | {"rtf": metrics.MetricWithInterval(took / seconds, seconds, float("nan"), float("nan"))}

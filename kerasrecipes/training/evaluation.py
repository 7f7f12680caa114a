"""Evaluation on data sets: error rates of recognizers and classifiers, bits of language models and WaveNet."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrecipes import data, metrics
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data.audio_augmentation import add_noise, colored_noise
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.decoding.phoneme_transcript import boundaries, count_matched_boundaries
from kerasrecipes.errors import KerasRecipesError

BOUNDARY_TOLERANCE = 0.02  # seconds


def evaluate_speech(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> dict[str, Any]:
    """Compute {"wer": ErrorRate, "cer": ErrorRate} of a recognizer or engine, with intervals over speakers.

    `noise` is the signal-to-noise ratio (dB) of added pink noise, which is the same in every call. `options` are those of
    `transcribe`.
    """
    results = transcribe_all(model, utterances, noise, **options)
    references = [model.alphabet.normalize(u.text) for u in utterances]
    hypotheses = [r.text for r in results]
    speakers = [u.speaker for u in utterances]
    return {
        "wer": metrics.word_error_rate(references, hypotheses, speakers),
        "cer": metrics.character_error_rate(references, hypotheses, speakers),
    }


def evaluate_phonemes(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> dict[str, Any]:
    """Compute the phoneme error rate and the agreement of phoneme boundaries, with intervals over speakers.

    On both sides equal neighbors count once, silence is left out, and TIMIT's 61 phonemes are folded into 39. Clips need aligned
    phonemes. `noise` and `options` are those of `evaluate_speech`.

    Returns:
        "per": ErrorRate. "boundaries_found": share of the labels' boundaries that have one of the model's within 20 ms.
        "boundaries_right": share of the model's boundaries that have one of the labels'. A boundary is matched at most once.
    """
    check_alignments(utterances)
    results = transcribe_all(model, utterances, noise, **options)
    references, hypotheses = fold_phonemes(model.alphabet, utterances, results)
    speakers = [u.speaker for u in utterances]
    predicted = [boundaries(r) for r in results]
    matched = [
        count_matched_boundaries(u.boundaries, times, BOUNDARY_TOLERANCE)
        for u, times in zip(utterances, predicted, strict=True)
    ]
    return {
        "per": metrics.error_rate(references, hypotheses, speakers),
        "boundaries_found": metrics.ratio_with_interval(matched, [len(u.boundaries) for u in utterances], speakers),
        "boundaries_right": metrics.ratio_with_interval(matched, [max(len(t), 1e-9) for t in predicted], speakers),
    }


def check_alignments(utterances: Any) -> None:
    """Check that there are clips, and that all have aligned phonemes.

    Raises:
        KerasRecipesError: They do not.
    """
    plain = [u.id for u in utterances if not hasattr(u, "boundaries")]
    if plain or not utterances:
        raise KerasRecipesError(
            f"{plain[0] if plain else 'The set'} has no aligned phonemes: pass phones:LABELS?audio=FOLDER"
        )


def fold_phonemes(alphabet: Any, utterances: Any, transcripts: Any) -> tuple[list[list[str]], list[list[str]]]:
    """Return the phonemes of labels and of transcripts as they are scored.

    Raises:
        DataError: The phonemes of a clip are of another set.
    """
    for u in utterances:
        alphabet.encode(u.text)
    references = [alphabet.fold_for_scoring(p for p, _ in u.phones) for u in utterances]
    return references, [alphabet.fold_for_scoring(alphabet.insert_silences(t.words)) for t in transcripts]


def transcribe_all(model: Any, utterances: Any, noise: float | None = None, **options: Any) -> list[Any]:
    """Transcribe every clip, or raise, because scoring only the readable clips would silently change the test set."""
    if noise is None:
        results = model.transcribe([u.path for u in utterances], **options)
    else:
        waves = [read_with_noise(u.path, noise, number) for number, u in enumerate(utterances)]
        results = model.transcribe(waves, SAMPLE_RATE, **options)
    bad = [f"{u.id}: {r}" for u, r in zip(utterances, results, strict=True) if isinstance(r, Exception)]
    if bad:
        raise KerasRecipesError(f"{len(bad)} of {len(results)} clips cannot be read, the first: {bad[0]}")
    return results


def read_with_noise(path: str, snr_db: float, seed: int) -> Any:
    """Read a clip at the package's rate and add pink noise."""
    wave = load_audio(path)
    return add_noise(wave, colored_noise(len(wave), 1.0, np.random.default_rng(seed)), snr_db).astype("float32")


def evaluate_bits_per_character(
    model: Any, texts: Sequence[str], groups: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Compute {"bpc": MetricWithInterval} of a language model. The end of each text counts as a character.

    Intervals are over `groups`, for instance the speaker of each text. By default each text is its own group.
    """
    normalized = [model.alphabet.normalize(t) for t in texts]
    if not normalized:
        raise KerasRecipesError("There is no text to evaluate on")
    bits = -model.log_probabilities(normalized) / np.log(2)
    return {
        "bpc": metrics.ratio_with_interval(bits, [len(t) + 1 for t in normalized], groups or range(len(normalized)))
    }


def evaluate_classification(model: Any, images: np.ndarray, labels: np.ndarray, num_crops: int = 1) -> dict[str, Any]:
    """Compute the share of wrong classes "error", and "top5" for more than ten classes, with intervals over images.

    `images` (n, height, width, channels) are resized as the recipe resizes. `num_crops` crops are averaged per image.
    """
    step = max(512 // num_crops, 1)
    parts = [model.probabilities(images[i : i + step], num_crops) for i in range(0, len(images), step)]
    ranking = np.argsort(-np.concatenate(parts), axis=-1)
    rates = {"error": metrics.classification_error(labels, ranking[:, 0])}
    if ranking.shape[-1] > 10:
        in_top5 = (ranking[:, :5] == np.asarray(labels)[:, None]).any(1)
        rates["top5"] = metrics.classification_error(np.ones(len(in_top5)), in_top5)
    return rates


def evaluate_segmentation(model: Any, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> dict[str, Any]:
    """Compute the mean intersection over union "miou" and the share of wrong "pixels", with intervals over images."""
    predicted = [result.mask for result in model.segment(list(images))]
    classes = len(model.classes)
    counts = np.array([metrics.confusion_matrix(m, p, classes) for m, p in zip(masks, predicted, strict=True)])
    totals = counts.sum((1, 2))
    wrong = totals - np.trace(counts, axis1=1, axis2=2)
    return {"miou": metrics.mean_iou(counts), "pixels": metrics.ratio_with_interval(wrong, totals, range(len(totals)))}


def evaluate_bits_per_sample(model: Any, utterances: Any) -> dict[str, Any]:
    """Compute the bits per sample of WaveNet, "bps", and with local conditioning "bps_conditioned", given each spectrogram.

    Intervals are over clips. Unknown speakers map to "no speaker".
    """
    from kerasrecipes.inference.wavenet_likelihood import log_probabilities

    rates = {}
    for name in ("bps", "bps_conditioned") if model.n_mels else ("bps",):
        bits, samples = [], []
        for u in utterances:
            speaker = u.speaker if model.speaker_number(u.speaker, strict=False) else None
            logs = log_probabilities(model, u.path, speaker=speaker, conditioned=name != "bps")
            bits.append(-logs.sum() / np.log(2))
            samples.append(len(logs))
        if not bits:
            raise KerasRecipesError("There is no recording to evaluate on")
        rates[name] = metrics.ratio_with_interval(bits, samples, range(len(bits)))
    return rates


def evaluate(model: Any, specs: Sequence[str], speakers: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """Compute the metrics of the model's task on data sets.

    Those of a recognizer include "rtf", the real-time factor: seconds from files to transcripts per second of audio, without
    the first clip, which compiles the model.

    Args:
        model: Model of any task.
        specs: Specifications of data sets, for instance "librispeech:FOLDER".
        speakers: Keep only these speakers' clips. Default: all.
        **options: Options of the task's `evaluate_...` function. For segmenters `mask_values` of `load_masks`.
    """
    task = model.recipe.task
    if task == "language-model":
        if any(spec.startswith("text:") for spec in specs):
            return evaluate_bits_per_character(model, data.load_text_datasets(specs, speakers))
        utterances = data.load_datasets(specs, speakers)
        return evaluate_bits_per_character(model, [u.text for u in utterances], [u.speaker for u in utterances])
    if task == "image-classification":
        return evaluate_classification(
            model, *load_image_datasets(specs, model.classes, model.preprocessing), **options
        )
    if task == "segmentation":
        return evaluate_segmentation(model, *load_masks(specs, model.classes, **options))
    utterances = data.load_datasets(specs, speakers)
    if task == "waveform-generation":
        return evaluate_bits_per_sample(model, utterances)
    model.transcribe([u.path for u in utterances[:1]], **{k: v for k, v in options.items() if k != "noise"})
    start = time.perf_counter()
    evaluate_recognizer = evaluate_phonemes if task == "phoneme-recognition" else evaluate_speech
    rates = evaluate_recognizer(model, utterances, **options)
    elapsed, seconds = time.perf_counter() - start, 3600 * utterances.hours
    return rates | {"rtf": metrics.MetricWithInterval(elapsed / seconds, seconds, float("nan"), float("nan"))}

"""From files to transcripts: read, batch by length, score, decode; long recordings in pieces that give the same scores."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.options import DecodingOptions, make_decoder
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.results import Transcript

PAD_MULTIPLE_SECONDS = 0.5  # padded lengths are multiples of this, so that a compiler that works per shape sees few
CHUNKING_THRESHOLD_SECONDS = 60.0  # from here on a recording is scored in pieces
BATCH_SECONDS = 60.0


def transcribe(
    model: Any, source: Any, sample_rate: int | None = None, *, batch_seconds: float = BATCH_SECONDS,
    long_seconds: float = CHUNKING_THRESHOLD_SECONDS, progress: Any = None, jitter: float = 0.0, decode: Any = None, **decoding: Any,
) -> Any:  # fmt: skip
    """`model.transcribe` (see there).

    Args:
        model: has `scores`, `long_scores`, `alphabet`, `criterion`, `stride`, `receptive_field`, `sample_rate`.
        source: one input, or a list or folder of them.
        sample_rate: Hz of arrays.
        batch_seconds: padded audio scored at once.
        long_seconds: recordings above this are scored by `model.predict_logits_chunked`, in Keras in pieces.
        progress: called with (items done, items in all) after every batch.
        jitter: seconds; above 0 the audio is also scored shifted by so much to the left and to the right, and the three
            probabilities are averaged (Deep Speech, arXiv 1412.5567, section 2.1: 5 ms). Takes three times as long.
        decode: from scores to a transcript, in place of what `decoding` says.
        decoding: `decoder`, `language_model` and more: the arguments of `kerasrecipes.decoding.DecodingOptions`.
    """
    if decode and decoding:
        raise KerasRecipesError(f"{model.name} has no use for {', '.join(decoding)}: that is for recognisers of words")
    read = make_transcript_decoder(model, decode or make_decoder(model, DecodingOptions(**decoding)))
    if not is_batch(source):
        wave = sound.load_audio(source, sample_rate=sample_rate, target=model.sample_rate)
        return read(logits_of(model, wave, long_seconds, jitter), wave)
    items = sound.list_audio_files(source)
    results: list[Transcript | AudioError | None] = [None] * len(items)
    for done, (index, found, wave) in enumerate(
        score_batches(
            model, items, results, sample_rate, batch_seconds=batch_seconds, long_seconds=long_seconds, jitter=jitter
        ), 1,
    ):  # fmt: skip
        results[index] = read(found, wave)
        if progress:
            progress(done + sum(isinstance(r, AudioError) for r in results), len(items))
    return results


def score_batches(
    model: Any, items: Sequence[Any], results: list, sample_rate: int | None = None, *,
    batch_seconds: float = BATCH_SECONDS, long_seconds: float = CHUNKING_THRESHOLD_SECONDS, jitter: float = 0.0,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:  # fmt: skip
    """(place, scores, wave) of every input that can be read, similar lengths together; errors go to their place in `results`."""
    for batch in bucket_by_length(items, sample_rate, batch_seconds, results, model.sample_rate, long_seconds):
        waves = [wave for _, wave in batch]
        if len(waves) > 1:
            found = average_over_shifts(model, waves, lambda shifted: batch_logits(model, shifted), jitter)
        else:
            found = [logits_of(model, waves[0], long_seconds, jitter)]
        for (index, wave), frames in zip(batch, found, strict=True):
            yield index, frames, wave


def is_batch(source: Any) -> bool:
    """Whether the answer is a list: for a list or tuple of inputs, and for a folder."""
    if isinstance(source, list | tuple):
        return not (source and isinstance(source[0], int | float))
    return isinstance(source, str | Path) and Path(source).is_dir()


def bucket_by_length(
    items: Sequence[Any],
    sample_rate: int | None,
    batch_seconds: float,
    results: list,
    rate: int,
    alone: float = float("inf"),
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Group inputs of similar length, reading at most a few hundred seconds ahead; what cannot be read goes to `results`.

    Args:
        rate: Hz of what is read. alone: seconds above which an input is a group of its own.
    """
    pool: list[tuple[int, np.ndarray]] = []

    def grouped() -> Iterator[list[tuple[int, np.ndarray]]]:
        pool.sort(key=lambda item: len(item[1]))
        group: list[tuple[int, np.ndarray]] = []
        for item in pool:
            if group and ((len(group) + 1) * len(item[1]) > batch_seconds * rate or len(item[1]) > alone * rate):
                yield group
                group = []
            group.append(item)
        if group:
            yield group
        pool.clear()

    held = 0
    for index, item in enumerate(items):
        try:
            pool.append((index, sound.load_audio(item, sample_rate=sample_rate, target=rate)))
        except AudioError as error:
            results[index] = error
            continue
        held += len(pool[-1][1])
        if held > 8 * batch_seconds * rate:
            yield from grouped()
            held = 0
    yield from grouped()


def batch_logits(model: Any, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Scores (frames, symbols) of each wave from one padded batch."""
    unit = int(PAD_MULTIPLE_SECONDS * model.sample_rate)
    lengths = np.array([len(w) for w in waves], "int32")
    padded = np.zeros((len(waves), -(-int(lengths.max()) // unit) * unit), "float32")
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    out = model.scores({"audio": padded, "length": lengths})
    return [s[: model.output_length(int(n))] for s, n in zip(out, lengths, strict=True)]


def logits_of(
    model: Any, wave: np.ndarray, long_seconds: float = CHUNKING_THRESHOLD_SECONDS, jitter: float = 0.0
) -> np.ndarray:
    """Scores (frames, symbols) of one wave, in one piece or many."""

    def score(waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        if len(waves[0]) <= long_seconds * model.sample_rate:
            return batch_logits(model, waves)
        return [model.predict_logits_chunked(waves[0])]

    return average_over_shifts(model, [wave], score, jitter)[0]


def average_over_shifts(
    model: Any, waves: Sequence[np.ndarray], score: Callable[[Sequence[np.ndarray]], list[np.ndarray]], seconds: float
) -> list[np.ndarray]:
    """`score(waves)`; with `seconds` the logarithm of the probabilities averaged over the waves as they are and shifted both ways.

    Raises:
        KerasRecipesError: `seconds` is negative, or the model's scores are no probabilities of single frames (ASG).
    """
    if not seconds:
        return score(waves)
    if seconds < 0 or model.criterion.transitions() is not None:
        raise KerasRecipesError(f"jitter={seconds}: a positive shift in seconds, for a recogniser trained with CTC")
    n = round(seconds * model.sample_rate)
    ways = [list(waves), [np.pad(w, (n, 0))[: len(w)] for w in waves], [np.pad(w, (0, n))[n:] for w in waves]]
    chances = [[np.exp(log_softmax(s)) for s in score(way)] for way in ways]
    return [np.log(np.mean(same, axis=0) + 1e-30).astype("float32") for same in zip(*chances, strict=True)]


def make_transcript_decoder(
    model: Any, decode: Callable[..., Transcript]
) -> Callable[[np.ndarray, np.ndarray], Transcript]:
    """`read(scores, wave) -> Transcript`; digital silence has no text, whatever a network makes of it."""
    seconds = model.stride / model.sample_rate

    def read(found: np.ndarray, wave: np.ndarray) -> Transcript:
        duration = len(wave) / model.sample_rate
        if not wave.any():
            return Transcript("", duration=duration)
        return decode(found, frame_seconds=seconds, duration=duration)

    return read

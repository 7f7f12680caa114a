"""From files to transcripts: read, batch by length, score, decode; long recordings in pieces that give the same scores."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.decoding.decoder import Decoding, decoder_of
from kerasrecipes.errors import AudioError
from kerasrecipes.results import Transcript

ROUND_SECONDS = 0.5  # padded lengths are multiples of this, so that a compiler that works per shape sees few
LONG_SECONDS = 60.0  # from here on a recording is scored in pieces
BATCH_SECONDS = 60.0


def transcribe(
    model: Any, source: Any, sample_rate: int | None = None, *, batch_seconds: float = BATCH_SECONDS,
    long_seconds: float = LONG_SECONDS, progress: Any = None, **decoding: Any,
) -> Any:  # fmt: skip
    """`model.transcribe` (see there).

    Args:
        model: has `scores`, `alphabet`, `criterion`, `stride`, `receptive_field`, `sample_rate`.
        source: one input, or a list or folder of them.
        sample_rate: Hz of arrays.
        batch_seconds: padded audio scored at once.
        long_seconds: recordings above this are scored in pieces (see `kerasrecipes.tasks.long_audio`).
        progress: called with (items done, items in all) after every batch.
        decoding: `decoder`, `language_model` and more: the arguments of `kerasrecipes.decoding.Decoding`.
    """
    read = reader(model, Decoding(**decoding))
    if not is_many(source):
        wave = sound.read_audio(source, sample_rate=sample_rate)
        return read(scores_of(model, wave, long_seconds), wave)
    items = sound.expand(source)
    results: list[Transcript | AudioError | None] = [None] * len(items)
    for done, (index, found, wave) in enumerate(
        scored(model, items, results, sample_rate, batch_seconds=batch_seconds, long_seconds=long_seconds), 1
    ):
        results[index] = read(found, wave)
        if progress:
            progress(done + sum(isinstance(r, AudioError) for r in results), len(items))
    return results


def scored(
    model: Any, items: Sequence[Any], results: list, sample_rate: int | None = None, *,
    batch_seconds: float = BATCH_SECONDS, long_seconds: float = LONG_SECONDS,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:  # fmt: skip
    """(place, scores, wave) of every input that can be read, similar lengths together; errors go to their place in `results`."""
    for batch in batches(items, sample_rate, batch_seconds, results, model.sample_rate):
        waves = [wave for _, wave in batch]
        found = scores(model, waves) if len(waves) > 1 else [scores_of(model, waves[0], long_seconds)]
        for (index, wave), frames in zip(batch, found, strict=True):
            yield index, frames, wave


def is_many(source: Any) -> bool:
    """Whether the answer is a list: for a list or tuple of inputs, and for a folder."""
    if isinstance(source, list | tuple):
        return not (source and isinstance(source[0], int | float))
    return isinstance(source, str | Path) and Path(source).is_dir()


def batches(
    items: Sequence[Any], sample_rate: int | None, batch_seconds: float, results: list, rate: int
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Group inputs of similar length, reading at most a few hundred seconds ahead; what cannot be read goes to `results`."""
    pool: list[tuple[int, np.ndarray]] = []

    def grouped() -> Iterator[list[tuple[int, np.ndarray]]]:
        pool.sort(key=lambda item: len(item[1]))
        group: list[tuple[int, np.ndarray]] = []
        for item in pool:
            if group and (len(group) + 1) * len(item[1]) > batch_seconds * rate:
                yield group
                group = []
            group.append(item)
        if group:
            yield group
        pool.clear()

    held = 0
    for index, item in enumerate(items):
        try:
            pool.append((index, sound.read_audio(item, sample_rate=sample_rate)))
        except AudioError as error:
            results[index] = error
            continue
        held += len(pool[-1][1])
        if held > 8 * batch_seconds * rate:
            yield from grouped()
            held = 0
    yield from grouped()


def scores(model: Any, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Scores (frames, symbols) of each wave from one padded batch."""
    unit = int(ROUND_SECONDS * model.sample_rate)
    lengths = np.array([len(w) for w in waves], "int32")
    padded = np.zeros((len(waves), -(-int(lengths.max()) // unit) * unit), "float32")
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    out = model.scores({"audio": padded, "length": lengths})
    return [s[: model.output_length(int(n))] for s, n in zip(out, lengths, strict=True)]


def scores_of(model: Any, wave: np.ndarray, long_seconds: float = LONG_SECONDS) -> np.ndarray:
    """Scores (frames, symbols) of one wave, in one piece or many."""
    if len(wave) > long_seconds * model.sample_rate:
        from kerasrecipes.tasks.long_audio import long_scores

        return long_scores(model, wave)
    return scores(model, [wave])[0]


def reader(model: Any, settings: Decoding) -> Callable[[np.ndarray, np.ndarray], Transcript]:
    """`read(scores, wave) -> Transcript`; digital silence has no text, whatever a network makes of it."""
    decode = decoder_of(model, settings)
    seconds = model.stride / model.sample_rate

    def read(found: np.ndarray, wave: np.ndarray) -> Transcript:
        duration = len(wave) / model.sample_rate
        if not wave.any():
            return Transcript("", duration=duration)
        return decode(found, frame_seconds=seconds, duration=duration)

    return read

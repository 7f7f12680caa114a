"""From files to transcripts: read, batch by length, score, decode; long recordings in pieces that give the same scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import audio as sound
from kerasrecipes.errors import AudioError
from kerasrecipes.results import Transcript

ROUND_SECONDS = 0.5  # padded lengths are multiples of this, so that a compiler that works per shape sees few
LONG_SECONDS = 60.0  # from here on a recording is scored in pieces
BATCH_SECONDS = 60.0


def transcribe(
    model: Any, source: Any, sample_rate: int | None = None, *, batch_seconds: float = BATCH_SECONDS,
    long_seconds: float = LONG_SECONDS, progress: Any = None,
) -> Any:  # fmt: skip
    """`model.transcribe` (see there).

    Args:
        model: has `scores`, `alphabet`, `criterion`, `stride`, `receptive_field`, `sample_rate`.
        source: one input, or a list or folder of them.
        sample_rate: Hz of arrays.
        batch_seconds: padded audio scored at once.
        long_seconds: recordings above this are scored in pieces (see `kerasrecipes.tasks.long_audio`).
        progress: called with (items done, items in all) after every batch.
    """
    if not is_many(source):
        return finish(model, sound.read_audio(source, sample_rate=sample_rate), long_seconds)
    items = sound.expand(source)
    results: list[Transcript | AudioError | None] = [None] * len(items)
    done = 0
    for batch in batches(items, sample_rate, batch_seconds, results, model.sample_rate):
        waves = [wave for _, wave in batch]
        if len(waves) == 1 and len(waves[0]) > long_seconds * model.sample_rate:
            found = [finish(model, waves[0], long_seconds)]
        else:
            found = [decode(model, s, w) for s, w in zip(scores(model, waves), waves, strict=True)]
        for (index, _), result in zip(batch, found, strict=True):
            results[index] = result
        done += len(batch)
        if progress:
            progress(done, len(items))
    return results


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


def finish(model: Any, wave: np.ndarray, long_seconds: float) -> Transcript:
    """The transcript of one wave, in one piece or many."""
    if len(wave) > long_seconds * model.sample_rate:
        from kerasrecipes.tasks.long_audio import long_scores

        return decode(model, long_scores(model, wave), wave)
    return decode(model, scores(model, [wave])[0], wave)


def decode(model: Any, logits: np.ndarray, wave: np.ndarray) -> Transcript:
    """Scores (frames, symbols) to a transcript; digital silence has no text, whatever a network makes of it."""
    duration = len(wave) / model.sample_rate
    if not wave.any():
        return Transcript("", duration=duration)
    seconds = model.stride / model.sample_rate
    return model.criterion.decode(logits, model.alphabet, frame_seconds=seconds, duration=duration)

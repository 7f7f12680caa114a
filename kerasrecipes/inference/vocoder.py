"""`generate` and `vocode`: conditions checked and brought to every sample, the loop run in pieces with its state carried."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.inference.wavenet_sampler import WaveNetSampler
from kerasrecipes.layers import mu_law
from kerasrecipes.results import AudioClip

CHUNK_SECONDS = 0.25  # of one compiled run; the last piece is run whole and cut
LEARNED_UPSAMPLING_CHUNK_SECONDS = 0.05  # where every sample has its own conditioning: 30 layers of it make 12 MB
BATCH_SIZE = 8  # clips vocoded at once


def generate(
    model: Any, seconds: Any = None, seed: Any = None, temperature: float = 1.0, speaker: Any = None,
    conditioning: Any = None, progress: Callable[[float, float], Any] | None = None,
) -> Any:  # fmt: skip
    """New sound, sample by sample, by the cached loop of `tasks.generating`.

    Args:
        model: a `WaveGenerator`. seconds: how much; None for as much as `conditioning` says.
        seed: a whole number, the same one gives the same sound; item i of a list has seed + i, or the seed of its own.
        temperature: of the softmax; 1 samples from the model, 0 always takes the likeliest code.
        speaker: a name, or None for nobody in particular. conditioning: a spectrogram (frames, mels) of
            `model.spectrogram`, or None for none.
        progress: called with seconds done and seconds in all.
        Each of `seconds`, `seed`, `speaker` and `conditioning` may be a list: all are made at once.

    Returns:
        A `Sound`; a list of them for lists.

    Raises:
        DataError: seconds that are not positive, a negative temperature or seed, an unknown speaker, a spectrogram that
        does not fit.
    """
    many = [len(v) for v in (seconds, seed, speaker, conditioning) if isinstance(v, list | tuple)]
    if len(set(many)) > 1:
        raise DataError(f"Lists of unequal lengths: {', '.join(map(str, many))}")
    count = many[0] if many else 1
    if not count:
        return []
    if isinstance(seed, int | np.integer):
        seed = [seed + i for i in range(count)]
    seconds, seeds, speaker, conditioning = (
        list(v) if isinstance(v, list | tuple) else [v] * count for v in (seconds, seed, speaker, conditioning)
    )
    if not isinstance(temperature, int | float | np.number) or not 0 <= temperature < np.inf:
        raise DataError(f"A temperature is a number, neither negative nor without bound, not {temperature!r}")
    for s in seeds:
        if s is not None and (not isinstance(s, int | np.integer) or s < 0):
            raise DataError(f"A seed is a whole number from 0 on, not {s!r}")
    samples = [num_samples(model, s, c) for s, c in zip(seconds, conditioning, strict=True)]
    numbers = np.array([model.speaker_number(s) for s in speaker], "int32")
    codes = generate_codes(model, samples, numbers, conditioning, seeds, temperature, progress)
    waves = [mu_law.mu_law_decode(c, model.levels).astype("float32") for c in codes]
    sounds = [AudioClip(w, model.sample_rate) for w in waves]
    return sounds if many else sounds[0]


def num_samples(model: Any, seconds: Any, conditioning: Any) -> int:
    """Samples to make.

    Raises:
        DataError: as `generate`.
    """
    if seconds is None and conditioning is None:
        raise DataError("Say how much to generate: seconds=2.0, or conditioning=model.spectrogram(FILE)")
    if seconds is not None and not (isinstance(seconds, int | float | np.number) and 0 < float(seconds) < np.inf):
        raise DataError(f"seconds is a positive number, not {seconds!r}")
    samples = 0 if seconds is None else max(round(seconds * model.sample_rate), 1)
    if conditioning is None:
        return samples
    model.require_local_conditioning()
    shape = np.shape(conditioning)
    if len(shape) != 2 or shape[1] != model.mels or not shape[0]:
        raise DataError(f"conditioning is (frames, {model.mels}), not {shape}: make it with model.spectrogram(FILE)")
    if not np.isfinite(conditioning).all():
        raise DataError("conditioning holds values that are NaN or infinite")
    samples = samples or shape[0] * model.hop
    if shape[0] != model.frames(samples):
        rate = model.sample_rate / model.hop
        raise DataError(
            f"conditioning has {shape[0]} frames, {samples / model.sample_rate:g} s need {model.frames(samples)} "
            f"({rate:g} a second): make it with model.spectrogram(FILE), or leave out `seconds`"
        )
    return samples


def generate_codes(
    model: Any, samples: list[int], speakers: np.ndarray, conditioning: list, seeds: list, temperature: float,
    progress: Callable[[float, float], Any] | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """Codes of each item, (samples,) int32; all items are made at once, as long as the longest."""
    if model._loop is None:
        model._loop = WaveNetSampler(model)
    loop, rate, total = model._loop, model.sample_rate, max(samples)
    mode = "sample" if temperature else "likeliest"
    piece = chunk_samples(model)
    tables = ConditioningTables(model, samples, speakers, conditioning, -(-total // piece) * piece)
    chance = [np.random.default_rng(s) for s in seeds]
    state, found = loop.begin(len(samples)), []
    for begin in range(0, total, piece):
        uniform = np.stack([c.random(piece) for c in chance], axis=1).astype("float32")
        codes, state = loop.run(state, tables.piece(begin, piece), uniform, 1 / (temperature or 1), mode)
        found.append(codes)
        if progress:
            progress(min(begin + piece, total) / rate, total / rate)
    codes = np.concatenate(found)
    return [codes[:n, i] for i, n in enumerate(samples)]


def chunk_samples(model: Any) -> int:
    """Samples of one compiled run: whole frames."""
    seconds = (
        LEARNED_UPSAMPLING_CHUNK_SECONDS
        if model.mels and model.settings["upsampling"] == "transposed"
        else CHUNK_SECONDS
    )
    return max(round(seconds * model.sample_rate / model.hop), 1) * model.hop


class ConditioningTables:
    """What the conditions add to all layers, for one piece after the other.

    Args:
        model: a `WaveGenerator`. samples: of each item. speakers: (batch,) numbers. conditioning: of each item, a
            spectrogram or None. total: samples of all pieces.
    """

    def __init__(self, model: Any, samples: list[int], speakers: np.ndarray, conditioning: list, total: int):
        self.stack, self.speakers, self.local = model.get_layer("stack"), speakers, None
        if not model.mels:
            return
        frames = np.zeros((len(samples), model.frames(total), model.mels), "float32")
        for row, values in zip(frames, conditioning, strict=True):
            if values is not None:
                row[: len(values)] = values
        given = np.array([c is not None for c in conditioning], "int32")
        ops, layer = keras.ops, model.get_layer("local")
        arrays = [ops.convert_to_tensor(v) for v in (frames, given, np.array(samples, "int32"))]
        self.local = ops.convert_to_numpy(layer.over(*arrays, total))

    def piece(self, begin: int, samples: int) -> np.ndarray:
        """(entries, layers, batch, 2 D) float32 for the samples from `begin` on."""
        local, ops = self.local, keras.ops
        if local is not None:
            step = self.stack.local_stride
            local = ops.convert_to_tensor(local[:, begin // step : -(-(begin + samples) // step)])
        speakers = ops.convert_to_tensor(self.speakers) if self.stack.speaker_kernel is not None else None
        table = ops.convert_to_numpy(self.stack.table(speakers, local)).astype("float32")
        table = np.broadcast_to(table, (len(table), len(self.speakers), *table.shape[2:]))
        return np.ascontiguousarray(table.transpose(2, 0, 1, 3))


def vocode(
    model: Any, source: Any, sample_rate: int | None = None, speaker: str | None = None, seed: int | None = None,
    temperature: float = 1.0, progress: Callable[[float, float], Any] | None = None,
) -> Any:  # fmt: skip
    """Copy synthesis: sound from a spectrogram alone, or from that of a recording.

    Args:
        model: a `WaveGenerator` with local conditioning. source: a path, bytes, a file object, an array (samples,) with
            `sample_rate`, a spectrogram (frames, mels); or a list of such. speaker: may be a list too, one of each source.
        others: as in `generate`; source i of a list is made with seed + i.

    Returns:
        A `Sound` as long as the recording; a list for a list, where a bad file's place holds its `AudioError`.

    Raises:
        AudioError: a single recording cannot be read. DataError: no local conditioning, an unknown speaker, a spectrogram
        that does not fit. TypeError: an array of samples without `sample_rate`.
    """
    model.require_local_conditioning()
    if not isinstance(source, list | tuple):
        length, frames = read_conditioning(model, source, sample_rate)
        return generate(model, length, seed, temperature, speaker, frames, progress)
    found: list[Any] = []
    for item in source:
        try:
            found.append(read_conditioning(model, item, sample_rate))
        except AudioError as error:
            found.append(error)
    speakers = list(speaker) if isinstance(speaker, list | tuple) else [speaker] * len(found)
    if len(speakers) != len(found):
        raise DataError(f"Lists of unequal lengths: {len(found)} sources, {len(speakers)} speakers")
    good = [i for i, f in enumerate(found) if not isinstance(f, AudioError)]
    for begin in range(0, len(good), BATCH_SIZE):
        some = good[begin : begin + BATCH_SIZE]
        seconds, values = [found[i][0] for i in some], [found[i][1] for i in some]
        seeds = [seed if seed is None else seed + i for i in some]
        made = generate(model, seconds, seeds, temperature, [speakers[i] for i in some], values, progress)
        for i, sound in zip(some, made, strict=True):
            found[i] = sound
    return found


def read_conditioning(model: Any, source: Any, sample_rate: int | None) -> tuple[float | None, np.ndarray]:
    """Seconds (None for those of the spectrogram) and the spectrogram of a source."""
    if not isinstance(source, str | Path | bytes | bytearray) and not hasattr(source, "read"):
        array = np.asarray(source)
        if array.ndim == 2 and sample_rate is None:
            return None, array.astype("float32")  # `generate` says where its bands are too few
    wave = load_audio(source, sample_rate=sample_rate, target=model.sample_rate)
    return len(wave) / model.sample_rate, model.spectrogram(wave, model.sample_rate)

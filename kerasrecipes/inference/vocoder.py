"""`generate` and `vocode` of WaveNets: inputs are checked and conditioned, the sampler runs in chunks and carries its state."""

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
from kerasrecipes.utils.backend_process import check_backend_process
from kerasrecipes.utils.sources import FileContent

CHUNK_SECONDS = 0.25  # per compiled run; the last chunk runs whole and is cut afterwards
LEARNED_UPSAMPLING_CHUNK_SECONDS = 0.05  # with a conditioning of every sample: 30 layers of it take 12 MB
BATCH_SIZE = 8  # clips vocoded at once

Progress = Callable[[float, float], Any]


def generate(
    model: Any, seconds: Any = None, seed: Any = None, temperature: float = 1.0, speaker: Any = None, mel: Any = None,
    progress: Progress | None = None, count: int | None = None,
) -> Any:  # fmt: skip
    """Generate audio sample by sample with the cached `WaveNetSampler`.

    `seconds`, `seed`, `speaker` and `mel` may be lists, whose clips are generated at once: the weights are read once for a sample of
    each clip. A clip's samples are those that its seed gives alone.

    Args:
        model: A `WaveNetGenerator`.
        seconds: Length of the audio. Default: the length of `mel`.
        seed: A whole number. The same seed gives the same audio, and clip i of a list has seed + i.
        temperature: Sampling temperature. 1 samples from the model, 0 takes the most likely code.
        speaker: Name of a speaker, or None for no speaker.
        mel: Log-mel spectrogram (frames, n_mels) of `model.spectrogram`, or None.
        progress: Called with (seconds done, seconds in all).
        count: Number of clips from the same arguments, with the seeds seed, seed + 1, ... Default: one clip, not in a list.

    Returns:
        An `AudioClip`, or a list of them with `count` or if an argument is a list.

    Raises:
        DataError: The seconds are not positive, the temperature or a seed is negative, the speaker is unknown, the
            spectrogram does not fit, or `count` is no whole number from 1 on.
    """
    if count is not None and (not isinstance(count, int | np.integer) or count < 1):
        raise DataError(f"count is a whole number from 1 on, not {count!r}")
    counts = [len(v) for v in (seconds, seed, speaker, mel) if isinstance(v, list | tuple)]
    counts += [] if count is None else [int(count)]
    if len(set(counts)) > 1:
        raise DataError(f"Lists of unequal lengths: {', '.join(map(str, counts))}")
    count = counts[0] if counts else 1
    if not count:
        return []
    if isinstance(seed, int | np.integer):
        seed = [seed + i for i in range(count)]
    durations, seeds, speakers, mels = (
        list(v) if isinstance(v, list | tuple) else [v] * count for v in (seconds, seed, speaker, mel)
    )
    if not isinstance(temperature, int | float | np.number) or not 0 <= temperature < np.inf:
        raise DataError(f"The temperature must be a number, at least 0 and finite, not {temperature!r}")
    for s in seeds:
        if s is not None and (not isinstance(s, int | np.integer) or s < 0):
            raise DataError(f"A seed is a whole number from 0 on, not {s!r}")
    samples = [num_samples(model, d, m) for d, m in zip(durations, mels, strict=True)]
    speaker_numbers = np.array([model.speaker_number(s) for s in speakers], "int32")
    codes = generate_codes(model, samples, speaker_numbers, mels, seeds, temperature, progress)
    waves = [mu_law.mu_law_decode(c, model.quantization_levels).astype("float32") for c in codes]
    clips = [AudioClip(w, model.sample_rate) for w in waves]
    return clips if counts else clips[0]


def num_samples(model: Any, seconds: Any, mel: Any) -> int:
    """Return the number of samples to generate. Raises DataError as `generate` does."""
    if seconds is None and mel is None:
        raise DataError("Say how much to generate: seconds=2.0, or mel=model.spectrogram(FILE)")
    if seconds is not None and not (isinstance(seconds, int | float | np.number) and 0 < float(seconds) < np.inf):
        raise DataError(f"seconds is a positive number, not {seconds!r}")
    samples = 0 if seconds is None else max(round(seconds * model.sample_rate), 1)
    if mel is None:
        return samples
    model.require_local_conditioning()
    shape = np.shape(mel)
    if len(shape) != 2 or shape[1] != model.n_mels or not shape[0]:
        raise DataError(f"mel is (frames, {model.n_mels}), not {shape}: make it with model.spectrogram(FILE)")
    if not np.isfinite(mel).all():
        raise DataError("mel holds values that are NaN or infinite")
    samples = samples or shape[0] * model.hop_length
    if shape[0] != model.num_frames(samples):
        rate = model.sample_rate / model.hop_length
        raise DataError(
            f"mel has {shape[0]} frames, {samples / model.sample_rate:g} s need {model.num_frames(samples)} "
            f"({rate:g} a second): make it with model.spectrogram(FILE), or leave out `seconds`"
        )
    return samples


def generate_codes(
    model: Any, samples: list[int], speakers: np.ndarray, mels: list, seeds: list, temperature: float,
    progress: Progress | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """Return the codes (samples,) int32 of each clip. All clips run as one batch, as long as the longest."""
    check_backend_process()
    if model._sampler is None:
        model._sampler = WaveNetSampler(model)
    sampler, rate, total = model._sampler, model.sample_rate, max(samples)
    mode = "sample" if temperature else "argmax"
    chunk = chunk_samples(model)
    tables = ConditioningTables(model, samples, speakers, mels, -(-total // chunk) * chunk)
    generators = [np.random.default_rng(s) for s in seeds]
    state, chunks = sampler.initial_state(len(samples)), []
    for start in range(0, total, chunk):
        uniform = np.stack([rng.random(chunk) for rng in generators], axis=1).astype("float32")
        codes, state = sampler.run(state, tables.chunk(start, chunk), uniform, 1 / (temperature or 1), mode)
        chunks.append(codes)
        if progress:
            progress(min(start + chunk, total) / rate, total / rate)
    codes = np.concatenate(chunks)
    return [codes[:n, i] for i, n in enumerate(samples)]


def chunk_samples(model: Any) -> int:
    """Return the samples of one compiled run, a multiple of the hop length."""
    learned = model.n_mels and model.hparams["upsampling"] == "transposed"
    seconds = LEARNED_UPSAMPLING_CHUNK_SECONDS if learned else CHUNK_SECONDS
    return max(round(seconds * model.sample_rate / model.hop_length), 1) * model.hop_length


class ConditioningTables:
    """Conditioning terms added to every layer, computed chunk by chunk.

    Args:
        model: A `WaveNetGenerator`.
        samples: Length of each clip.
        speakers: (batch,) speaker numbers.
        mels: Spectrogram of each clip, or None.
        total: Samples of all chunks.
    """

    def __init__(self, model: Any, samples: list[int], speakers: np.ndarray, mels: list, total: int):
        self.stack, self.speakers, self.local = model.get_layer("stack"), speakers, None
        if not model.n_mels:
            return
        frames = np.zeros((len(samples), model.num_frames(total), model.n_mels), "float32")
        for row, mel in zip(frames, mels, strict=True):
            if mel is not None:
                row[: len(mel)] = mel
        conditioned = np.array([mel is not None for mel in mels], "int32")
        ops, layer = keras.ops, model.get_layer("local")
        arrays = [ops.convert_to_tensor(v) for v in (frames, conditioned, np.array(samples, "int32"))]
        self.local = ops.convert_to_numpy(layer.upsample(*arrays, total))

    def chunk(self, start: int, samples: int) -> np.ndarray:
        """Return the terms (entries, layers, batch, 2 D) float32 for the samples from `start` on."""
        local, ops = self.local, keras.ops
        if local is not None:
            stride = self.stack.local_stride
            local = ops.convert_to_tensor(local[:, start // stride : -(-(start + samples) // stride)])
        speakers = ops.convert_to_tensor(self.speakers) if self.stack.speaker_kernel is not None else None
        table = ops.convert_to_numpy(self.stack.conditioning_table(speakers, local)).astype("float32")
        table = np.broadcast_to(table, (len(table), len(self.speakers), *table.shape[2:]))
        return np.ascontiguousarray(table.transpose(2, 0, 1, 3))


def vocode(
    model: Any, source: Any, sample_rate: int | None = None, speaker: Any = None, seed: int | None = None,
    temperature: float = 1.0, progress: Progress | None = None,
) -> Any:  # fmt: skip
    """Reconstruct audio from a mel spectrogram, or from that of a recording (copy synthesis).

    Args:
        model: A `WaveNetGenerator` with local conditioning.
        source: A path, bytes, a file object, an array (samples,) with `sample_rate`, or a spectrogram (frames, n_mels). Or
            a list of them.
        sample_rate: Hz of arrays.
        speaker: Name of a speaker, or None for no speaker. Or a list, one for each source.
        seed: As in `generate`. Source i of a list has seed + i.
        temperature: As in `generate`.
        progress: As in `generate`.

    Returns:
        An `AudioClip` as long as the recording. For a list, a list with an `AudioError` for every unreadable recording.

    Raises:
        AudioError: A single recording cannot be read.
        DataError: The model has no local conditioning, the speaker is unknown, or the spectrogram does not fit.
        TypeError: An array of samples has no `sample_rate`.
    """
    model.require_local_conditioning()
    if not isinstance(source, list | tuple):
        seconds, mel = read_conditioning(model, source, sample_rate)
        return generate(model, seconds, seed, temperature, speaker, mel, progress)
    results: list[Any] = []
    for item in source:
        try:
            results.append(read_conditioning(model, item, sample_rate))
        except AudioError as error:
            results.append(error)
    speakers = list(speaker) if isinstance(speaker, list | tuple) else [speaker] * len(results)
    if len(speakers) != len(results):
        raise DataError(f"Lists of unequal lengths: {len(results)} sources, {len(speakers)} speakers")
    readable = [i for i, result in enumerate(results) if not isinstance(result, AudioError)]
    for start in range(0, len(readable), BATCH_SIZE):
        batch = readable[start : start + BATCH_SIZE]
        durations, mels = [results[i][0] for i in batch], [results[i][1] for i in batch]
        seeds = [seed if seed is None else seed + i for i in batch]
        clips = generate(model, durations, seeds, temperature, [speakers[i] for i in batch], mels, progress)
        for i, clip in zip(batch, clips, strict=True):
            results[i] = clip
    return results


def read_conditioning(model: Any, source: Any, sample_rate: int | None) -> tuple[float | None, np.ndarray]:
    """Return the seconds (None for those of the spectrogram) and the mel spectrogram of a source."""
    if not isinstance(source, str | Path | FileContent) and not hasattr(source, "read"):
        array = np.asarray(source)
        if array.ndim == 2 and sample_rate is None:
            return None, array.astype("float32")  # `generate` checks its shape
    wave = load_audio(source, sample_rate=sample_rate, target=model.sample_rate)
    return len(wave) / model.sample_rate, model.spectrogram(wave, model.sample_rate)

"""Read audio as every recognizer takes it: one channel, 16 kHz, float32 between -1 and 1."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import AudioError
from kerasrecipes.utils import sources
from kerasrecipes.utils.audio_blocks import MAX_SECONDS, AudioCollector
from kerasrecipes.utils.audio_decoding import audio_errors, check_source, count_frames, decode_file
from kerasrecipes.utils.listing import FileKind, expand_pattern, is_pattern, list_folder_or_warn
from kerasrecipes.utils.media_decoding import INSTALL_HINT, MEDIA_EXTENSIONS, find_decoder

SAMPLE_RATE = 16000
MIN_DURATION_SECONDS = 0.05  # a few spectrogram frames
MAX_FLOAT_AMPLITUDE = 4.0  # larger float samples are unscaled integers
AUDIO_EXTENSIONS = frozenset((
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".wavex", ".sph", ".nist", ".voc", ".mp2", ".mp1",
))  # fmt: skip


def load_audio(
    source: Any, *, sample_rate: int | None = None, target: int = SAMPLE_RATE, allow_truncated: bool = False,
    max_seconds: float = MAX_SECONDS,
) -> np.ndarray:  # fmt: skip
    """Read, mix down, resample and check one recording.

    Args:
        source: Path of any format that libsndfile reads (wav, flac, ogg, opus, mp3, ...), with ffmpeg or PyAV also of m4a,
            webm, mp4 and others, "-" for standard input, bytes or a binary file object of such a file, or an array
            (samples,) or (samples, channels) with `sample_rate`.
        sample_rate: Hz of an array. Files contain their own rate.
        target: Hz of the result. Default 16000.
        allow_truncated: Take what is there of a file whose header promises more, with a warning. Default False.
        max_seconds: Longest file that is read, which also bounds the memory. Seconds, default 6 hours.

    Returns:
        (samples,) float32.

    Raises:
        AudioError: The source is not usable as audio; the message says what to do.
        TypeError: An array has no `sample_rate`.

    Example:
        >>> load_audio(np.zeros(8000, "int16"), sample_rate=8000).shape
        (16000,)
    """
    name = source_name(source)
    if isinstance(source, str | os.PathLike | bytes | bytearray) or hasattr(source, "read"):
        audio = AudioCollector(name, target, max_seconds)
        decode_file(source, audio, allow_truncated=allow_truncated)
    else:
        if sample_rate is None:
            raise TypeError(
                f"{name} has no sample rate: pass sample_rate= in Hz, for instance transcribe(x, sample_rate=16000)"
            )
        audio = AudioCollector(name, target, float("inf"))
        audio.set_rate(sample_rate)
        samples = to_float32(np.asarray(source), name)
        audio.add(samples if samples.ndim == 2 else samples[:, None])
    if audio.seconds < MIN_DURATION_SECONDS:
        raise AudioError(
            f"{name} lasts {audio.seconds:.3f} s: too short for speech (at least {MIN_DURATION_SECONDS} s)"
        )
    return audio.finish()


def source_name(source: Any) -> str:
    """Return a printable name of a source for error messages."""
    return sources.source_name(source, sources.AUDIO)


def to_float32(samples: np.ndarray, name: str) -> np.ndarray:
    """Convert an array to float32 between -1 and 1. Integers are scaled by the range of their type."""
    if samples.ndim not in (1, 2):
        raise AudioError(f"{name}: audio must be (samples,) or (samples, channels)")
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        raise AudioError(f"{name} has more channels than samples: transpose it to (samples, channels)")
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 1:
        return (samples.astype("float32") - 128) / 128
    if samples.dtype.kind == "i" and samples.dtype.itemsize == 8:
        raise AudioError(
            f"{name} of type {samples.dtype}: 64-bit audio has no defined full scale; pass integers of 16 or 32 bits, for "
            'instance numpy.asarray(x, "int16"), or floats between -1 and 1'
        )
    if samples.dtype.kind == "i":
        return (samples / -float(np.iinfo(samples.dtype).min)).astype("float32")
    if samples.dtype.kind != "f":
        raise AudioError(f"{name} of type {samples.dtype}: pass float samples between -1 and 1, or signed integers")
    loudest = float(np.max(np.abs(samples), initial=0.0, where=np.isfinite(samples)))
    if loudest > MAX_FLOAT_AMPLITUDE:
        raise AudioError(
            f"{name} has float samples up to {loudest:g}, outside -1 to 1: were they 16-bit integers? "
            "Pass the integers unchanged, or divide by 32768"
        )
    return samples.astype("float32")


def audio_files() -> FileKind:
    """Return which files of a folder are read as audio on this machine."""
    if find_decoder():
        return FileKind("audio", AUDIO_EXTENSIONS | MEDIA_EXTENSIONS)
    hint = f"not readable here: {INSTALL_HINT}, or convert it elsewhere: ffmpeg -i FILE FILE.wav"
    return FileKind("audio", AUDIO_EXTENSIONS, dict.fromkeys(MEDIA_EXTENSIONS, hint))


def list_audio_files(source: Any) -> list[Any]:
    """Return the inputs in a folder, in a pattern with wildcards, or in a list of these. Other sources stay unchanged.

    Raises:
        AudioError: A folder holds no audio, or a pattern matches nothing.
    """
    if isinstance(source, Sequence) and not isinstance(source, str | bytes | bytearray):
        return [
            item for entry in source for item in (list_audio_files(entry) if isinstance(entry, str | Path) else [entry])
        ]
    if not isinstance(source, str | os.PathLike):
        return [source]
    sources.check_not_empty(source, sources.AUDIO)
    if os.path.isdir(source):
        return list_folder_or_warn(source, audio_files(), AudioError)
    return expand_pattern(source, AudioError) if is_pattern(source) else [source]


def audio_duration(path: str | os.PathLike) -> float:
    """Return the seconds of a file, from its header where that is right.

    Raises:
        AudioError: The file cannot be read.
    """
    name = os.fspath(path)
    with audio_errors(name):
        frames, rate = count_frames(check_source(path, name), name)
    return frames / rate

"""Read audio as every recognizer takes it: one channel, 16 kHz, float32 between -1 and 1."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import AudioError
from kerasrecipes.utils import sources
from kerasrecipes.utils.audio_blocks import (
    BLOCK_FRAMES,
    MAX_SECONDS,
    NO_SAMPLES,
    AudioStream,
    audio_errors,
    check_samples,
    equal_blocks,
    scale_to_float32,
)
from kerasrecipes.utils.audio_decoding import EncodedAudio, count_frames
from kerasrecipes.utils.listing import FileKind, expand_pattern, is_pattern, list_folder_or_warn
from kerasrecipes.utils.media_decoding import INSTALL_HINT, MEDIA_EXTENSIONS, find_decoder

SAMPLE_RATE = 16000
MIN_DURATION_SECONDS = 0.05  # a few spectrogram frames
RECORDING_BLOCK_SAMPLES = 65536
AUDIO_EXTENSIONS = frozenset((
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
    ".wavex", ".sph", ".nist", ".voc", ".mp2", ".mp1",
))  # fmt: skip
CLIP_EXTENSIONS = AUDIO_EXTENSIONS | MEDIA_EXTENSIONS  # of files that hold audio, readable here or not


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
    recording = open_recording(
        source, sample_rate=sample_rate, target=target, allow_truncated=allow_truncated, max_seconds=max_seconds
    )
    assert recording.samples is not None
    return recording.samples


@dataclass(frozen=True)
class Recording:
    """A checked recording at a recognizer's rate. Long ones are not in memory: they are decoded again each time they are read.

    Args:
        num_samples: Its length.
        is_silent: Whether all samples are zero.
        read: Returns an iterator over its blocks of any length.
        samples: (num_samples,) float32, or None for a long one.
    """

    num_samples: int
    is_silent: bool
    read: Callable[[], Iterable[np.ndarray]] = field(repr=False)
    samples: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def from_samples(cls, samples: np.ndarray) -> "Recording":
        """Return a recording of samples (n,) float32 at the recognizer's rate, which stay in memory."""
        return cls(len(samples), not samples.any(), lambda: [samples], samples)

    def __len__(self) -> int:
        return self.num_samples

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the samples in blocks of `RECORDING_BLOCK_SAMPLES`, whatever blocks a decoder makes. The last one may be shorter."""
        return equal_blocks(self.read(), RECORDING_BLOCK_SAMPLES)

    def shifted(self, count: int) -> "Recording":
        """Return a recording of the same length whose sample n + `count` is this one's sample n, and zeros elsewhere."""

        def read() -> Iterator[np.ndarray]:
            zeros = np.zeros(min(abs(count), self.num_samples), "float32")
            skipped, remaining = max(-count, 0), self.num_samples - max(count, 0)
            if count > 0:
                yield zeros
            for block in self.blocks():
                part = block[skipped:][: max(remaining, 0)]
                skipped, remaining = max(skipped - len(block), 0), remaining - len(part)
                yield part
            if count < 0:
                yield zeros

        if self.samples is not None:
            return Recording.from_samples(np.concatenate([*read()]))
        return Recording(self.num_samples, self.is_silent, read)


def open_recording(
    source: Any, *, sample_rate: int | None = None, target: int = SAMPLE_RATE, allow_truncated: bool = False,
    max_seconds: float = MAX_SECONDS, keep_seconds: float = float("inf"),
) -> Recording:  # fmt: skip
    """Read and check one recording to its end, and keep its samples only if it is short.

    Args:
        source: As in `load_audio`, as are the following arguments.
        sample_rate: Hz of an array.
        target: Hz of the result.
        allow_truncated: Take what is there of a truncated file, with a warning.
        max_seconds: Longest file that is read.
        keep_seconds: Longest recording whose samples stay in memory. Default: any.

    Raises:
        AudioError: The source is not usable as audio; the message says what to do.
        TypeError: An array has no `sample_rate`.
    """
    name = source_name(source)
    decode: Callable[[AudioStream], Iterator[np.ndarray]]
    if isinstance(source, str | os.PathLike | sources.FileContent) or hasattr(source, "read"):
        decode = partial(EncodedAudio(source, name).decode, allow_truncated=allow_truncated)
    else:
        if sample_rate is None:
            raise TypeError(
                f"{name} has no sample rate: pass sample_rate= in Hz, for instance transcribe(x, sample_rate=16000)"
            )
        samples, max_seconds = np.asarray(source), float("inf")
        check_samples(samples, name)
        decode = partial(convert_array, samples, sample_rate)
    stream, count, is_silent = AudioStream(name, target, max_seconds), 0, True
    kept: list[np.ndarray] = []

    def take(block: np.ndarray) -> None:
        nonlocal count, is_silent
        count, is_silent = count + len(block), is_silent and not block.any()
        if count > keep_seconds * target:
            kept.clear()
        elif len(block):
            kept.append(block)

    for block in decode(stream):
        take(block)
    if stream.seconds < MIN_DURATION_SECONDS:
        raise AudioError(
            f"{name} lasts {stream.seconds:.3f} s: too short for speech (at least {MIN_DURATION_SECONDS} s)"
        )
    take(stream.finish())

    def read() -> Iterator[np.ndarray]:
        again = AudioStream(name, target, max_seconds)
        yield from decode(again)
        yield again.finish()

    if count > keep_seconds * target:
        return Recording(count, is_silent, read)
    whole = kept[0] if len(kept) == 1 else np.concatenate([NO_SAMPLES, *kept])
    return Recording(count, is_silent, lambda: [whole], whole)


def convert_array(samples: np.ndarray, sample_rate: float, stream: AudioStream) -> Iterator[np.ndarray]:
    """Yield the blocks of audio that a stream makes of checked samples."""
    stream.set_rate(sample_rate)
    for start in range(0, len(samples), BLOCK_FRAMES):
        block = scale_to_float32(samples[start : start + BLOCK_FRAMES])
        yield stream.convert(block if block.ndim == 2 else block[:, None])


def source_name(source: Any) -> str:
    """Return a printable name of a source for error messages."""
    return sources.source_name(source, sources.AUDIO)


def audio_files() -> FileKind:
    """Return which files of a folder are read as audio on this machine."""
    if find_decoder():
        return FileKind("audio", CLIP_EXTENSIONS)
    hint = f"not readable here: {INSTALL_HINT}, or convert it elsewhere: ffmpeg -i FILE FILE.wav"
    return FileKind("audio", AUDIO_EXTENSIONS, dict.fromkeys(MEDIA_EXTENSIONS, hint))


def list_audio_files(source: Any) -> list[Any]:
    """Return the inputs in a folder, in a pattern with wildcards, or in a list of these. Other sources stay unchanged.

    Raises:
        AudioError: A folder holds no audio, or a pattern matches nothing.
    """
    if isinstance(source, Sequence) and not isinstance(source, str | sources.FileContent):
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
        frames, rate = count_frames(path, name)
    return frames / rate

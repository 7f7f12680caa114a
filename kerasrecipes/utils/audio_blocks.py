"""Audio that comes in blocks: mixed down, checked and resampled as it comes."""

import contextlib
import numbers
from collections.abc import Iterable, Iterator

import numpy as np
import soundfile
import soxr

from kerasrecipes.errors import AudioError
from kerasrecipes.utils.files import first_line

MAX_SAMPLE_RATE = 10_000_000  # Hz
MAX_SECONDS = 6 * 3600.0
BLOCK_FRAMES = 65536  # that a decoder hands over at once
MAX_FLOAT_AMPLITUDE = 4.0  # larger float samples are unscaled integers
CONVERT_HINT = "it is damaged or not an audio file; convert it to wav, flac, ogg or mp3"
NO_SAMPLES = np.zeros(0, "float32")


@contextlib.contextmanager
def audio_errors(name: str) -> Iterator[None]:
    """Turn every exception into an `AudioError` with the file's name."""
    try:
        yield
    except AudioError:
        raise
    except soundfile.LibsndfileError as error:
        detail = str(error).rsplit(": ", 1)[-1]
        raise AudioError(f"{name} cannot be read as audio ({detail}): {CONVERT_HINT}") from error
    except OSError as error:
        raise AudioError(
            f"{name} cannot be opened ({error.strerror or first_line(error)}): check the path and its permissions"
        ) from error
    except Exception as error:  # damaged headers raise many classes
        raise AudioError(f"{name} cannot be read as audio ({first_line(error)}): {CONVERT_HINT}") from error


class AudioStream:
    """Decoded blocks of one recording on their way to mono audio of one rate.

    Args:
        name: Name of the audio in messages.
        target: Hz of the result, None to count the samples only.
        max_seconds: Longest audio that is read. Seconds, default 6 hours.

    Attributes:
        rate: Hz of the decoded blocks, 0 before `set_rate`.
        count: Samples so far, at this rate.

    Raises:
        AudioError: The rate is invalid or changes, or the audio is longer than `max_seconds`.
    """

    def __init__(self, name: str, target: float | None, max_seconds: float = MAX_SECONDS):
        self.name, self.target, self.max_seconds = name, target, max_seconds
        self.rate: float = 0
        self.count = self._num_bad = 0
        self._resampler: soxr.ResampleStream | None = None

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self.count / self.rate

    def set_rate(self, rate: float) -> None:
        """Set the rate of the blocks, which must be the same for all."""
        if not isinstance(rate, numbers.Real) or not 0 < rate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{self.name}: invalid sample rate {rate!r} Hz: expected a number between 0 and {MAX_SAMPLE_RATE:,}"
            )
        if self.rate and rate != self.rate:
            raise AudioError(
                f"{self.name} joins recordings of {self.rate} and {rate} Hz: convert them to one rate, then join them"
            )
        if not self.rate and self.target not in (None, rate):
            self._resampler = soxr.ResampleStream(rate, self.target, 1, "float32")
        self.rate = rate

    def convert(self, block: np.ndarray) -> np.ndarray:
        """Return the audio (n,) float32 that a decoded block (samples, channels) completes, possibly none.

        After a sample that is NaN or infinite there is no more, and `finish` raises an error.
        """
        self.count += len(block)
        if self.count > self.max_seconds * self.rate:
            raise AudioError(
                f"{self.name} is longer than {self.max_seconds:g} s: cut it into parts, or pass a larger max_seconds (--max-seconds)"
            )
        if self.target is None or not len(block):
            return NO_SAMPLES
        self._num_bad += count_not_finite(block)
        if self._num_bad:
            return NO_SAMPLES
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        return self._resampler.resample_chunk(np.ascontiguousarray(mono)) if self._resampler else mono

    def finish(self) -> np.ndarray:
        """Return the audio (n,) float32 that is still in the resampler.

        Raises:
            AudioError: Samples are NaN or infinite.
        """
        if self._num_bad:
            raise not_finite_error(self._num_bad, self.name)
        return self._resampler.resample_chunk(NO_SAMPLES, last=True) if self._resampler else NO_SAMPLES


def equal_blocks(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the steps of blocks (n, ...) of any length in blocks of `size`; the last one may be shorter."""
    waiting: list[np.ndarray] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        if count >= size:
            joined = np.concatenate(waiting) if len(waiting) > 1 else block
            whole = count - count % size
            for start in range(0, whole, size):
                yield joined[start : start + size]
            waiting, count = [joined[whole:].copy()], count - whole
    if count:
        yield np.concatenate(waiting)


def to_float32(samples: np.ndarray, name: str) -> np.ndarray:
    """Convert an array to float32 between -1 and 1. Integers are scaled by the range of their type.

    Raises:
        AudioError: The array is no audio.
    """
    check_samples(samples, name)
    return scale_to_float32(samples)


def check_samples(samples: np.ndarray, name: str) -> None:
    """Raise an `AudioError` if an array's shape, type or range is not that of audio."""
    if samples.ndim not in (1, 2):
        raise AudioError(f"{name}: audio must be (samples,) or (samples, channels)")
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        raise AudioError(f"{name} has more channels than samples: transpose it to (samples, channels)")
    if samples.dtype.kind == "i" and samples.dtype.itemsize == 8:
        raise AudioError(
            f"{name} of type {samples.dtype}: 64-bit audio has no defined full scale; pass integers of 16 or 32 bits, for "
            'instance numpy.asarray(x, "int16"), or floats between -1 and 1'
        )
    if samples.dtype.kind == "i" or samples.dtype == np.uint8:
        return
    if samples.dtype.kind != "f":
        raise AudioError(f"{name} of type {samples.dtype}: pass float samples between -1 and 1, or signed integers")
    parts = (samples[start : start + BLOCK_FRAMES] for start in range(0, len(samples), BLOCK_FRAMES))
    loudest = max((float(np.max(np.abs(part), initial=0.0, where=np.isfinite(part))) for part in parts), default=0.0)
    if loudest > MAX_FLOAT_AMPLITUDE:
        raise AudioError(
            f"{name} has float samples up to {loudest:g}, outside -1 to 1: were they 16-bit integers? "
            "Pass the integers unchanged, or divide by 32768"
        )


def scale_to_float32(samples: np.ndarray) -> np.ndarray:
    """Convert checked samples to float32 between -1 and 1."""
    if samples.dtype.kind == "u":
        return (samples.astype("float32") - 128) / 128
    if samples.dtype.kind == "i":
        return (samples / -float(np.iinfo(samples.dtype).min)).astype("float32")
    return samples.astype("float32", copy=False)


def count_not_finite(samples: np.ndarray) -> int:
    """Return the number of samples that are NaN or infinite."""
    return int(np.size(samples) - np.isfinite(samples).sum())


def check_finite(samples: np.ndarray, name: str) -> None:
    """Raise an `AudioError` if samples are NaN or infinite."""
    if count := count_not_finite(samples):
        raise not_finite_error(count, name)


def not_finite_error(count: int, name: str) -> AudioError:
    """Return the error for samples that are NaN or infinite."""
    return AudioError(
        f"{name} holds {count} samples that are NaN or infinite: repair it, or apply numpy.nan_to_num first"
    )

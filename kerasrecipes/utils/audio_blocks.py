"""Audio that comes in blocks: mixed down, checked and resampled as it comes, so that memory holds little more than the result."""

import numbers

import numpy as np
import soxr

from kerasrecipes.errors import AudioError

MAX_SAMPLE_RATE = 10_000_000  # Hz
MAX_SECONDS = 6 * 3600.0
BLOCK_FRAMES = 65536  # that a decoder hands over at once


class AudioCollector:
    """Mono audio of one rate, from decoded blocks.

    Args:
        name: Name of the audio in messages.
        target: Hz of the result, None to count the samples without keeping them.
        max_seconds: Longest audio that is read. Seconds, default 6 hours.

    Attributes:
        rate: Hz of the blocks, 0 before `set_rate`.
        count: Samples so far, at this rate.

    Raises:
        AudioError: The rate is invalid or changes, or the audio is longer than `max_seconds`.
    """

    def __init__(self, name: str, target: float | None, max_seconds: float = MAX_SECONDS):
        self.name, self.target, self.max_seconds = name, target, max_seconds
        self.reset()

    def reset(self) -> None:
        """Forget all blocks."""
        self.rate: float = 0
        self.count = self._num_bad = 0
        self._parts: list[np.ndarray] = []
        self._stream: soxr.ResampleStream | None = None

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
            self._stream = soxr.ResampleStream(rate, self.target, 1, "float32")
        self.rate = rate

    def add(self, block: np.ndarray) -> None:
        """Append a block (samples, channels) of float32."""
        self.count += len(block)
        if self.count > self.max_seconds * self.rate:
            raise AudioError(
                f"{self.name} is longer than {self.max_seconds:g} s: cut it into parts, or pass a larger max_seconds (--max-seconds)"
            )
        if self.target is None or not len(block):
            return
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        self._num_bad += count_not_finite(block)
        if self._num_bad:
            return
        self._parts.append(self._stream.resample_chunk(np.ascontiguousarray(mono)) if self._stream else mono)

    def finish(self) -> np.ndarray:
        """Return the (samples,) float32 audio at the target rate.

        Raises:
            AudioError: Samples are NaN or infinite.
        """
        if self._num_bad:
            raise not_finite_error(self._num_bad, self.name)
        if self._stream:
            self._parts.append(self._stream.resample_chunk(np.zeros(0, "float32"), last=True))
        return np.concatenate([np.zeros(0, "float32"), *self._parts])


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

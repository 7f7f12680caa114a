"""Clips decoded and resampled once, as 16-bit samples in one memory-mapped file."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
from rich.console import Console
from rich.progress import track

from kerasrecipes import audio
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils import tar_members
from kerasrecipes.utils.files import atomic_write


def decode_clip(path: str, speeds: tuple[float, ...]) -> list[np.ndarray] | str:
    """Decode a clip at each speed as int16, or return the error message."""
    try:
        wave = audio.load_audio(path)
    except AudioError as error:
        return str(error)
    rate = audio.SAMPLE_RATE
    resampled = [wave if s == 1 else soxr.resample(wave, rate * s, rate) for s in speeds]
    return [(np.clip(w, -1, 1) * 32767).astype("int16") for w in resampled]


def file_signature(path: str) -> tuple[int, int]:
    """Return two numbers that change when a clip changes: its bytes, and its modification time or its offset in a shard."""
    if tar_members.is_member_url(path):
        offset, size = tar_members.member_byte_range(path)
        return size, offset
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def ordered_map(pool: Executor, function: Callable, items: Iterable, ahead: int = 64) -> Iterator:
    """Yield the results of `function` in the items' order, with at most `ahead` of them in memory."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class AudioCache:
    """Clips at one or more playing speeds (1.1 plays ten per cent faster), decoded at the first use.

    The names of the cache files in `folder` are a hash of paths, sizes, times and speeds. Clips that cannot be read raise
    `DataError`, which names the first few.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,), folder: str | Path = "runs/audio_cache"):
        self.speeds = tuple(speeds)
        signatures = [(p, *file_signature(p)) for p in paths]
        key = hashlib.sha256(json.dumps([signatures, self.speeds]).encode()).hexdigest()[:16]
        samples, index = Path(folder) / f"{key}.int16", Path(folder) / f"{key}.npy"
        if not index.exists():
            self._build(list(paths), samples, index)
        self.offsets = np.load(index)
        self.samples = np.memmap(samples, "int16", "r") if self.offsets[-1] else np.zeros(0, "int16")

    def _build(self, paths: list[str], samples: Path, index: Path) -> None:
        offsets, bad = [0], []

        def write_samples(file: BinaryIO) -> None:
            # threads suffice: decoding and resampling are C code that releases Python's lock
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                decoded = ordered_map(pool, partial(decode_clip, speeds=self.speeds), paths)
                progress = track(
                    decoded, "decoding audio", len(paths), console=Console(stderr=True), disable=len(paths) < 50
                )
                for path, waves in zip(paths, progress, strict=True):
                    if isinstance(waves, str):
                        bad.append(f"{path}: {waves}")
                        continue
                    for wave in waves:
                        file.write(wave.tobytes())
                        offsets.append(offsets[-1] + len(wave))
            if bad:
                raise DataError(f"{len(bad)} of {len(paths)} clips cannot be read: {'; '.join(bad[:3])}")

        atomic_write(samples, write_samples)
        # the index comes last: where it exists, the samples are complete
        atomic_write(index, lambda file: np.save(file, np.array(offsets, "int64")))

    def lengths(self) -> np.ndarray:
        """Return the samples of each clip at each speed, (clips, speeds) integers."""
        return np.diff(self.offsets).reshape(-1, len(self.speeds))

    def read(self, clip: int, speed: int) -> np.ndarray:
        """Return one clip at `speeds[speed]`, (samples,) float32."""
        i = clip * len(self.speeds) + speed
        return self.samples[self.offsets[i] : self.offsets[i + 1]].astype("float32") / 32768

    def map(self, function: Callable, items: Iterable) -> list:
        """Return `function` of each item, computed one after the other, because clips are only copied."""
        return [function(item) for item in items]

"""Every clip decoded and resampled once, as 16-bit samples in one memory-mapped file."""

import hashlib
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from rich.console import Console
from rich.progress import track

from kerasrecipes import audio
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils import tar_members


def decode_clip(path: str, speeds: tuple[float, ...]) -> list[np.ndarray] | str:
    """The clip at each speed as int16, or what is wrong with it."""
    try:
        wave = audio.load_audio(path)
    except AudioError as error:
        return str(error)
    rate = audio.SAMPLE_RATE
    played = [wave if s == 1 else soxr.resample(wave, rate * s, rate) for s in speeds]
    return [(np.clip(w, -1, 1) * 32767).astype("int16") for w in played]


def file_signature(path: str) -> tuple[int, int]:
    """What changes when a clip does: its size in bytes, and its time, or its place in a shard."""
    if tar_members.is_member_url(path):
        offset, size = tar_members.member_byte_range(path)
        return size, offset
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def ordered_map(pool: ThreadPoolExecutor, function: Callable, items: Sequence, ahead: int = 64) -> Iterator:
    """Results of `function` on the items, in order, with at most `ahead` of them waiting in memory."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class AudioCache:
    """Clips at one or more playing speeds; built at the first use, whole or not at all.

    Args:
        paths: of the clips. speeds: 1.1 plays ten per cent faster.
        folder: where the cache file lies; its name is a hash of paths, sizes, times and speeds.

    Raises:
        DataError: a clip cannot be read; the first few are named.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,), folder: str | Path = "runs/audio_cache"):
        self.speeds = tuple(speeds)
        stamps = [(p, *file_signature(p)) for p in paths]
        key = hashlib.sha256(json.dumps([stamps, self.speeds]).encode()).hexdigest()[:16]
        samples, index = Path(folder) / f"{key}.int16", Path(folder) / f"{key}.npy"
        if not index.exists():
            self._build(list(paths), samples, index)
        self.offsets = np.load(index)
        self.samples = np.memmap(samples, "int16", "r") if self.offsets[-1] else np.zeros(0, "int16")

    def _build(self, paths: list[str], samples: Path, index: Path) -> None:
        samples.parent.mkdir(parents=True, exist_ok=True)
        offsets, bad = [0], []
        half = f".{socket.gethostname()}.{os.getpid()}.partial"  # several hosts may share the folder
        partial_file = samples.with_suffix(half)
        try:
            # threads: decoding and resampling are C code that lets go of Python's lock
            with open(partial_file, "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
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
            os.replace(partial_file, samples)
            partial_index = index.with_suffix(half)
            with open(partial_index, "wb") as file:
                np.save(file, np.array(offsets, "int64"))
            os.replace(partial_index, index)  # last: where the index is, the samples are whole
        finally:
            partial_file.unlink(missing_ok=True)

    def lengths(self) -> np.ndarray:
        """Samples of each clip at each speed: (clips, speeds) integers."""
        return np.diff(self.offsets).reshape(-1, len(self.speeds))

    def wave(self, clip: int, speed: int) -> np.ndarray:
        """Samples of one clip at `speeds[speed]`, float32."""
        i = clip * len(self.speeds) + speed
        return self.samples[self.offsets[i] : self.offsets[i + 1]].astype("float32") / 32768

    def map(self, function: Callable, items: Iterable) -> list:
        """`function` on the items, one after the other: what is here is only copied."""
        return [function(item) for item in items]

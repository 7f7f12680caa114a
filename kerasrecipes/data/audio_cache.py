"""Clips decoded once, as 16-bit samples in one memory-mapped file. Playing speeds are made while they are read."""

import contextlib
import hashlib
import json
import os
import shutil
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soxr
from rich.console import Console
from rich.progress import track

from kerasrecipes import audio
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils import tar_members
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.locks import waiting_lock
from kerasrecipes.utils.private_folder import open_trusted_file
from kerasrecipes.utils.writable_cache import make_cache_folder

MAGIC = b"kerasrecipes16\r\n"
HEADER = struct.Struct("<16s32sQQ")  # magic, SHA-256 of what it holds, number of offsets (int64), number of samples (int16)
UNUSED_DAYS = 30
NUM_SAMPLE_CLIPS = 100  # from which the size of all is known well enough


def decode_clip(path: str) -> np.ndarray | str:
    """Decode a clip as int16, or return the error message."""
    try:
        wave = audio.load_audio(path)
    except AudioError as error:
        return str(error)
    return (np.clip(wave, -1, 1) * 32767).astype("int16")


def count_samples(samples: Any, speed: float) -> Any:
    """Return the number of samples of clips at a playing speed, for numbers or arrays of samples."""
    return np.floor(np.asarray(samples) / speed + 0.5).astype("int64")


def change_speed(wave: np.ndarray, speed: float) -> np.ndarray:
    """Return a clip (samples,) float32 at a playing speed. Speed 1.1 plays ten per cent faster, and higher."""
    if speed == 1:
        return wave
    rate, num_samples = audio.SAMPLE_RATE, int(count_samples(len(wave), speed))
    changed = soxr.resample(wave, rate * speed, rate)[:num_samples]
    return np.pad(changed, (0, num_samples - len(changed))).astype("float32")


@cache
def decode_pool() -> ThreadPoolExecutor:
    """Return the threads that decode and resample clips in C code, which releases Python's lock."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="clips")


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


def read_clips(path: Path, key: bytes, num_clips: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Open a cache file.

    Args:
        path: File.
        key: SHA-256 of what it must hold.
        num_clips: Number of clips.

    Returns:
        Offsets (waves + 1,) int64 and all samples (samples,) int16, mapped into memory. None for a missing file, for one that is
        not as its header says, for a link, and for a file of another user, who could have planted it.
    """
    try:
        file = open_trusted_file(path)
    except OSError:
        return None
    with file:
        header = file.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        magic, file_key, num_offsets, num_samples = HEADER.unpack(header)
        samples_begin = HEADER.size + 8 * num_offsets
        if (magic, file_key, num_offsets) != (MAGIC, key, num_clips + 1):
            return None
        if os.fstat(file.fileno()).st_size != samples_begin + 2 * num_samples:
            return None
        offsets = np.frombuffer(file.read(8 * num_offsets), "<i8")
        if offsets[0] != 0 or offsets[-1] != num_samples or (np.diff(offsets) < 0).any():
            return None
        with contextlib.suppress(OSError):  # a read-only disk
            os.utime(file.fileno() if os.utime in os.supports_fd else path)
        samples = np.memmap(file, "<i2", "r", samples_begin, (num_samples,)) if num_samples else np.zeros(0, "int16")
    return offsets, samples


def write_clips(path: Path, key: bytes, paths: list[str]) -> None:
    """Decode clips and write them as a cache file, whose header comes last.

    Raises:
        DataError: Clips cannot be read, or the disk has too little space for them.
    """
    offsets, bad = [0], []

    def write(file: BinaryIO) -> None:
        samples_begin = HEADER.size + 8 * (len(paths) + 1)
        file.seek(samples_begin)
        if len(paths) > NUM_SAMPLE_CLIPS:
            check_free_space(path.parent, estimate_bytes(decode_pool().map(decode_clip, spread_sample(paths)), len(paths)))
        decoded = ordered_map(decode_pool(), decode_clip, paths)
        progress = track(decoded, "decoding audio", len(paths), console=Console(stderr=True), disable=len(paths) < 50)
        for clip, wave in zip(paths, progress, strict=True):
            if isinstance(wave, str):
                bad.append(f"{clip}: {wave}")
                continue
            file.write(wave.tobytes())
            offsets.append(offsets[-1] + len(wave))
        if bad:
            raise DataError(f"{len(bad)} of {len(paths)} clips cannot be read: {'; '.join(bad[:3])}")
        file.truncate(samples_begin + 2 * offsets[-1])
        file.seek(0)
        file.write(HEADER.pack(MAGIC, key, len(offsets), offsets[-1]) + np.array(offsets, "<i8").tobytes())

    atomic_write(path, write)


def spread_sample(paths: Sequence[str]) -> list[str]:
    """Return `NUM_SAMPLE_CLIPS` clips from all over a list, whose sets may have clips of different lengths."""
    return [paths[number * len(paths) // NUM_SAMPLE_CLIPS] for number in range(NUM_SAMPLE_CLIPS)]


def estimate_bytes(sample: Iterable[np.ndarray | str], num_clips: int) -> float:
    """Return the bytes of all clips from the decoded clips of a sample. Clips that cannot be read count as empty."""
    sizes = [0 if isinstance(wave, str) else wave.nbytes for wave in sample]
    return sum(sizes) / len(sizes) * num_clips


def check_free_space(folder: Path, needed: float) -> None:
    """Compare the bytes that are still to be written with the free space of a folder's disk.

    Raises:
        DataError: The disk has less.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"The decoded clips take about {needed / 1e9:.1f} GB more, and the disk of {folder} has {free / 1e9:.1f} GB left: make room, "
            "train with fewer clips, or choose another disk (--output, or KERASRECIPES_CACHE for fit)"
        )


def remove_unused(folder: Path) -> None:
    """Remove cache files that were not used for 30 days, and locks and what killed processes left after a day."""
    for pattern, days in (("*.clips", UNUSED_DAYS), (".*.partial", 1), ("*.lock", 1)):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > days * 86400:
                    path.unlink()


class AudioCache:
    """Clips at one or more playing speeds (1.1 plays ten per cent faster), decoded at the first use.

    The name of the cache file in the folder is a hash of paths, sizes and times. A header repeats this hash and
    tells the number of clips and samples. A file that is not as its header says, a link, and a file of another user but
    root is written anew. Clips that cannot be read raise `DataError`, which names the first few.

    Args:
        paths: Audio files, or URLs of clips in shards.
        speeds: Playing speeds. Default (1.0,).
        folder: Folder of the cache file. Default: `audio` in the user's cache folder (`KERASRECIPES_CACHE`), which only this
            user can read and write, and from which files are removed that were not used for 30 days.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,), folder: str | Path | None = None):
        self.speeds = tuple(speeds)
        key = hashlib.sha256(json.dumps([(p, *file_signature(p)) for p in paths]).encode()).digest()
        private_folder = make_cache_folder("audio") if folder is None else None
        path = Path(private_folder or folder or "") / f"{key.hex()[:16]}.clips"
        clips = read_clips(path, key, len(paths))
        if clips is None:
            with waiting_lock(path.with_suffix(".lock")):  # two trainings that start together decode their clips once
                clips = read_clips(path, key, len(paths))
                if clips is None:
                    if private_folder:
                        remove_unused(private_folder)
                    write_clips(path, key, list(paths))
                    clips = read_clips(path, key, len(paths))
        if clips is None:
            raise DataError(f"{path} was changed while it was written: start again, and pass another cache folder if this repeats")
        self.offsets, self.samples = clips

    def lengths(self) -> np.ndarray:
        """Return the samples of each clip at each speed, (clips, speeds) integers."""
        return np.stack([count_samples(np.diff(self.offsets), speed) for speed in self.speeds], axis=1)

    def read(self, clip: int, speed: int) -> np.ndarray:
        """Return one clip at `speeds[speed]`, (samples,) float32."""
        samples = self.samples[self.offsets[clip] : self.offsets[clip + 1]]
        return change_speed(samples.astype("float32") / 32768, self.speeds[speed])

    def map(self, function: Callable, items: Iterable) -> list:
        """Return `function` of each item. Several are computed at once if clips are resampled, and not if they are copied."""
        return [function(item) for item in items] if self.speeds == (1.0,) else list(decode_pool().map(function, items))

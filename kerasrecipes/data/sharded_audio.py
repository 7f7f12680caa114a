"""Audio of clips in shards, decoded at every read."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from kerasrecipes.data.audio_cache import decode_clip
from kerasrecipes.errors import DataError
from kerasrecipes.utils import tar_members

MAX_MISSING_SAMPLES = 1600  # 0.1 s: decoders disagree about a few samples


@cache
def decode_pool() -> ThreadPoolExecutor:
    """Return the threads that decode clips in C code, which releases Python's lock."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="clips")


class ShardedAudioReader:
    """Clips in shards with the interface of `AudioCache`, decoded at every read.

    A host thus decodes only the clips of its share of each batch. The samples equal those of the cache.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,)):
        self.paths, self.speeds = list(paths), tuple(speeds)
        members = map(tar_members.split_member_url, self.paths)
        samples = np.array([tar_members.read_shard_index(shard)[name]["samples"] for name, shard in members])
        self.counts = np.stack([np.floor(samples / s + 0.5).astype("int64") for s in self.speeds], axis=1)

    def lengths(self) -> np.ndarray:
        """Return the samples of each clip at each speed, (clips, speeds) integers."""
        return self.counts

    def read(self, clip: int, speed: int) -> np.ndarray:
        """Return one clip at `speeds[speed]`, (samples,) float32."""
        decoded = decode_clip(self.paths[clip], (self.speeds[speed],))
        if isinstance(decoded, str):
            raise DataError(decoded)
        wave = decoded[0][: self.counts[clip, speed]]
        missing = self.counts[clip, speed] - len(wave)
        if missing > MAX_MISSING_SAMPLES:
            raise DataError(
                f"{self.paths[clip]} has {len(wave)} samples, and {len(wave) + missing} by its index: copy the folder of shards again"
            )
        return np.pad(wave, (0, missing)).astype("float32") / 32768

    def map(self, function: Callable, items: Any) -> list[Any]:
        """Return `function` of each item, several computed at once."""
        return list(decode_pool().map(function, items))

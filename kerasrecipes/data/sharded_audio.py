"""Audio of clips in shards, decoded at every read."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasrecipes.data.audio_cache import change_speed, count_samples, decode_clip, decode_pool
from kerasrecipes.errors import DataError
from kerasrecipes.utils import tar_members

MAX_MISSING_SAMPLES = 1600  # 0.1 s: decoders disagree about a few samples


class ShardedAudioReader:
    """Clips in shards with the interface of `AudioCache`, decoded at every read.

    A host thus decodes only the clips of its share of each batch. The samples equal those of the cache.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,)):
        self.paths, self.speeds = list(paths), tuple(speeds)
        members = map(tar_members.split_member_url, self.paths)
        self.counts = np.array([tar_members.read_shard_index(shard)[name]["samples"] for name, shard in members], "int64")

    def lengths(self) -> np.ndarray:
        """Return the samples of each clip at each speed, (clips, speeds) integers."""
        return np.stack([count_samples(self.counts, speed) for speed in self.speeds], axis=1)

    def read(self, clip: int, speed: int) -> np.ndarray:
        """Return one clip at `speeds[speed]`, (samples,) float32."""
        decoded = decode_clip(self.paths[clip])
        if isinstance(decoded, str):
            raise DataError(decoded)
        missing = int(self.counts[clip]) - len(decoded)
        if missing > MAX_MISSING_SAMPLES:
            raise DataError(
                f"{self.paths[clip]} has {len(decoded)} samples, and {len(decoded) + missing} by its index: copy the folder of shards again"
            )
        wave = np.pad(decoded, (0, max(missing, 0)))[: self.counts[clip]].astype("float32") / 32768
        return change_speed(wave, self.speeds[speed])

    def map(self, function: Callable, items: Any) -> list[Any]:
        """Return `function` of each item, several computed at once."""
        return list(decode_pool().map(function, items))

"""A teacher's posteriors of clips on disk, compressed, with a key for each clip's content."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np

from kerasrecipes.errors import DataError
from kerasrecipes.utils import tar_members


def hash_clip(path: str) -> str:
    """Return a hash of a clip's bytes, which are those of a file or of a member of a shard."""
    content = tar_members.read_member(path) if tar_members.is_member_url(path) else Path(path).read_bytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def hash_clips(paths: Sequence[str]) -> list[str]:
    """Return the hash of every clip's bytes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # reading and hashing release Python's lock
        return list(pool.map(hash_clip, paths))


class PosteriorCache:
    """Log probabilities (frames, symbols) of clips from one teacher, in a file to which clips are appended.

    They are float16 and compressed by zlib. The index gets a line after its clip is written, so that an interrupted computation
    continues with the first missing clip. The two files are `TEACHER.posteriors` and `TEACHER.index`.

    Args:
        folder: Folder of the files, created if it is missing.
        teacher_hash: SHA-256 of the teacher's weights, whose first 16 digits name the files.
    """

    def __init__(self, folder: str | Path, teacher_hash: str):
        self.path = Path(folder) / f"{teacher_hash[:16]}.posteriors"
        self.index_path = self.path.with_suffix(".index")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.read_index()

    def read_index(self) -> None:
        """Read which clips the file holds, also those that another process wrote."""
        self.entries: dict[str, tuple[int, int, int]] = {}  # clip hash -> first byte, bytes, frames
        size = self.path.stat().st_size if self.path.exists() else 0
        for line in self.index_path.read_text("utf-8").splitlines() if self.index_path.exists() else ():
            try:
                key, first_byte, num_bytes, frames = json.loads(line)
            except ValueError:  # the process ended within the line
                continue
            if first_byte + num_bytes <= size:
                self.entries[key] = first_byte, num_bytes, frames

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process appends, and read the index again."""
        with filelock.FileLock(self.path.with_suffix(".lock")):
            self.read_index()
            yield

    def append(self, key: str, log_probs: np.ndarray) -> None:
        """Add a clip's log probabilities (frames, symbols). Call it within `lock`."""
        content = zlib.compress(np.maximum(log_probs, -6e4).astype("<f2").tobytes())
        with open(self.path, "ab") as file:
            first_byte = file.tell()
            file.write(content)
        with open(self.index_path, "a", encoding="utf-8") as file:
            file.write("\n" + json.dumps([key, first_byte, len(content), len(log_probs)]))
        self.entries[key] = first_byte, len(content), len(log_probs)

    def read(self, key: str) -> np.ndarray:
        """Return a clip's posteriors (frames, symbols) float32. Each frame's sum is 1.

        Raises:
            DataError: The file is damaged.
        """
        first_byte, num_bytes, frames = self.entries[key]
        with open(self.path, "rb") as file:
            file.seek(first_byte)
            content = file.read(num_bytes)
        try:
            log_probs = np.frombuffer(zlib.decompress(content), "<f2").reshape(frames, -1)
        except (zlib.error, ValueError) as error:
            raise DataError(
                f"{self.path} is damaged: delete it and {self.index_path.name}; the next run computes them again"
            ) from error
        posteriors = np.exp(log_probs.astype("float32"))
        return posteriors / posteriors.sum(axis=1, keepdims=True)

"""The plan of a run, written once: which files go into which shard, and what makes a later call the same run.

`plan.jsonl` holds one line per shard, `run.json` the run's identity; `run.json` is written last. A run that is started
again reads both, so every file is in one shard and every shard is written once, however the first run ended.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import DataError

RUN, PLAN = "run.json", "plan.jsonl"
MAX_FILES_PER_SHARD, MIN_FILES_PER_SHARD = 256, 8  # fewer only where a few large files fill a shard
MAX_BYTES_PER_SHARD = 32 << 20  # of compressed audio: half an hour to three hours
SHARDS_PER_WORKER = 8  # so that no worker waits long for another one's last shard


@dataclass(frozen=True)
class Plan:
    """The plan of a run."""

    identity: dict[str, Any]  # contents of run.json
    shards: tuple[tuple[str, ...], ...]  # paths of each shard

    @property
    def row_format(self) -> str:
        return self.identity["row_format"]

    def shard_file(self, number: int) -> str:
        """Return the name of a shard's file."""
        return f"part-{number:05}.{self.row_format}"

    def pending_shards(self, names: set[str]) -> list[int]:
        """Return the numbers of the shards whose files are not among the folder's `names`."""
        return [number for number in range(len(self.shards)) if self.shard_file(number) not in names]


def make_shards(files: Sequence[tuple[str, int]], workers: int) -> tuple[tuple[str, ...], ...]:
    """Group neighboring files into shards, small enough in files and bytes to keep all workers busy."""
    max_files = min(MAX_FILES_PER_SHARD, max(MIN_FILES_PER_SHARD, -(-len(files) // (SHARDS_PER_WORKER * workers))))
    shards: list[tuple[str, ...]] = []
    shard: list[str] = []
    num_bytes = 0
    for path, size in files:
        if shard and (len(shard) == max_files or num_bytes + size > MAX_BYTES_PER_SHARD):
            shards.append(tuple(shard))
            shard, num_bytes = [], 0
        shard.append(path)
        num_bytes += size
    return (*shards, tuple(shard)) if shard else tuple(shards)


def hash_paths(paths: Sequence[str]) -> str:
    """Hash a list of paths, whatever its order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def load_or_create_plan(folder: Any, identity: dict[str, Any], files: Sequence[tuple[str, int]], workers: int) -> Plan:
    """Load the plan of the same run (`identity` and `files`) from an output folder, or write a new plan there.

    Raises:
        DataError: The folder holds another run, or shards without a plan.
    """
    identity = identity | {"files": len(files), "paths": hash_paths([path for path, _ in files])}
    names = folder.names()
    parts = sorted(name for name in names if name.startswith("part-"))
    if RUN in names:
        plan = load_plan(folder)
        keys = sorted(k for k in {**identity, **plan.identity} if identity.get(k) != plan.identity.get(k))
        if not keys:
            return plan
        if parts:  # a plan without results may be replaced
            differences = "; ".join(
                f"{k}: {abbreviate(plan.identity.get(k))} there, {abbreviate(identity.get(k))} now" for k in keys
            )
            raise DataError(f"{folder.location} holds results of another run ({differences}): pass another --output")
    elif parts:
        raise DataError(f"{folder.location} holds {parts[0]} but no {RUN}: pass an empty folder as --output")
    plan = Plan(identity, make_shards(files, workers))
    folder.write(PLAN, "".join(json.dumps(shard) + "\n" for shard in plan.shards).encode())
    folder.write(RUN, (json.dumps(identity, indent=1) + "\n").encode())
    return plan


def load_plan(folder: Any) -> Plan:
    """Load the plan of an output folder.

    Raises:
        DataError: The folder holds no run.
    """
    if RUN not in folder.names():
        raise DataError(f"{folder.location} holds no results: there is no {RUN}")
    lines = folder.read(PLAN).decode().splitlines()
    return Plan(json.loads(folder.read(RUN)), tuple(tuple(json.loads(line)) for line in lines))


def abbreviate(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."

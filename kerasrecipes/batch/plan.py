"""What a run is about to do, written down once: which recipe reads which files, and which of them go into which shard.

`plan.jsonl` holds one line per shard, `run.json` what makes a run the same run; the latter is written last. A run that is
started again reads both, so that every file is in one shard and every shard is written once, whatever stopped the first.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kerasrecipes.errors import DataError

RUN, PLAN = "run.json", "plan.jsonl"
MAX_FILES_PER_SHARD, MIN_FILES_PER_SHARD = 256, 8  # in a shard; less only where a few large ones fill it
MAX_BYTES_PER_SHARD = 32 << 20  # of compressed audio: half an hour to three hours
SHARDS_PER_WORKER = 8  # so that none waits long for another one's last shard


@dataclass(frozen=True)
class Plan:
    """Of a run.

    Args:
        identity: what `run.json` holds. shards: paths, shard by shard.
    """

    identity: dict[str, Any]
    shards: tuple[tuple[str, ...], ...]

    @property
    def suffix(self) -> str:
        return self.identity["shards"]

    def name(self, number: int) -> str:
        """Of a shard's file."""
        return f"part-{number:05}.{self.suffix}"

    def left(self, names: set[str]) -> list[int]:
        """Shards that are not among the folder's `names`."""
        return [k for k in range(len(self.shards)) if self.name(k) not in names]


def make_shards(files: Sequence[tuple[str, int]], workers: int) -> tuple[tuple[str, ...], ...]:
    """Neighbours in the list into shards: few enough files that all workers stay at work, and few enough bytes."""
    most = min(MAX_FILES_PER_SHARD, max(MIN_FILES_PER_SHARD, -(-len(files) // (SHARDS_PER_WORKER * workers))))
    shards: list[tuple[str, ...]] = []
    shard: list[str] = []
    held = 0
    for path, size in files:
        if shard and (len(shard) == most or held + size > MAX_BYTES_PER_SHARD):
            shards.append(tuple(shard))
            shard, held = [], 0
        shard.append(path)
        held += size
    return (*shards, tuple(shard)) if shard else tuple(shards)


def hash_paths(paths: Sequence[str]) -> str:
    """Of a list of files, in any order."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def load_or_create_plan(place: Any, identity: dict[str, Any], files: Sequence[tuple[str, int]], workers: int) -> Plan:
    """The plan that lies in the folder `place`, or a new one.

    Args:
        place: `output.folder`. identity: recipe, weights, verb, options, shards. files: (path, bytes).

    Raises:
        DataError: the folder holds another run, or results of no run.
    """
    identity = identity | {"files": len(files), "list": hash_paths([path for path, _ in files])}
    names = place.names()
    parts = sorted(n for n in names if n.startswith("part-"))
    if RUN in names:
        plan = load_plan(place)
        differing = [k for k in {**identity, **plan.identity} if identity.get(k) != plan.identity.get(k)]
        if not differing:
            return plan
        if parts:  # else nothing came of it: it may be replaced
            told = "; ".join(
                f"{k}: {abbreviate(plan.identity.get(k))} there, {abbreviate(identity.get(k))} now"
                for k in sorted(differing)
            )
            raise DataError(f"{place.place} holds results of another run ({told}): pass another --out")
    elif parts:
        raise DataError(f"{place.place} holds {parts[0]} but no {RUN}: pass an empty folder as --out")
    plan = Plan(identity, make_shards(files, workers))
    place.write(PLAN, "".join(json.dumps(shard) + "\n" for shard in plan.shards).encode())
    place.write(RUN, (json.dumps(identity, indent=1) + "\n").encode())
    return plan


def load_plan(place: Any) -> Plan:
    """The plan in a folder.

    Raises:
        DataError: there is none.
    """
    if RUN not in place.names():
        raise DataError(f"{place.place} holds no results: there is no {RUN}")
    lines = place.read(PLAN).decode().splitlines()
    return Plan(json.loads(place.read(RUN)), tuple(tuple(json.loads(line)) for line in lines))


def abbreviate(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."

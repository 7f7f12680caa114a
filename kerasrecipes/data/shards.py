"""A set written once as a few large files: WebDataset's tar shards with the clips' bytes as they are, and an index beside each.

`shard-00000.tar` holds, for each clip, KEY.flac (or .ogg, ...: the file itself) and KEY.json (id, text, speaker, source,
phones), as the webdataset library, Hugging Face datasets and `tar x` read them. `shard-00000.jsonl.gz` says where each
clip begins, how long it is and what is said, so that batches are laid out without opening a shard, and read clip by clip.
`shards.json` comes last: where it is, the set is whole.
"""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kerasrecipes import audio
from kerasrecipes.data.audio_cache import decode_clip, file_signature, ordered_map
from kerasrecipes.data.phone_alignments import AlignedUtterance
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils import output_folder, tar_members

INDEX_FILE, PLAN_FILE = "shards.json", "plan.json"
MEGABYTES = 200.0
TAR_BLOCK = 512  # bytes of a tar file's header


def write_shards(
    utterances: Utterances, out: str | Path, *, megabytes: float = MEGABYTES, source: str = "",
    progress: Callable[[int, int], Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write a set as shards into a folder, here or on a file system that fsspec knows; the same call goes on after an interruption.

    Clips are drawn into shards by the hashes of their names, so that each shard is a fair sample. Every clip is decoded once:
    damaged ones are found now, not in the middle of a training.

    Args:
        utterances: the clips. megabytes: of audio in a shard, about. source: words that name the set, for the record.
        progress: called with shards done and in all.

    Returns:
        What `shards.json` says: clips, hours, shards with sizes and sha256.

    Raises:
        DataError: a clip cannot be read, two have one id, the folder holds shards of another set, or it cannot be written.
    """
    if not utterances:
        raise DataError("There is no clip to write")
    store = output_folder.open_output_folder(out)
    store.make()
    named = unique_keys(utterances)
    groups = assign_to_shards(utterances, megabytes * 1e6)
    plan = json.dumps({"version": 1, "shards": len(groups), "set": dataset_hash(utterances, megabytes)}).encode()
    with store.held():
        there = store.names()
        if PLAN_FILE in there and store.read(PLAN_FILE) != plan:
            raise DataError(
                f"{out} holds shards of another set, or of this one with other files, texts or sizes: empty it, or pass another --out"
            )
        if PLAN_FILE not in there and any(name.endswith(".tar") for name in there):
            raise DataError(f"{out} holds tar files of something else: pass another --out")
        if INDEX_FILE in there:
            return json.loads(store.read(INDEX_FILE))
        store.write(PLAN_FILE, plan)
        for number, group in enumerate(groups):
            name = f"shard-{number:05}"
            if not {f"{name}.tar", f"{name}{tar_members.INDEX}"} <= there:
                packed, rows = pack_shard([utterances[i] for i in group], [named[i] for i in group])
                table = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                store.write(f"{name}{tar_members.INDEX}", gzip.compress(table.encode(), mtime=0))
                store.write(f"{name}.tar", packed)
            if progress:
                progress(number + 1, len(groups))
        return write_index(store, source)


def write_index(store: Any, source: str) -> dict[str, Any]:
    """Write `shards.json` over what is there."""
    names = sorted(name for name in store.names() if re.fullmatch(r"shard-\d+\.tar", name))
    shards, clips, samples = [], 0, 0
    for name in names:
        packed = store.read(name)
        rows = gzip.decompress(store.read(name.removesuffix(".tar") + tar_members.INDEX)).decode().splitlines()
        clips, samples = clips + len(rows), samples + sum(json.loads(row)["samples"] for row in rows)
        shards.append(
            {"file": name, "bytes": len(packed), "clips": len(rows), "sha256": hashlib.sha256(packed).hexdigest()}
        )
    record = {
        "format": "webdataset", "source": source, "clips": clips, "hours": round(samples / audio.SAMPLE_RATE / 3600, 3),
        "shards": shards,
    }  # fmt: skip
    store.write(INDEX_FILE, (json.dumps(record, indent=1) + "\n").encode())
    return record


def unique_keys(utterances: Utterances) -> list[str]:
    """A name for each clip in a tar file: without dots, where WebDataset's keys end, and each once.

    Raises:
        DataError: two clips have one id and one file name.
    """
    if len({u.id for u in utterances}) < len(utterances):
        seen: set[str] = set()
        twice = next(u.id for u in utterances if u.id in seen or seen.add(u.id))  # type: ignore[func-returns-value]
        raise DataError(f"Two clips are called {twice}: shards want names that occur once")
    found: dict[str, int] = {}
    for u in utterances:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", tar_members.member_name(u.path).stem)[:60]
        key = stem if stem not in found else f"{stem}_{hashlib.sha1(u.id.encode()).hexdigest()[:10]}"
        found[key] = len(found)
    return list(found)


def assign_to_shards(utterances: Utterances, size: float) -> list[list[int]]:
    """Numbers of the clips of each shard."""
    order = sorted(range(len(utterances)), key=lambda i: hashlib.sha1(utterances[i].id.encode()).digest())
    groups: list[list[int]] = [[]]
    filled = 0
    for i in order:
        bytes_ = file_signature(utterances[i].path)[0]
        if groups[-1] and filled + bytes_ > size:
            groups.append([])
            filled = 0
        groups[-1].append(i)
        filled += bytes_
    return groups


def dataset_hash(utterances: Utterances, megabytes: float) -> str:
    """Of clips, texts and sizes."""
    made = hashlib.sha256(str(megabytes).encode())
    for u in utterances:
        made.update(json.dumps([u.id, *file_signature(u.path), u.text, u.speaker]).encode())
    return made.hexdigest()


def pack_shard(utterances: Sequence[Utterance], names: Sequence[str]) -> tuple[bytes, list[dict[str, Any]]]:
    """A tar file and the rows of its index.

    Raises:
        DataError: clips cannot be read; the first few are named.
    """
    packed, rows, bad = io.BytesIO(), [], []
    with (
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for u, key, found in zip(
            utterances, names, ordered_map(pool, read_and_check, [u.path for u in utterances]), strict=True
        ):
            if isinstance(found, str):
                bad.append(found)
                continue
            content, about = found
            told: dict[str, Any] = {"id": u.id, "text": u.text, "speaker": u.speaker, "source": u.source}
            if isinstance(u, AlignedUtterance):
                told |= {"phones": u.phones, "phone_seconds": u.seconds}
            name = key + tar_members.member_name(u.path).suffix.lower()
            rows.append({"name": name, "offset": tar.offset + TAR_BLOCK, "size": len(content), **about, **told})
            for member, data in ((name, content), (f"{key}.json", json.dumps(told, ensure_ascii=False).encode())):
                head = tarfile.TarInfo(member)
                head.size = len(data)
                tar.addfile(head, io.BytesIO(data))
    if bad:
        raise DataError(
            f"{len(bad)} of {len(utterances)} clips of a shard cannot be read: {'; '.join(bad[:3])}. Leave them out (?exclude=LIST)"
        )
    return packed.getvalue(), rows


def read_and_check(path: str) -> tuple[bytes, dict[str, Any]] | str:
    """A clip's bytes and what is known of it, or what is wrong with it."""
    try:
        content = tar_members.read_member(path) if tar_members.is_member_url(path) else Path(path).read_bytes()
        samples = len(audio.load_audio(content))
        info = soundfile.info(io.BytesIO(content))
    except (AudioError, OSError) as error:
        return f"{path}: {error}"
    return content, {"samples": samples, "rate": info.samplerate, "codec": info.subtype}


def load_shards(place: str | Path) -> Utterances:
    """The set that `write_shards` wrote: clips with addresses inside the shards, which audio readers here know.

    Args:
        place: the folder, here or on a file system that fsspec knows.

    Raises:
        DataError: it holds no whole set.
    """
    root = str(place).rstrip("/")
    store = output_folder.open_output_folder(root)
    there = store.names()
    if INDEX_FILE not in there:
        half = (
            "only a part of a set: run `kerasrecipes data shard` again, which goes on with it"
            if PLAN_FILE in there
            else "no shards"
        )
        raise DataError(f"{root} holds {half}")
    record = json.loads(store.read(INDEX_FILE))
    found: list[Utterance] = []
    for entry in record["shards"]:
        path = f"{root}/{entry['file']}"
        if entry["file"] not in there or ("://" not in path and os.path.getsize(path) != entry["bytes"]):
            raise DataError(f"{path} is missing or not whole: copy it again")
        try:
            rows = tar_members.read_shard_index(path)
        except AudioError as error:
            raise DataError(str(error)) from error
        for row in rows.values():
            values = (row["id"], tar_members.member_url(row["name"], path), row["text"], row["speaker"])
            if "phones" in row:
                phones = tuple((p, float(t)) for p, t in row["phones"])
                found.append(AlignedUtterance(*values, row["phone_seconds"], row["source"], phones))
            else:
                found.append(Utterance(*values, row["samples"] / audio.SAMPLE_RATE, row["source"]))
    return Utterances(found)


@cache
def decode_pool() -> ThreadPoolExecutor:
    """Threads that decode: C code that lets go of Python's lock."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="clips")


class ShardedAudioReader:
    """Clips in shards with the interface of `AudioCache`: nothing is decoded before it is asked for, and nothing is kept.

    So a host reads the clips of its share of each batch, and no others. The samples are those that the cache would give.

    Args:
        paths: addresses of the clips. speeds: 1.1 plays ten per cent faster.
    """

    def __init__(self, paths: Sequence[str], speeds: Sequence[float] = (1.0,)):
        self.paths, self.speeds = list(paths), tuple(speeds)
        samples = np.array(
            [
                tar_members.read_shard_index(shard)[name]["samples"]
                for name, shard in map(tar_members.split_member_url, self.paths)
            ]
        )
        self.counts = np.stack([np.floor(samples / s + 0.5).astype("int64") for s in self.speeds], axis=1)

    def lengths(self) -> np.ndarray:
        """Samples of each clip at each speed: (clips, speeds) integers."""
        return self.counts

    def wave(self, clip: int, speed: int) -> np.ndarray:
        """Samples of one clip at `speeds[speed]`, float32.

        Raises:
            DataError: it cannot be read.
        """
        found = decode_clip(self.paths[clip], (self.speeds[speed],))
        if isinstance(found, str):
            raise DataError(found)
        wave = found[0][: self.counts[clip, speed]]
        return np.pad(wave, (0, self.counts[clip, speed] - len(wave))).astype("float32") / 32768

    def map(self, function: Callable, items: Any) -> list[Any]:
        """`function` on the items, several at once."""
        return list(decode_pool().map(function, items))

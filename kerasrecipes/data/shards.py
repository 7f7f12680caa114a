"""Data sets as a few large files: WebDataset tar shards with the encoded clips, and an index beside each.

`shard-00000.tar` holds KEY.flac (or .ogg and so on: the clip's own file) and KEY.json (id, text, speaker, source, phones) for
each clip, as the webdataset library, Hugging Face datasets and `tar x` read them. `shard-00000.jsonl.gz` holds the offset,
length and transcript of each clip, so batches can be planned without opening a shard and clips read one by one.
`shards.json` is written last, when the set is complete.
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
from pathlib import Path
from typing import Any

import soundfile

from kerasrecipes import audio
from kerasrecipes.data.audio_cache import file_signature, ordered_map
from kerasrecipes.data.phone_alignments import AlignedUtterance
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.errors import AudioError, DataError, reader
from kerasrecipes.utils import output_folder, tar_members
from kerasrecipes.utils.filesystem import is_url

INDEX_FILE, PLAN_FILE = "shards.json", "plan.json"
MEGABYTES = 200.0
TAR_BLOCK = 512  # bytes of a tar file's header


def write_shards(
    utterances: Utterances, out: str | Path, *, megabytes: float = MEGABYTES, source: str = "",
    progress: Callable[[int, int], Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write a set as shards. After an interruption the same call continues.

    Clips are assigned to shards by the hashes of their ids, so that each shard is a fair sample of the set. Every clip is
    decoded once, so damaged clips are reported now and not during training.

    Args:
        utterances: Clips.
        out: Folder, on this machine or on a file system that fsspec knows.
        megabytes: Approximate size of a shard's audio. Default 200.
        source: Name of the set in `shards.json`. Default: none.
        progress: Called as `progress(shards done, shards in all)`.

    Returns:
        The contents of `shards.json`: clips, hours, and shards with sizes and sha256.

    Raises:
        DataError: A clip cannot be read, two clips have one id, the folder holds another set, or it cannot be written.
    """
    if not utterances:
        raise DataError("There is no clip to write")
    store = output_folder.open_output_folder(out)
    store.create()
    keys = unique_keys(utterances)
    groups = assign_to_shards(utterances, megabytes * 1e6)
    plan = json.dumps({"version": 1, "shards": len(groups), "set": dataset_hash(utterances, megabytes)}).encode()
    with store.locked():
        files = store.names()
        if PLAN_FILE in files and store.read(PLAN_FILE) != plan:
            raise DataError(
                f"{out} holds shards of another set, or of this one with other files, texts or sizes: empty it, or pass another folder"
            )
        if PLAN_FILE not in files and any(name.endswith(".tar") for name in files):
            raise DataError(f"{out} holds tar files of something else: pass another folder")
        if INDEX_FILE in files:
            return json.loads(store.read(INDEX_FILE))
        store.write(PLAN_FILE, plan)
        for number, group in enumerate(groups):
            name = f"shard-{number:05}"
            if not {f"{name}.tar", f"{name}{tar_members.INDEX}"} <= files:
                content, rows = pack_shard([utterances[i] for i in group], [keys[i] for i in group])
                table = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                store.write(f"{name}{tar_members.INDEX}", gzip.compress(table.encode(), mtime=0))
                store.write(f"{name}.tar", content)
            if progress:
                progress(number + 1, len(groups))
        return write_index(store, source)


def write_index(store: Any, source: str) -> dict[str, Any]:
    """Write `shards.json` for the shards in a folder."""
    names = sorted(name for name in store.names() if re.fullmatch(r"shard-\d+\.tar", name))
    shards, clips, samples = [], 0, 0
    for name in names:
        content = store.read(name)
        rows = gzip.decompress(store.read(name.removesuffix(".tar") + tar_members.INDEX)).decode().splitlines()
        clips, samples = clips + len(rows), samples + sum(json.loads(row)["samples"] for row in rows)
        shards.append(
            {"file": name, "bytes": len(content), "clips": len(rows), "sha256": hashlib.sha256(content).hexdigest()}
        )
    record = {
        "format": "webdataset", "source": source, "clips": clips, "hours": round(samples / audio.SAMPLE_RATE / 3600, 3),
        "shards": shards,
    }  # fmt: skip
    store.write(INDEX_FILE, (json.dumps(record, indent=1) + "\n").encode())
    return record


def unique_keys(utterances: Utterances) -> list[str]:
    """Return a unique name in the tar file for each clip, without dots, where WebDataset's keys end."""
    ids: set[str] = set()
    keys: dict[str, None] = {}
    for u in utterances:
        if u.id in ids:
            raise DataError(f"Two clips have the id {u.id}: shards need unique ids")
        ids.add(u.id)
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", tar_members.member_name(u.path).stem)[:60]
        keys[stem if stem not in keys else f"{stem}_{hashlib.sha1(u.id.encode()).hexdigest()[:10]}"] = None
    return list(keys)


def assign_to_shards(utterances: Utterances, max_bytes: float) -> list[list[int]]:
    """Return the clip indices of each shard."""
    order = sorted(range(len(utterances)), key=lambda i: hashlib.sha1(utterances[i].id.encode()).digest())
    groups: list[list[int]] = [[]]
    total = 0
    for i in order:
        size = file_signature(utterances[i].path)[0]
        if groups[-1] and total + size > max_bytes:
            groups.append([])
            total = 0
        groups[-1].append(i)
        total += size
    return groups


def dataset_hash(utterances: Utterances, megabytes: float) -> str:
    """Return a hash of clips, transcripts and sizes."""
    digest = hashlib.sha256(str(megabytes).encode())
    for u in utterances:
        digest.update(json.dumps([u.id, *file_signature(u.path), u.text, u.speaker]).encode())
    return digest.hexdigest()


def pack_shard(utterances: Sequence[Utterance], keys: Sequence[str]) -> tuple[bytes, list[dict[str, Any]]]:
    """Return a tar file and the rows of its index."""
    archive, rows, bad = io.BytesIO(), [], []
    paths = [u.path for u in utterances]
    with (
        tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for u, key, result in zip(utterances, keys, ordered_map(pool, read_and_check, paths), strict=True):
            if isinstance(result, str):
                bad.append(result)
                continue
            content, properties = result
            metadata: dict[str, Any] = {"id": u.id, "text": u.text, "speaker": u.speaker, "source": u.source}
            if u.labeler:
                metadata["labeler"] = u.labeler
            if isinstance(u, AlignedUtterance):
                metadata |= {"phones": u.phones, "phone_seconds": u.seconds}
            name = key + tar_members.member_name(u.path).suffix.lower()
            rows.append(
                {"name": name, "offset": tar.offset + TAR_BLOCK, "size": len(content), **properties, **metadata}
            )
            for member, data in ((name, content), (f"{key}.json", json.dumps(metadata, ensure_ascii=False).encode())):
                header = tarfile.TarInfo(member)
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    if bad:
        raise DataError(
            f"{len(bad)} of {len(utterances)} clips of a shard cannot be read: {'; '.join(bad[:3])}. Leave them out (?exclude=LIST)"
        )
    return archive.getvalue(), rows


def read_and_check(path: str) -> tuple[bytes, dict[str, Any]] | str:
    """Return a clip's bytes with its samples, rate and codec, or an error message."""
    try:
        content = tar_members.read_member(path) if tar_members.is_member_url(path) else Path(path).read_bytes()
        samples = len(audio.load_audio(content))
        info = soundfile.info(io.BytesIO(content))
    except (AudioError, OSError) as error:
        return f"{path}: {error}"
    return content, {"samples": samples, "rate": info.samplerate, "codec": info.subtype}


@reader(DataError)
def load_shards(folder: str | Path) -> Utterances:
    """Load a set that `write_shards` wrote. The clips' paths are addresses inside the shards, which audio readers accept.

    Args:
        folder: Folder, on this machine or on a file system that fsspec knows.

    Raises:
        DataError: The folder holds no complete set.
    """
    root = str(folder).rstrip("/")
    store = output_folder.open_output_folder(root)
    files = store.names()
    if INDEX_FILE not in files:
        partial = "only a part of a set: run `kerasrecipes data shard` again to complete it"
        raise DataError(f"{root} holds {partial if PLAN_FILE in files else 'no shards'}")
    utterances: list[Utterance] = []
    for entry in json.loads(store.read(INDEX_FILE))["shards"]:
        path = f"{root}/{entry['file']}"
        if entry["file"] not in files or (not is_url(path) and os.path.getsize(path) != entry["bytes"]):
            raise DataError(f"{path} is missing or incomplete: copy it again")
        try:
            rows = tar_members.read_shard_index(path)
        except AudioError as error:
            raise DataError(str(error)) from error
        for row in rows.values():
            values = (row["id"], tar_members.member_url(row["name"], path), row["text"], row["speaker"])
            if "phones" in row:
                phones = tuple((p, float(t)) for p, t in row["phones"])
                utterances.append(AlignedUtterance(*values, row["phone_seconds"], row["source"], phones))
            else:
                seconds = row["samples"] / audio.SAMPLE_RATE
                utterances.append(Utterance(*values, seconds, row["source"], labeler=row.get("labeler", "")))
    return Utterances(utterances)

"""Shards: clips are stored and read exactly, and incomplete sets are detected."""

import json
import tarfile

import numpy as np
import pytest
import soundfile

from kerasrecipes import audio, data
from kerasrecipes.data import shards
from kerasrecipes.data.phone_alignments import AlignedUtterance
from kerasrecipes.data.sharded_audio import ShardedAudioReader
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import AudioError, DataError
from kerasrecipes.utils import tar_members


@pytest.fixture
def clips(tmp_path):
    """Nine clips in three formats and two rates."""
    rng, rows = np.random.default_rng(0), ["path\ttranscript\tspeaker"]
    for i in range(9):
        suffix, rate = ("flac", "ogg", "wav")[i % 3], (16000, 22050)[i % 2]
        soundfile.write(tmp_path / f"clip.{i}.{suffix}", 0.1 * rng.normal(size=rate + 1000 * i), rate)
        rows.append(f"clip.{i}.{suffix}\tthat's {'abc'[i % 3]}\ts{i % 2}")
    (tmp_path / "clips.tsv").write_text("\n".join(rows) + "\n")
    return data.from_table(tmp_path / "clips.tsv")


def written(clips, out, **options):
    made = data.write_shards(clips, out, **{"megabytes": 0.1} | options)
    return made, data.load_shards(out)


def test_every_clip_is_stored_unchanged(clips, tmp_path):
    made, found = written(clips, tmp_path / "shards")
    assert made["clips"] == len(found) == 9 and len(made["shards"]) > 2
    before = {u.id: u for u in clips}
    for u in found:
        old = before[u.id]
        assert (u.text, u.speaker, u.source) == (old.text, old.speaker, old.source)
        assert tar_members.read_member(u.path) == open(old.path, "rb").read()
        np.testing.assert_array_equal(audio.load_audio(u.path), audio.load_audio(old.path))
        assert round(u.seconds * 16000) == len(audio.load_audio(old.path))
        assert audio.audio_duration(u.path) == audio.audio_duration(old.path)
        assert tar_members.member_name(u.path).suffix == tar_members.member_name(old.path).suffix
    assert found.hours == pytest.approx(made["hours"], abs=1e-3)


def test_shards_have_the_webdataset_layout(clips, tmp_path):
    """Members of a sample follow each other and share the name before the first dot."""
    made, _ = written(clips, tmp_path / "shards")
    seen = set()
    for entry in made["shards"]:
        with tarfile.open(tmp_path / "shards" / entry["file"]) as tar:
            names = tar.getnames()
            for sound, about in zip(names[::2], names[1::2], strict=True):
                assert sound.split(".")[0] == about.split(".")[0] and about.endswith(".json")
                seen.add(json.load(tar.extractfile(about))["id"])
    assert seen == {u.id for u in clips}


@pytest.mark.parametrize("speeds", [(1.0,), (0.9, 1.1)])
def test_batches_equal_those_of_the_original_files(clips, tmp_path, speeds):
    """Decoding at every read gives the same samples as the cache, in the same order."""
    _, found = written(clips, tmp_path / "shards")
    place = {u.id: u for u in found}
    ordered = data.Utterances(place[u.id] for u in clips)
    kept, read = (
        data.SpeechDataset(
            s, Alphabet(), lambda n: n // 160, batch_seconds=5, speed_perturbation=speeds, augment=data.AudioAugmentation(noise_prob=0.5),
            cache_dir=tmp_path / "cache",
        )
        for s in (clips, ordered)
    )  # fmt: skip
    assert isinstance(read.cache, ShardedAudioReader) and not isinstance(kept.cache, ShardedAudioReader)
    assert len(kept) == len(read) > 2
    for (x, y), (v, w) in zip(kept, read, strict=True):
        np.testing.assert_array_equal(x["audio"], v["audio"])
        np.testing.assert_array_equal(x["length"], v["length"])
        np.testing.assert_array_equal(y, w)
    widest = max(range(len(read)), key=lambda i: len(read.batches[i]))
    x, y = read[widest]
    part, labels = read.partial_batch(widest, range(1, 2))  # what one of several hosts reads
    np.testing.assert_array_equal(part["audio"], x["audio"][1:2])
    np.testing.assert_array_equal(labels, y[1:2])


def test_shards_work_as_a_specification(clips, tmp_path):
    written(clips, tmp_path / "shards")
    assert len(data.load_datasets([f"shards:{tmp_path}/shards", f"manifest:{tmp_path}/clips.tsv"])) == 18
    assert {u.speaker for u in data.load_datasets([f"shards:{tmp_path}/shards"], ["s1"])} == {"s1"}
    (tmp_path / "out.txt").write_text("clip_3\n")
    assert len(data.load_datasets([f"shards:{tmp_path}/shards?exclude={tmp_path}/out.txt"])) == 8
    with pytest.raises(DataError, match="holds no shards"):
        data.load_datasets([f"shards:{tmp_path}"])


def test_interrupted_writing_continues_and_is_incomplete_until_then(clips, tmp_path, monkeypatch):
    whole, _ = written(clips, tmp_path / "whole")
    real, left = shards.pack_shard, [2]

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(shards, "pack_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        written(clips, tmp_path / "part")
    with pytest.raises(DataError, match="only a part of a set: run `kerasrecipes data shard` again"):
        data.load_shards(tmp_path / "part")
    left[0] = len(whole["shards"]) - 2  # complete shards are not written again
    again, _ = written(clips, tmp_path / "part")
    assert again == whole
    left[0] = 0
    assert written(clips, tmp_path / "part")[0] == whole
    with pytest.raises(DataError, match="holds shards of another set"):
        written(clips[:5], tmp_path / "part")


def test_damaged_files_are_named(clips, tmp_path):
    made, found = written(clips, tmp_path / "shards")
    shard = tmp_path / "shards" / made["shards"][0]["file"]
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"{shard.name} is missing or incomplete"):
        data.load_shards(tmp_path / "shards")
    last = [u for u in found if shard.name in u.path][-1]
    with pytest.raises(AudioError, match="cut off"):
        audio.load_audio(last.path)
    with pytest.raises(AudioError, match="holds no nothing.flac"):
        audio.load_audio(tar_members.member_url("nothing.flac", str(shard)))
    bad = tmp_path / "bad.flac"
    bad.write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"bad.flac.*cannot be read.*exclude"):
        written(data.from_lists([bad], ["a"]), tmp_path / "other")
    twice = data.Utterances([clips[0], clips[0]])
    with pytest.raises(DataError, match="Two clips have the id clip.0.flac"):
        written(twice, tmp_path / "other")


def test_shards_keep_aligned_phonemes(clips, tmp_path):
    u = clips[0]
    aligned = AlignedUtterance(u.id, u.path, "AH", "s", 1.0, "set", (("SIL", 0.0), ("AH", 0.25)))
    _, found = written(data.Utterances([aligned]), tmp_path / "shards")
    assert found[0].phones == aligned.phones and found[0].seconds == 1.0 and found[0].boundaries == aligned.boundaries


def test_other_file_systems(clips, tmp_path):
    """fsspec's file system in memory."""
    pytest.importorskip("fsspec")
    place = f"memory://{tmp_path.name}/shards"
    made, found = written(clips, place)
    assert made["clips"] == 9
    by_id = {u.id: u for u in clips}
    for u in found:
        np.testing.assert_array_equal(audio.load_audio(u.path), audio.load_audio(by_id[u.id].path))


def test_hosts_read_disjoint_shards(clips, tmp_path):
    pytest.importorskip("tensorflow")
    _, found = written(clips, tmp_path / "shards")
    texts, lengths = [], []
    for host in range(2):
        for x, y in data.to_tf_dataset(found, Alphabet(), batch_size=1, host=host, hosts=2, shuffle=4):
            texts.append(tuple(y.numpy()[0]))
            lengths.append(int(x["length"][0]))
            assert x["audio"].shape[1] == lengths[-1]
    assert sorted(lengths) == sorted(round(u.seconds * 16000) for u in found)
    assert sorted(texts) == sorted(tuple(Alphabet().encode(u.text)) for u in found)
    with pytest.raises(DataError, match="not enough for 99 hosts"):
        data.to_tf_dataset(found, Alphabet(), hosts=99)

"""Whatever one item of a list does, the other items survive; YAML, texts and indices of shards stay as small as they are."""

import gzip
import json
import os
import threading

import numpy as np
import pytest
import soundfile

from kerasrecipes import audio, image
from kerasrecipes.data.sharded_audio import ShardedAudioReader
from kerasrecipes.data.utterances import from_table
from kerasrecipes.errors import AudioError, DataError, ImageError
from kerasrecipes.training.config import read_config
from kerasrecipes.utils import sources, tar_members, text_files, yaml_files
from kerasrecipes.utils.journal import read_journal
from kerasrecipes.utils.text_files import read_text
from kerasrecipes.utils.yaml_files import read_yaml

ODD_PATHS = ["a" * 5000 + ".wav", "a/" * 2500, "a\0.wav", "\0", "\ud800.wav", "[\0", "[" * 500, "/dev/zero", "x" * 255 + "/y.wav"]
DOUBLING = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


@pytest.mark.parametrize("path", ODD_PATHS)
def test_odd_paths_are_errors_of_the_package(path):
    for read, family in ((audio.load_audio, AudioError), (audio.audio_duration, AudioError), (image.load_image, ImageError)):
        with pytest.raises(family):
            read(path)


@pytest.mark.parametrize("list_files, family", [(audio.list_audio_files, AudioError), (image.list_image_files, ImageError)])
def test_lists_with_odd_paths_keep_the_others(list_files, family):
    for path in ODD_PATHS:
        try:
            assert "b.wav" in list_files([path, "b.wav"])
        except family:  # a pattern that matches nothing
            assert "[" in path


def test_pipes_are_read_and_pipes_without_a_writer_end(tmp_path, monkeypatch):
    wave = tmp_path / "a.wav"
    soundfile.write(wave, np.zeros(1600), 16000)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Timer(0.1, lambda: (tmp_path / "pipe").write_bytes(wave.read_bytes()))
    writer.start()
    assert len(audio.load_audio(tmp_path / "pipe")) == 1600
    monkeypatch.setattr(sources, "PIPE_SECONDS", 0.1)
    with pytest.raises(AudioError, match="no program has written into this pipe"):
        audio.load_audio(tmp_path / "pipe")
    with pytest.raises(ImageError, match="no program has written into this pipe"):
        image.load_image(tmp_path / "pipe")


@pytest.mark.parametrize("text", [
    DOUBLING, "a: &a [*a, *a]", "a: &a {<<: *a}", "[" * 3000, "- " * 3000, "!!python/object/apply:os.system [id]", "\ud800", "a: [",
    "? {}\n: 1", f"recipe: &r [{'x, ' * 400}]\nconfig: [{'*r, ' * 400}]",
])  # fmt: skip
def test_hostile_yaml_is_an_error(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8", "surrogatepass")
    with pytest.raises(DataError):
        read_config(path)


def test_aliases_of_ordinary_size_are_read(tmp_path, monkeypatch):
    path = tmp_path / "c.yaml"
    path.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n")
    assert read_yaml(path) == {"a": {"x": 1}, "b": [{"x": 1}] * 2, "c": {"x": 1, "y": 2}}
    monkeypatch.setattr(yaml_files, "MAX_VALUES", 20)
    path.write_text(f"[{'1, ' * 20}]")
    with pytest.raises(DataError, match="more than 20 values"):
        read_yaml(path)
    path.write_text("")
    assert read_yaml(path) is None


def test_compressed_texts_that_fill_the_memory_are_errors(tmp_path, monkeypatch):
    path = tmp_path / "t.txt.gz"
    monkeypatch.setattr(text_files, "MIN_CHARACTERS", 1000)
    monkeypatch.setattr(text_files, "MAX_LINE_CHARACTERS", 5000)
    for content in (b"\n" * 100_000, b"a" * 5000):
        path.write_bytes(gzip.compress(content, 1))
        with pytest.raises(DataError, match="made to fill the memory"):
            read_text(path)


def test_deep_json_is_an_error(tmp_path):
    for name in ("t.jsonl", "t.json"):
        (tmp_path / name).write_text("[" * 100_000)
        with pytest.raises(DataError):
            from_table(tmp_path / name)
    (tmp_path / "journal").write_text("[" * 100_000 + "\n")
    with pytest.raises(DataError):
        read_journal(tmp_path / "journal")


GOOD_ROW = {"name": "a.wav", "offset": 512, "size": 3244, "samples": 1600, "id": "a", "text": "good", "speaker": "", "source": ""}


@pytest.mark.parametrize("changes, message", [
    ({"name": None}, "is no text"), ({"name": "a::b"}, "is not valid"), ({"name": ""}, "is not valid"), ({"samples": -1}, "is no size"),
    ({"size": 1e9}, "is no size"), ({"offset": True}, "is no size"), ({"samples": 2**60}, "is no size"), ({"text": 3}, "is no text"),
])  # fmt: skip
def test_rows_of_shards_are_checked(tmp_path, changes, message):
    (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress(json.dumps(GOOD_ROW | changes).encode()))
    with pytest.raises(AudioError, match=message):
        tar_members.read_shard_index(str(tmp_path / "s.tar"))


def test_an_index_that_promises_more_samples_takes_no_memory(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    (tmp_path / "s.tar").write_bytes(bytes(512) + (tmp_path / "a.wav").read_bytes())
    (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress(json.dumps(GOOD_ROW | {"samples": 2**31}).encode()))
    with pytest.raises(DataError, match="has 1600 samples, and 2147483648 by its index"):
        ShardedAudioReader([tar_members.member_url("a.wav", str(tmp_path / "s.tar"))]).read(0, 0)

"""The cache of decoded clips: private, never through a link, and only what its header says."""

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from kerasrecipes.data import audio_cache
from kerasrecipes.data.audio_cache import HEADER, MAGIC, AudioCache, change_speed, count_samples
from kerasrecipes.decoding import ngram_lm
from kerasrecipes.engines import onnx_cache
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.private_folder import make_private_folder

POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and modes")
WAVES = [(np.random.default_rng(i).normal(size=n) * 3000).astype("int16") for i, n in enumerate((4000, 5000))]


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Two clips; the user's cache folder is below the test's folder."""
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    for i, wave in enumerate(WAVES):
        soundfile.write(tmp_path / f"{i}.wav", wave, 16000)
    return [str(tmp_path / f"{i}.wav") for i in range(2)]


@pytest.fixture
def decoded(monkeypatch):
    """List of the clips that were decoded."""
    names, decode = [], audio_cache.decode_clip
    monkeypatch.setattr(audio_cache, "decode_clip", lambda path: names.append(path) or decode(path))
    return names


def only_file(folder):
    (path,) = folder.glob("*.clips")
    return path


def is_right(cache):
    return all(np.abs(cache.read(i, 0) * 32768 - wave).max() < 2 for i, wave in enumerate(WAVES))


def test_the_default_folder_is_private(tmp_path, paths, decoded):
    assert is_right(AudioCache(paths)) and len(decoded) == 2
    assert is_right(AudioCache(paths)) and len(decoded) == 2
    assert stat.S_IMODE((tmp_path / "cache" / "audio").stat().st_mode) == 0o700
    (tmp_path / "cache" / "audio").chmod(0o777)
    assert is_right(AudioCache(paths)) and len(decoded) == 2
    assert stat.S_IMODE((tmp_path / "cache" / "audio").stat().st_mode) == 0o700


def plant_link(path, tmp_path):
    target = tmp_path / "planted"
    path.rename(target)
    path.symlink_to(target)


def plant_pipe(path, tmp_path):
    path.unlink()
    os.mkfifo(path)


def plant_other_clips(path, tmp_path):
    """The file of other clips, which has the right form."""
    other = tmp_path / "other.wav"
    soundfile.write(other, WAVES[0], 16000)
    AudioCache([str(other)] * 2, folder=tmp_path / "elsewhere")
    only_file(tmp_path / "elsewhere").replace(path)


def plant_length(path, tmp_path):
    """A header that promises 4 GB."""
    content = path.read_bytes()
    key = HEADER.unpack(content[: HEADER.size])[1]
    path.write_bytes(HEADER.pack(MAGIC, key, 3, 1 << 31) + content[HEADER.size :])


def plant_count(path, tmp_path):
    content = path.read_bytes()
    key = HEADER.unpack(content[: HEADER.size])[1]
    path.write_bytes(HEADER.pack(MAGIC, key, (1 << 64) - 1, 9000) + content[HEADER.size :])


def plant_offsets(path, tmp_path):
    content = bytearray(path.read_bytes())
    content[HEADER.size + 8 : HEADER.size + 16] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(content)


def truncate(path, tmp_path):
    os.truncate(path, path.stat().st_size - 2)


def shorten_to_header(path, tmp_path):
    os.truncate(path, HEADER.size - 1)


def lengthen(path, tmp_path):
    path.write_bytes(path.read_bytes() + b"12")


@POSIX
@pytest.mark.parametrize("damage", [
    plant_link, plant_pipe, plant_other_clips, plant_length, plant_count, plant_offsets, truncate, shorten_to_header, lengthen,
])  # fmt: skip
@pytest.mark.parametrize("folder", [None, "own"])
def test_what_is_not_as_its_header_says_is_written_anew(tmp_path, paths, decoded, damage, folder):
    folder = folder and tmp_path / folder
    AudioCache(paths, folder=folder)
    path = only_file(folder or tmp_path / "cache" / "audio")
    content = path.read_bytes()
    damage(path, tmp_path)
    decoded.clear()
    assert is_right(AudioCache(paths, folder=folder)) and decoded == paths
    assert path.read_bytes() == content and path.lstat().st_size == len(content)
    if damage is plant_link:
        assert (tmp_path / "planted").read_bytes() == content  # the file behind the link is as it was


@POSIX
@pytest.mark.parametrize("folder", [None, "own"])
def test_a_file_of_another_user_is_not_used(tmp_path, paths, decoded, monkeypatch, folder):
    folder = folder and tmp_path / folder
    AudioCache(paths, folder=folder)
    path, fstat = only_file(folder or tmp_path / "cache" / "audio"), os.fstat
    old = path.stat().st_ino

    def foreign(descriptor):
        facts = fstat(descriptor)
        return os.stat_result((*facts[:4], facts.st_uid + (facts.st_ino == old), *facts[5:]))

    monkeypatch.setattr(os, "fstat", foreign)
    decoded.clear()
    assert is_right(AudioCache(paths, folder=folder)) and decoded == paths


def give_away(path, monkeypatch):
    """Make a file another user's: as root by its owner, else by this process's user."""
    if os.geteuid() == 0:
        os.chown(path, 4242, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.lstat().st_uid + 1)


@POSIX
def test_exported_files_and_language_models_of_another_user_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    row = SimpleNamespace(recipe="x", sha256="0" * 64)
    path = onnx_cache.cache_path(row)
    assert not onnx_cache.is_cached(row)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"onnx")
    model = tmp_path / "upper.arpa"
    model.write_text("\\data\\\nngram 1=1\n\\1-grams:\n-1\tWORD\n\\end\\\n")
    copy = ngram_lm.lower_case_copy(model)
    assert onnx_cache.is_cached(row) and "\tword" in copy.read_text()
    copy.write_text("planted")
    assert ngram_lm.lower_case_copy(model).read_text() == "planted"  # the user's own file is trusted
    for file in (path, copy):
        give_away(file, monkeypatch)
    assert not onnx_cache.is_cached(row) and "\tword" in ngram_lm.lower_case_copy(model).read_text()
    (tmp_path / "target").write_bytes(b"onnx")
    path.unlink()
    path.symlink_to(tmp_path / "target")
    assert not onnx_cache.is_cached(row)


@POSIX
@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_a_folder_of_another_user_is_refused(tmp_path, paths, monkeypatch, kind):
    folder = tmp_path / "cache" / "audio"
    folder.parent.mkdir()
    if kind == "file":
        folder.write_text("a file")
    elif kind == "link":
        (tmp_path / "target").mkdir()
        folder.symlink_to(tmp_path / "target")
    else:
        folder.mkdir()
    if kind != "file":
        monkeypatch.setattr(os, "geteuid", lambda: folder.lstat().st_uid + 1)
    with pytest.raises(DataError, match="set KERASRECIPES_CACHE to a folder of your own"):
        AudioCache(paths)


@POSIX
def test_a_link_to_a_folder_of_ones_own_is_used(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "audio").symlink_to(tmp_path / "disk")
    assert make_private_folder(tmp_path / "audio") == tmp_path / "audio"
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o700


@POSIX
def test_a_link_at_the_partial_name_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    monkeypatch.setattr("uuid.uuid4", lambda: type("UUID", (), {"hex": "0" * 32}))
    (tmp_path / ".x.00000000.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(KerasRecipesError, match="cannot be written"):
        atomic_write(tmp_path / "x", b"new")
    assert (tmp_path / "precious").read_text() == "precious" and not (tmp_path / "x").exists()


def test_files_that_nobody_used_for_a_month_are_removed(tmp_path, paths):
    AudioCache(paths[:1])
    folder, days = tmp_path / "cache" / "audio", 86400
    old = only_file(folder)
    for name, age in ((old.name, 31), ("a.clips", 29), (".b.partial", 2), (".c.partial", 0.5), ("d.lock", 2), ("notes.txt", 99)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age * days,) * 2)
    AudioCache(paths)
    assert not old.exists() and len(list(folder.glob("*.clips"))) == 2 and not (folder / "d.lock").exists()
    assert sorted(p.name for p in folder.iterdir() if p.suffix != ".clips") == [".c.partial", "notes.txt"]
    AudioCache(paths[1:], folder=folder)  # a folder that the user chose is left as it is
    assert (folder / ".c.partial").exists()


def test_no_clips_and_empty_clips(tmp_path, paths, monkeypatch):
    assert AudioCache([]).lengths().shape == (0, 1)
    monkeypatch.setattr(audio_cache, "decode_clip", lambda path: np.zeros(0, "int16"))
    cache = AudioCache(paths, (1.0, 0.9))
    assert cache.lengths().tolist() == [[0, 0], [0, 0]] and len(cache.read(1, 1)) == 0


def test_playing_speeds_are_resampled_clips(tmp_path, paths, decoded):
    """The samples are soxr's, and the file on the disk serves every choice of speeds."""
    speeds = (1.0, 0.9, 1.1)
    AudioCache(paths)
    cache = AudioCache(paths, speeds)
    assert len(decoded) == 2
    only_file(tmp_path / "cache" / "audio")
    for i, wave in enumerate(WAVES):
        for j, speed in enumerate(speeds):
            expected = soxr.resample(cache.read(i, 0), 16000 * speed, 16000)
            np.testing.assert_array_equal(cache.read(i, j), expected)
            assert cache.lengths()[i, j] == len(expected) == round(len(wave) / speed)
    assert all(len(change_speed(np.zeros(n, "float32"), s)) == count_samples(n, s) for n in range(40) for s in (0.5, 0.9, 1.1, 3.0))


def test_what_starts_together_decodes_once(tmp_path, paths, decoded):
    """The second cache waits for the first. A lock file that cannot be opened stops none of them."""
    with ThreadPoolExecutor() as pool:
        caches = list(pool.map(lambda _: AudioCache(paths, folder=tmp_path / "shared"), range(4)))
    assert all(map(is_right, caches)) and sorted(decoded) == paths
    assert [p.suffix for p in (tmp_path / "shared").iterdir()] == [".clips"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / only_file(tmp_path / "shared").with_suffix(".lock").name).mkdir()
    assert is_right(AudioCache(paths, folder=tmp_path / "other")) and len(decoded) == 4


@pytest.mark.parametrize(("free", "fits"), [(36_000, True), (35_998, False)])
def test_clips_for_which_the_disk_has_no_space_are_refused_early(tmp_path, paths, decoded, monkeypatch, free, fits):
    paths = [paths[1], paths[1], paths[0], paths[0]]  # the longer clips come first, and the sample has one of each
    monkeypatch.setattr(audio_cache, "NUM_SAMPLE_CLIPS", 2)
    monkeypatch.setattr(audio_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    if fits:
        assert len(AudioCache(paths).lengths()) == 4
    else:
        with pytest.raises(DataError, match=r"take about 0\.0 GB more, and the disk of .* make room"):
            AudioCache(paths)
        assert not [p for p in (tmp_path / "cache" / "audio").iterdir() if p.suffix in (".clips", ".partial")]

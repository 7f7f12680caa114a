"""Archives with a checkpoint: what is unpacked, and archives that would write elsewhere, hold too much, or are damaged."""

import gzip
import io
import tarfile
import tracemalloc

import pytest

from kerasrecipes.hub import tar_checkpoint
from kerasrecipes.hub.tar_checkpoint import unpack_checkpoint

FILES = {"run/best_dev-7.index": b"index", "run/best_dev-7.data-00000-of-00001": bytes(range(256)) * 9, "run/best_dev-7.meta": b"graph"}


def make_archive(path, members=FILES, pax=False, close=True):
    """Write a tar file of {name: content or header}, compressed if its name says so."""
    plain = io.BytesIO()
    tar = tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT)
    for name, content in members.items():
        header = tarfile.TarInfo(name)
        if isinstance(content, bytes):
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
        else:
            for key, value in content.items():
                setattr(header, key, value)
            tar.addfile(header)
    if close:
        tar.close()
    path.write_bytes(gzip.compress(plain.getvalue()) if path.suffix in (".gz", ".tgz") else plain.getvalue())
    return path


@pytest.mark.parametrize("name, pax", [("a.tar.gz", False), ("a.tgz", True), ("a.tar", False)])
def test_only_the_checkpoint_is_unpacked(tmp_path, name, pax):
    extra = {"run": {"type": tarfile.DIRTYPE}, "run/._best_dev-7.index": b"mac", "run/ü" + "x" * 120: b"long name", "README": b""}
    path, folder = make_archive(tmp_path / name, extra | FILES, pax), tmp_path / "folder"
    folder.mkdir()
    assert unpack_checkpoint(path, folder) == folder / "best_dev-7"
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert files == {name.partition("/")[2]: content for name, content in FILES.items() if "meta" not in name}


def test_the_best_of_several_checkpoints_is_taken(tmp_path):
    others = {"train-9.index": b"x", "train-9.data-00000-of-00001": b"y"}
    assert unpack_checkpoint(make_archive(tmp_path / "a.tar", FILES | others), tmp_path).name == "best_dev-7"
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match=r"holds the checkpoints train-9, model-1: unpack it and pass one of their \.index files"):
        unpack_checkpoint(make_archive(tmp_path / "b.tgz", others | {"model-1.index": b"z"}), tmp_path / "b")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "side").mkdir(parents=True)
    return tmp_path / "in" / "side"


@pytest.mark.parametrize("members, message", [
    ({"../best.index": b"x"}, r"'\.\./best\.index' would lie outside the folder"),
    ({"/tmp/best.index": b"x"}, "would lie outside the folder"),
    ({"C:\\best.index": b"x"}, "would lie outside the folder"),
    ({"best.index": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}}, "'best.index' is a link"),
    ({"best.index": {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}}, "is a link"),
    ({"best.index": {"type": tarfile.CHRTYPE}}, "is no plain file"),
    ({"best.index": {"type": tarfile.FIFOTYPE}}, "is no plain file"),
    ({"best.index": {"type": tarfile.GNUTYPE_SPARSE, "size": 512}}, "is sparse"),
    ({"best.index": {"size": 10**15}}, "holds more than .* bytes, which is too much for its size"),
    ({"best.index": {"size": 10**6}}, "cut off"),
    ({"././@LongLink": {"type": tarfile.GNUTYPE_LONGNAME, "size": 10**5}}, "has 100000 bytes"),
    ({"best.meta": b"graph"}, "holds no .index file"),
    ({"a/best.index": b"x", "b/best.index": b"y"}, "holds best.index twice"),
    ({str(number): b"" for number in range(1001)}, "more than 1000 members"),
    ({}, "holds no .index file"),
])  # fmt: skip
@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_hostile_archives_are_refused(tmp_path, folder, members, message, suffix):
    path = make_archive(tmp_path / f"a.{suffix}", members, close="size" not in str(members))
    before = set(tmp_path.rglob("*"))
    with pytest.raises((ValueError, EOFError), match=message):
        unpack_checkpoint(path, folder)
    assert {file.parent for file in tmp_path.rglob("*") if file not in before} <= {folder}


def test_a_negative_size_is_refused(tmp_path, folder):
    header = bytearray(tarfile.TarInfo("best.index").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\xfe"  # -2 in base 256
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ValueError, match="has -2 bytes"):
        unpack_checkpoint(tmp_path / "a.tar", folder)


def test_a_small_archive_cannot_fill_the_disk_or_the_memory(tmp_path, folder):
    """100 MB of zeros are 100 kB of gzip."""
    content = bytes(100_000_000)
    path = make_archive(tmp_path / "a.tar.gz", {"best.index": b"x", "best.data-00000-of-00001": content})
    del content
    tracemalloc.start()
    with pytest.raises(ValueError, match="too much for its size"):
        unpack_checkpoint(path, folder)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 100


def test_what_is_read_is_read_in_small_parts(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(tar_checkpoint, "MAX_COMPRESSION", 10_000)
    path = make_archive(tmp_path / "a.tar.gz", {"best.index": b"x", "best.data-00000-of-00001": bytes(30_000_000)})
    tracemalloc.start()
    assert unpack_checkpoint(path, folder) == folder / "best"
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert (folder / "best.data-00000-of-00001").stat().st_size == 30_000_000


@pytest.mark.parametrize("change", [lambda b: b[:-900], lambda b: b"\x1f\x8b" + b[2:], lambda b: b"x" + b[1:], lambda b: b[:700]])
def test_damaged_archives_are_errors(tmp_path, folder, change):
    path = make_archive(tmp_path / "a.tar", FILES, close=False)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises((ValueError, EOFError, OSError, tarfile.TarError)):
        unpack_checkpoint(path, folder)

"""Downloads of public data sets from a server on loopback: whole, interrupted, wrong, and with hostile archives."""

import hashlib
import io
import os
import re
import resource
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hub_server import REVISION, Hub

from kerasrecipes.cli import main
from kerasrecipes.data.specs import parse_spec
from kerasrecipes.data_prep import set_download
from kerasrecipes.data_prep.public_sets import PUBLIC_SETS, Archive, PublicSet
from kerasrecipes.errors import DataError
from kerasrecipes.hub import transfer
from kerasrecipes.utils.locks import exclusive_lock

FOLDER = "LibriSpeech/dev-tiny"


def make_tar(*members, mode="w:gz"):
    """Return a tar file of (name or TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_info(kind, name=f"{FOLDER}/1/2/x", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture(scope="module")
def content(clips):
    """An archive of real clips in LibriSpeech's layout, with the table of speakers beside them and 400 kB of noise."""
    members = [("LibriSpeech/SPEAKERS.TXT", b"; nobody\n"), ("LibriSpeech/noise.bin", os.urandom(400_000))]
    for path in sorted(p for p in clips.rglob("*") if p.is_file()):
        members.append((f"{FOLDER}/{path.relative_to(clips).as_posix()}", path.read_bytes()))
    return make_tar(*members)


@pytest.fixture
def server(monkeypatch):
    hub = Hub()
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.0)
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield hub
    hub.close()


@pytest.fixture
def serve(server, monkeypatch):
    """Return a function that puts an archive on the server and into the table."""

    def put(data, folder=FOLDER, **changes):
        server.files["a.tar.gz"] = data
        values = {
            "address": f"{server.endpoint}/org/name/resolve/{REVISION}/a.tar.gz", "size": len(data),
            "hash": f"sha256:{hashlib.sha256(data).hexdigest()}", "folder": folder, "data": "librispeech:{folder}",
        }  # fmt: skip
        archive = Archive(**values | changes)
        monkeypatch.setitem(PUBLIC_SETS, "tiny", PublicSet("Tiny", "CC0", "nowhere", {"dev-tiny": archive}))
        return archive

    return put


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


def test_a_data_set_arrives_and_the_next_command_reads_it(serve, server, content, clips, tmp_path, capsys):
    serve(content)
    command = ["data", "download", "tiny", "dev-tiny", "--output", str(tmp_path / "my data")]
    assert main.main(command) == 0
    line = capsys.readouterr().out
    assert line == f"next: kerasrecipes data summary 'librispeech:{tmp_path}/my data/{FOLDER}'\n"
    assert main.main(["data", "summary", f"librispeech:{tmp_path}/my data/{FOLDER}"]) == 0
    expected = [f"{FOLDER}/{p.relative_to(clips).as_posix()}" for p in clips.rglob("*") if p.is_file()]
    assert files_in(tmp_path / "my data") == sorted([*expected, "LibriSpeech/SPEAKERS.TXT", "LibriSpeech/noise.bin"])
    assert main.main(command) == 0 and capsys.readouterr().out.endswith(line) and server.downloads() == [0]


def test_broken_connections_are_resumed(serve, server, content, tmp_path):
    serve(content)
    server.fail, server.truncate = 1, 1
    amounts = []
    spec = set_download.download_set("tiny", "dev-tiny", tmp_path, progress=lambda *values: amounts.append(values))
    assert spec == f"librispeech:{tmp_path / FOLDER}" and (tmp_path / FOLDER).is_dir()
    first, second, third = server.downloads()
    assert (first, second) == (0, 0) and 0 < third < len(content)
    done, total, _ = next(values for values in reversed(amounts) if values[2] == "dev-tiny.tar.gz")
    assert done == total == len(content) / 1e6 and amounts[-1][2] == "unpacking dev-tiny.tar.gz"


@pytest.mark.parametrize(("status", "message"), [
    (401, "fetch dev-tiny.tar.gz by other means"), (404, "The file may have moved"), (407, "a proxy refuses it"), (503, "Try again later"),
])  # fmt: skip
def test_only_failures_that_may_end_say_try_again(serve, content, tmp_path, monkeypatch, status, message):
    from huggingface_hub import errors, get_session

    archive = serve(content)
    request = get_session().build_request("GET", archive.address)
    response = type("Response", (), {"status_code": status, "headers": {}, "request": request})()

    def refuse(self, progress):
        raise errors.HfHubHTTPError(f"{status} Client Error", response=response)

    monkeypatch.setattr(transfer.Transfer, "download", refuse)
    with pytest.raises(DataError, match=message) as error:
        set_download.download_set("tiny", "dev-tiny", tmp_path)
    place = tmp_path / set_download.WORK_FOLDER / archive.file
    if status != 503:
        assert f"put it at {place} " in str(error.value) and "gain later" not in str(error.value)
        place.write_bytes(content)
        assert set_download.download_set("tiny", "dev-tiny", tmp_path).startswith("librispeech:")


SCRIPT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # commands in the background of a shell start without it
from kerasrecipes.cli import main
from kerasrecipes.data_prep import set_download
from kerasrecipes.data_prep.public_sets import PUBLIC_SETS, Archive, PublicSet
address, size, digest, folder, output, *kill = sys.argv[1:]
archive = Archive(address, int(size), digest, folder, "librispeech:{folder}")
PUBLIC_SETS["tiny"] = PublicSet("Tiny", "CC0", "nowhere", {"dev-tiny": archive})
if kill:
    progress = lambda done, total, note: done > 0.1 and note.startswith("unpacking") and os.kill(os.getpid(), signal.SIGKILL)
    set_download.download_set("tiny", "dev-tiny", output, progress=progress)
sys.exit(main.main(["data", "download", "tiny", "dev-tiny", "--output", output]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_the_same_command_continues_after_an_interrupt(serve, server, content, tmp_path, number, code):
    archive = serve(content)
    server.slow = 0.2
    arguments = [archive.address, str(archive.size), archive.hash, archive.folder, str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE, text=True)
    partial = tmp_path / ".download" / "dev-tiny.tar.gz.incomplete"
    end = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size > 100_000) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(60) == code and "Traceback" not in process.stderr.read()
    process.stderr.close()
    size = partial.stat().st_size
    assert 100_000 < size < len(content) and not (tmp_path / "LibriSpeech").exists()
    server.slow = 0.0
    set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert server.downloads()[-1] == size and (tmp_path / FOLDER).is_dir() and not partial.exists()


def test_an_interrupt_while_unpacking_leaves_the_checked_archive(serve, server, content, tmp_path):
    def interrupt(done, total, note):
        if note.startswith("unpacking") and done > 0.1:
            raise KeyboardInterrupt

    serve(content)
    with pytest.raises(KeyboardInterrupt):
        set_download.download_set("tiny", "dev-tiny", tmp_path, progress=interrupt)
    assert files_in(tmp_path) == [".download/dev-tiny.tar.gz"] and not list(tmp_path.glob(".partial-*"))
    set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert (tmp_path / FOLDER).is_dir() and server.downloads() == [0] and ".download/dev-tiny.tar.gz" not in files_in(tmp_path)


def test_a_kill_while_unpacking_leaves_nothing_with_a_final_name(serve, server, content, tmp_path):
    archive = serve(content)
    arguments = [archive.address, str(archive.size), archive.hash, archive.folder, str(tmp_path), "kill"]
    assert subprocess.run([sys.executable, "-c", SCRIPT, *arguments]).returncode == -9
    assert len(list(tmp_path.glob(".partial-*"))) == 1 and not (tmp_path / "LibriSpeech").exists()
    set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert (tmp_path / FOLDER).is_dir() and not list(tmp_path.glob(".partial-*")) and server.downloads() == [0]


def test_an_archive_that_was_damaged_meanwhile_is_replaced(serve, server, content, tmp_path):
    serve(content)
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "dev-tiny.tar.gz").write_bytes(content[:-1] + b"x")
    set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert (tmp_path / FOLDER).is_dir() and server.downloads() == [0]


def fail(serve, content, tmp_path, **changes):
    """Return the message of a download that fails, after which nothing has a final name."""
    serve(content, **changes)
    with pytest.raises(DataError) as error:
        set_download.download_set("tiny", "dev-tiny", tmp_path / "out")
    names = files_in(tmp_path / "out")
    assert not (tmp_path / "out" / FOLDER).exists() and all(name.startswith(".download/") for name in names)
    return str(error.value), names


def test_another_file_is_removed(serve, server, content, tmp_path):
    server.wrong = True
    message, names = fail(serve, content, tmp_path)
    assert re.search("sent a file with the sha256 .* is known: it was removed", message) and not names
    server.wrong = False
    message, names = fail(serve, content, tmp_path, hash="md5:" + "0" * 32)
    assert f"md5 {hashlib.md5(content).hexdigest()}" in message and not names


def test_a_longer_file_is_not_read_and_a_shorter_one_is_incomplete(serve, server, content, tmp_path):
    message, names = fail(serve, content, tmp_path, size=len(content) - 1)
    assert "sends another file than the known one" in message and not names
    message, names = fail(serve, content, tmp_path, size=len(content) + 1)
    assert f"{len(content):,} of {len(content) + 1:,} bytes: repeat the command" in message
    assert names == [".download/dev-tiny.tar.gz.incomplete"]


def test_a_server_without_the_file_or_without_an_answer(serve, server, content, tmp_path, monkeypatch):
    message, _ = fail(serve, content, tmp_path, address=f"{server.endpoint}/org/name/resolve/{REVISION}/b.tar.gz")
    assert re.search("The server answers for http.*b.tar.gz: .*404", message)
    message, _ = fail(serve, content, tmp_path, address="http://127.0.0.1:9/a.tar.gz")
    assert "http://127.0.0.1:9/a.tar.gz cannot be reached" in message and "continues the download" in message
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(transfer, "MIN_BYTES_PER_SECOND", 10_000_000)
    server.slow = 0.2
    message, _ = fail(serve, content, tmp_path)
    assert "repeat the command, which continues the download" in message
    monkeypatch.setenv("KERASRECIPES_OFFLINE", "1")
    message, _ = fail(serve, content, tmp_path)
    assert "network is switched off" in message and "copy the file of http" in message


def test_a_full_disk_is_named(serve, content, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        message, _ = fail(serve, content, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written: the file would be too large" in message


def test_a_second_process_is_refused(serve, server, content, tmp_path):
    serve(content)
    (tmp_path / ".download").mkdir()
    with exclusive_lock(tmp_path / ".download", "", "dev-tiny.tar.gz.lock"), pytest.raises(DataError, match="Another process .*held by"):
        set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert not server.downloads()


@pytest.mark.parametrize(("member", "message"), [
    (("../../evil", b"x"), "'../../evil' would lie outside"),
    ((f"{FOLDER}/../../../evil", b"x"), "would lie outside"),
    (("/tmp/kerasrecipes-evil", b"x"), "would lie outside"),
    (("C:/evil", b"x"), "would lie outside"),
    (("..\\evil", b"x"), "would lie outside"),
    ((make_info(tarfile.SYMTYPE, link="/etc/passwd"), b""), "is a link"),
    ((make_info(tarfile.SYMTYPE, link="y"), b""), "is a link"),
    ((make_info(tarfile.LNKTYPE, link=f"{FOLDER}/1/2/y"), b""), "is a link"),
    ((make_info(tarfile.FIFOTYPE), b""), "is no plain file"),
    ((make_info(tarfile.CHRTYPE), b""), "is no plain file"),
    ((make_info(tarfile.BLKTYPE), b""), "is no plain file"),
])  # fmt: skip
def test_hostile_members_are_refused(serve, tmp_path, member, message):
    """The hash is right: the row itself could have been made for such an archive."""
    text, names = fail(serve, make_tar((f"{FOLDER}/1/2/y", b"x"), member), tmp_path)
    assert message in text and names == [".download/dev-tiny.tar.gz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"] and not Path("/tmp/kerasrecipes-evil").exists()
    assert not list((tmp_path / "out").glob(".partial-*"))


def test_other_archives_are_no_data_set(serve, tmp_path, monkeypatch):
    assert "holds no folder LibriSpeech/dev-tiny" in fail(serve, make_tar(("LibriSpeech/x", b"x")), tmp_path)[0]
    assert "cannot be unpacked" in fail(serve, b"no archive" * 100, tmp_path)[0]
    whole = make_tar((f"{FOLDER}/x", os.urandom(100_000)))
    assert "cannot be unpacked" in fail(serve, whole[:50_000], tmp_path)[0]
    monkeypatch.setattr(set_download, "MIN_UNPACKED_BYTES", 1_000_000)
    assert "holds more than 1,000,000 bytes" in fail(serve, make_tar((f"{FOLDER}/x", bytes(1_000_001))), tmp_path)[0]


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:xz"])
def test_an_archive_without_a_folder_and_other_compressions(serve, tmp_path, mode):
    serve(make_tar(("./yes/a.wav", b"x"), ("./list.txt", b"y"), mode=mode), folder="words", has_folder=False)
    set_download.download_set("tiny", "dev-tiny", tmp_path)
    assert files_in(tmp_path) == ["words/list.txt", "words/yes/a.wav"]
    assert (tmp_path / "words" / "list.txt").stat().st_uid == os.getuid()


@pytest.mark.parametrize(("arguments", "message"), [
    (["librispeech"], "consists of subsets: name one or more of dev-clean, dev-other, test-clean, test-other, train-clean-100"),
    (["librispeech", "dev-clean", "dev"], "no subset 'dev': name one or more"),
    (["fsdd", "train"], "fsdd has no subset 'train': leave the name out"),
])  # fmt: skip
def test_unknown_subsets_are_named_before_the_download(arguments, message, tmp_path, capsys):
    assert main.main(["data", "download", *arguments, "--output", str(tmp_path / "x")]) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_the_rows_are_complete():
    archives = [archive for row in PUBLIC_SETS.values() for archive in row.archives.values()]
    assert len(archives) == len({a.address for a in archives}) == len({a.folder for a in archives}) == 12
    for archive in archives:
        assert archive.address.startswith("https://") and archive.size > 1e7
        assert re.fullmatch("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", archive.hash)
        assert parse_spec(archive.spec(Path("x")), "speech")[1].startswith(f"x/{archive.folder}")
        assert re.fullmatch(r"[\w.-]+\.tar\.(gz|bz2)", archive.file)
    # the sizes that OpenSLR prints beside its files
    printed = {"dev-clean": 337, "dev-other": 314, "test-clean": 346, "test-other": 328}
    assert {name: PUBLIC_SETS["librispeech"].archives[name].size // 10**6 for name in printed} == printed

"""onnxruntime-web is fetched once, by npm, and only files with the known hashes stay."""

import gzip
import hashlib
import io
import os
import tarfile

import pytest

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import web_runtime

CONTENTS = {"ort.mjs": ("dist/small.mjs", b"export const a = 1;"), "ort.wasm.gz": ("dist/large.wasm", os.urandom(50_000))}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and files with the hashes of `CONTENTS`."""
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERASRECIPES_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    files = {
        name: web_runtime.RuntimeFile(source, len(content), hashlib.sha256(content).hexdigest())
        for name, (source, content) in CONTENTS.items()
    }
    monkeypatch.setattr(web_runtime, "RUNTIME_FILES", files)
    return tmp_path / "cache" / "web" / "onnxruntime-web-1.30.0"


def use_npm(monkeypatch, contents, returncode=0):
    """Replace npm by a program that packs `contents`, path in the package -> bytes. Returns its calls."""
    calls = []

    def run(command, **_):
        calls.append(command)
        if returncode:
            raise web_runtime.subprocess.CalledProcessError(returncode, command)
        with tarfile.open(f"{command[-1]}/onnxruntime-web-1.30.0.tgz", "w:gz") as archive:
            for source, content in contents.items():
                member = tarfile.TarInfo(f"package/{source}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    monkeypatch.setattr(web_runtime.shutil, "which", lambda name: "/bin/npm")
    monkeypatch.setattr(web_runtime.subprocess, "run", run)
    return calls


def check_files(paths, folder):
    assert paths == {name: folder / name for name in CONTENTS}
    assert paths["ort.mjs"].read_bytes() == CONTENTS["ort.mjs"][1]
    assert gzip.decompress(paths["ort.wasm.gz"].read_bytes()) == CONTENTS["ort.wasm.gz"][1]


def test_files_come_by_npm_once(cache, monkeypatch):
    calls = use_npm(monkeypatch, dict(CONTENTS.values()))
    check_files(web_runtime.runtime_paths(), cache)
    check_files(web_runtime.runtime_paths(offline=True), cache)
    assert [call[:5] for call in calls] == [["npm", "pack", "--silent", "--ignore-scripts", "onnxruntime-web@1.30.0"]]


@pytest.mark.parametrize(("fault", "message"), [
    ("fails", "npm: "), ("other files", "npm: "), ("wrong content", "is not the file of version 1.30.0"),
    ("not installed", "npm is not installed"),
])  # fmt: skip
def test_without_the_right_files_the_error_says_what_to_do(cache, monkeypatch, fault, message):
    contents = {"dist/other": b""} if fault == "other files" else {source: b"wrong" for source, _ in CONTENTS.values()}
    use_npm(monkeypatch, contents, returncode=int(fault == "fails"))
    if fault == "not installed":
        monkeypatch.setattr(web_runtime.shutil, "which", lambda name: None)
    with pytest.raises(KerasRecipesError, match=message) as error:
        web_runtime.runtime_paths()
    assert "install Node.js" in str(error.value) and str(cache) in str(error.value)
    assert {path.name for path in cache.iterdir()} <= {".lock"}


def test_a_damaged_file_is_fetched_again(cache, monkeypatch):
    calls = use_npm(monkeypatch, dict(CONTENTS.values()))
    web_runtime.runtime_paths()
    for name in CONTENTS:
        (cache / name).write_bytes((cache / name).read_bytes()[:-9])
    check_files(web_runtime.runtime_paths(), cache)
    assert len(calls) == 2


def test_without_a_network_the_error_says_what_to_do(cache, monkeypatch):
    calls = use_npm(monkeypatch, dict(CONTENTS.values()))
    monkeypatch.setenv("KERASRECIPES_OFFLINE", "1")
    with pytest.raises(KerasRecipesError, match="unset KERASRECIPES_OFFLINE") as error:
        web_runtime.runtime_paths()
    assert f"is not in {cache}" in str(error.value) and calls == []

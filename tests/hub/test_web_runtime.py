"""onnxruntime-web is fetched once, from npm or from a server, and only files with the known hashes stay."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import web_runtime

CONTENTS = {"ort.mjs": ("dist/small.mjs", b"export const a = 1;"), "ort.wasm.gz": ("dist/large.wasm", os.urandom(50_000))}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        super().do_GET()


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


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server that has the files, and no npm."""
    for source, content in CONTENTS.values():
        path = tmp_path / "served" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setattr(web_runtime.shutil, "which", lambda name: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served"))) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(web_runtime, "ADDRESS", f"http://127.0.0.1:{server.server_port}/")
        yield server
        server.shutdown()


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


def test_files_come_from_the_server_once(cache, server):
    check_files(web_runtime.runtime_paths(), cache)
    check_files(web_runtime.runtime_paths(offline=True), cache)
    assert sorted(server.requests) == ["/dist/large.wasm", "/dist/small.mjs"]


def test_files_come_from_npm_where_it_is_installed(cache, server, monkeypatch):
    calls = use_npm(monkeypatch, dict(CONTENTS.values()))
    check_files(web_runtime.runtime_paths(), cache)
    assert [call[:5] for call in calls] == [["npm", "pack", "--silent", "--ignore-scripts", "onnxruntime-web@1.30.0"]]
    assert server.requests == []


@pytest.mark.parametrize("fault", ["fails", "other files", "wrong content"])
def test_the_server_stands_in_for_npm(cache, server, monkeypatch, fault):
    contents = {"dist/other": b""} if fault == "other files" else {source: b"wrong" for source, _ in CONTENTS.values()}
    use_npm(monkeypatch, contents, returncode=int(fault == "fails"))
    check_files(web_runtime.runtime_paths(), cache)


def test_a_damaged_file_is_fetched_again(cache, server):
    web_runtime.runtime_paths()
    for name in CONTENTS:
        (cache / name).write_bytes((cache / name).read_bytes()[:-9])
    check_files(web_runtime.runtime_paths(), cache)
    assert len(server.requests) == 4


def test_wrong_files_do_not_stay(cache, server, tmp_path):
    (tmp_path / "served" / "dist" / "large.wasm").write_bytes(os.urandom(50_000))
    with pytest.raises(KerasRecipesError, match="is not the file of version") as error:
        web_runtime.runtime_paths()
    assert "install npm" in str(error.value) and str(cache) in str(error.value)
    assert {path.name for path in cache.iterdir()} <= {".lock"}


def test_without_a_network_the_error_says_what_to_do(cache, server, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_OFFLINE", "1")
    with pytest.raises(KerasRecipesError, match="unset KERASRECIPES_OFFLINE") as error:
        web_runtime.runtime_paths()
    assert f"is not in {cache}" in str(error.value) and server.requests == []

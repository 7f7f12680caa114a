"""A hub on loopback: the endpoints that downloads and uploads need, with faults on demand."""

import base64
import contextlib
import hashlib
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from kerasrecipes.hub.manifest import WeightsEntry

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONTENT = os.urandom(300_000)
CHUNK = 1 << 16


def row(**changes):
    """A manifest row for CONTENT, published at REVISION of org/name."""
    values = {
        "recipe": "deepspeech2_small", "tag": "t", "file": "deepspeech2_small.weights.h5", "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(), "bundled": False, "license": "CC BY 4.0",
        "data": ({"name": "a", "hours": 1.0, "license": "CC0", "synthetic": True},),
        "training": {"config": {}, "seed": 1, "steps": 2, "hardware": "h", "commit": None,
                     "audio_hours": 1.0, "wall_hours": 0.1},
        "metrics": ({"dataset": "d", "split": "d", "metric": "wer", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6,
                     "decoder": "greedy", "command": "kerasrecipes evaluate x", "date": "2026-11-23"},),
        "keras": "3.15.1", "hub": {"repo": "org/name", "revision": REVISION}, "model": {},
    }  # fmt: skip
    return WeightsEntry(**(values | changes))


class Hub:
    """Serve `files` (name -> bytes) of one repository at REVISION.

    Faults: `fail` is the number of download requests answered with 503; `truncate` the number of downloads of which
    half is sent before the connection closes; `wrong` serves other bytes of the same size; `ranges = False` always
    sends the whole file; `slow` waits between chunks; `redirect` sends downloads to another hub, as the real one
    does; `refuse` answers uploads with 403; `answer_download` is a function that answers a download in place of all
    this. `requests` lists the requests: (method, path, first byte, Authorization).
    """

    def __init__(self, repo="org/name", files=None):
        self.repo, self.files = repo, dict(files or {})
        self.fail, self.truncate, self.wrong, self.ranges, self.slow = 0, 0, False, True, 0.0
        self.redirect, self.refuse, self.answer_download = None, False, None
        self.requests, self.objects = [], {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                hub.note(self)
                hub.download(self)

            do_HEAD = do_GET

            def do_POST(self):
                hub.note(self)
                hub.post(self)

            def do_PUT(self):
                hub.note(self)
                hub.objects[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
                hub.answer(self, 200)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def note(self, handler):
        self.requests.append((handler.command, handler.path, first_byte(handler), handler.headers.get("Authorization")))

    def downloads(self):
        """Return the first bytes of the requested downloads, in order."""
        return [begin for method, path, begin, _ in self.requests if method == "GET" and "/resolve/" in path]

    def answer(self, handler, status, body=b"", headers=()):
        handler.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def download(self, handler):
        name = unquote(handler.path).rpartition(f"/{REVISION}/")[2]
        if not (handler.path.startswith(f"/{self.repo}/resolve/{REVISION}/") and name in self.files):
            code = "EntryNotFound" if f"/{self.repo}/" in handler.path else "RepoNotFound"
            return self.answer(handler, 404, headers={"X-Error-Code": code, "X-Repo-Commit": REVISION})
        if self.answer_download:
            handler.close_connection = True
            with contextlib.suppress(OSError):  # the client has gone
                self.answer_download(handler)
            return None
        if self.fail > 0:
            self.fail -= 1
            return self.answer(handler, 503, b"busy")
        etag = hashlib.sha256(self.files[name]).hexdigest()
        facts = {"ETag": f'"{etag}"', "X-Repo-Commit": REVISION}
        if self.redirect:
            return self.answer(handler, 302, headers={"Location": self.redirect + handler.path, **facts})
        content = bytes(len(self.files[name])) if self.wrong else self.files[name]
        begin = first_byte(handler) if self.ranges else 0
        if begin >= len(content) > 0:
            return self.answer(handler, 416)
        span = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        content = content[begin:]
        headers = {"Content-Length": str(len(content)), **span, **facts}
        self.answer(handler, 206 if begin else 200, headers=headers)
        if handler.command == "HEAD":
            return None
        if self.truncate > 0:
            self.truncate -= 1
            content = content[: len(content) // 2]
            handler.close_connection = True
        for at in range(0, len(content), CHUNK):
            try:
                handler.wfile.write(content[at : at + CHUNK])
            except OSError:  # the client has gone
                break
            time.sleep(self.slow)
        return None

    def post(self, handler):
        """Creating a repository, asking how to upload, and committing: large files by LFS, as on the real hub."""
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if self.refuse:
            return self.answer(
                handler, 403, b'{"error": "You have no rights here"}', {"Content-Type": "application/json"}
            )
        kind = "application/json"
        if handler.path.endswith("/repos/create"):
            reply = {"url": f"{self.endpoint}/{self.repo}"}
        elif handler.path.endswith("/validate-yaml"):
            reply = {"errors": [], "warnings": []}
        elif "/preupload/" in handler.path:
            modes = [(f["path"], "lfs" if f["path"].endswith(".h5") else "regular") for f in json.loads(raw)["files"]]
            reply = {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes]}
        elif handler.path.endswith(".git/info/lfs/objects/batch"):
            kind = "application/vnd.git-lfs+json"
            items = json.loads(raw)["objects"]
            upload = [{"upload": {"href": f"{self.endpoint}/lfs/{item['oid']}"}} for item in items]
            reply = {"transfer": "basic", "objects": [i | {"actions": a} for i, a in zip(items, upload, strict=True)]}
        elif "/commit/" in handler.path:
            for line in raw.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    self.files[value["path"]] = self.objects[value["oid"]]
            reply = {"success": True, "commitUrl": f"{self.endpoint}/{self.repo}/commit/{REVISION}",
                     "commitOid": REVISION, "hookOutput": "", "pullRequestUrl": None}  # fmt: skip
        else:
            return self.answer(handler, 404)
        return self.answer(handler, 200, json.dumps(reply).encode(), {"Content-Type": kind})


def first_byte(handler):
    """Return the first byte of the requested range."""
    return int(handler.headers.get("Range", "bytes=0-")[6:].split("-")[0])

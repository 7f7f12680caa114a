"""A hub on loopback: the endpoints that downloading and publishing need, with faults on demand."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `files` (name -> bytes) of one repository at REVISION.

    Faults: `fail_first` answers so many downloads with 503; `truncate` sends half a body and closes; `wrong` serves other
    bytes of the same size; `slow` waits between chunks; `requests` lists what was asked.
    """

    def __init__(self, repo="org/name", files=None):
        self.repo, self.files = repo, dict(files or {})
        self.fail_first, self.truncate, self.wrong, self.slow = 0, 0, False, 0.0
        self.requests, self.commits = [], []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_HEAD(self):
                hub.download(self, body=False)

            def do_GET(self):
                hub.download(self, body=True)

            def do_POST(self):
                hub.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, status, body=b"", headers=(), send=True):
        handler.send_response(status)
        for key, value in dict(headers).items():
            handler.send_header(key, value)
        if "Content-Length" not in dict(headers):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if send and body:
            handler.wfile.write(body)

    def download(self, handler, body):
        self.requests.append((handler.command, handler.path))
        name = unquote(handler.path).rpartition(f"/{REVISION}/")[2]
        known = handler.path.startswith(f"/{self.repo}/resolve/{REVISION}/") and name in self.files
        if not known:
            code = "EntryNotFound" if self.repo in handler.path else "RepoNotFound"
            return self.answer(handler, 404, b"", {"X-Error-Code": code, "X-Repo-Commit": REVISION}, body)
        if self.fail_first > 0:
            self.fail_first -= 1
            return self.answer(handler, 503, b"busy", send=body)
        content = self.files[name]
        digest = hashlib.sha256(content).hexdigest()
        headers = {
            "X-Repo-Commit": REVISION,
            "ETag": f'"{digest}"',
            "Content-Length": str(len(content)),
            "Accept-Ranges": "bytes",
        }
        if self.wrong:
            content = bytes(len(content))
        if not body:
            return self.answer(handler, 200, content, headers, send=False)
        begin = int(handler.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        if begin:
            headers |= {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        content = content[begin:]
        headers["Content-Length"] = str(len(content))
        self.answer(handler, 206 if begin else 200, headers=headers)
        cut = len(content)
        if self.truncate > 0:
            self.truncate -= 1
            cut = len(content) // 2
            handler.close_connection = True
        for at in range(0, cut, 65536):
            try:
                handler.wfile.write(content[at : min(at + 65536, cut)])
            except OSError:
                return None
            time.sleep(self.slow)
        return None

    def post(self, handler):
        """Creating a repository, asking how to upload, and committing."""
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.requests.append((handler.command, handler.path))
        if handler.path.endswith("/repos/create"):
            reply = {"url": f"{self.endpoint}/{self.repo}"}
        elif handler.path.endswith("/validate-yaml"):
            reply = {"errors": [], "warnings": []}
        elif "/preupload/" in handler.path:
            asked = json.loads(raw)["files"]
            reply = {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]}
        elif "/commit/" in handler.path:
            import base64

            for line in raw.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            self.commits.append(REVISION)
            reply = {"success": True, "commitUrl": f"{self.endpoint}/{self.repo}/commit/{REVISION}", "commitOid": REVISION,
                     "hookOutput": "", "pullRequestUrl": None}  # fmt: skip
        else:
            return self.answer(handler, 404)
        return self.answer(handler, 200, json.dumps(reply).encode(), {"Content-Type": "application/json"})

"""One file over HTTP from a server that is not trusted: bounded in bytes, in time and in requests."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasrecipes.errors import WeightsCorrupted, WeightsUnavailable
from kerasrecipes.utils.files import first_line

MIN_BYTES_PER_SECOND = 4096
STALL_SECONDS = 30.0  # a transfer that is slower than the least speed for so long is given up
BASE_SECONDS = 120.0  # added to the deadline of every file: connections, redirects, and the waits between requests
SILENCE_SECONDS = 10.0  # without one byte; then the next request
WAIT_SECONDS = 1.0  # before the request after one that brought nothing, then twice as long each time
MAX_REQUESTS = 20
MAX_FRUITLESS_REQUESTS = 5  # in a row, without a further byte of the file
RETRY_STATUS = (408, 429, 500, 502, 503, 504)


class Transfer(threading.Thread):
    """Download of a file in a thread of its own, so that no answer that never ends can hold the caller.

    What an earlier process wrote into `partial` is resumed. No byte after the first `max_bytes` is written, and no content
    encoding is accepted, because a small body could become a large one.

    Args:
        url: Address of the file.
        headers: Headers of each request.
        partial: File to write. It is left for the next attempt if the server cannot be reached, and is removed if its content
            cannot be right.
        max_bytes: Largest size of the file.
        name: Name of the file, for messages.
        resume: Continue a partial file. False for a file without a hash, whose parts could be of two files. Default True.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], partial: Path, max_bytes: int, name: str, *, resume: bool = True
    ):
        super().__init__(daemon=True, name=f"download of {name}")
        self.url, self.partial, self.max_bytes, self.file_name = url, partial, max_bytes, name
        self.headers = {**headers, "Accept-Encoding": "identity"}
        self.num_bytes = partial.stat().st_size if resume and partial.is_file() else 0
        if not resume or self.num_bytes > max_bytes:
            partial.unlink(missing_ok=True)
            self.num_bytes = 0
        self.etag = ""  # the server's name of the file's content, in the first answer
        self.request_bytes = 0  # of the current request's body
        self.request_start = time.monotonic()
        self.cancelled = threading.Event()
        self.error: BaseException | None = None

    def download(self, progress: Any) -> None:
        """Run the transfer to its end. `progress` has a method `update(bytes)`.

        Raises:
            WeightsUnavailable: It is too slow, or past its deadline.
            WeightsCorrupted: The server sends another file than the one that was promised.
            Exception: The last error of the network or the disk.
        """
        deadline = time.monotonic() + BASE_SECONDS + self.max_bytes / MIN_BYTES_PER_SECOND
        window, first_bytes, shown = 0.0, 0, 0
        self.start()
        try:
            while self.is_alive():
                self.join(0.05)
                now = time.monotonic()
                progress.update(self.num_bytes - shown)
                shown = self.num_bytes
                if self.request_start > window:
                    window, first_bytes = self.request_start, 0
                elif now - window > STALL_SECONDS:
                    if self.request_bytes - first_bytes < MIN_BYTES_PER_SECOND * STALL_SECONDS:
                        raise WeightsUnavailable(
                            f"{self.file_name} comes with less than {MIN_BYTES_PER_SECOND / 1000:.0f} kB a second: check the "
                            "network and load again, which continues the download"
                        )
                    window, first_bytes = now, self.request_bytes
                if now > deadline:
                    raise WeightsUnavailable(
                        f"{self.file_name} did not arrive in time: check the network and load again, which continues the download"
                    )
        finally:
            self.cancelled.set()
        if self.error:
            raise self.error

    def run(self) -> None:
        """Send requests until one brings the end of the file."""
        try:
            self.send_requests()
        except WeightsCorrupted as error:
            self.partial.unlink(missing_ok=True)
            self.error = error
        except BaseException as error:  # the thread that waits raises it
            self.error = error

    def send_requests(self) -> None:
        """Send at most `MAX_REQUESTS`, with longer and longer waits after requests that brought nothing."""
        from huggingface_hub.errors import HfHubHTTPError, HTTPError

        fruitless = 0
        if self.num_bytes == self.max_bytes:  # an earlier process ended after the last byte
            return
        for _ in range(MAX_REQUESTS):
            before = self.num_bytes
            try:
                self.send_request()
                return
            except HTTPError as error:
                last = error
                if isinstance(error, HfHubHTTPError) and not is_temporary(error):
                    raise
            fruitless = 0 if self.num_bytes > before else fruitless + 1
            wait = WAIT_SECONDS * 2 ** (fruitless - 1) if fruitless else 0.0
            if fruitless >= MAX_FRUITLESS_REQUESTS or self.cancelled.wait(wait):
                break
        raise last

    def send_request(self) -> None:
        """Send one request, and append the body of its answer to the partial file."""
        self.request_bytes, self.request_start = 0, time.monotonic()
        headers = {**self.headers, "Range": f"bytes={self.num_bytes}-"} if self.num_bytes else self.headers
        with open_session().stream(
            "GET", self.url, headers=headers, timeout=SILENCE_SECONDS, follow_redirects=True
        ) as response:
            if response.status_code != 416 or not self.num_bytes:
                return self.write_body(response)
        self.num_bytes = 0  # the server's file ends before the partial one
        return self.send_request()

    def write_body(self, response: Any) -> None:
        """Check an answer's headers, then write its body to the partial file."""
        raise_for_status(response)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise WeightsCorrupted(f"{self.file_name} comes with the content encoding {encoding[:40]!r}, which is refused")
        span = response.headers.get("Content-Range", "")
        is_part = response.status_code == 206 and span.startswith(f"bytes {self.num_bytes}-")
        etag = response.headers.get("ETag", "")
        if is_part and self.num_bytes and self.etag and etag != self.etag:
            self.num_bytes = 0  # the file has changed since its first part arrived
            return self.send_request()
        self.etag = etag
        if not is_part:
            self.num_bytes = 0  # this is the whole file
        if (total := self.num_bytes + declared_bytes(response)) > self.max_bytes:
            raise WeightsCorrupted(f"{self.file_name} has {total} bytes, and {self.max_bytes} are expected: it is not read")
        with open(self.partial, "r+b" if self.num_bytes else "wb") as file:
            file.truncate(self.num_bytes)
            file.seek(self.num_bytes)
            for chunk in response.iter_raw():
                if self.cancelled.is_set():
                    return None
                if self.num_bytes + len(chunk) > self.max_bytes:
                    raise WeightsCorrupted(f"{self.file_name} has more than the {self.max_bytes} bytes that are expected")
                file.write(chunk)
                file.flush()  # nothing is left to be written when this thread outlives the transfer
                self.request_bytes += len(chunk)
                self.num_bytes += len(chunk)
        return None


def open_session() -> Any:
    """Return huggingface-hub's HTTP client.

    Raises:
        WeightsUnavailable: The environment names a proxy or certificates that cannot be used.
    """
    from huggingface_hub.utils import get_session

    try:
        return get_session()
    except Exception as error:  # ImportError, ValueError, OSError, and a class of the HTTP library that is none of these
        raise WeightsUnavailable(
            f"No connection can be opened ({first_line(error)}): check the proxy in ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, and "
            'SSL_CERT_FILE; a SOCKS proxy needs pip install "httpx[socks]"'
        ) from error


def is_temporary(error: Any) -> bool:
    """Return whether a server that answered with a status of failure may answer otherwise later."""
    return error.response.status_code in RETRY_STATUS


def declared_bytes(response: Any) -> int:
    """Return the length that an answer says its body has, 0 if it says none."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def raise_for_status(response: Any) -> None:
    """Raise huggingface-hub's error for a status of failure. The body, which can be of any size, is not read."""
    from huggingface_hub.utils import hf_raise_for_status

    if response.status_code >= 400:
        headers = [(key, value) for key, value in response.headers.items() if key.lower().startswith("x-")]
        hf_raise_for_status(
            type(response)(response.status_code, headers=headers, content=b"", request=response.request)
        )

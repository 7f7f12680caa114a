"""A hub that sends too much, too slowly, compressed, or rows with absurd numbers: the disk, the memory and the process are safe."""

import gzip
import json
import resource
import time

import pytest
from hub_server import CONTENT, REVISION, row

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import manifest, transfer, weights

REFERENCE = f"hf://org/name@{REVISION}"
BLOCK = bytes(1 << 16)


def send_headers(handler, *headers):
    handler.wfile.write("\r\n".join(("HTTP/1.1 200 OK", *headers, "", "")).encode())


def send_without_end(handler, sent):
    send_headers(handler)
    while sum(sent) < 50_000_000:
        handler.wfile.write(BLOCK)
        sent.append(len(BLOCK))


def send_chunks_without_end(handler, sent):
    send_headers(handler, "Transfer-Encoding: chunked")
    while sum(sent) < 50_000_000:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
        sent.append(len(BLOCK))


def send_gzip(handler, sent):
    body = gzip.compress(bytes(3_000_000))
    send_headers(handler, "Content-Encoding: gzip", f"Content-Length: {len(body)}")
    handler.wfile.write(body)


def send_long_file(handler, sent):
    send_headers(handler, "Content-Length: 3000000000")
    handler.wfile.write(BLOCK)


def files_in(folder):
    return [p for p in (folder / "cache").rglob("*") if p.is_file() and p.suffix != ".lock"]


@pytest.mark.parametrize("send", [send_without_end, send_chunks_without_end, send_gzip, send_long_file])
@pytest.mark.parametrize("fetch", [lambda: weights.weights_path(row()), lambda: weights.fetch_entry(REFERENCE)])
def test_no_byte_beyond_the_size_is_kept(place, loopback, send, fetch):
    loopback.files["manifest.json"], sent = b"{}", []
    loopback.answer_download = lambda handler: send(handler, sent)
    with pytest.raises(WeightsCorrupted, match="that are expected|are expected: it is not read|content encoding 'gzip'"):
        fetch()
    assert not files_in(place) and sum(sent) < 40_000_000  # the rest of what was sent lay in the system's buffers
    assert len(loopback.downloads()) == 1


def send_slowly(handler):
    send_headers(handler, f"Content-Length: {len(CONTENT)}")
    for byte in CONTENT[:100]:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.02)


def send_headers_slowly(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Never-Ends: ")
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def send_error_slowly(handler):
    handler.wfile.write(b"HTTP/1.1 404 Not Found\r\nX-")
    send_headers_slowly(handler)


@pytest.mark.parametrize("send", [send_slowly, send_headers_slowly, send_error_slowly])
def test_a_server_that_is_too_slow_is_left(place, loopback, monkeypatch, send):
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.2)
    loopback.answer_download, start = send, time.monotonic()
    with pytest.raises(WeightsUnavailable, match="less than 4 kB a second: .* continues the download"):
        weights.weights_path(row())
    assert time.monotonic() - start < 1.5
    loopback.answer_download = None
    monkeypatch.setattr(transfer, "STALL_SECONDS", 30.0)
    assert weights.weights_path(row()).read_bytes() == CONTENT
    assert (loopback.downloads()[1] > 0) == (send is send_slowly)  # what had arrived is used
    assert [p.suffix for p in files_in(place)] == [".h5"] or len(files_in(place)) == 2  # the blob and its link


def test_the_whole_has_a_deadline(place, loopback, monkeypatch):
    monkeypatch.setattr(transfer, "BASE_SECONDS", 0.2 - len(CONTENT) / transfer.MIN_BYTES_PER_SECOND)

    def send(handler):
        send_headers(handler, f"Content-Length: {len(CONTENT)}")
        for begin in range(0, len(CONTENT), 6000):
            handler.wfile.write(CONTENT[begin : begin + 6000])
            time.sleep(0.02)

    loopback.answer_download = send
    with pytest.raises(WeightsUnavailable, match="did not arrive in time"):
        weights.weights_path(row())


def test_a_server_that_always_sends_one_byte_is_left(place, loopback):
    def send(handler):
        begin = loopback.downloads()[-1]
        span = f"Content-Range: bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        handler.wfile.write(f"HTTP/1.1 206 Part\r\nContent-Length: {len(CONTENT) - begin}\r\n{span}\r\n\r\n".encode())
        handler.wfile.write(CONTENT[begin : begin + 1])

    loopback.answer_download = send
    with pytest.raises(WeightsUnavailable, match="cannot be reached"):
        weights.weights_path(row())
    assert loopback.downloads() == list(range(transfer.MAX_REQUESTS))


@pytest.mark.parametrize("replaced", [0.5, 2.0])
def test_a_file_that_changes_between_two_parts_is_read_anew(place, loopback, replaced):
    """A first part of another file, then the rest and in time the whole of the right one."""
    def send(handler):
        begin, size = loopback.downloads()[-1], len(CONTENT)
        if len(loopback.downloads()) <= replaced:  # the connection ends after the first 1,000 bytes
            send_headers(handler, f"Content-Length: {size}", 'ETag: "old"')
            return handler.wfile.write(bytes(1000))
        span = (f"Content-Range: bytes {begin}-{size - 1}/{size}",) if begin else ()
        headers = (f"HTTP/1.1 {206 if begin else 200} OK", f"Content-Length: {size - begin}", 'ETag: "new"', *span, "", "")
        handler.wfile.write("\r\n".join(headers).encode())
        return handler.wfile.write(CONTENT[begin:])

    loopback.answer_download = send
    assert weights.weights_path(row()).read_bytes() == CONTENT
    assert loopback.downloads() == ([0] if replaced < 1 else [0, 1000, 1000, 0])


def test_a_redirect_to_a_file_is_not_followed(place, loopback):
    loopback.redirect = "file:///etc/passwd?"
    with pytest.raises(WeightsUnavailable, match="cannot be reached"):
        weights.weights_path(row())
    assert not files_in(place)


def test_a_disk_that_takes_no_more_is_named(place, loopback):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(WeightsUnavailable, match=r"cannot be written .*make room there, or set HF_HUB_CACHE"):
            weights.weights_path(row())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert weights.weights_path(row()).read_bytes() == CONTENT and loopback.downloads()[1] > 0


@pytest.mark.parametrize(("left", "begins"), [
    (CONTENT[:1000], [1000]), (CONTENT + b"more", [0]), (CONTENT, []), (b"", [0]),
])  # fmt: skip
def test_what_a_killed_download_left_is_continued_and_never_grows(place, loopback, left, begins):
    folder = place / "cache" / "models--org--name" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{row().sha256}.incomplete").write_bytes(left)
    assert weights.weights_path(row()).read_bytes() == CONTENT and loopback.downloads() == begins
    assert [p.name for p in folder.iterdir()] == [row().sha256]


def test_a_part_of_another_file_is_removed(place, loopback):
    folder = place / "cache" / "models--org--name" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{row().sha256}.incomplete").write_bytes(bytes(1000))
    with pytest.raises(WeightsCorrupted, match="has the hash"):
        weights.weights_path(row())
    assert not files_in(place) and weights.weights_path(row()).read_bytes() == CONTENT


# ---------------------------------------------------------------- rows

ROWS = {
    "a billion classes": ({"model": {"classes": 1_000_000_000}}, "classes: 1000000000 is too large: at most 100000 is"),
    "classes without end": ({"model": {"classes": float("inf")}}, "is too large"),
    "repetitions": ({"model": {"alphabet": {"num_repetition_symbols": 10**12}}}, "model, alphabet, num_repetition_symbols"),
    "a beam of a billion": ({"decoder": {"beam_size": 10**9}}, "decoder, beam_size: 1000000000 is too large"),
    "no number": ({"decoder": {"lm_weight": float("nan")}}, "decoder, lm_weight: nan"),
    "size of a planet": ({"size": 10**18}, "must be a number of bytes"),
    "a negative size": ({"size": -1}, "must be a number of bytes"),
    "size as a truth": ({"size": True}, "must be a number of bytes"),
    "size as a float": ({"size": 1e300}, "must be a number of bytes"),
    "a newline after a hash": ({"sha256": "0" * 64 + "\n"}, "must be a hash"),
    "a short hash": ({"sha256": "0" * 63}, "must be a hash"),
    "a newline after a name": ({"file": "x.weights.h5\n"}, "must be a plain file name"),
    "a recipe as a path": ({"recipe": "../x"}, "must be a plain file name"),
    "no name": ({"file": 7}, "must be a plain file name"),
}


@pytest.mark.parametrize("case", ROWS)
def test_numbers_and_names_of_a_row_are_bounded(case):
    changes, message = ROWS[case]
    with pytest.raises(KerasRecipesError, match=message):
        row(**changes)


@pytest.mark.parametrize("content", [
    b"[" * 100_000, b"{" + b" " * 1_000_000 + b"}", b'{"size": ' + b"9" * 5000 + b"}", b'{"model": 1}', b"\xff",
    json.dumps({**json.loads(manifest.to_json(row())), "model": {"classes": 10**9}}).encode(),
    json.dumps({**json.loads(manifest.to_json(row())), "hub": {"revision": REVISION}}).encode(),
], ids=["deep", "long", "digits", "type", "binary", "classes", "hub"])  # fmt: skip
def test_a_hostile_manifest_is_refused_and_removed(place, loopback, content):
    loopback.files["manifest.json"] = content
    with pytest.raises(KerasRecipesError, match="manifest|JSON|too large"):
        weights.fetch_entry(REFERENCE)
    assert not files_in(place)


@pytest.mark.parametrize("reference", [
    f"{REFERENCE}\n", f"hf://../..@{REVISION}", f"hf://org/na me@{REVISION}", f"hf://org/nam\x1b[31me@{REVISION}", f"hf://./.@{REVISION}",
])  # fmt: skip
def test_odd_references_are_no_references(place, loopback, reference):
    with pytest.raises(WeightsUnavailable, match="is no hub reference"):
        weights.fetch_entry(reference)
    assert not loopback.requests

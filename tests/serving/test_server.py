"""The server: OpenAI's own client, many requests at once, a stream, limits, and what clients can get wrong."""

import asyncio
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.results import Transcript, Word

pytest.importorskip("fastapi", reason="pip install kerasrecipes[serve]")
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from kerasrecipes.serving import app as server
from kerasrecipes.serving import batching

RATE = 16000


def make_wav(value, seconds=0.5):
    file = io.BytesIO()
    soundfile.write(file, np.full(round(seconds * RATE), value, "int16"), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


class Echo:
    """Says the value of a clip's samples, and keeps the sizes of its batches."""

    name, sample_rate = "echo", RATE

    def __init__(self):
        self.batches, self.may_run = [], threading.Event()
        self.may_run.set()

    def transcribe(self, source, sample_rate=None, **options):
        if not isinstance(source, list):
            return Transcript("")
        self.may_run.wait(20)
        self.batches.append(len(source))
        return [self.read(file, options["max_seconds"]) for file in source]

    def read(self, file, max_seconds):
        try:
            samples, _ = soundfile.read(file, dtype="int16")
        except soundfile.LibsndfileError as error:
            return AudioError(f"no audio: {error}")
        if len(samples) > max_seconds * RATE:
            return AudioError(f"longer than {max_seconds} s")
        word = f"number {samples[0]}"
        return Transcript(word, (Word(word, 0.1, 0.4, 0.9),), 0.9, len(samples) / RATE)

    def stream(self, sample_rate, **options):
        return EchoStream()


class EchoStream:
    def __init__(self):
        self.total = 0

    def feed(self, samples):
        self.total += len(samples)
        return f"{self.total} samples"

    def finish(self):
        return Transcript(f"{self.total} samples in all")


@pytest.fixture
def model():
    return Echo()


@pytest.fixture
def client(model):
    with TestClient(server.make_app(model, max_bytes=100_000, max_seconds=2.0)) as client:
        yield client


def send(client, content, **form):
    return client.post("/v1/audio/transcriptions", files={"file": ("clip.wav", content)}, data=form)


def test_formats(client):
    clip = make_wav(7)
    assert send(client, clip).json() == {"text": "number 7"}
    assert send(client, clip, model="echo", response_format="text").text == "number 7\n"
    assert "00:00:00,100 --> 00:00:00,400\nnumber 7" in send(client, clip, response_format="srt").text
    assert send(client, clip, response_format="vtt").text.startswith("WEBVTT")
    values = send(client, clip, response_format="verbose_json").json()
    assert values["duration"] == 0.5 and values["words"] == [{"word": "number 7", "start": 0.1, "end": 0.4}]
    assert values["segments"] == [{"id": 0, "start": 0.1, "end": 0.4, "text": "number 7"}]
    assert client.get("/v1/models").json()["data"][0]["id"] == "echo"
    assert client.get("/health").json() == {"status": "ok", "model": "echo", "waiting": 0, "streams": 0}


@pytest.mark.parametrize(
    ("content", "form", "status", "message"),
    [
        (b"no audio", {}, 400, "no audio"), (make_wav(1, 2.5), {}, 400, "longer than 2.0 s"), (b"", {}, 400, "no audio"),
        (make_wav(1), {"model": "whisper-1"}, 404, "this server has echo"), (make_wav(1), {"response_format": "xml"}, 400, "verbose_json"),
    ],
)  # fmt: skip
def test_bad_requests(client, content, form, status, message):
    answer = send(client, content, **form)
    assert answer.status_code == status and message in answer.json()["error"]["message"]
    assert send(client, make_wav(3)).json() == {"text": "number 3"}


def test_a_missing_file_and_a_wrong_address(client):
    assert client.post("/v1/audio/transcriptions", data={"model": "echo"}).json()["error"]["message"] == "file: Field required"
    assert client.get("/v1/nothing").status_code == 404


def test_what_waits_is_transcribed_together_and_a_bad_clip_harms_no_other(model):
    queue = batching.TranscriptionQueue(model, 2.0)
    model.may_run.clear()
    first = queue.submit(make_wav(0))
    while queue.count_waiting():
        time.sleep(0.01)
    futures = [queue.submit(b"bad" if i == 5 else make_wav(i)) for i in range(1, 40)]
    model.may_run.set()
    assert [f.result(20).text if i != 5 else None for i, f in enumerate([first, *futures]) if i != 5] == [
        f"number {i}" for i in range(40) if i != 5
    ]
    with pytest.raises(AudioError):
        futures[4].result(20)
    assert model.batches == [1, batching.MAX_TOGETHER, 39 - batching.MAX_TOGETHER]
    queue.close()


def test_an_error_of_the_model_reaches_all_and_ends_nothing(model, monkeypatch):
    queue = batching.TranscriptionQueue(model, 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(model, "transcribe", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            queue.submit(make_wav(1)).result(20)
    assert queue.submit(make_wav(2)).result(20).text == "number 2"
    queue.close()


def test_a_full_queue_says_try_again(model, client, monkeypatch):
    def refuse(content):
        raise batching.ServerBusy("256 requests wait already: try again later")

    monkeypatch.setattr(client.app.state.queue, "submit", refuse)
    answer = send(client, make_wav(1))
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"


def test_large_bodies_are_refused_before_they_are_read():
    """By their declared length without reading, else where the limit is passed."""
    read = []

    async def call(headers, blocks):
        events, sent = iter(blocks), []

        async def receive():
            read.append(1)
            return {"type": "http.request", "body": next(events, b""), "more_body": True}

        async def note(event):
            sent.append(event)

        async def consume(scope, receive, send):
            while (await receive())["body"]:
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})

        await server.BodyLimit(consume, 1000)({"type": "http", "headers": headers}, receive, note)
        return sent

    limit = 1000 + 65_536
    sent = asyncio.run(call([(b"content-length", str(limit + 1).encode())], []))
    assert sent[0]["status"] == 413 and not read and "0.001 MB" in json.loads(sent[1]["body"])["error"]["message"]
    sent = asyncio.run(call([], [b"x" * 30_000] * 100))
    assert sent[0]["status"] == 413 and len(read) == 3
    assert asyncio.run(call([(b"content-length", str(limit).encode())], [b"x" * limit]))[0]["status"] == 200


def test_streams(client):
    with client.websocket_connect("/v1/audio/stream?sample_rate=8000") as socket:
        socket.send_bytes(bytes(200))
        assert socket.receive_json() == {"text": "100 samples", "final": False}
        socket.send_bytes(b"")
        socket.send_bytes(bytes(20))
        assert socket.receive_json()["text"] == "110 samples"
        assert client.get("/health").json()["streams"] == 1
        socket.send_text("end")
        final = socket.receive_json()
        assert final["text"] == "110 samples in all" and final["final"]
    assert client.get("/health").json()["streams"] == 0


@pytest.mark.parametrize(
    ("query", "message", "error"),
    [
        ("", bytes(3), "even number"), ("", "stop", "16-bit samples"), ("", bytes(2 * RATE * 2 + 2), "longer than 2 s"),
        ("?sample_rate=0", bytes(2), "sample_rate"),
    ],
)  # fmt: skip
def test_bad_streams(client, query, message, error):
    with client.websocket_connect(f"/v1/audio/stream{query}") as socket:
        (socket.send_text if isinstance(message, str) else socket.send_bytes)(message)
        assert error in socket.receive_json()["error"]["message"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    assert client.get("/health").json()["streams"] == 0


def test_keys(model):
    with TestClient(server.make_app(model, api_key="secret")) as client:
        assert send(client, make_wav(1)).status_code == 401 and client.get("/v1/models").status_code == 401
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/audio/stream") as socket:
            socket.receive_json()
        client.headers["Authorization"] = "Bearer secret"
        assert send(client, make_wav(1)).json() == {"text": "number 1"}


@pytest.fixture
def address(model):
    import uvicorn

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = uvicorn.Server(uvicorn.Config(server.make_app(model, max_bytes=100_000), port=port, log_level="error"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


def test_openais_client_and_fifty_requests_at_once(address, model):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)

    def ask(number):
        file = ("clip.wav", make_wav(number))
        return client.audio.transcriptions.create(model="echo", file=file, response_format="verbose_json")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert [a.text for a in answers] == [f"number {i}" for i in range(50)]
    assert answers[0].words[0].end == 0.4 and sum(model.batches) == 50
    assert client.audio.transcriptions.create(model="echo", file=("a.wav", make_wav(9)), response_format="text") == "number 9\n"
    assert [m.id for m in client.models.list()] == ["echo"]
    with pytest.raises(openai.APIStatusError, match="larger than 0.1 MB") as error:
        client.audio.transcriptions.create(model="echo", file=("a.wav", bytes(200_000)))
    assert error.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="no audio"):
        client.audio.transcriptions.create(model="echo", file=("a.wav", b"x"))


def test_a_missing_package_names_the_extra(monkeypatch):
    import importlib
    import sys

    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(KerasRecipesError, match=r"kerasrecipes\[serve\]"):
        importlib.reload(server)
    monkeypatch.undo()
    importlib.reload(server)

"""Answers in the forms of OpenAI's transcription interface."""

import json
from collections.abc import Callable
from typing import Any

from kerasrecipes.results import Transcript

ERROR_TYPES = {401: "authentication_error", 404: "not_found_error", 413: "invalid_request_error", 503: "server_error"}


def make_error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error."""
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


async def send_error(send: Callable, status: int, message: str) -> None:
    """Send an error as an ASGI response that closes the connection, whose body was not read."""
    body = json.dumps(make_error(status, message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def write_json(transcript: Transcript) -> dict[str, Any]:
    """Return the text alone."""
    return {"text": transcript.text}


def write_verbose_json(transcript: Transcript) -> dict[str, Any]:
    """Return text, words and segments with times in seconds. Segments are those of subtitles."""
    return {
        "task": "transcribe", "language": "english", "duration": round(transcript.duration, 3), "text": transcript.text,
        "words": [{"word": w.text, "start": round(w.start, 3), "end": round(w.end, 3)} for w in transcript.words],
        "segments": [
            {"id": i, "start": round(start, 3), "end": round(end, 3), "text": text}
            for i, (start, end, text) in enumerate(transcript.subtitle_cues())
        ],
        "confidence": round(transcript.confidence, 4), "decoder": transcript.decoder,
    }  # fmt: skip


# `response_format` -> (function, media type)
FORMATS: dict[str, tuple[Callable[[Transcript], Any], str]] = {
    "json": (write_json, "application/json"),
    "verbose_json": (write_verbose_json, "application/json"),
    "text": (lambda transcript: f"{transcript.text}\n", "text/plain"),
    "srt": (lambda transcript: transcript.to_srt(), "text/plain"),
    "vtt": (lambda transcript: transcript.to_vtt(), "text/vtt"),
}

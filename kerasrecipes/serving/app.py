"""The server's routes: /v1/audio/transcriptions, /v1/audio/stream, /v1/models and /health."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.serving.batching import ServerBusy, TranscriptionQueue
from kerasrecipes.serving.body_limit import BodyLimit
from kerasrecipes.serving.replies import FORMATS, make_error

try:
    from fastapi import (
        FastAPI,
        File,
        Form,
        Header,
        HTTPException,
        Request,
        Response,
        UploadFile,
        WebSocket,
        WebSocketDisconnect,
    )
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
except ImportError:
    raise KerasRecipesError('The server needs more packages: pip install "kerasrecipes[serve]"') from None

MAX_BYTES = 25_000_000
MAX_SECONDS = 600.0
MAX_STREAMS = 16
WRONG_KEY = "The API key is missing or wrong"
END = "end"  # a text message that ends a stream
TRY_AGAIN_LATER, UNSUPPORTED, POLICY_VIOLATION = 1013, 1003, 1008  # codes that close a WebSocket


def make_app(
    model: Any, *, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS, api_key: str | None = None, **decoding: Any
) -> FastAPI:  # fmt: skip
    """Return the server of a speech recognizer as an ASGI application.

    Args:
        model: A speech recognizer.
        max_bytes: Largest file. Larger requests are refused before they are read.
        max_seconds: Longest recording and stream. Seconds.
        api_key: What clients must send as "Authorization: Bearer KEY". Default: nothing.
        **decoding: Options of `model.transcribe`. Streams take `phrases` and `rejection_cost`.

    Example:
        >>> app = make_app(kerasrecipes.load("wav2letter_small", engine="onnxruntime"))   # uvicorn module:app
    """
    name = model.name

    @asynccontextmanager
    async def run_queue(app: FastAPI) -> AsyncIterator[None]:
        app.state.queue = TranscriptionQueue(model, max_seconds, **decoding)
        await asyncio.to_thread(app.state.queue.warm_up)
        yield
        await asyncio.to_thread(app.state.queue.close)

    app = FastAPI(title=f"kerasrecipes: {name}", lifespan=run_queue)
    app.add_middleware(BodyLimit, max_bytes=max_bytes)
    app.state.num_streams = 0

    def has_key(authorization: str | None) -> bool:
        return not api_key or hmac.compare_digest((authorization or "").encode(), f"Bearer {api_key}".encode())

    def check_key(authorization: str | None) -> None:
        if not has_key(authorization):
            raise HTTPException(401, WRONG_KEY)

    @app.exception_handler(HTTPException)
    async def answer_error(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(make_error(error.status_code, str(error.detail)), error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def answer_bad_form(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse(make_error(400, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"), 400)

    @app.get("/health")
    async def read_health() -> dict[str, Any]:
        return {"status": "ok", "model": name, "waiting": app.state.queue.count_waiting(), "streams": app.state.num_streams}

    @app.get("/v1/models")
    async def list_models(authorization: Annotated[str | None, Header()] = None) -> dict[str, Any]:
        check_key(authorization)
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "kerasrecipes"}]}

    @app.post("/v1/audio/transcriptions")
    async def transcribe(
        file: Annotated[UploadFile, File()], model: Annotated[str, Form()] = name,
        response_format: Annotated[str, Form()] = "json", authorization: Annotated[str | None, Header()] = None,
    ) -> Response:  # fmt: skip
        check_key(authorization)
        if model != name:
            raise HTTPException(404, f"There is no model {model!r:.80}: this server has {name}")
        if response_format not in FORMATS:
            raise HTTPException(400, f"response_format is {response_format!r:.80}: choose one of {', '.join(FORMATS)}")
        try:
            transcript = await asyncio.wrap_future(app.state.queue.submit(await file.read()))
        except ServerBusy as error:
            raise HTTPException(503, str(error), {"Retry-After": "5"}) from None
        except KerasRecipesError as error:
            raise HTTPException(400, str(error)) from None
        write, media_type = FORMATS[response_format]
        body = write(transcript)
        return JSONResponse(body) if media_type == "application/json" else Response(body, media_type=media_type)

    @app.websocket("/v1/audio/stream")
    async def stream(socket: WebSocket, sample_rate: int = 16000) -> None:
        await socket.accept()
        if not has_key(socket.headers.get("authorization")):
            return await socket.close(POLICY_VIOLATION, WRONG_KEY)
        if app.state.num_streams >= MAX_STREAMS:
            return await socket.close(TRY_AGAIN_LATER, f"{MAX_STREAMS} streams run already: try again later")
        app.state.num_streams += 1
        try:
            await run_stream(model, socket, sample_rate, max_seconds, decoding)
        except KerasRecipesError as error:
            await socket.send_json(make_error(400, str(error)))
            await socket.close(UNSUPPORTED)
        except WebSocketDisconnect:
            pass
        finally:
            app.state.num_streams -= 1

    return app


async def run_stream(model: Any, socket: Any, sample_rate: int, max_seconds: float, decoding: dict[str, Any]) -> None:
    """Answer each block of 16-bit samples by the text so far, where it changed, and "end" by the whole transcript.

    Raises:
        KerasRecipesError: The model cannot stream, or the samples make no sense.
    """
    if not 1000 <= sample_rate <= 384_000:
        raise KerasRecipesError(f"sample_rate is {sample_rate}: it must be 1000 to 384000 Hz")
    options = {name: value for name, value in decoding.items() if name in ("phrases", "rejection_cost", "pause_seconds")}
    session = await asyncio.to_thread(model.stream, sample_rate, **options)
    num_samples, text = 0, ""
    while True:
        event = await socket.receive()
        if event["type"] == "websocket.disconnect":
            return
        if event.get("bytes") is not None:
            if len(event["bytes"]) % 2:
                raise KerasRecipesError(f"{len(event['bytes'])} bytes are no 16-bit samples: send an even number")
            samples = np.frombuffer(event["bytes"], "<i2")
            num_samples += len(samples)
            if num_samples > max_seconds * sample_rate:
                raise KerasRecipesError(f"The stream is longer than {max_seconds:g} s: end it, and start another")
            if (new_text := await asyncio.to_thread(session.feed, samples)) != text:
                text = new_text
                await socket.send_json({"text": text, "final": False})
        elif event.get("text") == END:
            transcript = await asyncio.to_thread(session.finish)
            await socket.send_json({**transcript.to_dict(), "final": True})
            return await socket.close()
        else:
            raise KerasRecipesError(f'A stream takes blocks of 16-bit samples and the text "{END}"')

"""A limit on the size of requests: what is too large is refused before it is read."""

from collections.abc import Awaitable, Callable
from typing import Any

from kerasrecipes.serving.replies import send_error

FORM_BYTES = 65_536  # of a form's other fields and boundaries


class BodyTooLarge(Exception):
    """More bytes came than a request may have."""


class BodyLimit:
    """ASGI middleware that answers 413 to requests with too large a body.

    Args:
        app: ASGI application.
        max_bytes: Largest body, without `FORM_BYTES` for the form around the file.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], max_bytes: int):
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        limit = self.max_bytes + FORM_BYTES
        message = f"The request is larger than {self.max_bytes / 1e6:g} MB: send a shorter or a compressed file"
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            return await send_error(send, 413, message)
        num_bytes, is_answered = 0, False

        async def receive_counted() -> dict[str, Any]:
            nonlocal num_bytes
            event = await receive()
            num_bytes += len(event.get("body", b""))
            if num_bytes > limit:
                raise BodyTooLarge
            return event

        async def send_noted(event: dict[str, Any]) -> None:
            nonlocal is_answered
            is_answered = True
            await send(event)

        try:
            await self.app(scope, receive_counted, send_noted)
        except BodyTooLarge:
            if not is_answered:
                await send_error(send, 413, message)

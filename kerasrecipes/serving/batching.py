"""Requests that wait are transcribed together: one thread owns the model and takes all that has come in the meantime."""

import io
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import AudioError, KerasRecipesError, strip_traceback
from kerasrecipes.results import Transcript

MAX_WAITING = 256  # requests, whose audio is in memory
MAX_TOGETHER = 32  # requests of one batch
WARM_UP_SECONDS = (1.0, 4.0)  # lengths of the clips before the first request


class ServerBusy(KerasRecipesError):
    """More requests wait than the server takes."""


@dataclass(frozen=True)
class Request:
    """A clip that waits.

    Args:
        content: Bytes of an audio file.
        transcript: Receives the transcript or the error.
    """

    content: bytes
    transcript: Future = field(default_factory=Future)


class TranscriptionQueue:
    """Transcribes clips in one thread, as many together as wait.

    Args:
        model: A speech recognizer.
        max_seconds: Longest clip. Seconds.
        **decoding: Options of `model.transcribe`.
    """

    def __init__(self, model: Any, max_seconds: float, **decoding: Any):
        self.model, self.options = model, {"max_seconds": max_seconds, **decoding}
        self._requests: queue.Queue[Request | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="transcription", daemon=True)
        self._thread.start()

    def warm_up(self) -> None:
        """Transcribe noise, so that the first request does not wait for a compiler or a language model."""
        rng = np.random.default_rng(0)
        for seconds in WARM_UP_SECONDS:
            noise = rng.normal(scale=0.01, size=round(seconds * self.model.sample_rate)).astype("float32")
            self.model.transcribe(noise, sample_rate=self.model.sample_rate, **self.options)

    def submit(self, content: bytes) -> Future:
        """Return the future of a clip's transcript.

        Raises:
            ServerBusy: Too many requests wait.
        """
        request = Request(content)
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            raise ServerBusy(f"{MAX_WAITING} requests wait already: try again later") from None
        return request.transcript

    def count_waiting(self) -> int:
        """Return about how many requests wait."""
        return self._requests.qsize()

    def close(self) -> None:
        """End the thread after the requests that wait."""
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take_batch():
            requests = [request for request in batch if request]
            results: list[Transcript | AudioError | Exception]
            try:
                results = self.model.transcribe([io.BytesIO(request.content) for request in requests], **self.options)
            except Exception as error:  # one bad clip never gets here: its error stands in the list
                results = [error] * len(requests)
            for request, result in zip(requests, results, strict=True):
                if isinstance(result, Transcript):
                    request.transcript.set_result(result)
                else:
                    request.transcript.set_exception(strip_traceback(result))
            if len(requests) < len(batch):
                return

    def _take_batch(self) -> list[Request | None]:
        """Wait for a request, and return it with all others that wait. None at the end asks for the end."""
        batch = [self._requests.get()]
        while batch[-1] and len(batch) < MAX_TOGETHER:
            try:
                batch.append(self._requests.get_nowait())
            except queue.Empty:
                break
        return batch

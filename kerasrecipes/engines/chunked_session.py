"""Logits of whole recordings from a streaming file, where the file for whole recordings is not available."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.layers.time_geometry import output_length

CHUNK_SECONDS = 4.0


class ChunkedSession:
    """A streaming file in an engine, called like a file for whole recordings. Chunks give the same logits as the whole.

    Args:
        metadata: Metadata of the file.
        session: The file in an engine.
        make_streaming_model: Returns the object that `StreamingState` takes.
    """

    input_names = frozenset({"audio", "length"})

    def __init__(self, metadata: dict[str, Any], session: Any, make_streaming_model: Callable[[], Any]):
        self.name, self.make_streaming_model = session.name, make_streaming_model
        self.chunk_steps = round(CHUNK_SECONDS * metadata["sample_rate"])

    def __call__(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logits (batch, frames, symbols) of {"audio": (batch, samples), "length": (batch,)}, zeros after each item."""
        model = self.make_streaming_model()
        frames = output_length(model.geometries, inputs["audio"].shape[1])
        logits = np.zeros((len(inputs["audio"]), frames, model.width), "float32")
        for row, wave, length in zip(logits, inputs["audio"], inputs["length"], strict=True):
            state = StreamingState(model, self.chunk_steps)
            item = np.concatenate([state.feed(wave[:length]), state.finish()])
            row[: len(item)] = item
        return logits

"""Long recordings in chunks, whose logits are stitched, never their texts.

Layers that need the whole utterance (its power, each bin's mean) get their statistics from a first pass over the audio, so
that every chunk is normalized as in the whole. A network with a finite receptive field or forward recurrences carries its
state from chunk to chunk: the result equals the whole's. A bidirectional network sees `CONTEXT_SECONDS` on each side, cut
off afterwards, instead of everything. Its chunks start on multiples of the total stride.
"""

from typing import Any

import keras
import numpy as np

from kerasrecipes.inference.compiled import compile_forward
from kerasrecipes.inference.streaming_graph import StreamingModel
from kerasrecipes.inference.streaming_state import StreamingState
from kerasrecipes.layers.sequence import SequenceLayer, StreamableLayer
from kerasrecipes.layers.time_geometry import compose, output_length

CHUNK_SECONDS = 30.0
CONTEXT_SECONDS = 6.0  # for bidirectional networks


class ChunkedScorer:
    """A recognizer split into a front end, up to its last layer that needs the whole utterance, and the layers above.

    Args:
        model: Has `layer_sequence` (its operations in order), `stride` and `sample_rate`.
    """

    def __init__(self, model: Any):
        layers = model.layer_sequence
        whole = [i for i, layer in enumerate(layers) if getattr(layer, "whole_utterance", False)]
        self.front_end: list[Any] = []  # layers that need the whole, and streaming models of the layers between them
        start, shape = 0, ()
        for i in whole:
            if start < i:
                self.front_end.append(StreamingModel(layers[start:i], shape))
            self.front_end.append(layers[i])
            start, shape = i + 1, tuple(layers[i].output[0].shape[2:])
        upper_layers = layers[start:]
        self.geometries = [layer.geometry for layer in upper_layers if isinstance(layer, StreamableLayer)]
        self.geometry = compose(self.geometries)
        self.steps_per_second = model.sample_rate * self.geometry.stride / model.stride  # of the upper part's input
        try:
            self.streaming_model: StreamingModel | None = StreamingModel(upper_layers, shape)
        except NotImplementedError:  # bidirectional
            self.streaming_model = None
            x = features = keras.Input((None, *shape), name="features")
            n = length = keras.Input((), dtype="int32", name="frames")
            for layer in upper_layers:
                if isinstance(layer, SequenceLayer):
                    x, n = layer(x, n)
                else:
                    x = layer(x)
            self.upper = compile_forward(keras.Model({"features": features, "frames": length}, x))

    def features(self, wave: np.ndarray, chunk_seconds: float) -> np.ndarray:
        """Return the input (steps, ...) of the upper part for the whole recording."""
        x, steps = wave.astype("float32"), chunk_seconds * self.steps_per_second * self.geometry.stride
        for part in self.front_end:
            if isinstance(part, StreamingModel):
                state = StreamingState(part, round(steps))
                x = np.concatenate([state.feed(x), state.finish()])
            else:
                x = part.call_numpy(x)
        return x

    def predict_logits(self, wave: np.ndarray, chunk_seconds: float, context_seconds: float) -> np.ndarray:
        """Return the logits (frames, symbols) of a recording of any length."""
        features = self.features(wave, chunk_seconds)
        if self.streaming_model:
            state = StreamingState(self.streaming_model, round(chunk_seconds * self.steps_per_second))
            return np.concatenate([state.feed(features), state.finish()])
        stride, frames = self.geometry.stride, output_length(self.geometries, len(features))
        chunk = max(round(chunk_seconds * self.steps_per_second / stride), 1)
        context = round(context_seconds * self.steps_per_second / stride)
        logits = []
        for start in range(0, frames, chunk):
            first, last = max(start - context, 0), min(start + chunk + context, frames)
            rows = features[first * stride : last * stride if last < frames else None]
            padded = np.zeros((1, (chunk + 2 * context) * stride, *features.shape[1:]), "float32")
            padded[0, : len(rows)] = rows[: padded.shape[1]]
            out = self.upper({"features": padded, "frames": np.array([len(rows)], "int32")})[0]
            logits.append(out[start - first : min(start + chunk, frames) - first])
        return np.concatenate(logits)


def predict_logits_chunked(
    model: Any, wave: np.ndarray, chunk_seconds: float = CHUNK_SECONDS, context_seconds: float = CONTEXT_SECONDS
) -> np.ndarray:  # fmt: skip
    """Return the logits (frames, symbols) of a long wave, chunk by chunk, in memory that does not grow with its length.

    Args:
        model: A recognizer.
        wave: (samples,).
        chunk_seconds: Length of each chunk in seconds.
        context_seconds: Context on both sides in seconds, for bidirectional networks.
    """
    if getattr(model, "_chunked_scorer", None) is None:
        model._chunked_scorer = ChunkedScorer(model)
    return model._chunked_scorer.predict_logits(wave, chunk_seconds, context_seconds)

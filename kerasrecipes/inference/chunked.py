"""Long recordings in pieces: the pieces' scores are stitched, never their texts.

Layers that see the whole utterance (its power, each bin's mean) get their statistics from a first pass, so that every
piece is normalised as the whole would be. A net with a finite receptive field or forward recurrences carries its state
from piece to piece: the result equals the whole's. A bidirectional net sees `CONTEXT_SECONDS` of each side, cut off
after scoring, instead of everything; its pieces begin on multiples of the total stride.
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
CONTEXT_SECONDS = 6.0  # of a bidirectional net


class ChunkedScorer:
    """A recogniser as a front end, up to its last layer that sees the whole utterance, and everything above.

    Args:
        model: has `chained` (its operations in order) and `sample_rate`.
    """

    def __init__(self, model: Any):
        whole = [i for i, layer in enumerate(model.layer_sequence) if getattr(layer, "whole_utterance", False)]
        self.front: list[Any] = []  # layers over the whole, and graphs of what lies between them
        begin, shape = 0, ()
        for i in whole:
            if begin < i:
                self.front.append(StreamingModel(model.layer_sequence[begin:i], shape))
            layer = model.layer_sequence[i]
            self.front.append(layer)
            begin, shape = i + 1, tuple(layer.output[0].shape[2:])
        above = model.layer_sequence[begin:]
        self.geometry = compose([layer.geometry for layer in above if isinstance(layer, StreamableLayer)])
        self.geometries = [layer.geometry for layer in above if isinstance(layer, StreamableLayer)]
        self.rate = model.sample_rate * self.geometry.stride / model.stride  # steps a second of what goes above
        try:
            self.carried: StreamingModel | None = StreamingModel(above, shape)
        except NotImplementedError:  # bidirectional
            self.carried = None
            x = features = keras.Input((None, *shape), name="features")
            n = length = keras.Input((), dtype="int32", name="frames")
            for layer in above:
                if isinstance(layer, SequenceLayer):
                    x, n = layer(x, n)
                else:
                    x = layer(x)
            self.upper = compile_forward(keras.Model({"features": features, "frames": length}, x))

    def features(self, wave: np.ndarray, piece_seconds: float) -> np.ndarray:
        """What goes into the part above, of the whole recording: (steps, ...) float32."""
        x, steps = wave.astype("float32"), piece_seconds * self.rate * compose(self.geometries).stride
        for part in self.front:
            if isinstance(part, StreamingModel):
                sequence = StreamingState(part, round(steps))
                x = np.concatenate([sequence.feed(x), sequence.finish()])
            else:
                x = part.over_whole(x)
        return x

    def scores(self, wave: np.ndarray, piece_seconds: float, context_seconds: float) -> np.ndarray:
        """Scores (frames, symbols) of a recording of any length."""
        features = self.features(wave, piece_seconds)
        if self.carried:
            sequence = StreamingState(self.carried, round(piece_seconds * self.rate))
            return np.concatenate([sequence.feed(features), sequence.finish()])
        stride, frames = self.geometry.stride, output_length(self.geometries, len(features))
        piece = max(round(piece_seconds * self.rate / stride), 1)
        context = round(context_seconds * self.rate / stride)
        found = []
        for begin in range(0, frames, piece):
            first, last = max(begin - context, 0), min(begin + piece + context, frames)
            rows = features[first * stride : last * stride if last < frames else None]
            padded = np.zeros((1, (piece + 2 * context) * stride, *features.shape[1:]), "float32")
            padded[0, : len(rows)] = rows[: padded.shape[1]]
            out = self.upper({"features": padded, "frames": np.array([len(rows)], "int32")})[0]
            found.append(out[begin - first : min(begin + piece, frames) - first])
        return np.concatenate(found)


def predict_logits_chunked(
    model: Any, wave: np.ndarray, piece_seconds: float = CHUNK_SECONDS, context_seconds: float = CONTEXT_SECONDS
) -> np.ndarray:  # fmt: skip
    """Scores (frames, symbols) of `wave` (samples,), piece by piece; memory does not grow with the model's activations.

    Args:
        piece_seconds: of each piece. context_seconds: on both sides, for a bidirectional net.
    """
    if getattr(model, "_pieces", None) is None:
        model._pieces = ChunkedScorer(model)
    return model._pieces.scores(wave, piece_seconds, context_seconds)

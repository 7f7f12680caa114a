"""Long recordings in chunks, whose logits are stitched, never their texts.

Layers that need the whole utterance (its power, each bin's mean) get their statistics from a first pass over the audio, so
that every chunk is normalized as in the whole. A network with a finite receptive field or forward recurrences carries its
state from chunk to chunk: the result equals the whole's. A bidirectional network sees `CONTEXT_SECONDS` on each side, cut
off afterwards, instead of everything. Its chunks start on multiples of the total stride.

Every pass reads the recording again, block by block. Memory holds a few blocks and the logits.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kerasrecipes.audio import Recording
from kerasrecipes.inference.compiled import compile_forward
from kerasrecipes.inference.streaming_graph import StreamingModel
from kerasrecipes.inference.streaming_state import join_logits, stream_blocks
from kerasrecipes.layers.sequence import SequenceLayer, StreamableLayer, UtteranceStatistics
from kerasrecipes.layers.time_geometry import compose, output_length

CHUNK_SECONDS = 30.0
CONTEXT_SECONDS = 6.0  # for bidirectional networks


class ChunkedScorer:
    """A recognizer split into a front end, up to its last layer that needs the whole utterance, and the layers above.

    Args:
        model: Has `layer_sequence` (its operations in order), `geometries`, `stride` and `sample_rate`.
    """

    def __init__(self, model: Any):
        self.model, layers = model, model.layer_sequence
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

    def feature_blocks(self, recording: Recording, chunk_seconds: float) -> Iterator[np.ndarray]:
        """Yield the input (n, ...) of the upper part, block by block, after one pass for each layer that needs statistics."""
        chunk_steps = round(chunk_seconds * self.steps_per_second * self.geometry.stride)
        statistics: list[UtteranceStatistics | None] = []
        for part in self.front_end:
            sums = None
            if getattr(part, "needs_statistics", False):
                sums = UtteranceStatistics()
                for x in self._run_front_end(recording, statistics, chunk_steps):
                    sums.add(x)
            statistics.append(sums)
        return self._run_front_end(recording, statistics, chunk_steps)

    def _run_front_end(self, recording: Recording, statistics: list, chunk_steps: int) -> Iterator[np.ndarray]:
        """Yield the output of as many parts of the front end as have an entry in `statistics`."""
        blocks = recording.blocks()
        for part, sums in zip(self.front_end, statistics, strict=False):
            blocks = stream_blocks(part, blocks, chunk_steps) if isinstance(part, StreamingModel) else layer_blocks(part, blocks, sums)
        return blocks

    def predict_logits(self, recording: Recording, chunk_seconds: float, context_seconds: float) -> np.ndarray:
        """Return the logits (frames, symbols) of a recording of any length."""
        features = self.feature_blocks(recording, chunk_seconds)
        if self.streaming_model:
            parts = stream_blocks(self.streaming_model, features, round(chunk_seconds * self.steps_per_second))
        else:
            chunk = max(round(chunk_seconds * self.steps_per_second / self.geometry.stride), 1)
            context = round(context_seconds * self.steps_per_second / self.geometry.stride)
            parts = self.window_logits(features, chunk, context)
        return join_logits(parts, output_length(self.model.geometries, len(recording)), self.model.alphabet.vocab_size)

    def window_logits(self, features: Iterable[np.ndarray], chunk: int, context: int) -> Iterator[np.ndarray]:
        """Yield the logits of `chunk` frames after another, each computed with up to `context` frames on both sides."""
        stride, rows, first_row, start = self.geometry.stride, np.zeros((0,)), 0, 0  # rows from `first_row` on wait
        for block in with_end(features):
            if block is not None:
                rows = np.concatenate([rows, block]) if len(rows) else block
            frames = output_length(self.geometries, first_row + len(rows))  # as far as is known
            while start + chunk + context < frames or (block is None and start < frames):
                first, last = max(start - context, 0), min(start + chunk + context, frames)
                window = rows[first * stride - first_row : last * stride - first_row if last < frames else None]
                padded = np.zeros((1, (chunk + 2 * context) * stride, *rows.shape[1:]), "float32")
                padded[0, : len(window)] = window[: padded.shape[1]]
                out = self.upper({"features": padded, "frames": np.array([len(window)], "int32")})[0]
                yield out[start - first : min(start + chunk, frames) - first]
                start += chunk
                unneeded = max((start - context) * stride - first_row, 0)
                rows, first_row = rows[unneeded:].copy(), first_row + min(unneeded, len(rows))


def with_end(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
    """Yield the blocks, then None."""
    yield from blocks
    yield None


def layer_blocks(layer: Any, blocks: Iterable[np.ndarray], statistics: UtteranceStatistics | None) -> Iterator[np.ndarray]:
    """Yield what a layer that sees the whole utterance makes of its blocks.

    Args:
        layer: Layer with `call_numpy`.
        blocks: Steps (n, ...) of one utterance.
        statistics: Those of the whole utterance, for a layer that needs them.
    """
    if layer.needs_statistics:
        for block in blocks:
            yield layer.call_numpy(block, statistics)
        return
    context, left = layer.numpy_context, layer.geometry.left
    if not context:  # it may do anything with the whole
        yield layer.call_numpy(np.concatenate([*blocks]))
        return
    rows, skipped, is_first = np.zeros(0), 0, True  # rows that wait, and how many at their start have been computed
    for step in with_end(blocks):
        if step is not None:
            rows = np.concatenate([rows, step]) if len(rows) else step
            if len(rows) - skipped <= 2 * context:
                continue
        if not len(rows):
            return
        out = layer.call_numpy(rows)
        yield out[0 if is_first else skipped + left : None if step is None else len(rows) - context + left]
        if step is not None:
            kept = max(len(rows) - 2 * context, 0)
            rows, skipped, is_first = rows[kept:].copy(), len(rows) - context - kept, False


def predict_logits_chunked(
    model: Any, recording: Any, chunk_seconds: float = CHUNK_SECONDS, context_seconds: float = CONTEXT_SECONDS
) -> np.ndarray:  # fmt: skip
    """Return the logits (frames, symbols) of a long recording, chunk by chunk, in memory that grows with the logits only.

    Args:
        model: A recognizer.
        recording: A `kerasrecipes.audio.Recording`, or samples (n,) at the model's rate.
        chunk_seconds: Length of each chunk in seconds.
        context_seconds: Context on both sides in seconds, for bidirectional networks.
    """
    if not isinstance(recording, Recording):
        recording = Recording.from_samples(np.asarray(recording, "float32"))
    if getattr(model, "_chunked_scorer", None) is None:
        model._chunked_scorer = ChunkedScorer(model)
    return model._chunked_scorer.predict_logits(recording, chunk_seconds, context_seconds)

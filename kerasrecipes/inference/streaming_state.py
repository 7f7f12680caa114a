"""One sequence in pieces through a network that goes on from its states, whatever engine computes it; needs no Keras."""

from typing import Any

import numpy as np

from kerasrecipes.layers.time_geometry import output_length

UNKNOWN_LENGTH = 1 << 30  # steps of an utterance whose end has not come


class StreamingState:
    """One sequence, piece by piece: the scores so far are those of the whole, whatever the cuts.

    Args:
        graph: the network: has `run(inputs)` from x, position, length and states to y, position and states, `shapes` of the
            states, `shape` and `dtype` of a step of x, `geometries`, `stride` and `width` of y; a `PieceGraph` or an engine's.
        piece: input steps per run; rounded up to a multiple of the total stride.
    """

    def __init__(self, graph: Any, piece: int):
        self.graph, self.piece = graph, -(-piece // graph.stride) * graph.stride
        self.states = {f"state_{i}": np.zeros((1, *s), "float32") for i, s in enumerate(graph.shapes)}
        self.waiting = np.zeros((0, *graph.shape), graph.dtype)
        self.position = self.delivered = 0

    def feed(self, x: np.ndarray) -> np.ndarray:
        """Take steps (n, ...) and return the scores (frames, symbols) that they complete, maybe none."""
        waiting = np.concatenate([self.waiting, x])
        whole = len(waiting) - len(waiting) % self.piece
        self.waiting = waiting[whole:]
        return self._concat(
            [self._run(waiting[i : i + self.piece], UNKNOWN_LENGTH) for i in range(0, whole, self.piece)]
        )

    def finish(self) -> np.ndarray:
        """The scores that were still missing at the end of the sequence."""
        length, found = self.position + len(self.waiting), []
        while self.delivered < output_length(self.graph.geometries, length):
            found.append(self._run(self.waiting, length))
            self.waiting = self.waiting[self.piece :]
        return self._concat(found)

    def _run(self, x: np.ndarray, length: int) -> np.ndarray:
        piece = np.zeros((1, self.piece, *self.graph.shape), self.graph.dtype)
        piece[0, : len(x)] = x[: self.piece]
        inputs = {"x": piece, "position": np.array([self.position], "int32"), "length": np.array([length], "int32")}
        out = self.graph.run(inputs | self.states)
        self.states = {name: out[name] for name in self.states}
        self.position += self.piece
        first, frames = int(out["position"][0]), output_length(self.graph.geometries, length)
        y = out["y"][0][max(-first, 0) : max(frames - first, 0)]
        self.delivered += len(y)
        return y

    def _concat(self, found: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros((0, self.graph.width), "float32"), *found])

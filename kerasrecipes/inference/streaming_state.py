"""One sequence in chunks through a network that continues from its states, in any engine. Does not import Keras."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kerasrecipes.layers.time_geometry import output_length

UNKNOWN_LENGTH = 1 << 30  # steps of a sequence whose end has not come


class StreamingState:
    """One sequence, chunk by chunk: the logits are those of the whole, wherever the sequence is cut.

    Args:
        model: A `StreamingModel` or an engine's: it has `run(inputs)`, from x, position, length and states to y, position
            and states, the `shapes` of the states, `shape` and `dtype` of a step of x, `geometries`, `stride`, and `width`
            of y.
        chunk_steps: Input steps per run, rounded up to a multiple of the total stride.
    """

    def __init__(self, model: Any, chunk_steps: int):
        self.model, self.chunk_steps = model, -(-chunk_steps // model.stride) * model.stride
        self.states = {f"state_{i}": np.zeros((1, *s), "float32") for i, s in enumerate(model.shapes)}
        self.buffer = np.zeros((0, *model.shape), model.dtype)
        self.position = self.num_outputs = 0

    def feed(self, x: np.ndarray) -> np.ndarray:
        """Take steps (n, ...) and return the logits (frames, symbols) that they complete, possibly none."""
        buffer = np.concatenate([self.buffer, x])
        whole = len(buffer) - len(buffer) % self.chunk_steps
        self.buffer = buffer[whole:]
        return self._concat(
            [self._run(buffer[i : i + self.chunk_steps], UNKNOWN_LENGTH) for i in range(0, whole, self.chunk_steps)]
        )

    def finish(self) -> np.ndarray:
        """End the sequence and return the remaining logits."""
        length, outputs = self.position + len(self.buffer), []
        while self.num_outputs < output_length(self.model.geometries, length):
            outputs.append(self._run(self.buffer, length))
            self.buffer = self.buffer[self.chunk_steps :]
        return self._concat(outputs)

    def _run(self, x: np.ndarray, length: int) -> np.ndarray:
        chunk = np.zeros((1, self.chunk_steps, *self.model.shape), self.model.dtype)
        chunk[0, : len(x)] = x[: self.chunk_steps]
        inputs = {"x": chunk, "position": np.array([self.position], "int32"), "length": np.array([length], "int32")}
        outputs = self.model.run(inputs | self.states)
        self.states = {name: outputs[name] for name in self.states}
        self.position += self.chunk_steps
        first, frames = int(outputs["position"][0]), output_length(self.model.geometries, length)
        y = outputs["y"][0][max(-first, 0) : max(frames - first, 0)]
        self.num_outputs += len(y)
        return y

    def _concat(self, outputs: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros((0, self.model.width), "float32"), *outputs])


def stream_blocks(model: Any, blocks: Iterable[np.ndarray], chunk_steps: int) -> Iterator[np.ndarray]:
    """Yield what a streaming model makes of the blocks of one sequence."""
    state = StreamingState(model, chunk_steps)
    for block in blocks:
        yield state.feed(block)
    yield state.finish()


def join_logits(parts: Iterable[np.ndarray], frames: int, width: int) -> np.ndarray:
    """Return consecutive logits (n, symbols) as one array, which alone is in memory."""
    logits, count = np.zeros((frames, width), "float32"), 0
    for part in parts:
        logits[count : count + len(part)] = part
        count += len(part)
    return logits

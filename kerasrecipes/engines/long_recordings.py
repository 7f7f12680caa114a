"""Long recordings in an engine: windows of the waveform, each normalized by the statistics of the whole recording.

The graph is cut at its sums over time (`graph_parts`). A pass over the recording computes each of them, and a last pass the logits.
Every pass reads the recording again, so that memory holds one window and the logits. The windows are those of Keras: a network with
a finite receptive field sees all of it, so its logits are those of the whole; a bidirectional one sees 6 seconds on both sides.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasrecipes.audio import Recording
from kerasrecipes.engines.graph_parts import TIME_AXIS, TimeReduction, cut_graph, find_time_reductions
from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.layers.time_geometry import TimeGeometry, compose, output_length

CONTEXT_SECONDS = 6.0  # for bidirectional networks
MIN_CONTEXT_SECONDS = 1.0  # more than derivatives of features reach


class WindowedRecognizer:
    """A recognizer's graph, cut at its sums over time.

    Args:
        read: Returns the ONNX file, which is read for each part and not kept.
        open_part: Opens an ONNX file in the engine. The result has `outputs(inputs)`.
        geometries: Those of the network's layers.
        sample_rate: In Hz.
        chunk_seconds: Length of a window without its context.
    """

    def __init__(
        self, read: Callable[[], bytes], open_part: Callable[[bytes], Any], geometries: Sequence[TimeGeometry], sample_rate: int,
        chunk_seconds: float,
    ):  # fmt: skip
        self.geometries, whole = list(geometries), compose(list(geometries))
        self.stride = whole.stride
        self.chunk = max(round(chunk_seconds * sample_rate / self.stride), 1) * self.stride
        reach = MIN_CONTEXT_SECONDS * sample_rate
        self.context = self.round_up(CONTEXT_SECONDS * sample_rate if whole.receptive_field is None else whole.receptive_field + reach)
        self.read, self.open_part = read, open_part
        self.reductions = find_time_reductions(cut_graph(read(), {}, [LOGITS_OUTPUT]))
        front_end = compose([g for g in self.geometries if g.receptive_field is not None])
        self.front_context = min(self.context, self.round_up((front_end.receptive_field or 1) + reach))
        self.parts: dict[str, Any] = {}  # opened files by their output

    def round_up(self, samples: float) -> int:
        """Return a number of samples as a multiple of the stride."""
        return -(-round(samples) // self.stride) * self.stride

    def logits(self, recording: Recording) -> Iterator[np.ndarray]:
        """Yield the logits (n, symbols) of consecutive windows."""
        statistics: list[Statistic] = []
        for reduction in self.reductions:
            statistic = Statistic(reduction, self.geometries)
            for start, first, window in self.windows(recording, self.front_context):
                values = self.run(window, statistics, reduction.source)
                statistic.add(values, len(window), start - first, self.chunk, first + len(window) == len(recording))
            statistics.append(statistic)
            self.parts.pop(reduction.source, None)  # its engine keeps the memory of a window
        for start, first, window in self.windows(recording, self.context):
            logits = self.run(window, statistics, LOGITS_OUTPUT)[0]
            begin = (start - first) // self.stride
            end = output_length(self.geometries, len(window))
            if first + len(window) < len(recording):
                end = begin + self.chunk // self.stride
            yield logits[begin : min(begin + self.chunk // self.stride, end)]

    def windows(self, recording: Recording, context: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield (start, first, samples) of each window: it begins at sample `start`, with context from sample `first` on."""
        waiting, first, start = np.zeros(0, "float32"), 0, 0
        for block in recording.blocks():
            waiting = np.concatenate([waiting, block])
            while first + len(waiting) >= start + self.chunk + context:
                yield start, first, waiting[: start + self.chunk + context - first]
                start += self.chunk
                unneeded = max(start - context - first, 0)
                waiting, first = waiting[unneeded:].copy(), first + unneeded
        while start < len(recording):
            yield start, first, waiting[: start + self.chunk + context - first]
            start += self.chunk
            unneeded = max(start - context - first, 0)
            waiting, first = waiting[unneeded:], first + unneeded

    def run(self, window: np.ndarray, statistics: "list[Statistic]", output: str) -> np.ndarray:
        """Compute a tensor of the graph for one window (samples,)."""
        sums = {s.reduction.target: s.for_window(len(window)) for s in statistics}
        if output not in self.parts:
            shapes = {name: value.shape for name, value in sums.items()}
            self.parts[output] = self.open_part(cut_graph(self.read(), shapes, [output]))
        inputs = {"audio": window[None], "length": np.array([len(window)], "int32"), **sums}
        return self.parts[output].outputs(inputs)[output]


class Statistic:
    """The result of a reduction over a whole recording, from windows.

    Args:
        reduction: The reduction.
        geometries: Those of the network's layers.
    """

    def __init__(self, reduction: TimeReduction, geometries: list[TimeGeometry]):
        self.reduction, self.geometries = reduction, geometries
        self.count, self.value = 0, np.float64(-np.inf if reduction.kind == "max" else 0)
        self.below: list[TimeGeometry] = []  # the layers below

    def add(self, values: np.ndarray, samples: int, offset: int, chunk: int, is_last: bool) -> None:
        """Add the steps of one window, without its context.

        Args:
            values: (1, steps, ...) that are reduced.
            samples: Length of the window.
            offset: Samples of context before it.
            chunk: Samples of the window without context.
            is_last: Whether the recording ends with it.
        """
        steps = values.shape[1]
        depths = range(len(self.geometries) + 1)
        self.below = next(self.geometries[:n] for n in depths if output_length(self.geometries[:n], samples) == steps)
        stride = compose(self.below).stride
        begin = offset // stride
        own = values[:, begin : None if is_last and samples - offset <= chunk else begin + chunk // stride].astype("float64")
        self.count += own.shape[1]
        axes, keepdims = self.reduction.axes, self.reduction.keepdims
        if self.reduction.kind == "max":
            self.value = np.maximum(self.value, own.max(axis=axes, keepdims=keepdims, initial=-np.inf))
        else:
            others = 1 if self.reduction.kind == "sum" else math.prod(own.shape[axis] for axis in axes if axis != TIME_AXIS)
            self.value = self.value + own.sum(axis=axes, keepdims=keepdims) / others

    def for_window(self, samples: int) -> np.ndarray:
        """Return the value that gives a window of `samples` the statistics of the whole: sums are divided by its own length."""
        value = self.value
        if self.reduction.kind != "max":
            value = value / max(self.count, 1)
        if self.reduction.kind == "sum":
            value = value * output_length(self.below, samples)
        return np.asarray(value, "float32")

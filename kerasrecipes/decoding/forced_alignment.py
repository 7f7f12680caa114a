"""Forced alignment: the exact best path of a known text through the frames, for an hour of audio as for a second.

A text is a row of states. At every frame a path stays in its state, goes to the next, or (CTC, over a blank between two
different letters) to the next but one. Tracing the path back needs the choices of every frame: for 90,000 frames and
100,000 states they would take nine gigabytes. Instead the scores of every few hundredth frame are stored, and the frames
between them are computed again, for only those states from which the end of the path can be reached.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

LOG_ZERO = -np.inf
CHECKPOINT_EVERY = 256  # frames


@dataclass(frozen=True)
class AlignmentGraph:
    """The states of a text.

    Args:
        columns: (states,) logit column of each state.
        skip: (states,) True where a path may come from the state before the previous one.
        stay: (states,) score added to a path that stays in the state.
        step: (states,) score added to a path that comes from the previous state.
        starts: Number of first states in which a path may start.
        ends: Number of last states in which a path may end.
    """

    columns: np.ndarray
    skip: np.ndarray
    stay: np.ndarray
    step: np.ndarray
    starts: int
    ends: int

    @property
    def min_frames(self) -> int:
        """Number of frames of the shortest path."""
        frames, state = 0, len(self.columns) - 1 if self.ends == 1 else len(self.columns) - 2
        while state >= 0:
            frames += 1
            state = -1 if state < self.starts else state - (2 if self.skip[state] else 1)
        return max(frames, 1)


def ctc_alignment_graph(labels: np.ndarray) -> AlignmentGraph:
    """Build the graph of a text with blanks around all symbols. Only the blank between two equal symbols is mandatory."""
    columns = np.zeros(2 * len(labels) + 1, "int64")
    columns[1::2] = labels
    skip = np.zeros(len(columns), bool)
    skip[3::2] = columns[3::2] != columns[1:-2:2]
    zero = np.zeros(len(columns), "float32")
    return AlignmentGraph(columns, skip, zero, zero, min(2, len(columns)), min(2, len(columns)))


def asg_alignment_graph(labels: np.ndarray, transitions: np.ndarray) -> AlignmentGraph:
    """Build the graph of a text without blanks. Every move adds its entry of `transitions` (letters, letters)."""
    columns = np.asarray(labels, "int64") - 1
    stay = transitions[columns, columns].astype("float32")
    step = np.concatenate([[0.0], transitions[columns[:-1], columns[1:]]]).astype("float32")
    return AlignmentGraph(columns, np.zeros(len(columns), bool), stay, step, 1, 1)


def viterbi_align(
    logits: np.ndarray, graph: AlignmentGraph, progress: Callable[[int, int], Any] | None = None
) -> np.ndarray:
    """Return the state at every frame (frames,) of the path with the largest sum of scores.

    Args:
        logits: (frames, symbols) log probabilities, or the logits of a criterion with transitions.
        graph: States of the text.
        progress: Called with (frames done, frames in all).

    Raises:
        ValueError: The text needs more frames. The message says how many.
    """
    frames, states = len(logits), len(graph.columns)
    if frames < graph.min_frames:
        raise ValueError(f"the text needs {graph.min_frames} frames, there are {frames}")
    logits = np.asarray(logits, "float32")
    scores = np.full(states, LOG_ZERO, "float32")
    scores[: graph.starts] = logits[0, graph.columns[: graph.starts]]
    checkpoints = [scores.copy()]
    for t in range(1, frames):
        # a path moves two states a frame at most, and must still be able to reach the end
        low, high = max(0, states - graph.ends - 2 * (frames - 1 - t)), min(states, graph.starts + 2 * t)
        scores[low:high] = viterbi_step(scores, logits[t], graph, low, high)[0]
        if t % CHECKPOINT_EVERY == 0:
            scores -= scores[low:high].max()  # so that float32 stays exact over an hour
            checkpoints.append(scores.copy())
            if progress:
                progress(t, frames)
    path = np.empty(frames, "int64")
    path[-1] = states - graph.ends + int(np.argmax(scores[states - graph.ends :]))
    for block in range(len(checkpoints) - 1, -1, -1):
        first = block * CHECKPOINT_EVERY
        last = min(first + CHECKPOINT_EVERY, frames - 1)
        low, high = max(0, path[last] - 2 * (last - first)), path[last] + 1
        scores, moves = checkpoints[block][low:high].copy(), []
        subgraph = slice_states(graph, low, high)
        for t in range(first + 1, last + 1):
            scores, moved = viterbi_step(scores, logits[t], subgraph, 0, high - low)
            moves.append(moved)
        for t in range(last, first, -1):
            path[t - 1] = path[t] - moves[t - first - 1][path[t] - low]
    return path


def slice_states(graph: AlignmentGraph, low: int, high: int) -> AlignmentGraph:
    """Return the graph of the states `low` to `high - 1`."""
    states = slice(low, high)
    return replace(
        graph, columns=graph.columns[states], skip=graph.skip[states], stay=graph.stay[states], step=graph.step[states]
    )  # fmt: skip


def viterbi_step(
    scores: np.ndarray, frame: np.ndarray, graph: AlignmentGraph, low: int, high: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the states `low` to `high - 1` one frame later, and how many states each best path moved."""
    stay = scores[low:high] + graph.stay[low:high]
    step = np.full_like(stay, LOG_ZERO)
    skip = np.full_like(stay, LOG_ZERO)
    first = max(low, 1)
    step[first - low :] = scores[first - 1 : high - 1] + graph.step[first:high]
    first = max(low, 2)
    if high > first:
        skip[first - low :] = np.where(graph.skip[first:high], scores[first - 2 : high - 2], LOG_ZERO)
    moved = (step > stay).astype("uint8")
    np.maximum(stay, step, out=stay)
    moved[skip > stay] = 2
    np.maximum(stay, skip, out=stay)
    return stay + frame[graph.columns[low:high]], moved

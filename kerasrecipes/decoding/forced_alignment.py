"""The best way of a known text through the frames of a recognition: forced alignment, exact, an hour of audio included.

A text is a row of states. At every frame a way stays in its state, goes to the next, or (CTC, over a blank between two
different letters) to the next but one. Going back through the frames needs to know each one's choices: 90,000 frames and
100,000 states would be nine gigabytes. Instead every few hundredth frame's scores are kept, and the frames between are
gone through again, where only the states within reach of the way's end matter.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

LOG_ZERO = -np.inf
CHECKPOINT_EVERY = 256  # frames between two that are kept


@dataclass(frozen=True)
class AlignmentGraph:
    """The states of a text.

    Args:
        columns: (states,) of the scores. skip: (states,) whether a way may come here from the state before the last.
        stay, step: (states,) added to the score of a way that stays here, that comes from the last state.
        starts, ends: how many states, from the first or to the last, a way may begin or end in.
    """

    columns: np.ndarray
    skip: np.ndarray
    stay: np.ndarray
    step: np.ndarray
    starts: int
    ends: int

    @property
    def needed(self) -> int:
        """Frames that the shortest way takes."""
        needed, state = 0, len(self.columns) - 1 if self.ends == 1 else len(self.columns) - 2
        while state >= 0:
            needed += 1
            state = -1 if state < self.starts else state - (2 if self.skip[state] else 1)
        return max(needed, 1)


def ctc_alignment_graph(numbers: np.ndarray) -> AlignmentGraph:
    """Blanks before, between and behind the symbols; one between two equal ones must be taken."""
    columns = np.zeros(2 * len(numbers) + 1, "int64")
    columns[1::2] = numbers
    skip = np.zeros(len(columns), bool)
    skip[3::2] = columns[3::2] != columns[1:-2:2]
    zero = np.zeros(len(columns), "float32")
    return AlignmentGraph(columns, skip, zero, zero, min(2, len(columns)), min(2, len(columns)))


def asg_alignment_graph(numbers: np.ndarray, transitions: np.ndarray) -> AlignmentGraph:
    """The symbols alone; `transitions` (letters, letters) from row to column is added to every move."""
    columns = np.asarray(numbers, "int64") - 1
    stay = transitions[columns, columns].astype("float32")
    step = np.concatenate([[0.0], transitions[columns[:-1], columns[1:]]]).astype("float32")
    return AlignmentGraph(columns, np.zeros(len(columns), bool), stay, step, 1, 1)


def viterbi_align(scores: np.ndarray, lattice: AlignmentGraph, progress: Any = None) -> np.ndarray:
    """(frames,) the state at every frame of the way whose scores sum to the most.

    Args:
        scores: (frames, symbols) log probabilities, or scores of a criterion with transitions.
        lattice: of the text. progress: called with (frames done, frames in all).

    Raises:
        ValueError: the text does not fit into the frames; says how many it needs.
    """
    frames, states = len(scores), len(lattice.columns)
    if frames < lattice.needed:
        raise ValueError(f"the text needs {lattice.needed} frames, there are {frames}")
    scores = np.asarray(scores, "float32")
    way = np.full(states, LOG_ZERO, "float32")
    way[: lattice.starts] = scores[0, lattice.columns[: lattice.starts]]
    kept = [way.copy()]
    for t in range(1, frames):
        # a way can have come no further than two states a frame, and must leave room to arrive
        low, high = max(0, states - lattice.ends - 2 * (frames - 1 - t)), min(states, lattice.starts + 2 * t)
        way[low:high] = viterbi_step(way, scores[t], lattice, low, high)[0]
        if t % CHECKPOINT_EVERY == 0:
            way -= way[low:high].max()  # so that float32 stays exact over an hour
            kept.append(way.copy())
            if progress:
                progress(t, frames)
    path = np.empty(frames, "int64")
    path[-1] = states - lattice.ends + int(np.argmax(way[states - lattice.ends :]))
    for block in range(len(kept) - 1, -1, -1):
        first = block * CHECKPOINT_EVERY
        last = min(first + CHECKPOINT_EVERY, frames - 1)
        low, high = max(0, path[last] - 2 * (last - first)), path[last] + 1
        way, choices = kept[block][low:high].copy(), []
        part = slice_states(lattice, low, high)
        for t in range(first + 1, last + 1):
            way, came = viterbi_step(way, scores[t], part, 0, high - low)
            choices.append(came)
        for t in range(last, first, -1):
            path[t - 1] = path[t] - choices[t - first - 1][path[t] - low]
    return path


def slice_states(lattice: AlignmentGraph, low: int, high: int) -> AlignmentGraph:
    """The states from `low` to before `high`."""
    part = slice(low, high)
    return replace(
        lattice, columns=lattice.columns[part], skip=lattice.skip[part], stay=lattice.stay[part], step=lattice.step[part]
    )  # fmt: skip


def viterbi_step(
    way: np.ndarray, frame: np.ndarray, lattice: AlignmentGraph, low: int, high: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the states from `low` to before `high` one frame later, and how many states the best way moved."""
    stay = way[low:high] + lattice.stay[low:high]
    step = np.full_like(stay, LOG_ZERO)
    skip = np.full_like(stay, LOG_ZERO)
    begin = max(low, 1)
    step[begin - low :] = way[begin - 1 : high - 1] + lattice.step[begin:high]
    begin = max(low, 2)
    if high > begin:
        skip[begin - low :] = np.where(lattice.skip[begin:high], way[begin - 2 : high - 2], LOG_ZERO)
    came = (step > stay).astype("uint8")
    np.maximum(stay, step, out=stay)
    came[skip > stay] = 2
    np.maximum(stay, skip, out=stay)
    return stay + frame[lattice.columns[low:high]], came

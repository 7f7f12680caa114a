"""What criteria make of scores: text, best paths, posteriors. The losses are with the networks, in `kerasrecipes.tasks`."""

from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import greedy_decode, log_softmax
from kerasrecipes.decoding.viterbi import best_path, forward_backward, viterbi_decode
from kerasrecipes.results import Transcript


class Criterion:
    """Reads scores.

    Args:
        transitions: (symbols, symbols) from row to column, None for a criterion that has none.
    """

    num_repetition_symbols: int | None = None

    def __init__(self, transitions: np.ndarray | None = None):
        self.values = transitions

    def transitions(self) -> Any:
        """(symbols, symbols) from row to column, or None."""
        return self.values


class CTC(Criterion):
    """A blank between letters; frames are scored one by one."""

    def decode(self, scores: np.ndarray, alphabet: Alphabet, **times: Any) -> Transcript:
        """The best path's text; `times` as in `decoding.greedy`."""
        return greedy_decode(scores, alphabet, **times)


class ASG(Criterion):
    """No blank; letters' scores and learned transitions."""

    num_repetition_symbols = 2  # the paper's two repetition symbols

    def decode(self, scores: np.ndarray, alphabet: Alphabet, **times: Any) -> Transcript:
        """The best path's text; `times` as in `decoding.greedy`."""
        return viterbi_decode(scores, self.transitions(), alphabet, **times)


class Frames(Criterion):
    """Of phones: a softmax for each frame."""

    num_repetition_symbols = 0  # no blank
    decoders: tuple[str, ...] = ("greedy",)  # the first is the criterion's own

    def path(self, scores: np.ndarray, decoder: str) -> np.ndarray:
        """(frames,) columns of the best phones."""
        return scores.argmax(axis=1)

    def posteriors(self, scores: np.ndarray) -> np.ndarray:
        """(frames, phones) probabilities."""
        return np.exp(log_softmax(scores))


class CRF(Frames):
    """Of phones: scores of frames and learned transitions."""

    decoders = ("crf", "greedy")

    def path(self, scores: np.ndarray, decoder: str) -> np.ndarray:
        """(frames,) columns of the best path, or of the best phones without the transitions ("greedy")."""
        return best_path(scores, self.transitions()) if decoder == "crf" else scores.argmax(axis=1)

    def posteriors(self, scores: np.ndarray) -> np.ndarray:
        """(frames, phones) shares in the sum over all paths."""
        return forward_backward(scores, self.transitions())


CRITERIA: dict[str, type[Criterion]] = {"ctc": CTC, "asg": ASG, "frames": Frames, "crf": CRF}

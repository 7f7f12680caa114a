"""Training criteria: the loss, the errors of best paths, and how logits are decoded. Only `loss` and `count_errors` import Keras.

A recipe's configuration names its criterion: `criterion="ctc"`, "asg", "frames" or "crf".
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import check_logits, greedy_decode, log_softmax
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.decoding.phoneme_transcript import phoneme_transcript
from kerasrecipes.decoding.viterbi import best_path, forward_backward, viterbi_decode
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import Transcript


class Criterion:
    """Base class of the criteria.

    Args:
        transitions: (symbols, symbols) scores from row to column, an array or a Keras variable. None without transitions.
    """

    name = ""
    has_transitions = False
    num_repetition_symbols: int | None = None  # None: the alphabet has a blank
    default_decoder = "greedy"

    def __init__(self, transitions: Any = None):
        self.transitions = transitions

    @classmethod
    def from_network(cls, network: Any) -> "Criterion":
        """Create the criterion of a network, with the weights of its `Transitions` layer if it needs them.

        Raises:
            KerasRecipesError: The network lacks this layer.
        """
        if not cls.has_transitions:
            return cls()
        from kerasrecipes.layers.transitions import Transitions

        for layer in network.layers:
            if isinstance(layer, Transitions):
                return cls(layer.transitions)
        raise KerasRecipesError(f'criterion="{cls.name}": {network.name} must end with layers.Transitions')

    def transition_matrix(self) -> Any:
        """Return the transitions (symbols, symbols) from row to column, or None."""
        if self.transitions is None or isinstance(self.transitions, np.ndarray):
            return self.transitions
        from keras import ops

        return ops.convert_to_numpy(self.transitions)

    def loss(self, labels: Any, logits: Any, lengths: Any) -> Any:
        """Return the loss (batch,) in nats.

        Args:
            labels: (batch, labels) symbol numbers, padded with 0.
            logits: (batch, frames, symbols).
            lengths: (batch,) numbers of frames.
        """
        raise NotImplementedError

    def count_errors(self, labels: Any, logits: Any, lengths: Any) -> Any:
        """Return the errors (batch,) of the best paths: edits of labels, or wrong frames. Arguments as in `loss`."""
        raise NotImplementedError

    def decode(self, logits: np.ndarray, alphabet: Any, **times: Any) -> Transcript:
        """Decode one utterance's best path. `times` as in `greedy_decode`."""
        raise NotImplementedError


class CTCCriterion(Criterion):
    """A blank between letters. Frames are scored one by one."""

    name = "ctc"

    def loss(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.ctc import ctc_loss

        return ctc_loss(labels, logits, lengths)

    def count_errors(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.edit_distance import greedy_edit_distance

        return greedy_edit_distance(labels, logits, lengths)

    def decode(self, logits: np.ndarray, alphabet: Alphabet, **times: Any) -> Transcript:
        return greedy_decode(logits, alphabet, **times)


class ASGCriterion(Criterion):
    """No blank: logits of letters and learned transitions. Repetition symbols count as labels."""

    name = "asg"
    has_transitions = True
    num_repetition_symbols = 2  # as in the paper

    def loss(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.asg import asg_loss

        return asg_loss(labels, logits, lengths, self.transitions)

    def count_errors(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.edit_distance import path_edit_distance, viterbi_path

        return path_edit_distance(labels, viterbi_path(logits, self.transitions, lengths) + 1, lengths)

    def decode(self, logits: np.ndarray, alphabet: Alphabet, **times: Any) -> Transcript:
        return viterbi_decode(logits, self.transition_matrix(), alphabet, **times)


class FramewiseCriterion(Criterion):
    """Phonemes: a softmax for each frame."""

    name = "frames"
    num_repetition_symbols = 0

    def loss(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.cross_entropy import framewise_cross_entropy

        return framewise_cross_entropy(labels, logits, lengths)

    def count_errors(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from keras import ops

        return count_frame_errors(labels, ops.argmax(logits, axis=-1))

    def best_path(self, logits: np.ndarray) -> np.ndarray:
        """Return the columns (frames,) of the best path."""
        return logits.argmax(axis=1)

    def posteriors(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities (frames, phonemes)."""
        return np.exp(log_softmax(logits))

    def decode(
        self, logits: np.ndarray, alphabet: PhonemeSet, *, greedy: bool = False, ipa: bool = False, **times: Any
    ) -> Transcript:
        """Decode one utterance.

        Args:
            logits: (frames, phonemes).
            alphabet: Phonemes of the columns.
            greedy: Take the best phoneme of each frame, without the transitions.
            ipa: Write the International Phonetic Alphabet.
            **times: `frame_seconds`, `offset` and `duration` as in `greedy_decode`.
        """
        check_logits(logits, alphabet)
        path = logits.argmax(axis=1) if greedy else self.best_path(logits)
        return phoneme_transcript(path, self.posteriors(logits), alphabet, ipa=ipa, **times)


class CRFCriterion(FramewiseCriterion):
    """Phonemes: logits of frames and learned transitions. Posteriors are over all paths."""

    name = "crf"
    has_transitions = True
    default_decoder = "crf"

    def loss(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.crf import crf_loss

        return crf_loss(labels, logits, lengths, self.transitions)

    def count_errors(self, labels: Any, logits: Any, lengths: Any) -> Any:
        from kerasrecipes.losses.edit_distance import viterbi_path

        return count_frame_errors(labels, viterbi_path(logits, self.transitions, lengths))

    def best_path(self, logits: np.ndarray) -> np.ndarray:
        return best_path(logits, self.transition_matrix())

    def posteriors(self, logits: np.ndarray) -> np.ndarray:
        return forward_backward(logits, self.transition_matrix())


CRITERIA: dict[str, type[Criterion]] = {
    criterion.name: criterion for criterion in (CTCCriterion, ASGCriterion, FramewiseCriterion, CRFCriterion)
}


def get_criterion(config: Mapping[str, Any], allowed: Iterable[str] = tuple(CRITERIA)) -> type[Criterion]:
    """Return the criterion that a recipe's configuration names, CTC if it names none.

    Raises:
        KerasRecipesError: The name is not one of `allowed`.
    """
    name = config.get("criterion", "ctc")
    if name not in allowed:
        raise KerasRecipesError(f"There is no criterion {name!r}: choose one of {', '.join(allowed)}")
    return CRITERIA[name]


def count_frame_errors(labels: Any, columns: Any) -> Any:
    """Return the number (batch,) of frames whose column is not that of their label. Label 0 does not count."""
    from keras import ops

    wrong = ops.logical_and(labels > 0, ops.cast(columns, "int32") + 1 != ops.cast(labels, "int32"))
    return ops.sum(ops.cast(wrong, "float32"), axis=1)


def alphabet_for_criterion(alphabet: Any, num_repetition_symbols: int | None) -> Alphabet:
    """Return an alphabet with a blank, or with repetition symbols, as a criterion needs it.

    Args:
        alphabet: Anything that `Alphabet.from_value` takes.
        num_repetition_symbols: The criterion's number, None for a blank.
    """
    alphabet = Alphabet.from_value(alphabet)
    if (alphabet.num_repetition_symbols is None) == (num_repetition_symbols is None):
        return alphabet
    return Alphabet(alphabet.symbols, alphabet.separator, num_repetition_symbols)

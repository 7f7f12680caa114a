"""What CTC and ASG make of scores: loss, errors, text. A recipe's config names one: `criterion="ctc"` or `"asg"`."""

from typing import Any

import keras
import numpy as np

from kerasrecipes.decoding import criteria as reading
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.layers.transitions import Transitions
from kerasrecipes.losses.asg import asg_loss
from kerasrecipes.losses.ctc import ctc_loss
from kerasrecipes.losses.edit_distance import greedy_edit_distance, path_edit_distance, viterbi_path


class CTCCriterion(reading.CTC):
    """A blank between letters; frames are scored one by one.

    Args:
        network: whose scores are meant.
    """

    def __init__(self, network: keras.Model):
        super().__init__()

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) nats; arguments as in `losses.ctc`."""
        return ctc_loss(labels, scores, lengths)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) edits between the labels and those of the best path."""
        return greedy_edit_distance(labels, scores, lengths)


class ASGCriterion(reading.ASG):
    """No blank; letters' scores and the learned transitions of the network's `Transitions` layer.

    Raises:
        KerasRecipesError: the network has no such layer.
    """

    def __init__(self, network: keras.Model):
        layers = [layer for layer in network.layers if isinstance(layer, Transitions)]
        if not layers:
            raise KerasRecipesError(f'criterion="asg": {network.name} must end with layers.Transitions')
        self.layer = layers[0]

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) nats; arguments as in `losses.asg`."""
        return asg_loss(labels, scores, lengths, self.layer.transitions)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) edits between the labels and those of the best path, repetition symbols counted as labels."""
        columns = viterbi_path(scores, self.layer.transitions, lengths)
        return path_edit_distance(labels, columns + 1, lengths)

    def transitions(self) -> np.ndarray:
        """(letters, letters) from row to column."""
        return keras.ops.convert_to_numpy(self.layer.transitions)


CRITERIA: dict[str, type[CTCCriterion] | type[ASGCriterion]] = {"ctc": CTCCriterion, "asg": ASGCriterion}


def get_criterion(config: Any, known: Any = CRITERIA) -> Any:
    """The class among `known` that a recipe's configuration names; CTC where it names none.

    Raises:
        KerasRecipesError: there is none of that name.
    """
    name = config.get("criterion", "ctc")
    if name not in known:
        raise KerasRecipesError(f"There is no criterion {name!r}; there are {', '.join(known)}")
    return known[name]


def alphabet_for_criterion(alphabet: Any, repetitions: int | None) -> Alphabet:
    """The alphabet of `Alphabet.of`, with a blank or without as a criterion needs it.

    Args:
        alphabet: what `Alphabet.of` takes. repetitions: of the criterion, None for a blank.
    """
    alphabet = Alphabet.of(alphabet)
    if (alphabet.num_repetition_symbols is None) == (repetitions is None):
        return alphabet
    return Alphabet(alphabet.symbols, alphabet.separator, repetitions)

"""What the phone criteria make of scores: loss, frames that are wrong, best path. A recipe's config names one."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.decoding import criteria as reading
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.layers.transitions import Transitions
from kerasrecipes.losses import edit_distance
from kerasrecipes.losses.crf import crf_loss, framewise_cross_entropy


def count_frame_errors(labels: Any, columns: Any) -> Any:
    """(batch,) float32 frames whose column is not their label's; frames with the label 0 do not count."""
    missed = ops.logical_and(labels > 0, ops.cast(columns, "int32") + 1 != ops.cast(labels, "int32"))
    return ops.sum(ops.cast(missed, "float32"), axis=1)


class FramewiseCriterion(reading.Frames):
    """A softmax for each frame.

    Args:
        network: whose scores are meant.
    """

    def __init__(self, network: keras.Model):
        super().__init__()

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) nats; arguments as in `losses.crf`."""
        return framewise_cross_entropy(labels, scores, lengths)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) frames whose best phone is wrong."""
        return count_frame_errors(labels, ops.argmax(scores, axis=-1))


class CRFCriterion(reading.CRF, FramewiseCriterion):
    """Scores of frames and the learned transitions of the network's `Transitions` layer.

    Raises:
        KerasRecipesError: the network has no such layer.
    """

    def __init__(self, network: keras.Model):
        layers = [layer for layer in network.layers if isinstance(layer, Transitions)]
        if not layers:
            raise KerasRecipesError(f'criterion="crf": {network.name} must end with layers.Transitions')
        self.layer = layers[0]

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        return crf_loss(labels, scores, lengths, self.layer.transitions)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) frames where the best path is wrong."""
        return count_frame_errors(labels, edit_distance.viterbi_path(scores, self.layer.transitions, lengths))

    def transitions(self) -> Any:
        """(phones, phones) from row to column."""
        return ops.convert_to_numpy(self.layer.transitions)


CRITERIA: dict[str, Any] = {"crf": CRFCriterion, "frames": FramewiseCriterion}

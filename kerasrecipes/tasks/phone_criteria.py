"""What the phone criteria make of scores: loss, frames that are wrong, best path. A recipe's config names one."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.decoding.viterbi import best_path, posteriors
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.layers.transitions import Transitions
from kerasrecipes.losses import error_rate
from kerasrecipes.losses.crf import crf_loss, frame_loss


def wrong(labels: Any, columns: Any) -> Any:
    """(batch,) float32 frames whose column is not their label's; frames with the label 0 do not count."""
    missed = ops.logical_and(labels > 0, ops.cast(columns, "int32") + 1 != ops.cast(labels, "int32"))
    return ops.sum(ops.cast(missed, "float32"), axis=1)


class Frames:
    """A softmax for each frame.

    Args:
        network: whose scores are meant.
    """

    repetitions: int | None = 0  # no blank
    decoders: tuple[str, ...] = ("greedy",)  # the first is the criterion's own

    def __init__(self, network: keras.Model):
        pass

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) nats; arguments as in `losses.crf`."""
        return frame_loss(labels, scores, lengths)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) frames whose best phone is wrong."""
        return wrong(labels, ops.argmax(scores, axis=-1))

    def path(self, scores: np.ndarray, decoder: str) -> np.ndarray:
        """(frames,) columns of the best phones."""
        return scores.argmax(axis=1)

    def posteriors(self, scores: np.ndarray) -> np.ndarray:
        """(frames, phones) probabilities."""
        return np.exp(log_softmax(scores))

    def transitions(self) -> Any:
        """None: there are none."""
        return None


class CRF(Frames):
    """Scores of frames and the learned transitions of the network's `Transitions` layer.

    Raises:
        KerasRecipesError: the network has no such layer.
    """

    decoders = ("crf", "greedy")

    def __init__(self, network: keras.Model):
        layers = [layer for layer in network.layers if isinstance(layer, Transitions)]
        if not layers:
            raise KerasRecipesError(f'criterion="crf": {network.name} must end with layers.Transitions')
        self.layer = layers[0]

    def losses(self, labels: Any, scores: Any, lengths: Any) -> Any:
        return crf_loss(labels, scores, lengths, self.layer.transitions)

    def edits(self, labels: Any, scores: Any, lengths: Any) -> Any:
        """(batch,) frames where the best path is wrong."""
        return wrong(labels, error_rate.best_path(scores, self.layer.transitions, lengths))

    def path(self, scores: np.ndarray, decoder: str) -> np.ndarray:
        """(frames,) columns of the best path, or of the best phones without the transitions ("greedy")."""
        return best_path(scores, self.transitions()) if decoder == "crf" else scores.argmax(axis=1)

    def posteriors(self, scores: np.ndarray) -> np.ndarray:
        """(frames, phones) shares in the sum over all paths."""
        return posteriors(scores, self.transitions())

    def transitions(self) -> Any:
        """(phones, phones) from row to column."""
        return ops.convert_to_numpy(self.layer.transitions)


CRITERIA: dict[str, Any] = {"crf": CRF, "frames": Frames}

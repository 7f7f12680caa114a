"""Connectionist temporal classification with true lengths (Graves et al., ICML 2006)."""

from typing import Any

import keras
import numpy as np
from keras import ops


def ctc_loss(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the negative log probability of each transcript, in nats, summed over all its alignments.

    `keras.losses.CTC` scores the whole padded time axis of every item; this loss ends with the utterance.

    Args:
        labels: (batch, labels) integers, padded with 0, the blank.
        logits: (batch, frames, symbols); symbol 0 is the blank. Computed in float32.
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32. A transcript that does not fit its frames (see `losses.min_frames`) has probability zero: its loss
        is infinite, and its gradient is zero.
    """
    labels, lengths = ops.cast(labels, "int32"), ops.cast(lengths, "int32")
    logits = ops.cast(logits, "float32")
    num_repeats = ops.sum(ops.cast((labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != 0), "int32"), axis=1)
    fits = ops.sum(ops.cast(labels != 0, "int32"), axis=1) + num_repeats <= lengths
    labels = ops.where(fits[:, None], labels, 0)
    return ops.where(fits, compute_feasible_loss(labels, logits, lengths), np.inf)


def compute_feasible_loss(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the loss of transcripts that fit their frames, by the fastest function of the backend."""
    if keras.config.backend() == "tensorflow":
        from kerasrecipes.losses import tensorflow_ctc

        if tensorflow_ctc.is_supported():
            return tensorflow_ctc.ctc_loss(labels, logits, lengths)
    return ops.ctc_loss(labels, logits, ops.sum(ops.cast(labels != 0, "int32"), axis=1), lengths, mask_index=0)

"""Connectionist temporal classification with true lengths (Graves et al., ICML 2006)."""

from typing import Any

from keras import ops


def ctc_loss(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the negative log probability of each transcript, in nats, summed over all its alignments.

    `keras.losses.CTC` scores the whole padded time axis of every item; this loss ends with the utterance.

    Args:
        labels: (batch, labels) integers, padded with 0, the blank.
        logits: (batch, frames, symbols); symbol 0 is the blank. Computed in float32.
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32. A transcript that does not fit its frames (see `losses.min_frames`) has no finite loss: remove
        it before training, as the datasets of this package do.
    """
    labels = ops.cast(labels, "int32")
    label_lengths = ops.sum(ops.cast(labels != 0, "int32"), axis=1)
    return ops.ctc_loss(labels, ops.cast(logits, "float32"), label_lengths, ops.cast(lengths, "int32"), mask_index=0)

"""Cross entropy of sequences with padding."""

from typing import Any

from keras import ops


def masked_cross_entropy(targets: Any, logits: Any) -> tuple[Any, Any]:
    """Return the cross entropies (batch, steps) in nats, zero where the target is negative, and the mask as floats.

    Args:
        targets: (batch, steps) symbol numbers. Negative targets do not count.
        logits: (batch, steps, symbols).
    """
    mask = ops.cast(targets >= 0, "float32")
    log_probs = ops.log_softmax(ops.cast(logits, "float32"))
    indices = ops.maximum(ops.cast(targets, "int32"), 0)[..., None]
    return -ops.take_along_axis(log_probs, indices, axis=-1)[..., 0] * mask, mask


def framewise_cross_entropy(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the cross entropy of every frame's softmax, summed over each utterance, (batch,) float32 nats.

    It equals `crf_loss` with all transitions 0.

    Args:
        labels: (batch, frames) integers, 0 after each utterance; label i has the logits' column i - 1.
        logits: (batch, frames, labels).
        lengths: (batch,) valid frames.
    """
    valid = ops.arange(ops.shape(logits)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    losses, _ = masked_cross_entropy(ops.where(valid, ops.cast(labels, "int32") - 1, -1), logits)
    return ops.sum(losses, axis=1)

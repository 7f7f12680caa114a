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

"""Distillation: cross entropy to a teacher's posteriors (Hinton et al., arXiv 1503.02531)."""

from typing import Any

from keras import ops


def distillation_loss(posteriors: Any, logits: Any, lengths: Any, temperature: float = 1.0) -> Any:
    """Return the cross entropy of every frame's softmax to a teacher's posteriors, summed over each utterance.

    At the temperature T both distributions are softmax(logits / T), and the loss is multiplied by T squared, which keeps the
    size of the gradient (section 2 of the paper). A frame's gradient is T * (softmax(logits / T) - teacher's softmax).

    Args:
        posteriors: (batch, frames, symbols) probabilities of the teacher at temperature 1. They get no gradient.
        logits: (batch, frames, symbols) of the student. Computed in float32.
        lengths: (batch,) valid frames.
        temperature: Temperature T of both softmaxes. Default 1.

    Returns:
        (batch,) float32 nats.
    """
    targets = ops.cast(posteriors, "float32")
    if temperature != 1:
        targets = ops.power(targets, 1 / temperature)
        targets = targets / ops.maximum(ops.sum(targets, axis=-1, keepdims=True), 1e-30)  # padding frames are zero
    log_probs = ops.log_softmax(ops.cast(logits, "float32") / temperature)
    valid = ops.arange(ops.shape(logits)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    losses = ops.where(valid, -ops.sum(targets * log_probs, axis=-1), 0.0)
    return temperature**2 * ops.sum(losses, axis=1)

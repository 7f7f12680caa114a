"""Sums over all label paths and their gradients, shared by the ASG and CRF losses.

A path gives each frame a label. Its score is the sum of the logits of its frames and of the transitions between them.
The log sum over all paths is a recursion over time, run from both ends. The products of the two recursions are the
posteriors of labels and transitions, which are the gradients of the log sum.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.scan import compiled

MAX_LOG_RANGE = (
    60.0  # nats below the best transition at which others are clipped; exp(-60) is far below float32's precision
)


def differentiable_loss(function: Callable, labels: Any, logits: Any, lengths: Any, transitions: Any) -> Any:
    """Return a loss (batch,) whose gradients the function computes itself.

    Args:
        function: Maps (labels, lengths, logits, transitions) to the loss and its gradients with respect to the logits
            (batch, frames, letters) and the transitions (batch, letters, letters). It runs as one compiled graph.
        labels: Integers.
        logits: (batch, frames, letters). Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (letters, letters).

    Returns:
        (batch,) float32, differentiable once with respect to logits and transitions.
    """
    logits, transitions = ops.cast(logits, "float32"), ops.cast(transitions, "float32")
    constants = [ops.stop_gradient(x) for x in (logits, transitions)]
    labels, lengths = ops.cast(labels, "int32"), ops.cast(lengths, "int32")
    results = _compiled(function, keras.config.backend())(labels, lengths, *constants)
    loss, d_logits, d_transitions = (ops.stop_gradient(x) for x in results)
    # zero in value: these terms only carry the known gradients, on any backend
    loss = loss + ops.sum(d_logits * (logits - constants[0]), axis=(1, 2))
    return loss + ops.sum(d_transitions * (transitions - constants[1]), axis=(1, 2))


@functools.cache
def _compiled(function: Callable, backend: str) -> Callable:
    return compiled(function)


def normalize(logits: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Shift logits and transitions by constants that do not change the loss but keep all sums near zero, so precise.

    Returns:
        The logits, the transitions and `exp(transitions)`.
    """
    logits = ops.log_softmax(logits, axis=-1)
    letters = ops.cast(ops.shape(logits)[-1], "float32")
    transitions = transitions - (ops.logsumexp(transitions) - 2 * ops.log(letters))
    return logits, transitions, ops.exp(ops.maximum(transitions, ops.max(transitions) - MAX_LOG_RANGE))


def time_reversal(lengths: Any, frames: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return a mask (frames, batch, 1) and a function that reverses (frames, batch, n) within each item's length."""
    batch = ops.shape(lengths)[0]
    time = ops.arange(frames)[:, None]
    valid = time < lengths[None, :]
    source = ops.where(valid, lengths[None, :] - 1 - time, time)
    rows = ops.reshape(source * batch + ops.arange(batch)[None, :], (-1,))

    def reverse(x: Any) -> Any:
        return ops.reshape(ops.take(ops.reshape(x, (frames * batch, -1)), rows, axis=0), (frames, batch, -1))

    return ops.cast(valid, "float32")[..., None], reverse


def sum_all_paths(matrix: Any, probs: Any, mask: Any, forward: Any, backward: Any) -> tuple[Any, Any, Any]:
    """Return the log sum over all paths and its gradients, the posteriors.

    Args:
        matrix: (letters, letters), exp of the transitions.
        probs: (frames, batch, letters), exp of the logits.
        mask: (frames, batch, 1), 1 for valid frames.
        forward: (frames, batch, letters), normalized sums over all paths up to each frame.
        backward: (frames, batch, letters), normalized sums over all paths from each frame on.

    Returns:
        The log sum (batch,), the posteriors of letters (batch, frames, letters) and the expected number of each
        transition (batch, letters, letters).
    """
    reached = ops.concatenate([ops.ones_like(forward[:1]), ops.matmul(forward[:-1], matrix)], axis=0)
    growth = ops.log(ops.sum(reached * probs, axis=-1, keepdims=True))
    log_sum = ops.sum(ops.where(mask > 0, growth, 0.0), axis=(0, 2))
    products = reached * backward
    total = ops.sum(products, axis=-1, keepdims=True)
    following = (mask * backward / total)[1:]
    pairs = ops.matmul(ops.transpose(forward[:-1], (1, 2, 0)), ops.transpose(following, (1, 0, 2)))
    return log_sum, ops.transpose(mask * products / total, (1, 0, 2)), pairs * matrix

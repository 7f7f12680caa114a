"""The aligned conditional random field of phone recognition, and frame-wise cross-entropy, which it is without transitions.

Palaz, Collobert and Magimai.-Doss, "End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks", arXiv
1312.2137. A path gives each frame a label; its score is the sum of the frames' scores f[t, i] and of the learned
transitions A[i, j] between them. Where the path is known the loss is

    log sum exp (all paths) - (the path)

The sum is a recursion over time, run from both ends in one loop; the products are the posteriors of labels and
transitions, and the gradient is what they exceed the path by.
"""

import functools
from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.scan import compiled, scan

MAX_LOG_RANGE = 60.0  # nats between the best transition and any other that are told apart, as in `losses.asg`


def crf_loss(labels: Any, scores: Any, lengths: Any, transitions: Any) -> Any:
    """Compute the negative log probability of each path of labels among all paths, in nats.

    Only differences count: a constant added to all scores of a frame, or to all transitions, changes nothing.

    Args:
        labels: (batch, frames) integers: label i has the scores' column i - 1. 0 after each utterance.
        scores: (batch, frames, labels), finite, not normalized. Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (labels, labels) from row to column.

    Returns:
        (batch,) float32, never negative except for rounding, zero for an utterance without frames. It is differentiable once
        with respect to scores and transitions.

    Example:
        >>> crf_loss([[1, 2, 2]], np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))  # one of 8 paths: log 8
    """
    scores, transitions = ops.cast(scores, "float32"), ops.cast(transitions, "float32")
    fixed = [ops.stop_gradient(x) for x in (scores, transitions)]
    labels, lengths = ops.cast(labels, "int32"), ops.cast(lengths, "int32")
    loss, by_scores, by_transitions = (
        ops.stop_gradient(x) for x in _compiled(keras.config.backend())(labels, lengths, *fixed)
    )
    # zero in value: it carries the precomputed gradient on any backend
    slope = ops.sum(by_scores * (scores - fixed[0]), axis=(1, 2))
    return loss + slope + ops.sum(by_transitions * (transitions - fixed[1]), axis=(1, 2))


def framewise_cross_entropy(labels: Any, scores: Any, lengths: Any) -> Any:
    """Cross-entropy of the softmax of every frame, summed over each utterance: `crf_loss` with all transitions 0.

    Args:
        labels: As in `crf_loss`.
        scores: As in `crf_loss`.
        lengths: As in `crf_loss`.

    Returns:
        (batch,) float32 nats.
    """
    logs = ops.log_softmax(ops.cast(scores, "float32"), axis=-1)
    spelt = ops.one_hot(ops.cast(labels, "int32") - 1, ops.shape(logs)[-1])  # nothing for padding
    inside = ops.arange(ops.shape(logs)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    return -ops.sum(ops.where(inside, ops.sum(logs * spelt, axis=-1), 0.0), axis=1)


@functools.cache
def _compiled(backend: str) -> Any:
    return compiled(_with_gradients)


def _with_gradients(labels: Any, lengths: Any, scores: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Return the loss (batch,) and its gradients by scores and transitions."""
    batch, frames, size = ops.shape(scores)
    # what changes nothing but keeps all sums near zero, and so precise
    scores = ops.log_softmax(scores, axis=-1)
    transitions = transitions - (ops.logsumexp(transitions) - 2 * ops.log(ops.cast(size, "float32")))
    matrix = ops.exp(ops.maximum(transitions, ops.max(transitions) - MAX_LOG_RANGE))

    time = ops.arange(frames)[:, None]
    inside = ops.cast(time < lengths[None, :], "float32")[..., None]  # (frames, batch, 1)
    turned = ops.where(time < lengths[None, :], lengths[None, :] - 1 - time, time)  # each item within its length
    rows = ops.reshape(turned * batch + ops.arange(batch)[None, :], (-1,))

    def backwards(x):  # (frames, batch, n), the other way round in time
        return ops.reshape(ops.take(ops.reshape(x, (frames * batch, -1)), rows, axis=0), (frames, batch, -1))

    chance = ops.exp(ops.transpose(scores, (1, 0, 2)))  # (frames, batch, labels)
    forward, backward = _forward_backward(matrix, chance, backwards(chance))
    backward = backwards(backward)
    reached = ops.concatenate([ops.ones_like(forward[:1]), ops.matmul(forward[:-1], matrix)], axis=0)
    growth = ops.log(ops.sum(reached * chance, axis=-1, keepdims=True))
    everything = ops.sum(ops.where(inside > 0, growth, 0.0), axis=(0, 2))

    path = ops.one_hot(labels - 1, size) * ops.transpose(inside, (1, 0, 2))  # (batch, frames, labels)
    taken = ops.matmul(ops.transpose(path[:, :-1], (0, 2, 1)), path[:, 1:])  # how often each transition is used
    given = ops.sum(path * scores, axis=(1, 2)) + ops.sum(taken * transitions, axis=(1, 2))

    shares = reached * backward
    total = ops.sum(shares, axis=-1, keepdims=True)
    steps = ops.matmul(
        ops.transpose(forward[:-1], (1, 2, 0)), ops.transpose((inside * backward / total)[1:], (1, 0, 2))
    )
    return everything - given, ops.transpose(inside * shares / total, (1, 0, 2)) - path, steps * matrix - taken


def _forward_backward(matrix: Any, chance: Any, chance_backwards: Any) -> list:
    """Return the forward and backward posteriors of labels from one loop."""
    if keras.config.backend() == "torch":
        from kerasrecipes.losses import torch_asg

        return torch_asg.forward_backward_no_labels(matrix, chance, chance_backwards)
    transposed = ops.transpose(matrix)

    def step(carried, x):
        forward, backward = ops.matmul(carried[0], matrix) * x[0], ops.matmul(carried[1], transposed) * x[1]
        return [
            forward / ops.sum(forward, axis=-1, keepdims=True),
            backward / ops.sum(backward, axis=-1, keepdims=True),
        ]

    return scan(step, [chance[0], chance_backwards[0]], [chance, chance_backwards])

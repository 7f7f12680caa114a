"""The AutoSegCriterion: letters without a blank, learned transitions, one normalization over whole label strings.

Collobert, Puhrsch and Synnaeve, "Wav2Letter", arXiv 1609.03193, section 3.2. A path gives each frame a letter; its score
is the sum of the frames' scores f[t, i] and of the transitions g[i, j] between them. The loss is

    log sum exp (paths of any letters) - log sum exp (paths that collapse to the transcript)

Both sums are recursions over time, run from both ends in one loop; their products are the posteriors of letters and
transitions, which are the gradient.
"""

import functools
from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.scan import LOG_ZERO, compiled, logaddexp, scan

MAX_LOG_RANGE = 60.0  # nats between the best transition and any other that are told apart; exp(-60) is far below float32's precision


def asg_loss(labels: Any, scores: Any, lengths: Any, transitions: Any) -> Any:
    """Compute the negative log probability of each transcript among all label strings, in nats.

    Frame `t` of a path adds `scores[t, letter]`, each step from letter i to letter j adds `transitions[i, j]`. Only
    differences count: a constant added to all scores of a frame, or to all transitions, changes nothing.

    Args:
        labels: (batch, labels) integers: letter number i has the scores' column i - 1. Padded with 0 after each transcript.
            Neighbors differ (`Alphabet(..., num_repetition_symbols=2)`), because no path could tell equal ones apart.
        scores: (batch, frames, letters), finite, not normalized. Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (letters, letters) from row to column.

    Returns:
        (batch,) float32, differentiable once with respect to scores and transitions. A transcript that no path can
        write, with more labels than frames or with none, has the loss 1e30 and no gradient.

    Example:
        >>> asg_loss([[1, 2]], np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))  # 2 of 8 paths are "ab": log 4
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


@functools.cache
def _compiled(backend: str) -> Any:
    return compiled(_with_gradients)


def _with_gradients(labels: Any, lengths: Any, scores: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Return the loss (batch,) and its gradients by scores and transitions."""
    batch, frames, letters = ops.shape(scores)
    count = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    possible = ops.logical_and(count > 0, count <= lengths)
    # what changes nothing but keeps all sums near zero, and so precise
    scores = ops.log_softmax(scores, axis=-1)
    transitions = transitions - (ops.logsumexp(transitions) - 2 * ops.log(ops.cast(letters, "float32")))
    matrix = ops.exp(ops.maximum(transitions, ops.max(transitions) - MAX_LOG_RANGE))

    time = ops.arange(frames)[:, None]
    item = ops.arange(batch)[None, :]
    inside = ops.cast(time < lengths[None, :], "float32")[..., None]  # (frames, batch, 1)
    turned = ops.where(time < lengths[None, :], lengths[None, :] - 1 - time, time)  # each item within its length

    def backwards(x):  # (frames, batch, n), the other way round in time
        rows = ops.take(ops.reshape(x, (frames * batch, -1)), ops.reshape(turned * batch + item, (-1,)), axis=0)
        return ops.reshape(rows, (frames, batch, -1))

    # the transcript's paths enter each label once and add g[l, l] in every other frame of it: adding it in all frames
    # leaves a constant, `entered`, and a recursion without transitions
    column = ops.maximum(labels - 1, 0)
    stay = ops.take(ops.diagonal(transitions), column)
    enter = ops.take(ops.reshape(transitions, (-1,)), column[:, :-1] * letters + column[:, 1:])
    entered = ops.sum(ops.where(labels[:, 1:] > 0, enter - stay[:, 1:], 0.0), axis=1) - stay[:, 0]
    rows = ops.reshape(ops.transpose(scores, (0, 2, 1)), (batch * letters, frames))
    rows = ops.take(rows, ops.transpose(item) * letters + column, axis=0)
    emission = ops.transpose(rows + stay[..., None], (2, 0, 1))  # (frames, batch, labels)
    place = ops.arange(ops.shape(labels)[1])[None, :]
    last = place == ops.maximum(count - 1, 0)[:, None]

    chance = ops.exp(ops.transpose(scores, (1, 0, 2)))  # (frames, batch, letters)
    both = ops.concatenate([emission, ops.flip(backwards(emission), axis=-1)], axis=1)
    first = ops.concatenate([ops.broadcast_to(place == 0, ops.shape(last)), ops.flip(last, axis=-1)], axis=0)
    start = ops.where(first, both[0], LOG_ZERO)
    forward, backward, sums = _forward_backward(matrix, chance, backwards(chance), both, start)
    backward, alpha = backwards(backward), sums[:, :batch]
    beta = backwards(ops.flip(sums[:, batch:], axis=-1))

    reached = ops.concatenate([ops.ones_like(forward[:1]), ops.matmul(forward[:-1], matrix)], axis=0)
    growth = ops.log(ops.sum(reached * chance, axis=-1, keepdims=True))
    everything = ops.sum(ops.where(inside > 0, growth, 0.0), axis=(0, 2))
    at_end = ops.take(
        ops.reshape(alpha, (frames * batch, -1)), ops.maximum(lengths - 1, 0) * batch + ops.arange(batch), axis=0
    )
    loss = everything - ops.sum(ops.where(last, at_end, 0.0), axis=1) - entered

    shares = reached * backward
    total = ops.sum(shares, axis=-1, keepdims=True)
    duration = inside * ops.softmax(alpha + beta - emission, axis=-1)  # frames of each label, expected
    spelt = ops.one_hot(labels - 1, letters)  # (batch, labels, letters); nothing for padding
    wanted = ops.matmul(ops.transpose(duration, (1, 0, 2)), spelt)
    by_scores = ops.transpose(inside * shares / total, (1, 0, 2)) - wanted
    steps = ops.matmul(
        ops.transpose(forward[:-1], (1, 2, 0)), ops.transpose((inside * backward / total)[1:], (1, 0, 2))
    )
    stays = ops.sum((ops.sum(duration, axis=0) - 1)[..., None] * spelt, axis=1)
    enters = ops.matmul(ops.transpose(spelt[:, :-1], (0, 2, 1)), spelt[:, 1:])
    by_transitions = steps * matrix - ops.eye(letters) * stays[:, None] - enters
    fits = possible[:, None, None]
    return (
        ops.where(possible, loss, -LOG_ZERO), ops.where(fits, by_scores, 0.0), ops.where(fits, by_transitions, 0.0),
    )  # fmt: skip


def _forward_backward(matrix: Any, chance: Any, chance_backwards: Any, emission: Any, start: Any) -> list:
    """Return the forward and backward posteriors of letters, and the log sums of the transcripts' paths, from one loop."""
    if keras.config.backend() == "torch":
        from kerasrecipes.losses import torch_asg

        return torch_asg.forward_backward(matrix, chance, chance_backwards, emission, start)
    transposed = ops.transpose(matrix)
    none = ops.full_like(start[:, :1], LOG_ZERO)

    def step(carried, x):
        # two products of their own: one batched product is five times slower on TensorFlow
        forward, backward = ops.matmul(carried[0], matrix) * x[0], ops.matmul(carried[1], transposed) * x[1]
        before = ops.concatenate([none, carried[2][:, :-1]], axis=1)
        return [
            forward / ops.sum(forward, axis=-1, keepdims=True), backward / ops.sum(backward, axis=-1, keepdims=True),
            logaddexp(carried[2], before) + x[2],
        ]  # fmt: skip

    return scan(step, [chance[0], chance_backwards[0], start], [chance, chance_backwards, emission])

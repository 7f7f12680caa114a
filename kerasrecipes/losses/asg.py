"""The AutoSegCriterion: letters without a blank, learned transitions, one normalization over whole label strings.

Collobert, Puhrsch and Synnaeve, "Wav2Letter", arXiv 1609.03193, section 3.2. A path gives each frame a letter; its score
is the sum of the logits f[t, i] and of the transitions g[i, j] between them. The loss is

    log sum exp (paths of any letters) - log sum exp (paths that collapse to the transcript)

Both sums are recursions over time, run from both ends in one loop; their products are the posteriors of letters and
transitions, which are the gradient.
"""

from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.all_paths import differentiable_loss, normalize, sum_all_paths, time_reversal
from kerasrecipes.losses.scan import LOG_ZERO, logaddexp, scan


def asg_loss(labels: Any, logits: Any, lengths: Any, transitions: Any) -> Any:
    """Return the negative log probability of each transcript among all label strings, in nats.

    Frame `t` of a path adds `logits[t, letter]`, each step from letter i to letter j adds `transitions[i, j]`. Only
    differences count: a constant added to all logits of a frame, or to all transitions, changes nothing.

    Args:
        labels: (batch, labels) integers, padded with 0; letter number i has the logits' column i - 1. Adjacent labels
            must differ, because no path could tell them apart (`Alphabet(..., num_repetition_symbols=2)`).
        logits: (batch, frames, letters), finite. Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (letters, letters) from row to column.

    Returns:
        (batch,) float32, differentiable once with respect to logits and transitions. A transcript that no path can
        spell, with more labels than frames or without labels, has the loss 1e30 and no gradient.

    Example:
        >>> asg_loss([[1, 2]], np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))  # 2 of 8 paths are "ab": log 4
    """
    return differentiable_loss(_with_gradients, labels, logits, lengths, transitions)


def _with_gradients(labels: Any, lengths: Any, logits: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Return the loss (batch,) and its gradients by logits (batch, frames, letters) and transitions (batch, l, l)."""
    batch, frames, letters = ops.shape(logits)
    count = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    possible = ops.logical_and(count > 0, count <= lengths)
    logits, transitions, matrix = normalize(logits, transitions)
    mask, reverse = time_reversal(lengths, frames)

    # the transcript's paths enter each label once and add g[l, l] in all its other frames. Adding g[l, l] in all frames
    # leaves a constant, `entered`, and a recursion without transitions
    column = ops.maximum(labels - 1, 0)
    stay = ops.take(ops.diagonal(transitions), column)
    enter = ops.take(ops.reshape(transitions, (-1,)), column[:, :-1] * letters + column[:, 1:])
    entered = ops.sum(ops.where(labels[:, 1:] > 0, enter - stay[:, 1:], 0.0), axis=1) - stay[:, 0]
    rows = ops.reshape(ops.transpose(logits, (0, 2, 1)), (batch * letters, frames))
    rows = ops.take(rows, ops.arange(batch)[:, None] * letters + column, axis=0)
    emission = ops.transpose(rows + stay[..., None], (2, 0, 1))  # (frames, batch, labels)
    position = ops.arange(ops.shape(labels)[1])[None, :]
    last = position == ops.maximum(count - 1, 0)[:, None]

    probs = ops.exp(ops.transpose(logits, (1, 0, 2)))  # (frames, batch, letters)
    both = ops.concatenate([emission, ops.flip(reverse(emission), axis=-1)], axis=1)
    first = ops.concatenate([ops.broadcast_to(position == 0, ops.shape(last)), ops.flip(last, axis=-1)], axis=0)
    start = ops.where(first, both[0], LOG_ZERO)
    forward, backward, sums = _forward_backward(matrix, probs, reverse(probs), both, start)
    alpha, beta = sums[:, :batch], reverse(ops.flip(sums[:, batch:], axis=-1))
    log_sum, posteriors, transition_counts = sum_all_paths(matrix, probs, mask, forward, reverse(backward))

    end_rows = ops.maximum(lengths - 1, 0) * batch + ops.arange(batch)
    at_end = ops.take(ops.reshape(alpha, (frames * batch, -1)), end_rows, axis=0)
    loss = log_sum - ops.sum(ops.where(last, at_end, 0.0), axis=1) - entered

    durations = mask * ops.softmax(alpha + beta - emission, axis=-1)  # expected frames of each label
    one_hot = ops.one_hot(labels - 1, letters)  # (batch, labels, letters); zero for padding
    d_logits = posteriors - ops.matmul(ops.transpose(durations, (1, 0, 2)), one_hot)
    stays = ops.sum((ops.sum(durations, axis=0) - 1)[..., None] * one_hot, axis=1)
    enters = ops.matmul(ops.transpose(one_hot[:, :-1], (0, 2, 1)), one_hot[:, 1:])
    d_transitions = transition_counts - ops.eye(letters) * stays[:, None] - enters
    d_logits, d_transitions = (ops.where(possible[:, None, None], d, 0.0) for d in (d_logits, d_transitions))
    return ops.where(possible, loss, -LOG_ZERO), d_logits, d_transitions


def _forward_backward(matrix: Any, probs: Any, reversed_probs: Any, emission: Any, start: Any) -> list:
    """Run three recursions in one loop: over all paths from both ends, and over the transcripts' paths.

    Args:
        matrix: (letters, letters), exp of the transitions.
        probs: (frames, batch, letters), exp of the logits.
        reversed_probs: `probs` reversed in time.
        emission: (frames, 2 batch, labels) logits of the transcripts' labels, then those reversed in time.
        start: (2 batch, labels), log sums of frame 0.

    Returns:
        Normalized sums (frames, batch, letters) from the start and from the end, and log sums (frames, 2 batch, labels)
        of the transcripts' paths.
    """
    if keras.config.backend() == "torch":
        from kerasrecipes.losses import torch_asg

        return torch_asg.forward_backward(matrix, probs, reversed_probs, emission, start)
    transposed = ops.transpose(matrix)
    unreachable = ops.full_like(start[:, :1], LOG_ZERO)

    def step(state, x):
        # two separate products: one batched product is five times slower on TensorFlow
        forward, backward = ops.matmul(state[0], matrix) * x[0], ops.matmul(state[1], transposed) * x[1]
        previous = ops.concatenate([unreachable, state[2][:, :-1]], axis=1)
        forward = forward / ops.sum(forward, axis=-1, keepdims=True)
        backward = backward / ops.sum(backward, axis=-1, keepdims=True)
        return [forward, backward, logaddexp(state[2], previous) + x[2]]

    return scan(step, [probs[0], reversed_probs[0], start], [probs, reversed_probs, emission])

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

from kerasrecipes.losses.all_paths import differentiable_loss, normalize, sum_all_paths
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
    letters = logits.shape[-1]
    position = ops.arange(ops.shape(labels)[1], dtype="int32")[None, :]
    count = ops.sum(ops.cast(labels > 0, "int32"), axis=1)
    possible = ops.logical_and(count > 0, count <= lengths)
    logits, transitions, matrix = normalize(logits, transitions)
    probs = ops.exp(ops.transpose(logits, (1, 0, 2)))  # (frames, batch, letters)
    log_sum, posteriors, transition_counts = sum_all_paths(matrix, probs, lengths)

    # the transcript's paths enter each label once and add g[l, l] in all its other frames. Adding g[l, l] in all frames
    # leaves a constant, `entered`, and a recursion without transitions
    one_hot = ops.one_hot(labels - 1, letters)  # (batch, labels, letters); zero for padding
    enters = ops.matmul(ops.transpose(one_hot[:, :-1], (0, 2, 1)), one_hot[:, 1:])  # number of each pair of neighbors
    letter_counts, stay = ops.sum(one_hot, axis=1), ops.diagonal(transitions)
    entered = ops.sum(enters * transitions, axis=(1, 2)) - ops.matmul(letter_counts, stay)
    spelled = ops.where(possible[:, None], labels, ops.cast(position == 0, "int32"))  # one letter always fits
    path_sum, durations = sum_transcript_paths(spelled, logits + stay, ops.maximum(lengths, 1))
    loss = log_sum - path_sum - entered

    d_logits = posteriors - durations
    stays = ops.sum(durations, axis=1) - letter_counts
    d_transitions = transition_counts - enters - ops.eye(letters) * stays[:, None]
    d_logits, d_transitions = (ops.where(possible[:, None, None], d, 0.0) for d in (d_logits, d_transitions))
    return ops.where(possible, loss, -LOG_ZERO), d_logits, d_transitions


def sum_transcript_paths(labels: Any, emission: Any, lengths: Any) -> tuple[Any, Any]:
    """Return the log sum over a transcript's paths, which visit its letters in their order, and its gradient.

    That is CTC whose blank has probability zero: adjacent labels differ, so no path needs a blank between them. TensorFlow's
    own kernel computes it for small batches.

    Args:
        labels: (batch, labels), at least one for each item and no more than frames.
        emission: (batch, frames, letters) logits.
        lengths: (batch,) valid frames.

    Returns:
        The log sum (batch,) and the expected number (batch, frames, letters) of each letter in each frame.
    """
    if keras.config.backend() == "torch":
        from kerasrecipes.losses import torch_asg

        return torch_asg.sum_transcript_paths(labels, emission, lengths)
    if keras.config.backend() == "tensorflow":
        from kerasrecipes.losses import tensorflow_ctc

        if tensorflow_ctc.is_supported():
            return tensorflow_ctc.sum_paths_without_blank(labels, emission, lengths, sum_transcript_paths_in_loop)
    return sum_transcript_paths_in_loop(labels, emission, lengths)


def sum_transcript_paths_in_loop(labels: Any, emission: Any, lengths: Any) -> tuple[Any, Any]:
    """Compute `sum_transcript_paths` in a loop over the frames, which runs from both ends at once."""
    batch, frames, letters = ops.shape(emission)
    count, width = ops.sum(ops.cast(labels > 0, "int32"), axis=1), ops.shape(labels)[1]
    position = ops.arange(width, dtype="int32")[None, :]
    last = position == count[:, None] - 1
    rows = ops.reshape(ops.transpose(emission, (0, 2, 1)), (batch * letters, frames))
    column = ops.arange(batch, dtype="int32")[:, None] * letters + ops.maximum(labels - 1, 0)
    scores = ops.transpose(ops.take(rows, column, axis=0), (2, 0, 1))  # (frames, batch, labels)
    time = ops.arange(frames, dtype="int32")[:, None]
    valid = time < lengths[None, :]
    source = ops.where(valid, lengths[None, :] - 1 - time, time) * batch + ops.arange(batch, dtype="int32")[None, :]

    def reverse(x: Any) -> Any:
        """Reverse (frames, batch, labels) within each item's length, and its labels."""
        turned = ops.take(ops.reshape(x, (frames * batch, width)), ops.reshape(source, (-1,)), axis=0)
        return ops.flip(ops.reshape(turned, (frames, batch, width)), axis=-1)

    both = ops.concatenate([scores, reverse(scores)], axis=1)
    first = ops.concatenate([ops.broadcast_to(position == 0, (batch, width)), ops.flip(last, axis=-1)], axis=0)
    start = ops.where(first, both[0], LOG_ZERO)
    unreachable = ops.full_like(start[:, :1], LOG_ZERO)

    def step(state: list, x: list) -> list:
        previous = ops.concatenate([unreachable, state[0][:, :-1]], axis=1)
        return [logaddexp(state[0], previous) + x[0]]

    (sums,) = scan(step, [start], [both])
    alpha, beta = sums[:, :batch], reverse(sums[:, batch:])
    log_sum = beta[0, :, 0]
    durations = ops.softmax(alpha + beta - scores, axis=-1) * ops.cast(valid, "float32")[..., None]
    one_hot = ops.one_hot(labels - 1, letters)
    return log_sum, ops.matmul(ops.transpose(durations, (1, 0, 2)), one_hot)

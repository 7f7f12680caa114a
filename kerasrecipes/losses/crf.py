"""The conditional random field of phoneme recognition, for a known alignment.

Palaz, Collobert and Magimai.-Doss, "End-to-end Phoneme Sequence Recognition using Convolutional Neural Networks", arXiv
1312.2137. A path gives each frame a label; its score is the sum of the logits f[t, i] and of the learned transitions
A[i, j] between them. The loss of a known path is

    log sum exp (all paths) - (the path)

Its gradient is the difference between the posteriors of labels and transitions and the path's own.
"""

from typing import Any

from keras import ops

from kerasrecipes.losses.all_paths import differentiable_loss, normalize, sum_all_paths, valid_frames


def crf_loss(labels: Any, logits: Any, lengths: Any, transitions: Any) -> Any:
    """Return the negative log probability of each path of labels among all paths, in nats.

    Only differences count: a constant added to all logits of a frame, or to all transitions, changes nothing.

    Args:
        labels: (batch, frames) integers, 0 after each utterance; label i has the logits' column i - 1.
        logits: (batch, frames, labels), finite. Computed in float32.
        lengths: (batch,) valid frames.
        transitions: (labels, labels) from row to column.

    Returns:
        (batch,) float32, never negative except for rounding, zero for an utterance without frames; differentiable once
        with respect to logits and transitions.

    Example:
        >>> crf_loss([[1, 2, 2]], np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))  # one of 8 paths: log 8
    """
    return differentiable_loss(_with_gradients, labels, logits, lengths, transitions)


def _with_gradients(labels: Any, lengths: Any, logits: Any, transitions: Any) -> tuple[Any, Any, Any]:
    """Return the loss (batch,) and its gradients by logits (batch, frames, labels) and transitions (batch, l, l)."""
    _, frames, size = ops.shape(logits)
    logits, transitions, matrix = normalize(logits, transitions)
    probs = ops.exp(ops.transpose(logits, (1, 0, 2)))  # (frames, batch, labels)
    log_sum, posteriors, transition_counts = sum_all_paths(matrix, probs, lengths)

    valid = ops.transpose(valid_frames(lengths, frames), (1, 0, 2))
    path = ops.one_hot(labels - 1, size) * ops.cast(valid, "float32")  # (batch, frames, labels)
    path_transitions = ops.matmul(ops.transpose(path[:, :-1], (0, 2, 1)), path[:, 1:])  # number of each transition
    path_score = ops.sum(path * logits, axis=(1, 2)) + ops.sum(path_transitions * transitions, axis=(1, 2))
    return log_sum - path_score, posteriors - path, transition_counts - path_transitions

"""CTC by TensorFlow's own kernel, which is many times faster on a CPU than the operations that Keras uses."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

MIN_LOG_PROB = -80.0  # exp of less is zero in the kernel's float32
MAX_KERNEL_LABELS = 200  # of all items; with more, a loop over the frames is faster than the kernel, which knows no vectors


def is_supported() -> bool:
    """Return False inside a function that XLA compiles, and where there are TPUs: the kernel runs on neither."""
    if tf.config.list_logical_devices("TPU"):
        return False
    return tf.executing_eagerly() or not control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def ctc_loss(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the negative log probability of each transcript, in nats.

    Args:
        labels: (batch, labels) int32, padded with 0, the blank. Each transcript fits its frames.
        logits: (batch, frames, symbols) float32; symbol 0 is the blank.
        lengths: (batch,) int32 valid frames.

    Returns:
        (batch,) float32.
    """
    is_empty = tf.reduce_all(labels == 0, axis=1)
    any_label = tf.pad(tf.cast(is_empty, "int32")[:, None], [[0, 0], [0, tf.maximum(tf.shape(labels)[1], 1) - 1]])
    labels = tf.pad(labels, [[0, 0], [0, tf.shape(any_label)[1] - tf.shape(labels)[1]]]) + any_label  # it needs one label
    positions = tf.where(labels != 0)
    sparse = tf.SparseTensor(positions, tf.gather_nd(labels, positions) - 1, tf.shape(labels, tf.int64))
    blank_last = tf.concat([logits[..., 1:], logits[..., :1]], axis=-1)
    losses = tf.compat.v1.nn.ctc_loss(
        sparse, tf.transpose(blank_last, [1, 0, 2]), lengths, ignore_longer_outputs_than_inputs=True
    )
    valid = tf.sequence_mask(lengths, tf.shape(logits)[1], "float32")
    blanks_only = -tf.reduce_sum(tf.nn.log_softmax(logits)[..., 0] * valid, axis=1)
    return tf.where(is_empty, blanks_only, losses)


def sum_paths_without_blank(labels: Any, emission: Any, lengths: Any, fallback: Callable) -> tuple[Any, Any]:
    """Return the log sum over the paths that visit a transcript's letters in their order, and its gradient.

    Args:
        labels: (batch, labels) int32, padded with 0, without equal neighbors. Each transcript has a label and fits its frames.
        emission: (batch, frames, letters) float32 logits; label i has the column i - 1.
        lengths: (batch,) int32 valid frames.
        fallback: Function of the other arguments that is called for large batches, and for letters too improbable for the kernel.

    Returns:
        The log sum (batch,) and the expected number (batch, frames, letters) of each letter in each frame.
    """
    valid = tf.sequence_mask(lengths, tf.shape(emission)[1])
    log_norm = tf.reduce_logsumexp(emission, axis=-1, keepdims=True)
    log_probs = emission - log_norm
    is_spelled = tf.reduce_any(tf.one_hot(labels - 1, emission.shape[-1], True, False), axis=1)
    counts = valid[..., None] & is_spelled[:, None]
    smallest = tf.reduce_min(tf.where(counts, log_probs, 0.0))

    def run_kernel() -> tuple[Any, Any]:
        positions = tf.where(labels > 0)
        inputs = tf.pad(log_probs, [[0, 0], [0, 0], [0, 1]], constant_values=-1e30)  # the last symbol is the blank
        loss, gradient = tf.raw_ops.CTCLoss(
            inputs=tf.transpose(inputs, [1, 0, 2]), labels_indices=positions,
            labels_values=tf.gather_nd(labels, positions) - 1, sequence_length=lengths,
        )  # fmt: skip
        log_sum = tf.reduce_sum(tf.where(valid, log_norm[..., 0], 0.0), axis=1) - loss
        posteriors = tf.exp(log_probs) - tf.transpose(gradient, [1, 0, 2])[..., :-1]  # the gradient is their difference
        posteriors /= tf.reduce_sum(posteriors, axis=-1, keepdims=True)  # it loses digits in long utterances
        return log_sum, tf.where(valid[..., None], posteriors, 0.0)

    fits = tf.logical_and(smallest >= MIN_LOG_PROB, tf.size(labels) <= MAX_KERNEL_LABELS)
    return tf.cond(fits, run_kernel, lambda: fallback(labels, emission, lengths))

"""Character errors of greedy transcripts, computed inside the graph on every backend: the metric shown by `fit`."""

from typing import Any

import keras
from keras import ops


def greedy_edit_distance(labels: Any, logits: Any, lengths: Any) -> Any:
    """Edits between each transcript and the best path's collapsed labels.

    One row of the edit-distance table per frame: a frame that is blank or repeats its predecessor leaves the row as it
    is. Within a row, `new[j] = min over k <= j of (candidate[k] + j - k)` is a running minimum.

    Args:
        labels: (batch, labels), padded behind with 0. logits: (batch, frames, symbols). lengths: (batch,) frames.

    Returns:
        (batch,) float32 numbers of edits.
    """
    labels = ops.cast(labels, "int32")
    symbols = ops.cast(ops.argmax(logits, axis=-1), "int32")
    before = ops.pad(symbols[:, :-1], ((0, 0), (1, 0)))
    inside = ops.arange(ops.shape(symbols)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    emits = ops.logical_and(ops.logical_and(symbols != 0, symbols != before), inside)
    column = ops.cast(ops.arange(ops.shape(labels)[1] + 1), "float32")[None, :]
    start = ops.repeat(column, ops.shape(labels)[0], axis=0)

    def step(t, row):
        symbol, emit = ops.take(symbols, t, axis=1), ops.take(emits, t, axis=1)
        replaced = row[:, :-1] + ops.cast(labels != symbol[:, None], "float32")
        candidate = ops.concatenate([row[:, :1] + 1, ops.minimum(row[:, 1:] + 1, replaced)], axis=1)
        return ops.where(emit[:, None], column + running_minimum(candidate - column), row)

    row = ops.fori_loop(0, ops.shape(symbols)[1], step, start)
    last = ops.sum(ops.cast(labels != 0, "int32"), axis=1)
    return ops.take_along_axis(row, last[:, None], axis=1)[:, 0]


def running_minimum(x: Any) -> Any:
    """Minimum of all entries up to each one along axis 1 of (batch, n)."""
    if keras.config.backend() == "torch":
        return x.cummin(dim=1).values
    if keras.config.backend() == "jax":
        import jax

        return jax.lax.cummin(x, axis=1)
    import tensorflow as tf

    return tf.math.reduce_min(
        tf.where(
            tf.linalg.band_part(tf.ones_like(x[0, :, None] * x[0, None, :]), -1, 0) > 0, x[:, None, :], x.dtype.max
        ),
        axis=2,
    )

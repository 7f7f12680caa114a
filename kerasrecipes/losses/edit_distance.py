"""Character errors of greedy transcripts, computed inside the graph on every backend for the metric of `fit`."""

from typing import Any

import keras
from keras import ops

from kerasrecipes.losses.scan import scan


def greedy_edit_distance(labels: Any, logits: Any, lengths: Any) -> Any:
    """Count the edits between each transcript and the collapsed labels of the best symbols (CTC).

    Args:
        labels: (batch, labels), padded with 0 at the end.
        logits: (batch, frames, symbols).
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32 numbers of edits.
    """
    return path_edit_distance(labels, ops.argmax(logits, axis=-1), lengths)


def path_edit_distance(labels: Any, symbols: Any, lengths: Any) -> Any:
    """Count the edits between each transcript and its path with repeats merged and zeros dropped.

    One row of the edit-distance table per frame: a frame that is blank or repeats its predecessor leaves the row as it
    is. Within a row, `new[j] = min over k <= j of (candidate[k] + j - k)` is a running minimum.

    Args:
        labels: (batch, labels), padded with 0 at the end.
        symbols: (batch, frames) symbol indices.
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32 numbers of edits.
    """
    labels, symbols = ops.cast(labels, "int32"), ops.cast(symbols, "int32")
    before = ops.pad(symbols[:, :-1], ((0, 0), (1, 0)))
    inside = ops.arange(ops.shape(symbols)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    emits = ops.logical_and(ops.logical_and(symbols != 0, symbols != before), inside)
    column = ops.cast(ops.arange(ops.shape(labels)[1] + 1), "float32")[None, :]
    start = ops.repeat(column, ops.shape(labels)[0], axis=0)

    def step(t, row):
        symbol, emit = ops.take(symbols, t, axis=1), ops.take(emits, t, axis=1)
        replaced = row[:, :-1] + ops.cast(labels != symbol[:, None], "float32")
        candidate = ops.concatenate([row[:, :1] + 1, ops.minimum(row[:, 1:] + 1, replaced)], axis=1)
        return ops.where(emit[:, None], column + cumulative_min(candidate - column), row)

    row = ops.fori_loop(0, ops.shape(symbols)[1], step, start)
    last = ops.sum(ops.cast(labels != 0, "int32"), axis=1)
    return ops.take_along_axis(row, last[:, None], axis=1)[:, 0]


def viterbi_path(scores: Any, transitions: Any, lengths: Any) -> Any:
    """Return the columns of the Viterbi path inside a graph. `decoding.viterbi` is the numpy version.

    Args:
        scores: (batch, frames, letters).
        transitions: (letters, letters) from row to column.
        lengths: (batch,) valid frames.

    Returns:
        (batch, frames) int32. Values after an item's length have no meaning.
    """
    scores = ops.transpose(ops.stop_gradient(ops.cast(scores, "float32")), (1, 0, 2))  # (frames, batch, letters)
    transitions = ops.stop_gradient(ops.cast(transitions, "float32"))
    inside = ops.cast(
        ops.arange(ops.shape(scores)[0])[:, None] < ops.cast(lengths, "int32")[None, :], "float32"
    )[..., None]  # fmt: skip
    into = ops.transpose(transitions)[None]  # (1, later letter, earlier letter)

    def forward(carried, x):
        best = carried[0]
        # behind the end a path stands still at no cost
        return [x[1] * (x[0] + ops.max(best[:, None] + into, axis=-1)) + (1 - x[1]) * best]

    (best,) = scan(forward, [scores[0]], [scores, inside])
    last = ops.one_hot(ops.argmax(best[-1], axis=-1), ops.shape(scores)[2])

    def back(carried, x):  # x: the sums of the frame, and whether the frame behind it is inside
        ways = x[0] + ops.matmul(carried[0], into[0])
        found = ops.one_hot(ops.argmax(ways, axis=-1), ops.shape(ways)[1])
        return [x[1] * found + (1 - x[1]) * carried[0]]

    behind = ops.concatenate([inside[1:], ops.zeros_like(inside[:1])], axis=0)
    (path,) = scan(back, [last], [ops.flip(best, axis=0), ops.flip(behind, axis=0)])
    return ops.transpose(ops.cast(ops.argmax(ops.flip(path, axis=0), axis=-1), "int32"))


def cumulative_min(x: Any) -> Any:
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

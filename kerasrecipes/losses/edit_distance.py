"""Character errors of greedy transcripts, computed inside the graph on every backend: the metric that `fit` shows."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.losses.scan import scan


def greedy_edit_distance(labels: Any, logits: Any, lengths: Any) -> Any:
    """Return the edits between each transcript and the collapsed best symbols (CTC).

    Args:
        labels: (batch, labels), padded with 0.
        logits: (batch, frames, symbols).
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32 numbers of edits.
    """
    return path_edit_distance(labels, ops.argmax(logits, axis=-1), lengths)


def path_edit_distance(labels: Any, symbols: Any, lengths: Any) -> Any:
    """Return the edits between each transcript and a path with repeats merged and zeros dropped.

    Torch runs each operation by itself, so there NumPy computes the same from the merged symbols in a tenth of the time.

    Each frame updates one row of the edit-distance table; a frame that is blank or repeats its predecessor leaves the
    row unchanged. Within a row, `new[j] = min over k <= j of (candidate[k] + j - k)` is a cumulative minimum.

    Args:
        labels: (batch, labels), padded with 0.
        symbols: (batch, frames) symbol numbers.
        lengths: (batch,) valid frames.

    Returns:
        (batch,) float32 numbers of edits.
    """
    if keras.config.backend() == "torch":
        arrays = [ops.convert_to_numpy(x) for x in (labels, symbols, lengths)]
        return ops.convert_to_tensor(count_path_edits(*arrays), "float32")
    labels, symbols = ops.cast(labels, "int32"), ops.cast(symbols, "int32")
    previous = ops.pad(symbols[:, :-1], ((0, 0), (1, 0)))
    valid = ops.arange(ops.shape(symbols)[1])[None, :] < ops.cast(lengths, "int32")[:, None]
    emits = ops.logical_and(ops.logical_and(symbols != 0, symbols != previous), valid)
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


def count_path_edits(labels: np.ndarray, symbols: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return what `path_edit_distance` returns. Rows are computed for merged symbols only, for all items at once.

    Args:
        labels: (batch, labels), padded with 0.
        symbols: (batch, frames) symbol numbers.
        lengths: (batch,) valid frames.
    """
    previous = np.pad(symbols[:, :-1], ((0, 0), (1, 0)))
    valid = np.arange(symbols.shape[1]) < lengths[:, None]
    emits = (symbols != 0) & (symbols != previous) & valid
    order = np.argsort(~emits, axis=1, kind="stable")  # symbols of the transcript come first
    counts, merged = emits.sum(axis=1), np.take_along_axis(symbols, order, axis=1)
    column = np.arange(labels.shape[1] + 1)
    row = np.repeat(column[None], len(labels), axis=0)
    for t in range(counts.max(initial=0)):
        candidate = row + 1
        np.minimum(candidate[:, 1:], row[:, :-1] + (labels != merged[:, t, None]), out=candidate[:, 1:])
        new = column + np.minimum.accumulate(candidate - column, axis=1)
        row = np.where((t < counts)[:, None], new, row)
    return np.take_along_axis(row, (labels != 0).sum(axis=1)[:, None], axis=1)[:, 0]


def viterbi_path(logits: Any, transitions: Any, lengths: Any) -> Any:
    """Return the columns of the most likely path (Viterbi, as in `decoding.viterbi`) inside the graph.

    Args:
        logits: (batch, frames, letters).
        transitions: (letters, letters) from row to column.
        lengths: (batch,) valid frames.

    Returns:
        (batch, frames) int32, undefined after an item's length.
    """
    logits = ops.transpose(ops.stop_gradient(ops.cast(logits, "float32")), (1, 0, 2))  # (frames, batch, letters)
    transitions = ops.stop_gradient(ops.cast(transitions, "float32"))
    valid = ops.arange(ops.shape(logits)[0])[:, None] < ops.cast(lengths, "int32")[None, :]
    valid = ops.cast(valid, "float32")[..., None]
    incoming = ops.transpose(transitions)[None]  # (1, later letter, earlier letter)

    def forward(state, x):
        best = state[0]
        # after the end a path keeps its score
        return [x[1] * (x[0] + ops.max(best[:, None] + incoming, axis=-1)) + (1 - x[1]) * best]

    (best,) = scan(forward, [logits[0]], [logits, valid])
    last = ops.one_hot(ops.argmax(best[-1], axis=-1), ops.shape(logits)[2])

    def backward(state, x):  # x: the best scores of the frame, and 1 if the next frame is valid
        scores = x[0] + ops.matmul(state[0], incoming[0])
        letter = ops.one_hot(ops.argmax(scores, axis=-1), ops.shape(scores)[1])
        return [x[1] * letter + (1 - x[1]) * state[0]]

    next_valid = ops.concatenate([valid[1:], ops.zeros_like(valid[:1])], axis=0)
    (path,) = scan(backward, [last], [ops.flip(best, axis=0), ops.flip(next_valid, axis=0)])
    return ops.transpose(ops.cast(ops.argmax(ops.flip(path, axis=0), axis=-1), "int32"))


def cumulative_min(x: Any) -> Any:
    """Return the minimum of all entries up to each one along axis 1 of (batch, n)."""
    if keras.config.backend() == "torch":
        return x.cummin(dim=1).values
    if keras.config.backend() == "jax":
        import jax

        return jax.lax.cummin(x, axis=1)
    import tensorflow as tf

    lower = tf.linalg.band_part(tf.ones_like(x[0, :, None] * x[0, None, :]), -1, 0) > 0
    return tf.math.reduce_min(tf.where(lower, x[:, None, :], x.dtype.max), axis=2)

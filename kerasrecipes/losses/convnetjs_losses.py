"""Losses of ConvNetJS that Keras lacks: the multiclass hinge loss and half the squared error."""

from typing import Any

from keras import ops


def multiclass_hinge(labels: Any, scores: Any) -> Any:
    """Return the sum over the other classes of max(0, score - score of the label + 1), (batch,) (Weston and Watkins, 1999).

    Args:
        labels: (batch,) class numbers.
        scores: (batch, classes).
    """
    right = ops.take_along_axis(scores, ops.cast(labels, "int32")[:, None], axis=-1)
    return ops.sum(ops.relu(scores - right + 1.0), axis=-1) - 1.0  # the label's own term is 1


def half_squared_error(targets: Any, values: Any) -> Any:
    """Return half the sum of squared differences, (batch,).

    Args:
        targets: (batch, values).
        values: (batch, values).
    """
    return ops.sum(ops.square(values - ops.cast(targets, values.dtype)), axis=-1) / 2

"""Small networks of the chapter's experiments: kinds of pooling, separable and 3-D convolutions, and recurrent refinement."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

POOLINGS = ("max", "average", "L2", "stride 2", "maxout of 2")
SEPARABLES = ("convolution", "depthwise separable", "rank-1 kernels")
CLIP_MODELS = ("one frame at a time, mean", "frames as channels", "3-D convolution")


def pool(x: Any, kind: str) -> Any:
    """Halve rows and columns."""
    if kind == "average":
        return layers.AveragePooling2D(2, padding="same")(x)
    if kind == "L2":  # the root of the mean of squares, a constant times the norm
        return ops.sqrt(layers.AveragePooling2D(2, padding="same")(ops.square(x)) + 1e-6)
    return layers.MaxPooling2D(2, padding="same")(x)


def maxout(x: Any, pieces: int = 2) -> Any:
    """Return the maximum of each group of channels."""
    return ops.max(ops.reshape(x, (-1, *x.shape[1:-1], x.shape[-1] // pieces, pieces)), axis=-1)


def build_pooling(kind: str) -> keras.Model:
    """Build a classifier of digits of 14 x 14 with one of `POOLINGS`."""
    inputs = x = keras.Input((14, 14, 1))
    for number, width in enumerate((6, 11, 17) if kind == "maxout of 2" else (8, 16, 24)):
        stride = 2 if kind == "stride 2" and number < 2 else 1
        padding = "valid" if number == 2 else "same"
        if kind == "maxout of 2":
            x = maxout(layers.Conv2D(2 * width, 3, padding=padding)(x))
        else:
            x = layers.Conv2D(width, 3, stride, padding, activation="relu")(x)
        if number < 2 and stride == 1:
            x = pool(x, kind)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def build_separable(kind: str) -> keras.Model:
    """Build the classifier with max pooling and one of `SEPARABLES`, whose widths give equally many parameters."""
    inputs = x = keras.Input((14, 14, 1))
    widths = {"convolution": (8, 16, 24), "depthwise separable": (16, 40, 70), "rank-1 kernels": (8, 18, 24)}[kind]
    for number, width in enumerate(widths):
        padding = "valid" if number == 2 else "same"
        if kind == "rank-1 kernels":  # a column, then a row: together the outer product of both
            x = layers.Conv2D(width, (3, 1), padding=padding, use_bias=False)(x)
            x = layers.Conv2D(width, (1, 3), padding=padding, activation="relu")(x)
        elif kind == "depthwise separable" and number:
            x = layers.SeparableConv2D(width, 3, padding=padding, activation="relu")(x)
        else:
            x = layers.Conv2D(width, 3, padding=padding, activation="relu")(x)
        if number < 2:
            x = pool(x, "max")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def build_any_size() -> keras.Model:
    """Build a classifier of digits of any size: the last layer reads the means of the four quadrants."""
    inputs = x = keras.Input((None, None, 1))
    for number, width in enumerate((8, 16, 24)):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        if number < 2:
            x = pool(x, "max")
    x = layers.AdaptiveAveragePooling2D(2)(x)
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def build_refinement(steps: int, hidden: int = 16, classes: int = 3) -> keras.Model:
    """Build the recurrent network of figure 9.17: the logits of each step, (batch, steps, rows, columns, classes).

    The hidden maps are `relu(conv(U, image) + conv(W, probabilities of the step before))`, the logits `conv(V, hidden)`. All
    steps share U, V and W. In the first step there are no probabilities, which leaves out W.
    """
    inputs = keras.Input((20, 20, 1))
    from_image = layers.Conv2D(hidden, 3, padding="same", name="U")(inputs)
    from_labels = layers.Conv2D(hidden, 3, padding="same", use_bias=False, name="W")
    to_logits = layers.Conv2D(classes, 3, padding="same", name="V")
    logits = [to_logits(ops.relu(from_image))]
    for _ in range(steps - 1):
        logits.append(to_logits(ops.relu(from_image + from_labels(ops.softmax(logits[-1])))))
    return keras.Model(inputs, ops.stack(logits, axis=1))


def build_clip_model(kind: str, frames: int = 5, side: int = 20) -> keras.Model:
    """Build a classifier of the direction in which a digit moves, one of `CLIP_MODELS`."""
    inputs = keras.Input((frames, side, side, 1))
    if kind == "3-D convolution":
        x = inputs
        for width, strides in ((6, (1, 2, 2)), (14, (1, 2, 2))):
            x = layers.Conv3D(width, 3, strides, padding="same", activation="relu")(x)
        x = layers.GlobalAveragePooling3D()(x)
        return keras.Model(inputs, layers.Dense(8)(x))
    is_single = kind == "one frame at a time, mean"
    x = inputs if is_single else ops.transpose(inputs[..., 0], (0, 2, 3, 1))
    if is_single:
        x = ops.reshape(x, (-1, side, side, 1))
    for width in (10, 24) if is_single else (9, 22):
        x = layers.Conv2D(width, 3, 2, "same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    if is_single:
        x = ops.mean(ops.reshape(x, (-1, frames, x.shape[-1])), axis=1)
    return keras.Model(inputs, layers.Dense(8)(x))


def train(model: keras.Model, get_batches: Callable[[int], Any], epochs: int, rate: float = 3e-3) -> None:
    """Train by cross-entropy with Adam and a learning rate that falls to zero.

    Args:
        get_batches: epoch -> list of (inputs, labels).
        epochs: Number of epochs.
        rate: First learning rate.
    """
    steps = epochs * len(get_batches(0))
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss)
    for epoch in range(epochs):
        for x, y in get_batches(epoch):
            model.train_on_batch(x, y)

"""What tests of the pages with small networks share: seeded trainings against Keras."""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np

from kerasrecipes.export.convnetjs_import import from_json


def mulberry32(seed: int) -> Callable[[], float]:
    """Return the random generator of the pages, by its published lines."""
    state = seed

    def sample() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + ((t ^ (t >> 7)) * (61 | t))) & 0xFFFFFFFF) ^ t
        return (t ^ (t >> 14)) / 2**32

    return sample


def train_in_keras(snapshot: dict, optimizer: Any, loss: Callable, examples: list, batch: int, decay: float) -> Any:
    """Return the Keras model of a snapshot after one update for each batch: summed losses and decay, divided by the batch size."""
    import tensorflow as tf

    model = from_json(snapshot)
    x, y = (np.array([e[i] for e in examples]) for i in (0, 1))
    x = x.astype("float32").reshape(len(x), *model.input_shape[1:])
    for n in range(0, len(x), batch):
        with tf.GradientTape() as tape:
            decayed = sum(tf.reduce_sum(v**2) for v in model.trainable_variables if len(v.shape) > 1)
            total = (tf.reduce_sum(loss(y[n : n + batch], model(x[n : n + batch]))) + decay * decayed / 2) / batch
        optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
    return model


def assert_equal_weights(begin: dict, end: dict, model: Any) -> None:
    """Compare the weights of a snapshot after a training with those of a Keras model."""
    before, trained = from_json(begin).get_weights(), from_json(end).get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(before, trained, strict=True)) > 1e-3
    for ours, theirs in zip(model.get_weights(), trained, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)

"""The hand-written recurrences of `SequenceRNN` and their gradients beside automatic differentiation of the plain loop.

The tests run this in a process of its own for backends other than their own.
"""

import os

import keras
import numpy as np

from kerasrecipes.layers import SequenceRNN

LENGTHS = np.array([17, 8, 1, 0])
# cell, max_value, bidirectional, merge_mode, shared_input, batch_norm
LAYERS = [
    ("gru", None, True, "sum", False, False), ("gru", 0.5, True, "concat", True, True), ("gru", None, False, "sum", True, False),
    ("rnn", 0.5, True, "sum", True, True), ("rnn", None, False, "sum", True, False),
    ("lstm", None, True, "concat", False, False), ("lstm", 0.5, False, "sum", True, True),
]  # fmt: skip


def make_layer(arguments, units=6, features=5):
    """A built layer with seeded weights."""
    rng = np.random.default_rng(1)
    layer = SequenceRNN(units, *arguments)
    layer.build((None, None, features))
    for variable in layer.trainable_variables:
        variable.assign(0.6 * rng.normal(size=variable.shape))
    return layer


def outputs_and_gradients(layer, x, length, jit_compile=False):
    """The outputs in training, and the gradients of a weighted sum of them by the input and all weights, as arrays."""
    weights = np.cos(np.arange(x.shape[0] * x.shape[1])).reshape(*x.shape[:2], 1).astype("float32")
    variables = layer.trainable_variables
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(input_signature=[tf.TensorSpec([None, None, x.shape[2]])], jit_compile=jit_compile)
        def compute(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y, _ = layer(x, length, training=True)
                total = tf.reduce_sum(y * weights)
            return [y, *tape.gradient(total, [x, *[v.value for v in variables]])]

        return [np.array(v) for v in compute(tf.constant(x))]
    import jax

    rest = [v.value for v in layer.non_trainable_variables]

    def total(x, values):
        (y, _), _ = layer.stateless_call(values, rest, x, length, training=True)
        return (y * weights).sum(), y

    (d_x, d_values), y = jax.jit(jax.grad(total, (0, 1), has_aux=True))(x, [v.value for v in variables])
    return [np.array(v) for v in (y, d_x, *d_values)]


def largest_difference(arguments, jit_compile=False):
    """The largest difference between both ways, in outputs and gradients of a layer."""
    x, layer = np.random.default_rng(0).normal(size=(4, 17, 5)).astype("float32"), make_layer(arguments)
    results = []
    for switch in "01":
        os.environ["KERASRECIPES_FUSED"] = switch
        results.append(outputs_and_gradients(layer, x, LENGTHS, jit_compile and switch == "1"))
    assert all(np.abs(v).max() > 1e-3 for v in results[0])  # no gradient vanishes
    return max(float(np.abs(a - b).max()) for a, b in zip(*results, strict=True))


if __name__ == "__main__":
    for arguments in LAYERS:
        difference = largest_difference(arguments)
        assert difference < 1e-5, (arguments, difference)

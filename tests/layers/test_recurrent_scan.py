"""The hand-written gradient of recurrent layers: automatic differentiation of the plain loop, and Keras's own layers."""

import importlib.util
import os

import keras
import numpy as np
import pytest
from processes import in_new_process
from recurrent_checks import LAYERS, largest_difference, make_layer, outputs_and_gradients

if keras.config.backend() not in ("tensorflow", "jax"):
    pytest.skip("torch has kernels of its own", allow_module_level=True)


@pytest.fixture(autouse=True)
def switch():
    """The environment variable is unset before and after."""
    yield
    os.environ.pop("KERASRECIPES_FUSED", None)


# compiling takes a second each: all layers run on JAX below
@pytest.mark.parametrize("arguments", LAYERS[1:7:2], ids=lambda a: f"{a[0]}-{a[1]}")
def test_outputs_and_gradients_equal_those_of_the_plain_loop(arguments):
    assert largest_difference(arguments) < 1e-5


def test_gradients_are_the_same_if_xla_compiles_the_loop():
    if keras.config.backend() != "tensorflow":
        pytest.skip("JAX always compiles by XLA")
    assert largest_difference(LAYERS[2], jit_compile=True) < 1e-5


def test_a_forward_gru_has_the_gradients_of_keras_gru():
    if keras.config.backend() != "tensorflow":
        pytest.skip("one backend is enough: the gradients are compared between backends above")
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(2, 7, 5)).astype("float32")
    weights = np.cos(np.arange(14)).reshape(2, 7, 1).astype("float32")
    ours, theirs = make_layer(("gru", None, False, "sum", True, False)), keras.layers.GRU(6, return_sequences=True)
    theirs.build((None, None, 5))
    cell = ours.loops[0].cell
    theirs.set_weights([ours.kernels[0], cell.recurrent_kernel, np.stack([ours.biases[0], cell.recurrent_bias])])
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = theirs(inputs)
        total = tf.reduce_sum(y * weights)
    d_x, d_kernel, d_recurrent, d_bias = tape.gradient(total, [inputs, *[v.value for v in theirs.trainable_variables]])
    names = [v.name for v in ours.trainable_variables]
    expected = {"kernel_0": d_kernel, "recurrent_kernel": d_recurrent, "bias_0": d_bias[0], "recurrent_bias": d_bias[1]}
    outputs, *gradients = outputs_and_gradients(ours, x, np.array([7, 7]))
    np.testing.assert_allclose(outputs, y, atol=1e-6)
    for gradient, value in zip(gradients, [d_x, *(expected[name] for name in names)], strict=True):
        np.testing.assert_allclose(gradient, value, atol=1e-5)


@pytest.mark.slow
def test_the_gradients_of_all_cells_on_jax():
    if not importlib.util.find_spec("jax"):
        pytest.skip("JAX is not installed")
    in_new_process("import runpy, recurrent_checks; runpy.run_path(recurrent_checks.__file__, run_name='__main__')", backend="jax")

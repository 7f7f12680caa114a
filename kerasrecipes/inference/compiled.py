"""A model as a compiled function from numpy arrays to numpy arrays, for every backend."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrecipes.utils.backend_process import check_backend_process


def compile_forward(model: keras.Model) -> Callable[[Any], Any]:
    """Return `f(inputs) -> outputs` in inference mode. Both are an array, or a dict of arrays for several.

    It raises a `KerasRecipesError` in a process that was forked after a model was built, where the backend would not answer.
    """
    forward = compile_for_backend(model)

    def run(inputs: Any) -> Any:
        check_backend_process()
        return forward(inputs)

    return run


def compile_for_backend(model: keras.Model) -> Callable[[Any], Any]:
    """Return the function of `compile_forward` for the current backend.

    `predict` sets up a data pipeline per call, and an eager call runs a recurrence step by step from Python; this does
    neither. TensorFlow compiles once for all shapes, JAX once per shape (see `pad_to_bucket`), torch runs its fused kernels.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        signature = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), model.input)
        call = tf.function(lambda x: model(x, training=False), input_signature=[signature], autograph=False)
        return lambda x: to_numpy(call(keras.tree.map_structure(tf.constant, x)))
    if backend == "jax":
        import jax

        jitted = jax.jit(lambda state, x: model.stateless_call(*state, x, training=False)[0])

        def run_jax(x):
            state = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
            return to_numpy(jitted(state, x))

        return run_jax
    if backend == "torch":
        import torch

        def run_torch(x):
            with torch.inference_mode():
                return to_numpy(model(x, training=False))

        return run_torch
    return lambda x: to_numpy(model(x, training=False))


def to_numpy(outputs: Any) -> Any:
    """Return tensors, alone or in a dict, as numpy arrays."""
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def pad_to_bucket(x: np.ndarray) -> np.ndarray:
    """Pad (batch, ...) so that JAX compiles for few shapes.

    The batch is padded to a power of two with copies of its first row, because a row without any valid step upsets some
    recurrent kernels. The second axis, if any, is padded with zeros to one of four sizes per octave.
    """
    rows = (1 << (len(x) - 1).bit_length()) - len(x)
    x = np.concatenate([x, np.repeat(x[:1], rows, axis=0)])
    if x.ndim == 1:
        return x
    multiple = 1 << max(x.shape[1].bit_length() - 3, 0)
    return np.pad(x, [(0, 0), (0, -x.shape[1] % multiple)] + [(0, 0)] * (x.ndim - 2))

"""A recursion over time that keeps every step's values: one compiled loop on each backend."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

LOG_ZERO = -1e30  # log probability of an impossible event, finite so that differences are not NaN


def scan(step: Callable[[list, list], list], start: list, xs: list) -> list:
    """`c[0] = start`, `c[t] = step(c[t-1], [x[t] for x in xs])`, for several tensors at once.

    `ops.scan` fails on TensorFlow where a size is not known, so each backend has its own loop here. Nothing is
    differentiated through it.

    Args:
        step: Function from the tensors of one step and the inputs of the next step to the tensors of the next step. It keeps their shapes.
        start: Tensors of step 0.
        xs: Inputs (steps, ...). Those of step 0 are not used.

    Returns:
        (steps, ...) for each tensor of `start`.
    """
    return {"tensorflow": _tensorflow, "jax": _jax}.get(keras.config.backend(), _eager_scan)(step, start, xs)


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors into one graph, because a loop that runs step by step is many times slower."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    if keras.config.backend() == "jax":
        import jax

        jitted = jax.jit(function)

        def exact(*args):
            with jax.default_matmul_precision("float32"):  # accelerators would round to ten bits
                return jitted(*args)

        return exact
    return function


def logaddexp(a: Any, b: Any) -> Any:
    """log(exp a + exp b) of finite numbers, in four operations where the backend has no single one."""
    if keras.config.backend() != "tensorflow":
        return ops.logaddexp(a, b)
    larger = ops.maximum(a, b)
    return larger + ops.softplus(ops.minimum(a, b) - larger)


def _tensorflow(step, start, xs):
    import tensorflow as tf

    steps = tf.shape(xs[0])[0]
    inputs = [tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:]).unstack(x) for x in xs]
    kept = [tf.TensorArray(c.dtype, steps, element_shape=c.shape).write(0, c) for c in start]

    def body(t, carried, kept):
        carried = step(carried, [x.read(t) for x in inputs])
        return t + 1, carried, [array.write(t, c) for array, c in zip(kept, carried, strict=True)]

    _, _, kept = tf.while_loop(lambda t, *_: t < steps, body, (tf.constant(1), list(start), kept))
    return [array.stack() for array in kept]


def _jax(step, start, xs):
    import jax

    def body(carried, x):
        carried = step(carried, x)
        return carried, carried

    _, kept = jax.lax.scan(body, list(start), [x[1:] for x in xs])
    return [ops.concatenate([c[None], rest], axis=0) for c, rest in zip(start, kept, strict=True)]


def _eager_scan(step, start, xs):
    kept = [list(start)]
    for x in zip(*(ops.unstack(x)[1:] for x in xs), strict=True):
        kept.append(step(kept[-1], list(x)))
    return [ops.stack(values) for values in zip(*kept, strict=True)]

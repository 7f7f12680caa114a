"""A recursion over time that returns the values of every step: one compiled loop on each backend."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

LOG_ZERO = -1e30  # log probability of the impossible; finite, so that the difference of two is not NaN


def scan(step: Callable[[list, list], list], start: list, xs: list, reverse: bool = False, last: int = 0) -> list:
    """Compute `c[0] = start`, `c[t] = step(c[t-1], [x[t] for x in xs])` for several tensors at once.

    `ops.scan` fails on TensorFlow if a size is unknown, so each backend has its own loop here. It is not
    differentiable.

    Args:
        step: Maps the tensors of one step and the inputs of the next to the tensors of the next, of unchanged shapes.
        start: Tensors of step 0.
        xs: (steps, ...) inputs; those of the first step are not used.
        reverse: Go from the last step to step 0: `c[-1] = start`, `c[t] = step(c[t+1], ...)`. Default False.
        last: Number of tensors, from the end of `start` on, of which only the last step is returned. Default 0.

    Returns:
        (steps, ...) for each tensor of `start`, without steps for the last ones.
    """
    backend_scan = {"tensorflow": _tensorflow, "jax": _jax}.get(keras.config.backend(), _eager_scan)
    return backend_scan(step, start, xs, reverse, len(start) - last)


def compiled(function: Callable) -> Callable:
    """Compile `function` of tensors to one graph: outside a graph a step-by-step loop is many times slower."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True, autograph=False)
    if keras.config.backend() == "jax":
        import jax

        jitted = jax.jit(function)

        def exact(*args):
            with jax.default_matmul_precision("float32"):  # accelerators would round to ten bits
                return jitted(*args)

        return exact
    return function


def logaddexp(a: Any, b: Any) -> Any:
    """Return log(exp a + exp b) of finite numbers, in four operations on TensorFlow, which has no single one."""
    if keras.config.backend() != "tensorflow":
        return ops.logaddexp(a, b)
    larger = ops.maximum(a, b)
    return larger + ops.softplus(ops.minimum(a, b) - larger)


def _tensorflow(step, start, xs, reverse, kept):
    import tensorflow as tf

    steps = tf.shape(xs[0])[0]
    inputs = [tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:]).unstack(x) for x in xs]
    first = steps - 1 if reverse else 0
    results = [tf.TensorArray(c.dtype, steps, element_shape=c.shape).write(first, c) for c in start[:kept]]

    def body(t, state, results):
        at = steps - 1 - t if reverse else t
        state = step(state, [x.read(at) for x in inputs])
        return t + 1, state, [array.write(at, c) for array, c in zip(results, state[:kept], strict=True)]

    _, state, results = tf.while_loop(lambda t, *_: t < steps, body, (tf.constant(1), list(start), results))
    return [*(array.stack() for array in results), *state[kept:]]


def _jax(step, start, xs, reverse, kept):
    import jax

    def body(state, x):
        state = step(state, x)
        return state, state[:kept]

    state, results = jax.lax.scan(body, list(start), [x[:-1] if reverse else x[1:] for x in xs], reverse=reverse)
    ends = [(rest, c[None]) if reverse else (c[None], rest) for c, rest in zip(start[:kept], results, strict=True)]
    return [*(ops.concatenate(parts, axis=0) for parts in ends), *state[kept:]]


def _eager_scan(step, start, xs, reverse, kept):
    results = [list(start)]
    for x in list(zip(*(ops.unstack(x) for x in xs), strict=True))[:: -1 if reverse else 1][1:]:
        results.append(step(results[-1], list(x)))
    columns = zip(*(state[:kept] for state in results[:: -1 if reverse else 1]), strict=True)
    return [*(ops.stack(values) for values in columns), *results[-1][kept:]]

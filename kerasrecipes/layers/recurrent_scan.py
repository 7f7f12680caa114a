"""Recurrences of `SequenceRNN` for training on TensorFlow and JAX: weights and formulas of the plain loop, equal to 1e-5.

Automatic differentiation of a recurrence adds one outer product to dU at every step. Here the gradient is written by hand,
as in `torch_recurrent`: the local derivatives of all steps are computed at once, the backward loop has one small product for
each direction, and dU is one matrix product at its end.

All arrays inside are (steps, items, features) float32 with items = directions * batch. The second direction is reversed
within each item's length, so that both run in one loop.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from kerasrecipes.losses.scan import scan as scan_steps


def scan(inputs: list, length: Any, cells: list) -> list:
    """Run all directions of a recurrent layer on transformed inputs, from a state of zero.

    Args:
        inputs: A (batch, steps, gates * units) tensor per direction, or one for both.
        length: (batch,).
        cells: A `SequenceRNNCell` per direction.

    Returns:
        One (batch, steps, units) tensor per direction, in the order of time, not masked.
    """
    cell, dtype = cells[0], inputs[0].dtype
    weights = [c.recurrent_kernel for c in cells] + [c.recurrent_bias for c in cells if cell.use_bias]
    function = ops.custom_gradient(recurrence_with_gradient(cell, len(cells), dtype))
    y = function(*(ops.cast(ops.convert_to_tensor(x), "float32") for x in (length, *weights, *inputs)))
    return [ops.cast(part, dtype) for part in ops.split(y, len(cells), axis=0)]


def recurrence_with_gradient(cell: Any, directions: int, dtype: Any) -> Callable:
    """Return a recurrence for `ops.custom_gradient`.

    Args:
        cell: A `SequenceRNNCell`, whose formulas are computed.
        directions: 1 or 2.
        dtype: Type in which `U h` is computed.

    Returns:
        A function of the lengths (batch,), the recurrent kernels, the recurrent biases if the cell has them, and the inputs,
        all float32. It returns the outputs (items, steps, units) and the function of their gradient.
    """
    run_forward, run_backward = RECURRENCES[cell.cell]
    shape = (cell.units, cell.max_value)

    def compute(length: Any, *arguments: Any) -> tuple[Any, Callable]:
        kernels, rest = arguments[:directions], arguments[directions:]
        biases, inputs = (rest[:directions], rest[directions:]) if cell.use_bias else ((), rest)
        batch = ops.shape(inputs[0])[0]
        turn = TimeReversal(length, ops.shape(inputs[0])[:2], directions)
        bias = ops.concatenate([ops.broadcast_to(b, (batch, b.shape[0])) for b in biases], axis=0) if biases else None
        multiply = make_product(kernels, dtype)

        def recurrent_term(h: Any) -> Any:
            return multiply(h) if bias is None else multiply(h) + bias

        h, saved = run_forward(turn.to_time_major(inputs), recurrent_term, *shape)

        def gradient(d_y: Any) -> tuple:
            before = shift_steps(h)
            multiply_transposed = make_product([ops.transpose(kernel) for kernel in kernels], dtype)
            d_products, d_x = run_backward(turn.to_time_major([d_y]), before, saved, multiply_transposed, *shape)
            pairs = [[flatten_steps(x, i, directions) for x in (before, d_products)] for i in range(directions)]
            d_kernels = [ops.matmul(ops.transpose(states), rows) for states, rows in pairs]
            d_biases = [ops.sum(rows, axis=0) for _, rows in pairs] if biases else []
            d_inputs = ops.split(turn.to_batch_major(d_x), directions, axis=0)
            d_inputs = d_inputs if len(inputs) == directions else [d_inputs[0] + d_inputs[1]]
            return (ops.zeros_like(length), *d_kernels, *d_biases, *d_inputs)

        return turn.to_batch_major(h), gradient

    return compute


class TimeReversal:
    """Transposition between batch and time by gathering rows, with the second direction reversed within each item's length.

    Args:
        length: (batch,).
        shape: Batch and steps.
        directions: 1 or 2.
    """

    def __init__(self, length: Any, shape: tuple, directions: int):
        self.batch, self.steps = shape
        time = ops.arange(self.steps, dtype="int32")[None, :]
        end = ops.cast(length, "int32")[:, None]
        reverse = ops.where(time < end, end - 1 - time, time)
        forward = time + ops.zeros_like(reverse)
        self.source = ops.concatenate([forward, reverse][:directions], axis=0)  # (items, steps), its own inverse
        self.items = directions * self.batch

    def to_time_major(self, inputs: Sequence) -> Any:
        """Return (steps, items, features) of one (items, steps, features), or of a tensor (batch, ...) per direction."""
        rows = ops.concatenate(inputs, axis=0)
        item = ops.arange(self.items, dtype="int32")[:, None] % ops.shape(rows)[0]  # both directions may read the same items
        index = ops.transpose(item * self.steps + self.source)
        return self._gather(rows, index, (self.steps, self.items, rows.shape[-1]))

    def to_batch_major(self, x: Any) -> Any:
        """Return (items, steps, features) of (steps, items, features)."""
        index = self.source * self.items + ops.arange(self.items, dtype="int32")[:, None]
        return self._gather(x, index, (self.items, self.steps, x.shape[-1]))

    @staticmethod
    def _gather(x: Any, index: Any, shape: tuple) -> Any:
        rows = ops.take(ops.reshape(x, (-1, x.shape[-1])), ops.reshape(index, (-1,)), axis=0)
        return ops.reshape(rows, shape)


def make_product(kernels: Sequence, dtype: Any) -> Callable[[Any], Any]:
    """Return the product of rows (items, n) with the kernel (n, m) of their direction, in float32, computed in `dtype`."""
    kernels = [ops.cast(kernel, dtype) for kernel in kernels]

    def multiply(x: Any) -> Any:
        parts = ops.split(ops.cast(x, dtype), len(kernels), axis=0)
        rows = [ops.matmul(part, kernel) for part, kernel in zip(parts, kernels, strict=True)]
        return ops.cast(ops.concatenate(rows, axis=0), "float32")

    return multiply


def flatten_steps(x: Any, direction: int, directions: int) -> Any:
    """Return the rows (steps * batch, features) of a direction of (steps, items, features)."""
    return ops.reshape(ops.split(x, directions, axis=1)[direction], (-1, x.shape[-1]))


def shift_steps(x: Any) -> Any:
    """Return the values of the step before each: zero before the first."""
    return ops.concatenate([ops.zeros_like(x[:1]), x[:-1]], axis=0)


def activate(x: Any, max_value: float | None) -> Any:
    return ops.tanh(x) if max_value is None else ops.clip(x, 0.0, max_value)


def activation_derivative(y: Any, max_value: float | None) -> Any:
    """Return the derivative of `activate` from its value."""
    if max_value is None:
        return 1 - y * y
    return ops.cast(ops.logical_and(y > 0, y < max_value), y.dtype)


def run_steps(step: Callable, states: int, xs: list, reverse: bool = False) -> list:
    """Run a loop over all steps of `xs`. `step` gets None for each of so many states before the first step."""
    edge = -1 if reverse else 0
    return scan_steps(step, step([None] * states, [x[edge] for x in xs]), xs, reverse)


def rnn_forward(x, recurrent_term, units, max_value):
    def step(state, inputs):
        h = ops.zeros_like(inputs[0]) if state[0] is None else state[0]
        return [activate(inputs[0] + recurrent_term(h), max_value)]

    (h,) = run_steps(step, 1, [x])
    return h, h


def rnn_backward(d_h, before, h, multiply, units, max_value):
    def step(state, inputs):
        d = inputs[0] if state[0] is None else inputs[0] + multiply(state[0])
        return [d * inputs[1]]

    (d_products,) = run_steps(step, 1, [d_h, activation_derivative(h, max_value)], reverse=True)
    return d_products, d_products


def gru_gates(x, recurrent, units, max_value):
    """Return the gates z and r, and the candidate, of `W x` and `U h`."""
    split = 2 * units
    z, r = ops.split(ops.sigmoid(x[..., :split] + recurrent[..., :split]), 2, axis=-1)
    return z, r, activate(x[..., split:] + r * recurrent[..., split:], max_value)


def gru_forward(x, recurrent_term, units, max_value):
    def step(state, inputs):
        h = ops.zeros_like(inputs[0][:, :units]) if state[0] is None else state[0]
        recurrent = recurrent_term(h)
        z, _, candidate = gru_gates(inputs[0], recurrent, units, max_value)
        return [candidate + z * (h - candidate), recurrent]

    h, recurrent = run_steps(step, 2, [x])
    return h, (x, recurrent)


def gru_backward(d_h, before, saved, multiply, units, max_value):
    z, r, candidate = gru_gates(*saved, units, max_value)
    through = (1 - z) * activation_derivative(candidate, max_value)  # and below: d(products U h) of each gate per unit of dh
    parts = [(before - candidate) * z * (1 - z), through * saved[1][..., 2 * units :] * r * (1 - r), through * r]

    def step(state, inputs):
        d_h, local, z = inputs
        d = d_h if state[0] is None else d_h + multiply(state[0]) + state[1]
        return [ops.tile(d, (1, 3)) * local, d * z, d]

    d_products, _, d = run_steps(step, 3, [d_h, ops.concatenate(parts, axis=-1), z], reverse=True)
    return d_products, ops.concatenate([d_products[..., : 2 * units], d * through], axis=-1)  # x of the candidate has no r


def lstm_gates(x, max_value):
    """Return the gates i and f, the candidate, and the gate o of `W x + U h`."""
    i, f, candidate, o = ops.split(x, 4, axis=-1)
    return ops.sigmoid(i), ops.sigmoid(f), activate(candidate, max_value), ops.sigmoid(o)


def lstm_forward(x, recurrent_term, units, max_value):
    def step(state, inputs):
        h, c, _ = state
        h = ops.zeros_like(inputs[0][:, :units]) if h is None else h
        gates = inputs[0] + recurrent_term(h)
        i, f, candidate, o = lstm_gates(gates, max_value)
        c = i * candidate if c is None else f * c + i * candidate
        return [o * activate(c, max_value), c, gates]

    h, c, gates = run_steps(step, 3, [x])
    return h, (c, gates)


def lstm_backward(d_h, before, saved, multiply, units, max_value):
    c, gates = saved
    i, f, candidate, o = lstm_gates(gates, max_value)
    y = activate(c, max_value)
    # d(sums) of i, f and the candidate per unit of dc, and of o per unit of dh
    parts = [
        candidate * i * (1 - i), shift_steps(c) * f * (1 - f), i * activation_derivative(candidate, max_value), y * o * (1 - o),
    ]  # fmt: skip

    def step(state, inputs):
        d_h, local, through, f = inputs
        d = d_h if state[0] is None else d_h + multiply(state[0])
        d_c = d * through if state[1] is None else d * through + state[1]
        return [ops.concatenate([d_c, d_c, d_c, d], axis=-1) * local, d_c * f]

    through = o * activation_derivative(y, max_value)
    d_products, _ = run_steps(step, 2, [d_h, ops.concatenate(parts, axis=-1), through, f], reverse=True)
    return d_products, d_products


# cell -> its loops over the steps. Forward: (x, function of U h, units, max_value) -> outputs and what the gradient needs;
# backward: (d outputs, states before, that, function of the transposed product, units, max_value) -> d products, d inputs
RECURRENCES: dict[str, tuple[Callable, Callable]] = {
    "rnn": (rnn_forward, rnn_backward), "gru": (gru_forward, gru_backward), "lstm": (lstm_forward, lstm_backward),
}  # fmt: skip

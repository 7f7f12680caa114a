"""Recurrent layers: simple RNN, GRU or LSTM, forward or bidirectional, with the input transform outside the time loop.

One matrix product before the loop computes `W x` of all steps, so that it can be batch-normalized as in the paper and
the loop only computes `U h`.
"""

import os

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers import recurrent_scan
from kerasrecipes.layers.base import ConfigLayer
from kerasrecipes.layers.normalization import MaskedBatchNormalization
from kerasrecipes.layers.sequence import (
    SequenceLayer,
    sequence_mask,
    torch_enabled,
    zero_outside_range,
)
from kerasrecipes.layers.time_geometry import TimeGeometry

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def torch_kernels_or_none():
    """Return the module of the fast recurrences for the torch backend, or None on other backends or if turned off."""
    if not torch_enabled():
        return None
    from kerasrecipes.layers import torch_recurrent

    return torch_recurrent


def hand_written_gradient_enabled():
    """Return True on TensorFlow and JAX unless the environment variable `KERASRECIPES_FUSED=0` turns it off."""
    return keras.config.backend() in ("tensorflow", "jax") and os.environ.get("KERASRECIPES_FUSED", "1") != "0"


def unit_forget_bias(shape, dtype=None):
    """Return an LSTM's initial biases: 1 for the forget gates, so that it remembers from the start, else 0."""
    return ops.cast(np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4), dtype or "float32")


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceRNNCell(ConfigLayer):
    """One time step on an already transformed input: a cell for `keras.layers.RNN`.

    rnn: `f(x + U h + b)`. gru (gates in Keras's order z, r, candidate; reset after the product, as `reset_after=True`):
    `z = sigmoid(x_z + U_z h + b_z)`, `r` likewise, `c = f(x_c + r * (U_c h + b_c))`, `h' = z h + (1 - z) c`.
    lstm (gates i, f, candidate, o): `c' = f c + i f(x_c + U_c h)`, `h' = o f(c')`.

    Args:
        units: Size of the state.
        cell: "rnn", "gru" or "lstm".
        max_value: Maximum of the clipped ReLU `min(max(x, 0), max_value)`; None for tanh.
        use_bias: Add a bias to `U h`. Only a GRU's candidate needs it; the input transform has all other biases.
    """

    def __init__(self, units: int, cell: str, max_value: float | None, use_bias: bool, **kwargs):
        super().__init__(**kwargs)
        self.units, self.cell, self.max_value, self.use_bias = units, cell, max_value, use_bias
        self.state_size = [units, units] if cell == "lstm" else units
        self.output_size = units

    def build(self, input_shape=None):
        width = GATES[self.cell] * self.units
        self.recurrent_kernel = self.add_weight((self.units, width), "orthogonal", name="recurrent_kernel")
        self.recurrent_bias = self.add_weight((width,), "zeros", name="recurrent_bias") if self.use_bias else None

    def activation(self, x):
        return ops.tanh(x) if self.max_value is None else ops.clip(x, 0.0, self.max_value)

    def call(self, x, states, training=None):
        h = states[0]
        recurrent = ops.matmul(h, self.recurrent_kernel)
        if self.use_bias:
            recurrent = recurrent + self.recurrent_bias
        if self.cell == "rnn":
            h = self.activation(x + recurrent)
        elif self.cell == "lstm":
            i, f, candidate, o = ops.split(x + recurrent, 4, axis=-1)
            c = ops.sigmoid(f) * states[1] + ops.sigmoid(i) * self.activation(candidate)
            h = ops.sigmoid(o) * self.activation(c)
            return h, [h, c]
        else:
            split = 2 * self.units
            gates = ops.sigmoid(x[:, :split] + recurrent[:, :split])
            z, r = gates[:, : self.units], gates[:, self.units :]
            h = z * h + (1 - z) * self.activation(x[:, split:] + r * recurrent[:, split:])
        return h, [h]


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceRNN(SequenceLayer):
    """A recurrent layer over valid steps, forward or bidirectional (arXiv 1512.02595, sections 3.1, 3.2 and 3.3).

    Args:
        units: Hidden units of each direction.
        cell: "rnn" (the paper's simple recurrent layer), "gru" or "lstm".
        max_value: Maximum of the clipped ReLU (paper: 20); None for tanh, which torch's own kernels need.
        bidirectional: Run a second recurrence from the end.
        merge_mode: "sum" of the two directions (paper) or "concat".
        shared_input: Both directions read one `W x` (paper) instead of one each.
        batch_norm: Normalize `W x` over the sequence: `h_t = f(B(W x_t) + U h_{t-1})`; there is no bias then.
        momentum: Momentum of that normalization's moving averages.
        epsilon: Added to its variance.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, steps, units), twice the units for "concat".
    """

    def __init__(
        self, units, cell="rnn", max_value=20.0, bidirectional=True, merge_mode="sum", shared_input=True, batch_norm=True,
        momentum=0.99, epsilon=1e-3, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.units, self.cell, self.max_value = units, cell, max_value
        self.bidirectional, self.merge_mode, self.shared_input = bidirectional, merge_mode, shared_input
        self.batch_norm, self.momentum, self.epsilon, self.width = batch_norm, momentum, epsilon, GATES[cell] * units
        self.directions = 2 if bidirectional else 1
        self.transforms = 1 if shared_input else self.directions
        self.geometry = TimeGeometry(None)  # backward: the whole utterance; forward: the whole past
        dtype, use_bias = self.dtype_policy, cell == "gru" and not batch_norm
        self.norms = [
            MaskedBatchNormalization(momentum, epsilon, dtype=dtype, name=f"norm_{i}")
            for i in range(self.transforms if batch_norm else 0)
        ]
        self.loops = []
        for i, name in enumerate(("forward", "backward")[: self.directions]):
            step = SequenceRNNCell(units, cell, max_value, use_bias, dtype=dtype, name="step")
            options = {"return_sequences": True, "return_state": True, "go_backwards": i == 1}
            self.loops.append(keras.layers.RNN(step, **options, dtype=dtype, name=name))

    def build(self, x_shape, length_shape=None):
        self.kernels = [
            self.add_weight((x_shape[-1], self.width), "glorot_uniform", name=f"kernel_{i}")
            for i in range(self.transforms)
        ]
        self.biases = [
            self.add_weight((self.width,), unit_forget_bias if self.cell == "lstm" else "zeros", name=f"bias_{i}")
            for i in range(0 if self.batch_norm else self.transforms)
        ]
        for norm in self.norms:
            norm.build((None, None, self.width))
        for loop in self.loops:
            loop.build((None, None, self.width))

    def call_unmasked(self, x, length, training=None):
        fused = torch_kernels_or_none()
        cells = [loop.cell for loop in self.loops]
        packed = self.cell == "lstm" or (fused and x.is_cuda and self.cell == "gru")  # else `fused.scan` is faster
        if fused and packed and self.max_value is None and not self.batch_norm:
            return self.merge_directions(*fused.packed_rnn(x, length, self.kernels, self.biases, cells))
        inputs = []
        for i, kernel in enumerate(self.kernels):
            projected = ops.matmul(x, kernel)
            if self.batch_norm:
                projected, _ = self.norms[i](projected, length, training=training)
            else:
                projected = projected + self.biases[i]
            inputs.append(projected)
        if fused and self.cell != "lstm":
            return self.merge_directions(*fused.scan(inputs, length, cells))
        if training and hand_written_gradient_enabled():
            return self.merge_directions(*recurrent_scan.scan(inputs, length, cells))
        valid = sequence_mask(x, length)
        outputs = [self.loops[0](inputs[0], mask=valid, training=training)[0]]
        if self.bidirectional:
            outputs.append(ops.flip(self.loops[1](inputs[-1], mask=valid, training=training)[0], axis=1))
        return self.merge_directions(*outputs)

    def stream_state_shapes(self, shape, start):
        if self.bidirectional:
            raise NotImplementedError("A bidirectional layer sees the whole utterance: it cannot run in chunks")
        return [(self.units,)] * (2 if self.cell == "lstm" else 1)

    def stream(self, x, position, length, states):
        index = position[:, None] + ops.arange(ops.shape(x)[1])[None, :]
        x = ops.matmul(x, self.kernels[0])
        x = self.norms[0].call_padded(x) if self.batch_norm else x + self.biases[0]
        valid = ops.logical_and(index >= 0, index < length[:, None])  # elsewhere the state does not change
        y, *states = self.loops[0](x, mask=valid, initial_state=states, training=False)
        return zero_outside_range(y, position, length), position, length, states

    def merge_directions(self, forward, backward=None):
        if backward is None:
            return forward
        return forward + backward if self.merge_mode == "sum" else ops.concatenate([forward, backward], axis=-1)

    def output_feature_shape(self, shape):
        return (self.units * (self.directions if self.merge_mode == "concat" else 1),)

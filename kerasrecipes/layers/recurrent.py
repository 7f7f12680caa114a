"""Recurrent layers: simple RNN, GRU or LSTM, forward or in both directions, input transform outside the time loop.

`W x` of all steps is one matrix product before the loop, so that it can be batch-normalised as the paper has it and so
that the loop only holds `U h`.
"""

import os

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.normalization import MaskedBatchNormalization
from kerasrecipes.layers.sequence import SequenceLayer, sequence_mask, zero_after_length, zero_outside_range
from kerasrecipes.layers.time_geometry import TimeGeometry

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def torch_kernels_or_none():
    """The module of torch's fast recurrences on that backend, else None; `KERASRECIPES_FUSED=0` turns them off."""
    if keras.config.backend() != "torch" or os.environ.get("KERASRECIPES_FUSED", "1") == "0":
        return None
    from kerasrecipes.layers import torch_recurrent

    return torch_recurrent


def unit_forget_bias(shape, dtype=None):
    """An LSTM's first biases: 1 for the forget gates, so that its memory lasts from the start, else 0."""
    return ops.cast(np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4), dtype or "float32")


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceRNNCell(keras.layers.Layer):
    """One time step on an already transformed input: a cell for `keras.layers.RNN`.

    rnn: `f(x + U h + b)`. gru (gates in Keras's order z, r, candidate; reset after the product, as `reset_after=True`):
    `z = sigmoid(x_z + U_z h + b_z)`, `r` likewise, `c = f(x_c + r * (U_c h + b_c))`, `h' = z h + (1 - z) c`.
    lstm (gates i, f, candidate, o): `c' = f c + i f(x_c + U_c h)`, `h' = o f(c')`.

    Args:
        units: size of the state.
        cell: "rnn", "gru" or "lstm".
        limit: None for tanh, else the clipped rectifier `min(max(., 0), limit)`.
        bias: whether `U h` has one; only a GRU's candidate needs it, the rest is in the input transform.
    """

    def __init__(self, units: int, cell: str, limit: float | None, bias: bool, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"units": units, "cell": cell, "limit": limit, "bias": bias}
        self.units, self.cell, self.limit, self.bias = units, cell, limit, bias
        self.state_size = [units, units] if cell == "lstm" else units
        self.output_size = units

    def build(self, input_shape=None):
        width = GATES[self.cell] * self.units
        self.recurrent_kernel = self.add_weight((self.units, width), "orthogonal", name="recurrent_kernel")
        self.recurrent_bias = self.add_weight((width,), "zeros", name="recurrent_bias") if self.bias else None

    def activation(self, x):
        return ops.tanh(x) if self.limit is None else ops.clip(x, 0.0, self.limit)

    def call(self, x, states, training=None):
        h = states[0]
        recurrent = ops.matmul(h, self.recurrent_kernel)
        if self.bias:
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

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceRNN(SequenceLayer):
    """A recurrent layer over valid steps, forward or in both directions (arXiv 1512.02595, sections 3.1, 3.2 and 3.3).

    Args:
        units: hidden units of each direction.
        cell: "rnn" (the paper's simple recurrent layer), "gru" or "lstm".
        limit: clip of the rectifier (paper: 20); None for tanh, which the fused kernels need.
        direction: "bidirectional" or "forward".
        merge: "sum" of the two directions (the paper) or "concat".
        shared_input: both directions read one `W x` (the paper) or have their own.
        batch_norm: normalise `W x` over the sequence: `h_t = f(B(W x_t) + U h_{t-1})`; there is no bias then.
        momentum: of that normalisation's running averages.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, steps, units) or twice the units for "concat".
    """

    def __init__(
        self, units: int, cell: str = "rnn", limit: float | None = 20.0, direction: str = "bidirectional",
        merge: str = "sum", shared_input: bool = True, batch_norm: bool = True, momentum: float = 0.99, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.settings = {
            "units": units, "cell": cell, "limit": limit, "direction": direction, "merge": merge,
            "shared_input": shared_input, "batch_norm": batch_norm, "momentum": momentum,
        }  # fmt: skip
        self.units, self.cell, self.limit, self.merge = units, cell, limit, merge
        self.directions = {"bidirectional": 2, "forward": 1}[direction]
        self.transforms = 1 if shared_input else self.directions
        self.batch_norm, self.width = batch_norm, GATES[cell] * units
        self.geometry = TimeGeometry(None)  # backward: the whole utterance; forward: all that came before
        self.norms = [
            MaskedBatchNormalization(momentum, dtype=self.dtype_policy, name=f"norm_{i}")
            for i in range(self.transforms if batch_norm else 0)
        ]
        self.loops = [
            keras.layers.RNN(
                SequenceRNNCell(units, cell, limit, bias=cell == "gru" and not batch_norm, dtype=self.dtype_policy, name="step"),
                return_sequences=True, return_state=True, go_backwards=i == 1, dtype=self.dtype_policy, name=("forward", "backward")[i],
            )
            for i in range(self.directions)
        ]  # fmt: skip

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

    def compute(self, x, length, training=None):
        fused = torch_kernels_or_none()
        steps = [loop.cell for loop in self.loops]
        packed = self.cell == "lstm" or (fused and x.is_cuda and self.cell == "gru")  # else `fused.scan` is faster
        if fused and packed and self.limit is None and not self.batch_norm:
            return self.merge_directions(*fused.packed(x, length, self.kernels, self.biases, steps))
        inputs = []
        for i, kernel in enumerate(self.kernels):
            projected = ops.matmul(x, kernel)
            if self.batch_norm:
                projected, _ = self.norms[i](zero_after_length(projected, length), length, training=training)
            else:
                projected = projected + self.biases[i]
            inputs.append(projected)
        if fused and self.cell != "lstm":
            return self.merge_directions(*fused.scan(inputs, length, steps))
        valid = sequence_mask(x, length)
        outputs = [self.loops[0](inputs[0], mask=valid, training=training)[0]]
        if self.directions == 2:
            outputs.append(ops.flip(self.loops[1](inputs[-1], mask=valid, training=training)[0], axis=1))
        return self.merge_directions(*outputs)

    def state_shapes(self, shape, start):
        if self.directions == 2:
            raise NotImplementedError("A bidirectional layer sees the whole utterance: it cannot run in pieces")
        return [(self.units,)] * (2 if self.cell == "lstm" else 1)

    def advance(self, x, position, length, states):
        index = position[:, None] + ops.arange(ops.shape(x)[1])[None, :]
        x = ops.matmul(x, self.kernels[0])
        x = self.norms[0].apply(x) if self.batch_norm else x + self.biases[0]
        valid = ops.logical_and(index >= 0, index < length[:, None])  # elsewhere the state stands still
        y, *states = self.loops[0](x, mask=valid, initial_state=states, training=False)
        return zero_outside_range(y, position, length), position, length, states

    def merge_directions(self, forward, backward=None):
        if backward is None:
            return forward
        return forward + backward if self.merge == "sum" else ops.concatenate([forward, backward], axis=-1)

    def output_feature_shape(self, shape):
        return (self.units * (self.directions if self.merge == "concat" else 1),)

    def get_config(self):
        return {**super().get_config(), **self.settings}

"""WaveNet's layers: a causal convolution over codes, and the stack of gated dilated causal convolutions.

Paper: arXiv 1609.03499, sections 2.1 (causal and dilated), 2.3 (gates), 2.4 (residual and skip), 2.5 (conditioning).
All are causal with zeros in front of the first step: what lies behind an item's length reaches no step before it, so
that no masks are needed between them.
"""

import os
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import CausalLayer


def torch_stack_or_none() -> Any:
    """The module of torch's hand-written stack on that backend, else None; `KERASRECIPES_FUSED=0` turns it off."""
    if keras.config.backend() != "torch" or os.environ.get("KERASRECIPES_FUSED", "1") == "0":
        return None
    from kerasrecipes.layers import torch_wavenet

    return torch_wavenet


def receptive_field(dilations: Any, kernel: int = 2, initial_kernel: int = 2) -> int:
    """Samples that one output depends on: 1 + (kernel - 1) * sum(dilations) + (initial_kernel - 1)."""
    return 1 + (kernel - 1) * sum(dilations) + initial_kernel - 1


def shift_right(x: Any, steps: int) -> Any:
    """`x` (batch, steps, ...) moved `steps` to the right, zeros in front."""
    if not steps:
        return x
    total = ops.shape(x)[1]
    return ops.pad(x, [(0, 0), (steps, 0)] + [(0, 0)] * (len(x.shape) - 2))[:, :total]


@keras.saving.register_keras_serializable("kerasrecipes")
class CausalEmbeddingConv1D(CausalLayer):
    """The first causal convolution, over one-hot codes: a sum of table rows instead of products with zeros and ones.

    Args:
        filters: output features. kernel: codes that one step sees. levels: codes there are.

    Call: `codes` (batch, steps) integers; returns (batch, steps, filters). Sums of gradients stay in float32.
    """

    def __init__(self, filters: int, kernel: int = 2, levels: int = 256, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.filters, self.kernel_size, self.levels, self.memory = filters, kernel, levels, kernel - 1

    def build(self, shape):
        self.kernel = self.add_weight((self.kernel_size, self.levels, self.filters), "glorot_uniform", name="kernel")

    def call(self, codes):
        last = self.kernel_size - 1  # the tap of the present code
        return sum(
            shift_right(ops.take(self.kernel[tap], codes, axis=0), last - tap) for tap in range(self.kernel_size)
        )

    def stream_value_shapes(self, shape):
        return [(self.memory,)] if self.memory else []  # codes + 1; 0 where there is none

    def stream_values(self, x, past):
        steps, codes = ops.shape(x)[1], ops.cast(x, "int32") + 1
        codes = ops.concatenate([*(ops.cast(p, "int32") for p in past), codes], axis=1)
        rows = [ops.take(self.kernel[tap], ops.maximum(codes - 1, 0), axis=0) for tap in range(self.kernel_size)]
        there = ops.cast(codes > 0, self.compute_dtype)[..., None]
        y = sum((row * there)[:, tap : tap + steps] for tap, row in enumerate(rows))
        return y, [ops.cast(codes[:, -self.memory :], "float32")] if past else []

    def output_feature_shape(self, shape):
        return (self.filters,)

    def compute_output_spec(self, codes):
        return keras.KerasTensor((*codes.shape, self.filters), dtype=self.compute_dtype)

    def get_config(self):
        own = {"filters": self.filters, "kernel": self.kernel_size, "levels": self.levels}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasrecipes")
class WaveNetStack(CausalLayer):
    """Gated dilated causal convolutions, each with a residual and a skip 1x1; returns the sum of the skips.

    Layer k: `z = tanh(W_f,k * x + V_f,k h) sigmoid(W_g,k * x + V_g,k h)`, `x + residual_k z` goes on to the next layer,
    `skip_k z` to the sum. The last layer's residual is computed by nobody; its weights are kept, as everybody does.

    Args:
        dilations: of each layer. kernel: taps.
        filters: D, channels of a filter and of a gate. skip: S, channels of the sum.
        bias: of all products.
        speakers: speakers that `speaker` tells apart; 0 without global conditioning. Number 0 is nobody in particular.
        local_stride: steps per step of `local`.

    Call: `x` (batch, steps, R); `speaker` (batch,) integers or None; `local` (batch, ceil(steps / local_stride), C) or None;
    returns (batch, steps, S).
    """

    def __init__(
        self, dilations: Any, kernel: int = 2, filters: int = 32, skip: int = 512, bias: bool = True, speakers: int = 0,
        local_stride: int = 1, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.settings: dict[str, Any] = {
            "dilations": tuple(dilations), "kernel": kernel, "filters": filters, "skip": skip, "bias": bias,
            "speakers": speakers, "local_stride": local_stride,
        }  # fmt: skip
        self.dilations, self.taps, self.local_stride = tuple(dilations), kernel, local_stride
        self.memory = (kernel - 1) * sum(dilations)

    def build(self, x_shape, speaker_shape=None, local_shape=None):
        s, layers, residual = self.settings, len(self.dilations), x_shape[-1]
        d, skip = s["filters"], s["skip"]

        def add(name, shape, fan_in, fan_out):
            return self.add_weight((layers, *shape), glorot_uniform(fan_in, fan_out), name=name)

        self.kernel = add("kernel", (self.taps, residual, 2 * d), self.taps * residual, self.taps * d)
        self.residual = add("residual", (d, residual), d, residual)
        self.skip = add("skip", (d, skip), d, skip)
        sizes = {"bias": 2 * d, "residual_bias": residual, "skip_bias": skip} if s["bias"] else {}
        biases = {name: self.add_weight((layers, size), "zeros", name=name) for name, size in sizes.items()}
        self.bias, self.residual_bias, self.skip_bias = (biases.get(n) for n in ("bias", "residual_bias", "skip_bias"))
        self.speaker_kernel = add("speaker_kernel", (s["speakers"] + 1, 2 * d), 1, d) if s["speakers"] else None
        self.local_kernel = add("local_kernel", (local_shape[-1], 2 * d), local_shape[-1], d) if local_shape else None

    def table(self, speaker: Any, local: Any) -> Any:
        """What does not depend on `x` in all layers' sums: (layers, batch or 1, steps of `local` or 1, 2 D)."""
        found = 0.0
        if self.bias is not None:
            found = ops.convert_to_tensor(self.bias)[:, None, None]
        if speaker is not None and self.speaker_kernel is not None:
            found = found + ops.take(self.speaker_kernel, ops.cast(speaker, "int32"), axis=1)[:, :, None]
        if local is not None:
            found = found + ops.matmul(local[None], ops.convert_to_tensor(self.local_kernel)[:, None])
        if isinstance(found, float):
            found = ops.zeros((len(self.dilations), 1, 1, 2 * self.settings["filters"]), self.compute_dtype)
        return found

    def call(self, x, speaker=None, local=None):
        table = self.table(speaker, local)
        fused = torch_stack_or_none()
        if fused:
            return fused.stack(self, x, table)
        return self.run_layers(x, table)

    def stream_value_shapes(self, shape):
        return [((self.taps - 1) * d, shape[-1]) for d in self.dilations] if self.taps > 1 else []

    def stream_values(self, x, past):
        new: list = []
        return self.run_layers(x, self.table(None, None), past, new), new

    def run_layers(self, x, table, past=(), new=None):
        """The stack layer by layer; each layer's input follows its part of `past`, whose successor joins `new`."""
        d, steps, total = self.settings["filters"], ops.shape(x)[1], 0.0
        for k, dilation in enumerate(self.dilations):
            if past:
                wide = ops.concatenate([ops.cast(past[k], x.dtype), x], axis=1)
                new.append(ops.cast(wide[:, -past[k].shape[1] :], "float32"))
                taps = [wide[:, dilation * i :][:, :steps] for i in range(self.taps)]
            else:
                taps = [shift_right(x, dilation * (self.taps - 1 - i)) for i in range(self.taps)]
            kernel = ops.reshape(self.kernel[k], (-1, 2 * d))
            bias = table[k]
            if table.shape[2] != 1:
                bias = ops.repeat(bias, self.local_stride, axis=1)[:, :steps]
            sums = ops.matmul(ops.concatenate(taps, axis=-1), kernel) + bias
            z = ops.tanh(sums[..., :d]) * ops.sigmoid(sums[..., d:])
            x = x + ops.matmul(z, self.residual[k])
            total = total + ops.matmul(z, self.skip[k])
            if self.bias is not None:
                x, total = x + self.residual_bias[k], total + self.skip_bias[k]
        return total

    def output_feature_shape(self, shape):
        return (self.settings["skip"],)

    def compute_output_spec(self, x, speaker=None, local=None):
        return keras.KerasTensor((*x.shape[:2], self.settings["skip"]), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **self.settings}


def glorot_uniform(fan_in: int, fan_out: int) -> Any:
    """Uniform numbers whose variance is 2 / (fan_in + fan_out), for weights of many layers in one array."""
    limit = float(np.sqrt(6 / (fan_in + fan_out)))
    return keras.initializers.RandomUniform(-limit, limit)

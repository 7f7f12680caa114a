"""WaveNet's layers: a causal convolution over codes and the stack of gated dilated causal convolutions.

Paper: arXiv 1609.03499, sections 2.1 (causal and dilated), 2.3 (gates), 2.4 (residual and skip), 2.5 (conditioning).
All layers are causal with zeros before the first step: padding after an item's length cannot influence earlier steps, so
no masks are needed between them.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import CausalLayer, torch_enabled


def torch_stack_or_none() -> Any:
    """Return the module of the fast stack for the torch backend, or None on other backends or if turned off."""
    if not torch_enabled():
        return None
    from kerasrecipes.layers import torch_wavenet

    return torch_wavenet


def receptive_field(dilations: Any, kernel_size: int = 2, initial_kernel_size: int = 2) -> int:
    """Return the samples that one output depends on: 1 + (kernel_size - 1) * sum(dilations) + initial_kernel_size - 1."""
    return 1 + (kernel_size - 1) * sum(dilations) + initial_kernel_size - 1


def shift_right(x: Any, steps: int) -> Any:
    """Move `x` (batch, steps, ...) `steps` to the right, with zeros before it."""
    if not steps:
        return x
    total = ops.shape(x)[1]
    return ops.pad(x, [(0, 0), (steps, 0)] + [(0, 0)] * (len(x.shape) - 2))[:, :total]


@keras.saving.register_keras_serializable("kerasrecipes")
class CausalEmbeddingConv1D(CausalLayer):
    """The first causal convolution over one-hot codes, computed as a sum of table rows instead of a product.

    Args:
        filters: Number of output features.
        kernel_size: Codes that one step sees.
        quantization_channels: Number of different codes.

    Call: `codes` (batch, steps) integers; returns (batch, steps, filters). Gradients are summed in float32.
    """

    def __init__(self, filters: int, kernel_size: int = 2, quantization_channels: int = 256, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.filters, self.kernel_size, self.quantization_channels = filters, kernel_size, quantization_channels
        self.context_steps = kernel_size - 1

    def build(self, shape):
        shape = (self.kernel_size, self.quantization_channels, self.filters)
        self.kernel = self.add_weight(shape, "glorot_uniform", name="kernel")

    def call(self, codes):
        last = self.kernel_size - 1  # the tap of the current code
        taps = range(self.kernel_size)
        return sum(shift_right(ops.take(self.kernel[tap], codes, axis=0), last - tap) for tap in taps)

    def stream_value_shapes(self, shape):
        return [(self.context_steps,)] if self.context_steps else []  # codes + 1, or 0 before the first code

    def stream_values(self, x, past):
        steps, codes = ops.shape(x)[1], ops.cast(x, "int32") + 1
        codes = ops.concatenate([*(ops.cast(p, "int32") for p in past), codes], axis=1)
        rows = [ops.take(self.kernel[tap], ops.maximum(codes - 1, 0), axis=0) for tap in range(self.kernel_size)]
        valid = ops.cast(codes > 0, self.compute_dtype)[..., None]
        y = sum((row * valid)[:, tap : tap + steps] for tap, row in enumerate(rows))
        return y, [ops.cast(codes[:, -self.context_steps :], "float32")] if past else []

    def output_feature_shape(self, shape):
        return (self.filters,)

    def compute_output_spec(self, codes):
        return keras.KerasTensor((*codes.shape, self.filters), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable("kerasrecipes")
class WaveNetStack(CausalLayer):
    """Gated dilated causal convolutions, each with a residual and a skip 1x1. Returns the sum of the skips.

    Layer k computes `z = tanh(W_f,k * x + V_f,k h) sigmoid(W_g,k * x + V_g,k h)`, passes `x + residual_k z` to the next
    layer and adds `skip_k z` to the sum. The last layer's residual is never used; its weights stay, as is common.

    Args:
        dilations: Dilation of each layer.
        kernel_size: Number of taps.
        filters: D, channels of a filter and of a gate.
        skip_channels: S, channels of the sum.
        use_bias: Add a bias to all products.
        num_speakers: Number of speakers of the global conditioning, 0 for none. Speaker 0 means "no speaker".
        local_stride: Steps per step of `local`.

    Call: `x` (batch, steps, R); `speaker` (batch,) integers or None; `local` (batch, ceil(steps / local_stride), C) or
    None; returns (batch, steps, S).
    """

    def __init__(
        self, dilations, kernel_size=2, filters=32, skip_channels=512, use_bias=True, num_speakers=0, local_stride=1, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.dilations, self.kernel_size = tuple(dilations), kernel_size
        self.filters, self.skip_channels, self.use_bias = filters, skip_channels, use_bias
        self.num_speakers, self.local_stride = num_speakers, local_stride
        self.context_steps = (kernel_size - 1) * sum(dilations)

    def build(self, x_shape, speaker_shape=None, local_shape=None):
        layers, residual, d, skip = len(self.dilations), x_shape[-1], self.filters, self.skip_channels
        taps, speakers = self.kernel_size, self.num_speakers

        def add(name, shape, fan_in, fan_out):
            return self.add_weight((layers, *shape), glorot_uniform(fan_in, fan_out), name=name)

        self.kernel = add("kernel", (taps, residual, 2 * d), taps * residual, taps * d)
        self.residual = add("residual", (d, residual), d, residual)
        self.skip = add("skip", (d, skip), d, skip)
        sizes = {"bias": 2 * d, "residual_bias": residual, "skip_bias": skip} if self.use_bias else {}
        biases = {name: self.add_weight((layers, size), "zeros", name=name) for name, size in sizes.items()}
        self.bias, self.residual_bias, self.skip_bias = (biases.get(n) for n in ("bias", "residual_bias", "skip_bias"))
        self.speaker_kernel = add("speaker_kernel", (speakers + 1, 2 * d), 1, d) if speakers else None
        self.local_kernel = add("local_kernel", (local_shape[-1], 2 * d), local_shape[-1], d) if local_shape else None

    def conditioning_table(self, speaker: Any, local: Any) -> Any:
        """Return the terms of all layers that do not depend on `x`: (layers, batch or 1, steps of `local` or 1, 2 D)."""
        table: Any = None if self.bias is None else ops.convert_to_tensor(self.bias)[:, None, None]
        if table is None:
            table = ops.zeros((len(self.dilations), 1, 1, 2 * self.filters), self.compute_dtype)
        if speaker is not None and self.speaker_kernel is not None:
            table = table + ops.take(self.speaker_kernel, ops.cast(speaker, "int32"), axis=1)[:, :, None]
        if local is not None:
            table = table + ops.matmul(local[None], ops.convert_to_tensor(self.local_kernel)[:, None])
        return table

    def call(self, x, speaker=None, local=None):
        table = self.conditioning_table(speaker, local)
        fused = torch_stack_or_none()
        return fused.stack(self, x, table) if fused else self.run_layers(x, table)

    def stream_value_shapes(self, shape):
        taps = self.kernel_size
        return [((taps - 1) * d, shape[-1]) for d in self.dilations] if taps > 1 else []

    def stream_values(self, x, past):
        new = []
        return self.run_layers(x, self.conditioning_table(None, None), past, new), new

    def run_layers(self, x, table, past=(), new=None):
        """Compute the stack layer by layer. Each layer reads its part of `past` and appends its new past to `new`."""
        d, steps, total, taps = self.filters, ops.shape(x)[1], 0.0, self.kernel_size
        for k, dilation in enumerate(self.dilations):
            if past:
                wide = ops.concatenate([ops.cast(past[k], x.dtype), x], axis=1)
                new.append(ops.cast(wide[:, -past[k].shape[1] :], "float32"))
                inputs = [wide[:, dilation * i :][:, :steps] for i in range(taps)]
            else:
                inputs = [shift_right(x, dilation * (taps - 1 - i)) for i in range(taps)]
            kernel = ops.reshape(self.kernel[k], (-1, 2 * d))
            bias = table[k]
            if table.shape[2] != 1:
                bias = ops.repeat(bias, self.local_stride, axis=1)[:, :steps]
            sums = ops.matmul(ops.concatenate(inputs, axis=-1), kernel) + bias
            z = ops.tanh(sums[..., :d]) * ops.sigmoid(sums[..., d:])
            x = x + ops.matmul(z, self.residual[k])
            total = total + ops.matmul(z, self.skip[k])
            if self.bias is not None:
                x, total = x + self.residual_bias[k], total + self.skip_bias[k]
        return total

    def output_feature_shape(self, shape):
        return (self.skip_channels,)

    def compute_output_spec(self, x, speaker=None, local=None):
        return keras.KerasTensor((*x.shape[:2], self.skip_channels), dtype=self.compute_dtype)


def glorot_uniform(fan_in: int, fan_out: int) -> Any:
    """Return an initializer of variance 2 / (fan_in + fan_out), for the weights of many layers in one array."""
    limit = float(np.sqrt(6 / (fan_in + fan_out)))
    return keras.initializers.RandomUniform(-limit, limit)

"""Check on torch the hand-written stack and its gradients, and that bfloat16 is near float32.

In float64 it must equal autograd through a reference written here, to 1e-9. Keras's loop, which computes in float32, must equal the
same reference up to the rounding of float32, which differs between processors.
"""

import os

import keras
import numpy as np
import torch

from kerasrecipes.layers import WaveNetStack


def reference(layer, x, speaker, local):
    """The formula of the stack in plain torch."""
    value = {v.name: v.value for v in layer.weights}
    table, total = layer.conditioning_table(speaker, local), 0.0  # Keras computes this product in float32
    for k, dilation in enumerate(layer.dilations):
        sums, steps, taps = 0.0, x.shape[1], layer.kernel_size
        for i in range(taps):
            shift = min(dilation * (taps - 1 - i), steps)
            past = torch.cat([x.new_zeros(len(x), shift, x.shape[2]), x[:, : steps - shift]], dim=1)
            sums = sums + past @ value["kernel"][k, i]
        terms = value["speaker_kernel"][k][speaker][:, None]
        if local is not None:
            terms = terms + local @ value["local_kernel"][k]
        if "bias" in value:
            terms = terms + value["bias"][k]
        assert relative(table[k].detach(), terms.detach()) < 1e-6
        sums = sums + (
            table[k].repeat_interleave(layer.local_stride, dim=1)[:, :steps] if local is not None else table[k]
        )
        filters, gates = sums.split(layer.filters, dim=-1)
        gated = filters.tanh() * gates.sigmoid()
        x, total = x + gated @ value["residual"][k], total + gated @ value["skip"][k]
        if "bias" in value:
            x, total = x + value["residual_bias"][k], total + value["skip_bias"][k]
    return total


def gradients(layer, arguments, switch, function=None):
    os.environ["KERASRECIPES_FUSED"] = switch
    x, speaker, local = arguments
    x, local = (None if v is None else v.clone().requires_grad_() for v in (x, local))
    for v in layer.trainable_variables:
        v.value.grad = None
    y = (function or layer)(x, speaker, local)
    (y.double() * torch.arange(y.numel(), dtype=torch.float64).reshape(y.shape).cos()).sum().backward()
    grads = [x.grad, *([local.grad] if local is not None else []), *(v.value.grad for v in layer.trainable_variables)]
    return [y.detach(), *[torch.zeros(()) if g is None else g for g in grads]]


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-6))


for kernel in (1, 2, 3):
    for bias in (True, False):
        for stride, steps in ((0, 23), (5, 23), (5, 25), (1, 23), (40, 23)):
            rng = np.random.default_rng(0)
            samples = rng.normal(size=(3, steps, 5)).astype("float32")
            frames = rng.normal(size=(3, -(-steps // max(stride, 1)), 2)).astype("float32") if stride else None
            values, exact = None, None
            for dtype, tolerance, switch in (("float64", 1e-9, "1"), ("float32", 3e-5, "1"), ("float32", 3e-5, "0")):
                keras.config.set_floatx(dtype)
                layer = WaveNetStack(
                    (1, 2, 4, 30), kernel, 3, 4, bias, num_speakers=2, local_stride=max(stride, 1), dtype=dtype
                )
                x, local = (
                    None if v is None else torch.tensor(v, dtype=getattr(torch, dtype)) for v in (samples, frames)
                )
                arguments = (x, torch.tensor([0, 1, 2]), local)
                layer(*arguments)
                values = values or [rng.normal(size=v.shape) for v in layer.trainable_variables]
                for v, value in zip(layer.trainable_variables, values, strict=True):
                    v.assign(value)
                if exact is None:
                    exact = gradients(layer, arguments, "1", lambda *a, layer=layer: reference(layer, *a))
                for a, b in zip(gradients(layer, arguments, switch), exact, strict=True):
                    error = relative(a.double(), b)
                    assert error < tolerance, (kernel, bias, stride, steps, dtype, switch, tuple(a.shape), error)

keras.config.set_floatx("float32")
full = WaveNetStack([2**k for k in range(6)] * 2, 2, 16, 16, num_speakers=1)
low = WaveNetStack([2**k for k in range(6)] * 2, 2, 16, 16, num_speakers=1, dtype="mixed_bfloat16")
x = torch.tensor(np.random.default_rng(0).normal(size=(2, 200, 16)).astype("float32"))
arguments = (x, torch.tensor([0, 1]), None)
for layer in (full, low):
    layer(*arguments)
low.set_weights(full.get_weights())
for a, b in zip(gradients(low, arguments, "1"), gradients(full, arguments, "1"), strict=True):
    assert relative(a.float(), b) < 0.05, (a.shape, relative(a.float(), b))

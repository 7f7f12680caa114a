"""Check on torch that the hand-written stack equals the plain loop and its gradients, and bfloat16 is near float32."""

import os

import keras
import numpy as np
import torch

from kerasrecipes.layers import WaveNetStack


def gradients(layer, arguments, switch):
    os.environ["KERASRECIPES_FUSED"] = switch
    x, speaker, local = arguments
    x, local = (None if v is None else v.clone().requires_grad_() for v in (x, local))
    for v in layer.trainable_variables:
        v.value.grad = None
    y = layer(x, speaker, local)
    (y.float() * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
    grads = [x.grad, *([local.grad] if local is not None else []), *(v.value.grad for v in layer.trainable_variables)]
    return [y.detach().float(), *[torch.zeros(()) if g is None else g for g in grads]]


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-6))


for kernel in (1, 2, 3):
    for bias in (True, False):
        for stride, steps in ((0, 23), (5, 23), (5, 25), (1, 23), (40, 23)):
            keras.utils.set_random_seed(1)
            layer = WaveNetStack((1, 2, 4, 30), kernel, 3, 4, bias, num_speakers=2, local_stride=max(stride, 1))
            rng = np.random.default_rng(0)
            x = torch.tensor(rng.normal(size=(3, steps, 5)).astype("float32"))
            local = (
                torch.tensor(rng.normal(size=(3, -(-steps // max(stride, 1)), 2)).astype("float32")) if stride else None
            )
            arguments = (x, torch.tensor([0, 1, 2]), local)
            layer(*arguments)
            for v in layer.trainable_variables:
                v.assign(rng.normal(size=v.shape))
            plain, fused = (gradients(layer, arguments, s) for s in "01")
            for a, b in zip(fused, plain, strict=True):
                assert relative(a, b) < 1e-5, (kernel, bias, stride, steps, a.shape, relative(a, b))

full = WaveNetStack([2**k for k in range(6)] * 2, 2, 16, 16, num_speakers=1)
low = WaveNetStack([2**k for k in range(6)] * 2, 2, 16, 16, num_speakers=1, dtype="mixed_bfloat16")
x = torch.tensor(np.random.default_rng(0).normal(size=(2, 200, 16)).astype("float32"))
arguments = (x, torch.tensor([0, 1]), None)
for layer in (full, low):
    layer(*arguments)
low.set_weights(full.get_weights())
for a, b in zip(gradients(low, arguments, "1"), gradients(full, arguments, "1"), strict=True):
    assert relative(a.float(), b) < 0.05, (a.shape, relative(a.float(), b))

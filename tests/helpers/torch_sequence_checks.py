"""Check on torch that the hand-written operations equal the plain formulas: values, gradients and moving averages."""

import os

import keras
import numpy as np
import torch

from kerasrecipes import layers

rng = np.random.default_rng(0)


def once(block, x, length, switch):
    os.environ["KERASRECIPES_FUSED"] = switch
    x = x.clone().requires_grad_()
    for v in block.variables:
        v.value.grad = None
    for v in block.non_trainable_variables:
        v.assign(np.ones(v.shape) * 0.5)
    y = block([x, length], training=True)
    (y.float() * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
    grads = [v.value.grad for v in block.trainable_variables]
    return [
        y.detach().float(),
        x.grad.float(),
        *grads,
        *[v.value.detach().clone() for v in block.non_trainable_variables],
    ]


def block(dtype, kernel, stride, bias, dilation):
    keras.config.set_dtype_policy(dtype)
    x, n = keras.Input((None, 5)), keras.Input((), dtype="int32")
    y, m = layers.SequenceMask()(x, n)
    padding = dilation * (kernel - 1) // 2
    y, m = layers.SequenceConv1D(6, kernel, stride, bias, padding, dilation)(y, m)
    y, m = layers.MaskedBatchNormalization()(y, m)
    y = layers.ReLU(0.9)(y)
    model = keras.Model([x, n], layers.SequenceMask()(y, m)[0])
    keras.config.set_dtype_policy("float32")
    return model


def distances(found, expected):
    # the normalization cancels a bias: its gradient is rounding, small beside the kernel's
    least = 0.01 * float(expected[2].norm())
    return [float((a - b).norm()) / max(float(b.norm()), least) for a, b in zip(found, expected, strict=True)]


length = torch.tensor([4096, 30_000, 1, 0], dtype=torch.int32)
for settings in ((3, 1, False, 1), (4, 2, True, 1), (1, 1, True, 1), (3, 1, True, 2)):
    full, low = block("float32", *settings), block("mixed_bfloat16", *settings)
    for v in full.trainable_variables:
        v.assign(rng.normal(size=v.shape))
    low.set_weights(full.get_weights())
    x = torch.tensor(rng.normal(size=(4, 30_000, 5)).astype("float32"))  # several blocks
    expected = once(full, x, length, "0")
    assert max(distances(once(full, x, length, "1"), expected)) < 1e-4, settings
    fused, plain = (distances(once(low, x, length, s), expected) for s in "10")
    assert all(a < 2 * b + 0.01 for a, b in zip(fused, plain, strict=True)), (settings, fused, plain)

os.environ["KERASRECIPES_FUSED"] = "1"
for dtype in (torch.float32, torch.bfloat16):
    drop = layers.Dropout(0.3, dtype="float32" if dtype == torch.float32 else "bfloat16")
    x = torch.full((3, 100_003), 2.0, dtype=dtype).requires_grad_()
    torch.manual_seed(5)
    y = drop(x, training=True)
    zero = y == 0
    assert abs(float(zero.float().mean()) - 0.3) < 0.005  # 6 standard errors
    assert torch.allclose(y[~zero], torch.tensor(2 / 0.7, dtype=dtype))
    y.backward(torch.ones_like(y))
    assert torch.equal(x.grad == 0, zero) and torch.allclose(x.grad[~zero], torch.tensor(1 / 0.7, dtype=dtype))
    assert not torch.equal(drop(x, training=True) == 0, zero)
    torch.manual_seed(5)
    assert torch.equal(drop(x, training=True), y)  # the state of torch's generator decides the mask
    pairs = zero[:, 1:] & zero[:, :-1]
    assert abs(float(pairs.float().mean()) - 0.09) < 0.005  # neighbors are independent
    assert torch.equal(drop(x), x)


def plane(dtype, dilation, pool, sides):
    keras.config.set_dtype_policy(dtype)
    x = keras.Input((*sides, 5))
    y = layers.FastConv2D(6, 3, dilation_rate=dilation, use_bias=dtype == "float32")(x)
    y = keras.layers.ReLU()(layers.FastBatchNormalization(momentum=0.9)(y))
    model = keras.Model(x, layers.FastConv2D(4, 1)(layers.FastMaxPooling2D(*pool)(y)))
    keras.config.set_dtype_policy("float32")
    return model


def plane_once(model, x, switch):
    os.environ["KERASRECIPES_FUSED"] = switch
    x = x.clone().requires_grad_()
    for v in model.variables:
        v.value.grad = None
    for v in model.non_trainable_variables:
        v.assign(np.ones(v.shape) * 0.5)
    y = model(x, training=True)
    (y.float() * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
    grads = [v.value.grad for v in model.trainable_variables]
    return [y.detach().float(), x.grad, *grads, *[v.value.detach().clone() for v in model.non_trainable_variables]]


for dilation, pool in ((1, (3, 2, "same")), (1, (3, 2, "valid")), (2, (2, 2, "valid")), (2, (3, 1, "same"))):
    for sides in ((34, 35), (35, 34)):
        full, low = (plane(dtype, dilation, pool, sides) for dtype in ("float32", "mixed_bfloat16"))
        x = torch.tensor(rng.normal(size=(8, *sides, 5)).astype("float32"))
        fused, plain = (plane_once(full, x, s) for s in "10")
        assert fused[0].shape == plain[0].shape
        assert max(distances(fused, plain)) < 1e-4, (dilation, pool, sides)
        fused, plain = (plane_once(low, x, s) for s in "10")
        assert max(distances(fused, plain)) < 0.03, (dilation, pool, sides, distances(fused, plain))

for pool, stride, dilation in ((2, 2, 1), (3, 1, 1), (3, 1, 4), (2, 2, 3)):
    x, n = keras.Input((None, 5)), keras.Input((), dtype="int32")
    y, m = layers.SequenceMaxPooling(pool, stride, dilation)(x, n)
    model = keras.Model([x, n], layers.GatherWindowPositions(4, dilation, 2)(y, m)[0])
    values = torch.tensor(rng.normal(size=(4, 3_000, 5)).astype("float32"))
    fused, plain = (once(model, values, length // 10, s) for s in "10")
    assert len(fused) == 2 and all(torch.allclose(a, b, atol=1e-5) for a, b in zip(fused, plain, strict=True))

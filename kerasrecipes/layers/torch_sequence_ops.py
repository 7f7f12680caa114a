"""Fast CPU operations between convolutions for the torch backend: Keras's formulas with hand-written backward passes.

In mixed precision on a CPU a small model spends more time between its convolutions than in them: each operation of a
chain reads all of memory, often element by element. These functions process blocks of rows that stay in the cache,
compute in float32 and save only what the backward formulas need.
"""

import numpy as np
import torch

BLOCK = 1 << 17  # values at a time: half a MiB in float32


def is_supported(x: torch.Tensor) -> bool:
    """Return True if these functions are safe and faster for `x`: values on a CPU, not a graph being recorded."""
    supported = x.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return supported and x.device.type == "cpu" and not torch.compiler.is_compiling()


def rows(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split `x` (..., features) into blocks (rows, features)."""
    return x.view(-1, x.shape[-1]).split(max(1, BLOCK // x.shape[-1]))


class ZeroAfterLength(torch.autograd.Function):
    """Set the steps of `x` (batch, steps, ...) from each item's `lengths[i]` on to zero."""

    @staticmethod
    def forward(ctx, x, lengths):
        ctx.lengths = lengths
        return zero_after_length(x, lengths)

    @staticmethod
    def backward(ctx, grad):
        return zero_after_length(grad, ctx.lengths), None


def zero_after_length(x, lengths):
    x = x.clone()
    for item, length in zip(x, lengths, strict=True):
        item[max(length, 0) :].zero_()
    return x


def zero_after_length_op(x: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Compute `layers.sequence.zero_after_length` without a mask."""
    return ZeroAfterLength.apply(x, length.tolist())


class BatchNormalization(torch.autograd.Function):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, and the mean and variance of `count` rows.

    `x` is (..., features), zero in all rows that do not count; see `MaskedBatchNormalization`.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, count, epsilon, dtype):
        x = x.contiguous()
        first, second = torch.zeros_like(gamma), torch.zeros_like(gamma)
        for block in rows(x):
            block = block.float()
            first += block.sum(0)
            second += block.mul(block).sum(0)
        mean = first / count
        variance = (second / count - mean * mean).clamp_(min=0)
        scale = gamma * torch.rsqrt(variance + epsilon)
        shift = beta - mean * scale
        y = torch.empty_like(x, dtype=getattr(torch, dtype))
        for block, out in zip(rows(x), rows(y), strict=True):
            out.copy_(torch.addcmul(shift, block.float(), scale))
        ctx.save_for_backward(x, gamma, mean, variance)
        ctx.count, ctx.epsilon = count, epsilon
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, grad, *_):
        x, gamma, mean, variance = ctx.saved_tensors
        grad = grad.contiguous()
        d_beta, product = torch.zeros_like(gamma), torch.zeros_like(gamma)
        for block, g in zip(rows(x), rows(grad), strict=True):
            g = g.float()
            d_beta += g.sum(0)
            product += g.mul_(block).sum(0) if g.dtype != grad.dtype else g.mul(block).sum(0)
        inverse = torch.rsqrt(variance + ctx.epsilon)
        d_gamma = inverse * (product - mean * d_beta)
        scale = gamma * inverse
        slope = -scale * inverse * d_gamma / ctx.count
        start = -scale * d_beta / ctx.count - slope * mean
        d_x = torch.empty_like(x)
        for block, g, out in zip(rows(x), rows(grad), rows(d_x), strict=True):
            out.copy_(torch.addcmul(start, block.float(), slope).addcmul_(g.float(), scale))
        return d_x, d_gamma, d_beta, None, None, None


class Dropout(torch.autograd.Function):
    """Set a fraction `rate` of the values to zero and scale the others up. Probabilities are multiples of 1 / 65536."""

    @staticmethod
    def forward(ctx, x, rate):
        # torch samples one value at a time, so its generator only gives the seed of a faster one
        source = np.random.SFC64(int(torch.randint(1 << 62, ())))
        x = x.contiguous()
        mask = torch.empty_like(x, dtype=torch.bool)
        for block in mask.view(-1).split(BLOCK):
            samples = source.random_raw(-(-block.numel() // 4)).view(np.int16)[: block.numel()]
            np.greater_equal(samples, round(rate * 65536) - 32768, out=block.numpy())
        ctx.save_for_backward(mask)
        ctx.rate = rate
        return apply_dropout_mask(x, mask, rate)

    @staticmethod
    def backward(ctx, grad):
        return apply_dropout_mask(grad.contiguous(), ctx.saved_tensors[0], ctx.rate), None


def apply_dropout_mask(x, mask, rate):
    y, bits = torch.empty_like(x), torch.int16 if x.itemsize == 2 else torch.int32
    for block, flags, out in zip(*(t.view(-1).split(BLOCK) for t in (x, mask, y)), strict=True):
        all_bits = flags.to(bits).neg_()  # all bits of a value or none: products are slower
        torch.bitwise_and(block.view(bits), all_bits, out=out.view(bits))
        out *= 1 / (1 - rate)
    return y


def convolution(x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, stride: int, dilation: int):
    """Convolve ("valid") `x` (batch, steps, features) with `kernel` (taps, features, filters).

    As a 2-D convolution it reads and writes features last; torch's own 1-D convolution copies both. One tap is a product.
    """
    if kernel.shape[0] == 1 and stride == 1:
        return torch.nn.functional.linear(x, kernel[0].T, bias)
    images = x.contiguous().permute(0, 2, 1).unsqueeze(2)  # (batch, features, 1, steps), features last in memory
    taps = kernel.permute(2, 1, 0).unsqueeze(2).contiguous(memory_format=torch.channels_last)
    y = torch.nn.functional.conv2d(images, taps, bias, (1, stride), 0, (1, dilation))
    return y.squeeze(2).permute(0, 2, 1)


def convolution_2d(x: torch.Tensor, kernel: torch.Tensor, stride: tuple, dilation: tuple):
    """Convolve ("valid") `x` (batch, height, width, channels) with `kernel` (rows, columns, channels, filters)."""
    taps = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    y = torch.nn.functional.conv2d(x.contiguous().permute(0, 3, 1, 2), taps, None, tuple(stride), 0, tuple(dilation))
    return y.permute(0, 2, 3, 1)


def max_pooling_2d(x: torch.Tensor, pool_size: tuple, stride: tuple, partial: bool):
    """Return maxima over windows of `x` (batch, height, width, channels). `partial` allows a last window over the edge."""
    images = x.contiguous().permute(0, 3, 1, 2)
    y = torch.nn.functional.max_pool2d(images, tuple(pool_size), tuple(stride), ceil_mode=partial)
    return y.permute(0, 2, 3, 1)


def max_pooling(x: torch.Tensor, pool_size: int, stride: int, dilation: int):
    """Return maxima over windows of `x` (batch, steps, features), without padding."""
    images = x.contiguous().permute(0, 2, 1).unsqueeze(2)
    y = torch.nn.functional.max_pool2d(images, (1, pool_size), (1, stride), 0, (1, dilation))
    return y.squeeze(2).permute(0, 2, 1)


class GatherWindowPositions(torch.autograd.Function):
    """Concatenate the features of `x` (batch, steps, features) at `starts`, starts + stride, ... for each of `windows`.

    In the backward pass all positions add to one gradient; autograd would allocate one for each position.
    """

    @staticmethod
    def forward(ctx, x, starts, windows, stride):
        ctx.shape, ctx.starts, ctx.extent, ctx.stride = x.shape, starts, (windows - 1) * stride + 1, stride
        return torch.cat([x[:, s : s + ctx.extent : stride] for s in starts], -1)

    @staticmethod
    def backward(ctx, grad):
        d_x = torch.zeros(ctx.shape, dtype=torch.float32)
        for s, g in zip(ctx.starts, grad.split(ctx.shape[-1], -1), strict=True):
            d_x[:, s : s + ctx.extent : ctx.stride] += g
        return d_x.to(grad.dtype), None, None, None

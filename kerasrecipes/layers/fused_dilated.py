"""Torch's fast `DilatedStack`: the same weights and formulas as the plain loop, differentiated by hand, equal to 1e-5.

What a CPU spends on WaveNet's training is memory traffic. Steps stand first here, so that a step `d` back is a plain
slice and no padded copy; products add into their results; all layers' gated values lie in one array, whose skip is one
product with one rounding; and nothing but inputs, gates and these is kept for the way back.

`sigmoid(b) = (1 + tanh(b / 2)) / 2`: with halved weights of the gates one tanh does filter and gate, and what is kept of a
layer is `2 z = tanh(a) (1 + tanh(b / 2))`, for which the weights that follow are halved. Halving is exact.
"""

import torch


class Stack(torch.autograd.Function):
    """See `DilatedStack`. x: (steps, batch, R); table: (layers, entries, batch or 1, 2 D), an entry for `stride` steps."""

    @staticmethod
    def forward(ctx, settings, x, table, kernel, residual, residual_bias, skip):
        dilations, stride, keep = settings
        steps, batch, width = x.shape
        layers, taps, filters = len(dilations), kernel.shape[1], residual.shape[1]
        x, inputs, gates = x.reshape(steps * batch, width), [], []
        z = x.new_empty(steps * batch, layers * filters)
        for k, dilation in enumerate(dilations):
            if keep:
                inputs.append(x)
            sums = torch.mm(x, kernel[k, -1])
            for i in range(taps - 1):
                back = dilation * (taps - 1 - i) * batch
                if back < len(x):
                    sums[back:].addmm_(x[:-back], kernel[k, i])
            for rows, entries in entry_rows(sums.view(steps, batch, -1), table[k], stride):
                rows += entries
            a, b = sums.tanh_().split(filters, dim=1)
            torch.addcmul(a, a, b, out=z[:, k * filters : (k + 1) * filters])
            if keep:
                gates.append(sums)
            x = torch.addmm(x, z[:, k * filters : (k + 1) * filters], residual[k])
            if residual_bias is not None:
                x += residual_bias[k]
        ctx.settings, ctx.sizes, ctx.biased = settings, (steps, batch), residual_bias is not None
        ctx.save_for_backward(table, kernel, residual, skip, z, *inputs, *gates)
        return torch.mm(z, skip.reshape(layers * filters, -1)).view(steps, batch, -1)

    @staticmethod
    def backward(ctx, grad):
        (dilations, stride, _), (steps, batch) = ctx.settings, ctx.sizes
        table, kernel, residual, skip, z, *saved = ctx.saved_tensors
        layers, taps, filters = len(dilations), kernel.shape[1], residual.shape[1]
        inputs, gates = saved[:layers], saved[layers:]
        grad = grad.reshape(steps * batch, -1)
        d_table, d_kernel, d_residual = torch.zeros_like(table), torch.zeros_like(kernel), torch.zeros_like(residual)
        d_bias = residual.new_zeros(layers, residual.shape[2]) if ctx.biased else None
        d_skip = torch.mm(z.t(), grad).view_as(skip)
        ones, dx = grad.new_ones(1, steps * batch), None
        for k in range(layers - 1, -1, -1):
            dz = torch.mm(grad, skip[k].t())
            if dx is not None:
                dz.addmm_(dx, residual[k].t())
                d_residual[k] = torch.mm(z[:, k * filters : (k + 1) * filters].t(), dx)
                if d_bias is not None:
                    d_bias[k] = torch.mm(ones, dx)[0]  # faster than a sum
            a, b = gates[k].split(filters, dim=1)
            d_sums = torch.empty_like(gates[k])
            torch.addcmul(dz, dz, b, out=d_sums[:, :filters])
            torch.mul(dz, a, out=d_sums[:, filters:])
            torch.ops.aten.tanh_backward.grad_input(d_sums, gates[k], grad_input=d_sums)
            for entries, rows in entry_rows(d_table[k], d_sums.view(steps, batch, -1), stride, True):
                entries += rows
            x, transposed = inputs[k], kernel[k].transpose(1, 2)
            d_kernel[k, -1] = torch.mm(x.t(), d_sums)
            dx = torch.mm(d_sums, transposed[-1]) if dx is None else dx.addmm_(d_sums, transposed[-1])
            for i in range(taps - 1):
                back = dilations[k] * (taps - 1 - i) * batch
                if back < len(x):
                    d_kernel[k, i] = torch.mm(x[:-back].t(), d_sums[back:])
                    dx[:-back].addmm_(d_sums[back:], transposed[i])
        return None, dx.view(steps, batch, -1), d_table, d_kernel, d_residual, d_bias, d_skip


def entry_rows(target, source, stride, gather=False):
    """Pairs of views in which each entry of a table stands beside its `stride` steps; summed over them with `gather`.

    Without `gather`, target is (steps, batch, n) and source the table (entries, batch or 1, n); with it, the other way.
    """
    steps = source if gather else target
    count, entries = len(steps), target if gather else source
    whole = count // stride if len(entries) > 1 else 0
    if not whole:  # one entry for all
        whole, stride = 1, count
    parts = [(steps[: whole * stride].unflatten(0, (whole, stride)), entries[:whole, None])]
    if whole * stride < count:
        parts.append((steps[None, whole * stride :], entries[None, whole : whole + 1]))
    for rows, entry in parts:
        if not gather:
            yield rows, entry
        else:  # a product with ones: faster than a sum, and summed in float32
            ones = rows.new_ones(1, 1, rows.shape[1]).expand(len(rows), 1, rows.shape[1])
            total = torch.bmm(ones, rows.flatten(2)).view(len(rows), 1, *rows.shape[2:])
            yield entry, total.sum(2, keepdim=True) if entry.shape[2] == 1 else total


def stack(layer, x, table):
    """The sum of skips (batch, steps, S) of a `DilatedStack` on `x` (batch, steps, R) with its table."""
    dtype, half = x.dtype, 0.5
    gates = x.new_full((table.shape[-1],), 1.0)
    gates[len(gates) // 2 :] = half
    residual_bias = None if layer.residual_bias is None else layer.residual_bias.value.to(dtype)
    total = Stack.apply(
        (layer.dilations, layer.local_stride, torch.is_grad_enabled()), x.transpose(0, 1).contiguous(),
        (table.to(dtype) * gates).transpose(1, 2),
        layer.kernel.value.to(dtype) * gates, layer.residual.value.to(dtype) * half, residual_bias,
        layer.skip.value.to(dtype) * half,
    )  # fmt: skip
    if layer.skip_bias is not None:
        total = total + layer.skip_bias.value.to(dtype).sum(0)
    return total.transpose(0, 1)

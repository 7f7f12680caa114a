"""Fast `WaveNetStack` for the torch backend: weights and formulas of the plain loop, equal to 1e-5.

Memory traffic dominates WaveNet's training on a CPU. Steps are the first axis here, so that a step `d` back is a plain
slice and not a padded copy. Products add into their results. Filters and gates are separate arrays in the forward pass,
since writing to half of each row is several times slower than writing whole rows. The skips of all layers are one
product with one rounding. Only inputs, filters, gates and their products are saved for the hand-written backward pass.
"""

import torch


class TorchWaveNetStack(torch.autograd.Function):
    """`WaveNetStack` on x (steps, batch, R) with a table (layers, entries, batch or 1, 2 D), one entry for `stride` steps."""

    @staticmethod
    def forward(ctx, settings, x, table, kernel, residual, residual_bias, skip):
        dilations, stride, needs_grad = settings
        steps, batch, width = x.shape
        layers, taps, filters = len(dilations), kernel.shape[1], residual.shape[1]
        halves = [(w.contiguous(), t) for w, t in zip(kernel.split(filters, -1), table.split(filters, -1), strict=True)]
        x, saved, gated = x.reshape(steps * batch, width), [], []
        for k, dilation in enumerate(dilations):
            sums = []
            for weights, entries_of in halves:
                total = torch.mm(x, weights[k, -1])
                for i in range(taps - 1):
                    back = dilation * (taps - 1 - i) * batch
                    if back < len(x):
                        total[back:].addmm_(x[:-back], weights[k, i])
                for rows, entries in table_views(total.view(steps, batch, -1), entries_of[k], stride):
                    rows += entries
                sums.append(total)
            a, b = sums[0].tanh_(), sums[1].sigmoid_()
            gated.append(a * b)
            if needs_grad:
                saved += [x, a, b]
            x = torch.addmm(x, gated[-1], residual[k])
            if residual_bias is not None:
                x += residual_bias[k]
        z = torch.cat(gated, dim=1)
        ctx.settings, ctx.sizes, ctx.biased = settings, (steps, batch), residual_bias is not None
        ctx.save_for_backward(table, kernel, residual, skip, z, *saved)
        return torch.mm(z, skip.reshape(layers * filters, -1)).view(steps, batch, -1)

    @staticmethod
    def backward(ctx, grad):
        (dilations, stride, _), (steps, batch) = ctx.settings, ctx.sizes
        table, kernel, residual, skip, z, *saved = ctx.saved_tensors
        layers, taps, filters = len(dilations), kernel.shape[1], residual.shape[1]
        grad = grad.reshape(steps * batch, -1)
        d_table, d_kernel, d_residual = torch.zeros_like(table), torch.zeros_like(kernel), torch.zeros_like(residual)
        d_bias = residual.new_zeros(layers, residual.shape[2]) if ctx.biased else None
        d_skip = torch.mm(z.t(), grad).view_as(skip)
        ones, d_sums, dx = grad.new_ones(1, steps * batch), grad.new_empty(steps * batch, 2 * filters), None
        for k in range(layers - 1, -1, -1):
            x, a, b = saved[3 * k : 3 * k + 3]
            dz = torch.mm(grad, skip[k].t())
            if dx is not None:
                dz.addmm_(dx, residual[k].t())
                d_residual[k] = torch.mm(z[:, k * filters : (k + 1) * filters].t(), dx)
                if d_bias is not None:
                    d_bias[k] = torch.mm(ones, dx)[0]  # faster than a sum
            d_sums[:, :filters] = torch.ops.aten.tanh_backward(dz * b, a)  # copies of whole arrays are cheap
            d_sums[:, filters:] = torch.ops.aten.sigmoid_backward(dz.mul_(a), b)
            for entries, rows in table_views(d_table[k], d_sums.view(steps, batch, -1), stride, True):
                entries += rows
            transposed = kernel[k].transpose(1, 2)
            d_kernel[k, -1] = torch.mm(x.t(), d_sums)
            dx = torch.mm(d_sums, transposed[-1]) if dx is None else dx.addmm_(d_sums, transposed[-1])
            for i in range(taps - 1):
                back = dilations[k] * (taps - 1 - i) * batch
                if back < len(x):
                    d_kernel[k, i] = torch.mm(x[:-back].t(), d_sums[back:])
                    dx[:-back].addmm_(d_sums[back:], transposed[i])
        return None, dx.view(steps, batch, -1), d_table, d_kernel, d_residual, d_bias, d_skip


def table_views(target, source, stride, gather=False):
    """Yield pairs of views that match each entry of a table with its `stride` steps. `gather` sums over these steps.

    Without `gather`, `target` is (steps, batch, n) and `source` the table (entries, batch or 1, n); with it, the other
    way round.
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
    """Return the sum of skips (batch, steps, S) of a `WaveNetStack` on `x` (batch, steps, R) with its table."""
    dtype = x.dtype
    residual_bias = None if layer.residual_bias is None else layer.residual_bias.value.to(dtype)
    kernel, residual, skip = (w.value.to(dtype) for w in (layer.kernel, layer.residual, layer.skip))
    settings = (layer.dilations, layer.local_stride, torch.is_grad_enabled())
    x, table = x.transpose(0, 1).contiguous(), table.to(dtype).transpose(1, 2)
    total = TorchWaveNetStack.apply(settings, x, table, kernel, residual, residual_bias, skip)
    if layer.skip_bias is not None:
        total = total + layer.skip_bias.value.to(dtype).sum(0)
    return total.transpose(0, 1)

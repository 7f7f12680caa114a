"""Torch's fast recurrences behind `Recurrent`: the same weights and formulas as the plain loop, equal to 1e-5.

On a CPU, automatic differentiation of a recurrence adds one outer product to dU at every step. `Scan` differentiates by
hand instead: the local derivatives of all steps are computed at once, the backward loop holds four small operations,
and dU is one matrix product at its end. On a GPU a GRU runs in torch's own (cuDNN) kernel.
"""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Scan(torch.autograd.Function):
    """`h[t] = cell(x[t], h[t-1])` over time-major x (steps, directions, batch, gates * units), from zero."""

    @staticmethod
    def forward(ctx, x, kernel, bias, gates, limit, dtype):
        """kernel: (directions, units, gates * units); bias: (directions, gates * units); dtype: of the products U h."""
        steps, directions, batch, _ = x.shape
        units = kernel.shape[1]
        low = kernel.to(dtype)
        # biases join the input once; only the candidate's is multiplied by r and stays in the loop
        inside = bias[:, None, -units:] if gates == 3 else None
        x = (
            x
            + (torch.cat([bias[:, : 2 * units], bias.new_zeros(directions, units)], 1) if gates == 3 else bias)[:, None]
        )
        h = x.new_zeros(directions, batch, units)
        states = x.new_empty(steps + 1, directions, batch, units)
        states[0] = h
        saved = []
        if gates == 3:
            zr = x.new_empty(steps, directions, batch, 2 * units)
            candidate, product = torch.empty_like(states[1:]), torch.empty_like(states[1:])
            saved = [zr, candidate, product]
        for t in range(steps):
            recurrent = torch.bmm(h.to(dtype), low).to(x.dtype)
            if gates == 1:
                h = torch.add(x[t], recurrent, out=states[t + 1])
                h = h.tanh_() if limit is None else h.clamp_(0, limit)
                continue
            gate = torch.add(x[t, ..., : 2 * units], recurrent[..., : 2 * units], out=zr[t]).sigmoid_()
            u = torch.add(recurrent[..., 2 * units :], inside, out=product[t])
            c = torch.addcmul(x[t, ..., 2 * units :], gate[..., units:], u, out=candidate[t])
            c = c.tanh_() if limit is None else c.clamp_(0, limit)
            h = torch.lerp(c, h, gate[..., :units], out=states[t + 1])  # z h + (1 - z) c
        ctx.save_for_backward(kernel, states, *saved)
        ctx.gates, ctx.limit, ctx.dtype = gates, limit, dtype
        return states[1:].clone()

    @staticmethod
    def backward(ctx, grad):
        kernel, states, *saved = ctx.saved_tensors
        steps, directions, batch, units = grad.shape
        gates, dtype, before = ctx.gates, ctx.dtype, states[:-1]

        def slope(y):  # of the activation, from its value
            return 1 - y * y if ctx.limit is None else ((y > 0) & (y < ctx.limit)).to(y.dtype)

        if gates == 1:
            local = slope(states[1:])[..., None, :]
        else:
            zr, c, u = saved
            z, r = zr[..., :units], zr[..., units:]
            through = (1 - z) * slope(c)
            # d(products U h) of z, r and the candidate per unit of dh
            local = torch.stack([(before - c) * z * (1 - z), through * u * r * (1 - r), through * r], dim=-2)
        transposed = kernel.transpose(1, 2).to(dtype).contiguous()
        d_products = torch.empty(steps, directions, batch, gates * units, dtype=dtype, device=grad.device)
        d_states = torch.empty_like(grad)
        carried = torch.zeros_like(grad[0])
        for t in range(steps - 1, -1, -1):
            dh = torch.add(grad[t], carried, out=d_states[t])
            product = d_products[t].copy_((dh[..., None, :] * local[t]).flatten(-2))
            carried = torch.bmm(product, transposed).to(grad.dtype)
            if gates == 3:
                carried.addcmul_(dh, z[t])

        def flat(y):  # (steps, directions, batch, n) -> (directions, steps * batch, n)
            return y.transpose(0, 1).reshape(directions, steps * batch, -1)

        d_kernel = torch.bmm(flat(before).to(dtype).transpose(1, 2), flat(d_products)).to(kernel.dtype)
        dx = d_products.to(grad.dtype)
        d_bias = dx.sum((0, 2))
        if gates == 3:
            dx[..., 2 * units :] = d_states * through  # the candidate's input is not multiplied by r
        return dx, d_kernel, d_bias, None, None, None


class Reverse(torch.autograd.Function):
    """Each item of (batch, steps, features) backwards within its length; its own inverse, so its own gradient."""

    @staticmethod
    def forward(ctx, x, order):
        ctx.order = order
        return x.reshape(-1, x.shape[-1])[order].view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.reshape(-1, grad.shape[-1])[ctx.order].view_as(grad), None


def reversal(length, steps):
    """Row numbers (batch * steps,) that turn each item round within its length."""
    t = torch.arange(steps, device=length.device)[None]
    n = length.long()[:, None]
    order = torch.where(t < n, n - 1 - t, t)
    return (order + torch.arange(len(length), device=length.device)[:, None] * steps).reshape(-1)


def scan(inputs, length, loops):
    """All directions of a recurrent layer on transformed inputs.

    Args:
        inputs: a (batch, steps, gates * units) tensor per direction, or one for both; length: (batch,).
        loops: a `RecurrentStep` per direction.

    Returns:
        One (batch, steps, units) tensor per direction, in the order of time; not masked.
    """
    step = loops[0]
    order = reversal(length, inputs[0].shape[1]) if len(loops) == 2 else None
    directed = [inputs[0]] + ([Reverse.apply(inputs[-1], order)] if len(loops) == 2 else [])
    x = torch.stack([y.transpose(0, 1) for y in directed], dim=1).float()
    kernel = torch.stack([loop.recurrent_kernel.value for loop in loops]).float()
    bias = [loop.recurrent_bias.value for loop in loops] if step.bias else None
    bias = torch.stack(bias).float() if bias else kernel.new_zeros(len(loops), kernel.shape[2])
    gates = kernel.shape[2] // step.units
    h = Scan.apply(x, kernel, bias, gates, step.limit, inputs[0].dtype)
    out = [y.transpose(0, 1).to(inputs[0].dtype) for y in h.unbind(1)]
    return [out[0]] + [Reverse.apply(y, order) for y in out[1:]]


def packed_gru(x, length, kernels, biases, loops):
    """All directions of a GRU by torch's own kernel over packed sequences; arguments and result as in `Recurrent`.

    Keras's gates stand in the order z, r, candidate; torch's in r, z, candidate. Both reset after the product.
    """
    units, count, weights = loops[0].units, len(loops), []
    for i, loop in enumerate(loops):
        source = i if len(kernels) > 1 else 0
        for weight in (kernels[source], loop.recurrent_kernel, biases[source], loop.recurrent_bias):
            z, r, candidate = weight.value.to(x.dtype).split(units, dim=-1)
            weights.append(torch.cat([r, z, candidate], dim=-1).t().contiguous())
    # an item without any valid step still needs one for the packing; what it gives is set to zero by the caller
    packed = pack_padded_sequence(x, length.cpu().clamp(min=1).long(), batch_first=True, enforce_sorted=False)
    start = x.new_zeros(count, x.shape[0], units)
    data, _ = torch._VF.gru(packed.data, packed.batch_sizes, start, weights, True, 1, 0.0, False, count == 2)
    out = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    padded, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    return padded.split(units, dim=-1)

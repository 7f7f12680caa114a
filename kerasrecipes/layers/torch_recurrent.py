"""Torch's fast recurrences behind `Recurrent`: the same weights and formulas as the plain loop, equal to 1e-5.

On a CPU, automatic differentiation of a recurrence adds one outer product to dU at every step. `Scan` differentiates by
hand instead: the local derivatives of all steps are computed at once, the backward loop holds four small operations,
and dU is one matrix product at its end. A GRU on a GPU (cuDNN) and an LSTM run in torch's own kernels.
"""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class TorchRecurrentScan(torch.autograd.Function):
    """`h[t] = cell(x[t], h[t-1])` from zero, in one direction or both.

    Inside, everything lies as (directions, steps, batch, features) float32, the second direction turned round within
    each item's length, so that one step of all directions is one batched product.
    """

    @staticmethod
    def forward(ctx, settings, turned, kernel, bias, *inputs):
        """kernel: (directions, units, gates * units); bias: (directions, gates * units); inputs: (batch, steps, gates *
        units) for each direction, or one for both; turned: row numbers of `reversal`; settings: (gates, limit)."""
        gates, limit = settings
        dtype, (batch, steps, width) = inputs[0].dtype, inputs[0].shape
        directions, units = len(kernel), kernel.shape[1]
        low = kernel.to(dtype)
        # biases join the input once; only the candidate's is multiplied by r and stays in the loop
        outside, inside = bias, None
        if gates == 3:
            outside, inside = bias.clone(), bias[:, None, -units:]
            outside[:, -units:] = 0
        x = kernel.new_empty(directions, steps, batch, width)
        for i in range(directions):
            torch.add(to_time_major(inputs[min(i, len(inputs) - 1)], turned, i), outside[i], out=x[i])
        states = x.new_empty(directions, steps + 1, batch, units)
        states[:, 0] = 0
        h, saved = states[:, 0], []
        if gates == 3:
            zr = x.new_empty(directions, steps, batch, 2 * units)
            candidate, product = x.new_empty(2, directions, steps, batch, units)
            saved = [zr, candidate, product]
        for t in range(steps):
            recurrent = torch.bmm(h.to(dtype), low).to(x.dtype)
            if gates == 1:
                h = torch.add(x[:, t], recurrent, out=states[:, t + 1])
                h = h.tanh_() if limit is None else h.clamp_(0, limit)
                continue
            gate = torch.add(x[:, t, :, : 2 * units], recurrent[..., : 2 * units], out=zr[:, t]).sigmoid_()
            u = torch.add(recurrent[..., 2 * units :], inside, out=product[:, t])
            c = torch.addcmul(x[:, t, :, 2 * units :], gate[..., units:], u, out=candidate[:, t])
            c = c.tanh_() if limit is None else c.clamp_(0, limit)
            h = torch.lerp(c, h, gate[..., :units], out=states[:, t + 1])  # z h + (1 - z) c
        ctx.save_for_backward(kernel, states, *saved)
        ctx.settings, ctx.turned, ctx.inputs, ctx.dtype = settings, turned, len(inputs), dtype
        return tuple(to_batch_major(states[i, 1:], turned, i).to(dtype) for i in range(directions))

    @staticmethod
    def backward(ctx, *grads):
        kernel, states, *saved = ctx.saved_tensors
        (gates, limit), dtype, before = ctx.settings, ctx.dtype, states[:, :-1]
        directions, steps, batch, units = before.shape

        def slope(y):  # of the activation, from its value
            return 1 - y * y if limit is None else ((y > 0) & (y < limit)).to(y.dtype)

        if gates == 1:
            local = slope(states[:, 1:])[..., None, :]
        else:
            zr, c, u = saved
            z, r = zr[..., :units], zr[..., units:]
            through = (1 - z) * slope(c)
            # d(products U h) of z, r and the candidate per unit of dh
            local = torch.stack([(before - c) * z * (1 - z), through * u * r * (1 - r), through * r], dim=-2)
        transposed = kernel.transpose(1, 2).to(dtype).contiguous()
        d_products = kernel.new_empty(directions, steps, batch, gates * units, dtype=dtype)
        d_states = torch.empty_like(before)
        for i, grad in enumerate(grads):
            d_states[i].copy_(to_time_major(grad, ctx.turned, i))
        carried = torch.zeros_like(d_states[:, 0])
        for t in range(steps - 1, -1, -1):
            dh = d_states[:, t].add_(carried)
            product = d_products[:, t].copy_((dh[..., None, :] * local[:, t]).flatten(-2))
            carried = torch.bmm(product, transposed).to(dh.dtype)
            if gates == 3:
                carried.addcmul_(dh, z[:, t])
        rows = d_products.flatten(1, 2)
        d_kernel = torch.bmm(before.to(dtype).flatten(1, 2).transpose(1, 2), rows).to(kernel.dtype)
        d_bias = torch.bmm(rows.new_ones(directions, 1, rows.shape[1]), rows)[:, 0].to(kernel.dtype)  # faster than sum
        if gates == 3:
            d_products[..., 2 * units :] = d_states * through  # the candidate's input is not multiplied by r
        dx = [to_batch_major(d_products[i], ctx.turned, i) for i in range(directions)]
        return None, None, d_kernel, d_bias, *(dx if ctx.inputs == directions else [sum(dx)])


def reverse_within_length_index(length, steps):
    """(batch, steps): the step that each step becomes when an item is turned round within its length."""
    t = torch.arange(steps, device=length.device)[None]
    n = length.long()[:, None]
    return torch.where(t < n, n - 1 - t, t)


def to_time_major(x, turned, direction):
    """(batch, steps, features) -> (steps, batch, features), turned round for the second direction."""
    if direction == 0:
        return x.transpose(0, 1)
    return x[torch.arange(len(x), device=x.device), turned.t()]


def to_batch_major(x, turned, direction):
    """(steps, batch, features) -> (batch, steps, features); the inverse of `into_time`."""
    if direction == 0:
        return x.transpose(0, 1).contiguous()
    return x[turned, torch.arange(x.shape[1], device=x.device)[:, None]]


def scan(inputs, length, loops):
    """All directions of a recurrent layer on transformed inputs.

    Args:
        inputs: a (batch, steps, gates * units) tensor per direction, or one for both; length: (batch,).
        loops: a `RecurrentStep` per direction.

    Returns:
        One (batch, steps, units) tensor per direction, in the order of time; not masked.
    """
    step = loops[0]
    turned = reverse_within_length_index(length, inputs[0].shape[1]) if len(loops) == 2 else None
    kernel = torch.stack([loop.recurrent_kernel.value for loop in loops]).float()
    bias = [loop.recurrent_bias.value for loop in loops] if step.bias else None
    bias = torch.stack(bias).float() if bias else kernel.new_zeros(len(loops), kernel.shape[2])
    return TorchRecurrentScan.apply((kernel.shape[2] // step.units, step.limit), turned, kernel, bias, *inputs)


def packed_rnn(x, length, kernels, biases, loops):
    """All directions of a GRU or LSTM by torch's own kernel over packed sequences; arguments and result as in `Recurrent`.

    A GRU's gates stand in Keras's order z, r, candidate and in torch's r, z, candidate; both reset after the product.
    An LSTM's stand in the same order.
    """
    units, count, weights = loops[0].units, len(loops), []
    for i, loop in enumerate(loops):
        source = i if len(kernels) > 1 else 0
        inner = loop.recurrent_bias.value if loop.bias else torch.zeros_like(biases[source].value)
        for weight in (kernels[source].value, loop.recurrent_kernel.value, biases[source].value, inner):
            gates = weight.to(x.dtype).split(units, dim=-1)
            order = (1, 0, 2) if loop.cell == "gru" else range(4)
            weights.append(torch.cat([gates[k] for k in order], dim=-1).t().contiguous())
    # an item without any valid step still needs one for the packing; what it gives is set to zero by the caller
    sequence = pack_padded_sequence(x, length.cpu().clamp(min=1).long(), batch_first=True, enforce_sorted=False)
    start = x.new_zeros(count, x.shape[0], units)
    options = (weights, True, 1, 0.0, False, count == 2)
    if loops[0].cell == "gru":
        data, _ = torch._VF.gru(sequence.data, sequence.batch_sizes, start, *options)
    else:
        data, _, _ = torch._VF.lstm(sequence.data, sequence.batch_sizes, (start, start), *options)
    out = PackedSequence(data, sequence.batch_sizes, sequence.sorted_indices, sequence.unsorted_indices)
    padded, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    return padded.split(units, dim=-1)

"""Fast recurrences of `SequenceRNN` for the torch backend: weights and formulas of the plain loop, equal to 1e-5.

On a CPU, automatic differentiation of a recurrence adds one outer product to dU at every step. `TorchRecurrentScan` has
a hand-written backward pass instead: the local derivatives of all steps are computed at once, the backward loop has
four small operations, and dU is one matrix product at its end. A GRU on a GPU (cuDNN) and an LSTM use torch's own
kernels.
"""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class TorchRecurrentScan(torch.autograd.Function):
    """`h[t] = cell(x[t], h[t-1])` from zero, in one direction or both.

    All arrays inside are (directions, steps, batch, features) float32. The second direction is reversed within each
    item's length, so that one step of all directions is one batched product.
    """

    @staticmethod
    def forward(ctx, settings, reversal, kernel, bias, *inputs):
        """Compute the outputs of each direction.

        Args:
            ctx: Context of the backward pass.
            settings: (gates, max_value).
            reversal: Result of `reverse_within_length_index`.
            kernel: (directions, units, gates * units).
            bias: (directions, gates * units).
            inputs: (batch, steps, gates * units) of each direction, or one for both.
        """
        gates, max_value = settings
        dtype, (batch, steps, width) = inputs[0].dtype, inputs[0].shape
        directions, units = len(kernel), kernel.shape[1]
        low = kernel.to(dtype)
        # biases are added to the input once; only the candidate's is multiplied by r and stays in the loop
        outside, inside = bias, None
        if gates == 3:
            outside, inside = bias.clone(), bias[:, None, -units:]
            outside[:, -units:] = 0
        x = kernel.new_empty(directions, steps, batch, width)
        for i in range(directions):
            torch.add(to_time_major(inputs[min(i, len(inputs) - 1)], reversal, i), outside[i], out=x[i])
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
                h = h.tanh_() if max_value is None else h.clamp_(0, max_value)
                continue
            gate = torch.add(x[:, t, :, : 2 * units], recurrent[..., : 2 * units], out=zr[:, t]).sigmoid_()
            u = torch.add(recurrent[..., 2 * units :], inside, out=product[:, t])
            c = torch.addcmul(x[:, t, :, 2 * units :], gate[..., units:], u, out=candidate[:, t])
            c = c.tanh_() if max_value is None else c.clamp_(0, max_value)
            h = torch.lerp(c, h, gate[..., :units], out=states[:, t + 1])  # z h + (1 - z) c
        ctx.save_for_backward(kernel, states, *saved)
        ctx.settings, ctx.reversal, ctx.inputs, ctx.dtype = settings, reversal, len(inputs), dtype
        return tuple(to_batch_major(states[i, 1:], reversal, i).to(dtype) for i in range(directions))

    @staticmethod
    def backward(ctx, *grads):
        kernel, states, *saved = ctx.saved_tensors
        (gates, max_value), dtype, before = ctx.settings, ctx.dtype, states[:, :-1]
        directions, steps, batch, units = before.shape

        def derivative(y):  # of the activation, from its value
            return 1 - y * y if max_value is None else ((y > 0) & (y < max_value)).to(y.dtype)

        if gates == 1:
            local = derivative(states[:, 1:])[..., None, :]
        else:
            zr, c, u = saved
            z, r = zr[..., :units], zr[..., units:]
            through = (1 - z) * derivative(c)
            # d(products U h) of z, r and the candidate per unit of dh
            local = torch.stack([(before - c) * z * (1 - z), through * u * r * (1 - r), through * r], dim=-2)
        transposed = kernel.transpose(1, 2).to(dtype).contiguous()
        d_products = kernel.new_empty(directions, steps, batch, gates * units, dtype=dtype)
        d_states = torch.empty_like(before)
        for i, grad in enumerate(grads):
            d_states[i].copy_(to_time_major(grad, ctx.reversal, i))
        d_state = torch.zeros_like(d_states[:, 0])
        for t in range(steps - 1, -1, -1):
            dh = d_states[:, t].add_(d_state)
            product = d_products[:, t].copy_((dh[..., None, :] * local[:, t]).flatten(-2))
            d_state = torch.bmm(product, transposed).to(dh.dtype)
            if gates == 3:
                d_state.addcmul_(dh, z[:, t])
        rows = d_products.flatten(1, 2)
        d_kernel = torch.bmm(before.to(dtype).flatten(1, 2).transpose(1, 2), rows).to(kernel.dtype)
        d_bias = torch.bmm(rows.new_ones(directions, 1, rows.shape[1]), rows)[:, 0].to(kernel.dtype)  # faster than sum
        if gates == 3:
            d_products[..., 2 * units :] = d_states * through  # the candidate's input is not multiplied by r
        dx = [to_batch_major(d_products[i], ctx.reversal, i) for i in range(directions)]
        return None, None, d_kernel, d_bias, *(dx if ctx.inputs == directions else [sum(dx)])


def reverse_within_length_index(length, steps):
    """Return (batch, steps): the source of each step when items are reversed within their lengths."""
    t = torch.arange(steps, device=length.device)[None]
    n = length.long()[:, None]
    return torch.where(t < n, n - 1 - t, t)


def to_time_major(x, reversal, direction):
    """Return (steps, batch, features) of (batch, steps, features), reversed for the second direction."""
    if direction == 0:
        return x.transpose(0, 1)
    return x[torch.arange(len(x), device=x.device), reversal.t()]


def to_batch_major(x, reversal, direction):
    """Return (batch, steps, features) of (steps, batch, features). The inverse of `to_time_major`."""
    if direction == 0:
        return x.transpose(0, 1).contiguous()
    return x[reversal, torch.arange(x.shape[1], device=x.device)[:, None]]


def scan(inputs, length, cells):
    """Run all directions of a recurrent layer on transformed inputs.

    Args:
        inputs: A (batch, steps, gates * units) tensor per direction, or one for both.
        length: (batch,).
        cells: A `SequenceRNNCell` per direction.

    Returns:
        One (batch, steps, units) tensor per direction, in the order of time, not masked.
    """
    cell = cells[0]
    reversal = reverse_within_length_index(length, inputs[0].shape[1]) if len(cells) == 2 else None
    kernel = torch.stack([c.recurrent_kernel.value for c in cells]).float()
    bias = [c.recurrent_bias.value for c in cells] if cell.use_bias else None
    bias = torch.stack(bias).float() if bias else kernel.new_zeros(len(cells), kernel.shape[2])
    return TorchRecurrentScan.apply((kernel.shape[2] // cell.units, cell.max_value), reversal, kernel, bias, *inputs)


def packed_rnn(x, length, kernels, biases, cells):
    """Run all directions of a GRU or LSTM in torch's own kernel over packed sequences, with the weights of `SequenceRNN`.

    Keras orders a GRU's gates z, r, candidate, torch r, z, candidate; both reset after the product. The order of an
    LSTM's gates is the same.
    """
    units, count, weights = cells[0].units, len(cells), []
    for i, cell in enumerate(cells):
        source = i if len(kernels) > 1 else 0
        inner = cell.recurrent_bias.value if cell.use_bias else torch.zeros_like(biases[source].value)
        for weight in (kernels[source].value, cell.recurrent_kernel.value, biases[source].value, inner):
            gates = weight.to(x.dtype).split(units, dim=-1)
            order = (1, 0, 2) if cell.cell == "gru" else range(4)
            weights.append(torch.cat([gates[k] for k in order], dim=-1).t().contiguous())
    # packing needs at least one step per item; the caller sets the output of empty items to zero
    sequence = pack_padded_sequence(x, length.cpu().clamp(min=1).long(), batch_first=True, enforce_sorted=False)
    start = x.new_zeros(count, x.shape[0], units)
    options = (weights, True, 1, 0.0, False, count == 2)
    if cells[0].cell == "gru":
        data, _ = torch._VF.gru(sequence.data, sequence.batch_sizes, start, *options)
    else:
        data, _, _ = torch._VF.lstm(sequence.data, sequence.batch_sizes, (start, start), *options)
    out = PackedSequence(data, sequence.batch_sizes, sequence.sorted_indices, sequence.unsorted_indices)
    padded, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
    return padded.split(units, dim=-1)

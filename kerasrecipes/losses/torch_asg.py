"""The recursions of the ASG and CRF losses for the torch backend: loops in place."""

import torch
from torch.nn.functional import pad

from kerasrecipes.losses.scan import LOG_ZERO


def forward_backward(matrix, probs, valid, size, chunks):
    """Compute `all_paths.forward_backward`, whose comments say how."""
    frames, batch, letters = probs.shape
    missing = size * chunks + 1 - frames

    def divide(x, value):
        x = pad(x[1:], (0, 0, 0, 0, 0, missing), value=value).unflatten(0, (chunks, size))
        return x.transpose(0, 1).flatten(1, 2)

    def join(first, steps):
        steps = steps.unflatten(1, (chunks, batch)).transpose(0, 1).flatten(0, 1)
        return torch.cat([first[None], steps[: frames - 1]])

    inside = divide(valid, False)
    steps = divide(probs, 1.0).masked_fill(~inside, 1.0)
    start = probs[0] / probs[0].sum(-1, keepdim=True)
    begins, ends = start, torch.full_like(start, 1 / letters)
    if chunks > 1:
        begins, ends = chunk_ends(*chunk_products(matrix, steps, inside), start)
    sums = torch.empty(2, *steps.shape, dtype=steps.dtype, device=steps.device)
    transposed = matrix.t().contiguous()
    both = zip(sums[0].unbind(0), sums[1].unbind(0)[::-1], steps.unbind(0), steps.unbind(0)[::-1], inside.unbind(0)[::-1], strict=True)
    for forward, backward, later, earlier, is_inside in both:
        torch.mm(begins, matrix, out=forward).mul_(later)
        begins = forward.div_(forward.sum(1, keepdim=True))
        product = torch.mm(torch.mul(ends, earlier, out=backward), transposed)
        ends = torch.where(is_inside, product.div_(product.sum(1, keepdim=True)), ends)
    backward = join(probs[0] * ends[:batch], sums[1])
    return join(start, sums[0]), backward.div_(backward.sum(-1, keepdim=True))


def chunk_products(matrix, steps, inside):
    """Compute `all_paths.chunk_products`."""
    sums = steps.new_empty(*steps.shape, 1)
    product = matrix * steps[0][:, None]
    buffer = torch.empty_like(product)
    letters = len(matrix)
    for t, (total, step) in enumerate(zip(sums.unbind(0), steps[:, :, None].unbind(0), strict=True)):
        if t:
            torch.mm(product.view(-1, letters), matrix, out=buffer.view(-1, letters))
            product, buffer = buffer.mul_(step), product
        product.div_(torch.sum(product, -1, keepdim=True, out=total))
    return product, sums[..., 0].log_().masked_fill_(~inside, 0.0).sum(0)


def chunk_ends(products, scales, start):
    """Compute `all_paths.chunk_ends`."""
    batch, letters = start.shape
    products, scales = products.unflatten(0, (-1, batch)), scales.unflatten(0, (-1, batch))
    matrices = torch.cat([products, products.flip(0).transpose(2, 3)], dim=1).unbind(0)
    factors = torch.cat([scales[1:], scales.flip(0)[:-1]], dim=1).unbind(0)
    vectors = scales.new_empty(len(scales), 2 * batch, 1, letters)
    vectors[0, :batch, 0] = (start.log() + scales[0]).softmax(-1)
    vectors[0, batch:] = 1 / letters
    every = vectors.unbind(0)
    for i, (matrix, factor) in enumerate(zip(matrices[:-1], factors, strict=True)):
        torch.softmax(torch.bmm(every[i], matrix).log_().add_(factor[:, None]), -1, out=every[i + 1])
    begins = torch.matmul(vectors[:-1, :batch], products[:-1])[:, :, 0]
    return torch.cat([start[None], begins]).flatten(0, 1), vectors[:, batch:, 0].flip(0).flatten(0, 1)


def sum_transcript_paths(labels, emission, lengths):
    """Compute `asg.sum_transcript_paths`: two operations a frame, from both ends at once."""
    batch, frames = emission.shape[:2]
    used = labels > 0
    last = used.sum(1) - 1
    column = (labels - 1).clamp_(min=0)[:, None].expand(-1, frames, -1).long()
    scores = emission.gather(2, column).transpose(0, 1)  # (frames, batch, labels)
    time = torch.arange(frames, device=lengths.device)[:, None]
    valid = time < lengths
    source = torch.where(valid, lengths - 1 - time, time)[..., None].expand_as(scores)
    both = torch.cat([scores, scores.gather(0, source).flip(-1)], dim=1)
    sums = both.new_full((frames, 2 * batch, labels.shape[1] + 1), LOG_ZERO)  # the first column is unreachable
    sums[0, :batch, 1] = both[0, :batch, 0]
    ends = torch.arange(batch, 2 * batch, device=lengths.device), labels.shape[1] - last
    sums[0][ends] = both[0][ends[0], ends[1] - 1]
    current, previous = sums[:, :, 1:].unbind(0), sums[:, :, :-1].unbind(0)
    for t, score in enumerate(both.unbind(0)[1:]):
        torch.logaddexp(current[t], previous[t], out=current[t + 1]).add_(score)
    backward = sums[:, batch:, 1:].gather(0, source.flip(-1)).flip(-1)
    log_sum = backward[0, :, 0].clone()
    durations = (sums[:, :batch, 1:] + backward).sub_(scores).softmax(-1).masked_fill_(~valid[..., None], 0.0)
    posteriors = torch.zeros_like(emission).scatter_add_(2, column, durations.transpose(0, 1))
    return log_sum, posteriors

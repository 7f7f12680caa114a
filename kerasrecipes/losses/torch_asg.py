"""Torch loop of the AutoSegCriterion with in-place operations. It computes what `asg._forward_backward` does."""

import torch

from kerasrecipes.losses.scan import LOG_ZERO


def forward_backward(matrix, chance, chance_backwards, emission, start):
    frames, _, labels = emission.shape
    shares = torch.empty(2, *chance.shape, dtype=chance.dtype, device=chance.device)
    shares[:, 0] = torch.stack([chance[0], chance_backwards[0]])
    sums = emission.new_empty(*emission.shape[:2], labels + 1)  # a first column that nothing has reached
    sums[:, :, 0] = LOG_ZERO
    sums[0, :, 1:] = start
    inputs = [x.unbind(0) for x in (chance, chance_backwards, emission)]
    forward, backward = shares[0].unbind(0), shares[1].unbind(0)
    here, before = sums[:, :, 1:].unbind(0), sums[:, :, :-1].unbind(0)
    transposed = matrix.t().contiguous()
    for t in range(1, frames):
        share = torch.mm(forward[t - 1], matrix, out=forward[t]).mul_(inputs[0][t])
        share.div_(share.sum(1, keepdim=True))
        share = torch.mm(backward[t - 1], transposed, out=backward[t]).mul_(inputs[1][t])
        share.div_(share.sum(1, keepdim=True))
        torch.logaddexp(here[t - 1], before[t - 1], out=here[t]).add_(inputs[2][t])
    return shares[0], shares[1], sums[:, :, 1:]


def forward_backward_no_labels(matrix, chance, chance_backwards):
    """Only the first two of these, for `crf._shares`: six operations a frame."""
    kept = torch.empty(2, *chance.shape, dtype=chance.dtype, device=chance.device)
    kept[:, 0] = torch.stack([chance[0], chance_backwards[0]])
    for carried, inputs, way in zip(kept, (chance, chance_backwards), (matrix, matrix.t().contiguous()), strict=True):
        here, factor = carried.unbind(0), inputs.unbind(0)
        for t in range(1, len(here)):
            share = torch.mm(here[t - 1], way, out=here[t]).mul_(factor[t])
            share.div_(share.sum(1, keepdim=True))
    return kept[0], kept[1]

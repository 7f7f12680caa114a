"""The loops of the ASG and CRF losses for the torch backend: in place, eleven small operations a frame."""

import torch

from kerasrecipes.losses.scan import LOG_ZERO


def forward_backward(matrix, probs, reversed_probs, emission, start):
    """Compute the recursions of `asg._forward_backward`."""
    frames, _, labels = emission.shape
    sums = torch.empty(2, *probs.shape, dtype=probs.dtype, device=probs.device)
    sums[:, 0] = torch.stack([probs[0], reversed_probs[0]])
    log_sums = emission.new_empty(*emission.shape[:2], labels + 1)  # the first column is unreachable
    log_sums[:, :, 0] = LOG_ZERO
    log_sums[0, :, 1:] = start
    inputs = [x.unbind(0) for x in (probs, reversed_probs, emission)]
    forward, backward = sums[0].unbind(0), sums[1].unbind(0)
    current, previous = log_sums[:, :, 1:].unbind(0), log_sums[:, :, :-1].unbind(0)
    transposed = matrix.t().contiguous()
    for t in range(1, frames):
        frame = torch.mm(forward[t - 1], matrix, out=forward[t]).mul_(inputs[0][t])
        frame.div_(frame.sum(1, keepdim=True))
        frame = torch.mm(backward[t - 1], transposed, out=backward[t]).mul_(inputs[1][t])
        frame.div_(frame.sum(1, keepdim=True))
        torch.logaddexp(current[t - 1], previous[t - 1], out=current[t]).add_(inputs[2][t])
    return sums[0], sums[1], log_sums[:, :, 1:]


def forward_backward_no_labels(matrix, probs, reversed_probs):
    """Compute the recursions of `crf._forward_backward`: six operations a frame."""
    sums = torch.empty(2, *probs.shape, dtype=probs.dtype, device=probs.device)
    sums[:, 0] = torch.stack([probs[0], reversed_probs[0]])
    for result, inputs, factor in zip(sums, (probs, reversed_probs), (matrix, matrix.t().contiguous()), strict=True):
        current, frames = result.unbind(0), inputs.unbind(0)
        for t in range(1, len(current)):
            frame = torch.mm(current[t - 1], factor, out=current[t]).mul_(frames[t])
            frame.div_(frame.sum(1, keepdim=True))
    return sums[0], sums[1]

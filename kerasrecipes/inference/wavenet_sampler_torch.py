"""The loop of `wavenet_sampler` as TorchScript: about four operations a layer, all on arrays allocated before the loop.

`sigmoid(b) = (1 + tanh(b / 2)) / 2`, so with halved gate weights one tanh computes filter and gate, and
`tanh(a) (1 + tanh(b / 2))` is one operation. The missing factor 1 / 2 is in the weights that follow. A column of ones beside
the gated values carries the biases.
"""

from typing import Any

import numpy as np
import torch


@torch.jit.script
def sampling_loop(
    codes_rows: list[torch.Tensor], past: torch.Tensor, present: list[torch.Tensor], residual: list[torch.Tensor],
    skip: torch.Tensor, post: list[torch.Tensor], table: torch.Tensor, values: torch.Tensor, codes: torch.Tensor,
    rings: torch.Tensor, starts: torch.Tensor, sizes: torch.Tensor, dilations: torch.Tensor, taps: int, now: int,
    stride: int, sharpness: float, mode: int,
):  # fmt: skip
    count, batch = values.shape
    layers, width, double = len(present), rings.shape[2], table.shape[3]
    filters, levels = double // 2, post[3].shape[0]
    x = torch.zeros(layers + 1, batch, width)
    sums, gated = torch.zeros(layers, batch, double), torch.ones(batch, layers, filters + 1)
    xs, totals = x.unbind(0), sums.unbind(0)
    first, second = sums[:, :, :filters].unbind(0), sums[:, :, filters:].unbind(0)
    ones, inner = gated.unbind(1), gated[:, :, :filters].unbind(1)
    flat, current = gated.view(batch, layers * (filters + 1)), x[:layers]
    codes_out = torch.zeros(count, batch, dtype=torch.long)
    logits_out = torch.zeros(count if mode == 2 else 0, batch, levels)
    for i in range(count):
        xs[0].zero_()
        for tap in range(len(codes_rows)):
            xs[0].add_(torch.embedding(codes_rows[tap], codes[tap]))
        slots = starts + torch.remainder(sizes.new_full([1], now + i), sizes)
        if taps == 2:
            torch.baddbmm(table[i // stride], rings[slots], past, out=sums)
        elif taps > 2:
            pasts = [rings[starts + torch.remainder(dilations * tap + (now + i), sizes)] for tap in range(taps - 1)]
            torch.baddbmm(table[i // stride], torch.cat(pasts, 2), past, out=sums)
        else:
            sums.copy_(table[i // stride])
        for k in range(layers):
            totals[k].addmm_(xs[k], present[k]).tanh_()
            torch.addcmul(first[k], first[k], second[k], out=inner[k])
            torch.addmm(xs[k], ones[k], residual[k], out=xs[k + 1])
        rings.index_copy_(0, slots, current)
        y = torch.mm(flat, skip).relu_()
        y = torch.addmm(post[1], y, post[0]).relu_()
        logits = torch.addmm(post[3], y, post[2])
        if mode == 2:
            logits_out[i] = logits
            code = values[i].long()
        elif mode == 1:
            code = logits.argmax(1)
        else:
            cumulative = torch.softmax(logits * sharpness, 1).cumsum(1)
            code = (cumulative <= values[i].unsqueeze(1) * cumulative[:, levels - 1 :]).sum(1).clamp_(max=levels - 1)
        codes_out[i] = code
        codes = torch.cat([codes[1:], code.unsqueeze(0)], 0)
    return codes_out, logits_out, codes


class TorchWaveNetSampler:
    """Weights and state of `batch` clips.

    Args:
        weights: A `SamplerWeights`.
        state: Result of `wavenet_sampler.initial_state`.
        dilations: Dilation of each layer.
        taps: Kernel size of the layers.
    """

    def __init__(self, weights: Any, state: dict, dilations: Any, taps: int):
        tensor = torch.from_numpy
        filters = weights.residual[0].shape[0]
        self.halves = np.concatenate([np.ones(filters), np.full(filters, 0.5)]).astype("float32")
        residual = [
            np.concatenate([0.5 * r, b[None]]) for r, b in zip(weights.residual, weights.residual_bias, strict=True)
        ]
        layers, outputs = len(residual), weights.skip.shape[1]
        skip = np.zeros((layers, filters + 1, outputs), "float32")
        skip[:, :-1] = 0.5 * weights.skip.reshape(layers, filters, outputs)
        skip[0, -1] = weights.skip_bias
        self.weights = (
            [tensor(c) for c in weights.codes], tensor(weights.past * self.halves),
            [tensor(p * self.halves) for p in weights.present], [tensor(r) for r in residual],
            tensor(skip.reshape(-1, outputs)), [tensor(p) for p in weights.post],
        )  # fmt: skip
        sizes = [len(r) for r in state["rings"]]
        self.geometry = (
            torch.tensor(np.cumsum([0, *sizes])[:-1]), torch.tensor(sizes), torch.tensor(dilations), taps,
        )  # fmt: skip
        self.rings = tensor(np.concatenate(state["rings"]))
        self.codes, self.now = tensor(state["codes"]).long(), 0

    def run(self, table: np.ndarray, values: np.ndarray, sharpness: float, mode: int, stride: int) -> np.ndarray:
        """Run the loop as `WaveNetSampler.run` does. `mode` is an index of `SAMPLING_MODES`."""
        with torch.inference_mode():
            noise = torch.from_numpy(np.ascontiguousarray(values, "float64" if mode == 2 else "float32"))
            codes, logits, self.codes = sampling_loop(
                *self.weights, torch.from_numpy(table * self.halves), noise, self.codes, self.rings, *self.geometry,
                self.now, stride, float(sharpness), mode,
            )  # fmt: skip
        self.now += len(values)
        return (logits if mode == 2 else codes.int()).numpy()

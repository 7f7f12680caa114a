"""A WaveNet on one piece of sound after another: what fast generation (arXiv 1611.09482) carries from sample to sample, as states.

The states are the columns that each convolution still needs; zeros, as in front of the first sample, at the beginning.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.export.test_inputs import TestInputs
from kerasrecipes.inference.wavenet_sampler import find_layer
from kerasrecipes.layers.mu_law import MuLaw


class WaveNetStepGraph:
    """The graph: audio (batch, samples), position (batch,) of its first sample, conditions of the whole sound, and states in;
    logits (batch, samples, levels) and the next states out.

    Args:
        model: a `WaveGenerator`.
    """

    def __init__(self, model: Any):
        self.model = model
        self.first, self.stack = find_layer(model, "CausalCodes"), find_layer(model, "DilatedStack")
        width, taps = self.first.filters, self.stack.taps
        early = [(self.first.kernel_size - 1 - tap, width) for tap in range(self.first.kernel_size - 1)]
        self.shapes = [*early, *(((taps - 1) * d, width) for d in self.stack.dilations)]
        conditions = {t.name: t for t in model.inputs if t.name not in ("audio", "length")}
        self.inputs = {
            "audio": keras.KerasTensor((None, None)), "position": keras.KerasTensor((None,), "int32"), **conditions,
            **{f"state_{i}": keras.KerasTensor((None, *s)) for i, s in enumerate(self.shapes)},
        }  # fmt: skip

    def outputs(self, given: dict[str, Any]) -> dict[str, Any]:
        """One piece."""
        states = [given[f"state_{i}"] for i in range(len(self.shapes))]
        codes, steps, stack = MuLaw(self.first.levels)(given["audio"]), ops.shape(given["audio"])[1], self.stack
        new: list[Any] = []
        x: Any = 0.0
        last = self.first.kernel_size - 1
        for tap in range(last + 1):
            rows = ops.take(self.first.kernel[tap], codes, axis=0)
            if tap < last:
                rows = ops.concatenate([states[tap], rows], axis=1)
                new.append(rows[:, steps:])
            x = x + rows[:, :steps]
        table, total, d = self.table(given, steps), 0.0, stack.settings["filters"]
        for k, dilation in enumerate(stack.dilations):
            seen = ops.concatenate([states[last + k], x], axis=1) if stack.taps > 1 else x
            new.append(seen[:, steps:])
            taps = [seen[:, i * dilation : i * dilation + steps] for i in range(stack.taps)]
            sums = ops.matmul(ops.concatenate(taps, axis=-1), ops.reshape(stack.kernel[k], (-1, 2 * d))) + table[k]
            z = ops.tanh(sums[..., :d]) * ops.sigmoid(sums[..., d:])
            x, total = x + ops.matmul(z, stack.residual[k]), total + ops.matmul(z, stack.skip[k])
            if stack.bias is not None:
                x, total = x + stack.residual_bias[k], total + stack.skip_bias[k]
        y = ops.relu(self.model.get_layer("post")(ops.relu(total)))
        return {LOGITS_OUTPUT: self.model.get_layer("logits")(y)} | {f"next_state_{i}": s for i, s in enumerate(new)}

    def table(self, given: dict[str, Any], steps: Any) -> Any:
        """What the conditions add to every layer: (layers, batch or 1, steps or 1, 2 D)."""
        local = None
        if self.model.mels:
            layer, frames = self.model.get_layer("local"), given["spectrogram"]
            total = ops.shape(frames)[1] * layer.hop
            length = ops.zeros_like(given["conditioned"]) + ops.cast(total, "int32")
            local = layer.over(frames, given["conditioned"], length, total)
            index = (given["position"][:, None] + ops.arange(steps, dtype="int32")[None]) // layer.stride
            index = ops.minimum(index, ops.cast(ops.shape(local)[1], "int32") - 1)
            local = ops.take_along_axis(local, ops.expand_dims(index, -1), axis=1)
        return self.stack.table(given.get("speaker"), local)

    def cases(self, seed: int = 0) -> list[tuple[TestInputs, dict[str, np.ndarray]]]:
        """Inputs of three pieces in a row, of two lengths, in one batch and another, with Keras's outputs.

        Raises:
            AssertionError: the pieces' logits are not those of the whole network.
        """
        import tensorflow as tf

        rng, found = np.random.default_rng(seed), []
        run = tf.function(self.outputs, autograph=False, reduce_retracing=True)
        for batch, steps in ((1, 170), (3, 90)):
            sound = np.clip(0.3 * rng.normal(size=(batch, 3 * steps)), -1, 1).astype("float32")
            given = {
                "audio": sound, "length": np.full(batch, 3 * steps, "int32"),
                "speaker": rng.integers(0, len(self.model.speakers) + 1, batch).astype("int32"),
                "spectrogram": rng.normal(-4, 4, (batch, self.model.frames(3 * steps), self.model.mels)).astype("float32"),
                "conditioned": np.arange(1, batch + 1, dtype="int32") % 2,
            }  # fmt: skip
            whole = self.model.scores({t.name: given[t.name] for t in self.model.inputs})
            states = {f"state_{i}": np.zeros((batch, *s), "float32") for i, s in enumerate(self.shapes)}
            for begin in range(0, 3 * steps, steps):
                piece = {k: v for k, v in given.items() if k in self.inputs and k != "audio"} | states
                piece |= {"audio": sound[:, begin : begin + steps], "position": np.full(batch, begin, "int32")}
                out = {k: np.asarray(v) for k, v in run({k: tf.constant(v) for k, v in piece.items()}).items()}
                np.testing.assert_allclose(out[LOGITS_OUTPUT], whole[:, begin : begin + steps], atol=1e-3)
                found.append((TestInputs({name: piece[name] for name in self.inputs}), out))
                states = {name.removeprefix("next_"): v for name, v in out.items() if name != LOGITS_OUTPUT}
        return found

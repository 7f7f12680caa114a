"""A WaveNet over one chunk of audio after another. Fast generation (arXiv 1611.09482) carries its states between samples.

The states are the values that each convolution still needs, with zeros before the first sample.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.engines.metadata import LOGITS_OUTPUT
from kerasrecipes.inference.wavenet_sampler import find_layer
from kerasrecipes.layers.mu_law import MuLaw
from kerasrecipes.layers.wavenet_stack import CausalEmbeddingConv1D, WaveNetStack


class WaveNetStepGraph:
    """The graph from audio, position of its first sample, conditions of the whole clip and states to logits and new states.

    Audio is (batch, samples), logits (batch, samples, quantization_levels).

    Args:
        model: A `WaveNetGenerator`.
    """

    def __init__(self, model: Any):
        self.model = model
        self.first, self.stack = find_layer(model, CausalEmbeddingConv1D), find_layer(model, WaveNetStack)
        width, kernel_size = self.first.filters, self.stack.kernel_size
        first = [(self.first.kernel_size - 1 - tap, width) for tap in range(self.first.kernel_size - 1)]
        self.shapes = [*first, *(((kernel_size - 1) * d, width) for d in self.stack.dilations)]
        conditions = {t.name: t for t in model.inputs if t.name not in ("audio", "length")}
        self.inputs = {
            "audio": keras.KerasTensor((None, None)), "position": keras.KerasTensor((None,), "int32"), **conditions,
            **{f"state_{i}": keras.KerasTensor((None, *s)) for i, s in enumerate(self.shapes)},
        }  # fmt: skip

    def outputs(self, values: dict[str, Any]) -> dict[str, Any]:
        """Compute one chunk."""
        first, stack = self.first, self.stack
        states = [values[f"state_{i}"] for i in range(len(self.shapes))]
        codes, steps = MuLaw(first.quantization_channels)(values["audio"]), ops.shape(values["audio"])[1]
        new_states: list[Any] = []
        x: Any = 0.0
        last = first.kernel_size - 1
        for tap in range(last + 1):
            rows = ops.take(first.kernel[tap], codes, axis=0)
            if tap < last:
                rows = ops.concatenate([states[tap], rows], axis=1)
                new_states.append(rows[:, steps:])
            x = x + rows[:, :steps]
        table, total, d = self.conditioning_table(values, steps), 0.0, stack.filters
        for k, dilation in enumerate(stack.dilations):
            wide = ops.concatenate([states[last + k], x], axis=1) if stack.kernel_size > 1 else x
            new_states.append(wide[:, steps:])
            taps = [wide[:, i * dilation : i * dilation + steps] for i in range(stack.kernel_size)]
            sums = ops.matmul(ops.concatenate(taps, axis=-1), ops.reshape(stack.kernel[k], (-1, 2 * d))) + table[k]
            z = ops.tanh(sums[..., :d]) * ops.sigmoid(sums[..., d:])
            x, total = x + ops.matmul(z, stack.residual[k]), total + ops.matmul(z, stack.skip[k])
            if stack.bias is not None:
                x, total = x + stack.residual_bias[k], total + stack.skip_bias[k]
        y = ops.relu(self.model.get_layer("post")(ops.relu(total)))
        return {LOGITS_OUTPUT: self.model.get_layer("logits")(y)} | {
            f"next_state_{i}": s for i, s in enumerate(new_states)
        }

    def conditioning_table(self, values: dict[str, Any], steps: Any) -> Any:
        """Return the terms that the conditions add to every layer: (layers, batch or 1, steps or 1, 2 D)."""
        local = None
        if self.model.n_mels:
            layer, frames = self.model.get_layer("local"), values["spectrogram"]
            total = ops.shape(frames)[1] * layer.hop_length
            length = ops.zeros_like(values["conditioned"]) + ops.cast(total, "int32")
            local = layer.upsample(frames, values["conditioned"], length, total)
            index = (values["position"][:, None] + ops.arange(steps, dtype="int32")[None]) // layer.stride
            index = ops.minimum(index, ops.cast(ops.shape(local)[1], "int32") - 1)
            local = ops.take_along_axis(local, ops.expand_dims(index, -1), axis=1)
        return self.stack.conditioning_table(values.get("speaker"), local)

    def test_inputs(self, seed: int = 0) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """Return inputs of three consecutive chunks with Keras's outputs, for two chunk lengths and batch sizes.

        Raises:
            AssertionError: The logits of the chunks differ from those of the whole network.
        """
        import tensorflow as tf

        rng, examples, model = np.random.default_rng(seed), [], self.model
        run = tf.function(self.outputs, autograph=False, reduce_retracing=True)
        for batch, steps in ((1, 170), (3, 90)):
            audio = np.clip(0.3 * rng.normal(size=(batch, 3 * steps)), -1, 1).astype("float32")
            clip = {
                "audio": audio, "length": np.full(batch, 3 * steps, "int32"),
                "speaker": rng.integers(0, len(model.speakers) + 1, batch).astype("int32"),
                "spectrogram": rng.normal(-4, 4, (batch, model.num_frames(3 * steps), model.n_mels)).astype("float32"),
                "conditioned": np.arange(1, batch + 1, dtype="int32") % 2,
            }  # fmt: skip
            logits = model.predict_logits({t.name: clip[t.name] for t in model.inputs})
            states = {f"state_{i}": np.zeros((batch, *s), "float32") for i, s in enumerate(self.shapes)}
            for start in range(0, 3 * steps, steps):
                position = np.full(batch, start, "int32")
                values = {**clip, "audio": audio[:, start : start + steps], "position": position, **states}
                values = {name: values[name] for name in self.inputs}
                outputs = {k: np.asarray(v) for k, v in run({k: tf.constant(v) for k, v in values.items()}).items()}
                np.testing.assert_allclose(outputs[LOGITS_OUTPUT], logits[:, start : start + steps], atol=1e-3)
                examples.append((values, outputs))
                states = {name.removeprefix("next_"): v for name, v in outputs.items() if name != LOGITS_OUTPUT}
        return examples

"""Fast WaveNet (arXiv 1611.09482): a sample costs one column of every layer, and all samples are one compiled loop.

The past of each layer lies in a ring of (kernel size - 1) * dilation steps. It starts with zeros, as the convolutions are
padded with zeros, so the samples equal those of the plain network from the first one on. The products with the past of all
layers are one batched product, all skips another. Only what depends on the present goes from layer to layer.

TensorFlow compiles the loop with XLA, JAX with its own compiler, and torch runs it as TorchScript
(`wavenet_sampler_torch`). None of them needs a compiler on the user's machine.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.wavenet_stack import CausalEmbeddingConv1D, WaveNetStack

SAMPLING_MODES = ("sample", "argmax", "teacher_forced")


@dataclass
class SamplerWeights:
    """A network's weights as the loop reads them, float32 arrays: L layers, k taps, R, D, S channels, V codes."""

    codes: list  # of each tap of the first convolution (V + 1, R); the last row, zeros, stands for "before the start"
    past: np.ndarray  # (L, (k - 1) R, 2 D)
    present: list  # L of (R, 2 D)
    residual: list  # L of (D, R)
    residual_bias: np.ndarray  # (L, R)
    skip: np.ndarray  # (L D, S)
    skip_bias: np.ndarray  # (S,)
    post: list  # (S, S), (S,), (S, V), (V,)

    def to_dict(self) -> dict[str, Any]:
        """Return the weights by name."""
        return dict(vars(self))


def extract_weights(model: Any) -> SamplerWeights:
    """Return the weights of a `WaveNetGenerator`."""
    first, stack = find_layer(model, CausalEmbeddingConv1D), find_layer(model, WaveNetStack)
    kernel, skip = _to_float32(stack.kernel), _to_float32(stack.skip)
    layers, taps, width, double = kernel.shape
    has_bias = stack.bias is not None
    post = []
    for name in ("post", "logits"):
        layer = model.get_layer(name)
        post += [
            _to_float32(layer.kernel),
            _to_float32(layer.bias) if has_bias else np.zeros(layer.kernel.shape[1], "float32"),
        ]
    return SamplerWeights(
        [np.concatenate([tap, np.zeros_like(tap[:1])]) for tap in _to_float32(first.kernel)],
        np.ascontiguousarray(kernel[:, :-1].reshape(layers, (taps - 1) * width, double)),
        [np.ascontiguousarray(k) for k in kernel[:, -1]],
        [np.ascontiguousarray(r) for r in _to_float32(stack.residual)],
        _to_float32(stack.residual_bias) if has_bias else np.zeros((layers, width), "float32"),
        skip.reshape(-1, skip.shape[-1]),
        _to_float32(stack.skip_bias).sum(0) if has_bias else np.zeros(skip.shape[-1], "float32"),
        post,
    )


def _to_float32(variable: Any) -> np.ndarray:
    return np.ascontiguousarray(ops.convert_to_numpy(variable), "float32")


def find_layer(model: Any, layer_class: type) -> Any:
    """Return the model's only layer of a class."""
    return next(layer for layer in model.layers if isinstance(layer, layer_class))


def initial_state(dilations: Any, taps: int, width: int, batch: int, recent: int, levels: int) -> dict[str, Any]:
    """Return the initial sampler state: one sample of silence, and zeros before it.

    Args:
        dilations: Dilation of each layer.
        taps: Kernel size of the layers.
        width: Channels of the layers.
        batch: Number of clips.
        recent: Codes that the first convolution sees.
        levels: Number of codes.
    """
    codes = np.full((recent, batch), levels, "int32")
    codes[-1] = levels // 2  # mu-law of 0
    rings = [np.zeros((max((taps - 1) * d, 1), batch, width), "float32") for d in dilations]
    return {"codes": codes, "rings": rings, "time": np.int32(0)}


class WaveNetSampler:
    """The compiled sampling loop of one network on the current backend.

    Args:
        model: A `WaveNetGenerator`.
    """

    def __init__(self, model: Any):
        stack = find_layer(model, WaveNetStack)
        self.dilations, self.taps, self.stride = stack.dilations, stack.kernel_size, stack.local_stride
        self.model = model
        self.compiled: dict[tuple, Any] = {}

    def initial_state(self, batch: int) -> Any:
        """Return the state of `batch` clips before their first sample."""
        first = find_layer(self.model, CausalEmbeddingConv1D)
        state = initial_state(
            self.dilations, self.taps, first.filters, batch, first.kernel_size, first.quantization_channels
        )
        weights = extract_weights(self.model)
        if keras.config.backend() == "torch":
            from kerasrecipes.inference.wavenet_sampler_torch import TorchWaveNetSampler

            return TorchWaveNetSampler(weights, state, self.dilations, self.taps)
        return {"weights": keras.tree.map_structure(ops.convert_to_tensor, weights.to_dict()), **state}

    def run(
        self, state: Any, table: np.ndarray, values: np.ndarray, sharpness: float = 1.0, mode: str = "sample"
    ) -> tuple[np.ndarray, Any]:  # fmt: skip
        """Run one step for each row of `values`.

        Args:
            state: Result of `initial_state` or of an earlier run, which must not be used again.
            table: (entries, layers, batch, 2 D) of `ConditioningTables.chunk`. An entry serves `stride` samples.
            values: (samples, batch) uniform numbers below 1 that select codes, or the codes if `mode` is "teacher_forced".
            sharpness: 1 divided by the temperature.
            mode: "sample", "argmax" (the most likely code), or "teacher_forced" (the given codes).

        Returns:
            The codes (samples, batch) int32, or with "teacher_forced" the logits (samples, batch, levels) of each; and the
            new state.
        """
        stride = self.stride if len(table) > 1 else len(values)
        if keras.config.backend() == "torch":
            return state.run(table, values, sharpness, SAMPLING_MODES.index(mode), stride), state
        key = (mode, len(values), len(table))
        if key not in self.compiled:
            self.compiled[key] = self.compile(mode, stride)
        weights, state = state["weights"], {k: v for k, v in state.items() if k != "weights"}
        values = values.astype("int32" if mode == "teacher_forced" else "float32")
        outputs, state = self.compiled[key](weights, state, table, values, np.float32(sharpness))
        return ops.convert_to_numpy(outputs), {"weights": weights, **state}

    def compile(self, mode: str, stride: int) -> Any:
        """Return the loop as one function of (weights, state, table, values, sharpness)."""
        forced = mode == "teacher_forced"

        def loop(weights, state, table, values, sharpness):
            count, batch = values.shape
            levels = weights["post"][-1].shape[0]
            shape = (count, batch, levels) if forced else (count, batch)
            outputs = ops.zeros(shape, "float32" if forced else "int32")

            def body(i, outputs, state):
                entry = ops.slice(table, (i // stride, 0, 0, 0), (1, *table.shape[1:]))[0]
                value = ops.slice(values, (i, 0), (1, batch))[0]
                logits, state = self.step(weights, state, entry)
                code = value if forced else sample_from_logits(logits, value, sharpness, mode == "argmax")
                state = {**state, "codes": ops.concatenate([state["codes"][1:], code[None]], axis=0)}
                output = logits if forced else code
                return i + 1, ops.slice_update(outputs, (i,) + (0,) * (len(shape) - 1), output[None]), state

            start = ops.convert_to_tensor(0, "int32")
            _, outputs, state = ops.while_loop(lambda i, *rest: i < count, body, (start, outputs, state))
            return outputs, state

        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            return tf.function(loop, jit_compile=True, autograph=False)
        if keras.config.backend() == "jax":
            import jax

            return jax.jit(loop, donate_argnums=1)
        return loop

    def step(self, weights: dict, state: dict, entry: Any) -> tuple[Any, dict]:
        """Compute one column of the network: the logits (batch, levels) of the next code, and the new state.

        Args:
            weights: `SamplerWeights.to_dict` as tensors.
            state: The codes, rings and time.
            entry: (layers, batch, 2 D) of the table.
        """
        now, rings, batch = state["time"], state["rings"], state["codes"].shape[1]
        x = sum(ops.take(rows, state["codes"][i], axis=0) for i, rows in enumerate(weights["codes"]))
        filters, width, sums = weights["residual"][0].shape[0], x.shape[1], entry
        if self.taps > 1:
            pasts = []
            for ring, dilation in zip(rings, self.dilations, strict=True):
                slots = [(now + i * dilation) % ring.shape[0] for i in range(self.taps - 1)]  # oldest first
                taps = [ops.slice(ring, (slot, 0, 0), (1, batch, width))[0] for slot in slots]
                pasts.append(taps[0] if len(taps) == 1 else ops.concatenate(taps, axis=-1))
            sums = ops.matmul(ops.stack(pasts), weights["past"]) + entry
        gated, new_rings = [], []
        for k, ring in enumerate(rings):
            new_rings.append(ops.slice_update(ring, (now % ring.shape[0], 0, 0), x[None]))
            total = sums[k] + ops.matmul(x, weights["present"][k])
            gated.append(ops.tanh(total[:, :filters]) * ops.sigmoid(total[:, filters:]))
            x = x + ops.matmul(gated[-1], weights["residual"][k]) + weights["residual_bias"][k]
        a, a_bias, b, b_bias = weights["post"]
        y = ops.relu(ops.matmul(ops.concatenate(gated, axis=-1), weights["skip"]) + weights["skip_bias"])
        logits = ops.matmul(ops.relu(ops.matmul(y, a) + a_bias), b) + b_bias
        return logits, {**state, "rings": new_rings, "time": now + 1}


def sample_from_logits(logits: Any, uniform: Any, sharpness: Any, argmax: bool) -> Any:
    """Return codes (batch,) int32 by inverse transform sampling with `uniform` (batch,) in [0, 1), or the most likely."""
    if argmax:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")
    cumulative = ops.cumsum(ops.softmax(logits * sharpness), axis=-1)
    below = ops.cast(cumulative <= uniform[:, None] * cumulative[:, -1:], "int32")
    return ops.minimum(ops.sum(below, axis=-1), logits.shape[-1] - 1)

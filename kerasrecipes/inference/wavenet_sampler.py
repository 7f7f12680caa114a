"""Fast WaveNet (arXiv 1611.09482): one sample costs one column of every layer, and all samples are one compiled loop.

The past of each layer lies in a ring of (kernel - 1) * dilation steps that begins with zeros, which is what zeros in front of
every convolution are, so that the samples are the plain network's from the first one on. The products with the past of all
layers are one batched product, all skips another; only what hangs on the present goes from layer to layer.

TensorFlow compiles the loop with XLA, JAX with its own; torch runs it as TorchScript (`generating_torch`). None of them
needs a compiler on the user's machine.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

SAMPLING_MODES = ("sample", "likeliest", "forced")


@dataclass
class SamplerWeights:
    """A network's weights as the loop reads them, float32 arrays; L layers, k taps, R, D, S channels, V levels."""

    codes: list  # of each tap of the first convolution (V + 1, R); the last row, zeros, is "before the beginning"
    past: np.ndarray  # (L, (k - 1) R, 2 D)
    present: list  # L of (R, 2 D)
    residual: list  # L of (D, R)
    residual_bias: np.ndarray  # (L, R)
    skip: np.ndarray  # (L D, S)
    skip_bias: np.ndarray  # (S,)
    post: list  # (S, S), (S,), (S, V), (V,)

    def to_dict(self) -> dict[str, Any]:
        """By name."""
        return dict(vars(self))


def extract_weights(model: Any) -> SamplerWeights:
    """The weights of a `WaveGenerator`."""
    take = lambda v: np.ascontiguousarray(ops.convert_to_numpy(v), "float32")  # noqa: E731
    first, stack = (find_layer(model, name) for name in ("CausalCodes", "DilatedStack"))
    codes, kernel = take(first.kernel), take(stack.kernel)
    layers, taps, width, double = kernel.shape
    residual, skip = take(stack.residual), take(stack.skip)
    biased = stack.bias is not None
    post = []
    for name in ("post", "logits"):
        layer = model.get_layer(name)
        post += [take(layer.kernel), take(layer.bias) if biased else np.zeros(layer.kernel.shape[1], "float32")]
    return SamplerWeights(
        [np.concatenate([tap, np.zeros_like(tap[:1])]) for tap in codes],
        np.ascontiguousarray(kernel[:, :-1].reshape(layers, (taps - 1) * width, double)),
        [np.ascontiguousarray(k) for k in kernel[:, -1]], [np.ascontiguousarray(r) for r in residual],
        take(stack.residual_bias) if biased else np.zeros((layers, width), "float32"), skip.reshape(-1, skip.shape[-1]),
        take(stack.skip_bias).sum(0) if biased else np.zeros(skip.shape[-1], "float32"), post,
    )  # fmt: skip


def find_layer(model: Any, name: str) -> Any:
    """The model's only layer of a class."""
    return next(layer for layer in model.layers if type(layer).__name__ == name)


def initial_state(dilations: Any, taps: int, width: int, batch: int, recent: int, levels: int) -> dict[str, Any]:
    """The state before the first sample: silence was the last, and nothing came before it.

    Args:
        dilations, taps, width: of the layers. batch: sounds. recent: codes that the first convolution sees.
    """
    codes = np.full((recent, batch), levels, "int32")
    codes[-1] = levels // 2  # mu-law of 0
    rings = [np.zeros((max((taps - 1) * d, 1), batch, width), "float32") for d in dilations]
    return {"codes": codes, "rings": rings, "time": np.int32(0)}


class WaveNetSampler:
    """The compiled loop of one network on the running backend; `run` goes on from a state.

    Args:
        model: a `WaveGenerator`.
    """

    def __init__(self, model: Any):
        stack = find_layer(model, "DilatedStack")
        self.dilations, self.taps, self.stride = stack.dilations, stack.taps, stack.local_stride
        self.model = model
        self.compiled: dict[tuple, Any] = {}

    def begin(self, batch: int) -> Any:
        """The state of `batch` sounds before their first sample."""
        first = find_layer(self.model, "CausalCodes")
        state = initial_state(self.dilations, self.taps, first.filters, batch, first.kernel_size, first.levels)
        if keras.config.backend() == "torch":
            from kerasrecipes.inference import wavenet_sampler_torch

            return wavenet_sampler_torch.TorchWaveNetSampler(
                extract_weights(self.model), state, self.dilations, self.taps
            )
        return {
            "weights": keras.tree.map_structure(ops.convert_to_tensor, extract_weights(self.model).to_dict()),
            **state,
        }

    def run(
        self, state: Any, table: np.ndarray, values: np.ndarray, sharpness: float = 1.0, mode: str = "sample"
    ) -> tuple[np.ndarray, Any]:  # fmt: skip
        """As many samples as `values` has rows.

        Args:
            state: of `begin` or an earlier run; not to be used again.
            table: (entries, layers, batch, 2 D), of `DilatedStack.table`; an entry serves `stride` samples.
            values: (samples, batch): uniform numbers below 1 that choose codes; codes where `mode` is "forced".
            sharpness: one divided by the temperature. mode: "sample", "likeliest", or "forced": codes are given.

        Returns:
            Codes (samples, batch) int32, where forced the scores (samples, batch, levels) before each; the new state.
        """
        stride = self.stride if len(table) > 1 else len(values)
        if keras.config.backend() == "torch":
            return state.run(table, values, sharpness, SAMPLING_MODES.index(mode), stride), state
        key = (mode, len(values), len(table))
        if key not in self.compiled:
            self.compiled[key] = self.compile(mode, stride)
        weights, state = state["weights"], {k: v for k, v in state.items() if k != "weights"}
        values = values.astype("int32" if mode == "forced" else "float32")
        found, state = self.compiled[key](weights, state, table, values, np.float32(sharpness))
        return ops.convert_to_numpy(found), {"weights": weights, **state}

    def compile(self, mode: str, stride: int) -> Any:
        """The loop as one function of (weights, state, table, values, sharpness)."""

        def loop(weights, state, table, values, sharpness):
            count, batch = values.shape
            levels = weights["post"][-1].shape[0]
            shape = (count, batch, levels) if mode == "forced" else (count, batch)
            found = ops.zeros(shape, "float32" if mode == "forced" else "int32")

            def body(i, found, state):
                entry = ops.slice(table, (i // stride, 0, 0, 0), (1, *table.shape[1:]))[0]
                value = ops.slice(values, (i, 0), (1, batch))[0]
                scores, state = self.step(weights, state, entry)
                code = value if mode == "forced" else sample_from_logits(scores, value, sharpness, mode == "likeliest")
                state = {**state, "codes": ops.concatenate([state["codes"][1:], code[None]], axis=0)}
                kept = scores if mode == "forced" else code
                return i + 1, ops.slice_update(found, (i,) + (0,) * (len(shape) - 1), kept[None]), state

            start = ops.convert_to_tensor(0, "int32")
            _, found, state = ops.while_loop(lambda i, *rest: i < count, body, (start, found, state))
            return found, state

        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            return tf.function(loop, jit_compile=True, autograph=False)
        if keras.config.backend() == "jax":
            import jax

            return jax.jit(loop, donate_argnums=1)
        return loop

    def step(self, w: dict, state: dict, entry: Any) -> tuple[Any, dict]:
        """One column of the network: scores (batch, levels) of the next code, and the state with the present in its rings.

        Args:
            w: of `columns`. entry: (layers, batch, 2 D) of the table.
        """
        now, rings, batch = state["time"], state["rings"], state["codes"].shape[1]
        x = sum(ops.take(rows, state["codes"][i], axis=0) for i, rows in enumerate(w["codes"]))
        filters, width, sums = w["residual"][0].shape[0], x.shape[1], entry
        if self.taps > 1:
            olds = []
            for ring, dilation in zip(rings, self.dilations, strict=True):
                slots = [(now + i * dilation) % ring.shape[0] for i in range(self.taps - 1)]  # oldest first
                taps = [ops.slice(ring, (slot, 0, 0), (1, batch, width))[0] for slot in slots]
                olds.append(taps[0] if len(taps) == 1 else ops.concatenate(taps, axis=-1))
            sums = ops.matmul(ops.stack(olds), w["past"]) + entry
        gated, new = [], []
        for k, ring in enumerate(rings):
            new.append(ops.slice_update(ring, (now % ring.shape[0], 0, 0), x[None]))
            total = sums[k] + ops.matmul(x, w["present"][k])
            gated.append(ops.tanh(total[:, :filters]) * ops.sigmoid(total[:, filters:]))
            x = x + ops.matmul(gated[-1], w["residual"][k]) + w["residual_bias"][k]
        a, a_bias, b, b_bias = w["post"]
        y = ops.relu(ops.matmul(ops.concatenate(gated, axis=-1), w["skip"]) + w["skip_bias"])
        scores = ops.matmul(ops.relu(ops.matmul(y, a) + a_bias), b) + b_bias
        return scores, {**state, "rings": new, "time": now + 1}


def sample_from_logits(scores: Any, uniform: Any, sharpness: Any, likeliest: bool) -> Any:
    """Codes (batch,) int32 by the inverse of the distribution function; `uniform` (batch,) in [0, 1)."""
    if likeliest:
        return ops.cast(ops.argmax(scores, axis=-1), "int32")
    heights = ops.cumsum(ops.softmax(scores * sharpness), axis=-1)
    below = ops.cast(heights <= uniform[:, None] * heights[:, -1:], "int32")
    return ops.minimum(ops.sum(below, axis=-1), scores.shape[-1] - 1)

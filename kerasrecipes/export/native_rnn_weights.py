"""Weights of recurrent layers in the order of ONNX's gates."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np

from kerasrecipes.layers.recurrent import SequenceRNN

# positions of ONNX's gates among ours: z, r, candidate in both; i, o, f, candidate among i, f, candidate, o
GATE_ORDER = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 3, 1, 2)}
GATE_CLOSED_BIAS = 1e4  # a sigmoid input that outweighs all others


class DirectionWeights(NamedTuple):
    """Weights of one direction in the order of ONNX's gates.

    Args:
        kernel: (gates * units, features), without the scale.
        recurrent_kernel: (gates * units, units).
        bias: (2 * gates * units,): of the inputs, with batch normalization folded in, and of the states.
        scale: (gates * units,) of the kernel's rows, by batch normalization. None without it.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    scale: np.ndarray | None


def direction_weights(layer: SequenceRNN) -> Iterator[DirectionWeights]:
    """Yield the weights of each direction."""

    def reorder(values: np.ndarray) -> np.ndarray:  # (..., gates * units) -> (gates * units, ...)
        gates = np.split(values, values.shape[-1] // layer.units, axis=-1)
        return np.ascontiguousarray(np.concatenate([gates[i] for i in GATE_ORDER[layer.cell]], axis=-1).T, "float32")

    to_numpy = keras.ops.convert_to_numpy
    for i, loop in enumerate(layer.loops):
        number, scale = min(i, layer.transforms - 1), None
        if layer.batch_norm:
            norm = layer.norms[number]
            gamma, beta, mean, variance = (
                to_numpy(v).astype("float64") for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            )
            factor = gamma / np.sqrt(variance + norm.epsilon)
            scale, bias = reorder(factor), beta - mean * factor
        else:
            bias = to_numpy(layer.biases[number])
        inner = to_numpy(loop.cell.recurrent_bias) if loop.cell.use_bias else np.zeros_like(bias)
        yield DirectionWeights(
            reorder(to_numpy(layer.kernels[number])), reorder(to_numpy(loop.cell.recurrent_kernel)),
            np.concatenate([reorder(bias), reorder(inner)]), scale,
        )  # fmt: skip


def hold_state_weights(layer: SequenceRNN, bias: np.ndarray) -> np.ndarray:
    """Return the input weights (gates * units,) of the padding flag, with which a zero state stays zero.

    The GRU's update gate and the LSTM's forget gate saturate open, the LSTM's input gate saturates closed, and a simple RNN's
    biases are canceled.
    """
    if layer.cell == "rnn":
        first, second = np.split(bias, 2)
        return -(first + second)
    signs = {"gru": (1, 0, 0), "lstm": (-1, 0, 1, 0)}[layer.cell]
    return np.repeat(np.array(signs, "float32") * GATE_CLOSED_BIAS, layer.units)

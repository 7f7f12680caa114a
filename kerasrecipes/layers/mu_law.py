"""Mu-law companding: amplitudes as one of 256 codes, fine near zero and coarse near one (WaveNet, arXiv 1609.03499, section 2.2).

The paper gives f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu) and 256 levels, but no rounding. Here it is
`floor((f + 1) / 2 * mu + 0.5)`, as in ibab/tensorflow-wavenet: 0 has code 128, and no code decodes to exactly 0.
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.base import ConfigLayer


def mu_law_decode(codes: np.ndarray, quantization_channels: int = 256) -> np.ndarray:
    """Return float64 amplitudes between -1 and 1 of codes 0 ... quantization_channels - 1 of any shape."""
    mu = quantization_channels - 1
    f = 2 * np.asarray(codes, "float64") / mu - 1
    return np.sign(f) * np.expm1(np.abs(f) * np.log1p(mu)) / mu


def quantization_edges(quantization_channels: int = 256) -> np.ndarray:
    """Return the lowest amplitude of each code but 0: (quantization_channels - 1,) float32.

    Numpy and the graph both count the edges up to an amplitude, so that no code depends on a backend's logarithm.
    """
    return mu_law_decode(np.arange(1, quantization_channels) - 0.5, quantization_channels).astype("float32")


def mu_law_encode(audio: np.ndarray, quantization_channels: int = 256) -> np.ndarray:
    """Return int32 codes of amplitudes of any shape, clipped to -1 ... 1."""
    edges = quantization_edges(quantization_channels)
    return np.searchsorted(edges, np.asarray(audio, "float32"), side="right").astype("int32")


@keras.saving.register_keras_serializable("kerasrecipes")
class MuLaw(ConfigLayer):
    """`mu_law_encode` in the graph.

    Args:
        quantization_channels: Number of codes.

    Call: `audio` (batch, samples) float32; returns codes (batch, samples) int32.
    """

    def __init__(self, quantization_channels: int = 256, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.quantization_channels = quantization_channels

    def call(self, audio):
        edges = ops.convert_to_tensor(quantization_edges(self.quantization_channels))
        codes = ops.searchsorted(edges, ops.reshape(audio, (-1,)), side="right")
        return ops.cast(ops.reshape(codes, ops.shape(audio)), "int32")

    def compute_output_spec(self, audio):
        return keras.KerasTensor(audio.shape, dtype="int32")

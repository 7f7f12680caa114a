"""Mu-law companding: amplitudes as one of 256 codes, fine near zero and coarse near one (WaveNet, arXiv 1609.03499, section 2.2).

The paper gives f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu) and 256 levels, not the rounding; it is
`floor((f + 1) / 2 * mu + 0.5)` here, as in ibab/tensorflow-wavenet: code 128 for 0, no code that decodes to exactly 0.
"""

import keras
import numpy as np
from keras import ops


def mu_law_decode(codes: np.ndarray, levels: int = 256) -> np.ndarray:
    """Amplitudes between -1 and 1 of codes (any shape of numbers 0 ... levels - 1), float64."""
    mu = levels - 1
    f = 2 * np.asarray(codes, "float64") / mu - 1
    return np.sign(f) * np.expm1(np.abs(f) * np.log1p(mu)) / mu


def quantization_edges(levels: int = 256) -> np.ndarray:
    """The lowest amplitude of each code but 0: (levels - 1,) float32.

    Both numpy and the graph count those that an amplitude reaches, so that no backend's logarithm decides about a code.
    """
    return mu_law_decode(np.arange(1, levels) - 0.5, levels).astype("float32")


def mu_law_encode(audio: np.ndarray, levels: int = 256) -> np.ndarray:
    """Codes of amplitudes (any shape, clipped to -1 ... 1), int32."""
    return np.searchsorted(quantization_edges(levels), np.asarray(audio, "float32"), side="right").astype("int32")


@keras.saving.register_keras_serializable("kerasrecipes")
class MuLaw(keras.layers.Layer):
    """`encode` in the graph.

    Args:
        levels: how many codes.

    Call: `audio` (batch, samples) float32; returns codes (batch, samples) int32.
    """

    def __init__(self, levels: int = 256, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.levels = levels

    def call(self, audio):
        edges = ops.convert_to_tensor(quantization_edges(self.levels))
        codes = ops.searchsorted(edges, ops.reshape(audio, (-1,)), side="right")
        return ops.cast(ops.reshape(codes, ops.shape(audio)), "int32")

    def compute_output_spec(self, audio):
        return keras.KerasTensor(audio.shape, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}

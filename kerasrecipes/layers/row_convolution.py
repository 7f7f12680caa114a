"""Row convolution: the lookahead of Deep Speech 2's forward-only models."""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class RowConvolution(SequenceLayer):
    """`r[t, i] = sum over j = 0 ... lookahead of W[j, i] * h[t + j, i]` (arXiv 1512.02595, section 3.6).

    Each feature sees its current step and `lookahead` future steps, zeros after the end. There is no bias and no mixing
    of features: (lookahead + 1) * features weights.

    Args:
        lookahead: Number of future steps, the paper's tau.

    Call: `x` (batch, steps, features), `length` (batch,).
    """

    def __init__(self, lookahead: int, **kwargs):
        super().__init__(**kwargs)
        self.lookahead = lookahead
        self.geometry = TimeGeometry(lookahead + 1, 1, 0, lookahead)

    def build(self, x_shape, length_shape=None):
        self.kernel = self.add_weight((self.lookahead + 1, x_shape[-1]), "glorot_uniform", name="kernel")

    def call_padded(self, x):
        return ops.depthwise_conv(x, self.kernel[:, :, None], strides=1, padding="valid")

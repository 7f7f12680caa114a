"""Average pooling over time."""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceAveragePooling(SequenceLayer):
    """Average pooling over windows of `pool_size` steps without overlap. An incomplete last window is dropped.

    Args:
        pool_size: Steps of a window.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, steps // pool_size, features), (batch,).
    """

    def __init__(self, pool_size: int, **kwargs):
        super().__init__(**kwargs)
        self.pool_size, self.geometry = pool_size, TimeGeometry(pool_size, pool_size)

    def call_padded(self, x):
        size, frames = self.pool_size, ops.shape(x)[1] // self.pool_size
        return ops.mean(ops.reshape(x[:, : frames * size], (-1, frames, size, x.shape[-1])), axis=2)

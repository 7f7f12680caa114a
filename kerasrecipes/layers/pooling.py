"""Pooling over time."""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceAveragePooling(SequenceLayer):
    """Means of every `size` steps that follow each other, without overlap; a rest at the end is left out.

    Args:
        size: steps of a mean.

    Call: `x` (batch, steps, features), `length` (batch,); returns (batch, steps // size, features), (batch,).
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size, self.geometry = size, TimeGeometry(size, size)

    def apply(self, x):
        frames = ops.shape(x)[1] // self.size
        return ops.mean(ops.reshape(x[:, : frames * self.size], (-1, frames, self.size, x.shape[-1])), axis=2)

    def get_config(self):
        return {**super().get_config(), "size": self.size}

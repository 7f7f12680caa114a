"""Deep Speech's clipped rectifier."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class ClippedReLU(keras.layers.Layer):
    """`min(max(x, 0), limit)`; both Deep Speech papers use limit 20 (arXiv 1412.5567 eq. 1, 1512.02595 section 3.1)."""

    def __init__(self, limit: float = 20.0, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, x):
        return ops.clip(x, 0.0, self.limit)

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}

"""Deep Speech's clipped rectifier, and a quick dropout."""

import keras
from keras import ops

from kerasrecipes.layers.sequence import torch_ops_or_none


@keras.saving.register_keras_serializable("kerasrecipes")
class ReLU(keras.layers.Layer):
    """`min(max(x, 0), limit)`; both Deep Speech papers use limit 20 (arXiv 1412.5567 eq. 1, 1512.02595 section 3.1)."""

    def __init__(self, limit: float = 20.0, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, x):
        if keras.config.backend() == "torch":  # one operation there and one back, not seven
            from torch.nn.functional import hardtanh

            return hardtanh(x, 0.0, self.limit)
        return ops.clip(x, 0.0, self.limit)

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}


@keras.saving.register_keras_serializable("kerasrecipes")
class Dropout(keras.layers.Dropout):
    """Keras's dropout, three times as fast with torch on a CPU, where it draws from torch's generator as Keras's does."""

    def call(self, x, training=False):
        if training and self.rate > 0 and self.noise_shape is None and (fused := torch_ops_or_none(x)):
            return fused.Dropout.apply(x, self.rate)
        return super().call(x, training=training)

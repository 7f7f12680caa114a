"""Maxout, and Keras's ReLU and dropout with faster kernels on the torch backend."""

import keras
from keras import ops

from kerasrecipes.layers.base import ConfigLayer
from kerasrecipes.layers.sequence import torch_ops_or_none


@keras.saving.register_keras_serializable("kerasrecipes")
class ReLU(keras.layers.ReLU):
    """`keras.layers.ReLU` that clips in one operation where `max_value` is the only argument.

    Both Deep Speech papers use `max_value=20` (arXiv 1412.5567 eq. 1, 1512.02595 section 3.1).
    """

    def call(self, inputs):
        if self.max_value is None or self.negative_slope or self.threshold:
            return super().call(inputs)
        if keras.config.backend() == "torch":  # one operation forward and one backward, not seven
            from torch.nn.functional import hardtanh

            return hardtanh(inputs, 0.0, self.max_value)
        return ops.clip(inputs, 0.0, self.max_value)


@keras.saving.register_keras_serializable("kerasrecipes")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, three times as fast on a CPU with torch, where both sample from torch's generator."""

    def call(self, x, training=False):
        if training and self.rate > 0 and self.noise_shape is None and (fused := torch_ops_or_none(x)):
            return fused.Dropout.apply(x, self.rate)
        return super().call(x, training=training)


@keras.saving.register_keras_serializable("kerasrecipes")
class Maxout(ConfigLayer):
    """Maximum of each group of neighboring channels (Goodfellow et al., 2013, arXiv 1302.4389).

    Args:
        group_size: Number of channels in a group, at least 1. Channels at the end that fill no group are dropped.

    Call: (..., channels) -> (..., channels // group_size).
    """

    def __init__(self, group_size: int = 2, **kwargs):
        super().__init__(**kwargs)
        if group_size < 1:
            raise ValueError(f"`group_size` is {group_size}, not 1, 2, 3 ...")
        self.group_size = group_size

    def call(self, x):
        groups = x.shape[-1] // self.group_size
        x = x[..., : groups * self.group_size]
        return ops.max(ops.reshape(x, (*ops.shape(x)[:-1], groups, self.group_size)), axis=-1)

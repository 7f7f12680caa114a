"""Keras's image layers with a faster CPU path on the torch backend.

Arguments, weights and outputs are those of `keras.layers.Conv2D`, `MaxPooling2D` and `BatchNormalization`. On torch,
Keras's versions copy their input and output between two memory layouts, and its normalization reads memory eight times.
These layers keep channels last throughout (`torch_sequence_ops`); elsewhere they call Keras's.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import torch_ops_or_none


@keras.saving.register_keras_serializable("kerasrecipes")
class FastConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`: (batch, height, width, channels) -> (batch, rows, columns, filters)."""

    def convolution_op(self, inputs, kernel):
        supported = self.padding == "valid" and self.groups == 1 and self.data_format == "channels_last"
        if supported and (fused := torch_ops_or_none(inputs)):
            return fused.convolution_2d(inputs, ops.convert_to_tensor(kernel), self.strides, self.dilation_rate)
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable("kerasrecipes")
class FastMaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`: (batch, height, width, channels) -> (batch, rows, columns, channels)."""

    def call(self, inputs):
        if self.data_format == "channels_last" and (fused := torch_ops_or_none(inputs)):
            sides = inputs.shape[1:3]
            pads_before = [
                self.padding == "same" and _total_padding(*s) > 1
                for s in zip(sides, self.pool_size, self.strides, strict=True)
            ]
            if not any(pads_before) and all(n >= pool for n, pool in zip(sides, self.pool_size, strict=True)):
                return fused.max_pooling_2d(inputs, self.pool_size, self.strides, self.padding == "same")
        return super().call(inputs)


def _total_padding(side: int, pool_size: int, stride: int) -> int:
    """Return the rows that "same" adds: the first one after the input, the second one before it."""
    return max((-(-side // stride) - 1) * stride + pool_size - side, 0)


@keras.saving.register_keras_serializable("kerasrecipes")
class FastBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over all axes but the last: (batch, height, width, channels) -> the same shape."""

    def call(self, inputs, training=None, mask=None):
        last_axis = self.axis in (-1, len(inputs.shape) - 1)
        plain = mask is None and not self.renorm and self.scale and self.center and last_axis
        fused = plain and training and self.trainable and torch_ops_or_none(inputs)
        if not fused:
            return super().call(inputs, training=training, mask=mask)
        count = ops.cast(inputs.numel() // inputs.shape[-1], "float32")
        gamma, beta = ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32")
        y, mean, variance = fused.BatchNormalization.apply(inputs, gamma, beta, count, self.epsilon, self.compute_dtype)
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return y

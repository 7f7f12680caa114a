"""Keras's own layers of nets for pictures, by a faster road on torch.

They are `keras.layers.Conv2D`, `MaxPooling2D` and `BatchNormalization` in all that can be seen: arguments, weights, numbers.
On torch Keras's copy their input and output between two orders of memory, and its normalisation walks through memory eight
times. In training these keep channels last throughout (`fused_features`); anywhere else they call Keras's.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import torch_ops_or_none


@keras.saving.register_keras_serializable("kerasrecipes")
class FastConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`: (batch, height, width, channels) -> (batch, rows, columns, filters)."""

    def convolution_op(self, inputs, kernel):
        known = self.padding == "valid" and self.groups == 1 and self.data_format == "channels_last"
        if known and (fused := torch_ops_or_none(inputs)):
            return fused.convolution_2d(inputs, ops.convert_to_tensor(kernel), self.strides, self.dilation_rate)
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable("kerasrecipes")
class FastMaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D`: (batch, height, width, channels) -> (batch, rows, columns, channels)."""

    def call(self, inputs):
        if self.data_format == "channels_last" and (fused := torch_ops_or_none(inputs)):
            sides = inputs.shape[1:3]
            before = [
                self.padding == "same" and _padding(*s) > 1
                for s in zip(sides, self.pool_size, self.strides, strict=True)
            ]
            if not any(before) and all(side >= pool for side, pool in zip(sides, self.pool_size, strict=True)):
                return fused.max_pooling_2d(inputs, self.pool_size, self.strides, self.padding == "same")
        return super().call(inputs)


def _padding(side: int, pool: int, stride: int) -> int:
    """Rows that "same" adds; a first one goes behind the others, a second one before them."""
    return max((-(-side // stride) - 1) * stride + pool - side, 0)


@keras.saving.register_keras_serializable("kerasrecipes")
class FastBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over all axes but the last: (batch, height, width, channels) -> the same shape."""

    def call(self, inputs, training=None, mask=None):
        plain = (
            mask is None and not self.renorm and self.scale and self.center and self.axis in (-1, len(inputs.shape) - 1)
        )
        fused = plain and training and self.trainable and torch_ops_or_none(inputs)
        if not fused:
            return super().call(inputs, training=training, mask=mask)
        count = ops.cast(inputs.numel() // inputs.shape[-1], "float32")
        gamma, beta = ops.cast(self.gamma, "float32"), ops.cast(self.beta, "float32")
        y, mean, variance = fused.BatchNormalization.apply(inputs, gamma, beta, count, self.epsilon, self.compute_dtype)
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return y

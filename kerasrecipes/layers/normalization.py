"""Batch normalization whose statistics cover valid frames only (Deep Speech 2, section 3.2: "sequence-wise")."""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, torch_ops_or_none, zero_after_length


@keras.saving.register_keras_serializable("kerasrecipes")
class MaskedBatchNormalization(SequenceLayer):
    """Normalize each feature by its mean and variance over all items of the batch and all their valid time steps.

    For every hidden unit "we compute the mean and variance statistics over all items in the minibatch over the length
    of the sequence" (arXiv 1512.02595, section 3.2). Widely used ports include the padding; this layer does not.

    Args:
        momentum: Weight of the old moving averages in an update; inference uses these averages.
        epsilon: Added to the variance.

    Call: `x` (batch, steps, ..., features), `length` (batch,); statistics per entry of the last axis.
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, x_shape, length_shape=None):
        def add(name, initializer, **options):  # float32 under every policy: sums of many steps
            return self.add_weight((x_shape[-1],), initializer, name=name, autocast=False, dtype="float32", **options)

        self.gamma, self.beta = add("gamma", "ones"), add("beta", "zeros")
        self.moving_mean = add("moving_mean", "zeros", trainable=False)
        self.moving_variance = add("moving_variance", "ones", trainable=False)

    def count(self, x, length):
        """Return the number of valid values of each feature: float32, at least 1."""
        inner = 1
        for size in x.shape[2:-1]:
            inner *= size
        return ops.maximum(ops.cast(ops.sum(ops.minimum(length, ops.shape(x)[1])), "float32") * inner, 1.0)

    def moments(self, x, count):
        """Return mean and variance (features,) in float32 over the valid steps of `x`, which is zero elsewhere."""
        x = ops.cast(x, "float32")
        axes = tuple(range(len(x.shape) - 1))
        mean = ops.sum(x, axis=axes) / count
        return mean, ops.maximum(ops.sum(ops.square(x), axis=axes) / count - ops.square(mean), 0.0)

    def call_unmasked(self, x, length, training=None):
        if not (training and self.trainable):
            return self.call_padded(x)
        x, count = zero_after_length(x, length), self.count(x, length)
        if fused := torch_ops_or_none(x):
            y, mean, variance = fused.BatchNormalization.apply(
                x, self.gamma.value, self.beta.value, count, self.epsilon, self.compute_dtype
            )
        else:
            mean, variance = self.moments(x, count)
            y = self.normalize(x, mean, variance)
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + ops.stop_gradient(mean) * (1 - keep))
        self.moving_variance.assign(self.moving_variance * keep + ops.stop_gradient(variance) * (1 - keep))
        return y

    def call_padded(self, x):
        return self.normalize(x, self.moving_mean, self.moving_variance)

    def normalize(self, x, mean, variance):
        scale = self.gamma / ops.sqrt(variance + self.epsilon)
        return ops.cast(x * ops.cast(scale, x.dtype) + ops.cast(self.beta - mean * scale, x.dtype), self.compute_dtype)

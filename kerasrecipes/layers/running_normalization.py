"""Causal normalization for streaming recognizers: statistics of past frames only."""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length, zero_outside_range

BLOCK = 64


def exponential_moving_sum(x, decay, start=None, offset=None):
    """Return `y[t] = decay * y[t-1] + x[t]` over axis 1 of `x` (batch, steps, features), without a loop over steps.

    It is a product with a triangular matrix of powers of `decay`, inside blocks of 64 steps and between blocks.

    Args:
        x: (batch, steps, features).
        decay: Between 0 and 1.
        start: (batch, features), `y[-1]`; zero if None.
        offset: (batch,) number of first steps that do not count: `start` decays only after them, and x is zero there.
    """
    steps, features = ops.shape(x)[1], x.shape[2]
    blocks = (steps + BLOCK - 1) // BLOCK
    x = ops.pad(x, [(0, 0), (0, blocks * BLOCK - steps), (0, 0)])
    x = ops.reshape(x, (-1, blocks, BLOCK, features))
    row = np.arange(BLOCK)
    inside = np.where(row[:, None] >= row, decay ** np.maximum(row[:, None] - row, 0.0), 0.0).astype("float32")
    y = ops.matmul(ops.convert_to_tensor(inside), x)
    block = ops.arange(blocks)
    distance = ops.cast(block[:, None] - 1 - block[None, :], "float32")  # whole blocks between the ends of two blocks
    between = ops.where(distance >= 0, ops.exp(ops.maximum(distance, 0.0) * float(BLOCK * np.log(decay))), 0.0)
    previous = ops.matmul(between, y[:, :, -1])  # (batch, blocks, features): the sum before each block
    powers = ops.convert_to_tensor((decay ** (row + 1.0)).astype("float32")[:, None])
    y = ops.reshape(y + powers * previous[:, :, None], (-1, blocks * BLOCK, features))[:, :steps]
    if start is None:
        return y
    age = ops.cast(ops.arange(steps)[None] + 1 - offset[:, None], "float32")
    return y + ops.exp(ops.maximum(age, 0.0) * float(np.log(decay)))[..., None] * start[:, None]


@keras.saving.register_keras_serializable("kerasrecipes")
class CausalNormalization(SequenceLayer):
    """Subtract each bin's mean over the past and divide by the deviation of all bins over the past.

    Both are exponential moving averages. They start from the averages of the training set, which count as `prior`
    frames: the first word is normalized, and the layer adapts to a new microphone within a second. All bins share one
    deviation, as in `UtteranceNormalization`. An utterance in chunks gives the same result as the whole.

    Args:
        decay: Frames after which the weight of a frame has fallen to 1/e.
        prior: Number of frames that the training set's averages count as.
        momentum: Momentum of the training set's averages, which only training changes.
        epsilon: Added to the variance.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    def __init__(self, decay=300.0, prior=50.0, momentum=0.99, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.decay, self.prior, self.momentum, self.epsilon = decay, prior, momentum, epsilon
        self.decay_factor = float(np.exp(-1 / decay))  # per frame

    def build(self, x_shape, length_shape=None):
        options = {"trainable": False, "autocast": False, "dtype": "float32"}
        self.mean = self.add_weight((x_shape[-1],), "zeros", name="mean", **options)
        self.variance = self.add_weight((1,), "ones", name="variance", **options)

    def stream_state_shapes(self, shape, start):
        return [(shape[-1],), (1,)]

    def averages(self, x, prior_value, index, start=None, offset=None):
        """Return the average of the past at each step, and the sums without the prior that lead to it.

        Args:
            x: (batch, steps, features), zero outside the utterance.
            prior_value: (features,) value that counts as `prior` frames before the first step.
            index: (batch, steps) index of the steps, from 0.
            start: As in `exponential_moving_sum`.
            offset: As in `exponential_moving_sum`.
        """
        sums = exponential_moving_sum(x, self.decay_factor, start, offset)
        power = ops.exp((ops.cast(ops.maximum(index, 0), "float32") + 1.0) * float(np.log(self.decay_factor)))[
            ..., None
        ]
        weight = power * self.prior + (1.0 - power) / (1.0 - self.decay_factor)
        return (sums + power * self.prior * prior_value) / weight, sums

    def normalize(self, x, index, mask, states=(None, None), offset=None):
        """Return the normalized steps and the two sums. `mask` sets steps outside the utterance to zero."""
        mean, sums = self.averages(mask(x), self.mean, index, states[0], offset)
        centered = mask(x - mean)
        squares = ops.mean(ops.square(centered), axis=-1, keepdims=True)
        variance, square_sums = self.averages(squares, self.variance, index, states[1], offset)
        return centered / ops.sqrt(variance + self.epsilon), sums, square_sums

    def call_unmasked(self, x, length, training=None):
        x = ops.cast(x, "float32")
        if training and self.trainable:
            self.update_statistics(x, length)
        index = ops.arange(ops.shape(x)[1])[None] + ops.zeros_like(length)[:, None]
        return self.normalize(x, index, lambda v: zero_after_length(v, length))[0]

    def update_statistics(self, x, length):
        """Move the training set's averages towards those of this batch."""
        count = ops.maximum(ops.cast(ops.sum(ops.minimum(length, ops.shape(x)[1])), "float32"), 1.0)
        mean = ops.sum(zero_after_length(x, length), axis=(0, 1)) / count
        centered = zero_after_length(x - mean, length)
        variance = ops.sum(ops.square(centered)) / (count * x.shape[-1])
        self.mean.assign(self.mean * self.momentum + mean * (1 - self.momentum))
        self.variance.assign(self.variance * self.momentum + variance * (1 - self.momentum))

    def stream(self, x, position, length, states):
        def mask(v):
            return zero_outside_range(v, position, length)

        index, offset = position[:, None] + ops.arange(ops.shape(x)[1])[None], ops.maximum(-position, 0)
        y, sums, square_sums = self.normalize(ops.cast(x, "float32"), index, mask, states, offset)
        return y, position, length, [sums[:, -1], square_sums[:, -1]]

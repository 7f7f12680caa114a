"""Normalisation that looks back only: what a recogniser can use that must answer while somebody still speaks."""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, zero_after_length, zero_outside_range

BLOCK = 64


def exponential_moving_sum(x, keep, start=None, since=None):
    """`y[t] = keep * y[t-1] + x[t]` over axis 1 of `x` (batch, steps, features), without a loop over steps.

    Inside blocks of 64 steps and between blocks it is a product with a triangular matrix of powers of `keep`.

    Args:
        keep: between 0 and 1.
        start: (batch, features), `y[-1]`; zero if None.
        since: (batch,) steps at the beginning that do not count: `start` decays only behind them, and x is zero there.
    """
    steps, features = ops.shape(x)[1], x.shape[2]
    blocks = (steps + BLOCK - 1) // BLOCK
    x = ops.pad(x, [(0, 0), (0, blocks * BLOCK - steps), (0, 0)])
    x = ops.reshape(x, (-1, blocks, BLOCK, features))
    row = np.arange(BLOCK)
    inside = np.where(row[:, None] >= row, keep ** np.maximum(row[:, None] - row, 0.0), 0.0).astype("float32")
    y = ops.matmul(ops.convert_to_tensor(inside), x)
    block = ops.arange(blocks)
    behind = ops.cast(block[:, None] - 1 - block[None, :], "float32")  # whole blocks between the end of one and another
    between = ops.where(behind >= 0, ops.exp(ops.maximum(behind, 0.0) * float(BLOCK * np.log(keep))), 0.0)
    carried = ops.matmul(between, y[:, :, -1])  # (batch, blocks, features): the sum before each block
    fading = ops.convert_to_tensor((keep ** (row + 1.0)).astype("float32")[:, None])
    y = ops.reshape(y + fading * carried[:, :, None], (-1, blocks * BLOCK, features))[:, :steps]
    if start is None:
        return y
    counted = ops.cast(ops.arange(steps)[None] + 1 - since[:, None], "float32")
    return y + ops.exp(ops.maximum(counted, 0.0) * float(np.log(keep)))[..., None] * start[:, None]


@keras.saving.register_keras_serializable("kerasrecipes")
class CausalNormalization(SequenceLayer):
    """Subtract each bin's mean over the past and divide by the deviation of all bins over the past.

    Both are averages with exponentially fading weights. They begin from the training set's own, which count as `prior`
    frames: the first word is not lost, and a new microphone is known after a second. One deviation serves all bins, as
    in `UtteranceNormalization`. An utterance in pieces gives the same as the whole.

    Args:
        decay: frames in which a frame's weight falls to 1/e.
        prior: frames that the training set's averages count as.
        momentum: of the training set's averages, which only training changes.
        epsilon: added to the variance.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    def __init__(self, decay=300.0, prior=50.0, momentum=0.99, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"decay": decay, "prior": prior, "momentum": momentum, "epsilon": epsilon}
        self.keep, self.prior, self.momentum, self.epsilon = float(np.exp(-1 / decay)), prior, momentum, epsilon

    def build(self, x_shape, length_shape=None):
        self.mean = self.add_weight(
            (x_shape[-1],), "zeros", name="mean", trainable=False, autocast=False, dtype="float32"
        )
        self.variance = self.add_weight((1,), "ones", name="variance", trainable=False, autocast=False, dtype="float32")

    def state_shapes(self, shape, start):
        return [(shape[-1],), (1,)]

    def averages(self, x, prior, index, start=None, since=None):
        """Average of the past at each step; the sums that lead to it, without the prior's share.

        Args:
            x: (batch, steps, features), zero outside the utterance. prior: (features,) what counts before the beginning.
            index: (batch, steps) of the steps, from 0.
        """
        sums = exponential_moving_sum(x, self.keep, start, since)
        faded = ops.exp((ops.cast(ops.maximum(index, 0), "float32") + 1.0) * float(np.log(self.keep)))[..., None]
        weight = faded * self.prior + (1.0 - faded) / (1.0 - self.keep)
        return (sums + faded * self.prior * prior) / weight, sums

    def normalise(self, x, index, valid, states=(None, None), since=None):
        """The normalised steps and the two sums; `valid` zeroes what lies outside the utterance."""
        mean, sums = self.averages(valid(x), self.mean, index, states[0], since)
        centred = valid(x - mean)
        squares = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        variance, square_sums = self.averages(squares, self.variance, index, states[1], since)
        return centred / ops.sqrt(variance + self.epsilon), sums, square_sums

    def compute(self, x, length, training=None):
        x = ops.cast(x, "float32")
        if training and self.trainable:
            self.learn(x, length)
        index = ops.arange(ops.shape(x)[1])[None] + ops.zeros_like(length)[:, None]
        return self.normalise(x, index, lambda v: zero_after_length(v, length))[0]

    def learn(self, x, length):
        """Move the training set's averages towards those of this batch."""
        count = ops.maximum(ops.cast(ops.sum(ops.minimum(length, ops.shape(x)[1])), "float32"), 1.0)
        mean = ops.sum(zero_after_length(x, length), axis=(0, 1)) / count
        centred = zero_after_length(x - mean, length)
        variance = ops.sum(ops.square(centred)) / (count * x.shape[-1])
        self.mean.assign(self.mean * self.momentum + mean * (1 - self.momentum))
        self.variance.assign(self.variance * self.momentum + variance * (1 - self.momentum))

    def advance(self, x, position, length, states):
        index = position[:, None] + ops.arange(ops.shape(x)[1])[None]
        y, sums, square_sums = self.normalise(
            ops.cast(x, "float32"),
            index,
            lambda v: zero_outside_range(v, position, length),
            states,
            ops.maximum(-position, 0),
        )
        return y, position, length, [sums[:, -1], square_sums[:, -1]]

    def get_config(self):
        return {**super().get_config(), **self.settings}

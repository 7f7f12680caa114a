"""A network on a window around every frame, computed for all frames of an utterance at once.

Strides inside a window need not divide the shift between windows. The values that a window computes at its own strides
are then at any step of the utterance: convolutions and poolings run at every step with dilated taps (the "a trous"
algorithm), and each window gathers its positions at the end. Every value is computed once and equals the value of a
separate run on the window.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, torch_ops_or_none, zero_after_length
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class SequencePadding(SequenceLayer):
    """Zero steps before and after each utterance.

    Args:
        left: Number of zero steps before it.
        right: Number of zero steps after it.

    Call: `x` (batch, steps, ...), `length` (batch,); returns (batch, left + steps + right, ...).
    """

    def __init__(self, left: int, right: int, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right, self.geometry = left, right, TimeGeometry(1, 1, left, right)

    def call_unmasked(self, x, length, training=None):
        return super().call_unmasked(zero_after_length(x, length), length, training)

    def call_padded(self, x):
        return x


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceMaxPooling(SequenceLayer):
    """Each feature's maximum over `pool_size` steps that lie `dilation_rate` apart. No padding.

    Args:
        pool_size: Number of steps of a window.
        strides: Input steps per output step.
        dilation_rate: Distance between the steps of a window.

    Call: `x` (batch, steps, features), `length` (batch,);
    returns (batch, (steps - (pool_size - 1) * dilation_rate - 1) // strides + 1, features).
    """

    def __init__(self, pool_size: int, strides: int = 1, dilation_rate: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.pool_size, self.strides, self.dilation_rate = pool_size, strides, dilation_rate
        self.geometry = TimeGeometry((pool_size - 1) * dilation_rate + 1, strides)

    def call_padded(self, x):
        size, stride, dilation = self.pool_size, self.strides, self.dilation_rate
        if fused := torch_ops_or_none(x):
            return fused.max_pooling(x, size, stride, dilation)
        steps = (ops.shape(x)[1] - (size - 1) * dilation - 1) // stride + 1
        y = None
        for i in range(size):
            tap = x[:, i * dilation : i * dilation + (steps - 1) * stride + 1 : stride]
            y = tap if y is None else ops.maximum(y, tap)
        return y


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


@keras.saving.register_keras_serializable("kerasrecipes")
class GatherWindowPositions(SequenceLayer):
    """Concatenate the features at the positions of each window.

    Args:
        positions: Number of positions of a window.
        spacing: Steps between two positions.
        strides: Steps between two windows.

    Call: `x` (batch, steps, features), `length` (batch,); returns
    (batch, (steps - (positions - 1) * spacing - 1) // strides + 1, positions * features), position by position.
    """

    def __init__(self, positions: int, spacing: int, strides: int, **kwargs):
        super().__init__(**kwargs)
        self.positions, self.spacing, self.strides = positions, spacing, strides
        self.geometry = TimeGeometry((positions - 1) * spacing + 1, strides)

    def output_feature_shape(self, shape):
        return (self.positions * shape[-1],)

    def call_padded(self, x):
        starts = [p * self.spacing for p in range(self.positions)]
        windows = (ops.shape(x)[1] - starts[-1] - 1) // self.strides + 1
        if fused := torch_ops_or_none(x):
            return fused.GatherWindowPositions.apply(x, starts, windows, self.strides)
        extent = (windows - 1) * self.strides + 1
        return ops.concatenate([x[:, start : start + extent : self.strides] for start in starts], axis=-1)


@keras.saving.register_keras_serializable("kerasrecipes")
class FrameWindows(SequenceLayer):
    """The samples of every window, each normalized to mean 0 and deviation 1, which needs a copy of every window.

    Args:
        window: Samples of a window.
        strides: Samples between two windows.
        left: Zero samples before the utterance.
        right: Zero samples after the utterance.
        epsilon: Added to the variance.

    Call: `x` (batch, samples), `length` (batch,); returns (batch, windows, window, 1).
    """

    def __init__(self, window: int, strides: int, left: int = 0, right: int = 0, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.window, self.strides, self.left, self.right, self.epsilon = window, strides, left, right, epsilon
        self.geometry = TimeGeometry(window, strides, left, right)

    def output_feature_shape(self, shape):
        return (self.window, 1)

    def call_unmasked(self, x, length, training=None):
        return super().call_unmasked(zero_after_length(x, length), length, training)

    def call_padded(self, x):
        windows = (ops.shape(x)[1] - self.window) // self.strides + 1
        index = ops.arange(windows)[:, None] * self.strides + ops.arange(self.window)[None, :]
        x = ops.take(x, index, axis=1)  # (batch, windows, window)
        x = x - ops.mean(x, axis=-1, keepdims=True)
        return (x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.epsilon))[..., None]

"""A network on a window around every frame, for all frames of an utterance at once.

Strides inside a window need not divide the shift between windows. Then what a window would see at its own strides lies
everywhere among all windows: convolutions and poolings run at every step with their taps spread ("a trous"), and each
window picks its positions at the end. Every value is computed once, and equals that of the window on its own.
"""

import keras
from keras import ops

from kerasrecipes.layers.sequence import SequenceLayer, torch_ops_or_none, zero_after_length
from kerasrecipes.layers.time_geometry import TimeGeometry


@keras.saving.register_keras_serializable("kerasrecipes")
class SequencePadding(SequenceLayer):
    """Zero steps before and behind each utterance.

    Args:
        left, right: how many.

    Call: `x` (batch, steps, ...), `length` (batch,); returns (batch, left + steps + right, ...).
    """

    def __init__(self, left: int, right: int, **kwargs):
        super().__init__(**kwargs)
        self.geometry = TimeGeometry(1, 1, left, right)

    def compute(self, x, length, training=None):
        return super().compute(zero_after_length(x, length), length, training)

    def apply(self, x):
        return x

    def get_config(self):
        return {**super().get_config(), "left": self.geometry.left, "right": self.geometry.right}


@keras.saving.register_keras_serializable("kerasrecipes")
class SequenceMaxPooling(SequenceLayer):
    """Each feature's maximum over `pool` steps that lie `dilation` apart; no padding.

    Args:
        pool: steps. stride: input steps per output step. dilation: between the steps.

    Call: `x` (batch, steps, features), `length` (batch,);
    returns (batch, (steps - (pool - 1) * dilation - 1) // stride + 1, features).
    """

    def __init__(self, pool: int, stride: int = 1, dilation: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"pool": pool, "stride": stride, "dilation": dilation}
        self.geometry = TimeGeometry((pool - 1) * dilation + 1, stride)

    def apply(self, x):
        pool, stride, dilation = self.settings["pool"], self.settings["stride"], self.settings["dilation"]
        if fused := torch_ops_or_none(x):
            return fused.max_pooling(x, pool, stride, dilation)
        steps = (ops.shape(x)[1] - (pool - 1) * dilation - 1) // stride + 1
        y = None
        for i in range(pool):
            tap = x[:, i * dilation : i * dilation + (steps - 1) * stride + 1 : stride]
            y = tap if y is None else ops.maximum(y, tap)
        return y

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kerasrecipes")
class GatherWindowPositions(SequenceLayer):
    """The features at a window's positions, side by side, for every window.

    Args:
        positions: of a window. spacing: steps between them. stride: steps between two windows.

    Call: `x` (batch, steps, features), `length` (batch,); returns
    (batch, (steps - (positions - 1) * spacing - 1) // stride + 1, positions * features), position by position.
    """

    def __init__(self, positions: int, spacing: int, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"positions": positions, "spacing": spacing, "stride": stride}
        self.geometry = TimeGeometry((positions - 1) * spacing + 1, stride)

    def output_feature_shape(self, shape):
        return (self.settings["positions"] * shape[-1],)

    def apply(self, x):
        positions, spacing, stride = self.settings["positions"], self.settings["spacing"], self.settings["stride"]
        windows = (ops.shape(x)[1] - (positions - 1) * spacing - 1) // stride + 1
        if fused := torch_ops_or_none(x):
            return fused.WindowPositions.apply(x, [p * spacing for p in range(positions)], windows, stride)
        reach = (windows - 1) * stride + 1
        return ops.concatenate([x[:, p * spacing : p * spacing + reach : stride] for p in range(positions)], axis=-1)

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("kerasrecipes")
class FrameWindows(SequenceLayer):
    """The samples of every window, each with mean 0 and deviation 1: what no single pass over the utterance can give.

    Args:
        window: samples. stride: samples between two windows. left, right: zeros before and behind the utterance.
        epsilon: added to the variance.

    Call: `x` (batch, samples), `length` (batch,); returns (batch, windows, window, 1).
    """

    def __init__(self, window: int, stride: int, left: int = 0, right: int = 0, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"window": window, "stride": stride, "left": left, "right": right, "epsilon": epsilon}
        self.geometry = TimeGeometry(window, stride, left, right)

    def output_feature_shape(self, shape):
        return (self.settings["window"], 1)

    def compute(self, x, length, training=None):
        return super().compute(zero_after_length(x, length), length, training)

    def apply(self, x):
        window, stride = self.settings["window"], self.settings["stride"]
        windows = (ops.shape(x)[1] - window) // stride + 1
        index = ops.arange(windows)[:, None] * stride + ops.arange(window)[None, :]
        x = ops.take(x, index, axis=1)  # (batch, windows, window)
        x = x - ops.mean(x, axis=-1, keepdims=True)
        return (x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.settings["epsilon"]))[..., None]

    def get_config(self):
        return {**super().get_config(), **self.settings}

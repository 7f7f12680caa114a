"""Local conditioning on features of a lower rate, such as a spectrogram (arXiv 1609.03499, section 2.5)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.base import ConfigLayer


@keras.saving.register_keras_serializable("kerasrecipes")
class LocalConditioning(ConfigLayer):
    """Convolve frames of features and upsample them to samples. Items without features use one learned frame.

    Args:
        channels: C, output features.
        kernel_size: Frames of the convolution, centered on the current frame; a ReLU follows it.
        hop_length: Samples of a frame.
        mean: Mean of the features over the training set.
        std: Standard deviation of the features over the training set.
        upsampling: "repeat": the caller repeats the frames when it adds them to samples. "transposed": a transposed
            convolution over 2 hops with one learned filter per channel, initialized to linear interpolation. The paper
            prefers learned upsampling.

    Call: `frames` (batch, frames, bands); `conditioned` (batch,) integers, 0 for items without features; `length`
    (batch,) in samples; `steps` (batch, samples, ...), used for its number of samples only. Returns
    (batch, ceil(samples / hop_length), C), or (batch, samples, C) for "transposed".
    """

    def __init__(self, channels, kernel_size=3, hop_length=160, mean=0.0, std=1.0, upsampling="repeat", **kwargs):
        super().__init__(**kwargs)
        if upsampling not in ("repeat", "transposed"):
            raise ValueError(f"upsampling is 'repeat' or 'transposed', not {upsampling!r}")
        self.channels, self.kernel_size, self.hop_length = channels, kernel_size, hop_length
        self.mean, self.std, self.upsampling = mean, std, upsampling
        self.stride = hop_length if upsampling == "repeat" else 1  # samples per output step

    def build(self, shape, *others):
        self.nothing = self.add_weight((shape[-1],), "zeros", name="nothing_bias")
        self.kernel = self.add_weight((self.kernel_size, shape[-1], self.channels), "glorot_uniform", name="kernel")
        self.bias = self.add_weight((self.channels,), "zeros", name="bias")
        if self.upsampling == "transposed":
            hops = (np.arange(2 * self.hop_length) + 0.5) / self.hop_length
            triangle = np.repeat((1 - np.abs(hops - 1))[:, None], self.channels, axis=1)
            self.filter = self.add_weight(triangle.shape, lambda shape, dtype: ops.cast(triangle, dtype), name="filter")

    def upsample(self, frames: Any, conditioned: Any, length: Any, samples: Any) -> Any:
        """Return the layer's output for a number of samples (an int or a scalar tensor)."""
        hop, count = self.hop_length, (samples + self.hop_length - 1) // self.hop_length
        batch, bands = ops.shape(frames)[0], self.nothing.shape[0]
        frames = (ops.reshape(frames, (batch, -1, bands)) - self.mean) / self.std
        has_features, nothing = ops.cast(conditioned, "bool")[:, None, None], ops.convert_to_tensor(self.nothing)
        frames = ops.where(has_features, pad_or_trim(frames, count, batch, bands), nothing)
        valid = ops.arange(count)[None, :] * hop < ops.cast(length, "int32")[:, None]
        valid = ops.expand_dims(ops.cast(valid, frames.dtype), -1)
        padded = ops.pad(frames * valid, ((0, 0), ((self.kernel_size - 1) // 2, self.kernel_size // 2), (0, 0)))
        y = ops.relu(ops.conv(padded, ops.convert_to_tensor(self.kernel), padding="valid") + self.bias) * valid
        if self.upsampling == "repeat":
            return y
        spread = y[:, :, None] * ops.convert_to_tensor(self.filter)[None, None]  # (batch, count, 2 hops, C)
        after, before = ((0, 0), (0, 1), (0, 0), (0, 0)), ((0, 0), (1, 0), (0, 0), (0, 0))
        y = ops.pad(spread[:, :, :hop], after) + ops.pad(spread[:, :, hop:], before)
        y = ops.reshape(y, (batch, -1, self.channels))  # begins half a hop before the first sample
        return y[:, hop // 2 :][:, :samples]

    def call(self, frames, conditioned, length, steps):
        return self.upsample(frames, conditioned, length, ops.shape(steps)[1])

    def compute_output_spec(self, frames, conditioned, length, steps):
        samples = steps.shape[1]
        count = None if samples is None else -(-samples // self.stride)
        return keras.KerasTensor((frames.shape[0], count, self.channels), dtype=self.compute_dtype)


def pad_or_trim(frames: Any, count: Any, batch: Any, bands: int) -> Any:
    """Return `count` frames of `frames` (batch, any number, bands): trimmed, or followed by zeros."""
    return ops.concatenate([frames, ops.zeros((batch, count, bands), frames.dtype)], axis=1)[:, :count]

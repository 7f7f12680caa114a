"""Local conditioning: features at a lower rate, such as a spectrogram, for every sample (arXiv 1609.03499, section 2.5)."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasrecipes")
class LocalConditioning(keras.layers.Layer):
    """Frames of features, or a learned frame where there are none, seen with their neighbours and brought to the samples.

    Args:
        channels: C, output features. kernel: frames that a convolution with rectifiers sees, half of them ahead.
        hop: samples of a frame. mean, deviation: of the features over the training set; they are normalised by these.
        upsampling: "repeat", by whoever adds them to samples; "transposed", by a transposed convolution of 2 hops with
            one learned filter per channel, which begins as linear interpolation. The paper found learned ones better.

    Call: `frames` (batch, frames, bands); `conditioned` (batch,) integers, 0 where an item has no features; `length`
    (batch,) in samples; `steps` (batch, samples, ...), of which only the number of samples counts. Returns
    (batch, ceil(samples / hop), C), for "transposed" (batch, samples, C).
    """

    def __init__(
        self, channels: int, kernel: int = 3, hop: int = 160, mean: float = 0.0, deviation: float = 1.0,
        upsampling: str = "repeat", **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if upsampling not in ("repeat", "transposed"):
            raise ValueError(f"upsampling is 'repeat' or 'transposed', not {upsampling!r}")
        self.settings: dict[str, Any] = {
            "channels": channels, "kernel": kernel, "hop": hop, "mean": mean, "deviation": deviation, "upsampling": upsampling,
        }  # fmt: skip
        self.hop = hop
        self.stride = hop if upsampling == "repeat" else 1  # samples per output step

    def build(self, shape, *others):
        s = self.settings
        self.nothing = self.add_weight((shape[-1],), "zeros", name="nothing_bias")
        self.kernel = self.add_weight((s["kernel"], shape[-1], s["channels"]), "glorot_uniform", name="kernel")
        self.bias = self.add_weight((s["channels"],), "zeros", name="bias")
        if s["upsampling"] == "transposed":
            place = (np.arange(2 * self.hop) + 0.5) / self.hop
            triangle = np.repeat((1 - np.abs(place - 1))[:, None], s["channels"], axis=1)
            self.filter = self.add_weight(triangle.shape, lambda shape, dtype: ops.cast(triangle, dtype), name="filter")

    def over(self, frames: Any, conditioned: Any, length: Any, samples: Any) -> Any:
        """As the call, for a number of samples (an int or a scalar tensor)."""
        s, count = self.settings, (samples + self.hop - 1) // self.hop
        batch, bands = ops.shape(frames)[0], self.nothing.shape[0]
        frames = (ops.reshape(frames, (batch, -1, bands)) - s["mean"]) / s["deviation"]
        given, nothing = ops.cast(conditioned, "bool")[:, None, None], ops.convert_to_tensor(self.nothing)
        frames = ops.where(given, pad_or_trim(frames, count, batch, bands), nothing)
        valid = ops.arange(count)[None, :] * self.hop < ops.cast(length, "int32")[:, None]
        valid = ops.expand_dims(ops.cast(valid, frames.dtype), -1)
        padded = ops.pad(frames * valid, ((0, 0), ((s["kernel"] - 1) // 2, s["kernel"] // 2), (0, 0)))
        y = ops.relu(ops.conv(padded, ops.convert_to_tensor(self.kernel), padding="valid") + self.bias) * valid
        if s["upsampling"] == "repeat":
            return y
        spread = y[:, :, None] * ops.convert_to_tensor(self.filter)[None, None]  # (batch, count, 2 hops, C)
        edge = ((0, 0), (0, 1), (0, 0), (0, 0)), ((0, 0), (1, 0), (0, 0), (0, 0))
        joined = ops.pad(spread[:, :, : self.hop], edge[0]) + ops.pad(spread[:, :, self.hop :], edge[1])
        joined = ops.reshape(joined, (batch, -1, s["channels"]))  # begins half a hop before the first sample
        return joined[:, self.hop // 2 :][:, :samples]

    def call(self, frames, conditioned, length, steps):
        return self.over(frames, conditioned, length, ops.shape(steps)[1])

    def compute_output_spec(self, frames, conditioned, length, steps):
        samples = steps.shape[1]
        count = None if samples is None else -(-samples // self.stride)
        return keras.KerasTensor((frames.shape[0], count, self.settings["channels"]), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **self.settings}


def pad_or_trim(frames: Any, count: Any, batch: Any, bands: int) -> Any:
    """`frames` (batch, any number, bands) with `count` of them: cut, or zeros behind."""
    return ops.concatenate([frames, ops.zeros((batch, count, bands), frames.dtype)], axis=1)[:, :count]

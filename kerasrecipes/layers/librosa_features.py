"""Front ends of public checkpoints whose authors computed features with librosa: centered frames, and log(1 + magnitude).

librosa centers frame k at the sample k * hop_length, so half a frame before the first sample and after the last one is filled with
the reflected signal (`librosa.stft` with `center=True`, whose default was reflection until version 0.10).
"""

import keras
import numpy as np
from keras import ops

from kerasrecipes.layers.mfcc import MagnitudeSpectrogram
from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.time_geometry import TimeGeometry

HAMMING = 0.54, 0.46
WINDOWS = {"hann": (0.5, 0.5), "hamming": HAMMING, "hamming_symmetric": HAMMING}


def cosine_window(name: str, length: int) -> np.ndarray:
    """Return a window `a - b cos(2 pi n / N)` as float64, with N = length, or length - 1 for a symmetric one.

    Args:
        name: A key of `WINDOWS`.
        length: Number of samples.

    Raises:
        ValueError: There is no such window.
    """
    if name not in WINDOWS:
        raise ValueError(f"There is no window {name!r}: choose one of {', '.join(WINDOWS)}")
    a, b = WINDOWS[name]
    return a - b * np.cos(2 * np.pi * np.arange(length) / (length - name.endswith("_symmetric")))


@keras.saving.register_keras_serializable("kerasrecipes")
class ReflectPadding(SequenceLayer):
    """Add the reflected signal before the first sample and after each item's last sample, as `numpy.pad(mode="reflect")` does.

    Args:
        padding: Samples on each side. They are reflected again and again where an item is shorter.

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, samples + 2 * padding), length + 2 * padding. An item
    without samples stays without.
    """

    whole_utterance = True  # the position of the last sample must be known

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding
        self.geometry = TimeGeometry(1, 1, padding, padding)

    def call_unmasked(self, x, length, training=None):
        position = ops.abs(ops.arange(ops.shape(x)[1] + 2 * self.padding) - self.padding)  # ONNX's remainders of negatives differ
        period = ops.maximum(2 * (ops.cast(length, "int32") - 1), 1)[:, None]
        position = ops.mod(position[None, :], period)
        return ops.take_along_axis(x, ops.minimum(position, period - position), axis=1)

    def call_numpy(self, x):
        return np.pad(x, self.padding, mode="reflect") if len(x) else x


@keras.saving.register_keras_serializable("kerasrecipes")
class Log1pSpectrogram(MagnitudeSpectrogram):
    """`log(1 + |DFT(window * frame)|)` of overlapping frames, as deepspeech.pytorch computes it.

    Args:
        win_length: Samples of a frame, and size of the DFT.
        hop_length: Samples between frames.
        window: "hamming" (periodic), "hamming_symmetric" or "hann".

    Call: `audio` (batch, samples), `length` (batch,); returns (batch, frames, win_length // 2 + 1), (batch,) with
    frames = (samples - win_length) // hop_length + 1.
    """

    def __init__(self, win_length: int = 320, hop_length: int = 160, window: str = "hamming", **kwargs):
        options = {"n_fft": win_length, "pre_emphasis": 0.0, "epsilon": 1e-10}
        super().__init__(win_length, hop_length, **{**options, **kwargs})
        self.window = window
        angle = 2 * np.pi * (np.outer(np.arange(win_length), np.arange(win_length // 2 + 1)) % win_length) / win_length
        kernels = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * cosine_window(window, win_length)[:, None]
        self.kernels = kernels[:, None, :].astype("float32")

    def call_padded(self, x):
        return ops.log(super().call_padded(x) + 1.0)  # ONNX has no log1p

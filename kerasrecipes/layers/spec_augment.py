"""Spectrograms made worse on purpose, in training only: SpecAugment (arXiv 1904.08779) and lost high frequencies."""

import keras
from keras import ops, random

from kerasrecipes.layers.sequence import SequenceLayer


@keras.saving.register_keras_serializable("kerasrecipes")
class SpecAugment(SequenceLayer):
    """Zero random bands of bins and random spans of frames while training; the identity otherwise.

    Args:
        bin_masks, bin_width: how many bands, and the widest one in bins (width uniform in 0 ... bin_width).
        frame_masks, frame_width: how many spans, and the longest in frames; never over `frame_share` of the utterance.
        frame_share: largest share of an utterance that one span covers.
        seed: of the masks.

    Call: `x` (batch, frames, bins) of zero mean, `length` (batch,).
    """

    def __init__(self, bin_masks=2, bin_width=27, frame_masks=2, frame_width=40, frame_share=0.15, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "bin_masks": bin_masks, "bin_width": bin_width,
            "frame_masks": frame_masks, "frame_width": frame_width, "frame_share": frame_share,
        }  # fmt: skip
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def _kept(self, steps, batch, masks, widest, limit):
        """(batch, steps) True where no mask lies; `widest` and `limit` are (batch, 1) floats."""
        position = ops.arange(steps, dtype="float32")[None, :]
        kept = ops.ones((batch, steps), dtype="bool")
        for _ in range(masks):
            width = random.uniform((batch, 1), seed=self.generator) * widest
            start = random.uniform((batch, 1), seed=self.generator) * (limit - width)
            kept = ops.logical_and(kept, ops.logical_or(position < start, position >= start + width))
        return kept

    def apply(self, x):
        return x

    def compute(self, x, length, training=None):
        if not training:
            return self.apply(x)
        s = self.settings
        batch, frames, bins = ops.shape(x)[0], ops.shape(x)[1], x.shape[2]
        frames_valid = ops.cast(length, "float32")[:, None]
        ones = ops.ones_like(frames_valid)
        by_bin = self._kept(bins, batch, s["bin_masks"], ones * s["bin_width"], ones * bins)
        widest = ops.minimum(ones * s["frame_width"], frames_valid * s["frame_share"])
        by_frame = self._kept(frames, batch, s["frame_masks"], widest, frames_valid)
        return x * ops.cast(by_bin[:, None, :], x.dtype) * ops.cast(by_frame[:, :, None], x.dtype)

    def get_config(self):
        return {**super().get_config(), **self.settings, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasrecipes")
class RandomLowPass(SequenceLayer):
    """Cut the top of some utterances' log spectra while training, as lossy codecs and telephones do; else the identity.

    Stands before the normalisation, whose statistics then are those of a limited recording.

    Args:
        share: of the utterances that are cut.
        lowest: share of the bins that is kept at least; the edge is uniform between it and 1.
        value: what stands above the edge: the logarithm of the spectrogram's floor.
        seed: of shares and edges.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    def __init__(self, share: float = 0.5, lowest: float = 0.4, value: float = -4.6, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"share": share, "lowest": lowest, "value": value}
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def apply(self, x):
        return x

    def compute(self, x, length, training=None):
        if not training:
            return self.apply(x)
        s, batch, bins = self.settings, ops.shape(x)[0], x.shape[2]
        edge = random.uniform((batch, 1), s["lowest"], 1.0, seed=self.generator) * bins
        cut = random.uniform((batch, 1), seed=self.generator) < s["share"]
        lost = ops.logical_and(cut, ops.arange(bins, dtype="float32")[None] >= edge)  # (batch, bins)
        return ops.where(lost[:, None], ops.cast(s["value"], x.dtype), x)

    def get_config(self):
        return {**super().get_config(), **self.settings, "seed": self.seed}

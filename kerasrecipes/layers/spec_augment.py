"""Augmentation of spectrograms in training: SpecAugment with vocal tract length perturbation, and a random low-pass filter.

Sources: SpecAugment (Park et al., arXiv 1904.08779); Vocal Tract Length Perturbation improves speech recognition (Jaitly and
Hinton, ICML 2013 workshop on deep learning for audio, speech and language processing).
"""

import math

import keras
import numpy as np
from keras import ops, random

from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.spectrogram import mel_frequencies

MAX_WARPED_FREQUENCY = 4800.0  # Hz. Above it a line leads to half the sample rate


@keras.saving.register_keras_serializable("kerasrecipes")
class SpecAugment(SequenceLayer):
    """Zero random bands of bins and random spans of frames in training. The identity in inference.

    With `max_frequency_warp`, each utterance first sounds like a speaker with a shorter or longer vocal tract: frequencies
    below 4,800 Hz are multiplied by a random factor (Jaitly and Hinton), in place of SpecAugment's warp of time.

    Args:
        freq_masks: Number of masked bands.
        freq_mask_width: Largest width of a band in bins; the width is uniform in 0 ... freq_mask_width.
        time_masks: Number of masked spans.
        time_mask_width: Largest length of a span in frames.
        max_time_fraction: Largest fraction of an utterance that one span covers.
        seed: Seed of the masks.
        max_frequency_warp: Largest change of frequencies; the factor is uniform in 1 - max_frequency_warp ... 1 +
            max_frequency_warp. 0 for none.
        mel: True if the bins are evenly spaced mel bands, False if they are those of a DFT.
        sample_rate: Sample rate of the audio in Hz, for the warp.

    Call: `x` (batch, frames, bins) of zero mean, `length` (batch,).
    """

    def __init__(
        self, freq_masks=2, freq_mask_width=27, time_masks=2, time_mask_width=40, max_time_fraction=0.15, seed=None,
        max_frequency_warp=0.0, mel=False, sample_rate=16000, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.freq_masks, self.freq_mask_width = freq_masks, freq_mask_width
        self.time_masks, self.time_mask_width = time_masks, time_mask_width
        self.max_time_fraction, self.seed, self.generator = max_time_fraction, seed, random.SeedGenerator(seed)
        self.max_frequency_warp, self.mel, self.sample_rate = max_frequency_warp, mel, sample_rate

    def _mask(self, steps, batch, masks, max_width, limit):
        """Return (batch, steps) True outside all masks. `max_width` and `limit` are (batch, 1) floats."""
        position = ops.arange(steps, dtype="float32")[None, :]
        unmasked = ops.ones((batch, steps), dtype="bool")
        for _ in range(masks):
            width = random.uniform((batch, 1), seed=self.generator) * max_width
            start = random.uniform((batch, 1), seed=self.generator) * (limit - width)
            unmasked = ops.logical_and(unmasked, ops.logical_or(position < start, position >= start + width))
        return unmasked

    def _warp_frequencies(self, x):
        """Return x (batch, frames, bins) whose every bin is read at its warped frequency, between the two nearest bins."""
        bins, top = x.shape[2], self.sample_rate / 2
        spread = self.max_frequency_warp
        factor = random.uniform((ops.shape(x)[0], 1), 1 - spread, 1 + spread, seed=self.generator)
        knee = MAX_WARPED_FREQUENCY * ops.minimum(factor, 1.0)  # in Hz, after the warp
        step = ops.arange(bins, dtype="float32")[None]
        frequencies = mel_frequencies(bins, self.sample_rate)[1:-1] if self.mel else np.linspace(0, top, bins)
        hertz = ops.convert_to_tensor(frequencies[None], dtype="float32")
        slope = (top - knee) / (top - knee / factor)  # of the line from the knee to half the sample rate
        warped = ops.where(hertz <= knee / factor, hertz * factor, top - slope * (top - hertz))
        # up to the top there are bins + 1 equal steps of mel, and bin 0 is one step up
        position = ops.log1p(warped / 700) / math.log1p(top / 700) * (bins + 1) - 1 if self.mel else warped / top * (bins - 1)
        position = ops.clip(position, 0, bins - 1)
        weights = ops.relu(1 - ops.abs(position[:, None, :] - step[:, :, None]))  # (batch, bins before, bins after)
        return ops.matmul(x, ops.cast(weights, x.dtype))

    def call_padded(self, x):
        return x

    def call_unmasked(self, x, length, training=None):
        if not training:
            return x
        if self.max_frequency_warp:
            x = self._warp_frequencies(x)
        batch, frames, bins = ops.shape(x)[0], ops.shape(x)[1], x.shape[2]
        valid_frames = ops.cast(length, "float32")[:, None]
        ones = ops.ones_like(valid_frames)
        freq_mask = self._mask(bins, batch, self.freq_masks, ones * self.freq_mask_width, ones * bins)
        max_width = ops.minimum(ones * self.time_mask_width, valid_frames * self.max_time_fraction)
        time_mask = self._mask(frames, batch, self.time_masks, max_width, valid_frames)
        return x * ops.cast(freq_mask[:, None, :], x.dtype) * ops.cast(time_mask[:, :, None], x.dtype)


@keras.saving.register_keras_serializable("kerasrecipes")
class RandomLowPass(SequenceLayer):
    """Remove the highest bins of some log spectrograms in training, as lossy codecs and telephones do, otherwise the identity.

    The layer comes before the normalization, whose statistics are then those of a band-limited recording.

    Args:
        prob: Fraction of the utterances that are filtered.
        min_cutoff: Smallest fraction of the bins that stays; the cutoff is uniform between it and 1.
        fill_value: Value above the cutoff: the logarithm of the spectrogram's `epsilon`.
        seed: Seed of the cutoffs.

    Call: `x` (batch, frames, bins), `length` (batch,).
    """

    def __init__(self, prob=0.5, min_cutoff=0.4, fill_value=-4.6, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.prob, self.min_cutoff, self.fill_value = prob, min_cutoff, fill_value
        self.seed, self.generator = seed, random.SeedGenerator(seed)

    def call_padded(self, x):
        return x

    def call_unmasked(self, x, length, training=None):
        if not training:
            return x
        batch, bins = ops.shape(x)[0], x.shape[2]
        cutoff = random.uniform((batch, 1), self.min_cutoff, 1.0, seed=self.generator) * bins
        filtered = random.uniform((batch, 1), seed=self.generator) < self.prob
        removed = ops.logical_and(filtered, ops.arange(bins, dtype="float32")[None] >= cutoff)  # (batch, bins)
        return ops.where(removed[:, None], ops.cast(self.fill_value, x.dtype), x)

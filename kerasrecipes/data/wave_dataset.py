"""Batches of random audio crops for WaveNet: samples, next samples, speakers and mel spectrograms."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import audio
from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.audio_cache import AudioCache
from kerasrecipes.data.keras_adapter import EpochDataset
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.errors import DataError

SPEAKER_DROPOUT_UNCONDITIONED = 0.5  # probability that a crop without spectrogram also loses its speaker ...
SPEAKER_DROPOUT_CONDITIONED = 0.05  # ... and a crop with one


class WaveDataset(EpochDataset):
    """Batches of crops `({"audio", "length", "speaker", "spectrogram", "conditioned"}, codes (batch, samples) int32)`.

    Inputs are the samples before the targets, with silence before the first: target t is the sample that follows input t. A
    crop begins with the samples of the receptive field, rounded up to frames, which have no target (-1). So every target is
    predicted from as many samples as the network can see. A crop at a clip's beginning has no samples before it and all
    targets, as generation does. Crops start uniformly as if the receptive field also preceded the clip, so beginnings are
    sampled about as often as other positions. A batch depends only on the seed, the epoch and its index.

    Args:
        waves: Recordings: arrays (samples,) float32, or an `AudioCache`.
        speakers: Speaker name of each recording, "" for none.
        model: `WaveNetGenerator` that gives the geometry and the features.
        batch_seconds: Audio with targets in a batch. Seconds, default 4.
        crop_seconds: Audio with targets in a crop. Seconds, default 1.
        conditioning_dropout: Probability that a crop loses its spectrogram. Half of these, and a few others, also lose the
            speaker. Default 0.15.
        seed: Seed of crops and dropout. Default 0.

    Raises:
        DataError: There is no recording, or the model does not know a speaker.
    """

    def __init__(
        self, waves: Any, speakers: Sequence[str], model: Any, *, batch_seconds: float = 4.0, crop_seconds: float = 1.0,
        conditioning_dropout: float = 0.15, seed: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.waves, self.model, self.seed, self.conditioning_dropout = waves, model, seed, conditioning_dropout
        is_cache = isinstance(waves, AudioCache)
        self.lengths = waves.lengths()[:, 0] if is_cache else np.array([len(w) for w in waves], "int64")
        if not len(self.lengths):
            raise DataError("There is no recording to train on")
        numbers = {name: model.speaker_number(name) if model.speakers else 0 for name in sorted(set(speakers))}
        self.speakers = np.array([numbers[name] for name in speakers], "int32")
        hop = model.hop_length
        self.crop_samples = max(round(crop_seconds * model.sample_rate / hop), 1) * hop
        self.context_samples = -(-(model.receptive_field - 1) // hop) * hop
        self.batch_size = max(round(batch_seconds * model.sample_rate / self.crop_samples), 1)
        self.batches_per_epoch = max(-(-int(self.lengths.sum()) // (self.batch_size * self.crop_samples)), 1)

    def __len__(self) -> int:
        return self.batches_per_epoch

    def read_audio(self, clip: int) -> np.ndarray:
        """Return a recording, (samples,) float32."""
        return self.waves.read(clip, 0) if isinstance(self.waves, AudioCache) else self.waves[clip]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        model, hop, size = self.model, self.model.hop_length, self.context_samples + self.crop_samples
        rng, clips = self._sample_clips(index)
        inputs, targets = np.zeros((self.batch_size, size), "float32"), np.full((self.batch_size, size), -1, "int32")
        length = np.zeros(self.batch_size, "int32")
        margin = model.margin if model.n_mels else 0
        mel_audio = np.zeros(
            (self.batch_size, size - hop + model.hparams["mel_win_length"] if model.n_mels else 0), "float32"
        )
        for row, clip in enumerate(clips):
            wave = self.read_audio(int(clip))
            last = max((len(wave) - size) // hop, 0)
            start = max(int(rng.integers(-(self.context_samples // hop), last + 1)), 0) * hop
            crop = wave[start : start + size]
            length[row] = len(crop)
            inputs[row, 1 : len(crop)] = crop[:-1]
            inputs[row, 0] = wave[start - 1] if start else 0.0
            first = self.context_samples if start else 0
            targets[row, first : len(crop)] = model.encode(crop[first:])
            if model.n_mels:
                begin, end = start - margin, start - margin + mel_audio.shape[1]
                chunk = wave[max(begin, 0) : max(end, 0)]
                mel_audio[row, max(-begin, 0) : max(-begin, 0) + len(chunk)] = chunk
        batch = {"audio": inputs, "length": length}
        unconditioned = rng.random(self.batch_size) < self.conditioning_dropout
        dropout = np.where(unconditioned, SPEAKER_DROPOUT_UNCONDITIONED, SPEAKER_DROPOUT_CONDITIONED)
        anonymous = rng.random(self.batch_size) < dropout
        if model.speakers:
            batch["speaker"] = np.where(anonymous, 0, self.speakers[clips]).astype("int32")
        if model.n_mels:
            batch |= {"spectrogram": model.log_mel(mel_audio), "conditioned": 1 - unconditioned.astype("int32")}
        return batch, targets

    def batch_clip_indices(self, index: int) -> list[int]:
        """Return the indices of the recordings that a batch's crops come from."""
        return self._sample_clips(index)[1].tolist()

    def _sample_clips(self, index: int) -> tuple[np.random.Generator, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return rng, rng.choice(len(self.lengths), self.batch_size, p=self.lengths / self.lengths.sum())


def open_audio_cache(utterances: Utterances, model: Any, folder: str | Path | None = None) -> AudioCache:
    """Decode clips once into a folder. Default: see `AudioCache`."""
    if model.sample_rate != SAMPLE_RATE:
        raise DataError(
            f"Clips are cached at {SAMPLE_RATE} Hz; pass files or arrays to train at {model.sample_rate} Hz"
        )
    return AudioCache([u.path for u in utterances], (1.0,), folder)


def prepare_fit_audio(x: Any, model: Any, sample_rate: int | None, speaker: str | None) -> tuple[Any, list[str]] | None:
    """Turn what `fit` was given into recordings and speaker names, or return None for what Keras handles itself."""
    if isinstance(x, Utterances):
        return open_audio_cache(x, model), [u.speaker for u in x]
    if isinstance(x, str | os.PathLike):
        x = audio.list_audio_files(x)
    if not isinstance(x, list) or not x:
        return None
    if not all(isinstance(v, str | os.PathLike) or (isinstance(v, np.ndarray) and v.ndim == 1) for v in x):
        return None
    waves = [audio.load_audio(v, sample_rate=sample_rate, target=model.sample_rate) for v in audio.list_audio_files(x)]
    return waves, [speaker or ""] * len(waves)

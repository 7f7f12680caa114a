"""Random crops of recordings for generators: what came before, what comes next, who speaks and what is said."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrecipes import audio
from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.audio_cache import AudioCache
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.errors import DataError

SPEAKER_DROPOUT_UNCONDITIONED = 0.5  # share of crops without spectrogram that also lack the speaker ...
SPEAKER_DROPOUT_CONDITIONED = 0.05  # ... and of those with one


class WaveDataset(keras.utils.PyDataset):
    """Batches of crops `({"audio", "length", "speaker", "spectrogram", "conditioned"}, codes (batch, samples) int32)`.

    The network sees each sample's predecessors, silence before the first; target t is the sample that follows input t.
    A crop begins with as many samples as the receptive field needs, rounded up to frames, which are not scored (target
    -1): every scored sample is predicted from all that the network can see, as it is in the middle of a sound. A crop at
    a clip's beginning has nothing before it; there all is scored, from the network's zeros on, which is where generating
    begins. The crop's start is drawn as if the receptive field lay before the clip too, so that beginnings are met about
    as often as other places.

    A batch depends only on seed, pass and its number.

    Args:
        waves: recordings, arrays (samples,) float32 or an `AudioCache`. speakers: the name of each, "" for nobody.
        model: a `WaveGenerator`, for its geometry and features.
        batch_seconds, crop_seconds: scored audio of a batch and of a crop. unconditioned: share of crops whose spectrogram
            is taken away; half of these, and a few others, also lose the speaker.
        seed: of everything drawn.

    Raises:
        DataError: no recording, or a speaker that the model does not know.
    """

    def __init__(
        self, waves: Any, speakers: Sequence[str], model: Any, *, batch_seconds: float = 4.0, crop_seconds: float = 1.0,
        unconditioned: float = 0.15, seed: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.waves, self.model, self.seed, self.unconditioned = waves, model, seed, unconditioned
        cached = isinstance(waves, AudioCache)
        self.lengths = waves.lengths()[:, 0] if cached else np.array([len(w) for w in waves], "int64")
        if not len(self.lengths):
            raise DataError("There is no recording to train on")
        numbers = {name: model.speaker_number(name) if model.speakers else 0 for name in sorted(set(speakers))}
        self.speakers = np.array([numbers[name] for name in speakers], "int32")
        hop = model.hop
        self.crop = max(round(crop_seconds * model.sample_rate / hop), 1) * hop
        self.before = -(-(model.receptive_field - 1) // hop) * hop
        self.rows = max(round(batch_seconds * model.sample_rate / self.crop), 1)
        self.count = max(-(-int(self.lengths.sum()) // (self.rows * self.crop)), 1)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Begin a pass, counted from 0: as many crops as cover the recordings once."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        """Keras calls this after a pass."""
        self.set_epoch(self.epoch + 1)

    def __len__(self) -> int:
        return self.count

    def wave(self, i: int) -> np.ndarray:
        """A recording, (samples,) float32."""
        return self.waves.wave(i, 0) if isinstance(self.waves, AudioCache) else self.waves[i]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        model, hop, size = self.model, self.model.hop, self.before + self.crop
        rng, clips = self._sample_clips(index)
        given, codes = np.zeros((self.rows, size), "float32"), np.full((self.rows, size), -1, "int32")
        length = np.zeros(self.rows, "int32")
        margin = model.margin if model.mels else 0
        heard = np.zeros((self.rows, size - hop + model.settings["mel_window"] if model.mels else 0), "float32")
        for row, clip in enumerate(clips):
            wave = self.wave(int(clip))
            last = max((len(wave) - size) // hop, 0)
            start = max(int(rng.integers(-(self.before // hop), last + 1)), 0) * hop
            part = wave[start : start + size]
            length[row] = len(part)
            given[row, 1 : len(part)] = part[:-1]
            given[row, 0] = wave[start - 1] if start else 0.0
            first = self.before if start else 0
            codes[row, first : len(part)] = model.encode(part[first:])
            if model.mels:
                low, high = start - margin, start - margin + heard.shape[1]
                piece = wave[max(low, 0) : max(high, 0)]
                heard[row, max(-low, 0) : max(-low, 0) + len(piece)] = piece
        inputs = {"audio": given, "length": length}
        dropped = rng.random(self.rows) < self.unconditioned
        nobody = rng.random(self.rows) < np.where(dropped, SPEAKER_DROPOUT_UNCONDITIONED, SPEAKER_DROPOUT_CONDITIONED)
        if model.speakers:
            inputs["speaker"] = np.where(nobody, 0, self.speakers[clips]).astype("int32")
        if model.mels:
            inputs |= {"spectrogram": model.bands(heard), "conditioned": 1 - dropped.astype("int32")}
        return inputs, codes

    def clips(self, index: int) -> list[int]:
        """Numbers of the recordings that a batch's crops come from."""
        return self._sample_clips(index)[1].tolist()

    def _sample_clips(self, index: int) -> tuple[np.random.Generator, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return rng, rng.choice(len(self.lengths), self.rows, p=self.lengths / self.lengths.sum())


def open_audio_cache(utterances: Utterances, model: Any, folder: str | Path | None = None) -> AudioCache:
    """Clips decoded once into a folder; default: one for temporary files.

    Raises:
        DataError: the model's rate is not that of the cache.
    """
    if model.sample_rate != SAMPLE_RATE:
        raise DataError(
            f"Clips are cached at {SAMPLE_RATE} Hz; pass files or arrays to train at {model.sample_rate} Hz"
        )
    return AudioCache(
        [u.path for u in utterances], (1.0,), folder or Path(tempfile.gettempdir()) / "kerasrecipes_audio"
    )


def prepare_fit_audio(x: Any, model: Any, sample_rate: int | None, speaker: str | None) -> tuple[Any, list[str]] | None:
    """What `fit` was given as (waves, speaker names); None where it is nothing of the kind: Keras's own affair.

    Args:
        x: utterances; a folder or file; a list of files or of one-dimensional arrays with `sample_rate`.
    """
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

"""Batches of utterances of similar length, in an order that depends on nothing but seed, pass and place."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.audio_cache import AudioCache
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.losses.min_frames import min_ctc_frames
from kerasrecipes.utils import tar_members


def open_audio(utterances: Utterances, speeds: Sequence[float], cache_dir: str | Path | None) -> Any:
    """The audio of a set: of shards read clip by clip, of anything else decoded into one file first."""
    paths = [u.path for u in utterances]
    if paths and all(map(tar_members.is_member_url, paths)):
        from kerasrecipes.data.shards import ShardedAudioReader

        return ShardedAudioReader(paths, speeds)
    return AudioCache(paths, speeds, cache_dir or Path(tempfile.gettempdir()) / "kerasrecipes_audio")


class SpeechDataset(keras.utils.PyDataset):
    """Batches `({"audio": (batch, samples) float32, "length": (batch,) int32}, labels (batch, labels) int32)`.

    Audio and labels are padded with zeros; label 0 is the blank, or nothing. A batch depends only on seed, pass and its number, so
    a run resumed in the middle of a pass sees what it would have seen.

    Args:
        utterances: the clips. alphabet: that spells their texts.
        output_length: from samples (array) to the network's frames; a transcript that does not fit its frames is left
            out and reported by name.
        batch_seconds: padded audio in a batch. batch_size: a fixed number of utterances instead.
        order: "sortagrad" (first pass by increasing length, then random: Deep Speech 2, section 3.3), "random" or "sorted".
        seed: of order, speeds and augmentation.
        speeds: one is drawn for each utterance and pass.
        augment: a `data.Augment`, or None.
        cache_dir: of the decoded audio; default: a folder for temporary files.

    Raises:
        DataError: nothing is left to train on, or a text has characters outside the alphabet.
    """

    INFEASIBLE_MESSAGE = "transcripts are longer than their audio allows"
    NOTHING = "each is too short for its transcript, or has none"

    def __init__(
        self, utterances: Utterances, alphabet: Alphabet, output_length: Callable[[Any], Any], *,
        batch_seconds: float = 60.0, batch_size: int | None = None, order: str = "random", seed: int = 0,
        speeds: Sequence[float] = (1.0,), augment: Any = None, cache_dir: str | Path | None = None, quiet: bool = False,
    ):  # fmt: skip
        super().__init__()
        if order not in ("sortagrad", "random", "sorted"):
            raise DataError(f"order is 'sortagrad', 'random' or 'sorted', not {order!r}")
        self.order, self.seed, self.augment = order, seed, augment
        self.batch_samples, self.batch_size = batch_seconds * SAMPLE_RATE, batch_size
        self.cache = open_audio(utterances, speeds, cache_dir)
        self.lengths = self.cache.lengths()
        self.utterances, self.labels = utterances, self.encoded(utterances, alphabet)
        self.frames = np.asarray(output_length(self.lengths))  # (clips, speeds)
        fits = self.fitting()
        self.infeasible = [u.id for u, ok in zip(utterances, fits, strict=True) if not ok]
        if not fits.any():
            raise DataError(f"No utterance can be trained on: {self.NOTHING}")
        if self.infeasible and not quiet:
            shown = ", ".join(self.infeasible[:5]) + (", ..." if len(self.infeasible) > 5 else "")
            Console(stderr=True).print(
                f"{len(self.infeasible)} of {len(utterances)} {self.INFEASIBLE_MESSAGE}, left out: {shown}"
            )
        self.usable = np.flatnonzero(fits)
        self.set_epoch(0)

    def encoded(self, utterances: Utterances, alphabet: Alphabet) -> list[np.ndarray]:
        """The labels of each utterance."""
        return [alphabet.encode(u.text) for u in utterances]

    def fitting(self) -> np.ndarray:
        """Whether each utterance's labels fit its audio at every speed."""
        needed = np.array([max(min_ctc_frames(row), 1) for row in self.labels])
        return (self.frames >= needed[:, None]).all(axis=1) & np.array([len(row) > 0 for row in self.labels])

    def target(self, clip: int) -> np.ndarray:
        """The labels of a clip in this pass."""
        return self.labels[clip]

    def hours_by_source(self) -> dict[str, float]:
        """Hours of each set in the mix that are trained on, at normal speed."""
        hours: dict[str, float] = {}
        for i in self.usable:
            source = self.utterances[int(i)].source
            normal = self.lengths[i, 0] * self.cache.speeds[0]
            hours[source] = hours.get(source, 0.0) + normal / SAMPLE_RATE / 3600
        return hours

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of a pass, counted from 0."""
        self.epoch = epoch
        rng = np.random.default_rng([self.seed, epoch])
        count = len(self.lengths)
        self.speed = rng.integers(0, len(self.cache.speeds), count)
        samples = self.lengths[np.arange(count), self.speed]
        by_length = self.order == "sorted" or (self.order == "sortagrad" and epoch == 0)
        jitter = 1.0 if by_length else rng.uniform(0.95, 1.05, count)  # so that batches are mixed anew in every pass
        order = np.argsort(samples * jitter, kind="stable")
        self.batches: list[list[int]] = [[]]
        longest = 0
        for i in order[np.isin(order, self.usable)]:
            longest, group = max(longest, int(samples[i])), self.batches[-1]
            full = len(group) >= self.batch_size if self.batch_size else (len(group) + 1) * longest > self.batch_samples
            if group and full:
                self.batches.append([])
                longest = int(samples[i])
            self.batches[-1].append(int(i))
        if not by_length:
            rng.shuffle(self.batches)

    def on_epoch_end(self) -> None:
        """Keras calls this after a pass."""
        self.set_epoch(self.epoch + 1)

    def batch_utterances(self, index: int) -> list[Utterance]:
        """The utterances of a batch."""
        return [self.utterances[i] for i in self.batches[index]]

    def __len__(self) -> int:
        return len(self.batches)

    def samples(self, index: int, place: int) -> int:
        """Samples of a place in a batch."""
        clip = self.batches[index][place]
        return int(self.lengths[clip, self.speed[clip]])

    def wave(self, index: int, place: int) -> np.ndarray:
        """Audio of a place in a batch, (samples,) float32."""
        clip = self.batches[index][place]
        return self.cache.wave(clip, int(self.speed[clip]))

    def read_labels_at(self, index: int, place: int) -> np.ndarray:
        """Labels of a place in a batch."""
        return self.target(self.batches[index][place])

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        return self.some(index, range(len(self.batches[index])))

    def some(self, index: int, places: range) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Some items of a batch, padded as the whole batch is; only their audio is read."""
        members, everything = self.batches[index], range(len(self.batches[index]))
        targets = [self.read_labels_at(index, place) for place in everything]
        audio = np.zeros((len(places), max(self.samples(index, place) for place in everything)), "float32")
        labels = np.zeros((len(places), max(map(len, targets))), "int32")
        lengths = np.zeros(len(places), "int32")
        waves = self.cache.map(lambda place: self.wave(index, place), places)
        for row, (place, wave) in enumerate(zip(places, waves, strict=True)):
            if self.augment:
                wave = self.augment(wave, np.random.default_rng([self.seed, self.epoch, members[place]]))
            lengths[row] = len(wave)
            audio[row, : len(wave)] = wave
            labels[row, : len(targets[place])] = targets[place]
        return {"audio": audio, "length": lengths}, labels

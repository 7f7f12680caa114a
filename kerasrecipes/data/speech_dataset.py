"""Batches of utterances of similar length, in an order that depends only on the seed, the epoch and the batch's index."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.audio_cache import AudioCache
from kerasrecipes.data.clip_lists import MemoryAudio, RecordedUtterance
from kerasrecipes.data.keras_adapter import LAYOUT_EPOCHS, EpochDataset, batch_ends, fixed_batch_ends
from kerasrecipes.data.sharded_audio import ShardedAudioReader
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError
from kerasrecipes.losses.min_frames import min_ctc_frames
from kerasrecipes.utils import tar_members
from kerasrecipes.utils.escaping import escape_controls

BATCH_ORDERS = ("sortagrad", "random", "sorted")


def open_audio(utterances: Utterances, speeds: Sequence[float], cache_dir: str | Path | None) -> Any:
    """Open the audio of a set: clips in memory, clips in shards one by one, all others through an `AudioCache`."""
    if any(isinstance(u, RecordedUtterance) for u in utterances):
        return MemoryAudio(utterances, speeds)
    paths = [u.path for u in utterances]
    if paths and all(map(tar_members.is_member_url, paths)):
        return ShardedAudioReader(paths, speeds)
    return AudioCache(paths, speeds, cache_dir)


class SpeechDataset(EpochDataset):
    """Batches `({"audio": (batch, samples) float32, "length": (batch,) int32}, labels (batch, labels) int32)`.

    Audio and labels are padded with zeros. Label 0 is the blank, or padding. A batch depends only on the seed, the epoch and
    its index, so a resumed run gets the batches that it would have got without the interruption.

    With a teacher, "teacher" is a further input: its posteriors (batch, frames, symbols) float32, zero after each clip. Clips
    without a transcript have no labels and learn from these alone. After `uses_teacher = False` the next epochs have neither.

    Args:
        utterances: Clips.
        alphabet: Alphabet that encodes their transcripts.
        output_length: Function from samples (array) to the network's frames. A transcript that needs more frames is left out
            and reported by name.
        batch_seconds: Audio in a batch, padding included. Seconds, default 60. All epochs have the same number of batches, so in
            an epoch whose random speeds make the audio longer, batches may hold a little more.
        batch_size: Fixed number of utterances in a batch instead. Default: none.
        batch_order: "sortagrad" (first epoch by increasing length, then random: Deep Speech 2, section 3.3), "random"
            (default) or "sorted".
        seed: Seed of order, speeds and augmentation. Default 0.
        speed_perturbation: Playing speeds, one of which is sampled per utterance and epoch. Default (1.0,).
        augment: `AudioAugmentation`, or None.
        cache_dir: Folder of the decoded audio. Default: see `AudioCache`.
        teacher: `TeacherTargets` of the utterances, or None.
        quiet: True to print no names of clips that are left out.

    Raises:
        DataError: No clip remains, or a transcript has characters outside the alphabet.
    """

    INFEASIBLE_MESSAGE = "transcripts are longer than their audio allows"
    EMPTY_MESSAGE = "each is too short for its transcript, or has none"

    def __init__(
        self, utterances: Utterances, alphabet: Alphabet, output_length: Callable[[Any], Any], *,
        batch_seconds: float = 60.0, batch_size: int | None = None, batch_order: str = "random", seed: int = 0,
        speed_perturbation: Sequence[float] = (1.0,), augment: Any = None, cache_dir: str | Path | None = None,
        teacher: Any = None, quiet: bool = False,
    ):  # fmt: skip
        super().__init__()
        if batch_order not in BATCH_ORDERS:
            raise DataError(f"batch_order must be 'sortagrad', 'random' or 'sorted', not {batch_order!r}")
        self.batch_order, self.seed, self.augment = batch_order, seed, augment
        self.batch_samples, self.batch_size = batch_seconds * SAMPLE_RATE, batch_size
        self.cache = open_audio(utterances, speed_perturbation, cache_dir)
        self.lengths = self.cache.lengths()
        self.utterances, self.labels = utterances, self.encode_labels(utterances, alphabet)
        self.teacher, self.uses_teacher, self.output_length = teacher, teacher is not None, output_length
        self.frames = np.asarray(output_length(self.lengths))  # (clips, speeds)
        feasible = self.is_feasible()
        self.infeasible = [u.id for u, ok in zip(utterances, feasible, strict=True) if not ok]
        if not feasible.any():
            raise DataError(f"No utterance can be trained on: {self.EMPTY_MESSAGE}")
        if self.infeasible and not quiet:
            names = ", ".join(self.infeasible[:5]) + (", ..." if len(self.infeasible) > 5 else "")
            Console(stderr=True).print(
                f"{len(self.infeasible)} of {len(utterances)} {self.INFEASIBLE_MESSAGE}, left out: {escape_controls(names)}",
                markup=False, highlight=False,
            )  # fmt: skip
        self.usable = np.flatnonzero(feasible)
        self._num_batches: dict[bool, int] = {}  # with and without a teacher
        self.set_epoch(0)

    def encode_labels(self, utterances: Utterances, alphabet: Alphabet) -> list[np.ndarray]:
        """Return the labels of each utterance."""
        return [alphabet.encode(u.text) for u in utterances]

    def is_feasible(self) -> np.ndarray:
        """Return whether each utterance's labels fit its audio at every speed, (clips,) bool."""
        frames = np.array([max(min_ctc_frames(row), 1) for row in self.labels])
        return (self.frames >= frames[:, None]).all(axis=1) & (self.has_labels() | self.uses_teacher)

    def has_labels(self) -> np.ndarray:
        """Return whether each utterance has a transcript, (clips,) bool."""
        return np.array([len(row) > 0 for row in self.labels])

    def epoch_labels(self, clip: int) -> np.ndarray:
        """Return the labels of a clip in this epoch."""
        return self.labels[clip]

    def hours_by_source(self) -> dict[str, float]:
        """Return the hours of each set that are trained on, at normal speed."""
        hours: dict[str, float] = {}
        for i in self.usable:
            source = self.utterances[int(i)].source
            samples = self.lengths[i, 0] * self.cache.speeds[0]
            hours[source] = hours.get(source, 0.0) + samples / SAMPLE_RATE / 3600
        return hours

    def epoch_order(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
        """Return the clips of an epoch in the order in which they fill batches, the speed of every clip, and the generator."""
        rng, count = np.random.default_rng([self.seed, epoch]), len(self.lengths)
        speed = rng.integers(0, len(self.cache.speeds), count)
        jitter = 1.0 if self.is_sorted(epoch) else rng.uniform(0.95, 1.05, count)  # mixes batches anew in every epoch
        order = np.argsort(self.lengths[np.arange(count), speed] * jitter, kind="stable")
        usable = self.usable if self.uses_teacher else self.usable[self.has_labels()[self.usable]]
        return order[np.isin(order, usable)], speed, rng

    def is_sorted(self, epoch: int) -> bool:
        """Return whether the batches of an epoch come by increasing length."""
        return self.batch_order == "sorted" or (self.batch_order == "sortagrad" and epoch == 0)

    def count_batches(self) -> int:
        """Return the number of batches of every epoch: the largest that the first few epochs need."""
        if self.uses_teacher not in self._num_batches:
            layouts = [self.epoch_order(epoch)[:2] for epoch in range(LAYOUT_EPOCHS)]
            self._num_batches[self.uses_teacher] = max(
                len(batch_ends(self.lengths[order, speed[order]], self.batch_samples)) for order, speed in layouts
            )
        return self._num_batches[self.uses_teacher]

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0."""
        self.epoch = epoch
        order, self.speed, rng = self.epoch_order(epoch)
        if self.batch_size:
            ends = [*range(self.batch_size, len(order), self.batch_size), len(order)]
        else:
            ends = fixed_batch_ends(self.lengths[order, self.speed[order]], self.batch_samples, self.count_batches())
        self.batches: list[list[int]] = [part.tolist() for part in np.split(order, ends[:-1])]
        if not self.is_sorted(epoch):
            rng.shuffle(self.batches)

    def batch_utterances(self, index: int) -> list[Utterance]:
        """Return the utterances of a batch."""
        return [self.utterances[i] for i in self.batches[index]]

    def __len__(self) -> int:
        return len(self.batches)

    def batch_shape(self, index: int) -> tuple[int, int, int]:
        """Return the items of a batch and its padded samples and labels, without reading audio."""
        positions = range(len(self.batches[index]))
        samples = max(self.num_samples(index, position) for position in positions)
        return len(positions), samples, max(1, *(len(self.read_labels(index, position)) for position in positions))

    def num_samples(self, index: int, position: int) -> int:
        """Return the samples at a position of a batch."""
        clip = self.batches[index][position]
        return int(self.lengths[clip, self.speed[clip]])

    def read_audio(self, index: int, position: int) -> np.ndarray:
        """Return the audio at a position of a batch, (samples,) float32."""
        clip = self.batches[index][position]
        return self.cache.read(clip, int(self.speed[clip]))

    def read_labels(self, index: int, position: int) -> np.ndarray:
        """Return the labels at a position of a batch."""
        return self.epoch_labels(self.batches[index][position])

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        return self.partial_batch(index, range(len(self.batches[index])))

    def partial_batch(self, index: int, positions: range) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return some items of a batch, padded as in the whole batch. Only their audio is read."""
        members, everything = self.batches[index], range(len(self.batches[index]))
        targets = [self.read_labels(index, position) for position in everything]
        audio = np.zeros((len(positions), max(self.num_samples(index, position) for position in everything)), "float32")
        labels = np.zeros((len(positions), max(1, *map(len, targets))), "int32")
        lengths = np.zeros(len(positions), "int32")
        waves = self.cache.map(lambda position: self.read_audio(index, position), positions)
        for row, (position, wave) in enumerate(zip(positions, waves, strict=True)):
            if self.augment:
                wave = self.augment(wave, np.random.default_rng([self.seed, self.epoch, members[position]]))
            lengths[row] = len(wave)
            audio[row, : len(wave)] = wave
            labels[row, : len(targets[position])] = targets[position]
        inputs = {"audio": audio, "length": lengths}
        if self.uses_teacher:
            inputs["teacher"] = self.read_posteriors([members[position] for position in positions], audio.shape[1])
        return inputs, labels

    def read_posteriors(self, clips: Sequence[int], samples: int) -> np.ndarray:
        """Return the teacher's posteriors (clips, frames, symbols) for clips that are padded to a number of samples."""
        frames = int(self.output_length(samples))
        posteriors = np.zeros((len(clips), frames, len(self.teacher.columns)), "float32")
        for row, clip in zip(posteriors, clips, strict=True):
            speed = int(self.speed[clip])
            valid = int(self.frames[clip, speed])
            row[:valid] = self.teacher.read(clip, self.cache.speeds[speed], valid)
        return posteriors

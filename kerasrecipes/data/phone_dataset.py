"""Batches of clips with aligned phonemes: one label per frame."""

from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.phone_alignments import AlignedUtterance, alignment_matches_audio
from kerasrecipes.data.speech_dataset import SpeechDataset
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.errors import DataError


def frame_labels(numbers: np.ndarray, starts: np.ndarray, frames: int, frame_seconds: float) -> np.ndarray:
    """Return the phoneme at the middle of each frame, `(frame + 1/2) * frame_seconds`, as (frames,) int32."""
    middles = (np.arange(frames) + 0.5) * frame_seconds
    return numbers[np.maximum(np.searchsorted(starts, middles, "right") - 1, 0)].astype("int32")


class PhonemeDataset(SpeechDataset):
    """Batches as in `SpeechDataset`, with a phoneme for every frame of logits in place of a transcript. 0 is padding.

    Args:
        utterances: Clips of type `AlignedUtterance`.
        alphabet: `PhonemeSet` of the labels.
        output_length: Function from samples (array) to the network's frames.
        frame_seconds: Seconds between two frames of logits. Default 0.01.
        crop_seconds: Cut clips into crops of this length, at other positions in every epoch and as many as cover the clip, and
            shuffle them. A batch holds at most as many as fill `batch_seconds`, whatever `batch_order` is. Default: whole clips.
        **kwargs: Arguments of `SpeechDataset`. Labels are stretched with the audio at another playing speed.

    Raises:
        DataError: A clip has no aligned phonemes, a phoneme is outside the set, or no clip remains.
    """

    INFEASIBLE_MESSAGE = "alignments do not fit their audio"
    EMPTY_MESSAGE = "no alignment fits its audio"

    def __init__(
        self, utterances: Utterances, alphabet: PhonemeSet, output_length: Any, *, frame_seconds: float = 0.01,
        crop_seconds: float | None = None, **kwargs: Any,
    ):  # fmt: skip
        self.frame_seconds = frame_seconds
        self.crop = max(round(crop_seconds / frame_seconds), 1) if crop_seconds else None  # frames
        plain = next((u for u in utterances if not isinstance(u, AlignedUtterance)), None)
        if plain is not None:
            raise DataError(
                f"{plain.id} has no aligned phonemes: pass phones:LABELS?audio=FOLDER or timit:FOLDER; "
                "kerasrecipes data align-phones makes labels"
            )
        super().__init__(utterances, alphabet, output_length, **kwargs)

    def encode_labels(self, utterances: Any, alphabet: Any) -> list[np.ndarray]:
        """Return the phonemes of each clip as indices, and store their starts."""
        self.starts = [np.array([start for _, start in u.phones]) for u in utterances]
        labels = []
        for u in utterances:
            try:
                labels.append(alphabet.encode([phone for phone, _ in u.phones]))
            except DataError as error:
                raise DataError(f"{u.id}: {error}") from None
        return labels

    def is_feasible(self) -> np.ndarray:
        """Return whether each clip's labels end where its audio does, (clips,) bool."""
        seconds = self.lengths[:, 0] * self.cache.speeds[0] / SAMPLE_RATE
        return np.array([alignment_matches_audio(u, s) for u, s in zip(self.utterances, seconds, strict=True)]) & (
            self.frames > 0
        ).all(axis=1)

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0. Crops get other positions."""
        super().set_epoch(epoch)
        if not self.crop:
            return
        rng, crops = np.random.default_rng([self.seed, epoch, 1]), []
        for clip in self.usable:
            frames = int(self.frames[clip, self.speed[clip]])
            count, free = -(-frames // self.crop), max(frames - self.crop, 0)
            distance = free / max(count - 1, 1)
            begins = distance * (np.arange(count) + rng.uniform(-0.5, 0.5, count))
            crops += [(int(clip), int(b)) for b in np.clip(np.round(begins), 0, free)]
        rows = self.batch_size or max(round(self.batch_samples / SAMPLE_RATE / (self.crop * self.frame_seconds)), 1)
        order = rng.permutation(len(crops))
        most = -(-self.frames[self.usable].max(axis=1) // self.crop)  # crops of each clip at its slowest speed
        shuffled = [[crops[i] for i in part] for part in np.array_split(order, -(-int(most.sum()) // rows))]
        self.batches = [[clip for clip, _ in batch] for batch in shuffled]
        self.begins = [[begin for _, begin in batch] for batch in shuffled]

    def crop_bounds(self, index: int, position: int) -> tuple[int, int | None]:
        """Return the first frame at a position of a batch and the frame after the last, None for the clip's end."""
        clip = self.batches[index][position]
        if not self.crop or self.frames[clip, self.speed[clip]] <= self.crop:
            return 0, None
        begin = self.begins[index][position]
        return begin, begin + self.crop

    def num_samples(self, index: int, position: int) -> int:
        """Return the samples at a position of a batch."""
        (begin, end), step = self.crop_bounds(index, position), round(self.frame_seconds * SAMPLE_RATE)
        whole = super().num_samples(index, position)
        return whole if end is None else min(end * step, whole) - begin * step

    def read_audio(self, index: int, position: int) -> np.ndarray:
        """Return the audio at a position of a batch, (samples,) float32."""
        (begin, end), step = self.crop_bounds(index, position), round(self.frame_seconds * SAMPLE_RATE)
        wave = super().read_audio(index, position)
        return wave if end is None else wave[begin * step : end * step]

    def read_labels(self, index: int, position: int) -> np.ndarray:
        """Return the phoneme of each frame at a position of a batch."""
        return super().read_labels(index, position)[slice(*self.crop_bounds(index, position))]

    def epoch_labels(self, clip: int) -> np.ndarray:
        """Return the phoneme of each frame of a clip, at the speed that it has in this epoch."""
        speed = int(self.speed[clip])
        starts = self.starts[clip] / self.cache.speeds[speed]
        return frame_labels(self.labels[clip], starts, int(self.frames[clip, speed]), self.frame_seconds)

"""Batches of clips with aligned phones: one label a frame."""

from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.data.phone_alignments import AlignedUtterance, alignment_matches_audio
from kerasrecipes.data.speech_dataset import SpeechDataset
from kerasrecipes.data.utterances import Utterances
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.errors import DataError


def frame_labels(numbers: np.ndarray, starts: np.ndarray, frames: int, frame_seconds: float) -> np.ndarray:
    """The label of each frame: the phone that lasts at its middle, `(frame + 1/2) * frame_seconds`; (frames,) int32."""
    middles = (np.arange(frames) + 0.5) * frame_seconds
    return numbers[np.maximum(np.searchsorted(starts, middles, "right") - 1, 0)].astype("int32")


class PhonemeDataset(SpeechDataset):
    """As `SpeechDataset`, with a phone's number for every frame of scores in place of a transcript; 0 is padding.

    Args:
        utterances: of `Aligned` clips. alphabet: a `PhoneSet`.
        frame_seconds: between two frames of scores.
        crop_seconds: cut clips into pieces of this length, anew in every pass, so many that they could cover the clip, and
            mix them; a batch holds as many as fill its seconds, whatever `order` says. Default: whole clips.
        kwargs: of `SpeechDataset`; at another playing speed the labels are stretched with the audio.

    Raises:
        DataError: a clip without aligned phones, a phone outside the set, or nothing left to train on.
    """

    INFEASIBLE_MESSAGE = "alignments do not fit their audio"
    NOTHING = "no alignment fits its audio"

    def __init__(
        self, utterances: Utterances, alphabet: PhonemeSet, output_length: Any, *, frame_seconds: float = 0.01,
        crop_seconds: float | None = None, **kwargs: Any,
    ):  # fmt: skip
        self.frame_seconds = frame_seconds
        self.crop = max(round(crop_seconds / frame_seconds), 1) if crop_seconds else None  # frames
        plain = next((u for u in utterances if not isinstance(u, AlignedUtterance)), None)
        if plain is not None:
            raise DataError(
                f"{plain.id} has no aligned phones: pass phones:LABELS?audio=FOLDER or timit:FOLDER; "
                "kerasrecipes data align-phones makes labels"
            )
        super().__init__(utterances, alphabet, output_length, **kwargs)

    def encoded(self, utterances: Any, alphabet: Any) -> list[np.ndarray]:
        """The phones of each clip as numbers, and their starts.

        Raises:
            DataError: a phone outside the set; it and its clip are named.
        """
        self.starts = [np.array([start for _, start in u.phones]) for u in utterances]
        found = []
        for u in utterances:
            try:
                found.append(alphabet.encode([phone for phone, _ in u.phones]))
            except DataError as error:
                raise DataError(f"{u.id}: {error}") from None
        return found

    def fitting(self) -> np.ndarray:
        """Whether each clip's labels end where its audio does."""
        seconds = self.lengths[:, 0] * self.cache.speeds[0] / SAMPLE_RATE
        return np.array([alignment_matches_audio(u, s) for u, s in zip(self.utterances, seconds, strict=True)]) & (
            self.frames > 0
        ).all(axis=1)

    def set_epoch(self, epoch: int) -> None:
        """Begin a pass: with crops, other pieces of every clip."""
        super().set_epoch(epoch)
        if not self.crop:
            return
        rng, pieces = np.random.default_rng([self.seed, epoch, 1]), []
        for clip in self.usable:
            frames = int(self.frames[clip, self.speed[clip]])
            count, free = -(-frames // self.crop), max(frames - self.crop, 0)
            apart = free / max(count - 1, 1)
            begins = apart * (np.arange(count) + rng.uniform(-0.5, 0.5, count))
            pieces += [(int(clip), int(b)) for b in np.clip(np.round(begins), 0, free)]
        rows = self.batch_size or max(round(self.batch_samples / SAMPLE_RATE / (self.crop * self.frame_seconds)), 1)
        order = rng.permutation(len(pieces))
        mixed = [[pieces[i] for i in order[k : k + rows]] for k in range(0, len(order), rows)]
        self.batches = [[clip for clip, _ in batch] for batch in mixed]
        self.begins = [[begin for _, begin in batch] for batch in mixed]

    def cut(self, index: int, place: int) -> tuple[int, int | None]:
        """First frame of a place's piece and the frame behind its last; None for the clip's end."""
        clip = self.batches[index][place]
        if not self.crop or self.frames[clip, self.speed[clip]] <= self.crop:
            return 0, None
        begin = self.begins[index][place]
        return begin, begin + self.crop

    def samples(self, index: int, place: int) -> int:
        """Of a place's piece."""
        (begin, end), step = self.cut(index, place), round(self.frame_seconds * SAMPLE_RATE)
        whole = super().samples(index, place)
        return whole if end is None else min(end * step, whole) - begin * step

    def wave(self, index: int, place: int) -> np.ndarray:
        """A place's piece, (samples,) float32."""
        (begin, end), step = self.cut(index, place), round(self.frame_seconds * SAMPLE_RATE)
        wave = super().wave(index, place)
        return wave if end is None else wave[begin * step : end * step]

    def read_labels_at(self, index: int, place: int) -> np.ndarray:
        """The phone of each frame of a place's piece."""
        return super().read_labels_at(index, place)[slice(*self.cut(index, place))]

    def target(self, clip: int) -> np.ndarray:
        """The phone of each frame of a clip at the speed it has in this pass."""
        speed = int(self.speed[clip])
        starts = self.starts[clip] / self.cache.speeds[speed]
        return frame_labels(self.labels[clip], starts, int(self.frames[clip, speed]), self.frame_seconds)

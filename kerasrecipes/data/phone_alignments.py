"""Clips whose phones are known with their times: label files and lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasrecipes import audio
from kerasrecipes.data.phone_labels import read_labels
from kerasrecipes.data.utterances import Utterance, Utterances, check_utterances
from kerasrecipes.decoding.phoneme_set import SILENCES
from kerasrecipes.errors import AudioError, DataError

TOLERANCE = 0.05  # seconds that labels may end before or behind their audio: lossy codecs pad by some 30 ms


@dataclass(frozen=True)
class AlignedUtterance(Utterance):
    """A clip with its phones: `phones` holds (phone, start in seconds), the last one lasts until `seconds`.

    `text` is the phones without silence, separated by spaces.
    """

    phones: tuple[tuple[str, float], ...] = ()

    @property
    def boundaries(self) -> list[float]:
        """Seconds at which a phone that is no silence begins or ends."""
        ends = [*(start for _, start in self.phones[1:]), self.seconds]
        spoken = [(a, b) for (p, a), b in zip(self.phones, ends, strict=True) if p not in SILENCES]
        return sorted({time for pair in spoken for time in pair})


def phones_to_text(phones: Iterable[tuple[str, float]]) -> str:
    """The text of timed phones."""
    return " ".join(phone for phone, _ in phones if phone not in SILENCES)


def load_phone_alignments(
    labels: str | Path, audio_root: str | Path, *, speakers: Iterable[str] = (), quiet: bool = False
) -> Utterances:
    """Clips with aligned phones from a label file.

    Args:
        labels: what `kerasrecipes data align-phones` wrote. audio_root: the folder that its paths are relative to.
        speakers: only these. quiet: do not name on the screen what is left out.

    Returns:
        Utterances of `Aligned`. A clip whose labels do not fit its audio (they end more than 50 ms before or behind it)
        is left out and named.

    Raises:
        DataError: the file cannot be read; a clip is not there; nothing is left.

    Example:
        >>> train = phones("train-clean-100.tsv.xz", "LibriSpeech/train-clean-100")
    """
    _, rows = read_labels(labels)
    root, wanted = Path(audio_root), {str(s) for s in speakers}
    found = check_utterances(
        AlignedUtterance(
            Path(r.path).stem, str(root / r.path), phones_to_text(r.phones), r.speaker, r.seconds, root.name, r.phones
        )
        for r in rows
        if not wanted or r.speaker in wanted
    )
    return drop_misaligned(found, quiet)


def alignments_from_lists(paths: Sequence[Any], labels: Sequence[Sequence[tuple[str, float]]]) -> Utterances:
    """Clips from a list of files and one of their phones, (phone, start in seconds) each.

    Raises:
        DataError: unequal numbers, or a clip without phones or with starts that do not rise.
    """
    if len(paths) != len(labels):
        raise DataError(f"{len(paths)} files, but phones of {len(labels)}")
    for path, pairs in zip(paths, labels, strict=True):
        starts = [p[1] for p in pairs if isinstance(p, tuple | list) and len(p) == 2 and not isinstance(p[1], str)]
        if not starts or len(starts) != len(pairs) or starts != sorted(starts) or starts[0] < 0:
            raise DataError(f"{path}: phones are pairs (phone, start in seconds) whose starts rise, not {pairs!r:.60}")
    return drop_misaligned(check_utterances(
        AlignedUtterance(Path(p).name, str(p), phones_to_text(pairs), "", audio.audio_duration(p), "list", tuple((phone, start) for phone, start in pairs))
        for p, pairs in zip(paths, labels, strict=True)
    ))  # fmt: skip


def drop_misaligned(utterances: Utterances, quiet: bool = False) -> Utterances:
    """Those whose labels fit their audio; the others are counted and named on the screen.

    Raises:
        DataError: nothing is left.
    """
    kept: list[Utterance] = []
    bad: list[str] = []
    for u in utterances:
        try:
            seconds = audio.audio_duration(u.path)
        except AudioError as error:
            bad.append(f"{u.id} ({error})")
            continue
        if alignment_matches_audio(u, seconds):
            kept.append(u)
        else:
            bad.append(u.id)
    if not kept:
        raise DataError(f"No clip's labels fit its audio, for instance {bad[0]}" if bad else "There are no labels")
    if bad and not quiet:
        Console(stderr=True, soft_wrap=True).print(
            f"{len(bad)} of {len(utterances)} alignments do not fit their audio, left out: {', '.join(bad)}",
            markup=False, highlight=False,
        )  # fmt: skip
    return Utterances(kept)


def alignment_matches_audio(utterance: Any, seconds: float) -> bool:
    """Whether labels end where audio of so many seconds does, and no phone begins behind it."""
    return abs(utterance.seconds - seconds) <= TOLERANCE and utterance.phones[-1][1] < seconds

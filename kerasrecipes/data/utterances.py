"""Clips and their transcripts: LibriSpeech's official layout, tables of clips, and lists."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasrecipes.audio import CLIP_EXTENSIONS, audio_duration
from kerasrecipes.data.tables import parse_seconds, read_rows, seconds_per_unit
from kerasrecipes.errors import DataError, reader
from kerasrecipes.utils.text_files import read_lines

# what a column holds -> its names in tables
COLUMNS = {
    "path": ("path", "wav", "file", "filename", "file_name", "audio", "audio_filepath", "wav_filename"),
    "text": ("transcript", "text", "sentence", "transcription", "normalized_text"),
    "speaker": ("speaker", "client_id", "speaker_id"),
    "seconds": ("seconds", "duration", "length"),
    "split": ("split", "subset"),
    "labeler": ("labeler",),
}


@dataclass(frozen=True)
class Utterance:
    """One clip with its transcript.

    Args:
        id: Name in messages.
        path: File, or address inside a shard.
        text: Transcript, "" for a clip that only a teacher labels (distillation).
        speaker: Name of the speaker, "" if unknown.
        seconds: Length, 0 if it has not been read yet.
        source: Name of its data set.
        labeler: Teacher that wrote the transcript, "" for people. Keyword only.
    """

    id: str
    path: str
    text: str
    speaker: str = ""
    seconds: float = 0.0
    source: str = ""
    _: KW_ONLY
    labeler: str = ""


class Utterances(Sequence[Utterance]):
    """An ordered collection of clips. `a + b` mixes sets, and slices and `filter` give parts.

    Example:
        >>> train = librispeech("LibriSpeech/train-clean-100") + from_table("my_clips.tsv")
        >>> train.filter(lambda u: u.seconds < 15).hours
    """

    def __init__(self, items: Iterable[Utterance]):
        self.items = tuple(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return Utterances(self.items[index]) if isinstance(index, slice) else self.items[index]

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.items)

    def __add__(self, other: "Utterances") -> "Utterances":
        return Utterances([*self.items, *other.items])

    def filter(self, keep: Callable[[Utterance], bool]) -> "Utterances":
        """Return the clips for which `keep(utterance)` is true."""
        return Utterances(u for u in self.items if keep(u))

    @cached_property
    def hours(self) -> float:
        """Hours of audio. Reads the header of each clip whose length is not known."""
        return sum(u.seconds or audio_duration(u.path) for u in self.items) / 3600

    def __repr__(self) -> str:
        sources = sorted({u.source for u in self.items})
        return f"Utterances({len(self)} clips of {', '.join(sources)})"


def check_utterances(utterances: Iterable[Utterance], allow_unlabeled: bool = False) -> Utterances:
    """Check that every clip exists and, unless `allow_unlabeled`, has a transcript.

    Raises:
        DataError: A clip is missing, or its transcript is empty. The first one is named.
    """
    checked = Utterances(utterances)
    missing = [u for u in checked if not Path(u.path).is_file()]
    if missing:
        raise DataError(f"{len(missing)} of {len(checked)} listed clips do not exist, the first: {missing[0].path}")
    if not allow_unlabeled:
        check_transcripts(checked)
    return checked


def check_transcripts(utterances: Utterances) -> None:
    """Check that every clip has a transcript.

    Raises:
        DataError: A transcript is empty. The first one is named.
    """
    empty = [u for u in utterances if not u.text.strip()]
    if empty:
        raise DataError(
            f"{len(empty)} transcripts are empty, the first is that of {empty[0].id}: write what is spoken, or leave the clip out"
        )


@reader(DataError)
def librispeech(root: str | Path, split: str | None = None, speakers: Iterable[str] = ()) -> Utterances:
    """Read LibriSpeech's official layout: `root[/split]/SPEAKER/CHAPTER/{SPEAKER-CHAPTER}.trans.txt` with the clips beside it.

    Args:
        root: Folder that holds the speakers, or the one above if `split` is given. Clips may have any audio extension.
        split: "train-clean-100", "dev-clean" and so on. Default: none.
        speakers: Read only these speakers. Default: all.

    Raises:
        DataError: The folder, a speaker, a chapter's trans.txt or a listed clip is missing, or a transcript is empty.
    """
    base = Path(root) / split if split else Path(root)
    selected = {str(s) for s in speakers}
    chapters = sorted(p for p in base.glob("*/*") if p.is_dir() and p.parent.name.isdigit())
    if not base.is_dir():
        raise DataError(f"There is no folder {base}: check the path")
    if not chapters:
        raise DataError(f"{base} does not have LibriSpeech's layout: there is no speaker/chapter folder in it")
    if unknown := selected - {c.parent.name for c in chapters}:
        raise DataError(f"{base} has no speaker {', '.join(sorted(unknown))}")
    utterances = []
    for chapter in chapters:
        speaker = chapter.parent.name
        if selected and speaker not in selected:
            continue
        table = chapter / f"{speaker}-{chapter.name}.trans.txt"
        if not table.is_file():
            raise DataError(f"{chapter} lacks its transcripts {table.name}: unpack the archive again")
        clips = {p.stem: p for p in sorted(chapter.iterdir()) if p.suffix.lower() in CLIP_EXTENSIONS}
        for line in read_lines(table):
            if not line.strip():
                continue
            name, _, text = line.partition(" ")
            if name not in clips:
                raise DataError(f"{table} lists {name}, but that clip does not exist: unpack the archive again")
            utterances.append(Utterance(name, str(clips[name]), text, speaker, source=base.name))
    return check_utterances(utterances)


@reader(DataError)
def from_table(
    table: str | Path, *, split: str | None = None, columns: dict[str, str] | None = None, unlabeled: str = "refuse"
) -> Utterances:  # fmt: skip
    """Read a table of clips: TSV, CSV, JSON lines or array, Common Voice's tsv (clips/ beside it) or LJ Speech's metadata.csv.

    Args:
        table: File with a column for the path (relative to the table) and one for the transcript. Columns for the speaker,
            the length in seconds, the split and the labeler are optional. Tab-separated tables are read without quoting. Lengths in
            milliseconds are recognized by the first clip.
        split: Read only rows of this split. Default: all rows.
        columns: Names of columns: {"path": "my_column", "text": ..., "speaker": ..., "seconds": ..., "split": ...}.
            Default: the usual names (`COLUMNS`).
        unlabeled: "keep" also reads clips with an empty transcript, and tables without this column, for training with a
            teacher. Default: "refuse".

    Raises:
        DataError: The table cannot be read or lacks a column, a listed clip is missing, or a transcript is empty.
    """
    if unlabeled not in ("keep", "refuse"):
        raise DataError(f"unlabeled={unlabeled!r}: write unlabeled=keep, or leave it out")
    table = Path(table)
    if not table.is_file():
        raise DataError(f"There is no table {table}")
    rows = read_rows(table)
    if not rows:
        raise DataError(f"{table} has no rows")
    names = {field: next((c for c in choices if c in rows[0]), None) for field, choices in COLUMNS.items()}
    names |= columns or {}
    for field in ("path",) if unlabeled == "keep" else ("path", "text"):
        if names[field] not in rows[0]:
            raise DataError(
                f"{table} has no {field} column among {', '.join(rows[0])}: name it {COLUMNS[field][0]!r}, "
                f"or pass columns={{{field!r}: NAME}}"
            )
    if split is not None and names["split"] is None:
        raise DataError(f"{table} has no split column, which split={split!r} needs")

    def cell(row: dict[str, Any], field: str) -> str:
        name = names[field]
        return str(row.get(name) or "") if name else ""

    utterances = []
    for number, row in enumerate(rows, 1):
        if split is not None and cell(row, "split") != split:
            continue
        path = _clip_path(table, cell(row, "path"))
        seconds = parse_seconds(cell(row, "seconds"), f"{table}, row {number}: {names['seconds']}")
        values = (cell(row, "path"), str(path), cell(row, "text"), cell(row, "speaker"), seconds, table.parent.name)
        utterances.append(Utterance(*values, labeler=cell(row, "labeler")))
    if not utterances:
        raise DataError(f"{table} has no row of split {split!r}")
    checked = check_utterances(utterances, unlabeled == "keep")
    if first := next((u for u in checked if u.seconds), None):
        factor = seconds_per_unit(first.seconds, Path(first.path), table)
        checked = Utterances(replace(u, seconds=u.seconds * factor) for u in checked)
    return checked


def _clip_path(table: Path, name: str) -> Path:
    direct = table.parent / name
    beside = table.parent / "clips" / name  # Common Voice
    return beside if not direct.exists() and beside.exists() else direct


def fill_durations(utterances: Utterances) -> Utterances:
    """Return the clips with every length filled in."""
    return Utterances(u if u.seconds else replace(u, seconds=audio_duration(u.path)) for u in utterances)

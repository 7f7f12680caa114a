"""What was said in which file: LibriSpeech's official layout, and anybody's own table of clips."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasrecipes import audio
from kerasrecipes.errors import DataError

COLUMNS = {
    "path": ("path", "wav", "file", "filename", "audio", "audio_filepath", "wav_filename"),
    "text": ("transcript", "text", "sentence", "transcription", "normalized_text"),
    "speaker": ("speaker", "client_id", "speaker_id"),
    "seconds": ("seconds", "duration", "length"),
    "split": ("split", "subset"),
}


@dataclass(frozen=True)
class Utterance:
    """One clip: `id` names it in messages, `seconds` is 0 where nobody has looked yet, `source` names its set."""

    id: str
    path: str
    text: str
    speaker: str = ""
    seconds: float = 0.0
    source: str = ""


class Utterances(Sequence[Utterance]):
    """An ordered set of clips; `a + b` mixes sets, slices and `filter` give parts.

    Example:
        >>> train = librispeech("LibriSpeech/train-clean-100") + manifest("my_clips.tsv")
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
        """Those for which `keep(utterance)` is true."""
        return Utterances(u for u in self.items if keep(u))

    @cached_property
    def hours(self) -> float:
        """Hours of audio; reads the header of each clip whose length the table does not give."""
        return sum(u.seconds or audio.audio_duration(u.path) for u in self.items) / 3600

    def __repr__(self) -> str:
        sources = sorted({u.source for u in self.items})
        return f"Utterances({len(self)} clips of {', '.join(sources)})"


def from_lists(paths: Sequence[Any], texts: Sequence[str]) -> Utterances:
    """Clips from a list of files and one of texts.

    Raises:
        DataError: unequal numbers, or an empty text.
    """
    if len(paths) != len(texts):
        raise DataError(f"{len(paths)} files, but {len(texts)} texts")
    return check_utterances(
        Utterance(Path(p).name, str(p), t, source="list") for p, t in zip(paths, texts, strict=True)
    )


def check_utterances(utterances: Iterable[Utterance]) -> Utterances:
    """Refuse what can't be trained on.

    Raises:
        DataError: a clip that is not there, or an empty transcript, by name.
    """
    found = Utterances(utterances)
    missing = [u for u in found if not Path(u.path).is_file()]
    if missing:
        raise DataError(f"{len(missing)} of {len(found)} listed clips are not there, the first: {missing[0].path}")
    empty = [u for u in found if not u.text.strip()]
    if empty:
        raise DataError(
            f"{len(empty)} transcripts are empty, the first of {empty[0].id}: say what is spoken or leave it out"
        )
    return found


def librispeech(root: str | Path, subset: str | None = None, speakers: Iterable[str] = ()) -> Utterances:
    """LibriSpeech's official layout: `root[/subset]/speaker/chapter/{speaker-chapter}.trans.txt` and the clips beside it.

    Args:
        root: the folder that holds the speakers, or the one above with `subset`. Clips may have any audio extension.
        subset: "train-clean-100", "dev-clean", ...
        speakers: only these.

    Raises:
        DataError: no such folder, no speaker folder in it, a chapter without its trans.txt,
            a listed clip that is not there, an empty transcript.
    """
    base = Path(root) / subset if subset else Path(root)
    wanted = {str(s) for s in speakers}
    chapters = sorted(p for p in base.glob("*/*") if p.is_dir() and p.parent.name.isdigit())
    if not base.is_dir():
        raise DataError(f"There is no folder {base}: check the path")
    if not chapters:
        raise DataError(f"{base} is not laid out as LibriSpeech: there is no speaker/chapter folder in it")
    unknown = wanted - {c.parent.name for c in chapters}
    if unknown:
        raise DataError(f"{base} has no speaker {', '.join(sorted(unknown))}")
    found = []
    for chapter in chapters:
        speaker = chapter.parent.name
        if wanted and speaker not in wanted:
            continue
        table = chapter / f"{speaker}-{chapter.name}.trans.txt"
        if not table.is_file():
            raise DataError(f"{chapter} lacks its transcripts {table.name}: unpack the archive again")
        clips = {p.stem: p for p in sorted(chapter.iterdir()) if p.suffix.lower() in audio.AUDIO_EXTENSIONS}
        for line in table.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            name, _, text = line.partition(" ")
            if name not in clips:
                raise DataError(f"{table} lists {name}, but that clip is not there: unpack the archive again")
            found.append(Utterance(name, str(clips[name]), text, speaker, source=base.name))
    return check_utterances(found)


def from_table(table: str | Path, *, split: str | None = None, columns: dict[str, str] | None = None) -> Utterances:
    """A table of clips: TSV, CSV, JSON lines, Common Voice's tsv (clips/ beside it) or LJ Speech's metadata.csv.

    Args:
        table: with a column for the path (relative to the table) and one for the transcript; a speaker, a length in
            seconds and a split are used where they are there. Tab-separated tables are read without quoting.
        split: only rows of this split.
        columns: {"path": "my_column", "text": ..., "speaker": ..., "seconds": ..., "split": ...} for other names.

    Raises:
        DataError: the table cannot be read, lacks a column, lists a clip that is not there or an empty transcript.
    """
    table = Path(table)
    if not table.is_file():
        raise DataError(f"There is no table {table}")
    rows = _rows(table)
    if not rows:
        raise DataError(f"{table} has no rows")
    names = {kind: next((c for c in choices if c in rows[0]), None) for kind, choices in COLUMNS.items()} | (
        columns or {}
    )
    for kind in ("path", "text"):
        if names[kind] not in rows[0]:
            raise DataError(
                f"{table} has no {kind} column among {', '.join(rows[0])}: call it {COLUMNS[kind][0]!r}, "
                f"or pass columns={{{kind!r}: NAME}}"
            )
    take = lambda row, kind: str(row.get(names[kind]) or "") if names[kind] else ""  # noqa: E731
    if split is not None and names["split"] is None:
        raise DataError(f"{table} has no split column, but split={split!r} was asked for")
    found = [
        Utterance(
            take(row, "path"),
            str(_clip_path(table, take(row, "path"))),
            take(row, "text"),
            take(row, "speaker"),
            float(take(row, "seconds") or 0),
            table.parent.name,
        )
        for row in rows
        if split is None or take(row, "split") == split
    ]
    if not found:
        raise DataError(f"{table} has no row of split {split!r}")
    return check_utterances(found)


def _rows(table: Path) -> list[dict[str, Any]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
        if table.suffix in (".jsonl", ".json", ".ndjson"):
            return [json.loads(line) for line in text.split("\n") if line.strip()]  # JSON may hold other ends of lines
        lines = text.splitlines()
        if lines and table.name == "metadata.csv" and lines[0].count("|") == 2:  # LJ Speech: id|as written|as spoken
            return [{"path": f"wavs/{i}.wav", "text": spoken} for i, _, spoken in (line.split("|") for line in lines)]
        if table.suffix == ".tsv" or (lines and "\t" in lines[0]):
            return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{table} is not a table of clips in TSV, CSV or JSON lines: {error}") from error


def _clip_path(table: Path, name: str) -> Path:
    direct = table.parent / name
    beside = table.parent / "clips" / name  # Common Voice
    return beside if not direct.exists() and beside.exists() else direct


def fill_durations(utterances: Utterances) -> Utterances:
    """The same with every length filled in."""
    return Utterances(u if u.seconds else replace(u, seconds=audio.audio_duration(u.path)) for u in utterances)

"""Transcripts for untranscribed clips, written by a teacher, as a data set with confidences.

Everything that the teacher said stands in a journal of JSON lines. The tables of labeled and rejected clips are written from it, so
another `min_confidence` needs no further run of the teacher.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.audio import list_audio_files
from kerasrecipes.data.specs import READERS, load_datasets
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.data_prep.teachers import TEACHERS, Hypothesis, Teacher, load_teacher, parse_teacher, teacher_name
from kerasrecipes.data_prep.transcript_checks import normalize_transcript, rejection_reason
from kerasrecipes.errors import AudioError, DataError, KerasRecipesError
from kerasrecipes.inference.transcribe import bucket_by_length
from kerasrecipes.utils.escaping import TextResult
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.journal import Journal
from kerasrecipes.utils.locks import exclusive_lock
from kerasrecipes.utils.tar_members import is_member_url

COLUMNS = ("path", "seconds", "speaker", "split", "transcript", "confidence", "labeler")
MIN_SECONDS = 0.3
BATCH_SECONDS = 60.0  # of audio: what a kill can lose
CLIPS_PER_STEP = 256  # clips that are sorted by length together
UNSTORABLE = "\t\r\n"  # cannot stand in a cell of a table


@dataclass(frozen=True)
class LabelingReport(TextResult):
    """Counts of a labeled set, with the clips of earlier runs into the same output. `str()` formats them as a sentence.

    Args:
        manifest: Table of the labeled clips, which `manifest:FILE` reads.
        rejected: Table of the other clips, with what the teacher wrote and the reason.
        clips: Number of labeled clips.
        hours: Hours of the labeled clips.
        reasons: Number of rejected clips by reason.
    """

    manifest: Path
    rejected: Path
    clips: int
    hours: float
    reasons: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
        total = sum(self.reasons.values())
        return f"{self.clips:,} clips labeled ({self.hours:.2f} h), {total:,} rejected{reasons and f': {reasons}'}"


def label_corpus(
    source: Utterances | str | Path | Sequence[str | Path], teacher: str, output: str | Path, *,
    min_confidence: float | None = None, split: str = "train", batch_seconds: float = BATCH_SECONDS,
    progress: Callable[[int, int], Any] | None = None,
) -> LabelingReport:  # fmt: skip
    """Write a teacher's transcripts of clips as a manifest. An interrupted run is continued, and further clips are added.

    A clip is rejected if it cannot be read, is too short or too long for the teacher, or if its transcript has digits,
    symbols, marks of sounds that are not speech, letters of another alphabet, repetitions, more characters than can be
    spoken, or too little confidence. Transcripts are stored in lower-case letters, apostrophes and spaces.

    Args:
        source: `Utterances`, or files, folders, patterns with wildcards and specifications of data sets.
        teacher: A form of `kerasrecipes.data_prep.teachers.TEACHERS`: "whisper:FOLDER", or what `kerasrecipes.load` loads.
        output: Folder for `manifest.tsv`, `rejected.tsv` and the journal `labels.jsonl`, or the name of the manifest,
            NAME.tsv, beside which the others are NAME.rejected.tsv and NAME.labels.jsonl.
        min_confidence: Smallest mean log probability in nats. Default: that of the teacher's kind.
        split: Name in the column `split`. Default "train".
        batch_seconds: Audio per batch in seconds. Default 60.
        progress: Called as `progress(clips done, clips in all)`.

    Returns:
        The tables' paths and counts.

    Raises:
        DataError: There is no clip, the output holds labels of another teacher, or another process writes there.
        KerasRecipesError: The teacher cannot be loaded, or fails on a whole batch.
    """
    clips = list(source) if isinstance(source, Utterances) else list_clips(source)
    manifest, rejected, journal_path = output_files(Path(output))
    manifest.parent.mkdir(parents=True, exist_ok=True)
    root = Path(os.path.abspath(manifest.parent))
    if min_confidence is None:
        min_confidence = TEACHERS[parse_teacher(teacher)[0]].min_confidence
    message = f"Another process labels into {output}: wait for it, or pass another --output"
    with (
        exclusive_lock(journal_path.parent, message, f".{journal_path.name}.lock"),
        Journal(journal_path, {"teacher": teacher_name(teacher)}) as journal,
    ):
        labeled = {row["path"] for row in journal.rows}
        names = {portable_path(clip.path, root): clip for clip in clips}
        pending = [(name, clip) for name, clip in names.items() if name not in labeled]
        try:
            if pending:
                model = load_teacher(teacher)
                done = len(names) - len(pending)
                for rows in label_clips(model, pending, batch_seconds):
                    journal.append(rows)
                    done += len(rows)
                    if progress:
                        progress(done, len(names))
        finally:
            report = write_tables(journal.rows, manifest, rejected, min_confidence, split, teacher_name(teacher))
    return report


def list_clips(source: str | Path | Sequence[str | Path]) -> list[Utterance]:
    """Return the clips of files, folders, patterns and specifications of data sets. Files have no transcript and speaker."""
    clips: list[Utterance] = []
    for item in [source] if isinstance(source, str | Path) else source:
        reader = READERS.get(str(item).partition(":")[0])
        if ":" in str(item) and reader and reader.yields == "speech" and not Path(item).exists():
            clips += load_datasets([str(item)])
        else:
            clips += [Utterance(Path(path).name, str(path), "") for path in list_audio_files(item)]
    if shard := next((clip.path for clip in clips if is_member_url(clip.path)), None):
        raise DataError(f"{shard} is in a shard: label the files that the shards were written from")
    if not clips:
        raise DataError("There is no clip to label: pass audio files, folders or data sets")
    return clips


def output_files(output: Path) -> tuple[Path, Path, Path]:
    """Return the paths of the manifest, of the table of rejected clips and of the journal."""
    if output.suffix == ".tsv":
        return output, output.with_suffix(".rejected.tsv"), output.with_suffix(".labels.jsonl")
    return output / "manifest.tsv", output / "rejected.tsv", output / "labels.jsonl"


def portable_path(path: str, root: Path) -> str:
    """Return a clip's path as tables hold it: relative to the table's folder if it lies below it, else absolute."""
    full = Path(os.path.abspath(path))  # a link keeps its name
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def label_clips(
    teacher: Teacher, clips: Sequence[tuple[str, Utterance]], batch_seconds: float
) -> Iterator[list[dict[str, Any]]]:
    """Yield rows of the journal for (name, clip) pairs, batch by batch: {"path", "seconds", "speaker", "text", "confidence"}.

    A clip without a transcript has "error" in place of the last two.
    """
    for start in range(0, len(clips), CLIPS_PER_STEP):
        step = clips[start : start + CLIPS_PER_STEP]
        errors: list[AudioError | None] = [None] * len(step)
        paths = [clip.path for _, clip in step]
        for batch in bucket_by_length(paths, batch_seconds, errors, teacher.sample_rate):
            rows, waves = [], []
            for index, recording in batch:
                name, clip = step[index]
                seconds = len(recording) / teacher.sample_rate
                row = {"path": name, "seconds": round(seconds, 3), "speaker": clip.speaker}
                if seconds < MIN_SECONDS:
                    row["error"] = f"too short: at least {MIN_SECONDS} s"
                elif seconds > teacher.max_seconds:
                    row["error"] = f"too long: the teacher takes {teacher.max_seconds:g} s"
                else:
                    waves.append(np.asarray(recording.samples))
                rows.append(row)
            results = iter(transcribe_batch(teacher, waves))
            for row in rows:
                if "error" not in row:
                    result = next(results)
                    if isinstance(result, Hypothesis):
                        row |= {"text": result.text, "confidence": round(result.confidence, 4)}
                    else:
                        row["error"] = result
            yield rows
        yield [
            {"path": name, "seconds": 0.0, "speaker": clip.speaker, "error": f"unreadable: {first_line(error)}"}
            for (name, clip), error in zip(step, errors, strict=True)
            if error
        ]


def transcribe_batch(teacher: Teacher, waves: Sequence[np.ndarray]) -> list[Hypothesis | str]:
    """Return the teacher's result for every wave, or an error message for a wave on which it fails alone.

    Raises:
        KerasRecipesError: The teacher fails on every wave of a batch, so the waves are not the cause.
    """
    if not waves:
        return []
    try:
        return list(teacher.transcribe(waves))
    except Exception as error:  # teachers come from other packages, which raise many classes
        if len(waves) == 1:
            return [f"teacher failed: {first_line(error)}"]
        results = [transcribe_batch(teacher, [wave])[0] for wave in waves]
        if not any(isinstance(result, Hypothesis) for result in results):
            raise KerasRecipesError(f"The teacher fails on all clips of a batch: {first_line(error)}") from error
        return results


def write_tables(
    rows: Iterable[dict[str, Any]], manifest: Path, rejected: Path, min_confidence: float, split: str,
    labeler: str,
) -> LabelingReport:  # fmt: skip
    """Write the labeled and the rejected clips of a journal, sorted by path."""
    labeled_lines, rejected_lines = ["\t".join(COLUMNS)], ["\t".join((*COLUMNS, "reason"))]
    reasons: Counter[str] = Counter()
    seconds = 0.0
    for row in sorted(rows, key=lambda row: row["path"]):
        text, confidence = row.get("text", ""), row.get("confidence", "")
        reason = row.get("error") or rejection_reason(text, row["seconds"], confidence, min_confidence)
        if not is_storable(row["path"]):
            reason = "file name: rename the file, its name has a tab, a newline or bytes that are not UTF-8"
        transcript = text if reason else normalize_transcript(text)
        cells = (row["path"], f"{row['seconds']:.3f}", row["speaker"], split, transcript, confidence, labeler)
        if reason:
            rejected_lines.append("\t".join(map(clean_cell, (*cells, reason))))
            reasons[reason.partition(":")[0]] += 1
        else:
            labeled_lines.append("\t".join(map(clean_cell, cells)))
            seconds += row["seconds"]
    for path, lines in ((manifest, labeled_lines), (rejected, rejected_lines)):
        atomic_write(path, "\n".join([*lines, ""]))
    return LabelingReport(manifest, rejected, len(labeled_lines) - 1, seconds / 3600, dict(reasons.most_common()))


def is_storable(path: str) -> bool:
    """Return whether a path can stand in a table as it is."""
    return not set(path) & set(UNSTORABLE) and path == path.encode("utf-8", "replace").decode()


def clean_cell(value: Any) -> str:
    """Return a value as one cell of a tab-separated table."""
    return " ".join(str(value).encode("utf-8", "replace").decode().split())

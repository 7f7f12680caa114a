"""Labels by a teacher: decisions, tables, broken clips, interruptions, Whisper, and recognizers of the package."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import HELPERS, ROOT

from kerasrecipes import data, metrics
from kerasrecipes.cli.main import main
from kerasrecipes.data_prep import label_corpus, teachers
from kerasrecipes.data_prep.teachers import Hypothesis, TeacherKind
from kerasrecipes.data_prep.transcript_checks import normalize_transcript, rejection_reason, repeated_phrase
from kerasrecipes.errors import DataError, KerasRecipesError

TEXTS = (
    "Good morning, Mr. Smith.",
    "At 5 o'clock.",
    "I see. I see. I see. I see.",
    "[Music]",
    "A quiet word.",
    "Again!",
)
FAKE = TeacherKind("NAME", f"{__name__}:FakeTeacher", -0.5, "reads the number that a clip's amplitude stands for")


class FakeTeacher:
    """Reads text n of `TEXTS` from a clip of amplitude n / 100 + 0.01. Text 4 has little confidence, and the text 5 breaks it."""

    sample_rate, max_seconds = 16000, 5.0

    def __init__(self, source):
        self.source = source

    def transcribe(self, waves):
        if self.source == "slow":
            time.sleep(0.05)
        numbers = [round(100 * float(wave.max())) - 1 for wave in waves]
        if 5 in numbers or self.source == "broken":
            raise RuntimeError("no memory\nmore")
        return [Hypothesis(TEXTS[n], -0.7 if n == 4 else -0.1) for n in numbers]


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setitem(teachers.TEACHERS, "fake", FAKE)


def write_clip(path, number, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(int(16000 * seconds), (number + 1) / 100), 16000)
    return path


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_clips_are_labeled_or_rejected_with_a_reason(tmp_path, fake):
    for number in range(len(TEXTS)):
        write_clip(tmp_path / "set" / "clips" / f"{number}.wav", number)
    write_clip(tmp_path / "set" / "clips" / "long.wav", 0, 6)
    write_clip(tmp_path / "set" / "clips" / "short.wav", 0, 0.1)
    write_clip(tmp_path / "set" / "clips" / "tab\t.wav", 0)
    (tmp_path / "set" / "clips" / "broken.wav").write_bytes(b"RIFF no audio")
    elsewhere = write_clip(tmp_path / "elsewhere.flac", 0)
    steps = []
    report = label_corpus(
        [tmp_path / "set", elsewhere],
        "fake:x",
        tmp_path / "set",
        split="extra",
        progress=lambda *step: steps.append(step),
    )
    labeled = read_rows(report.manifest)
    assert [(row["path"], row["transcript"]) for row in labeled] == [
        (str(elsewhere), "good morning mister smith"), ("clips/0.wav", "good morning mister smith"),
    ]  # fmt: skip
    assert labeled[1] | {"path": ""} == {
        "path": "", "seconds": "1.000", "speaker": "", "split": "extra", "transcript": "good morning mister smith", "confidence": "-0.1",
        "labeler": "fake:x",
    }  # fmt: skip
    reasons = {Path(row["path"]).name: row["reason"] for row in read_rows(report.rejected)}
    assert {name: reason.partition(":")[0] for name, reason in reasons.items()} == {
        "1.wav": "digits", "2.wav": "repetition", "3.wav": "sounds that are not speech", "4.wav": "low confidence",
        "5.wav": "teacher failed", "long.wav": "too long", "short.wav": "too short", "tab .wav": "file name", "broken.wav": "unreadable",
    }  # fmt: skip
    assert reasons["5.wav"] == "teacher failed: no memory"
    assert (report.clips, sum(report.reasons.values())) == (2, 9) and report.hours == pytest.approx(2 / 3600)
    assert steps[-1] == (11, 11) and [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert [u.labeler for u in data.load_datasets([f"manifest:{report.manifest}?split=extra"])] == ["fake:x"] * 2


def test_a_new_threshold_and_new_clips_use_the_journal(tmp_path, fake, monkeypatch):
    clip = write_clip(tmp_path / "a.wav", 4)
    output = tmp_path / "labels" / "mine.tsv"
    assert label_corpus(clip, "fake:x", output).reasons == {"low confidence": 1}
    monkeypatch.setattr(FakeTeacher, "transcribe", lambda *_: pytest.fail("the clip is labeled already"))
    report = label_corpus(clip, "fake:x", output, min_confidence=-0.8)
    assert (report.manifest, report.rejected) == (output, output.with_name("mine.rejected.tsv"))
    assert [row["confidence"] for row in read_rows(output)] == ["-0.7"] and not report.reasons
    monkeypatch.undo()
    monkeypatch.setitem(teachers.TEACHERS, "fake", FAKE)
    table = tmp_path / "known.tsv"
    table.write_text(f"path\ttext\tspeaker\n{write_clip(tmp_path / 'b.wav', 0)}\tunknown\tanna\n")
    assert label_corpus(f"manifest:{table}", "fake:x", output).clips == 1
    assert [(row["speaker"], row["transcript"]) for row in read_rows(output)] == [("anna", "good morning mister smith")]
    with pytest.raises(DataError, match="'fake:x' there, 'fake:y' now"):
        label_corpus(clip, "fake:y", output)


def test_a_teacher_that_fails_on_every_clip_stops_the_run(tmp_path, fake):
    for name in "ab":
        write_clip(tmp_path / f"{name}.wav", 0)
    with pytest.raises(KerasRecipesError, match="fails on all clips of a batch: no memory"):
        label_corpus(tmp_path, "fake:broken", tmp_path)
    assert (tmp_path / "labels.jsonl").read_text() == '{"teacher": "fake:broken"}\n'  # nothing is blamed on the clips
    with pytest.raises(DataError, match="no clip to label"):
        label_corpus([], "fake:x", tmp_path / "none")


SCRIPT = """
import sys
sys.path[:0] = sys.argv[3:]
import test_labeling
from kerasrecipes.data_prep import label_corpus, teachers
teachers.TEACHERS["fake"] = test_labeling.FAKE
label_corpus(sys.argv[1], "fake:slow", sys.argv[2], batch_seconds=1)
"""


def test_a_killed_run_continues_with_the_clips_that_are_left(tmp_path):
    for number in range(60):
        write_clip(tmp_path / "clips" / f"{number:02}.wav", number % 5)
    folders = (ROOT, HELPERS, Path(__file__).parent)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "clips"), str(tmp_path / "killed"), *map(str, folders)]
    journal = tmp_path / "killed" / "labels.jsonl"
    process = subprocess.Popen(command)
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    first = journal.read_bytes()
    assert 4 <= first.count(b"\n") < 61 and not (tmp_path / "killed" / "manifest.tsv").exists()
    journal.write_bytes(first + b'{"path": "clips/00.wav", "sec')  # a half-written line
    subprocess.run(command, check=True)
    assert journal.read_bytes().startswith(first) and journal.read_bytes().count(b"\n") == 61
    shutil.move(tmp_path / "killed", tmp_path / "continued")
    subprocess.run(command, check=True)
    for name in ("manifest.tsv", "rejected.tsv"):
        assert (tmp_path / "continued" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


@pytest.mark.parametrize(("text", "reason"), [
    ("It was well-kept, wasn't it?", ""), ("", "no words"), ("...", "no words"), ("Room ②", "digits"), ("R & D", "symbols: &"),
    ("(laughs) yes", "sounds that are not speech: ( )"), ("日本", "letters of another alphabet: 日 本"),
    ("no no no", ""), ("no no no no", "repetition: no"), ("very much very much", ""),
    ("the cat sat the cat sat", "repetition: the cat sat"), ("the more you have the more you want", ""),
    ("we went home by bus we went home", "repetition: we went home by bus"), ("x" * 60, "repetition: compression ratio"),
    ("quick brown foxes jump over lazy dogs again", "too fast: 43 characters a second"),
])  # fmt: skip
def test_reasons(text, reason):
    seconds = 1.0 if text.startswith("quick") else 10.0
    found = rejection_reason(text, seconds, -0.3, -0.35)
    assert found.startswith(reason) and bool(found) == bool(reason)
    assert (
        rejection_reason("yes", 1, -0.36, -0.35) == rejection_reason("yes", 1, float("nan"), -0.35) == "low confidence"
    )


def test_transcripts_are_normalized_as_they_are_spoken():
    assert normalize_transcript("Dr. O\u2019Brien\u2019s café,  'right'?") == "doctor o'brien's cafe right"
    assert repeated_phrase(normalize_transcript("Thank you. Thank you. Thank you.")) == "thank you"


def test_recognizers_of_the_package_teach(tmp_path, clips, capsys):
    from kerasrecipes import loading

    clip = next(iter(data.librispeech(clips))).path
    arguments = ["--teacher", "wav2letter_small", "--output", str(tmp_path), "--min-confidence=-9"]
    assert main(["data", "label", clip, *arguments]) == 0
    assert "next: kerasrecipes data summary manifest:" in capsys.readouterr().out
    transcript = loading.load("wav2letter_small", compile=False, engine="auto").transcribe(clip, decoder="greedy")
    row = read_rows(tmp_path / "manifest.tsv")[0]
    assert row["transcript"] == transcript.text
    assert float(row["confidence"]) == pytest.approx(np.log(transcript.confidence), abs=1e-4)
    with pytest.raises(KerasRecipesError, match="its task is language-model"):
        label_corpus(clip, "char_rnn_small", tmp_path / "x")


def test_whisper_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(KerasRecipesError, match=r"pip install .kerasrecipes\[teacher\]"):
        label_corpus(write_clip(tmp_path / "a.wav", 0), "whisper:base", tmp_path)


def test_whisper_labels_alone_as_in_a_batch(tmp_path, clips):
    pytest.importorskip("faster_whisper", reason='faster-whisper is missing: pip install "kerasrecipes[teacher]"')
    if not (folder := os.environ.get("KERASRECIPES_WHISPER")):
        pytest.skip("set KERASRECIPES_WHISPER to the folder of a Whisper model for CTranslate2")
    utterances = data.librispeech(clips)
    report = label_corpus(utterances, f"whisper:{folder}", tmp_path / "batch")
    assert report.clips + sum(report.reasons.values()) == len(utterances)
    texts = {row["path"]: (row["transcript"], row["confidence"]) for row in read_rows(report.manifest)}
    references = {os.path.abspath(u.path): normalize_transcript(u.text) for u in utterances}
    hypotheses = [text for text, _ in texts.values()]
    assert metrics.word_error_rate([references[path] for path in texts], hypotheses).rate < 0.15
    alone = label_corpus(next(iter(texts)), f"whisper:{folder}", tmp_path / "alone")
    row = read_rows(alone.manifest)[0]
    assert (row["transcript"], row["confidence"]) == texts[row["path"]]
    with pytest.raises(KerasRecipesError, match="There is no folder"):
        label_corpus(utterances, f"whisper:{tmp_path}/nowhere", tmp_path / "none")

"""Synthesized data sets: continuation, independence of workers, the voices, and the declaration as synthetic speech."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import HELPERS, ROOT

from kerasrecipes import data
from kerasrecipes.cli.main import main
from kerasrecipes.data.origins import SYNTHESIZERS, synthesizer_name, synthesizers_by_source
from kerasrecipes.data_prep import hibari_voice, summarize, synthesize_corpus
from kerasrecipes.data_prep.hibari_voice import HibariSpeaker
from kerasrecipes.data_prep.voices import VOICES, SpeechClip, Synthesizer, punctuate
from kerasrecipes.errors import DataError

TEXTS = ["ONE TWO THREE FOUR FIVE SIX", "no", "seven eight nine ten"]
TONES = Synthesizer(f"{__name__}:ToneVoice", "tones", "none")
FLITE = """#!/usr/bin/env python3
import sys, wave
o = sys.argv
out, text = o[o.index("-o") + 1], o[o.index("-t") + 1]
if "bad" in text:
    sys.exit("no such word")
with wave.open(out, "wb") as w:
    w.setnchannels(1); w.setsampwidth(2); w.setframerate(16000)
    w.writeframes(b"\\0\\1" * 8000)
"""


class ToneVoice:
    """A tone of random pitch for every sentence. It cannot say "six"."""

    def __init__(self, delay=0.0):
        self.delay = delay

    def speak(self, sentence, number, rng):
        time.sleep(self.delay)
        if "six" in sentence:
            raise DataError("no six")
        wave = np.sin(np.arange(4000 * len(sentence.split())) * rng.uniform(0.1, 1))
        return SpeechClip(wave.astype("float32"), 8000, f"tones-{number:06}")


@pytest.fixture
def tones(monkeypatch):
    monkeypatch.setitem(VOICES, "tones", TONES)


@pytest.fixture
def flite(tmp_path):
    program = tmp_path / "flite"
    program.write_text(FLITE.replace("/usr/bin/env python3", sys.executable))
    program.chmod(0o755)
    return {"program": str(program), "words": (3, 4), "workers": 1}


def read_set(folder):
    """Return the files of a set by name, without the lock."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_flite_continues_an_existing_set(tmp_path, flite):
    table = synthesize_corpus(TEXTS, tmp_path / "set", 4 / 3600, **flite)
    first = data.from_table(table)
    assert sum(u.seconds for u in first) == pytest.approx(4)
    assert {u.speaker for u in first} == {"flite-rms", "flite-slt", "flite-awb", "flite-kal16"}
    for u in first:
        assert 3 <= len(u.text.split()) <= 4 and any(u.text in t.lower() for t in TEXTS)
    (tmp_path / "set" / "synthesis.jsonl").unlink()  # as sets were before they had a journal
    synthesize_corpus(TEXTS, tmp_path / "set", 6 / 3600, **flite)
    synthesize_corpus(TEXTS, tmp_path / "whole", 6 / 3600, **flite)
    assert read_set(tmp_path / "set") == read_set(tmp_path / "whole")
    with pytest.raises(DataError, match="no such word"):
        synthesize_corpus(["bad bad bad"], tmp_path / "bad", 0.1, **flite)
    with pytest.raises(DataError, match="apt install flite"):
        synthesize_corpus(TEXTS, tmp_path / "x", 1, program="no-such-program")
    with pytest.raises(DataError, match="seed 0 there, 1 now"):
        synthesize_corpus(TEXTS, tmp_path / "set", 7 / 3600, seed=1, **flite)
    with pytest.raises(DataError, match="There is no synthesizer 'siri'; there are flite"):
        synthesize_corpus(TEXTS, tmp_path / "x", 1, voices="siri")


def test_a_set_does_not_depend_on_the_number_of_workers(tmp_path, tones):
    options = {"voices": "tones", "words": (2, 4)}
    for name, workers in (("one", 1), ("two", 2)):
        synthesize_corpus(TEXTS, tmp_path / name, 30 / 3600, workers=workers, **options)
    assert read_set(tmp_path / "one") == read_set(tmp_path / "two")
    journal = [json.loads(line) for line in (tmp_path / "one" / "synthesis.jsonl").read_text().splitlines()]
    failed = [row["number"] for row in journal[1:] if row.get("error") == "no six"]
    clips = data.from_table(tmp_path / "one" / "manifest.tsv")
    assert failed and len(clips) == len(journal) - 1 - len(failed)  # one sentence that cannot be spoken stops nothing
    assert not any((tmp_path / "one" / "clips" / f"{number:06}.flac").exists() for number in failed)


SCRIPT = """
import sys
sys.path[:0] = sys.argv[2:]
import test_synthesis
from kerasrecipes.data_prep.synthesis import synthesize_corpus
from kerasrecipes.data_prep.voices import VOICES
if __name__ == "__main__":
    VOICES["tones"] = test_synthesis.TONES
    synthesize_corpus(test_synthesis.TEXTS, sys.argv[1], 60 / 3600, voices="tones", words=(2, 4), workers=2, delay=0.02)
"""


def test_a_killed_synthesis_continues_and_leaves_no_process(tmp_path):
    import psutil

    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folders = map(str, (ROOT, HELPERS, Path(__file__).parent))
    command = [sys.executable, str(script), str(tmp_path / "killed"), *folders]
    journal = tmp_path / "killed" / "synthesis.jsonl"
    process = subprocess.Popen(command)
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 6):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 6 <= journal.read_bytes().count(b"\n") < 40 and not (tmp_path / "killed" / "manifest.tsv").exists()
    assert len(workers) >= 2 and not psutil.wait_procs(workers, timeout=20)[1]
    journal.write_bytes(journal.read_bytes()[:-7])  # a half-written line
    subprocess.run(command, check=True)
    killed = (tmp_path / "killed").rename(tmp_path / "continued")
    subprocess.run(command, check=True)
    assert read_set(killed) == read_set(tmp_path / "killed")


def test_synthetic_speech_and_teachers_are_declared(tmp_path, clips, tones):
    from kerasrecipes.data import origins
    from kerasrecipes.release.from_run import data_row
    from kerasrecipes.release.model_card import data_summary, origin_lines
    from kerasrecipes.training.training_task import TrainingTask

    assert set(SYNTHESIZERS) == set(VOICES) - {"tones"}
    assert synthesizer_name("hibari-000123") == "hibari" and not synthesizer_name("hibari") + synthesizer_name("anna-b")
    clip = next(iter(data.librispeech(clips))).path
    table = tmp_path / "made" / "manifest.tsv"
    table.parent.mkdir()
    table.write_text(f"path\ttext\tspeaker\tseconds\n{clip}\thello\thibari-000000\t6\n{clip}\thello\tflite-rms\t3\n")
    heard = tmp_path / "heard" / "manifest.tsv"
    heard.parent.mkdir()
    heard.write_text(f"path\ttext\tlabeler\n{clip}\thello\twhisper:base\n{clip}\thello\t\n")
    mixed = data.from_table(table) + data.librispeech(clips)[:1] + data.from_table(heard)
    assert synthesizers_by_source(mixed) == {"made": ["flite", "hibari"]}
    row = dict(summarize(mixed).rows)["synthetic"]
    assert row.endswith("% of the time, by flite, hibari")
    assert "synthetic" not in dict(summarize(data.librispeech(clips)).rows)

    class Task(TrainingTask):
        def __init__(self):
            self.data = mixed

        def hours_by_source(self):
            return {"made": 1.0, "dev-mini": 2.0, "heard": 1.0}

    record = Task().data_summary()
    assert record == [
        {"name": "made", "hours": 1.0, "synthesizers": ["flite", "hibari"]},
        {"name": "dev-mini", "hours": 2.0},
        {"name": "heard", "hours": 1.0, "labelers": ["whisper:base"]},
    ]
    rows = [data_row(d) for d in record]
    assert rows[0] == {
        "name": "made", "hours": 1.0, "synthetic": True,
        "license": f"as its text; {VOICES['flite'].license}; {VOICES['hibari'].license}",
    }  # fmt: skip
    assert rows[1]["synthetic"] is False and data_row({"name": "synthetic-flite", "hours": 1})["synthetic"] is True
    entry = type("Row", (), {"data": rows, "training": {}})
    assert data_summary(entry) == "made 1.00 h (synthetic), dev-mini 2.00 h, heard 1.00 h; 4.0 h in all"
    assert origin_lines(entry) == {
        "synthetic": "25 % of the training data",
        "labels": "25 % of the training data was transcribed by whisper:base",
    }
    assert origins.synthesizers_by_source(data.librispeech(clips)) == {}


def test_hibari_speakers_change_the_predictions_as_they_say():
    rng = np.random.default_rng(0)
    predictions = [rng.normal(size=(100, 6)).astype("float32") for _ in range(5)] + [
        np.array([0, 100, 200, 200, 100, 0], "float32")
    ]
    same = hibari_voice.change_speaker(predictions, HibariSpeaker())
    assert all(np.array_equal(a, b) or np.allclose(a, b, rtol=1e-6) for a, b in zip(same, predictions, strict=True))
    pitch = hibari_voice.change_speaker(predictions, HibariSpeaker(pitch_scale=0.5, pitch_range=2.0))[5]
    mean = np.sqrt(100 * 200)
    np.testing.assert_allclose(
        pitch, np.array([0, 100 / mean, 200 / mean, 200 / mean, 100 / mean, 0]) ** 2 * mean / 2, rtol=1e-5
    )
    tilted = hibari_voice.change_speaker(predictions, HibariSpeaker(tilt_db=6.0, breath=0.3))
    for i, offset in ((0, 0.0), (2, 0.3), (3, 0.0)):
        change = tilted[i] - predictions[i] - offset
        np.testing.assert_allclose(change[0] - change[-1], 6 * 0.99 * np.log(10) / 20, rtol=1e-3)
        np.testing.assert_allclose(change[20], 0, atol=1e-6)
    ramp = np.arange(100, dtype="float32")[:, None]
    np.testing.assert_allclose(
        hibari_voice.stretch_frequency_axis(ramp, 1.1)[:, 0], np.minimum(np.arange(100) / 1.1, 99), rtol=1e-5
    )
    speakers = [hibari_voice.sample_speaker(np.random.default_rng([1, n])) for n in range(200)]
    assert speakers[7] == hibari_voice.sample_speaker(np.random.default_rng([1, 7]))
    low = np.array([s.pitch_scale < 0.77 for s in speakers])
    assert 70 < low.sum() < 130 and np.mean([s.formant_scale for s in np.array(speakers)[low]]) < 0.93


def test_hibari_speaks_with_another_speaker_for_every_clip(tmp_path):
    pytest.importorskip("hibari", reason='hibari-tts is missing: pip install "kerasrecipes[voices]"')
    text = tmp_path / "lines.txt"
    text.write_text("the quick brown fox jumps over the lazy dog\n")
    for name, hours in (("a", 2), ("b", 6), ("a", 6)):  # continued or at once
        arguments = [
            "--output",
            str(tmp_path / name),
            "--voices",
            "hibari",
            "--hours",
            str(hours / 3600),
            "--workers",
            "1",
        ]
        assert main(["data", "synthesize", f"text:{text}", *arguments]) == 0
    assert read_set(tmp_path / "a") == read_set(tmp_path / "b")
    clips = data.from_table(tmp_path / "a" / "manifest.tsv")
    assert [u.speaker for u in clips] == [f"hibari-{n:06}" for n in range(len(clips))] and len(clips) > 1
    for u in clips:
        wave, rate = soundfile.read(u.path)
        assert rate == 16000 and 0.3 < np.abs(wave).max() <= 0.8
        assert 0.1 < len(wave) / rate / len(u.text.split()) < 0.9  # seconds a word


def test_missing_packages_and_folders_are_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="--voice-folder"):
        synthesize_corpus(TEXTS, tmp_path / "a", 1, voices="kokoro", words=(2, 4))
    for name in ("hibari", "hibari.g2p"):
        monkeypatch.setitem(sys.modules, name, None)
    for voices, options in (("hibari", {}), ("kokoro", {"voice_folder": tmp_path})):
        with pytest.raises(DataError, match=r"pip install .kerasrecipes\[voices\]"):
            synthesize_corpus(TEXTS, tmp_path / voices, 1, voices=voices, words=(2, 4), **options)


def test_sentences_are_punctuated_for_the_voice_only():
    assert punctuate("o'brien's cat") == "O'brien's cat."
    assert punctuate("") == "."

"""Clips recorded by a fake microphone: noise, clicks and tones whose times are known."""

import numpy as np
import pytest

from kerasrecipes import data
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.cli import listen
from kerasrecipes.cli.main import main
from kerasrecipes.data_prep import recording
from kerasrecipes.errors import AudioError, DataError

BLOCK = SAMPLE_RATE // 10


def quiet(seconds, rng, level=0.001):
    return level * rng.standard_normal(round(seconds * SAMPLE_RATE))


def tone(seconds, hertz=500.0, level=0.3):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def to_blocks(*waves):
    wave = np.concatenate(waves).astype("float32")
    return (wave[i : i + BLOCK] for i in range(0, len(wave), BLOCK))


def speak(*tones, seed=0):
    """Yield blocks of tones, each with a second of quiet before and after it."""
    rng = np.random.default_rng(seed)
    return to_blocks(*(part for each in tones for part in (quiet(1.0, rng), each, quiet(1.0, rng))))


def main_frequency(path):
    wave = load_audio(path)
    return np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)[np.abs(np.fft.rfft(wave)).argmax()]


def test_each_phrase_becomes_a_clip_and_a_row_in_the_order_of_the_prompts(tmp_path):
    hertz = [300.0, 500.0, 700.0, 900.0]
    prompts = []
    table = recording.record_phrases(
        speak(*(tone(0.6, h) for h in hertz)), ["lights  on", "", "lights off"], tmp_path / "mine.tsv", repeats=2, speaker="anna",
        report=prompts.append,
    )  # fmt: skip
    clips = data.from_table(table)
    assert [u.text for u in clips] == ["lights on", "lights off"] * 2 and {u.speaker for u in clips} == {"anna"}
    np.testing.assert_allclose([main_frequency(u.path) for u in clips], hertz, atol=2)
    for u in clips:  # 0.6 s of tone, 0.3 s on both sides, in blocks of 0.1 s
        assert abs(u.seconds - 1.2) < 0.21 and abs(len(load_audio(u.path)) / SAMPLE_RATE - u.seconds) < 0.01
    assert [p for p in prompts if "say" in p][1] == "2 of 4  say: lights off"


def test_an_interrupted_recording_goes_on_with_the_missing_phrases(tmp_path):
    table = tmp_path / "mine.tsv"
    with pytest.raises(AudioError, match="ended: repeat the command"):
        recording.record_phrases(speak(tone(0.5)), ["yes", "no"], table, repeats=1, report=lambda text: None)
    first = data.from_table(table)[0]
    assert first.text == "yes"
    recording.record_phrases(speak(tone(0.5, 900.0)), ["yes", "no"], table, repeats=1, report=lambda text: None)
    clips = data.from_table(table)
    assert [u.text for u in clips] == ["yes", "no"] and abs(main_frequency(clips[1].path) - 900) < 2
    recording.record_phrases(iter(()), ["yes", "no"], table, repeats=1, report=lambda text: None)  # nothing is left
    recording.record_phrases(speak(tone(0.5)), ["yes"], table, repeats=1, speaker="ben", report=lambda text: None)
    assert [u.speaker for u in data.from_table(table)] == ["speaker", "speaker", "ben"]


def test_clicks_and_noise_are_no_speech():
    rng = np.random.default_rng(1)
    click = np.concatenate([tone(0.05), quiet(0.05, rng)])
    wave = recording.cut_speech(
        to_blocks(quiet(1, rng, 0.01), click, quiet(2, rng, 0.01), tone(0.4, 900.0), quiet(2, rng, 0.01))
    )
    assert abs(len(wave) / SAMPLE_RATE - 1.0) < 0.01  # 0.4 s, and 0.3 s on both sides
    assert recording.cut_speech(to_blocks(quiet(20, rng, 0.01))) is None
    endless = recording.cut_speech(to_blocks(quiet(1, rng), tone(30)))
    assert len(endless) / SAMPLE_RATE < recording.MAX_SECONDS + 0.5
    with pytest.raises(AudioError, match="microphone is silent"):
        recording.record_clip(to_blocks(quiet(60, rng)), "say: yes", lambda text: None)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"phrases": [" "]}, "nothing to record"), ({"repeats": 0}, "nothing to record"), ({"speaker": "a\tb"}, "is no name"),
])  # fmt: skip
def test_wrong_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        recording.record_phrases(iter(()), **{"phrases": ["yes"], "table": tmp_path / "x.tsv"} | arguments)


def test_other_tables_are_not_overwritten(tmp_path):
    table = tmp_path / "other.tsv"
    table.write_text("path\ttranscript\nx.wav\tyes\n")
    with pytest.raises(DataError, match="is no table of recorded clips"):
        recording.record_phrases(iter(()), ["yes"], table)
    assert table.read_text() == "path\ttranscript\nx.wav\tyes\n"


def test_the_command_records_and_names_the_next_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(listen, "microphone", lambda: speak(tone(0.5), tone(0.5)))
    (tmp_path / "phrases.txt").write_text("yes\nno\n")
    words = ["record", str(tmp_path / "clips.tsv"), "--phrases", str(tmp_path / "phrases.txt"), "--repeats", "1"]
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(tmp_path / "clips.tsv") and "next: kerasrecipes teach --data manifest:" in output.err
    assert len(data.from_table(tmp_path / "clips.tsv")) == 2
    assert main(["record", "clips.csv", *words[2:]]) == 1 and "must end with .tsv" in capsys.readouterr().err
    assert main(["record", "clips.tsv", "--phrases", str(tmp_path / "none.txt")]) == 1 and "There is no file" in capsys.readouterr().err

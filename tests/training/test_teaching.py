"""Teaching a tiny recognizer tones as letters: errors fall, an interrupted call goes on, and a finished one is not repeated."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import soundfile

import kerasrecipes as kr
from kerasrecipes import layers, registry
from kerasrecipes.cli import train as commands
from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError, ExportError, KerasRecipesError
from kerasrecipes.loading import build_model
from kerasrecipes.training import teaching
from kerasrecipes.training.config import config_for
from kerasrecipes.training.teaching_records import TeachingCard

HERTZ = {"a": 500.0, "o": 1500.0}
SETTINGS = {"max_steps": 300, "init_from": None, "learning_rate": 3e-2, "ema_momentum": 0.9, "speed_perturbation": (1.0,)}


def build_frames(*, vocab_size: int = 29, sample_rate: int = 16000):
    """A recognizer with one layer over a spectrogram."""
    audio, length = keras.Input((None,), name="audio"), keras.Input((), dtype="int32", name="length")
    x, n = layers.LogSpectrogram(320, 320, 1e-2)(audio, length)
    logits, _ = layers.SequenceMask(name="scores")(keras.layers.Dense(vocab_size, name="logits")(x), n)
    return keras.Model({"audio": audio, "length": length}, logits)


@pytest.fixture(scope="module")
def recipe():
    """A registered tiny recipe whose released weights are one model with random weights."""
    patch = pytest.MonkeyPatch()
    patch.setattr(registry, "registered", {})
    kr.register(kr.Recipe("tiny_frames", "doi:0", "speech-recognition", build_frames, "One layer.", tags=("ctc",)))
    load = lambda name, compile=True: build_model(kr.get_recipe(name), None, {})  # noqa: E731
    patch.setattr(teaching, "loading", SimpleNamespace(load=load))
    yield "tiny_frames"
    patch.undo()
    registry.all_recipes.cache_clear()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve clips of three speakers: one low or one high tone."""
    folder, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(0)
    rows = ["path\ttranscript\tspeaker"]
    for number in range(12):
        letter = "ao"[number % 2]
        wave = 0.01 * rng.standard_normal(8000)
        wave[2000:6000] += 0.4 * np.sin(2 * np.pi * HERTZ[letter] * np.arange(4000) / 16000)
        soundfile.write(folder / f"{number}.wav", wave, 16000)
        rows.append(f"{number}.wav\t{letter}\ts{number // 4}")
    soundfile.write(folder / "noise.wav", 0.01 * rng.standard_normal(16000), 16000)
    (folder / "other.tsv").write_text("path\ttranscript\nnoise.wav\tnothing\n")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n")
    return folder / "clips.tsv"


@pytest.fixture(scope="module")
def no_export():
    """The ONNX file is another process with TensorFlow: it is tested in tests/export."""
    def refuse(*arguments, **options):
        raise ExportError("no converter here")

    patch = pytest.MonkeyPatch()
    patch.setattr(teaching, "export", refuse)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def taught(recipe, table, no_export, tmp_path_factory):
    """The folder and the card of a call that is interrupted after its first steps and called again, and its reports."""
    folder, reports = tmp_path_factory.mktemp("taught") / "mine", []
    arguments = {"other_speech": [f"manifest:{table.parent / 'other.tsv'}"], "max_minutes": 5.0, "report": reports.append, **SETTINGS}
    patch = pytest.MonkeyPatch()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    patch.setattr(teaching, "save_model", interrupt)
    patch.setattr(teaching, "TIMED_MINUTES", 0.001)
    with pytest.raises(KeyboardInterrupt):
        teaching.teach([f"manifest:{table}"], folder, recipe, **arguments)
    patch.undo()
    assert not (folder / "card.json").exists() and not (folder / "model.keras").exists()
    return SimpleNamespace(
        folder=folder, card=teaching.teach([f"manifest:{table}"], folder, recipe, **arguments), reports=reports, arguments=arguments
    )


def test_errors_fall_on_a_speaker_that_was_held_out(taught):
    values = taught.card.values
    assert values["held_out_clips"] == 4 and values["train_clips"] == 8 and values["held_out"].startswith("of speaker s")
    assert values["steps"] == 300 and values["phrases"] == 2
    rates = values["word_errors"]
    assert rates["greedy"]["before"] > 0.5 and rates["greedy"]["after"] == 0 and rates["phrases"]["after"] == 0
    assert (taught.folder / "phrases.txt").read_text() == "a\no\n"
    assert values["rejection"]["misses"] == 0 and values["rejection"]["false_per_hour"] == 0
    assert values["other_speech_hours"] == round(1 / 3600, 3)
    assert len(values["rejection_costs"]) == 8 and "word errors, greedy" in str(taught.card)
    assert "8 clips" in taught.reports[0] and "no ONNX file was written: no converter here" in taught.reports[-1]


def test_general_speech_is_half_of_the_training(table, tmp_path):
    train = teaching.fill_durations(kr.data.from_table(table))
    specs = [f"manifest:{table}"] * 3
    mixed = teaching.mix_in(tmp_path, train, teaching.load_datasets(specs), specs)
    assert mixed == (f"manifest:{tmp_path / 'train.tsv'}",) * 3 + (f"manifest:{table}",) * 3
    assert teaching.mix_in(tmp_path, train, teaching.load_datasets([]), []) == (f"manifest:{tmp_path / 'train.tsv'}",)


def test_general_speech_does_not_measure_the_result(table, recipe, tmp_path):
    other = [f"manifest:{table.parent / 'other.tsv'}"]
    with pytest.raises(DataError, match="1 clips of --general-speech, .* also measure the result: take other speakers"):
        teaching.teach([f"manifest:{table}"], tmp_path, recipe, other_speech=other, general_speech=other)


def test_the_saved_model_is_the_measured_one(taught, table):
    model = kr.load(taught.card.model)
    held_out = kr.data.from_table(taught.folder / "held_out.tsv")
    assert [model.transcribe(u.path, decoder="greedy").text for u in held_out] == [u.text for u in held_out]
    assert not [p for p in taught.folder.rglob("*") if "partial" in p.name]
    assert keras.config.dtype_policy().name == "float32"


def test_a_finished_result_is_returned_and_another_request_is_refused(taught, recipe, table, monkeypatch):
    monkeypatch.setattr(teaching, "Trainer", None)
    again = teaching.teach([f"manifest:{table}"], taught.folder, recipe, **taught.arguments)
    assert again == taught.card
    with pytest.raises(DataError, match="holds a result for other clips, seed: pass another --output"):
        teaching.teach([f"manifest:{table}"], taught.folder, recipe, seed=2, **taught.arguments)
    mixed = {**taught.arguments, "general_speech": [f"manifest:{table}"], "validation": [f"manifest:{table.parent / 'other.tsv'}"]}
    with pytest.raises(DataError, match="other clips, general_speech: pass"):
        teaching.teach([f"manifest:{table}"], taught.folder, recipe, **{**mixed, "other_speech": []})
    (taught.folder.parent / "damaged").mkdir()
    shutil.copy(taught.folder / "plan.json", taught.folder.parent / "damaged")
    (taught.folder.parent / "damaged" / "card.json").write_text("{")
    with pytest.raises(DataError, match=r"card\.json cannot be read"):
        teaching.teach([f"manifest:{table}"], taught.folder.parent / "damaged", recipe, **taught.arguments)


def test_the_schedule_fits_the_time(recipe, monkeypatch, tmp_path):
    """The first step compiles for 36 s, all others take 3.6 s. Within 3 minutes the learning rate falls to zero."""
    class Timed:
        def __init__(self, config, folder, resume):
            self.config, self.state, self.model = config, {"step": 0, "wall_hours": 0.0}, None

        def train(self, max_minutes=None):
            last = self.config.max_steps if max_minutes is None else self.state["step"] + 1
            self.state = {"step": last, "wall_hours": 0.01 + 0.001 * (last - 1)}
            return self.state | {"rate": self.config.learning_rate_at(last - 1), "limit": max_minutes}

    monkeypatch.setattr(teaching, "Trainer", Timed)
    monkeypatch.setattr(teaching, "averaged_weights", lambda model: [])
    config = teaching.teaching_config(recipe, tmp_path, 0.01, 1, SETTINGS)
    assert config.max_steps == 300 and config.decay_steps == 240
    state, _ = teaching.train_within(config, tmp_path, plan := {}, 3.0)
    assert 40 <= state["step"] <= 41 and 0.049 < state["wall_hours"] <= 0.05  # 3 minutes are 0.05 h
    assert state["rate"] == pytest.approx(3e-2 / round(0.8 * state["step"])) and state["limit"] is None
    assert plan == {"max_steps": state["step"]} == json.loads((tmp_path / "plan.json").read_text())
    assert teaching.train_within(config, tmp_path, {"max_steps": 4}, 3.0)[0]["step"] == 4  # of an interrupted call


def test_other_initial_weights_replace_the_recipe_that_a_configuration_starts_from():
    """deepspeech2_streaming_small starts from the convolutions of another recipe, which must not win over the released weights."""
    assert config_for("deepspeech2_streaming_small").init_from_recipe == "deepspeech2_small"
    for name in ("deepspeech2_streaming_small", "wav2letter_raw_small"):
        config = config_for(name, init_from="released")
        assert (config.init_from, config.init_from_recipe, config.hint_steps) == ("released", None, 0)
    assert config_for("wav2letter_small_asg", init_from="released").init_config is None
    assert config_for("wav2letter_small_asg", init_from="ctc.weights.h5").init_config == {"criterion": "ctc"}


def test_steps_follow_from_the_hours(tmp_path):
    configs = [teaching.teaching_config("wav2letter_small", tmp_path, hours, 1, {}) for hours in (0.01, 1.0, 100.0)]
    assert [c.max_steps for c in configs] == [500, 3600, 4000]
    assert all(c.config["spec_augment"] and c.learning_rate == 3e-4 and c.init_from == "released" for c in configs)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"recipe": "squeezenet"}, "cannot be taught words"), ({"max_minutes": 0.0}, "must be above 0|above 0"),
])  # fmt: skip
def test_wrong_arguments_are_named(table, tmp_path, arguments, message):
    with pytest.raises(KerasRecipesError, match=message):
        teaching.teach([f"manifest:{table}"], tmp_path / "mine", **arguments)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(("name", "phrases", "lines"), [
    ("deepspeech2_streaming_small", 8, ["transcribe FILE", "listen --recipe", "serve --recipe", "--web page"]),
    ("wav2letter_small", 0, ["transcribe FILE", "teach deepspeech2_streaming_small", "serve --recipe", "--web page"]),
])  # fmt: skip
def test_the_command_prints_what_uses_the_result(name, phrases, lines, table, tmp_path, monkeypatch, capsys):
    values = {
        "model": "model.onnx", "phrases": phrases, "train_clips": 8, "held_out_clips": 4, "held_out": "of speaker s1", "steps": 9,
        "minutes": 0.1, "word_errors": {"greedy": {"before": 0.5, "after": 0.25}},
        "rejection": {"rejection_cost": 1.0, "misses": 0.0, "false_per_hour": None},
    }  # fmt: skip
    calls = []
    monkeypatch.setattr(teaching, "teach", lambda *a, **k: calls.append((a, k)) or TeachingCard(tmp_path, values))
    monkeypatch.setattr(commands, "treat_sigterm_as_ctrl_c", lambda: None)
    assert main(["teach", name, "--data", f"manifest:{table}", "--output", str(tmp_path)]) == 0
    output = capsys.readouterr()
    rows = [line for line in output.err.splitlines() if line.startswith("next: ")]
    assert [line in row for line, row in zip(lines, rows, strict=True)] == [True] * 4
    assert all(("--phrases" in row and "--rejection-cost 1" in row) == bool(phrases) for row in (rows[0], rows[2]))
    assert "word errors, greedy    50.0 % before, 25.0 % after" in output.out
    assert calls[0][0] == ((f"manifest:{table}",), tmp_path, name) and calls[0][1]["max_minutes"] == 3.0


def test_the_command_reports_wrong_input_before_a_backend_starts(table, tmp_path, capsys):
    words = ["--data", f"manifest:{table}", "--output", str(tmp_path / "mine")]
    assert main(["teach", "squeezenet", *words]) == 1 and "cannot be taught words" in capsys.readouterr().err
    assert main(["teach", *words, "--validation", "manifest:none.tsv"]) == 1 and "There is no file or folder" in capsys.readouterr().err
    assert main(["teach", *words[:2]]) == 2

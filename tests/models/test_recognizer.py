"""The shipped recognizer as a user meets it: files in, transcripts out; fine-tuning; the command line."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
from paths import FIXTURES, ROOT

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.errors import AudioError, DataError, WeightsCorrupted
from kerasrecipes.hub import manifest
from kerasrecipes.hub.metric_names import metric_noun
from kerasrecipes.release import model_card

CLIPS = FIXTURES / "LibriSpeech" / "dev-mini"


@pytest.fixture(scope="module")
def model():
    return kr.load("deepspeech2_small")


@pytest.fixture(scope="module")
def files(clips):
    return [u.path for u in kr.data.librispeech(clips)]


def test_it_recognizes_more_than_it_misses(model, clips):
    utterances = kr.data.librispeech(clips)
    found = [model.transcribe(u.path) for u in utterances]
    references = [model.alphabet.normalize(u.text) for u in utterances]
    rate = kr.metrics.character_error_rate(references, [t.text for t in found]).rate
    shuffled = kr.metrics.character_error_rate(references[1:] + references[:1], [t.text for t in found]).rate
    assert rate < 0.45 and rate < shuffled - 0.3
    for t in found:
        assert t.text == " ".join(w.text for w in t.words) and 0 < t.confidence <= 1 and not t.calibrated
        times = [v for w in t.words for v in (w.start, w.end)]
        assert times == sorted(times) and times[-1] <= t.duration


def test_one_a_list_a_folder_bytes_and_an_array_agree(model, files, clips):
    single = [model.transcribe(f).text for f in files]
    assert [t.text for t in model.transcribe(files)] == single
    assert [t.text for t in model.transcribe(files, batch_seconds=5)] == single
    assert sorted(t.text for t in model.transcribe(str(clips))) == sorted(single)
    assert model.transcribe(Path(files[0]).read_bytes()).text == single[0]
    wave = kr.load_audio(files[0])
    assert model.transcribe(wave, sample_rate=16000).text == single[0]
    assert kr.predict("deepspeech2_small", files[0]).text == single[0]
    with pytest.raises(TypeError, match="sample_rate"):
        model.transcribe(wave)


def test_a_bad_file_keeps_its_place(model, files, tmp_path):
    bad = tmp_path / "text.wav"
    bad.write_text("no sound")
    first, broken, missing, last = model.transcribe([files[0], bad, tmp_path / "none.wav", files[1]])
    assert first.text == model.transcribe(files[0]).text and last.text == model.transcribe(files[1]).text
    assert isinstance(broken, AudioError) and isinstance(missing, AudioError)
    with pytest.raises(AudioError, match="There is no file"):
        model.transcribe(tmp_path / "none.wav")


def test_silence_has_no_text(model):
    t = model.transcribe(np.zeros(32000, "int16"), sample_rate=16000)
    assert t.text == "" and t.words == () and t.duration == 2.0


def test_long_recordings_give_nearly_the_same_text(model, files):
    """What the network hears. A search turns near ties between two texts into other words (its windows have a test of their own)."""
    wave = np.concatenate([kr.load_audio(f) for f in files] * 4)
    options = {"sample_rate": 16000, "decoder": "greedy"}
    whole = model.transcribe(wave, chunk_threshold_seconds=1e9, **options)
    pieces = model.transcribe(wave, chunk_threshold_seconds=20, **options)
    assert kr.metrics.character_error_rate([whole.text], [pieces.text]).rate < 0.005
    assert pieces.words[-1].end <= pieces.duration == whole.duration


def test_fine_tuning_lowers_the_loss_and_saves(clips, tmp_path):
    keras.utils.set_random_seed(0)
    model = kr.load("deepspeech2_small")
    utterances = kr.data.librispeech(clips)
    before = model.evaluate(utterances, return_dict=True, verbose=0)
    history = model.fit(utterances, epochs=3, verbose=0, validation_data=utterances)
    assert history.history["val_loss"][-1] < before["loss"] and "cer" in before
    model.save(tmp_path / "mine.keras")
    again = kr.load(tmp_path / "mine.keras")
    assert again.transcribe(utterances[0].path) == model.transcribe(utterances[0].path)
    paths, texts = [u.path for u in utterances], [u.text for u in utterances]
    same = model.evaluate(paths, texts, return_dict=True, verbose=0)
    assert same["loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-4)
    model.fit(kr.data.to_tf_dataset(utterances, model.alphabet, batch_size=2), verbose=0)


def test_plain_load_weights_opens_the_file():
    row = manifest.get_entry("deepspeech2_small")
    network = kr.get_recipe("deepspeech2_small").build()
    network.load_weights(manifest.weights_folder() / row.file)
    assert row.size < 12e6


def test_row_with_a_wrong_hash(monkeypatch):
    from dataclasses import replace

    row = replace(manifest.get_entry("deepspeech2_small"), sha256="0" * 64)
    monkeypatch.setattr(manifest, "entries", lambda: {row.recipe: row})
    with pytest.raises(WeightsCorrupted, match="has the hash"):
        kr.load("deepspeech2_small")


# ---------------------------------------------------------------------- the command line


def run(capsys, *arguments):
    status = main.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_list_show_verify_doctor(capsys):
    released = run(capsys, "list", "deepspeech*", "--pretrained", "--names")[1].split()
    assert "deepspeech2_small" in released and released == [n for n in manifest.entries() if n.startswith("deepspeech")]
    status, text, _ = run(capsys, "show", "deepspeech2_small")
    row = manifest.get_entry("deepspeech2_small")
    assert status == 0 and "arXiv:1512.02595" in text and "5,982,621" in text and row.license in text
    for m, (_, metric, value, command) in zip(row.metrics, model_card.metric_rows(row), strict=True):
        assert metric_noun(m["metric"]) in metric and value in text and m["command"] == command and command in text
    assert f"{100 * row.metrics[0]['value']:.1f} %" in text
    assert run(capsys, "verify")[0] == 0
    status, text, _ = run(capsys, "doctor")
    assert status == 0 and "tensorflow" in text and "libsndfile" in text


def test_transcribe_formats(capsys, files, tmp_path):
    text = run(capsys, "transcribe", files[0])[1].strip()
    assert json.loads(run(capsys, "transcribe", files[0], "--format", "json")[1])["text"] == text
    assert "-->" in run(capsys, "transcribe", files[0], "--format", "srt")[1]
    assert run(capsys, "transcribe", files[0], "--format", "vtt")[1].startswith("WEBVTT")
    assert text in run(capsys, "predict", "wav2letter_small", files[0], "--format", "words")[1]
    status, _, error = run(capsys, "transcribe", files[0], tmp_path / "none.wav", "--output", tmp_path / "out")
    assert status == 1 and "There is no file" in error
    assert (tmp_path / "out" / f"{Path(files[0]).stem}.txt").read_text().strip() == text


def test_evaluate_prints_what_the_metrics_say(capsys, clips, model):
    out = json.loads(run(capsys, "evaluate", "deepspeech2_small", "--data", f"librispeech:{clips}", "--json")[1])
    utterances = kr.data.librispeech(clips)
    texts = [t.text for t in model.transcribe([u.path for u in utterances])]
    expected = kr.metrics.word_error_rate([u.text.lower() for u in utterances], texts).rate
    assert out["wer"]["rate"] == pytest.approx(expected)
    assert out["rtf"]["rate"] > 0 and out["rtf"]["total"] == pytest.approx(3600 * utterances.hours)


def test_decoding_on_the_command_line_is_that_of_python(capsys, clips, files, model, tmp_path):
    said = model.transcribe(
        files[0], language_model="librispeech_small", beam_size=20, hotwords={"quilter": 9.0}, nbest=2
    )  # fmt: skip
    options = ("--language-model", "librispeech_small", "--beam-size", "20", "--hotword", "quilter=9", "--nbest", "2")
    found = json.loads(run(capsys, "transcribe", "deepspeech2_small", files[0], *options, "--format", "json")[1])
    assert found["text"] == said.text and [a["text"] for a in found["alternatives"]] == [
        a.text for a in said.alternatives
    ]
    text = run(capsys, "evaluate", "deepspeech2_small", "--data", f"librispeech:{clips}", *options[:4])[1]
    assert "decoder: beam 20 + librispeech_small" in text
    (tmp_path / "said.txt").write_text("Sandwich, " + said.text)
    status, text, error = run(capsys, "align", "deepspeech2_small", files[0], tmp_path / "said.txt", "--format", "srt")
    assert status == 0 and "Sandwich," in text and "does not match: 'Sandwich,'" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "deepspech2"], "Did you mean"),
        (["evaluate", "deepspeech2_small", "--data", "x"], "names no data set"),
        (["evaluate", "deepspeech2_small", "--data", "librispeech:nowhere"], "There is no file or folder nowhere"),
        (["list", "nothing*"], "No recipe matches nothing*"),
        (
            ["transcribe", "--recipe", "convnetjs_mnist", "x.wav"],
            "cannot transcribe: its task is image-classification",
        ),
        (["tune-decoder", "convnetjs_mnist", "--data", f"librispeech:{CLIPS}"], "no beam search to tune"),
        (["release", "deepspeech2_small", "--run", "nowhere", "--tag", "x"], "nowhere holds no run"),
        (["train", "deepspeech3"], "Did you mean"),
        (["train", "deepspeech2"], "--data librispeech:FOLDER"),
        (["transcribe", "none.wav"], "There is no file"),
        (["evaluate", "convnetjs_mnist", "--data", "x", "--weights", "x.h5", "--record-as", "x"], "leave out --weights"),
        (["evaluate", "deepspeech2_small", "--data", "x", "--num-crops", "6"], "--num-crops is for classifiers"),
        (["copy-synthesis", "deepspeech2_small", "--data", "x", "--output", "x"], "copy-synthesis, which is for generators of audio"),
        (["evaluate", "deepspeech2_small", "--data", f"librispeech:{CLIPS}", "--speakers", "x"], "no speaker x"),
        (["generate", "char_rnn_small", "the", "--seed", "-1"], "The seed is -1"),
        (["transcribe", "none.wav", "--hotword", "kea=much"], "WORD=NATS"),
        (["align", "none.wav", "none.txt"], "There is no text file"),
    ],
)
def test_errors_are_one_line(capsys, arguments, message):
    status, _, error = run(capsys, *arguments)
    assert status == 1 and message in error and "Traceback" not in error


def test_data_describe(capsys, clips):
    assert "speaking rate" in run(capsys, "data", "summary", f"librispeech:{clips}")[1]


@pytest.mark.slow
def test_wheel_transcribes_in_an_empty_environment(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert "kerasrecipes/_weights/wav2letter_small.weights.h5" in names and wheel.stat().st_size < 70e6
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[tensorflow]"], check=True)
    clip = tmp_path / "clip.wav"
    wave = kr.load_audio(ROOT / "kerasrecipes" / "assets" / "demo.mp3")
    soundfile.write(clip, wave, 16000, subtype="FLOAT")
    program = [str(python.parent / "kerasrecipes"), "transcribe", "--engine", "keras", str(clip)]
    out = subprocess.run(program, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert out.stdout.strip() == kr.load("wav2letter_small").transcribe(clip).text


TRANSCRIBED = """
import sys, json
import kerasrecipes as kr
text = kr.load("wav2letter_small", engine="auto").transcribe(sys.argv[1]).text
need = []
for needed in (lambda: kr.load("wav2letter_small"), lambda: kr.layers.SequenceMask, lambda: kr.load("wavenet", weights=None)):
    try:
        needed()
    except kr.BackendUnavailable as error:
        need.append(str(error))
print(json.dumps({"text": text, "need": need, "modules": [m for m in ("keras", "tensorflow", "jax", "torch") if m in sys.modules]}))
"""


@pytest.mark.slow
def test_plain_wheel_does_every_task_without_a_framework(tmp_path):
    """The wheel and its base dependencies alone: under 150 MB to download, and every verb works at once."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert "kerasrecipes/_weights/wav2letter_small.onnx" in names and wheel.stat().st_size < 70e6
    download = [sys.executable, "-m", "pip", "download", "-q", "-d", tmp_path / "wheels", wheel]
    subprocess.run(download, check=True)
    size = sum(path.stat().st_size for path in (tmp_path / "wheels").iterdir())
    assert size < 150e6, f"{size / 1e6:.0f} MB"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    wheels = ["--no-index", "--find-links", tmp_path / "wheels"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "-q", *wheels, wheel], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    assert not any((site / name).exists() for name in ("keras", "tensorflow", "jax", "torch"))
    clip, image = str(ROOT / "kerasrecipes" / "assets" / "demo.mp3"), str(ROOT / "docs" / "live" / "samples" / "street.png")
    env = {k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "PYTHONPATH")}
    run = lambda *command: subprocess.run(  # noqa: E731
        command, check=True, capture_output=True, text=True, cwd=tmp_path, env=env
    )
    verb = lambda *command: run(str(python.parent / "kerasrecipes"), *command).stdout.strip()  # noqa: E731
    expected = kr.load("wav2letter_small").transcribe(clip).text
    assert verb("transcribe", clip) == expected
    assert verb("transcribe", clip, "--recipe", "palaz_raw_small", "--ipa", "--format", "text")
    assert "%" in verb("classify", image) and "road" in verb("segment", image)
    assert verb("listen", clip, "--playback-speed", "0").split()
    found = json.loads(run(str(python), "-c", TRANSCRIBED, clip).stdout)
    assert found["text"] == expected and found["modules"] == []
    assert len(found["need"]) == 3 and all("kerasrecipes[tensorflow]" in said for said in found["need"])


def test_long_items_of_a_list_are_scored_alone(model, files, monkeypatch):
    calls, whole = [], type(model).predict_logits_chunked
    monkeypatch.setattr(type(model), "predict_logits_chunked", lambda self, wave: calls.append(len(wave)) or whole(self, wave))
    wave = kr.load_audio(files[0])
    alone = model.transcribe(wave, 16000, chunk_threshold_seconds=1).text
    assert [t.text for t in model.transcribe([wave, wave], 16000, chunk_threshold_seconds=1)] == [alone] * 2
    assert calls == [len(wave)] * 3


def test_a_network_hears_its_own_rate(files):
    tiny = dict(kr.get_recipe("deepspeech2_small").tiny_config)
    model = kr.load(
        "deepspeech2_small", weights=None, compile=False, **tiny | {"sample_rate": 8000, "win_length": 160, "hop_length": 80}
    )
    wave = kr.load_audio(files[0])
    found = model.transcribe([wave, wave[:30000]], 16000)
    assert [t.duration for t in found] == pytest.approx([len(wave) / 16000, 30000 / 16000], abs=1e-3)
    heard = []
    model.predict_logits = lambda inputs: heard.append(inputs) or np.zeros((1, 2000, model.alphabet.vocab_size), "float32")
    model.transcribe(wave, 16000)
    expected = kr.load_audio(files[0], target=8000)
    np.testing.assert_allclose(heard[0]["audio"][0, : len(expected)], expected, atol=1e-2)
    with pytest.raises(DataError, match="Clips are read at 16000 Hz and deepspeech2_small takes 8000 Hz"):
        model.fit(kr.data.librispeech(CLIPS))


def test_files_and_texts_to_validate_on(files, clips):
    tiny = kr.get_recipe("deepspeech2_small").tiny_config | {"recurrent_layers": 0}  # quick to trace
    model = kr.load("deepspeech2_small", weights=None, **tiny)
    texts = [u.text for u in kr.data.librispeech(clips)]
    history = model.fit(files[:2], texts[:2], validation_data=(files[:2], texts[:2]), verbose=0).history
    assert np.isfinite(history["val_loss"]).all()

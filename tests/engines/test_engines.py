"""Engines beside Keras: the same words without importing it, and what is verified before a file is opened."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import FIXTURES

import kerasrecipes as kr
from kerasrecipes import engines, loading
from kerasrecipes.cli.main import main
from kerasrecipes.engines import session
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import manifest, weights
from kerasrecipes.inference.chunked import predict_logits_chunked

pytest.importorskip("tf2onnx")
NAME = "deepspeech2_small"
TEXT = "she had your dark suit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bundled recognizer's ONNX file, by the command."""
    place = tmp_path_factory.mktemp("exported")
    assert main(["export", NAME, "--output", str(place)]) == 0
    return place


@pytest.fixture(scope="module")
def path(folder):
    return folder / f"{NAME}.onnx"


@pytest.fixture(scope="module")
def files(path):
    clips = sorted((FIXTURES).rglob("*.mp3"))
    assert len(clips) == 4
    return [str(c) for c in clips]


ALONE = """
import json, sys, numpy as np
import kerasrecipes as kr
path, engine, *files = sys.argv[1:]
model = kr.load(path, engine=engine)
found = {"texts": [t.to_dict() for t in model.transcribe(files)]}
found["align"] = model.align(files[0], "she had your dark suit").to_dict()
found["beam"] = model.transcribe(files[0], decoder="beam", beam_size=4, nbest=2).to_dict()
try:
    found["words"] = model.transcribe(files[0], language_model="librispeech_small", hotwords=["kea"]).to_dict()
except kr.KerasRecipesError as error:
    found["words"] = None if "kerasrecipes[lm]" in str(error) else str(error)
found["loaded"] = [n for n in ("keras", "tensorflow", "jax", "torch") if n in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def alone(path, files):
    """What a process says that has onnxruntime alone."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), "onnxruntime", *files], capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"},
    )  # fmt: skip
    return json.loads(done.stdout)


def alike(found, expected):
    """The same words; times and confidences to rounding."""
    assert found["text"] == expected["text"]
    for a, b in zip(found["words"], expected["words"], strict=True):
        assert a["text"] == b["text"] and abs(a["start"] - b["start"]) < 1e-6 and abs(a["end"] - b["end"]) < 1e-6
        assert abs(a["confidence"] - b["confidence"]) < 1e-3


def test_no_keras_and_the_same_transcripts(alone, pretrained, files):
    assert alone["loaded"] == []
    for found, expected in zip(alone["texts"], pretrained.transcribe(files), strict=True):
        assert found["text"]
        alike(found, expected.to_dict())


def test_all_ways_of_decoding_are_the_same(alone, pretrained, files):
    alike(alone["align"], pretrained.align(files[0], TEXT).to_dict())
    beam = pretrained.transcribe(files[0], decoder="beam", beam_size=4, nbest=2)
    alike(alone["beam"], beam.to_dict())
    if alone["words"] is not None:
        words = pretrained.transcribe(files[0], language_model="librispeech_small", hotwords=["kea"])
        alike(alone["words"], words.to_dict())


def test_openvino_gives_the_same(path, pretrained, files):
    pytest.importorskip("openvino")
    model = kr.load(path, engine="openvino")
    assert model.engine == "openvino"
    texts = [t.text for t in model.transcribe(files)]  # a batch of unequal lengths
    assert texts == [t.text for t in pretrained.transcribe(files)]
    with pytest.raises(KerasRecipesError, match="no precision 'float64'; there are float32, bf16"):
        kr.load(path, engine="openvino", engine_precision="float64")


@pytest.mark.slow
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_dev_mini_has_the_same_transcripts(engine, pretrained, big_data):
    """A hundred clips, one by one: logits within 1e-4 of the largest, and the same text unless a frame's two best symbols tie."""
    if engine not in engines.installed():
        pytest.skip(f"{engine} is not installed")
    model = kr.load(NAME, engine=engine)
    clips = sorted(
        p for p in (big_data / "LibriSpeech" / "dev-mini").rglob("*") if p.suffix in (".flac", ".mp3", ".ogg")
    )
    for clip in clips[:: max(len(clips) // 100, 1)][:100]:
        wave = kr.load_audio(clip)
        inputs = {"audio": wave[None], "length": np.array([len(wave)], "int32")}
        found, expected = model.predict_logits(inputs)[0], pretrained.predict_logits(inputs)[0]
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max(), clip
        if model.transcribe(clip).text != pretrained.transcribe(clip).text:
            best = np.sort(expected, axis=1)
            assert (best[:, -1] - best[:, -2]).min() < 2e-3, clip


def test_long_recordings_short_ones_and_silence(path, pretrained, files, monkeypatch):
    model = kr.load(path)
    wave = np.concatenate([kr.load_audio(f) for f in files])
    whole = model.transcribe(wave, sample_rate=16000)
    pieces = model.transcribe(wave, sample_rate=16000, chunk_threshold_seconds=5.0)
    alike(pieces.to_dict(), whole.to_dict())  # a long one is scored in one piece
    for samples in (0, 1, 319, 320, 700):
        expected, found = [], []
        for m, results in ((pretrained, expected), (model, found)):
            try:
                results.append(m.transcribe(wave[:samples], sample_rate=16000))
            except kr.AudioError as error:
                results.append(str(error))
        assert [str(f) for f in found] == [str(e) for e in expected]
    assert model.transcribe(np.zeros(16000, "float32"), sample_rate=16000).text == ""
    monkeypatch.setattr(model, "chunk_seconds", 4.0)
    found = model.predict_logits_chunked(wave)  # in windows that are normalized as the whole
    expected = predict_logits_chunked(pretrained, wave, 4.0)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()  # both see six seconds of context
    best, second = np.sort(expected, axis=1)[:, [-1, -2]].T
    same = found.argmax(1) == expected.argmax(1)
    assert same[best - second > 0.5].all() and same.mean() > 0.985  # in nats: only near ties may differ, three of 371 frames


def test_what_only_keras_can_do_says_so(path, monkeypatch):
    model = kr.load(path)
    assert repr(model) == f"<{NAME} in onnxruntime: speech-recognition>"
    for verb in ("fit", "save", "layers"):
        with pytest.raises(KerasRecipesError, match=f'which has no {verb}: load it with engine="keras"'):
            getattr(model, verb)
    assert not hasattr(model, "nothing")
    with pytest.raises(KerasRecipesError, match="is what was exported: change the alphabet"):
        kr.load(path, alphabet="0123456789")
    with pytest.raises(KerasRecipesError, match="no engine 'keras' for .*; there are auto, onnxruntime, openvino"):
        kr.load(path, engine="keras")
    with pytest.raises(KerasRecipesError, match='engine_precision="bf16" needs engine="openvino"'):
        kr.load(path, engine="onnxruntime", engine_precision="bf16")
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        kr.BackendUnavailable, match=r'openvino is not installed: pip install "kerasrecipes\[openvino\]"'
    ):
        kr.load(path, engine="openvino")
    monkeypatch.undo()
    with pytest.raises(KerasRecipesError, match="no engine 'tensorrt' for deepspeech2_small"):
        kr.load(NAME, engine="tensorrt")


@pytest.fixture
def unreleased(monkeypatch, tmp_path):
    """The recognizer's row without an ONNX file, and an empty cache for those made here."""
    row = dataclasses.replace(manifest.get_entry(NAME), onnx={})
    monkeypatch.setattr(manifest, "entries", lambda: {NAME: row})
    monkeypatch.setenv("KERASRECIPES_CACHE", str(tmp_path))
    return row


def test_load_opens_what_export_wrote_into_the_cache(unreleased, path):
    from kerasrecipes.engines import onnx_cache

    assert not onnx_cache.is_cached(unreleased)
    assert loading.load_in_engine(NAME, "auto", None, False) is None  # then Keras
    cached = onnx_cache.cache_path(unreleased)
    cached.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, cached)
    assert kr.load(NAME, engine="onnxruntime").name == NAME
    assert kr.load(NAME, engine="auto").engine in engines.ENGINES
    cached.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsCorrupted, match="damaged or no ONNX file"):
        kr.load(NAME, engine="onnxruntime")


def test_without_an_onnx_file_the_error_names_the_command_that_writes_it(unreleased):
    with pytest.raises(WeightsUnavailable, match=rf"kerasrecipes\[export\].*kerasrecipes export {NAME} --cache"):
        kr.load(NAME, engine="onnxruntime")
    with pytest.raises(KerasRecipesError, match='"auto" leaves deepspeech2_small to Keras'):
        kr.load(NAME, engine="auto", engine_precision="bf16")


NO_FRAMEWORK = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in ("tensorflow", "jax", "torch") else real(name, *a)
import kerasrecipes as kr
found = []
for need in (
    lambda: kr.load("deepspeech2_small", engine="keras"), lambda: kr.load("wav2letter", weights=None),
    lambda: kr.layers.SequenceRNN, lambda: kr.SpeechRecognizer, lambda: kr.losses,
):
    try:
        need()
    except kr.BackendUnavailable as error:
        found.append('pip install "kerasrecipes[tensorflow]"' in str(error))
print(found)
"""


def test_without_a_framework_what_needs_one_names_the_extra():
    env = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", NO_FRAMEWORK], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == str([True] * 5), done.stderr
    done = subprocess.run(
        [sys.executable, "-c", NO_FRAMEWORK], capture_output=True, text=True, env={**env, "KERAS_BACKEND": "jax"}
    )
    assert done.stdout.strip() == str([False] * 5) and not done.stderr  # names [jax]


def test_damaged_and_foreign_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    file = tmp_path / "x.onnx"
    for spoilt, match in (
        (content[: len(content) // 2], "damaged or no ONNX file"),
        (b"nothing of the kind", "damaged or no ONNX file|not written by"),
        (b"", "damaged or no ONNX file"),
    ):
        file.write_bytes(spoilt)
        with pytest.raises(WeightsCorrupted, match=match):
            kr.load(file)
    with pytest.raises(KerasRecipesError, match="no file"):
        kr.load(tmp_path / "missing.onnx")


def test_a_newer_file_asks_for_an_update(path, tmp_path, monkeypatch):
    monkeypatch.setattr(engines.open, "METADATA_VERSION", 0)
    with pytest.raises(KerasRecipesError, match=r"was written by kerasrecipes .*: update kerasrecipes"):
        kr.load(path)


@pytest.fixture
def released(place, path, monkeypatch):
    """A manifest of its own whose row has the weights and, by `release`, their ONNX file."""
    from kerasrecipes.release import onnx_release

    row = manifest.read_entry(manifest.CHECKOUT / "weights_manifest" / f"{NAME}.json")
    shutil.copy(manifest.CHECKOUT / "weights" / row.file, place / "weights")
    manifest.write_entry(row)

    def written(name, folder, format, **options):
        assert (name, format) == (NAME, "onnx") and options.pop("report") and options == {"float16": True, "opset": 17}
        return Path(shutil.copy(path, folder))

    monkeypatch.setattr(onnx_release, "export", written)
    assert main(["export", NAME, "--release"]) == 0
    return manifest.get_entry(NAME)


def test_a_released_file_belongs_to_its_row(released, place, path):
    assert released.onnx["file"] == f"{NAME}.onnx" and released.onnx["weights"] == released.sha256
    assert weights.onnx_path(released).read_bytes() == path.read_bytes()
    assert kr.load(NAME, engine="onnxruntime").engine == "onnxruntime" and kr.load(NAME, engine="auto").engine
    assert f"{NAME}.onnx" in {n: t for n, _, t in weights.verify()}[NAME]
    file = place / "weights" / f"{NAME}.onnx"
    file.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsCorrupted, match="has the hash"):
        kr.load(NAME, engine="onnxruntime")
    assert [ok for name, ok, _ in weights.verify() if name == NAME] == [False]
    manifest.write_entry(dataclasses.replace(released, sha256="0" * 64))
    with pytest.raises(WeightsCorrupted, match="made from earlier weights of deepspeech2_small"):
        kr.load(NAME, engine="onnxruntime")


def test_a_file_of_another_recipe_is_refused(released, place):
    other = dataclasses.replace(released, recipe="deepspeech2_streaming_small")
    manifest.write_entry(other)
    with pytest.raises(WeightsCorrupted, match="holds deepspeech2_small, not deepspeech2_streaming_small"):
        kr.load("deepspeech2_streaming_small", engine="onnxruntime")


def test_the_row_travels_in_the_file(path, pretrained):
    told = read_description(path)
    row = manifest.get_entry(NAME)
    assert told["row"]["sha256"] == row.sha256 and told["decoder"] == dict(row.decoder)
    assert told["alphabet"] == pretrained.alphabet.get_config() and told["stride"] == pretrained.stride
    golden = np.load(path.with_suffix(".npz"))
    found = kr.load(path).predict_logits({k: golden[f"{k}_1"] for k in ("audio", "length")})
    np.testing.assert_allclose(found, golden["logits_1"], atol=1e-3)


def test_the_doctor_names_the_engine():
    from kerasrecipes.cli.doctor import check_engines

    ((_, ok, told),) = check_engines()
    assert ok and f'engine="auto" takes {engines.installed()[0]}' in told and "deepspeech2_small" in told
    assert "fastest first" in told and "bf16 is never taken" in told


def test_commands_take_a_file(path, files, capsys):
    assert main(["transcribe", "--recipe", str(path), "--engine", "onnxruntime", files[0]]) == 0
    assert capsys.readouterr().out.strip() == kr.load(path).transcribe(files[0]).text

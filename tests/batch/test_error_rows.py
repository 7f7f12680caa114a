"""Inputs that fail: an error for each, and the results of all others, in a list, a folder and a run."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import audio, batch, image
from kerasrecipes.batch.parquet import printable
from kerasrecipes.batch.runner import ROW_FORMATS
from kerasrecipes.cli.main import main
from kerasrecipes.errors import AudioError, ImageError, KerasRecipesError
from kerasrecipes.inference import transcribe as transcription
from kerasrecipes.results import Transcript

NAME = "convnetjs_mnist"
LONG_NAME = 300 * "x"
needs_byte_names = pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are Unicode")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for i in range(24):
        (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((28, 28), 10 * i, "uint8")).save(folder / str(i % 2) / f"{i}.png")
    for name in ("3", "11"):
        (folder / "1" / f"{name}.png").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize(
    "error", [ValueError("odd header"), OSError(5, "Input/output error"), PermissionError(13, "denied")]
)
def test_a_list_keeps_the_other_transcripts(clips, pretrained, monkeypatch, error):
    first, second, third = sorted(map(str, clips.rglob("*.mp3")))[:3]
    expected = pretrained.transcribe([first, third], decoder="greedy")

    def load(source, **options):
        if isinstance(source, str) and source == second:
            raise error
        return audio.open_recording(source, **options)

    monkeypatch.setattr(transcription, "open_recording", load)
    results = pretrained.transcribe([first, second, third], decoder="greedy")
    assert [results[0].text, results[2].text] == [t.text for t in expected]
    assert isinstance(results[1], AudioError) and second in str(results[1]) and type(error).__name__ in str(results[1])
    with pytest.raises(AudioError, match=type(error).__name__):
        pretrained.transcribe(second, decoder="greedy")
    with pytest.raises(TypeError, match="sample_rate="):
        pretrained.transcribe([first, np.zeros(16000, "int16")], decoder="greedy")


@pytest.mark.parametrize("error", [
    ValueError("odd logits"), RuntimeError("search failed"), KerasRecipesError("2 of 3 frames have no finite logit"),
])  # fmt: skip
def test_a_list_keeps_the_others_when_a_decoder_fails(monkeypatch, error):
    waves, calls = [np.full(n, 0.1, "float32") for n in (1600, 3200, 4800)], []
    model = SimpleNamespace(
        sample_rate=16000, stride=160, output_length=lambda n: n // 160,
        predict_logits=lambda inputs: np.zeros((*inputs["audio"].shape[:1], 100, 3), "float32"),
    )  # fmt: skip

    def decode(logits, **times):
        if len(logits) == 20:
            raise error
        return Transcript("done")

    monkeypatch.setattr(transcription, "make_decoder", lambda model, options: decode)
    results = transcription.transcribe(model, waves, 16000, progress=lambda *counts: calls.append(counts))
    assert [str(results[0]), str(results[2])] == ["done", "done"] and calls == [(1, 3), (2, 3), (3, 3)]
    message = "cannot be decoded .*" + str(error)
    assert isinstance(results[1], AudioError) and results[1].__traceback__ is None
    with pytest.raises(AudioError, match=message) as caught:
        transcription.transcribe(model, waves[1], 16000)
    assert str(caught.value) == str(results[1])
    assert ('decoder="greedy"' in str(caught.value)) == (type(error) is not KerasRecipesError)


def test_long_names_are_an_error_of_one_input(clips, pretrained, images):
    first = str(next(clips.rglob("*.mp3")))
    for name in (LONG_NAME, f"{LONG_NAME}.mp3", f"folder/{LONG_NAME}.wav"):
        found, error = pretrained.transcribe([first, name], decoder="greedy")
        assert found.text and isinstance(error, AudioError) and name in str(error)
        with pytest.raises(AudioError, match=LONG_NAME):
            pretrained.transcribe(name, decoder="greedy")
        with pytest.raises(ImageError, match=LONG_NAME):
            image.load_image(name)
    classifier = kr.load(NAME, engine="onnxruntime")
    found, error = classifier.classify([str(images / "0" / "2.png"), LONG_NAME])
    assert found.name and isinstance(error, ImageError)
    with pytest.raises(ImageError, match=LONG_NAME):
        classifier.classify(LONG_NAME)


@needs_byte_names
def test_latin_1_bytes_in_names_are_read_and_stored(clips, pretrained, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp3")
    os.link(next(clips.rglob("*.mp3")), path)
    (found,) = pretrained.transcribe([os.fsdecode(path)], decoder="greedy")
    assert found.text
    assert [t.text for t in pretrained.transcribe(tmp_path, decoder="greedy")] == [found.text]
    assert (
        printable(os.fsdecode(b"caf\xe9")) == "caf\\udce9"
        and printable("caf\u00e9") == "caf\u00e9"
        and printable(3) == 3
    )


@pytest.mark.parametrize("row_format", ROW_FORMATS)
@needs_byte_names
def test_the_second_start_counts_the_errors_of_the_first(images, tmp_path, row_format, capfd):
    if row_format == "parquet":
        pytest.importorskip("pyarrow")
    for name in (b"caf\xe9.png", "line\u2028separator.png".encode()):
        path = os.path.join(os.fsencode(images), name)
        os.link(images / "0" / "2.png", path)
    arguments = {"task": "classify", "workers": 1, "row_format": row_format, "engine": "onnxruntime"}
    first = batch.run(NAME, [images], tmp_path / "out", **arguments)
    assert (first.files, first.failed) == (26, 2)
    rows = list(batch.read(tmp_path / "out"))
    assert len(rows) == 26 and sum(row["error"] is not None for row in rows) == 2
    removed = next(p for p in sorted((tmp_path / "out").glob("part-*")) if p.stat().st_size)
    removed.unlink()
    calls = []
    again = batch.run(NAME, [images], tmp_path / "out", progress=calls.append, **arguments)
    assert (again.files, again.failed) == (26, 2) and 0 < again.earlier < 26 and calls[0].failed <= 2
    third = batch.run(NAME, [images], tmp_path / "out", **arguments)
    assert (third.files, third.failed, third.earlier) == (26, 2, 26)
    words = [
        "classify",
        str(images),
        "--recipe",
        NAME,
        "--workers",
        "1",
        "--row-format",
        row_format,
        "--engine",
        "onnxruntime",
    ]
    assert main([*words, "--output", str(tmp_path / "out")]) == 1 and "2 with an error" in capfd.readouterr().err


def test_a_folder_that_cannot_be_listed_is_an_error_row(images, tmp_path, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path) == str(images / "1"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    summary = batch.run(NAME, [images], tmp_path / "out", task="classify", workers=1, engine="onnxruntime")
    assert (summary.files, summary.failed) == (13, 1)
    failed = [row for row in batch.read(tmp_path / "out") if row["error"]]
    assert [row["path"] for row in failed] == [str(images / "1")]

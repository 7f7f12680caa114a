"""Folders of web pages: which files they have, whose pages they replace, and what goes wrong before anything is written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli.main import main
from kerasrecipes.decoding.phrase_search import PhraseTree
from kerasrecipes.errors import DataError, ExportError, KerasRecipesError, WeightsCorrupted
from kerasrecipes.export import export_web_page, exporter, web_page, web_source
from kerasrecipes.hub import manifest, weights
from kerasrecipes.utils.files import sha256_file

NAME, STREAMING = "wav2letter_small", "deepspeech2_streaming_small"
TEXTS = ["lights on", "lights off"]


@pytest.fixture(autouse=True)
def runtime(monkeypatch, tmp_path):
    """Small files in place of onnxruntime-web."""
    paths = {name: tmp_path / name for name in ("ort.mjs", "ort.wasm.gz")}
    for path in paths.values():
        path.write_bytes(b"runtime")
    monkeypatch.setattr(web_page.web_runtime, "runtime_paths", lambda: paths)


@pytest.fixture(scope="module")
def onnx():
    return weights.onnx_path(manifest.get_entry(NAME))


@pytest.fixture
def taught(tmp_path, onnx):
    """A folder as `kerasrecipes teach` writes it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.onnx").hardlink_to(onnx) if onnx.stat().st_dev == folder.stat().st_dev else shutil.copy(onnx, folder / "model.onnx")
    (folder / "phrases.txt").write_text("lights on\n\nlights off\n")
    (folder / "card.json").write_text(json.dumps({"rejection": {"rejection_cost": 1.25}}))
    return folder


def read_page(folder):
    return json.loads((folder / "files" / "page.json").read_text())


def test_a_page_has_all_that_it_needs(tmp_path, onnx):
    sentences = []
    folder = tmp_path / "page"
    assert export_web_page(NAME, folder, report=sentences.append) == folder / "index.html"
    listing = json.loads((folder / "files" / "files.json").read_text())
    assert set(listing) == {"ort.mjs", "ort.wasm.gz", "page.json", f"{NAME}.onnx"}
    assert {path.name for path in (folder / "files").iterdir()} == {*listing, "files.json"}
    for name, entry in listing.items():
        path = folder / "files" / name
        assert (entry["hash"], entry["size"]) == (sha256_file(path), path.stat().st_size)
    metadata = listing[f"{NAME}.onnx"]["metadata"]
    assert metadata["alphabet"]["symbols"] == " 'abcdefghijklmnopqrstuvwxyz" and metadata["criterion"] == "ctc"
    assert listing[f"{NAME}.onnx"]["hash"] == sha256_file(onnx)  # a released file, which needs no TensorFlow
    assert read_page(folder)["phrases"] is None and not read_page(folder)["streaming"]
    text = (folder / "index.html").read_text()
    assert f"<title>{NAME}</title>" in text and "{{" not in text and "{{" not in (folder / "LICENSES.txt").read_text()
    scripts = {path.name for path in folder.glob("*.js")}
    for script in scripts:  # all that scripts name is there
        assert set(web_page.SCRIPT_NAME.findall((folder / script).read_text())) <= scripts
    assert {"page.js", "engine.js", "listen.js", "phrases.js"} <= scripts and "look.js" not in scripts
    assert f"{folder}: " in sentences[-1] and not list(tmp_path.glob(".partial-*"))


def test_licenses_come_with_the_page(tmp_path):
    export_web_page("squeezenet", tmp_path / "page")
    text = (tmp_path / "page" / "LICENSES.txt").read_text()
    assert "BSD LICENSE." in text and "Redistributions in binary form" in text  # of the weights' authors
    assert "Copyright (c) Microsoft Corporation" in text and "{{" not in text
    assert read_page(tmp_path / "page")["task"] == "image-classification"


def test_a_recognizer_that_streams_has_its_step_alone(tmp_path):
    export_web_page(STREAMING, tmp_path / "page", phrases=TEXTS)
    page = read_page(tmp_path / "page")
    assert page["network"] == f"{STREAMING}.step" and page["streaming"]
    assert [path.name for path in (tmp_path / "page" / "files").glob("*.onnx")] == [f"{STREAMING}.step.onnx"]
    assert page["phrases"]["texts"] == TEXTS


def test_a_taught_folder_brings_its_phrases_and_its_cost(taught, tmp_path, monkeypatch):
    tree = PhraseTree(TEXTS, kr.load(taught / "model.onnx").alphabet)
    expected = {"texts": TEXTS, "symbols": tree.symbols, "parents": tree.parents, "ends": tree.ends, "rejectionCost": 1.25}
    for number, source in enumerate((taught, f"{taught}/", taught / "model.onnx")):
        export_web_page(source, tmp_path / f"page{number}")
        page = read_page(tmp_path / f"page{number}")
        assert page["phrases"] == expected and page["network"] == "mine"
    export_web_page(taught, tmp_path / "page0", phrases=["Stop!"], rejection_cost=float("inf"))
    page = read_page(tmp_path / "page0")
    assert page["phrases"]["texts"] == ["stop"] and page["phrases"]["rejectionCost"] is None
    (taught / "phrases.txt").unlink()  # too many transcripts for a closed list
    export_web_page(taught, tmp_path / "page0")
    assert read_page(tmp_path / "page0")["phrases"] is None
    requests = []

    def write(request, folder):
        requests.append(request)
        shutil.copy(taught / "model.onnx", folder / f"{request['name']}.onnx")
        (folder / "report.json").write_text('{"parts": [{"error": 0.0, "same": 1.0}]}')
        np.savez(folder / f"{request['name']}.npz", source=np.array(request["source"], "uint8"))

    monkeypatch.setattr(exporter, "run_worker", write)
    monkeypatch.setattr(exporter, "recipe_for", lambda model: kr.registry.get_recipe(NAME))
    (taught / "model.keras").write_bytes(b"")
    for source, options in ((taught, {"float16": True}), (taught / "model.keras", {})):
        export_web_page(source, tmp_path / "page3", force=True, **options)
        assert read_page(tmp_path / "page3")["network"] == "mine"
        assert requests[-1]["saved"] == str(taught / "model.keras") and requests[-1]["float16"] == bool(options)


def test_the_name_of_a_file_is_safe_in_an_address(taught, tmp_path):
    path = tmp_path / "my model #2%.onnx"
    shutil.copy(taught / "model.onnx", path)
    export_web_page(path, tmp_path / "page")
    assert read_page(tmp_path / "page")["network"] == "my_model__2_"
    assert "<title>my model #2%</title>" in (tmp_path / "page" / "index.html").read_text()
    assert "<title>&lt;b&gt;</title>" in web_page.fill_template("<title>{{title}}</title>", {"title": "<b>"}, web_page.html.escape)


def test_only_pages_of_the_same_model_are_replaced(taught, tmp_path):
    page, others = tmp_path / "page", tmp_path / "others"
    (tmp_path / "page").mkdir()  # an empty folder is as good as none
    export_web_page(taught, page)
    (page / "old.txt").write_text("of the page's folder")
    export_web_page(f"{taught}/", page)  # the same source, in another spelling
    assert not (page / "old.txt").exists()
    with pytest.raises(ExportError, match=r"holds the page of another model: pass --force"):
        export_web_page(NAME, page)
    assert read_page(page)["network"] == "mine"
    export_web_page(NAME, page, force=True)
    assert read_page(page)["network"] == NAME
    others.mkdir()
    (others / "diary.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(page)
    for name, message in (("others", "not a page of this command"), ("file", "is no folder"), ("link", "is no folder")):
        with pytest.raises(ExportError, match=message):
            export_web_page(NAME, tmp_path / name, force=True)
    assert [path.name for path in others.iterdir()] == ["diary.txt"] and (tmp_path / "file").read_text() == "mine"


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    for folder in (".", "..", tmp_path / "a"):
        with pytest.raises(ExportError, match="is the current folder or contains it"):
            export_web_page(NAME, folder)
    for _ in range(2):  # a folder with the name of a recipe is not the model
        assert export_web_page(NAME, NAME) == Path(NAME, "index.html")


def test_what_fails_leaves_the_old_page(tmp_path, monkeypatch):
    page = tmp_path / "page"
    export_web_page(NAME, page)
    before = {path: path.read_bytes() for path in page.rglob("*") if path.is_file()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(web_page.shutil, "copyfile", fail)
    for folder in (page, tmp_path / "new"):
        with pytest.raises(ExportError, match="No space left on device"):
            export_web_page(NAME, folder)
    assert before == {path: path.read_bytes() for path in page.rglob("*") if path.is_file()}
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".partial-*"))


def test_errors_come_before_anything_is_written(tmp_path, taught, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phrases.txt").write_text("\n")
    (tmp_path / "words.txt").write_text("stop\n")
    (tmp_path / "greek.txt").write_text("άλφα\n")
    (tmp_path / "damaged.onnx").write_bytes(b"damaged")
    for arguments, message in (
        (["char_rnn_small"], "its task is language-model"),
        (["convnetjs_mnist", "--phrases", "words.txt"], "does not write letters"),
        (["no_such_recipe"], "no_such_recipe"),
        (["missing.onnx"], "There is no file missing.onnx"),
        (["damaged.onnx"], "damaged or no ONNX file"),
        ([NAME, "--phrases", "phrases.txt"], "has no phrases"),
        ([NAME, "--phrases", "greek.txt"], "outside the alphabet"),
        ([NAME, "--phrases", "missing.txt"], "missing.txt"),
        ([NAME, "--rejection-cost", "3"], "A rejection cost is for phrases"),
        ([str(taught), "--rejection-cost", "-1"], "rejection_cost must be 0 or more"),
        ([str(taught / "model.onnx"), "--int8"], "is exported already"),
        ([NAME, "--format", "litert"], "--web cannot be combined"),
        ([NAME, "--output", "x"], "--web cannot be combined"),
    ):
        assert main(["export", *arguments, "--web", "page"]) != 0, arguments
        error = capsys.readouterr().err
        assert message in error, (arguments, error)
    assert main(["export", NAME, "--phrases", "greek.txt"]) == 1
    assert "pass --web FOLDER too" in capsys.readouterr().err
    assert not (tmp_path / "page").exists() and not (tmp_path / "exported").exists() and not list(tmp_path.glob(".partial-*"))
    (taught / "card.json").write_text("{}")
    with pytest.raises(DataError, match="card.json"):
        export_web_page(taught, "page")


def test_the_last_line_says_how_to_look_at_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", NAME, "--web", "my page"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "my page/index.html\n"
    assert captured.err.splitlines()[-1] == (
        "next: python -m http.server 8000 --directory 'my page'  # then open http://localhost:8000"
    )


def test_phrases_are_for_recognizers_of_letters():
    class Phonemes:
        name, recipe = "phonemes", type("Recipe", (), {"task": "phoneme-recognition"})

    with pytest.raises(KerasRecipesError, match="phonemes does not write letters"):
        web_source.describe_phrases(Phonemes(), TEXTS, 2.0)
    assert web_source.describe_phrases(Phonemes(), [], 2.0) is None


def test_a_step_file_of_other_weights_is_refused(tmp_path):
    row = manifest.get_entry(STREAMING)
    shutil.copy(weights.onnx_path(row), tmp_path / "mine.onnx")
    sentences = []
    export_web_page(tmp_path / "mine.onnx", tmp_path / "page", report=sentences.append)
    assert "mine.step.onnx is missing" in sentences[0] and not read_page(tmp_path / "page")["streaming"]
    shutil.copy(weights.onnx_path(row), tmp_path / "mine.step.onnx")  # not the step
    with pytest.raises(WeightsCorrupted):
        export_web_page(tmp_path / "mine.onnx", tmp_path / "page")
    shutil.copy(weights.onnx_path(row, step=True), tmp_path / "mine.step.onnx")
    export_web_page(tmp_path / "mine.onnx", tmp_path / "page")
    assert read_page(tmp_path / "page")["network"] == "mine.step"

"""Exported files are named after their source, and no other source overwrites them."""

import shutil

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import export
from kerasrecipes.cli.main import main
from kerasrecipes.errors import ExportError
from kerasrecipes.export import exporter, sources

NAME = "convnetjs_mnist"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with birds.keras and cats.keras, whose weights differ."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ("birds", "cats"):
        kr.load(NAME, weights=None).save(folder / f"{name}.keras")
    return folder


@pytest.fixture
def written(monkeypatch):
    """Replace the export process by one that writes a file and its test inputs, and collect its requests."""
    requests = []

    def write(request, folder):
        requests.append(request)
        (folder / f"{request['name']}.onnx").write_text(str(len(requests)))
        (folder / "report.json").write_text('{"parts": [{"error": 0.0, "same": 1.0}]}')
        np.savez(folder / f"{request['name']}.npz", source=np.array(request["source"], "uint8"))

    monkeypatch.setattr(exporter, "run_worker", write)
    return requests


def test_each_kind_of_source_has_its_name(saved, tmp_path, written):
    out, run = tmp_path / "out", tmp_path / "my_run"
    run.mkdir()
    shutil.copy(saved / "birds.keras", run / "averaged.keras")
    for source, name in (
        (saved / "birds.keras", "birds"), (str(saved / "cats.keras"), "cats"), (run, "my_run"), (f"{run}/", "my_run"), (NAME, NAME),
    ):  # fmt: skip
        assert export.export(source, out) == out / f"{name}.onnx"
    assert export.export(saved / "birds.keras", out, name="mine") == out / "mine.onnx"
    assert sorted(p.name for p in out.glob("*.onnx")) == [
        "birds.onnx",
        "cats.onnx",
        f"{NAME}.onnx",
        "mine.onnx",
        "my_run.onnx",
    ]


def test_a_file_of_another_source_is_kept(saved, tmp_path, written, monkeypatch, capsys):
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    shutil.copy(saved / "cats.keras", other / "birds.keras")
    monkeypatch.chdir(saved)
    assert main(["export", "birds.keras", "--output", str(out)]) == 0
    assert (
        main(["export", str(saved / "birds.keras"), "--float16", "--output", str(out)]) == 0
    )  # the same source, in any spelling
    assert main(["export", str(other / "birds.keras"), "--output", str(out)]) == 1
    assert "birds.onnx was written from another model: pass --force" in capsys.readouterr().err
    assert (out / "birds.onnx").read_text() == "2" and len(written) == 2
    assert main(["export", str(other / "birds.keras"), "--force", "--output", str(out)]) == 0
    assert (out / "birds.onnx").read_text() == "3"


def test_models_in_memory_are_recognized_by_their_weights(saved, tmp_path, written):
    birds, cats = (kr.load(str(saved / f"{name}.keras"), compile=False) for name in ("birds", "cats"))
    path = export.export(birds, tmp_path)
    assert export.export(birds, tmp_path) == path
    for source in (cats, NAME):
        with pytest.raises(ExportError, match="written from another model"):
            export.export(source, tmp_path)
    assert path.read_text() == "2" and export.export(cats, tmp_path, name="cats") != path
    export.export(cats, tmp_path, force=True)


@pytest.mark.parametrize("name", [f"{NAME}.onnx", f"{NAME}.npz", f"{NAME}.step.onnx"])
def test_a_file_of_an_unknown_source_is_kept(tmp_path, written, name):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ExportError, match=f"{name} was written from another model"):
        export.export(NAME, tmp_path)
    assert (tmp_path / name).read_bytes() == b"something else" and not written


def test_the_export_process_stores_the_source(saved, tmp_path):
    path = export.export(saved / "birds.keras", tmp_path)
    assert path == tmp_path / "birds.onnx" and kr.load(str(path)).name == NAME
    with np.load(tmp_path / "birds.npz") as arrays:
        np.testing.assert_array_equal(arrays["source"], sources.hash_source(str(saved / "birds.keras")))

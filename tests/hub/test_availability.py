"""What a wheel carries: the files that the manifest names, under 70 MB, and enough for every verb without Keras."""

import importlib.util
import json
import shutil
import sys
import types
import zlib

import numpy as np
import pytest
from paths import ROOT

import kerasrecipes as kr
from kerasrecipes.hub import availability, manifest, weights
from kerasrecipes.release import model_card

MAX_WHEEL_BYTES = 70e6
MAX_CODE_BYTES = 2e6  # all but the weights, compressed
DEMO = ROOT / "kerasrecipes" / "assets" / "demo.mp3"
STREAMING = "deepspeech2_streaming_small"
PACKAGED = {
    "wav2letter_small", "palaz_raw_small", "squeezenet", "convnetjs_mnist", "convnetjs_cifar10", "dilated_camvid_small", STREAMING,
}  # fmt: skip


def packaged_files():
    rows = [*manifest.entries().values(), *manifest.language_models().values()]
    return [name for row in rows for name, is_packaged in availability.released_files(row).items() if is_packaged]


@pytest.fixture
def wheel_weights(tmp_path, monkeypatch):
    """The folder of weights as in an installed wheel."""
    for name in packaged_files():
        (tmp_path / name).symlink_to(ROOT / "weights" / name)
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def hook():
    """build_hook.py, whose base class only a build has."""
    names = ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin",
             "hatchling.builders.hooks.plugin.interface")  # fmt: skip
    modules = {name: types.ModuleType(name) for name in names}
    modules[names[-1]].BuildHookInterface = object
    spec = importlib.util.spec_from_file_location("build_hook", ROOT / "build_hook.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, modules[name])
        spec.loader.exec_module(module)
    return module


def test_the_build_hook_packs_what_the_manifest_says(hook):
    build = hook.BundledWeights()
    build.root, data = str(ROOT), {"force_include": {}}
    build.initialize("standard", data)
    packed = {target.removeprefix("kerasrecipes/_weights/"): source for source, target in data["force_include"].items()
              if target.startswith("kerasrecipes/_weights/")}  # fmt: skip
    assert sorted(packed) == sorted(packaged_files())
    assert all(source == str(ROOT / "weights" / name) for name, source in packed.items())
    build.initialize("editable", editable := {"force_include": {}})
    assert not editable["force_include"]


def test_a_wheel_stays_under_70_megabytes():
    total = sum(len(zlib.compress((ROOT / "weights" / name).read_bytes(), 1)) for name in packaged_files())
    assert total + MAX_CODE_BYTES < MAX_WHEEL_BYTES, f"{total / 1e6:.1f} MB"


def test_no_recipe_is_clearly_better_than_the_packaged_ones_of_its_task():
    rows = manifest.entries()
    assert {n for n, row in rows.items() if any(availability.released_files(row).values())} == PACKAGED
    for metric, tasks in (("wer", "speech-recognition"), ("per", "phoneme-recognition")):
        best = {
            name: min(
                (m for m in row.metrics if m["metric"] == metric and m["dataset"].startswith("dev-mini-report:")),
                key=lambda m: m["value"],
            )
            for name, row in rows.items()
            if kr.get_recipe(name).task == tasks
        }
        packaged = min(m["value"] for name, m in best.items() if name in PACKAGED)
        assert packaged <= min(best.values(), key=lambda m: m["value"])["ci_high"]


def test_every_verb_of_a_plain_install_finds_its_file(wheel_weights):
    for name in PACKAGED:
        assert kr.load(name, engine="onnxruntime").name == name
    assert availability.describe_local("wav2letter_small") == "yes"
    assert availability.describe_local(STREAMING) == "ONNX only"
    assert availability.describe_local("zfnet_small") == "with a checkout"


def test_the_streaming_file_transcribes_whole_recordings(wheel_weights):
    wave = kr.load_audio(DEMO)
    assert availability.has_only_step_file(manifest.get_entry(STREAMING))
    alone = kr.load(STREAMING, engine="onnxruntime")
    stream = alone.stream()
    stream.feed(wave)
    assert alone.transcribe(DEMO, decoder="greedy").text == stream.finish().text
    shutil.copy(ROOT / "weights" / f"{STREAMING}.onnx", wheel_weights)
    whole = kr.load(STREAMING, engine="onnxruntime")
    batch = {"audio": np.stack([wave, wave]).astype("float32"), "length": np.array([len(wave), 20000], "int32")}
    batch["audio"][1, 20000:] = 0
    ours, theirs = alone.predict_logits(batch), whole.predict_logits(batch)
    frames = whole.output_length(20000)
    assert ours.shape == theirs.shape
    assert abs(ours[0] - theirs[0]).max() < 1e-4 and abs(ours[1, :frames] - theirs[1, :frames]).max() < 1e-4


@pytest.mark.parametrize(("name", "message"), [
    ("deepspeech2_small", "comes with a checkout of the repository .* not hosted yet. Or train it: kerasrecipes train"),
    (STREAMING, r'with a checkout .*load\(.*, engine="auto"\) opens .*step.onnx, .* cannot be trained'),
])  # fmt: skip
def test_the_error_says_where_the_file_is(wheel_weights, name, message):
    with pytest.raises(kr.WeightsUnavailable, match=message):
        weights.weights_path(manifest.get_entry(name))


def test_sources_are_told_alike():
    assert availability.describe_source(manifest.get_entry("squeezenet")) == "with the package"
    assert ", with the package," in model_card.weights_summary(manifest.get_entry("wav2letter_small"))
    assert ", with a checkout," in model_card.weights_summary(manifest.get_entry("zfnet_small"))
    text = model_card.weights_summary(manifest.get_entry(STREAMING))
    assert "with a checkout (deepspeech2_streaming_small.step.onnx with the package)" in text


def test_the_flags_of_onnx_files_are_in_the_schema():
    schema = json.loads((ROOT / "weights_manifest" / "schema.json").read_text())["properties"]["onnx"]["properties"]
    assert schema["bundled"] == schema["step"]["properties"]["bundled"] == {"type": "boolean"}


def test_verify_does_not_miss_files_of_a_checkout_in_a_package(tmp_path, monkeypatch):
    folder = tmp_path / "_weights"
    folder.mkdir()
    for name in packaged_files():
        (folder / name).symlink_to(ROOT / "weights" / name)
    monkeypatch.setattr(manifest, "weights_folder", lambda: folder)
    monkeypatch.setattr(manifest, "PACKAGE", tmp_path)
    results = {name: (ok, text) for name, ok, text in weights.verify()}
    assert results["zfnet_small"] == (None, "with a checkout") and results["squeezenet"][0] is True
    assert results[STREAMING][0] is True and ".step.onnx" in results[STREAMING][1] and ".weights.h5" not in results[STREAMING][1]
    (folder / "squeezenet.onnx").unlink()
    assert {name: ok for name, ok, _ in weights.verify()}["squeezenet"] is False

"""The server of `kerasrecipes look`: its numbers are those of kerasrecipes.visualize, and bad files and damaged state harm nothing."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.cli.main import main
from kerasrecipes.errors import AudioError, KerasRecipesError

pytest.importorskip("fastapi", reason="pip install kerasrecipes[serve]")
from fastapi.testclient import TestClient

from kerasrecipes.serving import look_start, scan_job, synthesis_jobs
from kerasrecipes.serving.image_inspector import ImageInspector
from kerasrecipes.serving.inspection import to_probabilities
from kerasrecipes.serving.keras_inspector import QUICK_OPTIONS
from kerasrecipes.serving.look_app import MAX_INSPECTIONS, LookState, make_look_app
from kerasrecipes.serving.speech_inspector import SpeechInspector
from kerasrecipes.utils.plotting import enlarge_nearest
from kerasrecipes.visualize.methods import METHODS

L = keras.layers
UNITS = ("first:2", "high:5@3,1", "high:1@all", "scores:3")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential([
        keras.Input((24, 20, 3)), L.Rescaling(1 / 255), L.Conv2D(6, 5, activation="relu", name="first"), L.MaxPooling2D(2, name="pool"),
        L.Conv2D(8, 3, activation="relu", name="high"), L.GlobalAveragePooling2D(name="mean"),
        L.Dense(4, activation="softmax", name="scores"),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), "uint8").repeat(4, 0).repeat(4, 1)).save(path / f"{i}.png")
    (path / "3b.png").write_bytes((path / "3.png").read_bytes()[:80])
    return path


def make_state(model, folder, cache, monkeypatch):
    monkeypatch.setattr(look_start, "open_inspector", lambda name, value_range: ImageInspector(model, value_range))
    monkeypatch.setattr(synthesis_jobs, "IMAGE_SETTINGS", {"steps": 6, "step_policy": "normalized", "target_gain": 8.0})
    return look_start.make_state("tiny", folder, (0.0, 255.0), lambda line: None, cache=cache)


@pytest.fixture(scope="module")
def client(model, folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        state = make_state(model, folder, tmp_path_factory.mktemp("cache"), patch)
        with TestClient(make_look_app(state)) as client:
            client.state = state
            yield client


def read_array(answer, dtype="<f4"):
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, dtype).reshape([int(n) for n in answer.headers["x-shape"].split(",")])


def until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def number(client):
    return client.post("/files/1/inspect").json()["number"]


# ---------------------------------------------------------------- numbers


def test_activations_pixels_and_probabilities_are_those_of_visualize(client, model, folder, number):
    right = visualize.activation_maps(model, folder / "1.png")
    for name, values in right.layers.items():
        found = read_array(client.get(f"/inputs/{number}/activations", params={"layer": name}))
        np.testing.assert_allclose(found.reshape(values.shape), values, **CLOSE)
    assert np.array_equal(read_array(client.get(f"/inputs/{number}/display"), "u1"), right.image)
    answer = client.post("/inspect", content=(folder / "1.png").read_bytes()).json()
    pixels = np.asarray(Image.open(folder / "1.png"))
    np.testing.assert_allclose(answer["probabilities"], model.predict(pixels[None].astype("float32"), verbose=0)[0], **CLOSE)
    raw = client.post("/inspect", params={"height": 24, "width": 20}, content=pixels.tobytes()).json()
    assert raw["probabilities"] == answer["probabilities"] and raw["shapes"]["high"] == [8, 6, 8]
    assert raw["shapes"]["scores"] == [1, 1, 4]


@pytest.mark.parametrize("unit", UNITS)
def test_saliency_is_that_of_visualize(client, model, folder, number, unit):
    methods = client.get("/model").json()["methods"]
    assert {"gradient", "guided", "deconv"} <= set(methods)
    for method in ("gradient", "guided", "deconv"):
        right = visualize.compute_saliency(model, folder / "1.png", unit, method)
        answer = client.get(f"/inputs/{number}/saliency", params={"unit": unit, "method": method})
        np.testing.assert_allclose(read_array(answer), right.values, **CLOSE)
        assert float(answer.headers["x-activation"]) == pytest.approx(right.activation, rel=1e-5)


def test_each_method_of_the_table_that_takes_an_image_and_a_unit_is_there(client, model, folder, number, monkeypatch):
    methods = {name: m for name, m in METHODS.items() if m.inputs == ("image", "unit") and not m.prints}
    assert list(client.get("/model").json()["methods"]) == list(methods)
    monkeypatch.setitem(QUICK_OPTIONS, "num_masks", 20)
    for name, entry in methods.items():
        values = read_array(client.get(f"/inputs/{number}/saliency", params={"unit": "scores:3", "method": name}))
        assert values.shape[:2] == (24, 20) and np.isfinite(values).all()
        if name not in ("gradient", "guided", "deconv"):
            module, _, function = entry.function.partition(":")
            quick = {k: v for k, v in QUICK_OPTIONS.items() if k in entry.options}
            right = getattr(import_module(module), function)(model, folder / "1.png", "scores:3", **quick, **entry.arguments)
            np.testing.assert_allclose(values, right.values.reshape(values.shape), **CLOSE)


def test_signals_are_the_slopes_of_the_unit(client, model, number):
    parameters = {"unit": "scores:1", "method": "gradient", "layer": "high"}
    signals = read_array(client.get(f"/inputs/{number}/signals", params=parameters))
    values = read_array(client.get(f"/inputs/{number}/activations", params={"layer": "high"})).astype("float64")
    weights, bias = (np.asarray(w, "float64") for w in model.get_layer("scores").get_weights())
    rest = lambda x: to_probabilities(x.mean((0, 1)) @ weights + bias)[1]  # noqa: E731
    step = 1e-2 * np.random.default_rng(0).normal(size=values.shape)
    logits = values.mean((0, 1)) @ weights + bias
    p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    slopes = p[1] * (weights[:, 1] - weights @ p) / (values.shape[0] * values.shape[1])
    np.testing.assert_allclose(signals, np.broadcast_to(slopes, values.shape), rtol=1e-4, atol=1e-8)
    assert rest(values + step) - rest(values - step) == pytest.approx(2 * (signals * step).sum(), rel=0.05, abs=1e-6)
    own = read_array(client.get(f"/inputs/{number}/signals", params={**parameters, "unit": "high:2@1,4", "method": "deconv"}))
    assert np.count_nonzero(own) <= 1 and own[1, 4, 2] == pytest.approx(values[1, 4, 2])


def test_fields_are_the_receptive_fields(client, model, number):
    rows, columns = client.get(f"/inputs/{number}/fields", params={"layer": "high"}).json()
    for at in ((0, 0), (3, 5), (7, 2)):
        box = visualize.receptive_field(model, f"high:0@{at[0]},{at[1]}").box
        assert [(side["low"][i], side["high"][i] + 1) for side, i in zip((rows, columns), at, strict=True)] == list(box)
    assert client.get(f"/inputs/{number}/fields", params={"layer": "scores"}).json() is None


def test_stretching_keeps_what_a_crop_cuts_off(client):
    wide = np.zeros((24, 200, 3), "uint8")
    wide[:, :40] = 255  # beyond the middle
    parameters = {"height": 24, "width": 200}
    shown = [client.post("/inspect", params={**parameters, "stretch": s}, content=wide.tobytes()).json()["number"] for s in (False, True)]
    cropped, stretched = (read_array(client.get(f"/inputs/{n}/display"), "u1") for n in shown)
    assert cropped.max() == 0 and stretched[:, 0].min() == 255 and stretched[:, -1].max() == 0


# ---------------------------------------------------------------- in the background


def test_patches_are_those_of_visualize_and_a_damaged_file_is_named(client, model, folder):
    until(lambda: client.get("/jobs").json()["scan"]["done"] == 6)
    (error,) = client.get("/jobs").json()["scan"]["errors"]
    assert "3b.png" in error
    right = visualize.top_image_patches(model, visualize.find_top_activations(model, folder, ["high"])["high"], "high:4", method="guided")
    answer = client.get("/patches", params={"layer": "high", "channel": 4, "method": "guided"})
    pixels = read_array(answer, "u1")
    assert np.array_equal(pixels, np.concatenate([right.patches, right.saliency]))
    np.testing.assert_allclose([float(v) for v in answer.headers["x-activations"].split(",")], right.activations, rtol=1e-5)
    names = client.get("/model").json()["files"]
    assert [names[int(i)] for i in answer.headers["x-files"].split(",")] == [Path(s).name for s in right.sources]
    assert client.post(f"/files/{names.index('3b.png')}/inspect").status_code == 400
    assert client.post("/files/0/inspect").status_code == 200  # the others go on


def test_a_scan_goes_on_where_it_stopped_and_not_with_other_files(model, folder, tmp_path, monkeypatch):
    first = make_state(model, folder, tmp_path, monkeypatch).scan
    first.run()
    right = first.scan.tops["high"]
    monkeypatch.setattr("kerasrecipes.visualize.top_patches.to_model_input", lambda *_: pytest.fail("scanned again"))
    second = make_state(model, folder, tmp_path, monkeypatch)
    second.scan.run()
    assert not second.errors and second.scan.describe()["done"] == 6 and len(second.scan.describe()["errors"]) == 1
    assert np.array_equal(second.scan.scan.tops["high"].values, right.values)
    with np.load(tmp_path / scan_job.SCAN_FILE) as file:
        facts, arrays = json.loads(file["facts"].tobytes()), {name: file[name] for name in file.files if name != "facts"}
    facts["done"] = 2  # as if it had stopped
    np.savez(tmp_path / scan_job.SCAN_FILE, facts=np.frombuffer(json.dumps(facts).encode(), "uint8"), **arrays)
    third = make_state(model, folder, tmp_path, monkeypatch)
    third.scan.load(third.scan.hash_files())
    assert third.scan.scan.done == 2
    for other in (folder / "0.png", tmp_path / scan_job.SCAN_FILE):
        content = other.read_bytes()
        other.write_bytes(content[: len(content) // 2] if other.suffix == ".npz" else content + b" ")
        fourth = make_state(model, folder, tmp_path, monkeypatch)
        fourth.scan.load(fourth.scan.hash_files())
        assert fourth.scan.scan.done == 0, other
        other.write_bytes(content)


def test_images_are_synthesized_in_the_background_and_kept(client, model):
    answer = client.post("/synthesized", params={"unit": "high:3"}).json()
    assert answer["error"] is None
    until(lambda: 3 in client.get("/synthesized", params={"layer": "high"}).json())
    path = client.state.synthesis.find("high:3")
    assert client.get("/synthesized/image", params={"unit": "high:3"}).content == path.read_bytes()
    right = visualize.synthesize(model, "high:3", num_restarts=4, **synthesis_settings(client)).render()
    assert np.array_equal(np.asarray(Image.open(path)), enlarge_nearest(right, 240))
    client.post("/synthesized", params={"layer": "first", "count": 2})
    until(lambda: client.get("/synthesized", params={"layer": "first"}).json() == [0, 1])
    assert client.get("/synthesized", params={"layer": "high"}).json() == [3]
    assert client.get("/synthesized/image", params={"unit": "high:4"}).status_code == 404


def synthesis_settings(client):
    return {k: v for k, v in client.state.synthesis.options.items() if k not in ("num_restarts", "value_range")}


def test_the_end_of_the_program_ends_a_synthesis_without_a_half_file(model, tmp_path):
    jobs = synthesis_jobs.SynthesisJobs(model, tmp_path, {"num_restarts": 1, "steps": 100_000})
    jobs.thread.start()
    jobs.request("high:0")
    until(lambda: jobs.describe()["done"] > 2)
    assert jobs.describe()["unit"] == "high:0" and jobs.describe()["total"] == 100_000
    jobs.stop()
    jobs.thread.join(30)
    assert not jobs.thread.is_alive() and not list(tmp_path.glob("*.png"))


def test_a_unit_that_cannot_be_synthesized_stops_no_other(model, tmp_path):
    jobs = synthesis_jobs.SynthesisJobs(model, tmp_path, {"num_restarts": 1, "steps": 1})  # 2 steps are the least
    jobs.thread.start()
    jobs.request("high:0")
    until(lambda: jobs.find_error("high:0"))
    jobs.options["steps"] = 3
    jobs.request("high:1")
    until(lambda: jobs.find("high:1"))
    jobs.stop()
    jobs.thread.join(30)


# ---------------------------------------------------------------- bad requests


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/inputs/{n}/activations?layer=low", "no layer 'low'"), ("/inputs/999/activations?layer=high", "no longer kept"),
        ("/inputs/{n}/saliency?unit=high:99&method=deconv", "no channel 99"),
        ("/inputs/{n}/saliency?unit=high:1&method=x", "no method 'x'"),
        ("/patches?layer=high&channel=99", "no channel 99"), ("/inputs/{n}/signals?unit=first:1&method=deconv&layer=high", "another layer"),
    ],
)  # fmt: skip
def test_bad_requests_say_what_is_wrong(client, number, path, message):
    answer = client.get(path.format(n=number))
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_bad_bodies_and_foreign_hosts(client):
    assert "cannot be read" in client.post("/inspect", content=b"no image").json()["error"]["message"]
    assert "no image of" in client.post("/inspect", params={"height": 9, "width": 9}, content=b"x").json()["error"]["message"]
    assert client.get("/model", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/files/99").status_code == 404
    assert client.get("/web/look_view.js").status_code == client.get("/").status_code == 200


def test_few_inputs_are_kept(client):
    numbers = [client.post("/files/0/inspect").json()["number"] for _ in range(MAX_INSPECTIONS + 1)]
    kept = [client.get(f"/inputs/{n}/display").status_code == 200 for n in numbers]
    assert kept == [False, *[True] * MAX_INSPECTIONS]


# ---------------------------------------------------------------- speech


@pytest.fixture(scope="module")
def recognizer():
    name = "wav2letter_small"
    return kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)


def test_a_recognizers_numbers_are_those_of_visualize(recognizer):
    wave = (0.1 * np.random.default_rng(0).normal(size=16000)).astype("<f4")
    with TestClient(make_look_app(LookState(SpeechInspector(recognizer), []))) as client:
        answer = client.post("/inspect", params={"sample_rate": 16000}, content=wave.tobytes()).json()
        number, right = answer["number"], visualize.symbol_posteriors(recognizer, wave, sample_rate=16000)
        np.testing.assert_allclose(answer["probabilities"], right.probabilities, **CLOSE)
        assert answer["text"] == right.transcript.text and answer["seconds"] == 1.0
        assert client.get("/model").json()["classes"] == list(right.symbols)
        logits = read_array(client.get(f"/inputs/{number}/activations", params={"layer": "logits"}))[:, 0]
        exponentials = np.exp(logits - logits.max(-1, keepdims=True))
        np.testing.assert_allclose(exponentials / exponentials.sum(-1, keepdims=True), right.probabilities, **CLOSE)
        for unit, method in (("logits:e@9", "gradient"), ("logits:e", "guided")):
            saliency = visualize.compute_audio_saliency(recognizer, wave, unit, method, sample_rate=16000)
            values = read_array(client.get(f"/inputs/{number}/saliency", params={"unit": unit, "method": method}))
            np.testing.assert_allclose(values[..., 0], saliency.values, **CLOSE)
            np.testing.assert_allclose(read_array(client.get(f"/inputs/{number}/display")), saliency.features, **CLOSE)
        short = client.post("/inspect", params={"sample_rate": 16000}, content=wave[:800].tobytes())
        assert short.status_code == 400 and "the page shows 0.2 to 60 s" in short.json()["error"]["message"]


# ---------------------------------------------------------------- the start


def test_a_folder_of_nothing_and_a_taken_port(tmp_path):
    with pytest.raises(AudioError):
        look_start.list_files("speech", tmp_path)
    with look_start.bind_socket("127.0.0.1", 0) as socket, pytest.raises(KerasRecipesError, match="--port 0 takes a free one"):
        look_start.bind_socket("127.0.0.1", socket.getsockname()[1])


def test_a_missing_extra_is_named_before_a_model_is_loaded(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["look", "squeezenet", "--no-browser"]) == 1
    assert 'pip install "kerasrecipes[serve]"' in capsys.readouterr().err
    assert main(["look", "squeezenet", "--images", "no-such-folder"]) == 1
    assert "There is no file no-such-folder" in capsys.readouterr().err

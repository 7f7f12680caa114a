"""SqueezeNet's released weights: the logits of the authors' own network, class names and license."""

import json
import tomllib

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.hub import manifest

FIRST = {"astronaut": "Crock Pot", "camera": "tripod", "chelsea": "Egyptian cat", "coffee": "espresso", "rocket": "pole"}  # fmt: skip
NOTICE = "kerasrecipes/assets/SQUEEZENET_LICENSE.txt"


@pytest.fixture(scope="module")
def model():
    return kr.load("squeezenet", compile=False)


@pytest.mark.parametrize("engine", ["keras", "onnxruntime"])
def test_logits_are_those_of_the_authors_network_in_opencv(model, engine):
    """tests/goldens/README.md says how the file was made."""
    golden = np.load(ROOT / "tests" / "goldens" / "squeezenet_opencv.npz")
    inputs = [Image.open(ROOT / "docs" / "live" / "samples" / f"{name}.png").convert("RGB") for name in golden["images"]]
    noise = np.random.RandomState(int(golden["seed"])).randint(0, 256, (227, 227, 3))
    images = np.stack([*map(np.asarray, inputs), noise]).astype("float32")
    network = model if engine == "keras" else kr.load("squeezenet", engine=engine)
    logits = np.concatenate([network.predict_logits(image[None]) for image in images])
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-5 * golden["logits"].max(), rtol=0)


def test_top_classes_of_the_images_on_the_site(model):
    """docs/live/samples has the inputs, docs/cache the outputs."""
    kept = json.loads((ROOT / "docs" / "cache" / "squeezenet" / "figures.json").read_text())["wrong"]["free"]
    assert {v["name"]: v["answers"][0][0] for v in kept} == FIRST
    inputs = [Image.open(ROOT / "docs" / "live" / "samples" / f"{v['name']}.png").convert("RGB") for v in kept]
    scores = model.predict_logits(np.stack([np.asarray(v, "float32") for v in inputs])).astype("float64")
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    for found, answers in zip(shares, (v["answers"] for v in kept), strict=True):
        best = [(model.classes[i], found[i]) for i in np.argsort(-found)[: len(answers)]]
        assert best == [(name, pytest.approx(share, abs=1e-3)) for name, share in answers]


def test_top_classes_of_the_full_images(model, big_data):
    paths = {path.stem: path for path in (big_data / "images_cc0").iterdir()}
    found = dict(zip(FIRST, model.classify([paths[name] for name in FIRST]), strict=True))
    assert {name: guess.name for name, guess in found.items()} == FIRST
    cat = found["chelsea"]
    assert str(cat) == cat.name and len(cat.top(5)) == 5 and sum(cat.probabilities) == pytest.approx(1, abs=1e-6)
    ten = model.classify(paths["chelsea"], num_crops=10)
    assert ten.name == "Egyptian cat" and ten != cat


def test_classes_are_the_label_files_but_for_three_names(model, big_data):
    labels = (big_data / "squeezenet_imagenet" / "ilsvrc_2012_labels.txt").read_text().splitlines()
    differ = {i: (a, b) for i, (a, b) in enumerate(zip(labels, model.classes, strict=True)) if a != b}
    assert differ == {
        134: ("crane", "crane (bird)"), 517: ("crane", "crane (machine)"), 639: ("maillot", "maillot (tank suit)"),
    }  # fmt: skip


def test_class_names_are_unique(model):
    assert len(set(model.classes)) == 1000 and list(model.classes) == manifest.entries()["squeezenet"].model["classes"]


def test_weights_are_the_codebooks_in_half_precision(model, big_data):
    values = np.load(big_data / "squeezenet_imagenet" / "squeezenet_v1.0.npz")
    source = {"conv1": "conv1", "fire5_expand3": "fire5.conv3x3_2", "logits": "conv_final"}
    for name, key in source.items():
        kernel, bias = model.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), values[f"{key}.weight_oihw"].astype("float16"))
        np.testing.assert_array_equal(bias, values[f"{key}.bias"].astype("float16"))
    halves = [(values[k].astype("float16") != values[k]).sum() for k in values.files]
    assert sum(halves) == 419_897 and sum(values[k].size for k in values.files) == model.count_params() == 1_248_424


def test_the_weights_include_their_license():
    """Clause 2: redistributions in binary form include conditions and disclaimer."""
    assert manifest.entries()["squeezenet"].license.startswith("BSD 2-clause")
    text = (ROOT / NOTICE).read_text()
    assert "2. Redistributions in binary form must reproduce" in text and 'AND CONTRIBUTORS "AS IS"' in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert NOTICE in project["license-files"]

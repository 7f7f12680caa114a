"""A saved model is what a Keras user expects: a run that stops, is loaded and continues equals one that never stopped."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from paths import ROOT

import kerasrecipes as kr
from kerasrecipes.layers.recurrent import SequenceRNNCell
from kerasrecipes.tasks import stand_ins
from kerasrecipes.tasks.base import walk_layers


def speech(seed=0):
    name = "deepspeech2_streaming_small"
    keras.utils.set_random_seed(seed)
    model = kr.load(name, weights=None, **kr.get_recipe(name).tiny_config)
    rng = np.random.default_rng(0)
    x = {"audio": rng.normal(size=(4, 16000)).astype("float32") * 0.1, "length": np.full(4, 16000, "int32")}
    return model, x, rng.integers(1, 20, (4, 5)).astype("int32")


def images(seed=0):
    keras.utils.set_random_seed(seed)
    model = kr.load("convnetjs_mnist", weights=None, **kr.get_recipe("convnetjs_mnist").tiny_config)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (8, *model.input_shape[1:])).astype("float32")
    return model, x, rng.integers(0, len(model.classes), 8)


def text(seed=0):
    keras.utils.set_random_seed(seed)
    model = kr.load("char_rnn_small", weights=None, recurrent_units=16, embedding=8)
    rng = np.random.default_rng(0)
    x = {"symbols": rng.integers(1, 20, (4, 12)).astype("int32"), "length": np.full(4, 12, "int32")}
    return model, x, rng.integers(1, 20, (4, 12)).astype("int32")


MODELS = {"speech": speech, "images": images, "text": text}
STEPS = {"speech": 1, "images": 2, "text": 1}  # of an epoch
LOADERS = {"kr.load": kr.load, "keras": keras.saving.load_model}


def train(model, x, y, epochs):
    keras.utils.set_random_seed(7)
    keras.Model.fit(model, x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)


def freeze(model, count=3):
    for layer in [layer for layer in model.layers if layer.weights][:count]:
        layer.trainable = False


def trainable_flags(model):
    return [layer.trainable for _, layer in walk_layers(model)]


def frozen_weights(model):
    """Return the weights of the frozen layers, but for statistics, random states and the like."""
    return [
        keras.ops.convert_to_numpy(w)
        for layer in model.layers
        for w in layer.weights
        if not layer.trainable and w.path.endswith(("kernel", "bias", "embeddings"))
    ]


# TensorFlow compiles a training step of a recurrent network for half a minute
QUICK_FIRST = [name if name == "images" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("name", QUICK_FIRST)
def test_a_loaded_model_continues_as_one_that_never_stopped(name, loader, tmp_path):
    model, x, y = MODELS[name]()
    count = min(3, sum(bool(layer.weights) for layer in model.layers) - 1)
    freeze(model, count)
    model.compile(keras.optimizers.Adam(1e-3, weight_decay=1e-4))
    train(model, x, y, 3)
    model.save(tmp_path / "m.keras")
    loaded = LOADERS[loader](tmp_path / "m.keras")
    assert type(loaded) is type(model) and type(loaded.optimizer) is type(model.optimizer)
    assert float(loaded.optimizer.learning_rate) == pytest.approx(1e-3)
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 3 * STEPS[name]
    assert loaded.optimizer.weight_decay == 1e-4
    assert sum(not layer.trainable for layer in loaded.layers if layer.weights) == count
    assert trainable_flags(loaded) == trainable_flags(model)
    assert len(loaded.trainable_variables) == len(model.trainable_variables) < len(model.variables)
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    first = frozen_weights(loaded)
    for continued in (model, loaded):
        train(continued, x, y, 3)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(first, frozen_weights(loaded), strict=True):
        np.testing.assert_array_equal(a, b)


def test_state_of_the_optimizer_makes_the_difference(tmp_path):
    """The comparison above is not vacuous: with a new optimizer the continued run differs."""
    model, x, y = images()
    model.compile(keras.optimizers.Adam(1e-3))
    train(model, x, y, 3)
    model.save(tmp_path / "m.keras")
    fresh = kr.load(tmp_path / "m.keras", compile=False)
    assert not fresh.compiled
    fresh.compile(keras.optimizers.Adam(1e-3))
    for continued in (model, fresh):
        train(continued, x, y, 3)
    assert max(np.abs(a - b).max() for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True)) > 1e-4


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.01, 50), momentum=0.9),
        lambda: keras.optimizers.AdamW(2e-4, clipnorm=1.0),
        lambda: keras.optimizers.RMSprop(3e-4, use_ema=True),
    ],
)
def test_optimizers_come_back(optimizer, tmp_path):
    model, x, y = images()
    model.compile(optimizer())
    train(model, x, y, 2)
    model.save(tmp_path / "m.keras")
    loaded = kr.load(tmp_path / "m.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_compiled_losses_and_metrics_come_back(name, tmp_path):
    model, x, y = MODELS[name]()
    model.save(tmp_path / "default.keras")
    assert list(model.evaluate(x, y, verbose=0, return_dict=True)) == list(
        kr.load(tmp_path / "default.keras").evaluate(x, y, verbose=0, return_dict=True)
    )
    if name != "images":
        return
    metrics = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")]
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics)
    train(model, x, y, 1)
    model.save(tmp_path / "own.keras")
    for load in LOADERS.values():
        expected = keras.Model.evaluate(model, x, y, verbose=0, return_dict=True)
        result = keras.Model.evaluate(load(tmp_path / "own.keras"), x, y, verbose=0, return_dict=True)
        assert list(result) == list(expected) and "top2" in result
        assert result == pytest.approx(expected, rel=1e-4)


def test_flags_inside_a_layer_and_of_the_whole_model_come_back(tmp_path):
    model, *_ = speech()
    inner = [layer for path, layer in walk_layers(model) if path.count("/") > 1]
    assert inner
    inner[0].trainable = False
    model.save(tmp_path / "inner.keras")
    assert trainable_flags(kr.load(tmp_path / "inner.keras")) == trainable_flags(model)
    model.trainable = False
    model.save(tmp_path / "whole.keras")
    loaded = kr.load(tmp_path / "whole.keras")
    assert not loaded.trainable and loaded.trainable_variables == []
    assert all(trainable_flags(kr.load(tmp_path / "whole.keras", weights=None)))  # a new network, nothing frozen


def test_a_loss_that_nobody_registered_leaves_the_model_with_the_default_one(tmp_path):
    model, *_ = images()

    def unknown_loss(labels, logits):
        return keras.ops.mean(logits)

    model.compile("adam", unknown_loss)
    model.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="without its optimizer, loss and metrics"):
        loaded = kr.load(tmp_path / "m.keras")
    assert loaded.compiled
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loading_warns_of_nothing(tmp_path):
    model, x, y = images()
    train(model, x, y, 1)
    model.save(tmp_path / "m.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for load in LOADERS.values():
            assert load(tmp_path / "m.keras").compiled


@pytest.mark.parametrize("imports", ["import keras, kerasrecipes", "import kerasrecipes, keras"])
def test_keras_opens_files_in_a_process_that_has_only_imported_the_package(tmp_path, imports):
    model, x, y = images()
    model.compile(keras.optimizers.Adam(1e-5))
    train(model, x, y, 1)
    model.save(tmp_path / "m.keras")
    keras.Sequential([keras.Input((8,)), kr.layers.Maxout(2)]).save(tmp_path / "own.keras")  # a user's own network
    script = f"""{imports}
m = keras.saving.load_model("m.keras")
assert type(m).__name__ == "ImageClassifier" and m.compiled and float(m.optimizer.learning_rate) < 2e-5
assert int(m.optimizer.iterations) == {STEPS["images"]}
assert keras.saving.load_model("own.keras").output_shape == (None, 4)"""
    environment = {**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_all_classes_in_files_have_a_stand_in(monkeypatch):
    registry = {}
    monkeypatch.setattr(stand_ins.keras.saving, "get_custom_objects", lambda: registry)
    stand_ins.register_stand_ins()
    names = [f"kerasrecipes>{layer}" for layer in ("SequenceConv1D", "MFCC", "WaveNetStack")]
    assert {*names, "kerasrecipes>SpeechRecognizer", "kerasrecipes>Segmenter"} <= registry.keys()
    model, *_ = speech()
    classes = {type(layer) for _, layer in walk_layers(model) if type(layer).__module__.startswith("kerasrecipes.layers")}
    assert len(classes) > 3
    for layer in classes - {SequenceRNNCell}:  # only inside of a `SequenceRNN`
        assert isinstance(registry[keras.saving.get_registered_name(layer)], stand_ins.StandIn)

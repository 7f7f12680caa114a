"""Models in an engine are pickled and copied as the call that opens their file."""

import copy
import pickle
import shutil

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.engines.task_models import EngineModel
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.hub import manifest, weights

RECOGNIZER, CLASSIFIER = "deepspeech2_small", "convnetjs_mnist"


@pytest.fixture(scope="module")
def recognizer():
    return kr.load(RECOGNIZER, engine="onnxruntime")


@pytest.mark.parametrize("duplicate", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, copy.copy])
def test_copies_answer_alike(duplicate):
    model = kr.load(CLASSIFIER, engine="onnxruntime")
    other = duplicate(model)
    assert other is not model and other.session is not model.session and other.engine == "onnxruntime"
    images = np.random.default_rng(0).uniform(0, 255, (2, *model.preprocessing.crop_size, 1)).astype("float32")
    np.testing.assert_array_equal(other.predict_logits(images), model.predict_logits(images))


def test_copies_keep_the_weights_of_the_decoder(recognizer):
    recognizer.decoder_settings = {**recognizer.decoder_settings, "lm_weight": 0.125}
    assert copy.copy(recognizer).decoder_settings == recognizer.decoder_settings


def test_a_pickle_holds_the_path_and_no_weights(tmp_path, monkeypatch):
    path = tmp_path / "mnist.onnx"
    shutil.copy(weights.onnx_path(manifest.get_entry(CLASSIFIER)), path)
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(kr.load("mnist.onnx"))
    monkeypatch.chdir("/")
    assert len(content) < 1000 and kr.load(path).classes == pickle.loads(content).classes
    path.unlink()
    with pytest.raises(KerasRecipesError, match=r"There is no file .*mnist\.onnx"):
        pickle.loads(content)


def test_a_model_without_a_file(monkeypatch):
    model = EngineModel.__new__(EngineModel)
    model.name, model.opening = "made", None
    for duplicate in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(KerasRecipesError, match="made was not opened from a file"):
            duplicate(model)


def test_predict_takes_files(clips, recognizer):
    path = str(min(clips.rglob("*.mp3")))
    model = recognizer
    result, missing = model.predict([path, "missing.wav"], decoder="greedy")
    assert result.text == model.transcribe(path, decoder="greedy").text and isinstance(missing, AudioError)
    with pytest.raises(KerasRecipesError, match="whose predict takes files"):
        model.predict({"audio": np.zeros((1, 16000), "float32"), "length": np.array([16000])})

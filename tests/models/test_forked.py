"""Processes that were forked after a model was loaded: an error at once, where a backend would wait forever."""

import os
import signal

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.utils import backend_process

WAVE = np.full(16000, 0.1, "float32")
BATCH = {"audio": WAVE[None], "length": np.array([16000], "int32")}
LABELS = np.array([[1, 2]], "int32")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def run_in_fork(function):
    """Return the message of the error that a function raises in a forked process, "" if it returns."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(20)  # ends a process that waits forever
        message = ""
        try:
            function()
        except kr.KerasRecipesError as error:
            message = str(error)
        finally:
            os.write(writer, (message or "returned").encode())
            os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    return message


@pytest.mark.parametrize("use", [
    lambda model: model.transcribe(WAVE, 16000, decoder="greedy"), lambda model: model.fit(BATCH, LABELS, verbose=0),
    lambda model: model.evaluate(BATCH, LABELS, verbose=0), lambda model: model.predict(BATCH, verbose=0),
    lambda model: model(BATCH), lambda model: kr.load("convnetjs_mnist"),
], ids=["transcribe", "fit", "evaluate", "predict", "call", "load"])  # fmt: skip
def test_keras_models_say_that_they_cannot_be_forked(pretrained, use):
    message = run_in_fork(lambda: use(pretrained))
    assert f"forked from {os.getpid()}" in message and 'get_context("spawn")' in message


@pytest.mark.parametrize("use", [
    lambda model, x: visualize.activation_maps(model, x), lambda model, x: visualize.compute_saliency(model, x, "logits:1"),
    lambda model, x: visualize.compute_occlusion(model, x, "logits:1"), lambda model, x: visualize.synthesize(model, "logits:1"),
    lambda model, x: model.classify(x),
], ids=["activations", "saliency", "occlusion", "synthesize", "classify"])  # fmt: skip
def test_visualizations_say_that_they_cannot_be_forked(use):
    model, x = kr.load("convnetjs_mnist", engine="keras"), np.full((28, 28), 90, "uint8")
    visualize.activation_maps(model, x)
    assert 'get_context("spawn")' in run_in_fork(lambda: use(model, x))


def test_generators_say_that_they_cannot_be_forked():
    model = kr.load("wavenet_small", engine="keras", weights=None)
    assert 'get_context("spawn")' in run_in_fork(lambda: model.generate(0.01, seed=0))


def test_a_process_that_loads_its_first_model_after_the_fork(monkeypatch):
    monkeypatch.setattr(backend_process, "_process", None)
    assert run_in_fork(backend_process.check_backend_process) == "returned"
    assert backend_process._process is None
    backend_process.check_backend_process()
    assert backend_process._process == os.getpid()


def test_engines_answer_in_a_forked_process(clips):
    path = str(min(clips.rglob("*.mp3")))
    model = kr.load("deepspeech2_small", engine="onnxruntime")
    text = model.transcribe(path, decoder="greedy").text

    def compare():
        if model.transcribe(path, decoder="greedy").text != text:
            raise kr.KerasRecipesError("another text")

    assert text and run_in_fork(compare) == "returned"

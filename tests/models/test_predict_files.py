"""`model.predict` on files does what the verb of the task does, and on arrays what Keras does."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import AudioError, ImageError, KerasRecipesError
from kerasrecipes.tasks.base import TaskModel
from kerasrecipes.tasks.table import TASK_MODELS
from kerasrecipes.tasks.wave_generator import WaveNetGenerator
from kerasrecipes.utils.sources import is_file_input


@pytest.mark.parametrize(("x", "answer"), [
    ("a.wav", True), (Path("a.wav"), True), (b"RIFF", True), (["a.wav", Path("b.wav")], True), (io.BytesIO(), True),
    ([], False), (["a.wav", np.zeros(3)], False), (np.zeros(3), False), ({"audio": np.zeros(3)}, False), (None, False),
])  # fmt: skip
def test_what_counts_as_files(x, answer):
    assert is_file_input(x) == answer


@pytest.mark.parametrize("task", TASK_MODELS)
def test_files_go_to_the_verb_of_the_task(task):
    verb = "vocode" if task == "waveform-generation" else TASK_MODELS[task].verb
    model = SimpleNamespace(
        recipe=SimpleNamespace(task=task), **{verb: lambda files, **options: (verb, files, options)}
    )
    cls = WaveNetGenerator if verb == "vocode" else TaskModel
    assert cls.predict_files(model, ["a"], seed=1) == (verb, ["a"], {"seed": 1})


def test_a_recognizer_s_files(pretrained, clips):
    paths = sorted(map(str, clips.rglob("*.mp3")))[:2]
    first, second, missing = pretrained.predict([*paths, "missing.wav"], decoder="greedy", verbose=0)
    assert [first.text, second.text] == [t.text for t in pretrained.transcribe(paths, decoder="greedy")]
    assert isinstance(missing, AudioError)
    assert pretrained.predict(paths[0], decoder="greedy").text == first.text


def test_a_classifier_s_files_and_arrays(tmp_path):
    Image.fromarray(np.full((28, 28), 90, "uint8")).save(tmp_path / "a.png")
    model = kr.load("convnetjs_mnist")
    path = tmp_path / "a.png"
    (first, missing) = model.predict([path, tmp_path / "b.png"], batch_size=1)
    assert first.name == model.classify(path).name == model.predict(str(path)).name and isinstance(missing, ImageError)
    images = np.full((1, *model.input_shape[1:]), 90, "float32")
    np.testing.assert_allclose(model.predict(images, verbose=0), model.predict_logits(images), rtol=1e-5)
    with pytest.raises(KerasRecipesError, match="steps="):
        model.predict([path], steps=1)
    with pytest.raises(KerasRecipesError, match="predict takes num_crops for files, not for ndarray"):
        model.predict(images, num_crops=2)

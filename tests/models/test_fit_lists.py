"""Lists of clips and texts in `fit` of recognizers: what becomes batches, and what is refused."""

import io

import numpy as np
import pytest
import soundfile
from paths import FIXTURES

import kerasrecipes as kr
from kerasrecipes.data.clip_lists import MemoryAudio, from_lists
from kerasrecipes.data.keras_adapter import split_validation, to_plain_list
from kerasrecipes.errors import AudioError, DataError, KerasRecipesError
from kerasrecipes.tasks import speech_recognizer
from kerasrecipes.tasks.base import TaskModel

WAVE = (0.3 * np.sin(np.arange(16000) / 5)).astype("float32")
TEXTS = ["one", "two", "three", "four", "five"]


def encode_wave():
    file = io.BytesIO()
    soundfile.write(file, WAVE, 16000, format="WAV")
    file.seek(0)
    return file


@pytest.fixture
def calls(monkeypatch):
    """What a recognizer's `fit` and `evaluate` hand to Keras, with its data sets as they are."""
    calls = []
    for name in ("fit", "evaluate"):
        monkeypatch.setattr(TaskModel, name, lambda self, *args, **options: calls.append((args, options)))
    monkeypatch.setattr(speech_recognizer, "to_keras_input", lambda dataset, verbose: dataset)
    return calls


def texts_of(dataset):
    return sorted(u.text for u in dataset.utterances)


@pytest.mark.parametrize("make", [
    lambda: [WAVE] * 5, lambda: [np.stack([WAVE, WAVE], 1)] * 5, lambda: [encode_wave().getvalue()] * 5,
    lambda: [encode_wave() for _ in TEXTS], lambda: [str(FIXTURES / "7_jackson_0.flac")] * 5,
    lambda: np.array([str(FIXTURES / "7_jackson_0.flac")] * 5), lambda: [WAVE, *[FIXTURES / "7_jackson_0.flac"] * 4],
], ids=["arrays", "stereo", "bytes", "files", "paths", "numpy", "mixed"])  # fmt: skip
def test_lists_are_split_and_batched(pretrained, calls, make):
    pretrained.fit(make(), TEXTS, 2, 3, sample_rate=16000, validation_split=0.4)
    (((train, y, batch_size, epochs), options),) = calls
    held = options.pop("validation_data")
    assert (texts_of(train), texts_of(held)) == (["one", "three", "two"], ["five", "four"]) and epochs == 3
    assert y is None and batch_size is None and options == {"shuffle": False}
    inputs, labels = train[0]
    assert inputs["audio"].shape[0] == 2 and set(inputs) == {"audio", "length"} and len(labels) == 2
    if not isinstance(train.cache, kr.data.AudioCache):
        np.testing.assert_allclose(train.cache.read(0, 0), WAVE, atol=1e-4)


def test_validation_data_wins_and_takes_lists_too(pretrained, calls):
    pretrained.fit([WAVE] * 2, TEXTS[:2], validation_split=0.5, validation_data=([WAVE], ["six"]), sample_rate=16000)
    pretrained.evaluate([WAVE] * 2, TEXTS[:2], sample_rate=16000)
    assert texts_of(calls[0][0][0]) == ["one", "two"] and texts_of(calls[0][1]["validation_data"]) == ["six"]
    assert texts_of(calls[1][0][0]) == ["one", "two"]


def test_batches_of_keras_pass_unchanged(pretrained, calls):
    batch, labels = {"audio": WAVE[None], "length": np.array([16000])}, np.array([[1, 2]])
    pretrained.fit(batch, labels, 1, validation_split=0.5, shuffle=True)
    pretrained.fit([WAVE[None], np.array([16000])], labels)
    assert calls[0] == ((batch, labels, 1), {"validation_split": 0.5, "validation_data": None, "shuffle": True})
    assert calls[1][0][1] is labels


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    (([WAVE], ["one"]), {}, TypeError, "sample_rate="),
    (([WAVE, WAVE[:10]], ["one", "two"]), {"sample_rate": 16000}, AudioError, "Clip 2 of the list: .* too short"),
    (([WAVE] * 2, ["one"]), {"sample_rate": 16000}, DataError, "2 files, but 1 texts"),
    (([WAVE] * 2, ["one", None]), {"sample_rate": 16000}, DataError, "Text 2 of the list is None"),
    (([WAVE] * 2, ["one", " "]), {"sample_rate": 16000}, DataError, "that of clip 2"),
    (([WAVE], ["one"]), {"sample_rate": 16000, "validation_split": 0.1}, DataError, "validation_split=0.1 of 1 clips"),
    (([], []), {}, DataError, "are empty"),
    ((["a.wav", "b.wav"],), {}, DataError, "2 files without texts"),
    ((["a.wav", "b.wav"], ["one", "two"]), {}, DataError, "2 of 2 listed clips do not exist"),
    (([WAVE], ["one"]), {"sample_rate": 16000, "class_weight": {0: 1.0}}, KerasRecipesError, "no class to weigh"),
    (({"audio": WAVE[None]}, np.array([[1]])), {"class_weight": {"a": 2}}, KerasRecipesError, "leave class_weight out"),
])  # fmt: skip
def test_what_is_refused(pretrained, calls, arguments, options, error, message):
    with pytest.raises(error, match=message):
        pretrained.fit(*arguments, **options)
    assert not calls


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5])
def test_shares_that_leave_a_part_empty(share):
    with pytest.raises(DataError, match=f"validation_split={share} of 10 clips"):
        split_validation(list(range(10)), share)


def test_columns_of_tables_are_lists():
    column = type("Series", (), {"to_list": lambda self: ["a", "b"]})()
    assert to_plain_list(column) == ["a", "b"] == to_plain_list(np.array(["a", "b"]))
    assert to_plain_list(WAVE) is WAVE and to_plain_list(None) is None


def test_clips_in_memory_play_at_all_speeds():
    clips = from_lists([WAVE, (WAVE * 32767).astype("int16")], ["one", "two"], sample_rate=16000)
    cache = MemoryAudio(clips, (1.0, 0.8))
    assert cache.lengths().tolist() == [[16000, 20000]] * 2 and len(cache.read(1, 1)) == 20000
    np.testing.assert_allclose(cache.read(1, 0), WAVE, atol=1e-4)
    assert abs(clips.hours * 3600 - 2) < 1e-9 and [u.id for u in clips] == ["clip 1", "clip 2"]

"""The example of fine-tuning: what it trains and tests on, what it counts, what it records."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
from paths import FIXTURES, ROOT

import kerasrecipes as kr

SPEC = importlib.util.spec_from_file_location("finetune", ROOT / "examples" / "finetune_digits.py")
example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(example)


@pytest.fixture
def folder(tmp_path):
    for name in ("7_jackson_0", "3_theo_4", "3_theo_5", "0_jackson_49"):
        shutil.copy(FIXTURES / "7_jackson_0.flac", tmp_path / f"{name}.flac")
    (tmp_path / "README.md").write_text("no digit")
    return tmp_path


def test_the_first_five_takes_are_the_test(folder):
    train, test = example.digits(folder)
    assert [(u.id, u.text, u.speaker) for u in train] == [
        ("0_jackson_49", "zero", "jackson"),
        ("3_theo_5", "three", "theo"),
    ]
    assert [(u.id, u.text) for u in test] == [("3_theo_4", "three"), ("7_jackson_0", "seven")]


class Deaf:
    """Hears the same word in everything: a score of 9 for each of its letters in turn, a blank behind each."""

    alphabet, sample_rate, stride = kr.Alphabet(), 16000, 160
    transcribed = "seven"

    def output_length(self, samples):
        return samples // self.stride

    def predict_logits(self, inputs):
        batch, samples = inputs["audio"].shape
        found = np.zeros((batch, samples // self.stride, self.alphabet.vocab_size), "float32")
        letters = self.alphabet.encode(self.transcribed)
        for t in range(found.shape[1]):
            found[:, t, letters[t // 2] if t % 2 == 0 and t // 2 < len(letters) else 0] = 9
        return found


@pytest.mark.parametrize("word", ["seven", "three", "zero"])
def test_accuracy_is_the_share_of_the_likeliest_names(folder, word, monkeypatch):
    _, test = example.digits(folder)
    monkeypatch.setattr(Deaf, "transcribed", word)
    assert example.accuracy(Deaf(), test) == {"seven": 0.5, "three": 0.5, "zero": 0.0}[word]


def test_figures_of_earlier_weights_go(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"figures": {"weights of old, 1 digits": "x", "random numbers, 1 digits": "y"}}))
    example.record(path, "here", f"weights of {example.TAG}, 1 digits", "z")
    written = json.loads(path.read_text())
    assert written["figures"] == {"random numbers, 1 digits": "y", f"weights of {example.TAG}, 1 digits": "z"}
    assert written["setting"] == "here"

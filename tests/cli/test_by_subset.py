"""`evaluate --by-subset`: a row of error rates and hours for each subset of LibriSpeech."""

import json
import shutil
from types import SimpleNamespace

import pytest

from kerasrecipes.cli import evaluate, main, options
from kerasrecipes.cli.subset_report import split_into_subsets
from kerasrecipes.data import librispeech
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError


@pytest.fixture
def corpus(clips, tmp_path):
    """LibriSpeech with the test clips as three subsets: all of them, and one speaker each."""
    speakers = sorted(p for p in clips.iterdir() if p.is_dir())
    for subset, members in (("dev-clean", speakers), ("test-other", speakers[:1]), ("train-clean-100", speakers[1:])):
        for speaker in members:
            shutil.copytree(speaker, tmp_path / "LibriSpeech" / subset / speaker.name)
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text("; none\n")
    return tmp_path / "LibriSpeech"


class Recognizer:
    """Hear the transcript of each clip, in test-other without its first word."""

    recipe = SimpleNamespace(task="speech-recognition")
    alphabet = Alphabet()

    def __init__(self, clips):
        self.texts = {u.id: self.alphabet.normalize(u.text) for u in librispeech(clips)}

    def transcribe(self, paths, **options):
        texts = [(path, self.texts[path.rpartition("/")[2].partition(".")[0]]) for path in paths]
        return [SimpleNamespace(text=text.partition(" ")[2] if "test-other" in path else text) for path, text in texts]


@pytest.fixture
def recognizer(clips, monkeypatch):
    model = Recognizer(clips)
    monkeypatch.setattr(options, "load_model", lambda name, weights=None: model)
    monkeypatch.setattr(evaluate, "decoder_label", lambda values, model: "perfect")
    return model


def test_subsets_of_a_folder_and_other_sets(corpus):
    assert split_into_subsets(f"librispeech:{corpus}?hours=1") == {
        "dev-clean": f"librispeech:{corpus}?split=dev-clean&hours=1",
        "test-other": f"librispeech:{corpus}?split=test-other&hours=1",
    }
    for spec in (f"librispeech:{corpus}?split=train-clean-100", f"librispeech:{corpus}/dev-clean", "manifest:x.tsv", "librispeech:none"):
        assert split_into_subsets(spec) == {spec: spec}
    for name in ("dev-clean", "test-other"):
        shutil.rmtree(corpus / name)
    with pytest.raises(DataError, match=r"holds only training sets \(train-clean-100\): add \?split=train-clean-100"):
        split_into_subsets(f"librispeech:{corpus}")


def test_a_row_for_each_subset(corpus, recognizer, capsys):
    assert main.main(["evaluate", "deepspeech2_small", "--data", f"librispeech:{corpus}", "--by-subset"]) == 0
    title, header, dev, test = capsys.readouterr().out.splitlines()
    part = librispeech(corpus, split="test-other")
    words = sum(len(u.text.split()) for u in part)
    assert title == "deepspeech2_small, decoder: perfect" and header.split() == ["hours", "word", "errors", "character", "errors"]
    assert dev.split()[:4] == ["dev-clean", f"{librispeech(corpus, split='dev-clean').hours:.2f}", "0.0", "%"]
    assert test.split()[:4] == ["test-other", f"{part.hours:.2f}", f"{100 * len(part) / words:.1f}", "%"]
    column = header.index("character errors")
    assert dev[column:] == "0.0 % (0.0 to 0.0)" and test[column:].endswith(" % (one speaker: no interval)") and test[column - 1] == " "


def test_json_and_a_set_of_another_kind(corpus, recognizer, capsys):
    extra = f"librispeech:{corpus}?split=train-clean-100"
    assert main.main(["evaluate", "deepspeech2_small", "--data", f"librispeech:{corpus}", "--data", extra, "--by-subset", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results) == ["dev-clean", "test-other", extra] and set(results[extra]) == {"hours", "wer", "cer"}
    part = librispeech(corpus, split="test-other")
    assert results["test-other"]["wer"]["deletions"] == len(part) and results["test-other"]["wer"]["ci_low"] is None
    assert results["dev-clean"]["hours"] == pytest.approx(librispeech(corpus, split="dev-clean").hours)


def test_wrong_uses_say_what_to_do(corpus, recognizer, capsys):
    command = ["evaluate", "deepspeech2_small", "--data", f"librispeech:{corpus}", "--by-subset"]
    assert main.main([*command, "--record-as", "x"]) == 1 and "leave out --by-subset" in capsys.readouterr().err
    recognizer.recipe = SimpleNamespace(task="segmentation")
    assert main.main(command) == 1 and "--by-subset is for recognizers" in capsys.readouterr().err

"""Copy synthesis: interrupted and whole runs are equal, numbers match a reference, PocketSphinx is independent of the order."""

import importlib.util
import json
import types

import keras
import numpy as np
import pytest
import soundfile
from paths import FIXTURES

import kerasrecipes as kr
from kerasrecipes.audio import load_audio
from kerasrecipes.cli import main
from kerasrecipes.data import Utterance
from kerasrecipes.decoding import Alphabet
from kerasrecipes.decoding.criteria import CTCCriterion
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.experiments import copy_synthesis
from kerasrecipes.experiments.copy_synthesis import PocketSphinxRecognizer, run_copy_synthesis
from kerasrecipes.hub import manifest
from kerasrecipes.metrics import word_error_rate

needs_sphinx = pytest.mark.skipif(not importlib.util.find_spec("pocketsphinx"), reason="PocketSphinx is not installed")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    config = {**kr.get_recipe("wavenet_small").tiny_config, "num_stacks": 1}
    return kr.load("wavenet_small", weights=None, compile=False, **config)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips, two with the same text, one by an unknown speaker."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    utterances = []
    for i, (speaker, text) in enumerate(
        [("LJ", "One two."), ("kathleen", "three"), ("LJ", "one two"), ("mary", "Four five six")]
    ):
        wave = rng.normal(size=900 + 200 * i) * 0.1 * (i + 1)
        soundfile.write(folder / f"clip{i}.wav", wave, 16000)
        utterances.append(Utterance(f"clip{i}", str(folder / f"clip{i}.wav"), text, speaker))
    return utterances


def listener(wave):
    """Return more words for louder audio."""
    return " ".join(["one", "two", "three", "four"][: 1 + int(20 * np.abs(wave).mean()) % 4])


def test_copies_are_compared_with_originals(model, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(copy_synthesis, "BATCH_SIZE", 2)
    calls = []
    rates = run_copy_synthesis(
        model, clips, tmp_path / "a", listeners={"loudness": listener}, progress=lambda *c: calls.append(c)
    )
    record = json.loads((tmp_path / "a" / "copies.json").read_text())
    rows = {row["path"]: row for row in record["clips"]}
    assert list(rows) == ["clip0", "clip1", "clip3"]  # without the second take
    assert calls[-1] == pytest.approx(((1100 + 1500) / 16000,) * 2)
    # equal to the output of `vocode`
    for number, (clip, speaker) in enumerate(((clips[0], "lj"), (clips[1], "kathleen"), (clips[3], None))):
        copy = load_audio(tmp_path / "a" / f"{clip.id}.wav")
        np.testing.assert_allclose(copy, model.vocode(clip.path, speaker=speaker, seed=1 + number).samples, atol=1e-4)
        row, wave = rows[clip.id], load_audio(clip.path)
        assert len(copy) == len(wave)
        assert row["transcripts"]["loudness"] == {"original": listener(wave), "copy": listener(copy)}
        assert row["level_original"] == pytest.approx(10 * np.log10(np.mean(wave.astype("float64") ** 2)), abs=1e-6)
        power = [10 * np.log10(np.exp(model.spectrogram(w, 16000).astype("float64"))) for w in (wave, copy)]
        distance = np.sqrt(((power[1] - power[0]) ** 2).mean(1)).mean()
        assert row["spectral_distance"] == pytest.approx(distance, rel=1e-4)
    texts = ["one two", "three", "four five six"]
    for side in ("original", "copy"):
        hypotheses = [r["transcripts"]["loudness"][side] for r in rows.values()]
        assert rates[f"wer_{side} by loudness"].rate == word_error_rate(texts, hypotheses).rate
    added = rates["wer_copy by loudness"].rate - rates["wer_original by loudness"].rate
    assert rates["wer_added by loudness"].rate == pytest.approx(added) and record["listeners"] == ["loudness"]
    differences = [abs(r["level_copy"] - r["level_original"]) for r in rows.values()]
    assert (
        rates["level_difference"].rate == pytest.approx(np.mean(differences))
        and rates["wer_copy by loudness"].total == 6
    )
    assert record["rates"]["wer_copy by loudness"]["rate"] == rates["wer_copy by loudness"].rate
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "a" / "copies.png").stat().st_size > 10000


def test_an_interrupted_run_resumes(model, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(copy_synthesis, "BATCH_SIZE", 1)
    whole = run_copy_synthesis(model, clips, tmp_path / "whole", listeners={"loudness": listener})
    lengths = []

    def interrupted(wave):
        lengths.append(len(wave))
        if len(lengths) == 3:
            raise KeyboardInterrupt
        return listener(wave)

    with pytest.raises(KeyboardInterrupt):
        run_copy_synthesis(model, clips, tmp_path / "part", listeners={"loudness": interrupted})
    assert not (tmp_path / "part" / "copies.json").exists()
    journal = tmp_path / "part" / "clips.jsonl"
    journal.write_text(journal.read_text() + '{"path": "clip1", "te')  # a line cut in two
    lengths.clear()
    lengths += [0, 0, 0]
    again = run_copy_synthesis(model, clips, tmp_path / "part", listeners={"loudness": interrupted})
    assert lengths[3:] == [1100, 1100, 1500, 1500] and again == whole  # without the first clip
    for name in ("clip0.wav", "clip1.wav", "clip3.wav"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (tmp_path / "part" / "copies.json").read_text() == (tmp_path / "whole" / "copies.json").read_text()
    with pytest.raises(KerasRecipesError, match="of other weights, another seed or other listeners"):
        run_copy_synthesis(model, clips, tmp_path / "part", listeners={"loudness": listener}, seed=2)
    with pytest.raises(KerasRecipesError, match="or other listeners"):
        run_copy_synthesis(model, clips, tmp_path / "part", listeners={"another": listener})
    with pytest.raises(KerasRecipesError, match="no recording"):
        run_copy_synthesis(model, [], tmp_path / "none", listeners={"loudness": listener})


def test_the_command_records_all_rates(model, clips, tmp_path, place, monkeypatch, capsys):
    table = tmp_path / "clips.tsv"
    table.write_text("path\tspeaker\ttranscript\n" + "".join(f"{c.path}\t{c.speaker}\t{c.text}\n" for c in clips))
    manifest.write_entry(manifest.WeightsEntry(
        "wavenet_small", "t", "wavenet_small.weights.h5", 1, "0" * 64, False, "none", ({"name": "x", "license": "y", "synthetic": False},),
        {"config": {}, "commit": None}, (), keras.__version__,
    ))  # fmt: skip
    monkeypatch.setattr("kerasrecipes.loading.load", lambda *a, **k: model)
    monkeypatch.setattr(copy_synthesis, "PocketSphinxRecognizer", lambda: listener)
    data = ["wavenet_small", "--data", f"manifest:{table}", "--record-as", "said"]
    assert main.main(["evaluate", *data]) == 0
    command = ["copy-synthesis", *data, "--output", str(tmp_path / "c")]
    assert main.main(command) == 0
    assert "word errors added by PocketSphinx  " in capsys.readouterr().out
    measured = {m["metric"]: m for m in manifest.get_entry("wavenet_small").metrics}
    assert {"bps", "bps_conditioned", "wer_original", "wer_copy", "wer_added", "level_difference"} < set(measured)
    assert measured["bps"]["command"].startswith("kerasrecipes evaluate wavenet_small --data manifest:")
    assert measured["wer_copy"]["command"].startswith("kerasrecipes copy-synthesis wavenet_small --data manifest:")
    assert measured["wer_copy"]["command"].endswith("--output FOLDER")
    from kerasrecipes.release.model_card import metric_rows

    shown = {name: value for _, name, value, _ in metric_rows(manifest.get_entry("wavenet_small"))}
    assert " dB (" in shown["level difference, none"] and " % (" in shown["word errors of the copies, heard by PocketSphinx"]

    recognizer = types.SimpleNamespace(
        name="ours", recipe=types.SimpleNamespace(task="speech-recognition"), criterion=CTCCriterion(), alphabet=Alphabet(),
        transcribe=lambda wave, rate, **options: types.SimpleNamespace(text=f"ours {options['beam_size']}"),
    )  # fmt: skip
    monkeypatch.setattr("kerasrecipes.loading.load", lambda name, **k: recognizer if name == "ours" else model)
    command[command.index(str(tmp_path / "c"))] = str(tmp_path / "d")
    assert main.main([*command, "--recognizer", "ours", "--decoder", "beam", "--beam-size", "3"]) == 0
    result = manifest.get_entry("wavenet_small").metrics
    heard = {m["decoder"]: m for m in result if m["metric"] == "wer_original"}
    assert set(heard) == {"heard by PocketSphinx", "heard by ours, beam 3"} and len(result) == 4 + 2 * 3
    assert heard["heard by ours, beam 3"]["command"].endswith(
        "--output FOLDER --recognizer ours --decoder beam --beam-size 3"
    )
    text = json.loads((tmp_path / "d" / "copies.json").read_text())["clips"][0]["transcripts"]["ours"]["copy"]
    assert text == "ours 3"


def test_only_generators_are_accepted(clips, tmp_path, capsys):
    assert main.main(["copy-synthesis", "deepspeech2_small", "--data", "x", "--output", str(tmp_path)]) == 1
    assert "copy-synthesis, which is for generators of audio" in capsys.readouterr().err
    plain = kr.load("wavenet", weights=None, compile=False, **kr.get_recipe("wavenet").tiny_config)
    with pytest.raises(DataError, match="no local conditioning"):
        run_copy_synthesis(plain, clips, tmp_path, listeners={"loudness": listener})


@needs_sphinx
@pytest.mark.slow
def test_pocketsphinx_does_not_depend_on_earlier_clips():
    speech = kr.data.librispeech(FIXTURES / "LibriSpeech" / "dev-mini")[:2]
    sphinx = PocketSphinxRecognizer()
    waves = [load_audio(u.path) for u in speech]
    words = [sphinx(w) for w in waves]
    assert word_error_rate([u.text.lower() for u in speech], words).rate < 0.6
    assert [sphinx(w) for w in reversed(waves)] == words[::-1]
    noise = (0.3 * np.random.default_rng(0).normal(size=5 * 16000)).astype("float32")
    assert [(sphinx(noise), sphinx(w))[1] for w in waves] == words

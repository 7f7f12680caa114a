"""Averages of runs: the mean of the weights, which runs have one, and what release and training make of it."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest
from kerasrecipes.release import from_run, model_card
from kerasrecipes.training import weight_averaging
from kerasrecipes.training.config import config_from_dict
from kerasrecipes.training.trainer import Trainer
from kerasrecipes.training.weight_averaging import average_runs, measure_similarity, read_run_records

TINY = dict(kr.get_recipe("deepspeech2_small").tiny_config) | {"recurrent_layers": 0}


def train_run(clips, folder, **changes):
    """Train a tiny run of two steps and return its folder."""
    values = {"recipe": "deepspeech2_small", "config": TINY, "data": (f"librispeech:{clips}",), "max_steps": 2, "warmup_steps": 0,
              "decay_steps": 0, "batch_seconds": 5.0, "speed_perturbation": (1.0,), "ema_momentum": 0.5}  # fmt: skip
    Trainer(config_from_dict(values | changes), folder).train()
    return folder


@pytest.fixture(scope="module")
def runs(clips, tmp_path_factory):
    """Three runs: the second starts from the first, the third from the second."""
    folder = tmp_path_factory.mktemp("runs")
    first = train_run(clips, folder / "first")
    second = train_run(clips, folder / "second", init_from=str(first), seed=5, learning_rate=0.01)
    third = train_run(clips, folder / "third", init_from=str(second), seed=6, learning_rate=0.01)
    return first, second, third


def read_weights(folder):
    return kr.load(folder).get_weights()


def test_an_average_is_the_mean_of_every_weight(runs, clips, tmp_path, capsys):
    assert main(["average", *map(str, runs[:2]), "--output", str(tmp_path / "two")]) == 0
    output = capsys.readouterr()
    assert str(tmp_path / "two") in output.out and "kerasrecipes evaluate" in output.out + output.err
    average_runs([tmp_path / "two", runs[2]], tmp_path / "three")  # the mean of two counts as two
    each = list(zip(*map(read_weights, runs), strict=True))
    assert not all(np.allclose(a, c) for a, _, c in each)
    for folder, count in (("two", 2), ("three", 3)):
        for mean, members in zip(read_weights(tmp_path / folder), each, strict=True):
            np.testing.assert_allclose(mean, np.mean(members[:count], axis=0), atol=1e-6)
    assert [r["config"]["seed"] for r in read_run_records(tmp_path / "three")] == [1, 5, 6]
    clip = kr.data.librispeech(clips)[0].path
    assert kr.load(tmp_path / "two").transcribe(clip) is not None


def test_a_training_starts_from_an_average(runs, clips, tmp_path):
    mean = average_runs(runs[:2], tmp_path / "mean")
    run = Trainer(
        config_from_dict({"recipe": "deepspeech2_small", "config": TINY, "data": [f"librispeech:{clips}"], "max_steps": 1,
                          "init_from": str(mean), "ema_momentum": 0.0}),
        tmp_path / "run",
    )  # fmt: skip
    for a, b in zip(run.model.get_weights(), read_weights(mean), strict=True):
        np.testing.assert_array_equal(a, b)
    assert run.train()["step"] == 1  # also without a running average
    before = (mean / "averaged.keras").read_bytes()
    for resume in (False, True):
        with pytest.raises(DataError, match="holds a network but no checkpoint .* --init-from"):
            Trainer(run.config, mean, resume)
    data = ["--data", f"librispeech:{clips}", "--output", str(mean)]
    assert main(["train", "deepspeech2_small", *data]) == 1
    assert (mean / "averaged.keras").read_bytes() == before


def test_a_release_of_an_average_records_every_run(runs, place, tmp_path, monkeypatch):
    monkeypatch.setattr(from_run, "build_for_training", lambda config: kr.SpeechRecognizer(config.recipe, config=TINY))
    mean = average_runs(runs[1:], tmp_path / "mean")
    from_run.release("deepspeech2_small", mean, "t", previous_runs=[runs[0]])
    row = manifest.get_entry("deepspeech2_small")
    training = row.training
    assert "the mean of the last 2 runs' weights" in model_card.training_summary(row)
    assert training["averaged_runs"] == 2 and training["steps"] == 6
    assert [stage["config"]["seed"] for stage in training["stages"]] == [1, 5, 6]
    monkeypatch.setattr(weight_averaging, "load", lambda name, compile: kr.load(name, **TINY))
    both = average_runs(["deepspeech2_small", runs[0]], tmp_path / "both")  # released weights count as their two runs
    for mean_weight, *each in zip(*map(read_weights, (both, mean, runs[0])), strict=True):
        np.testing.assert_allclose(mean_weight, (2 * each[0] + each[1]) / 3, rtol=1e-3, atol=1e-4)  # stored as float16
    from_run.release("deepspeech2_small", both, "u")
    training = manifest.get_entry("deepspeech2_small").training
    assert training["averaged_runs"] == 3 and len(training["stages"]) == 1  # they did not lead to this run
    twice = average_runs([runs[1], *runs[1:]], tmp_path / "twice")  # a run that counts twice was trained once
    from_run.release("deepspeech2_small", twice, "w")
    again = manifest.get_entry("deepspeech2_small").training
    assert again["averaged_runs"] == 2 and [stage["config"]["seed"] for stage in again["stages"]] == [5, 6]
    with pytest.raises(DataError, match="at least two runs"):
        average_runs(["deepspeech2_small"], tmp_path / "alone")
    from_run.release("deepspeech2_small", runs[0], "v")
    assert "averaged_runs" not in manifest.get_entry("deepspeech2_small").training


def test_runs_without_a_useful_mean_are_refused(runs, clips, tmp_path):
    first, second, _ = runs
    other = train_run(clips, tmp_path / "other", seed=99)
    symbols = train_run(clips, tmp_path / "symbols", alphabet="abcdefghijklmnopqrstuvwxyz '-")
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    record = json.loads((second / "run.json").read_text())
    record["config"]["recipe"] = "deepspeech2_streaming_small"
    (recipe / "run.json").write_text(json.dumps(record))
    (recipe / "averaged.keras").write_bytes((second / "averaged.keras").read_bytes())
    for members, said in (
        ([first], "at least two runs"), ([first, tmp_path], "holds no run"),
        ([first, other], "did not start from the same weights"), ([first, symbols], "other output symbols"),
        ([first, recipe], "trained deepspeech2_small, but .* deepspeech2_streaming_small"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            average_runs(members, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
    before = (first / "averaged.keras").read_bytes()
    with pytest.raises(DataError, match="already holds a run"):
        average_runs([first, second], first)
    assert (first / "averaged.keras").read_bytes() == before


def test_similarity_is_the_cosine_of_the_matrices():
    a, b = np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert measure_similarity([a, np.ones(9)], [b, -np.ones(9)]) == pytest.approx(0.6)
    assert measure_similarity([np.ones(2)], [-np.ones(2)]) == 1.0  # no matrix to compare

"""Studies: equal budgets, one difference, trainings that go on where they stopped."""

import json
import os
import signal

import numpy as np
import pytest

from kerasrecipes import data
from kerasrecipes.cli import main
from kerasrecipes.errors import DataError
from kerasrecipes.experiments import studies, study_plot
from kerasrecipes.training.learning_curve import smoothed_losses


@pytest.mark.parametrize("name", studies.experiment_names())
def test_arms_differ_in_what_is_asked_only(name):
    study = studies.read(name)
    counts = studies.count_parameters(study)
    assert max(counts.values()) <= (1 + study.parameters) * min(counts.values()), counts
    configs = [study.config(arm, 1) for arm in study.arms]
    for shared in ("data", "validation", "batch_seconds", "batch_tokens", "speeds", "peak"):
        assert len({repr(getattr(c, shared)) for c in configs}) == 1, shared
    assert len({c.steps for c in configs if not c.start}) == 1
    assert len({repr((c.config, c.order, c.frozen)) for c in configs}) == len(configs) >= 2
    speakers = {s for c in configs for s in c.validation_speakers}
    spoken = any("dev-mini" in d for c in configs for d in c.validation)
    # never the speakers that released weights are reported on
    assert speakers == ({"84", "174", "422", "1272", "1462"} if spoken else set())


@pytest.fixture
def tiny(clips, tmp_path):
    tiny = {"recurrent_layers": 0}  # a recurrence takes TensorFlow ten times as long to trace
    base = {
        "recipe": "deepspeech2_small", "data": [f"librispeech:{clips}"], "validation": [f"librispeech:{clips}"],
        "steps": 2, "warmup": 1, "decay": 1, "batch_seconds": 30, "config": tiny,
    }  # fmt: skip
    arms = {"short": {"config": {"conv": [[8, 5, 4]]}}, "long filters": {"config": {"conv": [[8, 15, 4]]}}}
    path = tmp_path / "cells.yaml"
    path.write_text(
        json.dumps({"title": "t", "question": "q", "source": "s", "base": base, "arms": arms, "seeds": [1, 2]})
    )
    return path


def test_a_study_goes_on_where_it_stopped(tiny, tmp_path):
    study = studies.read(str(tiny))
    place = tmp_path / "runs"
    assert studies.run(study, place, arms=("short",), minutes=0.0) == []
    assert (place / "short-1" / "checkpoint.npz").exists() and not (place / "short-1" / "outcome.json").exists()
    seen = []
    found = studies.run(study, place, progress=seen.append)
    assert (
        [(o.arm, o.seed) for o in found]
        == [("short", 1), ("long filters", 1), ("short", 2), ("long filters", 2)]
        == [(o.arm, o.seed) for o in seen]
    )
    before = (place / "short-1" / "outcome.json").stat().st_mtime_ns
    assert studies.run(study, place) == found and (place / "short-1" / "outcome.json").stat().st_mtime_ns == before
    assert set(found[0].rates) == {"clean", "20 dB", "10 dB", "0 dB"}
    path = studies.write_results(studies.results_record(study, found, place), tmp_path / "out" / "cells.json")
    written = json.loads(path.read_text())
    table = studies.results_table(written["outcomes"])
    assert len(table) == 6 and "2 seeds" in table[2] and table[4].startswith("| long filters")
    assert [row.split(" | ")[3] for row in table[2:]] == ["words", "characters"] * 2
    assert set(written["curves"]) == {"short", "long filters"}  # of the first seeds
    with open(place / "short-1" / "log.csv") as file:
        last = file.read().split()[-1].split(",")
    assert written["curves"]["short"]["audio_hours"][-1] == pytest.approx(float(last[3]), abs=1e-3)
    losses_drawn, *scores = study_plot.plot_experiment(written).axes
    assert len(losses_drawn.lines) == 2 and [a.get_ylabel() for a in scores] == ["words, %", "characters, %"]
    assert [t.get_text() for t in scores[0].get_xticklabels()] == list(found[0].rates)
    assert study_plot.save_experiment_plot(written, tmp_path / "study.png").read_bytes()[:4] == b"\x89PNG"


def test_a_killed_study_ends_as_an_interrupted_one(tiny, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(studies, "run", lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert main.main(["study", str(tiny), "--output", str(tmp_path)]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)


def test_curves_keep_the_mean_and_grow_no_longer(tmp_path):
    rows = ["step,audio_hours,loss", *(f"{i},{i / 10},{5 - i / 50}" for i in range(1, 161))]
    (tmp_path / "log.csv").write_text("\n".join(rows))
    found = smoothed_losses(tmp_path)
    assert len(found["loss"]) == len(found["audio_hours"]) == 40
    assert sum(found["loss"]) / 40 == pytest.approx(sum(5 - i / 50 for i in range(1, 161)) / 160)
    assert smoothed_losses(tmp_path / "none") == {}


def test_language_models_are_studied_too(tmp_path, capsys):
    texts = tmp_path / "lines.txt"
    texts.write_text("once upon a time\nthere was a bird\n" * 8)
    base = {
        "recipe": "char_rnn_small", "data": [f"text:{texts}"], "validation": [f"text:{texts}"], "steps": 2, "warmup": 1,
        "decay": 1, "batch_tokens": 200, "config": {"embedding": 4, "recurrent_layers": 1, "recurrent_units": 8},
    }  # fmt: skip
    arms = {"GRU": {"config": {"cell": "gru"}}, "LSTM": {"config": {"cell": "lstm"}}}
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"title": "t", "question": "q", "source": "s", "base": base, "arms": arms}))
    picture = tmp_path / "new" / "study.png"
    more = ["--write", str(tmp_path), "--plot", str(picture)]
    assert main.main(["study", str(path), "--output", str(tmp_path / "runs"), *more]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "bits per character, held out" in table[0] and "words" not in table[0] and len(table) == 4
    written = json.loads((tmp_path / "mine.json").read_text())
    assert "2 steps of 200" in written["setting"] and 2 < written["outcomes"][0]["rates"]["held out"]["bpc"]["rate"] < 8


def test_a_bar_is_the_mean_of_its_seeds():
    rates = {"a": [(0.2, 0.1, 0.4)], "b": [(0.3, 0.2, 0.4), (0.5, 0.4, 0.6)]}
    outcomes = [
        {"arm": arm, "seed": seed, "rates": {"held out": {"error": dict(zip(("rate", "ci_low", "ci_high"), r, strict=True))}}}
        for arm, found in rates.items() for seed, r in enumerate(found)
    ]  # fmt: skip
    axes = study_plot.plot_experiment({"title": "t", "outcomes": outcomes}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([20, 40])
    lines = [
        line for drawn in axes.collections for line in drawn.get_segments()
    ]  # 10 to 40 of one seed, 30 to 50 over two
    np.testing.assert_allclose([line[:, 0] for line in lines], [[10, 40], [30, 50]])
    assert axes.get_xlabel() == "wrong classes, held out, %"


def test_what_is_unknown_is_named(tiny, tmp_path, capsys):
    with pytest.raises(DataError, match="no study none; there are .*combination"):
        studies.read("none")
    with pytest.raises(DataError, match="no arm lstm; it has short, long filters"):
        studies.run(studies.read(str(tiny)), tmp_path, arms=("lstm",))
    assert main.main(["study"]) == 0 and "combination" in capsys.readouterr().out


def test_an_arm_begins_with_the_arm_that_it_names(tiny, tmp_path):
    plan = json.loads(tiny.read_text())
    plan["arms"]["longer"] = {"after": "short", "steps": 5, "config": plan["arms"]["short"]["config"]}
    tiny.write_text(json.dumps(plan))
    study = studies.read(str(tiny))
    config = study.config("longer", 2, tmp_path)
    assert (config.start, config.steps) == (str(tmp_path / "short-2"), 5)
    assert config.start_config == {} and study.config("short", 2, tmp_path).start is None
    assert [
        (o.arm, o.seed) for o in studies.run(study, tmp_path / "late", minutes=0)
    ] == []  # nobody waits for the first
    plan["base"]["config"]["conv"] = [[8, 5, 4]]
    plan["arms"] |= {"short": {}, "longer": {"after": "short", "config": {"conv": [[8, 9, 4]], "dropout": 0.1}}}
    tiny.write_text(json.dumps(plan))
    assert studies.read(str(tiny)).config("longer", 1).start_config == {"conv": [[8, 5, 4]]}
    with pytest.raises(DataError, match="'longer' begins with 'short' of seed 1, which is not done: train that first"):
        studies.run(study, tmp_path, arms=("longer",))
    for wrong in ("later", "longer"):
        plan["arms"]["longer"]["after"] = wrong
        tiny.write_text(json.dumps(plan))
        with pytest.raises(DataError, match=f"longer: after is '{wrong}', no arm before it"):
            studies.read(str(tiny))


def test_a_part_of_a_set_is_always_the_same(clips):
    whole = data.load_datasets([f"librispeech:{clips}"])
    part = data.load_datasets([f"librispeech:{clips}?hours=0.003"])
    assert 0.003 <= part.hours < whole.hours and [u.id for u in part] == [
        u.id for u in data.load_datasets([f"librispeech:{clips}?hours=0.003"])
    ]
    for wrong in ("-1", "many", "1000"):
        with pytest.raises(DataError, match="hours"):
            data.load_datasets([f"librispeech:{clips}?hours={wrong}"])

"""Studies: equal budgets, one difference, runs that resume."""

import json
import os
import signal

import numpy as np
import pytest

from kerasrecipes import data
from kerasrecipes.cli import main
from kerasrecipes.errors import DataError
from kerasrecipes.experiments import studies, study_plot, study_questions
from kerasrecipes.training.learning_curve import smoothed_losses
from kerasrecipes.utils.files import write_json


@pytest.mark.parametrize("name", study_questions.experiment_names())
def test_variants_differ_in_one_setting(name):
    study = studies.load_experiment(name)
    counts = studies.count_parameters(study)
    assert max(counts.values()) <= (1 + study.max_parameter_difference) * min(counts.values()), counts
    configs = [study.config(variant, 1) for variant in study.variants]
    for shared in ("data", "validation", "batch_seconds", "batch_tokens", "speed_perturbation", "learning_rate"):
        assert len({repr(getattr(c, shared)) for c in configs}) == 1, shared
    assert len({c.max_steps for c in configs if not c.init_from}) == 1
    assert len({repr((c.config, c.batch_order, c.frozen_layers)) for c in configs}) == len(configs) >= 2
    speakers = {s for c in configs for s in c.validation_speakers}
    uses_speech = any("dev-mini" in d for c in configs for d in c.validation)
    # never the speakers of the reported metrics of released weights
    assert speakers == ({"84", "174", "422", "1272", "1462"} if uses_speech else set())


@pytest.fixture
def tiny(clips, tmp_path):
    tiny = {"recurrent_layers": 0}  # TensorFlow needs ten times as long to trace a recurrence
    common = {
        "recipe": "deepspeech2_small", "data": [f"librispeech:{clips}"], "validation": [f"librispeech:{clips}"],
        "max_steps": 2, "warmup_steps": 1, "decay_steps": 1, "batch_seconds": 30, "config": tiny,
    }  # fmt: skip
    variants = {"short": {"config": {"conv": [[8, 5, 4]]}}, "long filters": {"config": {"conv": [[8, 15, 4]]}}}
    path = tmp_path / "cells.yaml"
    path.write_text(
        json.dumps(
            {"title": "t", "question": "q", "source": "s", "common": common, "variants": variants, "seeds": [1, 2]}
        )
    )
    return path


@pytest.mark.slow
def test_a_study_resumes(tiny, tmp_path):
    study = studies.load_experiment(str(tiny))
    folder = tmp_path / "runs"
    assert studies.run_experiment(study, folder, variants=("short",), max_minutes=0.0) == []
    result_file = folder / "short-1" / "result.json"
    assert (folder / "short-1" / "checkpoint.npz").exists() and not result_file.exists()
    reported = []
    results = studies.run_experiment(study, folder, on_result=reported.append)
    names = [(r.variant, r.seed) for r in results]
    assert names == [("short", 1), ("long filters", 1), ("short", 2), ("long filters", 2)] and reported == results
    before = result_file.stat().st_mtime_ns
    assert studies.run_experiment(study, folder) == results and result_file.stat().st_mtime_ns == before
    assert set(results[0].rates) == {"clean", "20 dB", "10 dB", "0 dB"}
    path = write_json(tmp_path / "out" / "cells.json", studies.results_record(study, results, folder))
    written = json.loads(path.read_text())
    table = study_plot.results_table(written["results"])
    assert len(table) == 6 and "2 seeds" in table[2] and table[4].startswith("| long filters")
    assert [row.split(" | ")[3] for row in table[2:]] == ["words", "characters"] * 2
    assert set(written["curves"]) == {"short", "long filters"}  # of the first seeds
    with open(folder / "short-1" / "log.csv") as file:
        last = file.read().split()[-1].split(",")
    assert written["curves"]["short"]["audio_hours"][-1] == pytest.approx(float(last[3]), abs=1e-3)
    losses, *panels = study_plot.plot_experiment(written).axes
    assert len(losses.lines) == 2 and [a.get_ylabel() for a in panels] == ["words, %", "characters, %"]
    assert [t.get_text() for t in panels[0].get_xticklabels()] == list(results[0].rates)
    assert study_plot.save_experiment_plot(written, tmp_path / "study.png").read_bytes()[:4] == b"\x89PNG"


def test_a_killed_study_ends_as_an_interrupted_one(tiny, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(studies, "run_experiment", lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert main.main(["study", str(tiny), "--output", str(tmp_path)]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)


def test_curves_keep_the_mean_and_have_a_limited_length(tmp_path):
    rows = ["step,audio_hours,loss", *(f"{i},{i / 10},{5 - i / 50}" for i in range(1, 161))]
    (tmp_path / "log.csv").write_text("\n".join(rows) + "\n")
    curve = smoothed_losses(tmp_path)
    assert len(curve["loss"]) == len(curve["audio_hours"]) == 40
    assert sum(curve["loss"]) / 40 == pytest.approx(sum(5 - i / 50 for i in range(1, 161)) / 160)
    assert smoothed_losses(tmp_path / "none") == {}


@pytest.mark.slow
def test_studies_of_language_models(tmp_path, capsys):
    texts = tmp_path / "lines.txt"
    texts.write_text("once upon a time\nthere was a bird\n" * 8)
    common = {
        "recipe": "char_rnn_small", "data": [f"text:{texts}"], "validation": [f"text:{texts}"], "max_steps": 2, "warmup_steps": 1,
        "decay_steps": 1, "batch_tokens": 200, "config": {"embedding": 4, "recurrent_layers": 1, "recurrent_units": 8},
    }  # fmt: skip
    variants = {"GRU": {"config": {"cell": "gru"}}, "LSTM": {"config": {"cell": "lstm"}}}
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"title": "t", "question": "q", "source": "s", "common": common, "variants": variants}))
    plot = tmp_path / "new" / "study.png"
    more = ["--write", str(tmp_path), "--plot", str(plot)]
    assert main.main(["study", str(path), "--output", str(tmp_path / "runs"), *more]) == 0
    assert plot.read_bytes()[:4] == b"\x89PNG"
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert "bits per character, held out" in table[0] and "words" not in table[0] and len(table) == 4
    written = json.loads((tmp_path / "mine.json").read_text())
    assert "2 steps of 200" in written["setting"] and 2 < written["results"][0]["rates"]["held out"]["bpc"]["rate"] < 8


def test_a_bar_is_the_mean_of_its_seeds():
    rates = {"a": [(0.2, 0.1, 0.4)], "b": [(0.3, 0.2, 0.4), (0.5, 0.4, 0.6)]}
    results = [
        {"variant": variant, "seed": seed, "rates": {"held out": {"error": dict(zip(("rate", "ci_low", "ci_high"), r, strict=True))}}}
        for variant, runs in rates.items() for seed, r in enumerate(runs)
    ]  # fmt: skip
    axes = study_plot.plot_experiment({"title": "t", "results": results}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([20, 40])
    # 10 to 40 for one seed, 30 to 50 over two
    lines = [line for collection in axes.collections for line in collection.get_segments()]
    np.testing.assert_allclose([line[:, 0] for line in lines], [[10, 40], [30, 50]])
    assert axes.get_xlabel() == "wrong classes, held out, %"


def test_unknown_names_list_what_exists(tiny, tmp_path, capsys):
    with pytest.raises(DataError, match="no study none; there are .*combination"):
        studies.load_experiment("none")
    with pytest.raises(DataError, match="no variant lstm; it has short, long filters"):
        studies.run_experiment(studies.load_experiment(str(tiny)), tmp_path, variants=("lstm",))
    assert main.main(["study"]) == 0 and "combination" in capsys.readouterr().out


def test_a_variant_starts_from_the_variant_that_it_names(tiny, tmp_path):
    plan = json.loads(tiny.read_text())
    short = plan["variants"]["short"]["config"]
    plan["variants"]["longer"] = {"init_from_variant": "short", "max_steps": 5, "config": short}
    tiny.write_text(json.dumps(plan))
    study = studies.load_experiment(str(tiny))
    config = study.config("longer", 2, tmp_path)
    assert (config.init_from, config.max_steps) == (str(tmp_path / "short-2"), 5)
    assert config.init_config == {} and study.config("short", 2, tmp_path).init_from is None
    assert studies.run_experiment(study, tmp_path / "late", max_minutes=0) == []  # the first variant is not complete
    plan["common"]["config"]["conv"] = [[8, 5, 4]]
    longer = {"init_from_variant": "short", "config": {"conv": [[8, 9, 4]], "dropout": 0.1}}
    plan["variants"] |= {"short": {}, "longer": longer}
    tiny.write_text(json.dumps(plan))
    assert studies.load_experiment(str(tiny)).config("longer", 1).init_config == {"conv": [[8, 5, 4]]}
    message = "'longer' starts from 'short' with seed 1, which is not complete: train that first"
    with pytest.raises(DataError, match=message):
        studies.run_experiment(study, tmp_path, variants=("longer",))
    for name in ("later", "longer"):
        plan["variants"]["longer"]["init_from_variant"] = name
        tiny.write_text(json.dumps(plan))
        with pytest.raises(DataError, match=f"longer: init_from_variant is '{name}', not an earlier variant"):
            studies.load_experiment(str(tiny))


def test_a_part_of_a_set_is_always_the_same(clips):
    whole = data.load_datasets([f"librispeech:{clips}"])
    part = data.load_datasets([f"librispeech:{clips}?hours=0.003"])
    assert 0.003 <= part.hours < whole.hours and [u.id for u in part] == [
        u.id for u in data.load_datasets([f"librispeech:{clips}?hours=0.003"])
    ]
    for wrong in ("-1", "many", "1000"):
        with pytest.raises(DataError, match="hours"):
            data.load_datasets([f"librispeech:{clips}?hours={wrong}"])

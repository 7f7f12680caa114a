"""Training WaveNet: crops, a falling loss, exact resume, releases and bits per sample."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import soundfile
from paths import HELPERS

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.data.wave_dataset import WaveDataset
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest
from kerasrecipes.inference import wavenet_likelihood
from kerasrecipes.release import from_run
from kerasrecipes.training import config as configs
from kerasrecipes.training import evaluation
from kerasrecipes.training.learning_curve import plot_learning_curve
from kerasrecipes.training.optimizer import ema_weights
from kerasrecipes.training.trainer import Trainer

TINY = dict(kr.get_recipe("wavenet_small").tiny_config)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return kr.load("wavenet_small", weights=None, compile=False, **TINY)


def tone(samples, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 16000
    wave = 0.3 * np.sin(2 * np.pi * rng.uniform(150, 400) * t) + 0.01 * rng.normal(size=samples)
    return wave.astype("float32")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Write six clips of three speakers, one of whom the model does not know."""
    folder = tmp_path_factory.mktemp("tones")
    rows = ["path\tspeaker\ttranscript"]
    for i, speaker in enumerate(("kathleen", "LJ", "kathleen", "LJ", "mary", "")):
        soundfile.write(folder / f"clip{i}.wav", tone(6000 + 500 * i, i), 16000)
        rows.append(f"clip{i}.wav\t{speaker}\ttone")
    (folder / "clips.tsv").write_text("\n".join(rows) + "\n")
    (folder / "known.txt").write_text("clip0\nclip1\nclip2\nclip3\n")
    return folder


def known(table, more=""):
    return f"manifest:{table}/clips.tsv?only={table}/known.txt{more}"


# ---------------------------------------------------------------- crops


def test_crops_hold_their_context_and_the_frames_of_the_whole_clip(model):
    waves, n = [tone(4000, 1), tone(900, 2)], model.receptive_field - 1
    data = WaveDataset(waves, ["lj", ""], model, batch_seconds=0.2, crop_seconds=0.02, conditioning_dropout=0.3, seed=4)
    assert len(data) == 2 and data.batch_size == 10 and data.context_samples == 160 >= n
    spectrograms = [model.spectrogram(w, 16000) for w in waves]
    middles = starts = without = 0
    for epoch in range(3):
        data.set_epoch(epoch)
        for index in range(len(data)):
            inputs, codes = data[index]
            again = data[index]
            np.testing.assert_array_equal(again[0]["audio"], inputs["audio"])
            for row, clip in enumerate(data.batch_clip_indices(index)):
                wave, length = waves[clip], inputs["length"][row]
                given, scored = inputs["audio"][row, :length], np.flatnonzero(codes[row] >= 0)
                extended = np.concatenate([[0.0], wave]).astype("float32")
                places = [
                    s
                    for s in range(0, len(wave), 160)
                    if np.array_equal(extended[s : s + length], given) and length > 1
                ]
                assert places, "no position of the clip, on a frame, holds these samples"
                start = places[0]
                # in the middle of a clip the first target has the whole receptive field before it
                assert scored[0] == (data.context_samples if start else 0) and scored[-1] == length - 1
                middles, starts = middles + (start > 0), starts + (start == 0)
                np.testing.assert_array_equal(
                    codes[row, scored], model.encode(wave[start + scored[0] : start + length])
                )
                frames = -(-length // 160)
                found = inputs["spectrogram"][row, :frames]
                np.testing.assert_allclose(found, spectrograms[clip][start // 160 :][:frames], atol=2e-3)
                without += 1 - inputs["conditioned"][row]
                assert inputs["speaker"][row] in ((0, 2) if clip == 0 else (0,))
    assert middles > 20 and starts > 5 and 5 < without < 30
    with pytest.raises(DataError, match="has no speaker 'mary'"):
        WaveDataset(waves, ["mary", ""], model)
    with pytest.raises(DataError, match="no recording"):
        WaveDataset([], [], model)


# ---------------------------------------------------------------- runs


def settings(table, **changes):
    values = {"recipe": "wavenet_small", "config": TINY, "data": (known(table),), "max_steps": 6, "warmup_steps": 2, "decay_steps": 2,
              "learning_rate": 0.01, "batch_seconds": 0.2, "crop_seconds": 0.05, "ema_momentum": 0.5,
              "validation": (known(table, "&hours=0.0001"),)}  # fmt: skip
    return configs.config_from_dict(values | changes)


def weights(run):
    return [np.array(w) for w in run.model.get_weights()]


@pytest.mark.slow
def test_resuming_is_exact(table, tmp_path):
    whole = Trainer(settings(table), tmp_path / "whole")
    state = whole.train()
    assert state["step"] == 6 and 0 < state["audio_hours"] < 6 * 0.5 / 3600
    part = Trainer(settings(table), tmp_path / "part")
    for _ in range(4):
        part._train_step()
    part.save()
    again = Trainer(settings(table), tmp_path / "part", resume=True)
    again.train()
    for a, b in zip(weights(whole), weights(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    record = json.loads((tmp_path / "part" / "run.json").read_text())
    assert record["data"] == [{"name": table.name, "hours": 0.0}]
    assert plot_learning_curve(tmp_path / "part").stat().st_size > 5000
    assert "bps_conditioned" in (tmp_path / "part" / "validation.csv").read_text()


def test_the_loss_falls_and_a_release_is_what_was_trained(table, tmp_path, place, monkeypatch):
    """The loss on tones falls far below 8 bits, and the released weights are the averaged ones."""
    run = Trainer(settings(table, max_steps=60, validation=()), tmp_path / "run")
    losses = [run._train_step()[0] for _ in range(60)]
    assert np.mean(losses[:3]) > 5 and np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])
    run.save()
    monkeypatch.setattr(
        from_run, "build_for_training", lambda c: kr.WaveNetGenerator(c.recipe, config={**TINY, **c.config})
    )
    from_run.release("wavenet_small", tmp_path / "run", "t")
    row = manifest.get_entry("wavenet_small")
    assert row.model == {"speakers": ["kathleen", "lj"]} and row.training["audio_hours"] >= 0
    loaded = kr.load("wavenet_small", compile=False, **TINY)
    with ema_weights(run.model):
        for a, b in zip(weights(run), loaded.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)  # stored as float16
    rates = evaluation.evaluate(loaded, [f"manifest:{table}/clips.tsv"])
    utterances = kr.data.load_datasets([f"manifest:{table}/clips.tsv"])
    total = sum(
        -wavenet_likelihood.log_probabilities(
            loaded, u.path, speaker=u.speaker if u.speaker not in ("mary", "") else None
        ).sum()
        for u in utterances
    )
    assert rates["bps"].rate == pytest.approx(total / np.log(2) / rates["bps"].total, rel=1e-5)
    assert rates["bps"].total == sum(6000 + 500 * i for i in range(6)) and rates["bps"].ci_low < rates["bps"].rate
    assert rates["bps"].rate < 6.5 and rates["bps_conditioned"].rate != rates["bps"].rate
    from_run.record_metrics("wavenet_small", "tones", rates, "command", "none")
    assert {m["metric"] for m in manifest.get_entry("wavenet_small").metrics} == {"bps", "bps_conditioned"}
    from kerasrecipes.release.model_card import card

    assert "bits per sample given the spectrogram" in card("wavenet_small") and "kathleen, lj" in card("wavenet_small")


def test_train_command(table, tmp_path, capsys):
    import yaml

    file = tmp_path / "c.yaml"
    values = settings(table, max_steps=2, validation=()).to_dict()
    file.write_text(yaml.safe_dump(json.loads(json.dumps(values))))
    command = ["train", "wavenet_small", "--config", str(file), "--output", str(tmp_path / "run")]
    assert main.main(command) == 0 and "2 steps, 0.0 h of audio in" in capsys.readouterr().out


def test_fit_accepts_utterances_folders_and_arrays(table, tmp_path):
    keras.utils.set_random_seed(2)
    model = kr.load("wavenet_small", weights=None, **TINY)
    options = {"verbose": 0, "batch_seconds": 0.2, "crop_seconds": 0.05}
    for x, more in (
        (kr.data.load_datasets([known(table)]), {}),
        (str(table), {"speaker": "lj"}),
        ([tone(8000, 1), tone(4000, 2)], {"sample_rate": 8000}),
    ):
        found = model.fit(x, epochs=2, **more, **options).history
        assert len(found["loss"]) == 2 and found["bits"][1] == pytest.approx(found["loss"][1] / np.log(2), rel=0.2)
    with pytest.raises(TypeError, match="no sample rate"):
        model.fit([tone(8000, 1)], **options)


def test_only_is_the_complement_of_exclude(table):
    every = kr.data.load_datasets([f"manifest:{table}/clips.tsv"])
    some = kr.data.load_datasets([known(table)])
    rest = kr.data.load_datasets([f"manifest:{table}/clips.tsv?exclude={table}/known.txt"])
    assert len(some) == 4 and {u.id for u in some} | {u.id for u in rest} == {u.id for u in every}


@pytest.mark.parametrize("checks", ("wavenet", "sequence"))
@pytest.mark.slow
def test_fast_steps_of_torch_and_their_gradients(checks):
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed")
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    code = HELPERS / f"torch_{checks}_checks.py"
    subprocess.run([sys.executable, code], check=True, env=env, timeout=400)


def test_the_configuration_excludes_the_held_out_prompts(big_data, monkeypatch):
    monkeypatch.setenv("KERASRECIPES_DATA", str(big_data))
    config = configs.config_for("wavenet_small")
    trained, watched = (kr.data.load_datasets(specs) for specs in (config.data, config.validation))
    prompts = {u.text for u in watched}
    assert len(trained) > 1800 and not prompts & {u.text for u in trained}
    assert {u.speaker.lower() for u in trained} == set(kr.get_recipe("wavenet_small").config["speakers"])

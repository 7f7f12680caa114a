"""The trainer: exact resume, errors, and releases of what was trained."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.batch.job import weights_hash
from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError, KerasRecipesError, RecipeNotFound
from kerasrecipes.training import config as configs
from kerasrecipes.training.initialization import copy_matching_weights, fit_front_end_to_hints
from kerasrecipes.training.interrupts import DeferredInterrupt
from kerasrecipes.training.learning_curve import plot_learning_curve
from kerasrecipes.training.model_building import build_for_training
from kerasrecipes.training.optimizer import ClippedAdamW, average_by_torch, ema_weights
from kerasrecipes.training.trainer import Trainer
from kerasrecipes.utils.files import sha256_file


def settings(clips, recurrent=True, **changes):
    """Return the settings of a tiny training. Recurrent layers are left out where TensorFlow would trace them in vain."""
    tiny = dict(kr.get_recipe("deepspeech2_small").tiny_config) | ({} if recurrent else {"recurrent_layers": 0})
    values = {"recipe": "deepspeech2_small", "config": tiny | {"dropout": 0.2}, "data": (f"librispeech:{clips}",), "max_steps": 8,
              "warmup_steps": 2, "decay_steps": 3, "batch_seconds": 5.0,
              "speed_perturbation": (0.9, 1.1), "augment": {"noise_prob": 0.5}, "ema_momentum": 0.5}  # fmt: skip
    return configs.config_from_dict(values | changes)


def weights(run):
    return [np.array(w) for w in run.model.get_weights()]


def test_resuming_is_exact(clips, tmp_path):
    whole = Trainer(settings(clips), tmp_path / "whole")
    whole.train()
    assert whole.state["step"] == 8 and whole.state["epoch"] >= 1
    part = Trainer(settings(clips), tmp_path / "part")
    for _ in range(5):
        part._train_step()
    part.save()
    again = Trainer(settings(clips), tmp_path / "part", resume=True)
    assert again.state["step"] == 5
    again.train()
    for a, b in zip(weights(whole), weights(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(DataError, match="already holds a run: pass --resume"):
        Trainer(settings(clips), tmp_path / "part")
    assert plot_learning_curve(tmp_path / "part").stat().st_size > 5000
    record = json.loads((tmp_path / "part" / "run.json").read_text())
    assert (
        record["state"]["step"] == 8
        and record["config"]["learning_rate"] == 1.5e-3
        and record["data"][0]["name"] == "dev-mini"
    )


def test_initialization_from_matching_layers_of_another_recipe(clips, tmp_path, pretrained):
    changes = {
        "recipe": "deepspeech2_streaming_small",
        "init_from_recipe": "deepspeech2_small",
        "config": {"recurrent_units": 8},
    }
    model = Trainer(settings(clips, **changes), tmp_path / "run").model
    kinds = lambda m, name: [la for la in m.layers if type(la).__name__ == name]  # noqa: E731
    for kind, fits in (("SequenceConv1D", 2), ("MaskedBatchNormalization", 3), ("SequenceRNN", 0)):
        same = [
            all(np.array_equal(a, b) for a, b in zip(old.get_weights(), new.get_weights(), strict=True))
            for old, new in zip(kinds(pretrained, kind), kinds(model, kind), strict=False)
            if [v.shape for v in old.weights] == [v.shape for v in new.weights]
        ]
        assert len(same) == fits and all(same)
    with pytest.raises(DataError, match="No layer of squeezenet fits"):
        Trainer(settings(clips, init_from_recipe="squeezenet"), tmp_path / "other")


def test_another_front_end_keeps_the_layers_after_it():
    rows, wave = ((8, 12, 2), (8, 7, 1), (8, 7, 1), (12, 5, 1)), ((6, 100, 40), (8, 8, 4))
    mel, raw = (
        build_for_training(
            configs.config_from_dict(
                {"recipe": "wav2letter_raw_small", "config": {"front_end": front, "conv": rows, "waveform": wave}}
            )
        )
        for front in ("mel", "raw")
    )
    taken = copy_matching_weights(mel, raw)
    convolutions = [[la for la in m.layers if type(la).__name__ == "SequenceConv1D"] for m in (mel, raw)]
    assert taken[-1][1].name == "logits" and not set(convolutions[1][:3]) & {new for _, new in taken}
    for old, new in zip(convolutions[0][1:], convolutions[1][3:], strict=True):
        assert (old, new) in taken and np.array_equal(old.get_weights()[0], new.get_weights()[0])
    # the new front end learns the old one's outputs, and the copied layers do not change
    rng = np.random.default_rng(0)
    batch = {"audio": rng.normal(size=(2, 8000)).astype("float32"), "length": np.array([8000, 6000], "int32")}
    before = convolutions[1][-1].get_weights()[0]
    errors = fit_front_end_to_hints(mel, raw, taken, lambda i: batch, 60, 0.02, show_progress=False)
    assert errors[-1] < 0.7 * errors[0] and np.array_equal(before, convolutions[1][-1].get_weights()[0])


HOLDER = """
import filelock, sys, time
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_processes_do_not_train_into_one_folder(clips, tmp_path):
    run = Trainer(settings(clips, recurrent=False), tmp_path)
    other = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / ".lock"], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(DataError, match="another process trains into"):
        run.train(max_minutes=0)
    with pytest.raises(DataError, match="another process trains into"):  # before the checkpoint is read
        Trainer(settings(clips, recurrent=False), tmp_path, resume=True)
    other.kill()  # its lock is released
    other.wait()
    (tmp_path / "log.csv").write_text("step,loss\n0,4\n20,3\n40,2.")  # of a killed run
    run.train(max_minutes=0)
    assert run.checkpoint_path.exists() and (tmp_path / "log.csv").read_text().split() == ["step,loss", "0,4"]
    run.train(max_minutes=0)  # again: the checkpoint is this run's own
    shutil.copy(run.checkpoint_path, tmp_path / "copy")
    os.replace(tmp_path / "copy", run.checkpoint_path)
    with pytest.raises(DataError, match="another process has trained into .* start again with --resume"):
        run.train(max_minutes=0)


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(clips, tmp_path, monkeypatch):
    run = Trainer(settings(clips, recurrent=False), tmp_path)
    run._train_step()
    run.save()
    monkeypatch.setattr(run.model, "train_on_batch", lambda x, y, **k: {"loss": float("nan")})
    with pytest.raises(KerasRecipesError, match=r"loss is nan at step 1.*-\d{4}"):
        run.train()
    assert Trainer(settings(clips, recurrent=False), tmp_path, resume=True).state["step"] == 1


def test_optimizer_clips_and_skips_gradients():
    w = keras.Variable(np.ones(4, "float32"))
    optimizer = ClippedAdamW(0.1, weight_decay=0.0, max_norm=1.0)
    optimizer.build([w])
    optimizer.apply([keras.ops.convert_to_tensor(np.array([np.nan, 1, 1, 1], "float32"))], [w])
    np.testing.assert_array_equal(w, np.ones(4))
    assert int(optimizer.num_skipped) == 1
    optimizer.apply([keras.ops.convert_to_tensor(np.array([3, 4, 0, 0], "float32") * 1e3)], [w])
    # the first moment after one zero and one clipped gradient: 0.1 * gradient / norm
    np.testing.assert_allclose(optimizer._momentums[0], 0.1 * np.array([0.6, 0.8, 0, 0]), rtol=1e-4)


def test_learning_rate_rises_holds_and_falls():
    c = configs.TrainConfig("x", max_steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
    rates = [c.learning_rate_at(s) for s in range(101)]
    assert rates[0] == 0.1 and rates[9] == rates[50] == rates[80] == 1.0 and rates[90] == 0.5 and rates[100] == 0.0


def test_averages_forget_the_initial_weights():
    """The momentum is t / (t + 9) until it reaches the limit, and the first average is the weights of the first step."""
    optimizer = ClippedAdamW(0.1, weight_decay=0.0, use_ema=True, ema_momentum=0.5)
    variable = keras.Variable(np.array([100.0], "float32"))
    optimizer.build([variable])
    expected = None
    for step in range(14):
        optimizer.apply([keras.ops.ones((1,))])
        momentum = min(0.5, step / (step + 9))
        now = float(keras.ops.convert_to_numpy(variable)[0])
        expected = now if expected is None else momentum * expected + (1 - momentum) * now
    (average,) = optimizer._model_variables_moving_average
    np.testing.assert_allclose(keras.ops.convert_to_numpy(average), [expected], rtol=1e-6)


def test_torch_averages_all_weights_by_one_call():
    torch = pytest.importorskip("torch")
    variables = [SimpleNamespace(value=torch.tensor([v], dtype=torch.bfloat16, requires_grad=True)) for v in (4.0, 8.0, 9.0)]
    averages = [SimpleNamespace(value=torch.tensor([0.0])), SimpleNamespace(value=torch.tensor([4.0])), None]
    average_by_torch(variables, averages, rate=0.25)
    assert [float(a.value) for a in averages[:2]] == [1.0, 5.0]
    assert not averages[0].value.requires_grad


def test_ema_weights_restores_the_own_weights(clips, tmp_path):
    run = Trainer(settings(clips, recurrent=False, batch_seconds=30.0, speed_perturbation=(1.0,)), tmp_path)
    for _ in range(3):
        run._train_step()
    own = weights(run)
    with ema_weights(run.model):
        inside = weights(run)
    assert any(not np.allclose(a, b) for a, b in zip(own, inside, strict=True))
    for a, b in zip(own, weights(run), strict=True):
        np.testing.assert_array_equal(a, b)


def test_configuration_errors_name_the_setting(tmp_path, clips):
    with pytest.raises(DataError, match="dtype_policy 'float99'.*mixed_bfloat16"):
        Trainer(settings(clips, dtype_policy="float99"), tmp_path / "run")
    with pytest.raises(DataError, match="no weights none.h5 to start from"):
        Trainer(settings(clips, init_from="none.h5"), tmp_path / "run")
    with pytest.raises(DataError, match="unknown keys batchsize"):
        configs.config_from_dict({"recipe": "x", "batchsize": 3})
    with pytest.raises(DataError, match="'recipe' is missing"):
        configs.config_from_dict({})
    for path in configs.CONFIGS.glob("*.yaml"):
        assert configs.read_config(path).recipe == path.stem


def test_release_is_the_averaged_run(clips, tmp_path, monkeypatch):
    from kerasrecipes.hub import manifest
    from kerasrecipes.release import from_run
    from kerasrecipes.training.weight_averaging import read_run_records

    for name in ("rows", "weights"):
        (tmp_path / name).mkdir()
    (tmp_path / "rows" / "schema.json").write_text((manifest.manifest_folder() / "schema.json").read_text())
    monkeypatch.setattr(manifest, "manifest_folder", lambda: tmp_path / "rows")
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path / "weights")
    manifest.entries.cache_clear()
    monkeypatch.setattr(from_run, "build_for_training", tiny_recognizer)
    run = Trainer(settings(clips, max_steps=3), tmp_path / "run")
    run.train()
    from_run.release("deepspeech2_small", tmp_path / "run", "t")
    row = manifest.get_entry("deepspeech2_small")
    assert row.training["steps"] == 3 and row.data[0]["name"] == "dev-mini" and row.metrics == ()
    model = kr.load("deepspeech2_small", **kr.get_recipe("deepspeech2_small").tiny_config)
    with ema_weights(run.model):
        for a, b in zip(weights(run), model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)  # stored as float16
    rates = {"wer": kr.metrics.word_error_rate(["a b"], ["a c"])}
    from_run.record_metrics("deepspeech2_small", "set", rates, "command")
    from_run.record_metrics("deepspeech2_small", "set", rates, "command")
    (m,) = manifest.get_entry("deepspeech2_small").metrics
    assert m["value"] == 0.5 and m["ci_low"] is None and m["command"] == "command"
    from_run.record_metrics("deepspeech2_small", "set", rates, "command", "beam 50")
    assert [m["decoder"] for m in manifest.get_entry("deepspeech2_small").metrics] == ["greedy", "beam 50"]
    assert not row.bundled  # a bundled file stays bundled
    from_run.release("deepspeech2_small", tmp_path / "run", "t", bundled=True)
    step = {"file": "a.step.onnx", "size": 1, "sha256": "0" * 64, "bundled": True}
    onnx = {"file": "a.onnx", "size": 1, "sha256": "0" * 64, "weights": row.sha256, "step": step}
    manifest.write_entry(replace(manifest.get_entry("deepspeech2_small"), onnx=onnx))
    from_run.release("deepspeech2_small", tmp_path / "run", "u")
    assert manifest.get_entry("deepspeech2_small").onnx["step"]["bundled"]  # until `export --release` writes new files
    assert manifest.get_entry("deepspeech2_small").bundled and manifest.get_entry("deepspeech2_small").tag == "u"
    later = tmp_path / "later"  # a run from these weights, released twice: earlier stages count once
    shutil.copytree(tmp_path / "run", later)
    record = json.loads((later / "run.json").read_text())
    record["config"]["init_from"] = str(tmp_path / "weights" / "deepspeech2_small.weights.h5")
    (later / "run.json").write_text(json.dumps(record))
    for rows in ("1,0.5", "1,0.5\n2,0.4"):
        (later / "validation.csv").write_text(f"audio_hours,wer\n{rows}\n")
        from_run.release("deepspeech2_small", later, "v")
        training = manifest.get_entry("deepspeech2_small").training
        assert training["steps"] == 6 and [len(s["validation"]) for s in training["stages"]] == [0, rows.count(",")]
    last = tmp_path / "last"  # and a run after it, also released twice
    shutil.copytree(tmp_path / "run", last)
    (last / "validation.csv").write_text("audio_hours,wer\n3,0.3\n")
    record = json.loads((last / "run.json").read_text())
    first_sets = [d["name"] for d in record["data"]]
    (last / "run.json").write_text(json.dumps(record | {"data": [{"name": "other", "hours": 2.0}]}))
    for _ in range(2):
        from_run.release("deepspeech2_small", last, "w", previous_runs=[later])
        training = manifest.get_entry("deepspeech2_small").training
        assert training["steps"] == 9 and [len(s["validation"]) for s in training["stages"]] == [0, 2, 1]
        assert [d["name"] for d in manifest.get_entry("deepspeech2_small").data] == ["other", *first_sets]  # of all runs
    assert "initialized_from" not in from_run.stage_record(read_run_records(later)[0], "audio_hours")  # its own earlier weights
    record = json.loads((later / "run.json").read_text())
    record["config"]["recipe"] = "deepspeech2_streaming_small"
    (later / "run.json").write_text(json.dumps(record))
    assert from_run.stage_record(read_run_records(later)[0], "audio_hours")["initialized_from"] == "deepspeech2_small"
    manifest.entries.cache_clear()


def tiny_recognizer(config):
    return kr.SpeechRecognizer(
        config.recipe, config.alphabet, {**kr.get_recipe(config.recipe).tiny_config, **config.config}
    )


@pytest.fixture
def ctrl_c():
    """Set the default handler of SIGINT, which test workers ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_an_interrupt_finishes_the_step(clips, tmp_path, monkeypatch, ctrl_c):
    """After a signal during the third step, the saved run continues as if without the signal."""
    whole = Trainer(settings(clips, recurrent=False, max_steps=5), tmp_path / "whole")
    whole.train()
    part = Trainer(settings(clips, recurrent=False, max_steps=5), tmp_path / "part")
    train = part.model.train_on_batch

    def interrupted(*args, **kwargs):
        if part.state["step"] == 2:
            signal.raise_signal(signal.SIGINT)
        return train(*args, **kwargs)

    monkeypatch.setattr(part.model, "train_on_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        part.train()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = Trainer(settings(clips, recurrent=False, max_steps=5), tmp_path / "part", resume=True)
    assert again.state["step"] == 3
    again.train()
    for a, b in zip(weights(whole), weights(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_second_interrupt_ends_at_once(ctrl_c):
    with DeferredInterrupt() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with DeferredInterrupt() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.immediate():
        signal.raise_signal(signal.SIGINT)
    with DeferredInterrupt() as interrupts:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interrupts.immediate():
            pytest.fail("asked before, and not heard")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_in_bfloat16_resumes(clips, tmp_path, optimizer):
    values = settings(clips, recurrent=False, max_steps=2, dtype_policy="bfloat16", optimizer=optimizer)
    before = keras.config.dtype_policy()
    try:
        run = Trainer(values, tmp_path)
        run._train_step()
        run.save()
        again = Trainer(values, tmp_path, resume=True)
        for a, b in zip(weights(run), weights(again), strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        keras.config.set_dtype_policy(before)


def test_settings_are_converted_to_their_types(tmp_path):
    found = configs.config_from_dict(
        {
            "recipe": "x",
            "learning_rate": "1e-3",
            "max_steps": 5.0,
            "validation_speakers": [84],
            "speed_perturbation": [1],
        }
    )
    assert (found.learning_rate, found.max_steps, found.validation_speakers, found.speed_perturbation) == (
        1e-3,
        5,
        ("84",),
        (1.0,),
    )
    for name, value, said in (
        ("learning_rate", "much", "not a number"), ("max_steps", 2.5, "not a whole number"), ("data", "librispeech:x", "not a list"),
        ("config", ["a"], "not a table"), ("max_steps", float("inf"), "not a whole number"), ("batch_order", None, "the value is missing"),
        ("frozen_layers", "stack", r"not a list, for instance \[stack\]"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f"here: {name} is .*{said}"):
            configs.config_from_dict({"recipe": "x", name: value}, "here")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(DataError, match="holds no settings"):
        configs.config_for("convnetjs_mnist", tmp_path / "empty.yaml")
    with pytest.raises(DataError, match="trains convnetjs_mnist, not convnetjs_cifar10"):
        configs.config_for("convnetjs_cifar10", configs.CONFIGS / "convnetjs_mnist.yaml")


def test_own_data_drops_the_recipe_s_validation_set(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KERASRECIPES_DATA", raising=False)
    made = []
    monkeypatch.setattr(
        "kerasrecipes.training.trainer.Trainer", lambda settings, *a: made.append(settings) or sys.exit(0)
    )
    for more in ((), ("--validation", f"librispeech:{clips}")):
        with pytest.raises(SystemExit):
            main(["train", "deepspeech2_small", "--data", f"librispeech:{clips}", "--output", str(tmp_path), *more])
    assert "The training runs without validation" in capsys.readouterr().err
    assert [(m.validation, m.validation_speakers) for m in made] == [((), ()), ((f"librispeech:{clips}",), ())]


def test_release_checks_before_it_writes(place, clips, tmp_path):
    from kerasrecipes.release import from_run

    run = Trainer(settings(clips, recurrent=False, max_steps=1), tmp_path / "run")
    run.save()
    for name, after, said in (("wav2letter_small", (), "trained deepspeech2_small, not wav2letter_small"),
                              ("deepspeech2_small", (tmp_path / "none",), "none holds no run")):  # fmt: skip
        with pytest.raises(DataError, match=said):
            from_run.release(name, tmp_path / "run", "t", after)
    assert not list((place / "weights").iterdir())


def test_a_run_folder_can_be_loaded(clips, tmp_path, monkeypatch):
    run = Trainer(
        settings(clips, recurrent=False, max_steps=2, alphabet="abcdefghijklmnopqrstuvwxyz '-"), tmp_path / "run"
    )
    with pytest.raises(RecipeNotFound):  # nothing is saved yet
        kr.load(tmp_path / "run")
    run.train()
    found, clip = kr.load(tmp_path / "run"), kr.data.librispeech(clips)[0].path
    assert found.alphabet == run.model.alphabet and "dropout" not in found.changes
    with ema_weights(run.model):
        assert found.transcribe(clip) == run.model.transcribe(clip)
        assert kr.load(tmp_path / "run", engine="auto").transcribe(clip) == run.model.transcribe(clip)
    with pytest.raises(KerasRecipesError, match="is a whole model"):
        kr.load(tmp_path / "run", alphabet="ab")
    plain = keras.saving.load_model(tmp_path / "run" / "averaged.keras")  # an ordinary Keras file
    for a, b in zip(plain.get_weights(), found.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert weights_hash(str(tmp_path / "run")) == sha256_file(tmp_path / "run" / "averaged.keras")
    monkeypatch.chdir(tmp_path)
    shutil.copytree("run", "convnetjs_mnist")  # a recipe's name is never a folder
    assert hasattr(kr.load("convnetjs_mnist"), "classify") and hasattr(kr.load("./convnetjs_mnist"), "transcribe")
    assert main(["transcribe", clip, "--recipe", str(tmp_path / "run")]) == 0

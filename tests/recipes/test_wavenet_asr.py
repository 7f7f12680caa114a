"""WaveNet's recognizer: receptive fields, two losses and their gradients, chunks, crops and training."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.data import PhonemeDataset
from kerasrecipes.decoding.criteria import CRFCriterion
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.inference.chunked import predict_logits_chunked
from kerasrecipes.inference.streaming_graph import StreamingModel, StreamingState
from kerasrecipes.layers import mu_law
from kerasrecipes.release.model_card import build_without_weights
from kerasrecipes.training import config as configs
from kerasrecipes.training.evaluation import evaluate_phonemes
from kerasrecipes.training.optimizer import ema_weights
from kerasrecipes.training.trainer import Trainer

array = keras.ops.convert_to_numpy
TINY = dict(kr.get_recipe("wavenet_asr").tiny_config)


def tiny(name="wavenet_asr", **changes):
    """Return a recognizer whose weights are large enough for every sample to matter."""
    keras.utils.set_random_seed(3)
    model = kr.load(name, weights=None, **{**TINY, **changes})
    rng = np.random.default_rng(1)
    for v in model.weights:
        if "variance" in v.path or "gamma" in v.path:
            v.assign(rng.uniform(0.5, 2, size=v.shape))
        else:
            v.assign(rng.normal(size=v.shape) * 0.4)
    return model


def noise(batch, samples, seed=8):
    return (np.random.default_rng(seed).normal(size=(batch, samples)) * 0.2).astype("float32")


def batch(lengths=(1600, 1117), seed=8):
    """Return inputs with noise after the lengths, and labels of their frames."""
    lengths = np.array(lengths, "int32")
    labels = np.random.default_rng(seed).integers(1, 41, (len(lengths), max(lengths) // 160)).astype("int32")
    for row, n in zip(labels, lengths, strict=True):
        row[n // 160 :] = 0
    return {"audio": noise(len(lengths), max(lengths), seed), "length": lengths}, labels


def outputs(model, inputs):
    return keras.tree.map_structure(array, model(inputs, training=False))


def parameters(s, phones=40):
    """Return the parameters of the generator's stack and output and of the convolutions over frames."""
    r, d, skip, k, q = (
        s[x]
        for x in ("residual_channels", "dilation_channels", "skip_channels", "kernel_size", "quantization_channels")
    )
    n, normal = s["num_stacks"] * s["layers_per_stack"], s["batch_norm"] == "sequence"
    total = s["initial_kernel_size"] * q * r + n * (2 * k * r * d + d * r + d * skip + 2 * d + r + skip)
    total += skip * skip + skip * q + skip + q
    before = skip
    total += 4 * skip * normal
    for filters, width in s["top"]:
        total += before * width * filters + (4 if normal else 1) * filters
        before = filters
    return total + before * phones + phones + (phones**2 if s["criterion"] == "crf" else 0)


@pytest.mark.parametrize(
    ("name", "seen"), [("wavenet_asr", 5117 + 159 + 4 * 160), ("wavenet_asr_small", 1025 + 159 + 24 * 160)]
)
def test_sizes(name, seen):
    model = build_without_weights(name)
    assert model.count_params() == parameters(kr.get_recipe(name).config)
    assert model.receptive_field == seen and model.stride == 160 and model.output_length(16159) == 100
    small = 1_300_000 < model.count_params() < 1_600_000
    assert small == (name == "wavenet_asr_small")


# ---------------------------------------------------------------- what each output sees


def test_next_sample_logits_are_causal_and_their_targets_are_the_audio():
    model, inputs = tiny(), batch()[0]
    before = outputs(model, inputs)
    assert before["samples"].shape == (2, 1600, 256) and before["frames"].shape == (2, 10, 40)
    codes = mu_law.mu_law_encode(inputs["audio"])
    for row, n in enumerate(inputs["length"]):
        np.testing.assert_array_equal(before["targets"][row, : n - 1], codes[row, 1:n])
        assert (before["targets"][row, n - 1 :] == -1).all() and not before["samples"][row, n - 1 :].any()
    field = 1 + 2 * 7 + 1  # two stacks of dilations 1, 2, 4 and the first convolution
    seen = set()
    for place in (0, 300, 500, 502, 504, 700):
        moved = {**inputs, "audio": inputs["audio"].copy()}
        moved["audio"][0, place] += 0.7
        changed = np.flatnonzero((outputs(model, moved)["samples"] != before["samples"])[0].any(-1))
        seen |= set(changed - place)
    assert seen == set(range(field))


def test_receptive_field_of_frames_is_exact():
    """Means of 160 samples over a causal stack of 16, then two convolutions of 3 frames."""
    model, field = tiny(), 16 + 159 + 4 * 160
    assert model.receptive_field == field
    frame, waves = 7, noise(12, 16 * 160)  # several inputs and values: a ReLU may be inactive for one
    first = 160 * frame - 2 * 160 - 15
    last = first + field - 1
    assert last == 160 * (frame + 3) - 1

    def score(w):
        return model.predict_logits({"audio": w, "length": np.full(len(w), w.shape[1], "int32")})[:, frame]

    before = score(waves)
    for place, seen in ((first - 1, False), (first, True), (first + 1, True), (last, True), (last + 1, False)):
        moved = waves.copy()
        moved[:, place] = np.linspace(-1, 1, len(waves))
        assert (np.abs(score(moved) - before).max() > 0) == seen, place


def test_the_pool_is_a_mean():
    waves, lengths = noise(2, 16000), np.array([16000, 8100], "int32")
    values, n = kr.layers.SequenceAveragePooling(160)(waves[..., None], lengths)
    np.testing.assert_allclose(values[0, :, 0], waves[0].reshape(100, 160).mean(1), atol=1e-6)
    assert np.array(n).tolist() == [100, 50] and not np.array(values)[1, 50:].any()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kernel_size": 3, "initial_kernel_size": 3},
        {"initial_kernel_size": 1, "top": ((5, 4), (4, 9))},
        {"use_bias": False},
    ],
)
def test_chunks_of_any_size_equal_the_whole(changes):
    """Zero padding in each layer differs from silence before the recording: chunks must carry each layer's past."""
    model = tiny("wavenet_asr_small", **changes)
    wave = noise(1, 8333)[0]
    whole = model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")})[0]
    assert np.ptp(whole) > 1
    graph, rng = StreamingModel(model.layer_sequence, ()), np.random.default_rng(4)
    for piece, cuts in ((1, [4000]), (160, []), (480, sorted(rng.integers(0, 8333, 30))), (9000, [0, 8333])):
        sequence = StreamingState(graph, piece)
        found = np.concatenate([*map(sequence.feed, np.split(wave, cuts)), sequence.finish()])
        np.testing.assert_allclose(found, whole, atol=2e-5)
    np.testing.assert_allclose(predict_logits_chunked(model, wave, 0.1), whole, atol=2e-5)
    assert model._chunked_scorer.streaming_model is not None


# ---------------------------------------------------------------- two losses


def nats(scores, targets):
    logs = scores.astype("float64") - np.logaddexp.reduce(scores.astype("float64"), -1, keepdims=True)
    return -np.take_along_axis(logs, np.maximum(targets, 0)[..., None], -1)[..., 0] * (targets >= 0)


@pytest.mark.parametrize(("name", "weight"), [("wavenet_asr", 1.0), ("wavenet_asr_small", 0.3), ("wavenet_asr", 0.07)])
def test_losses_are_cross_entropies(name, weight):
    model = tiny(name, sample_loss_weight=weight, criterion="frames")
    inputs, labels = batch()
    found = model.test_on_batch(inputs, labels, return_dict=True)
    y = outputs(model, inputs)
    every = model.recipe.config["sample_loss_stride"]
    assert y["samples"].shape[1] == 1600 // every
    frames = nats(y["frames"], labels - 1).sum() / (labels > 0).sum()
    samples, codes = 0.0, mu_law.mu_law_encode(inputs["audio"])
    for row, n in enumerate(inputs["length"]):
        places = np.arange(0, n - 1, every)
        samples += nats(y["samples"][row, : len(places)], codes[row, places + 1]).sum()
    samples /= sum(len(range(0, n - 1, every)) for n in inputs["length"])
    assert found["frame_loss"] == pytest.approx(frames, rel=1e-5) and found["sample_loss"] == pytest.approx(
        samples, rel=1e-5
    )
    assert found["loss"] == pytest.approx(frames + weight * samples, rel=1e-5)
    wrong = ((y["frames"].argmax(-1) + 1 != labels) & (labels > 0)).sum() / (labels > 0).sum()
    assert found["frame_errors"] == pytest.approx(wrong, abs=1e-6)
    weighted = model.test_on_batch(inputs, labels, sample_weight=np.zeros(2), return_dict=True)
    assert weighted["loss"] == 0


def path_of(variable):
    return re.sub(r"_\d+/", "/", variable.path) + str(tuple(variable.shape))


def gradients(model, inputs, labels):
    """Return {path of a variable without automatic numbers: gradient of the loss, zeros if there is none}."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, labels, model(inputs, training=False))
    variables = model.trainable_variables
    return {
        path_of(v): np.zeros(v.shape) if g is None else np.array(tf.convert_to_tensor(g))
        for v, g in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True)
    }


def test_each_loss_has_its_gradient():
    """The frame loss trains the convolutions, the sample loss its own output, both the stack; the total is their weighted sum."""
    inputs, labels = batch((640, 480))
    found = {}
    for weight in (1e-9, 1.0, 2.0):
        model = tiny(sample_loss_weight=weight)
        found[weight] = gradients(model, inputs, labels)
    for path, two in found[2.0].items():
        one, frames = found[1.0][path], found[1e-9][path]
        samples = two - one
        np.testing.assert_allclose(one, frames + samples, atol=2e-5 * max(1.0, np.abs(two).max()))
        own = path.startswith(("post/", "codes/"))
        above = path.startswith(("sequence_conv1d", "logits/"))
        assert own or np.abs(frames).max() > 1e-5, path
        assert not own or np.abs(frames).max() < 1e-6, path
        assert above == (np.abs(samples).max() < 1e-5), path

    # the finite difference along the gradient equals its norm
    model = tiny(sample_loss_weight=1.0)
    rng, step, slope = np.random.default_rng(0), 1e-3, 0.0
    values = [array(v) for v in model.trainable_variables]
    directions = [rng.normal(size=v.shape) for v in values]
    slope = sum((found[1.0][path_of(v)] * d).sum() for v, d in zip(model.trainable_variables, directions, strict=True))
    ends = []
    for sign in (1, -1):
        for v, value, d in zip(model.trainable_variables, values, directions, strict=True):
            v.assign(value + sign * step * d)
        ends.append(float(model.test_on_batch(inputs, labels, return_dict=True)["loss"]))
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, rel=0.03)


def test_all_positions_are_sampled():
    layer = kr.layers.NextSampleTargets(4)
    x = np.arange(26, dtype="float32").reshape(1, 26, 1)
    codes, length = np.arange(26)[None], np.array([23])
    seen = set()
    for _ in range(40):
        rows, targets, count = map(array, layer(x, codes, length, training=True))
        place = int(rows[0, 0, 0])
        np.testing.assert_array_equal(rows[0, :, 0], np.arange(place, 24, 4))
        expected = np.where(rows[0, :, 0] < 22, rows[0, :, 0] + 1, -1)
        np.testing.assert_array_equal(targets[0], expected)
        assert count[0] == (expected >= 0).sum()
        seen.add(place)
    assert seen == {0, 1, 2, 3}
    assert array(layer(x, codes, length)[0])[0, 0, 0] == 0


def test_without_the_second_loss_there_is_one_output():
    model, (inputs, labels) = tiny(sample_loss_weight=0), batch()
    both = tiny()
    assert model.output_shape == (None, None, 40) and "post" not in [layer.name for layer in model.layers]
    assert set(model.test_on_batch(inputs, labels, return_dict=True)) == {"loss", "frame_errors"}
    assert model.receptive_field == both.receptive_field


def test_transitions_and_their_decoder():
    model, wave = tiny(criterion="crf"), noise(1, 8000)[0]
    assert isinstance(model.criterion, CRFCriterion) and model.transcribe(wave, 16000, decoder="greedy").text
    greedy = model.transcribe(wave, 16000, decoder="greedy").text
    assert model.transcribe(wave, 16000).text != greedy  # random transitions
    loss = model.test_on_batch(*batch(), return_dict=True)
    assert loss["loss"] == pytest.approx(loss["frame_loss"] + loss["sample_loss"], rel=1e-5)
    with pytest.raises(KerasRecipesError, match="decodes with greedy or beam, not 'crf'"):
        tiny().transcribe(wave, 16000, decoder="crf")
    with pytest.raises(KerasRecipesError, match="no criterion 'ctc'"):
        tiny(criterion="ctc")
    with pytest.raises(ValueError, match="wavenet_asr supports none, sequence, not 'batch'"):
        tiny(batch_norm="batch")


def test_another_phoneme_set_reinitializes_only_the_phoneme_head(tmp_path):
    model = tiny()
    model.save_weights(tmp_path / "w.weights.h5")
    other = kr.load("wavenet_asr", weights=tmp_path / "w.weights.h5", alphabet="timit61", **TINY)
    for name in ("stack", "codes", "post"):
        for a, b in zip(model.get_layer(name).get_weights(), other.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert other.get_layer("logits").units == 61


ELSEWHERE = """
import sys, numpy as np, keras, kerasrecipes as kr
folder = sys.argv[1]
x = dict(np.load(folder + "/inputs.npz"))
labels, config = x.pop("labels"), eval(sys.argv[2])
model = kr.load("wavenet_asr_small", weights=folder + "/w.weights.h5", **config)
found = keras.tree.map_structure(keras.ops.convert_to_numpy, model(x, training=False))
found |= {k: np.array(v) for k, v in model.test_on_batch(x, labels, return_dict=True).items()}
np.savez(folder + "/found.npz", **found)
losses = [model.train_on_batch(x, labels, return_dict=True)["loss"] for _ in range(8)]
assert np.isfinite(losses).all() and losses[-1] < losses[0], losses
"""


# JAX takes a minute to compile a training step; test_models.py also compares its outputs
@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree_on_outputs_and_losses(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    model, (inputs, labels) = tiny("wavenet_asr_small"), batch()
    model.save_weights(tmp_path / "w.weights.h5")
    np.savez(tmp_path / "inputs.npz", **inputs, labels=labels)
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", ELSEWHERE, tmp_path, repr(TINY)], check=True, env=env, timeout=400)
    found = np.load(tmp_path / "found.npz")
    expected = outputs(model, inputs) | model.test_on_batch(inputs, labels, return_dict=True)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, rtol=1e-5, err_msg=name)


# ---------------------------------------------------------------- crops


def clips_of(folder):
    return kr.data.load_datasets([f"phones:{folder}/labels.tsv.xz?audio={folder}"])


def test_crops_match_their_clips_and_labels(spoken, tmp_path):
    model, clips = tiny(), clips_of(spoken)
    options = {"speed_perturbation": (1.0, 1.1), "cache_dir": tmp_path, "seed": 3}
    whole = model.make_dataset(clips, batch_size=1, **options)
    cut = model.make_dataset(clips, batch_seconds=2.0, crop_seconds=0.5, **options)
    assert isinstance(cut, PhonemeDataset) and len(cut) < len(whole) * 3
    covered = np.zeros(len(clips))
    for epoch in range(3):
        whole.set_epoch(epoch)
        cut.set_epoch(epoch)
        known = {group[0]: whole[i] for i, group in enumerate(whole.batches)}
        total = 0
        for index in range(len(cut)):
            inputs, labels = cut[index]
            again = cut[index]
            np.testing.assert_array_equal(inputs["audio"], again[0]["audio"])
            assert [u.id for u in cut.batch_utterances(index)] == [clips[i].id for i in cut.batches[index]]
            for row, clip in enumerate(cut.batches[index]):
                assert inputs["length"][row] == 8000 and labels.shape[1] == 50
                (source, all_labels), begin = known[clip], cut.begins[index][row]
                np.testing.assert_array_equal(inputs["audio"][row], source["audio"][0, 160 * begin :][:8000])
                np.testing.assert_array_equal(labels[row], all_labels[0, begin : begin + 50])
                covered[clip] += 1
                total += 1
        # enough crops to cover the clips
        assert total == sum(-(-int(cut.frames[i, cut.speed[i]]) // 50) for i in range(len(clips)))
    assert (covered >= 6).all()
    begins = [cut.begins[i] for i in range(len(cut))]
    cut.set_epoch(0)
    assert begins != [cut.begins[i] for i in range(len(cut))]
    long = model.make_dataset(
        clips, batch_seconds=4.0, crop_seconds=9.0, **options
    )  # crops longer than the clips are whole clips
    assert long[0][0]["length"][0] == len(long.cache.read(long.batches[0][0], int(long.speed[long.batches[0][0]])))


# ---------------------------------------------------------------- training


def settings(folder, **changes):
    spec = f"phones:{folder}/labels.tsv.xz?audio={folder}"
    values = {"recipe": "wavenet_asr_small", "config": {**TINY, "dropout": 0.1}, "data": (spec,), "max_steps": 6, "warmup_steps": 2,
              "decay_steps": 2, "batch_seconds": 2.0, "crop_seconds": 0.5, "batch_order": "random", "ema_momentum": 0.5}  # fmt: skip
    return configs.config_from_dict(values | changes)


@pytest.mark.slow
def test_resuming_is_exact(spoken, tmp_path):
    whole = Trainer(settings(spoken), tmp_path / "whole")
    for _ in range(3):
        whole._train_step()
    whole.save()
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    whole.train()
    again = Trainer(settings(spoken), tmp_path / "part", resume=True)
    again.train()
    for a, b in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    row = dict(zip(log[0].split(","), log[-1].split(","), strict=True))
    assert float(row["loss"]) == pytest.approx(float(row["frame_loss"]) + 0.3 * float(row["sample_loss"]), abs=1e-3)


@pytest.mark.slow
def test_training_learns_phonemes_and_samples(spoken, tmp_path):
    spec = f"phones:{spoken}/labels.tsv.xz?audio={spoken}"
    sizes = {
        **TINY,
        "num_stacks": 1,
        "layers_per_stack": 5,
        "residual_channels": 12,
        "dilation_channels": 12,
        "skip_channels": 16,
    }
    run = Trainer(
        settings(spoken, max_steps=110, learning_rate=0.02, config=sizes, batch_seconds=1.5, ema_momentum=0.8),
        tmp_path / "run",
    )
    first = run._train_step()[0]
    run.train()
    assert first > 4 and run._train_step()[0] < 0.6 * first
    with ema_weights(run.model):
        clips = kr.data.load_datasets([spec])
        rates = evaluate_phonemes(run.model, clips)
        assert rates["per"].rate < 0.2 and rates["boundaries_found"].rate > 0.6
        run.model.save(tmp_path / "m.keras")
        text = run.model.transcribe(clips[0].path).text
        assert kr.load(tmp_path / "m.keras").transcribe(clips[0].path).text == text


def test_a_crf_is_initialized_from_a_framewise_model(spoken, tmp_path):
    """The phonemes are the same, so their logits layer is copied; only the transitions are new."""
    keras.utils.set_random_seed(5)
    frames = tiny("wavenet_asr_small", criterion="frames")
    frames.save_weights(tmp_path / "frames.weights.h5")
    start = {"init_from": str(tmp_path / "frames.weights.h5"), "init_config": {"criterion": "frames"}}
    model = Trainer(settings(spoken, config=TINY, **start), tmp_path / "run").model
    (transitions,) = (v for v in model.weights if "transitions" in v.path)
    own = [v for v in model.weights if v is not transitions]
    assert transitions.shape == (40, 40) and any("logits" in v.path for v in own)
    for a, b in zip(own, frames.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)


@pytest.mark.slow
def test_fit_and_evaluate_take_clips(spoken):
    model, clips = tiny("wavenet_asr_small"), clips_of(spoken)
    history = model.fit(clips, epochs=2, batch_seconds=3.0, verbose=0, validation_data=clips).history
    assert history["loss"][1] < history["loss"][0]
    parts = {"loss", "frame_loss", "sample_loss", "frame_errors"}
    assert set(history) == parts | {f"val_{p}" for p in parts}
    cut = model.make_dataset(clips, batch_seconds=4.0, crop_seconds=0.5)
    assert model.fit(cut, epochs=1, verbose=0).history["loss"][0] < history["loss"][0]
    assert set(model.evaluate(clips, return_dict=True, verbose=0)) == parts


def test_the_configuration_matches_the_other_models():
    """The labels, validation and seed are those of the other models on these labels; amount, crops and batches differ."""
    ours, theirs = (configs.config_for(n).to_dict() for n in ("wavenet_asr_small", "palaz_raw_small"))
    different = {k for k in ours if ours[k] != theirs[k]}
    assert set(ours["data"]) <= set(theirs["data"])
    assert different <= {
        "recipe",
        "data",
        "config",
        "augment",
        "speed_perturbation",
        "warmup_steps",
        "max_steps",
        "decay_steps",
        "batch_seconds",
        "crop_seconds",
        "ema_momentum",
        "validate_every_minutes",
        "learning_rate",
    }

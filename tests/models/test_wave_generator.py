"""Generators: codes, causality, the cached loop against the network and the naive way, conditions, likelihoods, verbs."""

import importlib.util
import os
import subprocess
import sys

import keras
import naive_wavenet
import numpy as np
import pytest
import soundfile
import wave_checks
from paths import HELPERS
from wave_checks import NETS, conditions, forced, preprocess, tiny

import kerasrecipes as kr
from kerasrecipes.cli import main
from kerasrecipes.errors import AudioError, DataError, KerasRecipesError
from kerasrecipes.inference import wavenet_likelihood
from kerasrecipes.inference.wavenet_sampler import find_layer, sample_from_logits
from kerasrecipes.layers import mu_law
from kerasrecipes.layers.wavenet_stack import receptive_field
from kerasrecipes.registry import all_recipes
from kerasrecipes.release.model_card import build_without_weights

NAMES = [n for n, r in all_recipes().items() if r.task == "waveform-generation"]


@pytest.fixture(scope="module")
def models():
    return {key: tiny(key) for key in NETS}


def noise(batch, samples, seed=8):
    return (np.random.default_rng(seed).normal(size=(batch, samples)) * 0.2).astype("float32")


# ---------------------------------------------------------------- mu-law


def test_codes_are_those_of_the_formula_on_paper():
    x = np.concatenate([np.linspace(-1, 1, 4001), np.random.default_rng(0).normal(size=4000) * 0.1, [-3, 3]])
    x = x.astype("float32").astype("float64")
    clipped = np.clip(x, -1, 1)
    f = np.sign(clipped) * np.log(1 + 255 * np.abs(clipped)) / np.log(256)
    codes = mu_law.mu_law_encode(x)
    np.testing.assert_array_equal(codes, ((f + 1) / 2 * 255 + 0.5).astype(int))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(mu_law.MuLaw()(x[None].astype("float32")))[0], codes)
    assert (np.diff(codes[:4001]) >= 0).all()
    assert mu_law.mu_law_encode([0, -1, 1]).tolist() == [128, 0, 255]


def test_every_code_survives_and_small_sounds_are_fine():
    q = np.arange(256)
    values = mu_law.mu_law_decode(q)
    np.testing.assert_array_equal(mu_law.mu_law_encode(values), q)
    np.testing.assert_allclose(values, -values[::-1], atol=1e-15)  # odd
    np.testing.assert_allclose(values[127:129], [-8.62e-5, 8.62e-5], rtol=1e-3)  # nothing decodes to exactly 0
    x = np.linspace(-1, 1, 200_001)
    error = np.abs(mu_law.mu_law_decode(mu_law.mu_law_encode(x)) - x)
    assert error.max() == pytest.approx(0.0216, abs=1e-4) and error[np.abs(x) < 0.01].max() < 3e-4
    steep, flat = np.diff(mu_law.mu_law_decode([127.5, 127.5001])), np.diff(mu_law.mu_law_decode([254.9999, 255]))
    assert flat[0] / steep[0] == pytest.approx(256, rel=1e-4)  # f'(0) / f'(1) = 1 + mu


# ---------------------------------------------------------------- the network


def parameters(s):
    """The formula of the paper's figure 4 with ibab's biases, plus what conditions it."""
    q, r, d = (s[x] for x in ("quantization_channels", "residual_channels", "dilation_channels"))
    skip, k, n = (s[x] for x in ("skip_channels", "kernel_size", "layers_per_stack"))
    n, b = n * s["num_stacks"], int(s["use_bias"])
    total = s["initial_kernel_size"] * q * r + skip * skip + skip * q + b * (skip + q)
    total += n * (2 * k * r * d + d * r + d * skip + b * (2 * d + r + skip))
    if s["speakers"]:
        total += n * 2 * d * (len(s["speakers"]) + 1)
    if s["n_mels"]:
        c = s["conditioning_channels"]
        total += n * 2 * d * c + s["conditioning_kernel_size"] * s["n_mels"] * c + c + s["n_mels"]
        total += 2 * s["mel_hop_length"] * c if s["upsampling"] == "transposed" else 0
    return total


def test_parameters(models):
    assert build_without_weights("wavenet").count_params() == parameters(kr.get_recipe("wavenet").config) == 1_515_968
    small = build_without_weights("wavenet_small")
    assert small.count_params() == parameters(kr.get_recipe("wavenet_small").config) == 849_168
    for model in models.values():
        assert model.count_params() == parameters(model.hparams)
    assert 2 * small.count_params() < 4e6  # bytes of float16


def test_receptive_fields():
    """One block of 1 ... 512 sees 1024 samples and n see 1023 n + 1; the causal convolution adds one."""
    block = [2**k for k in range(10)]
    assert [receptive_field(block * n, 2, 1) for n in range(1, 6)] == [1024, 2047, 3070, 4093, 5116]
    assert (
        build_without_weights("wavenet").receptive_field == 5117
        and build_without_weights("wavenet_small").receptive_field == 2048
    )


@pytest.mark.parametrize("key", NETS)
def test_causality_is_exact(key, models):
    model = models[key]
    field, place, samples = model.receptive_field, 30, 30 + model.receptive_field + 20
    waves, (speakers, spectrograms) = noise(1, samples), conditions(model, 2, samples)
    inputs = {**preprocess(model, waves, speakers[1:], spectrograms[:1]), "audio": waves}
    before = model.predict_logits(inputs)[0]
    moved = {**inputs, "audio": waves.copy()}
    moved["audio"][0, place] += 0.5
    after = model.predict_logits(moved)[0]
    changed = np.flatnonzero((before != after).any(-1))
    np.testing.assert_array_equal(before[:place], after[:place])
    # of place, the last score that depends on it is the one whose field begins there
    assert changed.min() == place and changed.max() == place + field - 1


@pytest.mark.parametrize("key", ["plain", "kernel3"])
def test_network_is_the_sum_of_keras_layers(key, models):
    """One-hot codes, Conv1D with causal padding and dilation, 1x1s: the equations, layer by layer."""
    model, ops = models[key], keras.ops
    waves = noise(2, 90)
    stack, first, s = model.get_layer("stack"), find_layer(model, kr.layers.CausalEmbeddingConv1D), model.hparams

    def convolved(x, kernel, bias, dilation):
        layer = keras.layers.Conv1D(kernel.shape[-1], kernel.shape[0], padding="causal", dilation_rate=dilation)
        layer.build(x.shape)
        layer.set_weights([kernel, np.zeros(kernel.shape[-1]) if bias is None else bias])
        return layer(x)

    d = s["dilation_channels"]
    x = convolved(ops.one_hot(model.encode(waves), 256), np.array(first.kernel), None, 1)
    total = 0.0
    for k, dilation in enumerate(stack.dilations):
        take = lambda w, k=k: None if w is None else np.array(w)[k]  # noqa: E731
        kernel, bias = take(stack.kernel), take(stack.bias)
        halves = (None, None) if bias is None else (bias[:d], bias[d:])
        z = ops.tanh(convolved(x, kernel[..., :d], halves[0], dilation))
        z = z * ops.sigmoid(convolved(x, kernel[..., d:], halves[1], dilation))
        total = total + convolved(z, take(stack.skip)[None], take(stack.skip_bias), 1)
        x = x + convolved(z, take(stack.residual)[None], take(stack.residual_bias), 1)
    y = model.get_layer("post")(ops.relu(total))
    expected = model.get_layer("logits")(ops.relu(y))
    found = model.predict_logits({"audio": waves, "length": np.full(2, 90, "int32")})
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(np.exp(found - np.logaddexp.reduce(found, -1, keepdims=True)).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("key", NETS)
def test_alone_is_in_a_batch(key, models):
    model, lengths = models[key], np.array([700, 333, 171], "int32")
    waves, (speakers, spectrograms) = noise(3, 700), conditions(model, 3, 700)
    inputs = {**preprocess(model, waves, speakers, spectrograms), "length": lengths}
    inputs["audio"][1, 333:] = np.nan  # whatever lies there
    together = model.predict_logits(inputs)
    for i, n in enumerate(lengths):
        alone = {k: v[i : i + 1] for k, v in inputs.items()} | {"audio": inputs["audio"][i : i + 1, :n]}
        if model.n_mels:
            alone["spectrogram"] = alone["spectrogram"][:, : model.num_frames(int(n))]
        np.testing.assert_allclose(model.predict_logits(alone)[0], together[i, :n], atol=1e-5)
        assert not together[i, n:].any()


def test_conditions_mean_what_the_equations_say(models):
    model = tiny("small")
    waves, n = noise(1, 200), 200
    inputs = {"audio": waves, "length": np.array([n], "int32")}
    stack, local = model.get_layer("stack"), model.get_layer("local")
    one = {**inputs, "speaker": np.array([1], "int32")}
    told = model.predict_logits(one)
    assert np.abs(told - model.predict_logits(inputs)).max() > 0.1
    # h = 0: the speaker's vector is that of nobody
    kernel = np.array(stack.speaker_kernel)
    kernel[:, 0] = 0
    stack.speaker_kernel.assign(kernel * 0)
    unconditioned = model.predict_logits(inputs)
    np.testing.assert_array_equal(model.predict_logits(one), unconditioned)
    # features that are constant in time and a speaker whose vector is their projection are the same
    local.bias.assign(np.array([0.5, 1.0, 0.2, 2.0]))
    local.kernel.assign(np.zeros(local.kernel.shape))
    constant = model.predict_logits(inputs)
    projected = np.einsum("c,lcd->ld", np.array(local.bias), np.array(stack.local_kernel))
    local.bias.assign(np.zeros(4))
    kernel[:, 1] = projected
    stack.speaker_kernel.assign(kernel)
    np.testing.assert_allclose(model.predict_logits(one), constant, atol=1e-5)


def test_learned_upsampling_begins_as_interpolation():
    """A ramp over frames becomes a ramp over samples, away from the ends."""
    layer = kr.layers.LocalConditioning(1, 1, 10, upsampling="transposed")
    frames = np.arange(1, 9, dtype="float32").reshape(1, 8, 1)
    layer.build(frames.shape)
    layer.kernel.assign(np.ones((1, 1, 1)))
    y = keras.ops.convert_to_numpy(layer.upsample(frames, np.ones(1, "int32"), np.array([80], "int32"), 80))[0, :, 0]
    np.testing.assert_allclose(y[5:75], 1 + (np.arange(5, 75) + 0.5) / 10 - 0.5, atol=1e-5)


# ---------------------------------------------------------------- generating


@pytest.mark.parametrize("key", NETS)
def test_cached_scores_are_the_networks(key):
    wave_checks.check_forced_is_forward(key)


@pytest.mark.parametrize("key", ["kernel3", "small"])
def test_cached_samples_are_the_naive_ones(key):
    wave_checks.check_same_samples_as_naive(key, 80)


# JAX compiles the same loop as TensorFlow, for minutes on a busy machine; torch has a loop of its own
@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_other_backends(backend, models, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    env = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}  # torch's threads would wait for each other
    subprocess.run([sys.executable, HELPERS / "wave_checks.py", tmp_path / "x.npz"], check=True, env=env, timeout=600)
    found = np.load(tmp_path / "x.npz")
    assert sorted(found) == sorted(wave_checks.EVERYWHERE[backend])
    for key in found:
        np.testing.assert_allclose(found[key], wave_checks.check_forced_is_forward(key), atol=1e-4)


@pytest.fixture(scope="module")
def speaker():
    """A generator of three layers, quick to compile."""
    return kr.load(
        "wavenet_small", weights=None, compile=False, **kr.get_recipe("wavenet_small").tiny_config | {"num_stacks": 1}
    )


def test_seeds_and_lists(speaker):
    first = speaker.generate(0.05, seed=1)
    assert len(first.samples) == 800 and first.samples.dtype == np.float32 and first.sample_rate == 16000
    np.testing.assert_array_equal(first.samples, speaker.generate(0.05, seed=1).samples)
    assert (first.samples != speaker.generate(0.05, seed=2).samples).any()
    made = speaker.generate([0.05, 0.03], seed=1, speaker=["lj", None])
    assert [len(s.samples) for s in made] == [800, 480]
    # the second of a list has the next seed, and does not hear the first
    np.testing.assert_array_equal(made[1].samples, speaker.generate(0.03, seed=2).samples)
    np.testing.assert_array_equal(made[0].samples, speaker.generate(0.05, seed=1, speaker="LJ").samples)
    assert (made[0].samples != first.samples).any() and speaker.generate([], seed=1) == []
    several = speaker.generate(0.03, seed=1, count=3)  # with the seeds 1, 2 and 3
    assert len(several) == 3 and len(speaker.generate(0.01, count=1)) == 1
    np.testing.assert_array_equal(several[1].samples, speaker.generate(0.03, seed=2).samples)
    greedy = speaker.generate(0.02, temperature=0)
    np.testing.assert_array_equal(greedy.samples, speaker.generate(0.02, temperature=0, seed=4).samples)


def test_pieces_leave_no_trace(speaker, monkeypatch):
    from kerasrecipes.inference import vocoder

    spectrogram = conditions(speaker, 2, 1600)[1][0]
    heard = []
    whole = speaker.generate(None, 7, 1.0, mel=spectrogram, progress=lambda a, b: heard.append((a, b)))
    assert heard == [(0.1, 0.1)]
    monkeypatch.setattr(vocoder, "CHUNK_SECONDS", 0.03)
    heard.clear()
    np.testing.assert_array_equal(
        speaker.generate(0.1, 7, 1.0, mel=spectrogram, progress=lambda a, b: heard.append(a)).samples,
        whole.samples,
    )
    assert heard == pytest.approx([0.03, 0.06, 0.09, 0.1])


def test_sampled_codes_have_the_models_frequencies():
    rng = np.random.default_rng(0)
    scores, count = rng.normal(size=(1, 8)).astype("float32"), 4000
    uniform = ((np.arange(count) + 0.5) / count).astype("float32")
    for sharpness in (1.0, 2.0):
        chosen = keras.ops.convert_to_numpy(sample_from_logits(np.repeat(scores, count, 0), uniform, sharpness, False))
        expected = np.exp(sharpness * scores[0] - np.logaddexp.reduce(sharpness * scores[0]))
        np.testing.assert_allclose(np.bincount(chosen, minlength=8) / count, expected, atol=1 / count + 1e-6)
    by_hand, _ = naive_wavenet.sample_with_margin(np.repeat(scores, count, 0), uniform, 0.5)
    assert (by_hand != chosen).mean() < 1e-3


def test_memory_is_flat(speaker):
    import psutil

    run = lambda: speaker.generate(0.25, seed=1)  # noqa: E731
    run()
    before = psutil.Process().memory_info().rss
    for _ in range(12):
        run()
    assert psutil.Process().memory_info().rss - before < 30e6


# ---------------------------------------------------------------- what a recording costs


@pytest.mark.parametrize("key", ["kernel3", "small", "small3"])
def test_bits_are_the_sum_of_steps(key, models, monkeypatch):
    """Windows, the whole network at once, and the cached loop, sample by sample, give one likelihood."""
    model, samples = models[key], 1500
    waves = noise(1, samples)
    spectrogram = model.spectrogram(waves[0], 16000) if model.n_mels else None
    if model.n_mels:
        assert spectrogram.shape == (model.num_frames(samples), model.n_mels)
    monkeypatch.setattr(wavenet_likelihood, "CHUNK_SECONDS", 0.02)
    name = model.speakers[0] if model.speakers else None
    logs = wavenet_likelihood.log_probabilities(model, waves[0], 16000, name, model.n_mels > 0)
    speakers = np.ones(1, "int32")
    ways = [model.predict_logits(preprocess(model, waves, speakers, [spectrogram]))]
    ways.append(forced(model, waves, speakers, [spectrogram], model.hop_length * 5))
    for scores in ways:
        scores = scores.astype("float64") - np.logaddexp.reduce(scores.astype("float64"), -1, keepdims=True)
        steps = np.take_along_axis(scores[0], model.encode(waves[0])[:, None], -1)[:, 0]
        np.testing.assert_allclose(logs, steps, atol=1e-4)
    bits = model.bits_per_sample(waves[0], 16000, name, model.n_mels > 0)
    assert bits == pytest.approx(-steps.mean() / np.log(2), abs=1e-4)
    assert model.bits_per_sample([waves[0]] * 2, 16000, name, model.n_mels > 0) == [bits, bits]


def test_spectrogram_is_a_reference_in_numpy():
    model = build_without_weights("wavenet_small")
    wave = noise(1, 3333)[0]
    found = model.spectrogram(wave, 16000)
    padded = np.concatenate([np.zeros(240), wave, np.zeros(2000)])
    emphasised = padded.astype("float64") - 0.97 * np.concatenate([[0], padded[:-1]])
    hann = np.hanning(640)
    from kerasrecipes.layers.mfcc import mel_filterbank

    for k in range(21):  # frame k's middle is that of samples 160 k ... 160 k + 159
        magnitudes = np.maximum(np.abs(np.fft.rfft(emphasised[160 * k : 160 * k + 640] * hann, 1024)), 1e-3)
        np.testing.assert_allclose(found[k], 2 * np.log(magnitudes @ mel_filterbank(80, 513, 16000)), atol=1e-3)
    assert found.shape == (21, 80)


# ---------------------------------------------------------------- verbs, files, errors


RELOAD = """
import sys, numpy as np, kerasrecipes as kr
folder = sys.argv[1]
for name in sys.argv[2:]:
    model = kr.load(f"{folder}/{name}.keras", compile=False)
    np.save(f"{folder}/{name}.npy", model.predict_logits(dict(np.load(f"{folder}/{name}.npz"))))
    assert model.speakers == kr.get_recipe(name).config["speakers"]
"""


def test_saved_files_open_in_a_new_process(models, tmp_path):
    expected = {}
    for name in NAMES:
        model = tiny({"wavenet": "plain", "wavenet_small": "small"}[name])
        model.generate(0.01)
        waves, (speakers, spectrograms) = noise(2, 400), conditions(model, 2, 400)
        inputs = model.fill_default_inputs(preprocess(model, waves, speakers, spectrograms))
        np.savez(tmp_path / f"{name}.npz", **inputs)
        expected[name] = model.predict_logits(inputs)
        model.save(tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-c", RELOAD, tmp_path, *NAMES], check=True, timeout=400)
    for name in NAMES:
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected[name], atol=1e-6)


def test_copy_synthesis(speaker, tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(1, 900)[0], 8000)  # another rate: resampled
    sound = speaker.vocode(tmp_path / "a.wav", speaker="lj", seed=3)
    assert len(sound.samples) == 1800
    spectrogram = speaker.spectrogram(tmp_path / "a.wav")
    same = speaker.generate(1800 / 16000, 3, speaker="lj", mel=spectrogram)
    np.testing.assert_array_equal(sound.samples, same.samples)
    by_frames = speaker.vocode(spectrogram, speaker="lj", seed=3)
    np.testing.assert_array_equal(by_frames.samples[:1800], sound.samples)
    mixed = speaker.vocode([tmp_path / "a.wav", tmp_path / "none.wav"], speaker="lj", seed=3)
    np.testing.assert_array_equal(mixed[0].samples, sound.samples)
    assert isinstance(mixed[1], AudioError) and "no file" in str(mixed[1])
    # a bad file takes nobody's seed, and more clips than are made at once have speakers of their own
    many = speaker.vocode([tmp_path / "none.wav"] + [spectrogram[:2]] * 9, speaker=[None] * 9 + ["kathleen"], seed=3)
    last = speaker.vocode(spectrogram[:2], speaker="kathleen", seed=12)
    assert isinstance(many[0], AudioError) and len(many) == 10
    np.testing.assert_array_equal(many[9].samples, last.samples)
    with pytest.raises(DataError, match="Lists of unequal lengths: 1 sources, 2 speakers"):
        speaker.vocode([spectrogram], speaker=["lj", "lj"])
    with pytest.raises(DataError, match=r"mel is .frames, 12."):
        speaker.vocode(np.zeros((4, 11), "float32"))
    path = sound.save(tmp_path / "deep" / "y.wav")
    back, rate = soundfile.read(path)
    np.testing.assert_allclose(back, sound.samples, atol=1e-4)
    assert rate == 16000 and sound.to_dict() == {"duration": 0.113, "sample_rate": 16000}
    with pytest.raises(AudioError, match="write a .wav"):
        sound.save(tmp_path / "y.txt")
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["y.wav"]


BAD = [
    ({"seconds": 0}, "seconds is a positive number, not 0"), ({"seconds": -1.0}, "not -1.0"),
    ({"seconds": float("nan")}, "not nan"), ({}, "Say how much to generate"),
    ({"seconds": 1, "temperature": -1}, "temperature must be a number, at least 0 and finite, not -1"),
    ({"seconds": 1, "temperature": float("nan")}, "not nan"), ({"seconds": 1, "temperature": "warm"}, "not 'warm'"),
    ({"seconds": 1, "seed": -1}, "seed is a whole number from 0 on, not -1"), ({"seconds": 1, "seed": 0.5}, "not 0.5"),
    ({"seconds": [1, 2], "seed": [1]}, "Lists of unequal lengths: 2, 1"),
    ({"seconds": [1, 2], "count": 3}, "Lists of unequal lengths: 2, 3"),
    ({"seconds": 1, "count": 0}, "count is a whole number from 1 on, not 0"),
    ({"seconds": 1, "speaker": "mary"}, "has no speaker 'mary': there are kathleen, lj"),
    ({"seconds": 1, "mel": np.zeros((80, 12))}, "has 80 frames, 1 s need 100 .100 a second."),
    ({"mel": np.zeros((80, 13))}, r"mel is .frames, 12., not .80, 13."),
    ({"mel": np.full((3, 12), np.nan)}, "NaN"),
    ({"seconds": [1, 2], "speaker": ["lj"]}, "Lists of unequal lengths: 2, 1"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), BAD)
def test_bad_input_says_what_to_do(options, words, speaker):
    with pytest.raises(DataError, match=words):
        speaker.generate(**options)


def test_other_bad_input(speaker, models):
    with pytest.raises(TypeError, match="no sample rate"):
        speaker.vocode(noise(1, 1600)[0])
    with pytest.raises(DataError, match="no local conditioning"):
        models["plain"].vocode("x.wav")
    with pytest.raises(DataError, match="it has none"):
        models["plain"].generate(1.0, speaker="lj")
    with pytest.raises(KerasRecipesError, match="takes no alphabet="):
        kr.load("wavenet", weights=None, alphabet="abc")


def test_command_line(speaker, tmp_path, capsys):
    speaker.save(tmp_path / "m.keras")
    name, out = str(tmp_path / "m.keras"), str(tmp_path / "x.wav")
    assert main.main(["generate", name, "--seconds", "0.02", "--seed", "1", "--speaker", "lj", "--output", out]) == 0
    assert "0.02 s of audio at 16000 Hz" in capsys.readouterr().out
    expected = speaker.generate(0.02, seed=1, speaker="lj").samples
    np.testing.assert_allclose(soundfile.read(out)[0], expected, atol=1e-4)
    assert main.main(["generate", name, "--seconds", "0.02", "--seed", "0", "--count", "2", "--speaker", "lj", "--output", out]) == 0
    np.testing.assert_allclose(soundfile.read(tmp_path / "x_2.wav")[0], expected, atol=1e-4)
    soundfile.write(tmp_path / "clip.flac", noise(1, 900)[0], 16000)
    made = str(tmp_path / "y.wav")
    assert main.main(["vocode", name, str(tmp_path / "clip.flac"), "--seed", "2", "--output", made]) == 0
    assert soundfile.info(made).frames == 900
    predicted = str(tmp_path / "z.wav")
    assert main.main(["predict", name, "--seconds", "0.02", "--seed", "1", "--speaker", "lj", "--out", predicted]) == 0
    np.testing.assert_array_equal(soundfile.read(predicted)[0], soundfile.read(out)[0])
    capsys.readouterr()
    assert main.main(["generate", name, "--seconds", "1"]) == 1 and "duration and a file" in capsys.readouterr().err
    assert main.main(["generate", name, "--output", out]) == 1 and "--seconds 3" in capsys.readouterr().err
    assert main.main(["generate", name, "once", "--output", out]) == 1 and "no prompts" in capsys.readouterr().err
    (tmp_path / "file").write_text("no folder")
    for bad, words in (("x.xyz", "write a .wav"), (str(tmp_path / "file" / "x.wav"), "cannot be written")):
        # said before an hour of sound is made
        assert (
            main.main(["generate", name, "--seconds", "3600", "--output", bad]) == 1 and words in capsys.readouterr().err
        )
        assert (
            main.main(["vocode", name, str(tmp_path / "clip.flac"), "--output", bad]) == 1
            and words in capsys.readouterr().err
        )
    assert main.main(["predict", name, "x.wav", "--output", out]) == 1 and "no prompts" in capsys.readouterr().err


def test_predict_runs_the_verb(models):
    for key in ("plain", "small"):
        found = kr.predict(models[key], 0.01, seed=3)
        np.testing.assert_array_equal(found.samples, models[key].generate(0.01, seed=3).samples)

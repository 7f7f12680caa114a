"""Wav2Letter compared with the paper's parameter counts, torchaudio's logits and numpy versions of its authors' features."""

import keras
import numpy as np
import pytest
from torchaudio_weights import GOLDEN, INPUTS, LABELS, sample_weights

import kerasrecipes as kr
from kerasrecipes import layers
from kerasrecipes.layers.mfcc import mel_filterbank
from kerasrecipes.layers.sequence import SequenceLayer
from kerasrecipes.layers.time_geometry import compose, output_length
from kerasrecipes.recipes.wav2letter import CONVOLUTIONS, WAVEFORM

RATE = 16000
PAPERS = {"mfcc": "wav2letter", "power_spectrum": "wav2letter_power_spectrum", "waveform": "wav2letter_raw"}
numpy = keras.ops.convert_to_numpy
rng = np.random.default_rng(0)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def above(network):
    """Return the part after the normalization: [features, length] -> logits."""
    norm = next(v for v in network.layers if isinstance(v, layers.UtteranceStandardization))
    return keras.Model(norm.output, network.output)


def torchaudio_net(kind):
    """Return the recipe with torchaudio's ReLUs and the weights of `sample_weights`, from features or samples of mean 0."""
    network = kr.get_recipe(PAPERS[kind]).build(
        vocab_size=LABELS, activation="relu", last_relu=True, criterion="ctc"
    )  # fmt: skip
    weighted = [v for v in network.layers if v.trainable_weights]
    for layer, (kernel, bias) in zip(weighted, sample_weights(kind)[0], strict=True):
        kernel = kernel.transpose(2, 1, 0)
        layer.set_weights([kernel[0] if layer.name == "logits" else kernel, bias])
    return above(network)


@pytest.mark.parametrize("kind", INPUTS)
def test_weights_of_torchaudio_give_its_logits(kind):
    x = sample_weights(kind)[1]
    found = torchaudio_net(kind)([x if kind == "waveform" else x.T[None], np.array([x.shape[1]], "int32")])
    expected = np.load(GOLDEN / f"torchaudio_wav2letter_{kind}.npz")["log_probabilities"]
    assert expected.std() > 0.1 and found.shape == (1, *expected.shape)
    np.testing.assert_allclose(log_softmax(numpy(found)[0]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "count"),
    [
        ("wav2letter", {}, 23_284_530 + 30 * 30),
        ("wav2letter", {"criterion": "ctc"}, 23_284_530),
        ("wav2letter", {"criterion": "ctc", "vocab_size": 40}, 23_304_540),
        ("wav2letter_mfcc39", {"criterion": "ctc"}, 23_596_530),
        ("wav2letter_power_spectrum", {"criterion": "ctc"}, 26_212_530),
        ("wav2letter_raw", {"criterion": "ctc"}, 26_191_280),
        ("wav2letter_raw", {"criterion": "ctc", "vocab_size": 29}, 26_189_279),
    ],
)
def test_parameters(name, changes, count):
    """The table gives the sum of kernel * inputs * outputs + outputs; ASG adds one transition for each pair of letters."""
    with keras.StatelessScope(initialize_variables=False):
        network = kr.get_recipe(name).build(**changes)
    assert sum(int(np.prod(v.shape)) for v in network.weights) == count


@pytest.mark.parametrize("name", ["wav2letter_small", "wav2letter_small_asg", "wav2letter_raw_small"])
def test_small_models_fit_12_megabytes_in_float16(name):
    with keras.StatelessScope(initialize_variables=False):
        network = kr.get_recipe(name).build()
    assert 5e6 < sum(int(np.prod(v.shape)) for v in network.weights) < 5.95e6


def narrow(name, **changes):
    """Return the paper's kernels and strides with two filters each and positive weights, so that every path has an effect."""
    conv = tuple((2, kernel, stride) for _, kernel, stride in CONVOLUTIONS)
    network = kr.get_recipe(name).build(
        conv=conv, waveform=((2, *WAVEFORM[0][1:]),), activation="relu", criterion="ctc", vocab_size=2, **changes
    )
    for v in network.weights:
        v.assign(np.zeros(v.shape) if v.path.endswith("bias") else np.full(v.shape, 4 / np.prod(v.shape)))
    return network


@pytest.mark.parametrize(
    ("name", "span", "stride", "total"), [("wav2letter", 194, 2, 300), ("wav2letter_raw", 31_130, 320, 64_000)]
)
def test_receptive_field(name, span, stride, total):
    """One output sees 194 frames (1.955 s with windows of 25 ms) or 31,130 samples, tested by impulses at the edges."""
    part = above(narrow(name))
    geometry = compose([v.geometry for v in part.layers if isinstance(v, SequenceLayer)])
    assert (geometry.receptive_field, geometry.stride) == (span, stride)
    step = output_length([geometry], total) // 2
    first = step * stride - geometry.left
    x = np.zeros((4, total), "float32")
    x[np.arange(4), [first - 1, first, first + span - 1, first + span]] = 1
    x = x if "raw" in name else np.repeat(x[..., None], 13, axis=2)
    scores = numpy(part([x, np.full(4, total, "int32")]))[:, step, 0]
    np.testing.assert_array_equal(scores > 0, [False, True, True, False])


def test_lengths_are_those_of_torchaudio():
    model = narrow("wav2letter")
    sequence = [v for v in model.layers if isinstance(v, SequenceLayer)]
    core = [v.geometry for v in sequence[next(i for i, v in enumerate(sequence) if "conv" in v.name) :]]
    for frames in (2, 99, 100, 300):
        assert output_length(core, frames) == frames // 2 + 1
        assert output_length([v.geometry for v in sequence], 400 + 160 * (frames - 1)) == frames // 2 + 1
    assert output_length(core, 1) == 0  # shorter than the first filter with its padding: torchaudio raises an error
    raw = [v.geometry for v in narrow("wav2letter_raw").layers if isinstance(v, SequenceLayer)]
    assert [output_length(raw, n) for n in (16_000, 48_000)] == [51, 151]


# ---------------------------------------------------------------------- features


def reference_magnitudes(wave):
    """Compute the authors' `speech.Pow` in float64 for samples up to 1."""
    y = np.append(wave[0], wave[1:] - 0.97 * wave[:-1])
    frames = np.stack([y[k : k + 400] for k in range(0, len(y) - 399, 160)]) * np.hanning(400)
    return np.maximum(np.abs(np.fft.rfft(frames, 512)), 1 / 32768)


def reference_mel(wave, filters):
    """Compute the triangles of the authors' `speech.Mfsc` between 0 Hz and 8 kHz bin by bin."""
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    corners = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(mel(0), mel(8000), filters + 2)]
    bands = np.zeros((filters, 257))
    for j in range(filters):
        for i in range(257):
            f = 8000 * i / 256
            bands[j, i] = np.interp(f, corners[j : j + 3], [0, 1, 0])
    return 2 * np.log(reference_magnitudes(wave) @ bands.T)


def reference_slopes(x, reach=9):
    """Compute HTK's regression over time with repeated ends."""
    total = np.zeros_like(x)
    for t in range(len(x)):
        for d in range(1, reach + 1):
            total[t] += d * (x[min(t + d, len(x) - 1)] - x[max(t - d, 0)])
    return total / (2 * sum(d * d for d in range(1, reach + 1)))


def reference_cepstra(wave, deltas):
    log = reference_mel(wave, 20)
    found = np.stack(
        [np.sqrt(2 / 20) * sum(log[:, m] * np.cos(np.pi * k * (m + 0.5) / 20) for m in range(20)) for k in range(13)], 1
    ) * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))  # fmt: skip
    return np.concatenate([found, d := reference_slopes(found), reference_slopes(d)], 1) if deltas else found


FEATURES = {
    "wav2letter": lambda w: reference_cepstra(w, False),
    "wav2letter_mfcc39": lambda w: reference_cepstra(w, True),
    "wav2letter_power_spectrum": reference_magnitudes,
    "wav2letter_raw": lambda w: w,
}


@pytest.mark.parametrize("name", FEATURES)
def test_front_end_equals_a_float64_reference(name):
    """Features have mean 0 and deviation 1 over the utterance, in a batch with noise after the shorter one."""
    recipe = kr.get_recipe(name)
    network = recipe.build(**recipe.tiny_config)
    norm = next(v for v in network.layers if isinstance(v, layers.UtteranceStandardization))
    audio = (rng.normal(size=(2, 16000)).cumsum(1) * 0.003).astype("float32")  # red noise, like speech
    length = np.array([16000, 9713], "int32")
    found = numpy(keras.Model(network.input, norm.output[0])({"audio": audio, "length": length}))
    for row, wave, n in zip(found, audio, length, strict=True):
        x = FEATURES[name](wave[:n].astype("float64"))
        x = (x - x.mean()) / x.std()
        np.testing.assert_allclose(row[: len(x)], x, atol=1e-4)
        assert not row[len(x) :].any()


def test_log_mel_spectrogram_equals_a_float64_reference():
    wave = rng.normal(size=8000) * 0.1
    layer = layers.LogMelSpectrogram(40, RATE)
    found = numpy(layer(wave[None].astype("float32"), np.array([8000], "int32"))[0])[0]
    np.testing.assert_allclose(found, reference_mel(wave, 40), atol=1e-4)


def test_a_tone_peaks_in_its_band_and_too_many_bands_raise():
    t = np.arange(RATE) / RATE
    layer = layers.LogMelSpectrogram(24, RATE)
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 26) / 2595) - 1)
    for band in (3, 11, 22):
        tone = np.sin(2 * np.pi * corners[band + 1] * t).astype("float32")
        found = numpy(layer(tone[None], np.array([RATE], "int32"))[0])[0]
        assert (found[1:].argmax(1) == band).all()  # the first frame starts with a click
    with pytest.raises(ValueError, match="too many"):
        mel_filterbank(200, 257, RATE)
    with pytest.raises(ValueError, match="does not fit"):
        layers.MagnitudeSpectrogram(win_length=600, n_fft=512)


def test_deltas_of_lines_and_parabolas():
    """The deltas of a line and a parabola are exact, alone and in a batch."""
    t = np.arange(60.0)
    x = np.stack([3 * t + 1, t**2], 1).astype("float32")
    found = numpy(layers.Deltas(9)(x[None], np.array([60], "int32"))[0])[0]
    np.testing.assert_allclose(found[9:-9, 2], 3, rtol=1e-5)
    np.testing.assert_allclose(found[9:-9, 3], 2 * t[9:-9], rtol=1e-5)
    np.testing.assert_allclose(found[18:-18, 5], 2, rtol=1e-4)
    np.testing.assert_allclose(found[18:-18, 4], 0, atol=1e-5)


@pytest.mark.parametrize("layer", [layers.Deltas(3), layers.UtteranceStandardization()], ids=["deltas", "norm"])
def test_whole_utterance_layers_are_the_same_in_numpy(layer):
    x = rng.normal(2, 3, size=(41, 5)).astype("float32")
    np.testing.assert_allclose(
        numpy(layer(x[None], np.array([41], "int32"))[0])[0], layer.call_numpy(x), rtol=1e-5, atol=1e-5
    )


# ---------------------------------------------------------------------- configurations


def test_small_models_are_invariant_to_gain():
    """The audio is normalized to unit power first, so the gain of a recording does not change its logits."""
    recipe = kr.get_recipe("wav2letter_small")
    keras.utils.set_random_seed(3)
    model = kr.load("wav2letter_small", weights=None, compile=False, **recipe.tiny_config)
    wave = (rng.normal(size=(1, 16000)) * 0.1).astype("float32")
    n = np.array([16000], "int32")
    a, b = (model.predict_logits({"audio": wave * gain, "length": n}) for gain in (1.0, 0.05))
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_asg_is_initialized_from_the_ctc_model(tmp_path):
    from kerasrecipes.training import config
    from kerasrecipes.training.initialization import initialize_weights
    from kerasrecipes.training.model_building import build_for_training

    tiny = dict(kr.get_recipe("wav2letter_small").tiny_config)
    ctc = kr.load("wav2letter_small", weights=None, compile=False, **tiny)
    ctc.save_weights(tmp_path / "ctc.weights.h5")
    own = config.config_for("wav2letter_small_asg", init_from=str(tmp_path / "ctc.weights.h5"))
    own = config.config_from_dict({**own.to_dict(), "config": {**own.config, **tiny}})
    asg = build_for_training(own)
    initialize_weights(own, asg)
    trunk = [v for v in ctc.weights if "logits" not in v.path]
    taken = [v for v in asg.weights if "logits" not in v.path and "transitions" not in v.path and "seed" not in v.path]
    assert len(trunk) == len(taken) == 3 * 5
    for v, w in zip(trunk, taken, strict=True):
        np.testing.assert_array_equal(v, w)
    assert asg.get_layer("transitions").transitions.shape == (30, 30) and asg.alphabet.num_repetition_symbols == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"front_end": "mcff"}, "power_spectrum"), ({"activation": "tanh"}, "hard_tanh"), ({"criterion": "crf"}, "asg"),
        ({"normalization": "batch"}, "sequence"), ({"front_end": "raw", "low_pass": {"prob": 1.0}}, "has none"),
    ],
)  # fmt: skip
def test_unknown_names_raise(changes, told):
    with pytest.raises(ValueError, match=told):
        kr.get_recipe("wav2letter").build(**changes)

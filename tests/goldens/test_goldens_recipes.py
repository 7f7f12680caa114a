"""ConvNetJS, WaveNet, Deep Speech 2 and the ascent of Yosinski et al. compared with what the original programs computed."""

import keras
import numpy as np
import pytest
import wave_checks
from golden_check import assert_is_golden
from golden_inputs import INPUTS, make_amplitudes
from recipe_inputs import (
    ASCENT_STEPS,
    CONVNETJS,
    DEEPSPEECH,
    SPEAKERS,
    WAVENET,
    make_ascent_case,
    make_convnetjs_case,
    make_deepspeech_case,
    make_spectra,
    make_wavenet_case,
)
from test_goldens_packages import reorder_gates

import kerasrecipes as kr
from kerasrecipes import layers
from kerasrecipes.layers.mu_law import mu_law_decode, mu_law_encode
from kerasrecipes.visualize.activation_maximization import GradientAscent, resolve_settings
from kerasrecipes.visualize.fourier_images import spectrum_to_image

array = keras.ops.convert_to_numpy


# ---------------------------------------------------------------------- ConvNetJS


def build_convnetjs(name, case, **options):
    model = kr.load(name, weights=None, **options)
    weighted = [layer for layer in model.layers if layer.weights]
    for layer, (kernel, bias) in zip(weighted, case["weights"], strict=True):
        kernel = np.moveaxis(kernel, 0, -1)  # (y, x, depth, filters)
        layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
    return model, weighted


@pytest.mark.parametrize("name", CONVNETJS)
def test_convnetjs_forward(name):
    case = make_convnetjs_case(name, 6)
    model, _ = build_convnetjs(name, case, compile=False)
    logits = model.predict_logits((case["images"] + 0.5) * 255)
    assert_is_golden(f"{name}_forward", {"logits": logits}, 1e-5, keys=("logits",))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert_is_golden(f"{name}_forward", {"probabilities": shares}, 1e-5, keys=("probabilities",))


@pytest.mark.parametrize("name", CONVNETJS)
def test_convnetjs_epoch_of_adadelta(name):
    """Three batches, decay of the weights included. ConvNetJS reports a loss for each image."""
    batch_size = CONVNETJS[name][4]
    case = make_convnetjs_case(name, 3 * batch_size)
    model, weighted = build_convnetjs(name, case)
    losses = []
    for start in range(0, 3 * batch_size, batch_size):
        batch = slice(start, start + batch_size)
        decay = sum(float(v) for v in model.losses)
        loss = model.train_on_batch((case["images"][batch] + 0.5) * 255, case["labels"][batch], return_dict=True)["loss"]
        model.reset_metrics()
        losses.append(loss - decay)
    updates = {}
    for i, (layer, before) in enumerate(zip(weighted, case["weights"], strict=True)):
        kernel, bias = layer.get_weights()
        kernel = np.moveaxis(kernel, -1, 0).reshape(before[0].shape) - before[0]
        updates[f"update{2 * i}"] = kernel if kernel.size < 3000 else kernel[::4]
        updates[f"update{2 * i + 1}"] = bias - before[1]
    assert_is_golden(f"{name}_adadelta", updates, 1e-3, keys=tuple(updates))
    means = np.reshape(load_array(f"{name}_adadelta", "losses")[:, 0], (3, batch_size)).mean(1)
    np.testing.assert_allclose(losses, means, rtol=1e-5)


def load_array(name, key):
    from golden_inputs import GOLDENS

    with np.load(GOLDENS / f"{name}.npz") as golden:
        return golden[key]


# ---------------------------------------------------------------------- WaveNet


def build_wavenet(conditioned):
    """Return the recipe with the weights of ibab's program. Its embedding and products are one table of speakers here."""
    case = make_wavenet_case()
    speakers = tuple(f"s{i}" for i in range(SPEAKERS)) if conditioned else ()
    model = kr.load("wavenet", weights=None, compile=False, speakers=speakers, **WAVENET)
    per_layer = {name: np.stack([layer[name] for layer in case["layers"]]) for name in case["layers"][0]}
    pairs = {
        "kernel": ("filter", "gate"), "bias": ("filter_bias", "gate_bias"), "residual": ("dense",), "skip": ("skip",),
        "residual_bias": ("dense_bias",), "skip_bias": ("skip_bias",),
    }  # fmt: skip
    stack = model.get_layer("stack")
    for name, sources in pairs.items():
        value = np.concatenate([per_layer[source] for source in sources], axis=-1)
        getattr(stack, name).assign(value.reshape(getattr(stack, name).shape))
    if conditioned:
        products = np.concatenate([per_layer["gc_filtweights"], per_layer["gc_gateweights"]], axis=-1)[:, 0]
        table = np.einsum("sc,lcd->lsd", case["gc_embedding"], products)
        stack.speaker_kernel.assign(np.concatenate([0 * table[:, :1], table], axis=1))  # the first row is no speaker
    next(v for v in model.layers if isinstance(v, layers.CausalEmbeddingConv1D)).kernel.assign(case["causal"])
    for name, source in (("post", "postprocess1"), ("logits", "postprocess2")):
        model.get_layer(name).set_weights([case[source][0], case[f"{source}_bias"]])
    return model, case


@pytest.mark.parametrize("conditioned", [False, True], ids=["plain", "conditioned"])
def test_wavenet(conditioned):
    """A whole batch after the receptive field of 16, and samples one by one from the first on."""
    model, case = build_wavenet(conditioned)
    key, speakers = ("conditioned", case["speakers"] + 1) if conditioned else ("plain", np.zeros(2, "int32"))
    waves = mu_law_decode(case["codes"], 32).astype("float32")
    inputs = {"audio": waves, "length": np.full(2, 40, "int32")} | ({"speaker": speakers} if conditioned else {})
    assert_is_golden("ibab_wavenet_batch", {key: model.predict_logits(inputs)[:, 15:]}, 1e-5, keys=(key,))
    logits = wave_checks.forced(model, waves[:1], speakers[:1], [None], 8)[0].astype("float64")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert_is_golden("ibab_wavenet_incremental", {key: shares}, 1e-5, keys=(key,))


def test_mu_law_of_ibab():
    inputs = make_amplitudes()
    results = {"codes": mu_law_encode(inputs["audio"]), "decoded": mu_law_decode(inputs["codes"])}
    assert_is_golden("ibab_mu_law", results, 1e-6)


# ---------------------------------------------------------------------- Deep Speech 2


def set_norm(layer, weights, prefix, bias=0.0):
    """Set a batch normalization from torch's, whose epsilon is 1e-5, after a layer whose bias torch adds before it."""
    scale, shift, mean, variance = (weights[f"{prefix}.{n}"] for n in ("weight", "bias", "running_mean", "running_var"))
    layer.set_weights([scale, shift, mean - bias, variance + 1e-5 - layer.epsilon])


def build_deepspeech(name):
    cell, directions, lookahead = DEEPSPEECH[name]
    model = kr.get_recipe("deepspeech2").build(
        vocab_size=5, win_length=88, hop_length=44, conv=((32, (41, 11), (2, 2)), (32, (21, 11), (2, 1))), recurrent_layers=3,
        recurrent_units=6, cell=cell, cell_activation="tanh", bidirectional=directions == 2, shared_input=False,
        batch_norm="layer_input", lookahead=max(lookahead - 1, 0),
    )  # fmt: skip
    weights = make_deepspeech_case(name)["weights"]
    norms = [v for v in model.layers if isinstance(v, layers.MaskedBatchNormalization)]
    for i, convolution in enumerate(v for v in model.layers if isinstance(v, layers.SequenceConv2D)):
        prefix = f"conv.seq_module.{3 * i}"
        convolution.set_weights([weights[f"{prefix}.weight"].transpose(3, 2, 1, 0)])
        set_norm(norms[i], weights, f"conv.seq_module.{3 * i + 1}", weights[f"{prefix}.bias"])
    size = norms[2].weights[0].shape[0]
    identity = np.full(size, np.sqrt(1 + norms[2].epsilon), "float32"), np.zeros(size), np.zeros(size), np.ones(size)
    norms[2].set_weights(list(identity))  # torch has none before the first recurrent layer
    for i, recurrent in enumerate(v for v in model.layers if isinstance(v, layers.SequenceRNN)):
        if i:
            set_norm(norms[2 + i], weights, f"rnns.{i}.batch_norm.module")
        for j, suffix in enumerate(("", "_reverse")[:directions]):
            parts = (weights[f"rnns.{i}.rnn.{n}_l0{suffix}"].T for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            w, u, b, c = (reorder_gates(cell, part) for part in parts)
            if i == 0:  # torch's maps come before the frequencies
                w = w.reshape(32, 12, -1).transpose(1, 0, 2).reshape(384, -1)
            recurrent.kernels[j].assign(w)
            recurrent.loops[j].cell.recurrent_kernel.assign(u)
            recurrent.biases[j].assign(b if cell == "gru" else b + c)
            if cell == "gru":
                recurrent.loops[j].cell.recurrent_bias.assign(c)
    if lookahead:
        row = next(v for v in model.layers if isinstance(v, layers.RowConvolution))
        row.kernel.assign(weights["lookahead.0.conv.weight"][:, 0].T)
    set_norm(norms[-1], weights, "fc.0.module.0")
    model.get_layer("logits").set_weights([weights["fc.0.module.1.weight"].T, np.zeros(5)])
    start = next(v for v in model.layers if isinstance(v, layers.UtteranceNormalization))
    return keras.Model(start.output, model.output)


@pytest.mark.parametrize("name", DEEPSPEECH)
def test_deepspeech_pytorch(name):
    case = make_deepspeech_case(name)
    logits = array(build_deepspeech(name)([case["x"], case["lengths"]]))
    lengths = load_array(f"deepspeech_pytorch_{name}", "lengths")
    valid = np.concatenate([row[:n] for row, n in zip(logits, lengths, strict=True)])
    assert_is_golden(f"deepspeech_pytorch_{name}", {"logits": valid}, 1e-5, keys=("logits",))
    assert not logits[1, lengths[1] :].any()


# ---------------------------------------------------------------------- activation maximization


@pytest.mark.parametrize("preset", [1, 2, 3, 4])
def test_yosinski_ascent(preset):
    case = make_ascent_case()
    x = keras.Input((12, 10, 3))
    hidden = keras.layers.Conv2D(6, 5, 2, activation="tanh", use_bias=False)(x)
    model = keras.Model(x, keras.layers.Dense(5, use_bias=False, name="top")(keras.layers.Flatten()(hidden)))
    model.set_weights([case["kernel"], case["top"]])
    settings = resolve_settings(preset, steps=ASCENT_STEPS)
    ascent = GradientAscent(model, "top", -1, settings, limits=(-117.0, 138.0))
    result = ascent.run(case["start"][None], [3], [0])
    results = {
        "last": result.last[0], "best": result.best[0], "activations": result.curve[:, 0], "best_at": result.best_at[0],
    }  # fmt: skip
    assert_is_golden(f"yosinski_ascent_{preset}", results, 1e-3)


def test_lucent_images():
    spectra = make_spectra()
    images = {name: array(spectrum_to_image(spectra[name], width)) for name, width in (("even", 24), ("odd", 21))}
    assert_is_golden("lucent_fourier", images, 1e-5)


def test_inputs_of_packages_and_recipes_are_seeded():
    for make in (*INPUTS.values(), make_wavenet_case, make_ascent_case, make_spectra):
        first, second = make(), make()
        assert all(np.array_equal(first[k], second[k]) for k in first if isinstance(first[k], np.ndarray))

"""Every recipe for speech and phones, at test size: the same scores alone, in a batch, saved, in pieces and on every backend."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from processes import in_new_process
from registry_helpers import distinct

import kerasrecipes as kr
from kerasrecipes import testing
from kerasrecipes.errors import WeightsCorrupted
from kerasrecipes.inference.streaming_graph import StreamingState, StreamingStep

SPEECH = distinct("speech-recognition", "phoneme-recognition")
LENGTHS = np.array([12000, 7700, 4001], "int32")


def inputs():
    rng = np.random.default_rng(5)
    audio = rng.normal(size=(3, 12000)).astype("float32") * 0.1  # noise behind the lengths, on purpose
    return {"audio": audio, "length": LENGTHS}


def tiny(name):
    return testing.load_tiny(name, compile=False)


@pytest.fixture(scope="module")
def models():
    return {name: tiny(name) for name in SPEECH}


@pytest.fixture(scope="module")
def together(models):
    return {name: model.predict_logits(inputs()) for name, model in models.items()}


@pytest.mark.parametrize("name", SPEECH)
def test_alone_is_in_a_batch_and_lengths_are_known(name, models, together):
    model = models[name]
    assert model.output_length(LENGTHS).tolist() == [model.output_length(int(n)) for n in LENGTHS]
    np.testing.assert_array_equal(testing.check_batch(model, inputs(), 1e-5), together[name])


@pytest.mark.parametrize("name", SPEECH)
def test_in_pieces(name, models):
    testing.check_chunks(models[name], 2e-5)


@pytest.mark.parametrize("name", ["deepspeech2_icml"])
def test_any_way_of_cutting_gives_the_whole(name, models):
    from kerasrecipes.inference.chunked import ChunkedScorer
    from kerasrecipes.inference.streaming_graph import StreamingState

    rng = np.random.default_rng(4)
    features = rng.normal(size=(301, 161)).astype("float32")
    graph = ChunkedScorer(models[name]).streaming_model
    runs = []
    for piece, cuts in ((400, []), (1, [150]), (7, sorted(rng.integers(0, 301, 40))), (64, [0, 301])):
        sequence = StreamingState(graph, piece)
        runs.append(np.concatenate([*map(sequence.feed, np.split(features, cuts)), sequence.finish()]))
    norm = next(layer for layer in models[name].layers if type(layer).__name__ == "UtteranceNormalization")
    above = keras.Model(norm.output, models[name].output)
    whole = keras.ops.convert_to_numpy(above([features[None], np.array([301], "int32")]))[0]
    for run in runs:
        np.testing.assert_allclose(run, whole, atol=1e-5)


def test_forward_net_ignores_what_lies_beyond_its_lookahead(models):
    """A score depends on input frames up to the convolutions' reach and the row convolution's lookahead (section 3.6)."""
    model = models["deepspeech2_icml"]
    norm = next(layer for layer in model.layers if type(layer).__name__ == "UtteranceNormalization")
    above = keras.Model(norm.output, model.output)
    x = np.random.default_rng(1).normal(size=(1, 120, 161)).astype("float32")
    y = x.copy()
    y[0, 80] += 3
    a, b = (keras.ops.convert_to_numpy(above([v, np.array([120], "int32")]))[0] for v in (x, y))
    moved = np.flatnonzero(np.abs(a - b).max(1) > 1e-7)
    reach = 5 + 2 * 5 + 2 * 3  # two time filters of 11 at strides 1 and 2, lookahead 3 at stride 2
    assert moved.min() >= (80 - reach) // 2 and moved.max() > 40  # and all that comes later may change


RELOAD = """
import sys, numpy as np, kerasrecipes as kr
folder = sys.argv[1]
x = dict(np.load(folder + "/inputs.npz"))
np.savez(folder + "/saved.npz", **{n: kr.load(f"{folder}/{n}.keras", compile=False).predict_logits(x) for n in sys.argv[2:]})
"""


@pytest.mark.slow
def test_saved_files_open_in_a_new_process(models, together, tmp_path):
    np.savez(tmp_path / "inputs.npz", **inputs())
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    in_new_process(RELOAD, tmp_path, *SPEECH)
    found = np.load(tmp_path / "saved.npz")
    for name in SPEECH:
        np.testing.assert_allclose(found[name], together[name], atol=1e-6)


REBUILD = """
import sys, json, numpy as np, keras, kerasrecipes as kr
from kerasrecipes.losses.ctc import ctc_loss
folder = sys.argv[1]
x, out = dict(np.load(folder + "/inputs.npz")), {}
logits = x.pop("logits")
for name, config in json.load(open(folder + "/configs.json")).items():
    model = kr.load(name, weights=f"{folder}/{name}.weights.h5", compile=False, **config)
    out[name] = model.predict_logits(x)
    if config.get("lookahead"):
        from kerasrecipes.inference.chunked import predict_logits_chunked
        out["pieces " + name] = predict_logits_chunked(model, x["audio"][0], 0.2)
    compiled_long = keras.config.backend() == "jax" and name not in ("deepspeech2_streaming_small", "wav2letter_raw")
    if kr.get_recipe(name).task == "speech-recognition" and not compiled_long:  # and it learns
        model.compile(keras.optimizers.SGD(1e-3))
        losses = [np.ravel(model.train_on_batch(x, np.array([[1, 2], [3, 0], [4, 0]], "int32")))[0] for _ in range(4)]
        assert np.isfinite(losses).all() and losses[-1] < losses[0], (name, losses)
labels = np.array([[1, 2, 2, 5], [3, 0, 0, 0], [4, 4, 0, 0]], "int32")
out["ctc"] = keras.ops.convert_to_numpy(ctc_loss(labels, logits, np.array([9, 6, 3])))
np.savez(folder + "/rebuilt.npz", **out)
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree(backend, models, together, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    from kerasrecipes.losses.ctc import ctc_loss

    some = [
        "deepspeech1",
        "deepspeech2",
        "deepspeech2_icml",
        "deepspeech2_streaming_small",
    ]  # one of each kind of layer
    some += [
        "wav2letter_mfcc39",
        "wav2letter_raw",
        "palaz_raw",
        "palaz_raw_small",
        "palaz_mfcc_small",
        "wavenet_asr_small",
    ]
    logits = np.random.default_rng(7).normal(size=(3, 9, 6)).astype("float32")
    np.savez(tmp_path / "inputs.npz", **inputs(), logits=logits)
    (tmp_path / "configs.json").write_text(json.dumps({n: dict(kr.get_recipe(n).tiny_config) for n in some}))
    for name in some:
        models[name].save_weights(tmp_path / f"{name}.weights.h5")
    in_new_process(REBUILD, tmp_path, backend=backend)
    found = np.load(tmp_path / "rebuilt.npz")
    for name in some:
        np.testing.assert_allclose(found[name], together[name], atol=1e-4)
    for name in ("deepspeech2_icml", "deepspeech2_streaming_small"):
        np.testing.assert_allclose(found["pieces " + name], together[name][0], atol=1e-4)
    labels = np.array([[1, 2, 2, 5], [3, 0, 0, 0], [4, 4, 0, 0]], "int32")
    expected = keras.ops.convert_to_numpy(ctc_loss(labels, logits, np.array([9, 6, 3])))
    np.testing.assert_allclose(found["ctc"], expected, rtol=1e-4)


FUSED = """
import os, sys, numpy as np, torch
from kerasrecipes.layers import SequenceRNN, torch_recurrent
rng = np.random.default_rng(0)
x = torch.tensor(rng.normal(size=(3, 17, 5)).astype("float32"), requires_grad=True)
n = torch.tensor([17, 8, 1])
for cell in ("gru", "rnn", "lstm"):
    for limit in (None, 0.5):
        for bidirectional in (True, False):
            for norm in (False, True):
                layer = SequenceRNN(6, cell, limit, bidirectional, "concat", norm, norm)
                results = []
                for switch in "01":
                    os.environ["KERASRECIPES_FUSED"] = switch
                    y, _ = layer(x, n, training=True)
                    for v in layer.trainable_variables:
                        v.value.grad = None
                    x.grad = None
                    (y * torch.arange(y.numel()).reshape(y.shape).float().cos()).sum().backward()
                    grads = [v.value.grad for v in layer.trainable_variables]
                    results.append([y.detach(), x.grad.clone(), *[g.clone() for g in grads if g is not None]])
                for a, b in zip(*results, strict=True):
                    assert torch.allclose(a, b, atol=1e-5), (cell, limit, bidirectional, norm, (a - b).abs().max())
                if cell != "rnn" and limit is None and not norm:
                    packed = torch_recurrent.packed_rnn(x, n, layer.kernels, layer.biases, [p.cell for p in layer.loops])
                    valid = (torch.arange(17)[None] < n[:, None])[..., None]
                    assert torch.allclose(torch.cat(packed, -1) * valid, results[0][0], atol=1e-5)
"""


def test_torch_kernels_equal_the_plain_loop_and_its_gradients():
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed")
    in_new_process(FUSED, backend="torch")


def test_another_alphabet_keeps_the_trunk_and_renews_the_head(models, tmp_path):
    name = "deepspeech2_small"
    path = tmp_path / "w.weights.h5"
    models[name].save_weights(path)
    config = kr.get_recipe(name).tiny_config
    digits = kr.load(name, weights=path, alphabet="0123456789", **config)
    assert digits.output_shape[-1] == 11
    same = kr.load(name, weights=path, alphabet=kr.Alphabet(), **config)
    for a, b, c in zip(models[name].layers, digits.layers, same.layers, strict=True):
        for v, w, u in zip(a.get_weights(), b.get_weights(), c.get_weights(), strict=True):
            np.testing.assert_array_equal(v, u)
            if a.name != "logits":
                np.testing.assert_array_equal(v, w)


def test_weights_of_another_architecture_are_refused(models, tmp_path):
    models["deepspeech2"].save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(WeightsCorrupted, match="does not fit deepspeech2_small"):
        kr.load("deepspeech2_small", weights=tmp_path / "w.weights.h5")
    (tmp_path / "x.weights.h5").write_bytes(b"nothing")
    with pytest.raises(WeightsCorrupted):
        kr.load("deepspeech2_small", weights=tmp_path / "x.weights.h5")


def test_front_end_is_a_float64_reference(models):
    """numpy.fft on frames of the power-normalized clip, logarithm, each bin's mean and the utterance's deviation."""
    model = models["deepspeech2_small"]
    front = keras.Model(model.input, model.layers[4].output[0])
    assert type(model.layers[4]).__name__ == "UtteranceNormalization"
    found = keras.ops.convert_to_numpy(front(inputs(), training=False))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)
    for i, n in enumerate(LENGTHS):
        x = inputs()["audio"][i, :n].astype("float64")
        x = x / np.sqrt(np.mean(x**2) + 1e-8)
        frames = np.stack([x[k : k + 320] * window for k in range(0, n - 319, 160)])
        y = np.log(np.abs(np.fft.rfft(frames)) ** 2 + 1e-2)
        y -= y.mean(0)
        y /= np.sqrt(np.mean(y**2) + 1e-3)
        np.testing.assert_allclose(found[i, : len(y)], y, atol=1e-4)


def test_predict_runs_the_verb_of_every_task(models):
    wave = inputs()["audio"][0]
    for name, model in models.items():
        assert kr.predict(model, wave, sample_rate=16000) == model.transcribe(wave, sample_rate=16000), name


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_pieces_under_a_mixed_policy(policy):
    """What the first layers get of a piece has the precision that they have of the whole."""
    before, wave = keras.config.dtype_policy(), inputs()["audio"][0]
    keras.config.set_dtype_policy(policy)
    try:
        model = tiny("wavenet_asr_small")
        whole = model.predict_logits({"audio": wave[None], "length": LENGTHS[:1]})[0][: model.output_length(12000)]
        graph = StreamingState(model.streaming_graph(), 4000)
        pieces = np.concatenate([graph.feed(wave), graph.finish()])
        assert [v.compute_dtype for v in model.streaming_graph().model.layers if isinstance(v, StreamingStep)] == [
            "float32"
        ]
    finally:
        keras.config.set_dtype_policy(before)
    assert pieces.shape == whole.shape and np.abs(pieces - whole).max() < 0.05 * np.abs(whole).max()

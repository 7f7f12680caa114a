"""Streaming: any portions give the scores, words and times of the whole."""

import io
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

import kerasrecipes as kr
from kerasrecipes.cli import listen
from kerasrecipes.decoding import DecodingOptions, greedy_decode
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.inference.stream_decoders import make_stream_decoder
from kerasrecipes.inference.streaming_graph import StreamingState
from kerasrecipes.inference.streaming_session import StreamingSession, lookahead_samples
from kerasrecipes.registry import all_recipes

STREAMING = [
    n for n, r in all_recipes().items() if "streaming" in r.tags and r.config.get("normalization") == "causal"
]


@pytest.fixture(scope="module", params=STREAMING)
def model(request, wave):
    import keras

    keras.utils.set_random_seed(3)
    model = kr.load(request.param, weights=None, compile=False, **kr.get_recipe(request.param).tiny_config)
    rng = np.random.default_rng(2)
    for variable in model.weights:
        if variable.path.endswith(("bias", "beta", "mean")):
            variable.assign(rng.normal(size=variable.shape) * 0.1)
        elif "kernel" in variable.path:  # so that random weights write letters and spaces
            variable.assign(variable * (60 if "logits" in variable.path else 2))
    best = model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")})[0].argmax(1)
    frequent = np.argsort(-np.bincount(best, minlength=model.alphabet.vocab_size))
    places = [
        3,
        1,
        0,
        4,
        2,
        *range(5, model.alphabet.vocab_size),
    ]  # the commonest becomes "a", the next a space, then the blank
    kernel, bias = model.get_layer("logits").get_weights()
    kernel[:, places], bias[places] = kernel[:, frequent], bias[frequent]
    model.get_layer("logits").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def wave():
    rng = np.random.default_rng(1)
    return (rng.normal(size=80_123) * np.repeat(rng.uniform(0, 0.2, 41), 1955)[:80_123]).astype("float32")


def test_any_portions_give_the_whole_transcript(model, wave):
    whole = model.transcribe(wave, sample_rate=16000, decoder="greedy")
    assert len(whole.words) > 3
    rng = np.random.default_rng(0)
    for cuts in ([], [1, 2, 3], sorted(rng.integers(0, len(wave), 200)), range(0, len(wave), 3840)):
        stream = model.stream(chunk_seconds=float(rng.uniform(0.01, 1)))
        for portion in np.split(wave, cuts):
            stream.feed(portion)
        found = stream.finish()
        assert found.text == whole.text == stream.text and found.duration == whole.duration
        assert [w.text for w in found.words] == [w.text for w in whole.words]
        np.testing.assert_allclose([w.start for w in found.words], [w.start for w in whole.words], atol=1e-6)
        np.testing.assert_allclose(found.confidence, whole.confidence, rtol=1e-4)


def test_words_come_before_the_end_and_stay(model, wave):
    stream, seen = model.stream(), ""
    for portion in np.split(wave, range(0, len(wave), 4000)):
        text = stream.feed(portion)
        assert text.split()[: len(seen.split()) - 1] == seen.split()[:-1]  # only the last word may change
        seen = text
    assert len(seen.split()) >= len(stream.finish().words) - 3


def test_scores_come_after_the_stated_latency(model, wave):
    """Frame k needs `lookahead` samples from its own first one on, and not one less."""
    graph, need = model.streaming_graph(), lookahead_samples(model)
    inputs = {"audio": wave[None, :40_000], "length": np.array([40_000], "int32")}
    whole, k = model.predict_logits(inputs)[0], 20
    for samples, known in ((k * model.stride + need, True), (k * model.stride + need - 160, False)):
        sequence = StreamingState(graph, model.stride)
        length = (k + -(-need // model.stride)) * model.stride
        found = sequence.feed(np.pad(wave[:samples], (0, length - samples)))
        assert len(found) > k
        assert np.allclose(found[k], whole[k], atol=1e-6 * np.abs(whole).max()) == known
    stream = model.stream(chunk_seconds=0.32)
    assert stream.latency == pytest.approx((need + 5120) / 16000)


def test_another_rate_is_resampled_as_a_whole(model, wave):
    fast = soxr.resample(wave, 16000, 48000).astype("float32")
    stream = model.stream(sample_rate=48000)
    for portion in np.split(fast, range(0, len(fast), 5000)):
        stream.feed(portion)
    expected = model.transcribe(soxr.resample(fast, 48000, 16000), sample_rate=16000, decoder="greedy")
    assert kr.metrics.character_error_rate([expected.text], [stream.finish().text]).rate < 0.05


def test_memory_does_not_grow_with_the_audio(model, wave):
    stream, sizes = model.stream(), []
    for _ in range(6):
        stream.feed(wave)
        assert len(stream._state.buffer) < stream._state.chunk_steps
        sizes.append(len(stream._decoder._logits))
    assert max(sizes) < len(wave) / model.stride
    scores = np.zeros((50, model.alphabet.vocab_size), "float32")
    scores[:, 0] = 9  # a pause
    quiet = make_stream_decoder(model, DecodingOptions())
    for _ in range(100):
        quiet.append(scores)
    assert len(quiet._logits) == 1 and quiet._final.num_frames == 4999


def test_alphabets_without_a_space_are_cut_at_blanks():
    scores = np.eye(4)[[1, 1, 0, 1, 2, 2, 0, 0, 3, 0]].astype("float32") * 9
    alphabet = kr.Alphabet("abc")
    decoder = make_stream_decoder(SimpleNamespace(alphabet=alphabet, sample_rate=16000, stride=160), DecodingOptions())
    for row in scores:
        decoder.append(row[None])
    text = "".join(c.text for c in decoder._final.characters)
    assert text == greedy_decode(scores, alphabet).text == "aabc" and len(decoder._logits) == 1


@pytest.mark.parametrize("portion", [1000, 16_000, 10**6])
def test_phrases_of_a_stream_are_those_of_the_recording(model, wave, portion):
    """Words that the network hears in the recording, and one that it does not."""
    heard = model.transcribe(wave, sample_rate=16000, decoder="greedy").text.split()
    phrases = {"phrases": [*heard[1::3], "xylophone"], "rejection_cost": 1.0}
    stream = model.stream(**phrases)
    for begin in range(0, len(wave), portion):
        stream.feed(wave[begin : begin + portion])
    whole, result = model.transcribe(wave, sample_rate=16000, **phrases), stream.finish()
    assert result.text == whole.text and set(result.text.split()) <= set(heard[1::3])
    assert len(result.words) >= len(heard[1::3])
    assert np.allclose([w.start for w in result.words], [w.start for w in whole.words])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"phrases": ["?"]}, "no letters"), ({"pause_seconds": -1}, "0 or more"), ({"decoder": "beam"}, "whole recording")],
)  # fmt: skip
def test_decoding_options_that_no_stream_takes(model, options, message):
    with pytest.raises(KerasRecipesError, match=message):
        StreamingSession(model, **options)


def test_listening_to_a_file_prints_the_text_as_it_grows(model, wave, tmp_path):
    path, out = tmp_path / "talk.wav", io.StringIO()
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    result = listen.print_live_transcript(model, listen.simulate_realtime(path, playback_speed=0), out)
    lines = out.getvalue().splitlines()
    assert lines[-1] == result.text == model.transcribe(path, decoder="greedy").text and len(lines) > 5
    begin = time.monotonic()
    portions = list(listen.simulate_realtime(path, playback_speed=10))
    assert time.monotonic() - begin > 0.4 and np.array_equal(np.concatenate(portions), kr.load_audio(path))


def test_a_missing_microphone_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match=r"kerasrecipes\[mic\]"):
        next(listen.microphone())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((4, 2), "float32"), "mix down"),
        (np.zeros(4, "int64"), "16 or 32 bits"),
        (np.array([np.nan], "float32"), "NaN or infinite"),
        (np.array([5.0], "float32"), "outside -1 to 1"),
    ],
)
def test_bad_samples_are_refused_and_lose_nothing(model, samples, message):
    stream = model.stream()
    with pytest.raises(AudioError, match=message):
        stream.feed(samples)
    assert stream.feed(np.zeros(1600, "int16")) == ""
    assert stream.finish().duration == pytest.approx(0.1)
    with pytest.raises(AudioError, match="finished"):
        stream.feed(np.zeros(5, "float32"))


def test_whole_utterance_nets_say_so():
    name = "deepspeech2_small"
    model = kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)
    with pytest.raises(KerasRecipesError, match="cannot stream"):
        model.stream()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_chunks_have_a_length(model, seconds):
    with pytest.raises(KerasRecipesError, match="chunk_seconds is"):
        model.stream(chunk_seconds=seconds)

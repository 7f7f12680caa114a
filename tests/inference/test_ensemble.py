"""Averaging the probabilities of several recognizers."""

import json

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.audio import Recording
from kerasrecipes.cli import main
from kerasrecipes.cli.evaluate import decoder_label
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub.metric_names import find_best
from kerasrecipes.inference.ensemble import RecognizerEnsemble, average_log_probs
from kerasrecipes.loading import load_named_models

DEMO = "kerasrecipes/assets/demo.mp3"


@pytest.fixture(scope="module")
def models():
    """Mel bands and waveform, whose frames stand at the same times."""
    return [kr.load(name, engine="onnxruntime") for name in ("wav2letter_small", "wav2letter_raw_small")]


@pytest.fixture(scope="module")
def wave():
    return kr.load_audio(DEMO)


def predict(model, wave):
    return model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")})[0]


def test_the_mean_of_probabilities(models, wave):
    ensemble = RecognizerEnsemble(models)
    log_probs = predict(ensemble, wave)
    parts = [np.exp(log_softmax(predict(model, wave))) for model in models]
    frames = min(map(len, parts))
    np.testing.assert_allclose(np.exp(log_probs[:frames]), (parts[0][:frames] + parts[1][:frames]) / 2, atol=1e-6)
    assert len(log_probs) == ensemble.output_length(len(wave)) == len(parts[0])
    np.testing.assert_allclose(np.exp(predict(RecognizerEnsemble(models[:1]), wave)), parts[0], atol=1e-6)


def test_alone_in_a_batch_and_in_chunks(models, wave):
    ensemble = RecognizerEnsemble(models)
    alone, short = predict(ensemble, wave), wave[: len(wave) // 3]
    padded = np.zeros((2, len(wave)), "float32")
    padded[0, : len(short)], padded[1] = short, wave
    batch = ensemble.predict_logits({"audio": padded, "length": np.array([len(short), len(wave)], "int32")})
    np.testing.assert_allclose(batch[1], alone, atol=2e-3)
    frames = ensemble.output_length(len(short))
    np.testing.assert_allclose(batch[0, :frames], predict(ensemble, short), atol=2e-3)
    assert not batch[0, frames:].any()
    chunked = ensemble.predict_logits_chunked(Recording.from_samples(wave))
    np.testing.assert_allclose(np.exp(chunked), np.exp(alone), atol=2e-3)


def test_frames_that_a_network_lacks_have_the_others_mean():
    rng = np.random.default_rng(0)
    first, longer, shorter = (rng.normal(size=(frames, 4)) for frames in (5, 6, 4))
    averaged = np.exp(average_log_probs([first, longer, shorter]))
    np.testing.assert_allclose(averaged.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(averaged[4], np.exp([log_softmax(first)[4], log_softmax(longer)[4]]).mean(axis=0), atol=1e-6)
    assert len(averaged) == 5


def test_transcribe_decodes_the_mean(models):
    first, other = models
    heard = first.transcribe(DEMO, average_with=[other])
    assert heard.text != first.transcribe(DEMO).text and "when it is" in heard.text
    assert heard.decoder == f"{first.transcribe(DEMO).decoder}, averaged with wav2letter_raw_small"
    assert [(t.text, t.decoder) for t in first.transcribe([DEMO, DEMO], average_with=[other])] == [(heard.text, heard.decoder)] * 2
    assert first.transcribe(DEMO, average_with=()).text == first.transcribe(DEMO).text
    keras_model = kr.load("wav2letter_small")
    assert keras_model.transcribe(DEMO, average_with=[other]).text == heard.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deepspeech2_small", "a frame every 40 ms, not every 30 ms"),
        ("palaz_raw_small", "its criterion is crf"),
        ("convnetjs_mnist", "its task is image-classification"),
    ],
)
def test_what_does_not_fit_is_refused(models, name, message):
    with pytest.raises(KerasRecipesError, match=f"{name} cannot be averaged with wav2letter_small: .*{message}"):
        models[0].transcribe(DEMO, average_with=[kr.load(name, engine="onnxruntime")])


def test_command_line_and_many_files(models, capsys, tmp_path):
    heard = models[0].transcribe(DEMO, average_with=models[1:]).text
    command = ["transcribe", "--recipe", "wav2letter_small", "--average-with", "wav2letter_raw_small", DEMO]
    assert main.main(command) == 0 and capsys.readouterr().out.strip() == heard
    assert main.main([*command, "--output", str(tmp_path / "rows"), "--workers", "1"]) == 0
    values = {"decoder": "greedy", "average_with": ("wav2letter_raw_small",)}
    assert decoder_label(values, models[0]) == "greedy, averaged with wav2letter_raw_small"
    assert decoder_label({"shift_average_seconds": 0.005, "decoder": "greedy"}, models[0]) == "greedy, shift average 0.005 s"
    (rows,) = (tmp_path / "rows").glob("part-*.jsonl")
    assert json.loads(rows.read_text())["text"] == heard


def test_the_best_measurement_is_of_one_network():
    alone = {"dataset": "dev-mini-report: 1", "metric": "wer", "value": 0.3, "decoder": "beam 800 + lm"}
    together = alone | {"value": 0.2, "decoder": "beam 800 + lm, averaged with x"}
    assert find_best("speech-recognition", [together, alone]) == alone


def test_names_among_options_become_models():
    loaded = load_named_models({"rescorer": "char_rnn_small", "average_with": ["wav2letter_raw_small"], "nbest": 2})
    assert loaded["nbest"] == 2 and len(loaded["rescorer"].log_probabilities(["a", "bc"])) == 2
    assert [model.name for model in loaded["average_with"]] == ["wav2letter_raw_small"]
    assert load_named_models(loaded) == loaded

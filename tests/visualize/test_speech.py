"""Speech recognizers: saliency is the gradient and stays within the receptive field, posteriors are the softmax of the logits."""

import numpy as np
import pytest
import soundfile

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers


def tiny(name):
    return kr.load(name, weights=None, compile=False, **kr.get_recipe(name).tiny_config)


@pytest.fixture(scope="module")
def model():
    return tiny("wav2letter_small")


@pytest.fixture(scope="module")
def wave():
    return (0.1 * np.random.default_rng(0).normal(size=32000)).astype("float32")


def test_saliency_is_the_gradient_of_the_unit(model, wave):
    saliency = visualize.compute_audio_saliency(model, wave, "logits:e@9", sample_rate=16000)
    frames, bands = saliency.values.shape
    assert (
        saliency.features.shape == (frames, bands)
        and bands > 10
        and saliency.unit.position == (9,)
        and saliency.seconds == 2.0
    )
    channel = saliency.unit.channel
    compute_logits = compile_function(
        model, lambda x: forward_to_layers(model, x, ["logits"], from_layer=saliency.from_layer)
    )
    before = compute_logits(saliency.features[None])[0][0, 9, channel]
    assert saliency.activation == pytest.approx(before, rel=1e-4)
    step = 1e-2 * saliency.values / np.linalg.norm(saliency.values)
    rise = (
        compute_logits((saliency.features + step)[None])[0][0, 9, channel]
        - compute_logits((saliency.features - step)[None])[0][0, 9, channel]
    ) / 2
    assert rise == pytest.approx(1e-2 * np.linalg.norm(saliency.values), rel=0.05)
    start, end = saliency.time_interval()
    middle = (9 + 0.5) * model.stride / 16000
    reach = model.receptive_field / 16000 / 2 + 0.06
    assert middle - reach <= start < end <= middle + reach < 2.0
    strongest = visualize.compute_audio_saliency(model, wave, "logits:e", sample_rate=16000)
    assert strongest.activation == pytest.approx(
        compute_logits(saliency.features[None])[0][0, :, channel].max(), rel=1e-4
    )


def test_models_on_the_waveform_show_samples(wave):
    model = tiny("palaz_raw_small")
    saliency = visualize.compute_audio_saliency(model, wave, "logits:AA@100", sample_rate=16000)
    assert saliency.from_layer == "audio" and saliency.values.shape == saliency.features.shape == (32000, 1)
    np.testing.assert_array_equal(saliency.features[:, 0], wave)
    # all samples influence the utterance's mean and deviation a little; large values are around the frame
    magnitudes = np.abs(saliency.values[:, 0])
    around = slice(
        int(100.5 * 160 - model.receptive_field / 2 - 160), int(100.5 * 160 + model.receptive_field / 2 + 160)
    )
    assert magnitudes[around].max() > 20 * np.delete(magnitudes, np.r_[around]).max()


def test_posteriors_spell_the_transcript(model, wave):
    posteriors = visualize.symbol_posteriors(model, wave, sample_rate=16000)
    np.testing.assert_allclose(posteriors.probabilities.sum(1), 1, rtol=1e-5)
    assert (
        posteriors.symbols[0] == "blank"
        and len(posteriors.symbols) == posteriors.probabilities.shape[1] == model.alphabet.vocab_size
    )
    path = posteriors.probabilities.argmax(1)
    symbols = path[np.flatnonzero(np.diff(path, prepend=-1))]
    text = "".join(posteriors.symbols[i] for i in symbols if i)
    assert "".join(text.split()) == "".join(posteriors.transcript.text.split())


def test_other_models_are_refused(wave):
    with pytest.raises(KerasRecipesError, match="is not a speech recognizer"):
        visualize.symbol_posteriors(tiny("zfnet_small"), wave, sample_rate=16000)


def test_the_command_reads_recordings(wave, tmp_path, capsys):
    soundfile.write(tmp_path / "talk.wav", wave[:16000], 16000)
    talk, out = str(tmp_path / "talk.wav"), tmp_path / "out"
    for name, unit in (("wav2letter_small", "logits:e"), ("palaz_raw_small", "logits:AA")):
        file = str(tmp_path / f"{name}.keras")
        tiny(name).save(file)
        assert main(["visualize", file, talk, "--unit", unit, "--method", "gradient", "--output", str(out)]) == 0, name
        assert main(["visualize", file, talk, "--method", "posteriors", "--output", str(out / name)]) == 0, name
        assert (out / name / f"{name}_talk_posteriors.png").stat().st_size > 3000
    assert len(list(out.glob("*_talk_*_gradient.png"))) == 2
    assert main(["visualize", file, "--method", "posteriors"]) == 1 and "needs a recording" in capsys.readouterr().err

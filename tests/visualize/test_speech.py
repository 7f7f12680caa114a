"""What recognisers listen to: saliency is the gradient and stays within the receptive field; letters are the scores."""

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
    found = visualize.compute_audio_saliency(model, wave, "logits:e@9", sample_rate=16000)
    frames, bands = found.values.shape
    assert found.heard.shape == (frames, bands) and bands > 10 and found.unit.place == (9,) and found.seconds == 2.0
    letter = found.unit.channel
    score = compile_function(model, lambda x: forward_to_layers(model, x, ["logits"], begin=found.begin))
    before = score(found.heard[None])[0][0, 9, letter]
    assert found.activation == pytest.approx(before, rel=1e-4)
    step = 1e-2 * found.values / np.linalg.norm(found.values)
    risen = (
        score((found.heard + step)[None])[0][0, 9, letter] - score((found.heard - step)[None])[0][0, 9, letter]
    ) / 2
    assert risen == pytest.approx(1e-2 * np.linalg.norm(found.values), rel=0.05)
    begin, end = found.span()
    middle = (9 + 0.5) * model.stride / 16000
    reach = model.receptive_field / 16000 / 2 + 0.06
    assert middle - reach <= begin < end <= middle + reach < 2.0
    strongest = visualize.compute_audio_saliency(model, wave, "logits:e", sample_rate=16000)
    assert strongest.activation == pytest.approx(score(found.heard[None])[0][0, :, letter].max(), rel=1e-4)


def test_nets_on_the_waveform_show_samples(wave):
    model = tiny("palaz_raw_small")
    found = visualize.compute_audio_saliency(model, wave, "logits:AA@100", sample_rate=16000)
    assert found.begin == "audio" and found.values.shape == found.heard.shape == (32000, 1)
    np.testing.assert_array_equal(found.heard[:, 0], wave)
    # the utterance's mean and deviation depend on all samples, a little; what counts lies around the frame
    share = np.abs(found.values[:, 0])
    around = slice(
        int(100.5 * 160 - model.receptive_field / 2 - 160), int(100.5 * 160 + model.receptive_field / 2 + 160)
    )
    assert share[around].max() > 20 * np.delete(share, np.r_[around]).max()


def test_letters_are_the_scores_and_spell_the_transcript(model, wave):
    found = visualize.symbol_posteriors(model, wave, sample_rate=16000)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    assert found.symbols[0] == "blank" and len(found.symbols) == found.probabilities.shape[1] == model.alphabet.vocab_size
    best = found.probabilities.argmax(1)
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    spelt = "".join(found.symbols[i] for i in kept if i)
    assert "".join(spelt.split()) == "".join(found.transcript.text.split())


def test_what_hears_nothing_says_so(wave):
    with pytest.raises(KerasRecipesError, match="no recogniser of speech"):
        visualize.symbol_posteriors(tiny("zfnet_small"), wave, sample_rate=16000)


def test_the_verb_looks_into_recordings(wave, tmp_path, capsys):
    soundfile.write(tmp_path / "talk.wav", wave[:16000], 16000)
    talk, out = str(tmp_path / "talk.wav"), tmp_path / "out"
    for name, unit in (("wav2letter_small", "logits:e"), ("palaz_raw_small", "logits:AA")):
        file = str(tmp_path / f"{name}.keras")
        tiny(name).save(file)
        assert main(["visualize", file, talk, "--unit", unit, "--method", "gradient", "--output", str(out)]) == 0, name
        assert main(["visualize", file, talk, "--method", "posteriors", "--output", str(out / name)]) == 0, name
        assert (out / name / f"{name}_talk_posteriors.png").stat().st_size > 3000
    assert len(list(out.glob("*_talk_*_gradient.png"))) == 2
    assert main(["visualize", file, "--method", "posteriors"]) == 1 and "needs recording FILE" in capsys.readouterr().err

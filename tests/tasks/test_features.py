"""Features and embeddings: what the output layer gets, and activations of any layer, of images and audio."""

import keras
import numpy as np
import pytest
import soundfile
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.errors import AudioError, ImageError, KerasRecipesError
from kerasrecipes.tasks.features import find_tensor
from kerasrecipes.testing import load_tiny

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype("uint8")
WAVE = (np.random.default_rng(1).normal(size=12_345) * 0.1).astype("float32")


@pytest.fixture(scope="module")
def models():
    names = ("squeezenet", "convnetjs_cifar10", "dilated_camvid_small", "deepspeech2_small", "wavenet_asr_small")
    return {name: load_tiny(name, compile=False) for name in names}


def call(layer, *inputs):
    return keras.ops.convert_to_numpy(keras.tree.flatten(layer(*inputs))[0])


@pytest.mark.parametrize("name", ["squeezenet", "convnetjs_cifar10", "dilated_camvid_small"])
def test_default_features_of_images_are_the_input_of_the_logits(name, models):
    """The layers from the output layer on turn the features into the model's logits."""
    model = models[name]
    features = model.features(PIXELS)
    head = keras.Model(find_tensor(model, None), model.output)
    logits = model.predict_logits(model.network_input(PIXELS))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(head(features[None])), logits, atol=1e-4)
    np.testing.assert_allclose(model.embed(PIXELS), features.reshape(-1, features.shape[-1]).mean(0), atol=1e-6)


def test_padding_of_the_output_layer_is_left_out(models):
    """SqueezeNet pads its last convolution by one pixel: the features are those of the layer before (in timm 13 x 13 at full size)."""
    model = models["squeezenet"]
    size = model.get_layer("logits").input.shape[1]
    assert model.features(PIXELS).shape[0] == size - 2
    np.testing.assert_allclose(model.features(PIXELS), model.features(PIXELS, "fire3"), atol=1e-6)


def test_classifiers_see_the_center_crop(models):
    """The probabilities of `classify` follow from the features by the output layer alone."""
    model = models["convnetjs_cifar10"]
    logits = call(model.get_layer("logits"), model.features(PIXELS)[None])[0].astype("float64")
    found = model.classify(PIXELS).probabilities
    np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


@pytest.mark.parametrize("name", ["deepspeech2_small", "wavenet_asr_small"])
def test_default_features_of_audio_are_the_input_of_the_logits(name, models):
    model = models[name]
    features = model.features(WAVE, sample_rate=16000)
    logits = model.predict_logits({"audio": WAVE[None], "length": np.array([len(WAVE)], "int32")})[0]
    assert len(features) == model.output_length(len(WAVE)) == len(logits)
    np.testing.assert_allclose(call(model.get_layer("logits"), features[None])[0], logits, atol=1e-4)
    np.testing.assert_allclose(model.embed(WAVE, sample_rate=16000), features.mean(0), atol=1e-6)


def test_layers_by_name_and_number(models):
    model = models["squeezenet"]
    names = [layer.name for layer in model.layers]
    network = keras.Model(model.input, model.get_layer(names[3]).output)
    expected = call(network, model.network_input(PIXELS))[0]
    for layer in (names[3], 3, 3 - len(names)):
        np.testing.assert_allclose(model.features(PIXELS, layer), expected, atol=1e-5)
    for layer in ("fire99", 999):
        with pytest.raises(KerasRecipesError, match=f"has no layer {layer!r}; its layers are .*logits"):
            model.features(PIXELS, layer)
    speech = models["deepspeech2_small"]  # layers of sequences return lengths as well
    values = speech.features(WAVE, 4, 16000)
    assert values.ndim == 2 and len(values) == 1 + (len(WAVE) - 320) // 160


def test_lists_and_folders(models, tmp_path):
    for i in range(2):
        Image.fromarray(PIXELS[:, i:]).save(tmp_path / f"{i}.png")
        soundfile.write(tmp_path / f"{i}.wav", WAVE[i * 1000 :], 16000)
    image_model, speech = models["squeezenet"], models["deepspeech2_small"]
    images, clips = [tmp_path / f"{i}.png" for i in range(2)], [tmp_path / f"{i}.wav" for i in range(2)]
    for model, files in ((image_model, images), (speech, clips)):
        single = np.stack([model.embed(file) for file in files])
        np.testing.assert_allclose(model.embed(files), single, atol=1e-6)
        assert [f.shape for f in model.features(files)] == [model.features(file).shape for file in files]
        assert not np.allclose(single[0], single[1]) and model.embed([]).shape[0] == 0
    np.testing.assert_allclose(image_model.embed(tmp_path), single_of(image_model, images), atol=1e-6)
    with pytest.raises(ImageError, match="gone"):
        image_model.embed([tmp_path / "gone.png"])
    with pytest.raises(AudioError, match="gone"):
        speech.features(tmp_path / "gone.wav")


def single_of(model, files):
    return np.stack([model.embed(file) for file in files])


def test_a_model_with_features_can_still_be_saved(models, tmp_path):
    model = models["convnetjs_cifar10"]
    before = model.embed(PIXELS)
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(kr.load(tmp_path / "m.keras").embed(PIXELS), before, atol=1e-6)

"""Grad-CAM, integrated gradients, SmoothGrad, RISE, and deletion and insertion curves, against formulas and defining identities."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
from processes import in_new_process
from test_saliency import net, random_image

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.attribution import prepare_target
from kerasrecipes.visualize.averaged_gradients import integrated_gradients
from kerasrecipes.visualize.faithfulness import COMPARED_METHODS
from kerasrecipes.visualize.grad_cam import interpolation_matrix, last_convolution
from kerasrecipes.visualize.methods import run_method
from kerasrecipes.visualize.rise import dependent_frames, random_masks

L = keras.layers
RANGE = {"value_range": (-1, 1)}


@pytest.fixture(scope="module")
def linear():
    return net(L.Flatten(), L.Dense(3, name="top"), side=8)


@pytest.fixture(scope="module")
def curved():
    layers = [L.Conv2D(5, 3, activation="relu", name="low"), L.MaxPooling2D(2), L.Conv2D(6, 3, name="high"), L.ReLU(name="active")]
    return net(*layers, L.GlobalAveragePooling2D(), L.Dense(3, name="top"), side=13)


@pytest.fixture(scope="module")
def recognizer():
    keras.utils.set_random_seed(4)
    return kr.load("wav2letter_small", weights=None, compile=False, **kr.get_recipe("wav2letter_small").tiny_config)


@pytest.fixture(scope="module")
def wave():
    return (0.1 * np.random.default_rng(0).normal(size=32000)).astype("float32")


def test_a_linear_model_gets_weight_times_input(linear):
    x = random_image(8)
    weights = linear.get_weights()[0][:, 1].reshape(8, 8, 2)
    shares = visualize.compute_integrated_gradients(linear, x, "top:1", steps=3, baseline=63.75, **RANGE)  # -0.5 of -1 ... 1
    np.testing.assert_allclose(shares.values, weights * (x[0] + 0.5), atol=1e-6)
    smooth = visualize.compute_smoothgrad(linear, x, "top:1", num_samples=5, noise_level=3.0, **RANGE)
    np.testing.assert_allclose(smooth.values, weights, atol=1e-6)
    assert shares.activation - shares.baseline_activation == pytest.approx(shares.values.sum(), rel=1e-5)


def test_integrated_gradients_are_complete(curved):
    """The error of the sum falls with more steps. The default baseline is black."""
    x, errors = random_image(), []
    for steps in (2, 400):
        result = visualize.compute_integrated_gradients(curved, x, "top:2", steps=steps, **RANGE)
        errors.append(abs(result.values.sum() - (result.activation - result.baseline_activation)))
    black = float(keras.ops.convert_to_numpy(curved(-np.ones_like(x)))[0, 2])
    assert result.baseline_activation == pytest.approx(black, rel=1e-5) and result.activation != pytest.approx(black, abs=0.1)
    assert errors[1] < 0.01 * abs(result.activation - black) and errors[1] < errors[0]


def test_grad_cam_is_its_formula(curved):
    """After mean pooling and a dense layer the gradient is the same at all positions: a row of the kernel, divided by their number."""
    x = random_image()
    maps = keras.ops.convert_to_numpy(keras.Model(curved.inputs[0], curved.get_layer("active").output)(x))[0]
    kernel = curved.get_layer("top").get_weights()[0][:, 1]
    cam = np.maximum((maps * kernel / maps[..., 0].size).sum(-1), 0)
    result = visualize.compute_grad_cam(curved, x, "top:1", **RANGE)
    side = len(cam)
    centers, targets = (np.arange(side) + 0.5) / side, (np.arange(13) + 0.5) / 13
    rows = np.stack([np.interp(targets, centers, column) for column in cam.T], 1)
    expected = np.stack([np.interp(targets, centers, row) for row in rows])
    assert expected.max() > 0
    np.testing.assert_allclose(result.values[..., 0], expected, atol=1e-6)


def test_grad_cam_takes_a_layer(curved):
    x = random_image()
    assert last_convolution(curved, "top") == "active" and last_convolution(curved, "high") == "low"
    low, default = (visualize.compute_grad_cam(curved, x, "top:1", layer=name, **RANGE).values for name in ("low", None))
    assert low.shape == default.shape == (13, 13, 1) and not np.allclose(low, default)
    for layer, message in (("top", "maps of top do not lead to top"), ("dense", "no layer 'dense'")):
        with pytest.raises(KerasRecipesError, match=message):
            visualize.compute_grad_cam(curved, x, "top:1", layer=layer, **RANGE)
    with pytest.raises(KerasRecipesError, match="no convolution before low"):
        visualize.compute_grad_cam(curved, x, "low:1", **RANGE)


def test_interpolation_meets_a_line():
    np.testing.assert_allclose(interpolation_matrix(3, 6).sum(1), 1)
    np.testing.assert_allclose(interpolation_matrix(2, 4) @ [0, 4], [0, 1, 3, 4])
    np.testing.assert_array_equal(interpolation_matrix(5, 5), np.eye(5))
    np.testing.assert_array_equal(interpolation_matrix(1, 3) @ [7], [7, 7, 7])


def test_rise_is_the_mean_of_its_masks(curved):
    x = random_image()
    result = visualize.compute_rise(curved, x, "top:1", num_masks=37, cells=4, seed=5, **RANGE)
    gray, total = np.float32(-1 + 2 * 117 / 255), np.zeros((13, 13))
    masks = np.concatenate(list(random_masks(37, (13, 13), 4, 0.5, 5)))
    logits = keras.ops.convert_to_numpy(curved(x * masks[..., None] + gray * (1 - masks[..., None])))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for mask, row in zip(masks, probabilities, strict=True):
        total += row[1] * mask
    np.testing.assert_allclose(result.values[..., 0], total / (37 * 0.5), rtol=1e-4)


def test_masks_are_shifted_grids():
    masks = np.concatenate(list(random_masks(600, (23, 30), 5, 0.3, 0)))
    assert masks.shape == (600, 23, 30) and masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.mean(0), 0.3, atol=0.08)
    bends = np.abs(np.diff(masks, 2, axis=1)).max(2) > 1e-4  # rows at which linear pieces meet
    assert len({tuple(row) for row in bends}) >= 4 and (bends.sum(1) <= 2 * 6).all()
    assert np.ptp(masks, (1, 2)).min() > 0.1


def test_curves_run_between_the_input_and_its_substitute(curved):
    x = random_image()
    result = visualize.measure_faithfulness(curved, x, "top:1", ["gradient", "random"], num_points=9, **RANGE)
    target = prepare_target(curved, x, "top:1", **RANGE)
    whole, gray = (float(target.activations(v, probabilities=True)[0]) for v in (x, target.constant_input(None)))
    for name in ("gradient", "random"):
        assert result.deletion[name][[0, -1]] == pytest.approx([whole, gray]) and result.insertion[name][-1] == pytest.approx(whole)
        curve = result.deletion[name]  # the area as the authors compute it
        assert result.areas()[name][0] == pytest.approx((curve.sum() - curve[0] / 2 - curve[-1] / 2) / 8)
    assert not np.allclose(result.deletion["gradient"], result.deletion["random"])
    assert str(result).splitlines()[0].split() == ["method", "deletion", "insertion"] and "random" in str(result)


def test_the_right_order_has_the_best_areas():
    """In a softmax of a linear model the shares say exactly which pixels count."""
    model = net(L.Flatten(), L.Dense(2, name="top"), side=8, channels=1)
    kernel = np.zeros((64, 2), "float32")
    kernel[:6, 0] = 2.0
    model.get_layer("top").set_weights([kernel, np.zeros(2, "float32")])
    x = np.full((1, 8, 8, 1), 0.8, "float32")
    areas = visualize.measure_faithfulness(model, x, "top:0", ["integrated gradients", "random"], num_points=33, **RANGE).areas()
    assert areas["integrated gradients"][0] < areas["random"][0] - 0.1
    with pytest.raises(KerasRecipesError, match=r"no method 'LIME'; there are gradient, guided"):
        visualize.measure_faithfulness(model, x, "top:0", ["LIME"])


def test_all_methods_explain_speech(recognizer, wave):
    target = prepare_target(recognizer, wave, "logits:e@9", sample_rate=16000)
    start, stop = dependent_frames(target)
    frames, bands = target.inputs.shape[1:]
    assert 0 <= start < stop < frames
    result = visualize.measure_faithfulness(recognizer, wave, "logits:e@9", sample_rate=16000, num_points=5, num_masks=4)
    assert set(result.deletion) == set(COMPARED_METHODS)
    rise = visualize.compute_rise(recognizer, wave, "logits:e@9", sample_rate=16000, num_masks=4)
    assert rise.values.shape == (frames, bands) and not rise.values[:start].any() and rise.values[start:stop].all()
    cam = visualize.compute_grad_cam(recognizer, wave, "logits:e@9", sample_rate=16000)
    assert np.ptp(cam.values, axis=1).max() == 0  # 1D convolutions have no bands
    means = target.constant_input(None)
    np.testing.assert_allclose(means[0], np.tile(target.inputs[0].mean(0), (frames, 1)), atol=1e-6)
    shares = integrated_gradients(target, means, 100)
    change = target.activations(target.inputs)[0] - target.activations(means)[0]
    assert shares.sum() == pytest.approx(change, rel=0.05)


def test_a_letter_of_the_transcript_is_its_strongest_frame(recognizer, wave):
    transcript = recognizer.transcribe(wave, 16000, decoder="greedy")
    if not transcript.characters:
        pytest.skip("these random weights transcribe nothing")
    character = transcript.characters[-1]
    number = len(transcript.characters) - 1
    saliency = visualize.compute_audio_saliency(recognizer, wave, f"transcript:{number}", sample_rate=16000)
    assert visualize.compute_audio_saliency(recognizer, wave, str(saliency.unit), sample_rate=16000).activation == saliency.activation
    time = saliency.unit.position[0] * recognizer.stride / 16000
    assert character.start - 1e-6 <= time < character.end + 1e-6
    assert visualize.find_unit(recognizer, f"logits:{character.text}").channel == saliency.unit.channel
    with pytest.raises(KerasRecipesError, match=rf"has {number + 1} symbols, numbered from 0, and no symbol {number + 1}. It is: "):
        visualize.compute_audio_saliency(recognizer, wave, f"transcript:{number + 1}", sample_rate=16000)


def test_wrong_options_are_refused(curved):
    x = random_image()
    for function, options in (
        (visualize.compute_integrated_gradients, {"steps": 0}), (visualize.compute_smoothgrad, {"num_samples": 0}),
        (visualize.compute_rise, {"keep_probability": 1.0}), (visualize.measure_faithfulness, {"num_points": 1}),
    ):  # fmt: skip
        with pytest.raises(KerasRecipesError, match=next(iter(options))):
            function(curved, x, "top:1", **options)
    with pytest.raises(KerasRecipesError, match="transcript:2 is for speech recognizers"):
        visualize.compute_rise(curved, x, "transcript:2")


def test_the_table_runs_them(tmp_path):
    model = net(L.Conv2D(4, 3, name="low"), L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(3, name="top"), side=12, channels=3)
    pixels = np.random.default_rng(1).integers(0, 256, (12, 12, 3), "uint8")
    path = tmp_path / "cat.png"
    kr.utils.plotting.save_image(path, pixels)
    for name, options in (
        ("grad-cam", {"layers": ("low",)}), ("integrated-gradients", {"steps": 2}), ("smoothgrad", {"num_samples": 2, "seed": 1}),
        ("rise", {"num_masks": 3}), ("faithfulness", {"num_masks": 3}),
    ):  # fmt: skip
        ((written, result),) = run_method(name, model, tmp_path, file=str(path), units=["top:1"], **options)
        assert written.name.endswith(f"cat_top_1_{name.replace('-', '_')}.png") and written.stat().st_size > 1000
        assert str(result.unit) == "top:1"
    with pytest.raises(KerasRecipesError, match="takes one --layer, not 2"):
        list(run_method("grad-cam", model, tmp_path, file=str(path), units=["top:1"], layers=("low", "top")))


def attributions():
    """Compute one attribution by each method, for tests on other backends."""
    layers = [L.Conv2D(5, 3, 2, activation="relu"), L.Conv2D(6, 3, name="high"), L.ReLU(), L.Flatten(), L.Dense(3, name="top")]
    model, x = net(*layers, side=13), random_image()
    functions = {
        "cam": visualize.compute_grad_cam, "shares": visualize.compute_integrated_gradients, "smooth": visualize.compute_smoothgrad,
    }  # fmt: skip
    results = {name: function(model, x, "top:1", **RANGE).values for name, function in functions.items()}
    return results | {"rise": visualize.compute_rise(model, x, "top:1", num_masks=20, **RANGE).values}


SCRIPT = """
import sys, numpy as np
sys.path.insert(0, sys.argv[2])
import test_attribution
np.savez(sys.argv[1] + "/values.npz", **test_attribution.attributions())
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_attribute_alike(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    in_new_process(SCRIPT, tmp_path, Path(__file__).parent, backend=backend)
    values = np.load(tmp_path / "values.npz")
    for name, expected in attributions().items():
        np.testing.assert_allclose(values[name], expected, atol=1e-4 * np.abs(expected).max(), err_msg=name)

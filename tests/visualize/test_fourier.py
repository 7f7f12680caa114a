"""Images from Fourier coefficients against numpy's FFT, transforms against numpy, the ascent, and activation grids."""

import numpy as np
import pytest
from keras import ops
from test_activation_maximization import small

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize.activation_maximization import resolve_settings
from kerasrecipes.visualize.fourier_ascent import cosine_gradient
from kerasrecipes.visualize.fourier_images import (
    COLOR_MATRIX,
    affine_weights,
    apply_transform,
    frequency_scale,
    sample_transform,
    spectrum_to_channels,
    spectrum_to_image,
)

ARRAY = ops.convert_to_numpy


@pytest.mark.parametrize("size", [(8, 12), (9, 7), (6, 11)])
def test_the_inverse_transform_is_that_of_numpy(size):
    height, width = size
    spectrum = np.random.default_rng(0).normal(size=(2, 2, 3, height, width // 2 + 1)).astype("float32")
    scaled = (spectrum[:, 0] + 1j * spectrum[:, 1]) * frequency_scale(height, width, 1.5)
    expected = np.fft.irfft2(scaled, s=size, norm="ortho").transpose(0, 2, 3, 1) / 4
    np.testing.assert_allclose(ARRAY(spectrum_to_channels(spectrum, width, 1.5)), expected, atol=1e-4)


def test_coefficients_fall_with_the_frequency():
    scale = frequency_scale(8, 16)
    assert scale[0, 0] == scale[0, 1] == 16 and scale[1, 0] == 8 and scale[7, 0] == 8 and scale[4, 0] == 2
    np.testing.assert_allclose(frequency_scale(8, 16, 0.0), 1)
    flat = ARRAY(spectrum_to_channels(np.random.default_rng(1).normal(size=(1, 2, 1, 64, 33)).astype("float32"), 64))
    power = np.abs(np.fft.rfft2(flat[0, ..., 0])) ** 2  # white coefficients give power 1 / frequency ** 2
    ratio = power[2:4, 2:4].mean() / power[8:16, 8:16].mean()
    assert 8 < ratio < 60


def test_colors_are_bounded_and_correlated():
    """The first coefficient changes all colors alike: random images vary mostly in brightness, as photographs do."""
    assert np.linalg.norm(COLOR_MATRIX, axis=0).max() == pytest.approx(1)
    spectrum = np.random.default_rng(2).normal(size=(1, 2, 3, 24, 13)).astype("float32")
    image = ARRAY(spectrum_to_image(spectrum, 24))
    assert image.min() > 0 and image.max() < 1
    correlation = np.corrcoef(image.reshape(-1, 3).T)
    assert correlation[np.triu_indices(3, 1)].min() > 0.6
    assert ARRAY(spectrum_to_image(0 * spectrum, 24)) == pytest.approx(0.5)


def test_transforms_of_whole_pixels_are_numpys():
    image = np.random.default_rng(3).uniform(size=(1, 6, 6, 3)).astype("float32")

    def transform(*arguments):
        return ARRAY(apply_transform(image, *(ops.convert_to_tensor(v) for v in affine_weights((6, 6), *arguments))))[0]

    np.testing.assert_allclose(transform(1.0, 0.0), image[0], atol=1e-6)
    shifted = transform(1.0, 0.0, (2, -1), (0, 0))
    np.testing.assert_allclose(shifted[2:, :-1], image[0, :-2, 1:], atol=1e-6)
    np.testing.assert_allclose(shifted[:2], 0.5)
    np.testing.assert_allclose(transform(1.0, 0.0, (1, 0), (1, -1)), shifted, atol=1e-6)
    quarter = transform(1.0, 90.0)
    assert any(np.allclose(quarter, np.rot90(image[0], k), atol=1e-5) for k in (1, 3))
    center = transform(2.0, 0.0)[2:4, 2:4]  # the four central pixels are mixed from the four that they were
    assert center.min() >= image[0, 2:4, 2:4].min() - 1e-6 and center.max() <= image[0, 2:4, 2:4].max() + 1e-6


def test_sampled_transforms_stay_near():
    rng = np.random.default_rng(4)
    weights = [sample_transform((64, 64), rng)[1].sum(0) for _ in range(40)]
    assert all(w.max() <= 1 + 1e-5 and w.mean() > 0.6 for w in weights) and len({w.tobytes() for w in weights}) == 40


def test_cosine_gradient_is_the_slope():
    rng = np.random.default_rng(5)
    picked, direction = rng.normal(size=(2, 1, 7)) + 1
    picked, direction = picked.astype("float32"), direction.astype("float32")

    def objective(y):
        dot = float((y * direction).sum())
        return dot * max(dot / np.linalg.norm(y) / np.linalg.norm(direction), 0.1)

    slopes = [(objective(picked + step) - objective(picked - step)) / 2e-3 for step in 1e-3 * np.eye(7)[:, None]]
    np.testing.assert_allclose(ARRAY(cosine_gradient(picked, direction))[0], slopes, rtol=1e-2, atol=1e-3)


def test_the_ascent_raises_units_and_repeats():
    model = small()
    first, second = (visualize.synthesize(model, "scores:2", "fourier", num_restarts=2, steps=40) for _ in range(2))
    assert min(first.activations) > max(first.at_start) and first.images.shape == (2, 41, 41, 3)
    assert first.values.min() >= 0 and first.values.max() <= 255 and first.values.std() > 10
    np.testing.assert_array_equal(first.images, second.images)
    assert first.curve.shape == (40, 2) and not np.array_equal(first.images[0], first.images[1])
    part = visualize.synthesize(model, "mid:1", "fourier", num_restarts=1, steps=3)
    assert part.images.shape[1] < 41  # the receptive field
    assert part.settings.learning_rate == 0.05


def test_settings_of_fourier_are_its_own(tmp_path):
    assert resolve_settings("fourier", steps=9, learning_rate=None).steps == 9 and resolve_settings("fourier").steps == 512
    for preset, changes, message in (
        ("fourier", {"l2_decay": 0.1}, "Unknown settings: l2_decay; there are steps, learning_rate"),
        ("fft", {}, "no preset fft; there are 1, 2, 3, 4, fourier"), ("fourier", {"steps": 1}, "2 steps or more"),
    ):  # fmt: skip
        with pytest.raises(KerasRecipesError, match=message):
            resolve_settings(preset, **changes)
    speech = kr.load("wav2letter_small", weights=None, compile=False, **kr.get_recipe("wav2letter_small").tiny_config)
    with pytest.raises(KerasRecipesError, match="fourier is for images"):
        visualize.synthesize(speech, "logits:e", "fourier")
    paths = visualize.synthesize_to_folder(small(), ["mid:0"], tmp_path, "fourier", num_restarts=1, steps=2)
    assert paths == visualize.synthesize_to_folder(small(), ["mid:0"], tmp_path, "fourier", num_restarts=1, steps=2)


def test_activation_grids_point_along_the_activations(tmp_path):
    model = small()
    image = np.random.default_rng(6).integers(0, 256, (41, 41, 3), "uint8")
    grid = visualize.compute_activation_grid(model, image, "mid", cells=2, steps=30)
    assert grid.images.shape[:2] == (2, 2) and grid.positions.tolist() == [[[2, 2], [2, 6]], [[6, 2], [6, 6]]]
    assert (grid.cosines > grid.start_cosines).mean() >= 0.75 and grid.cosines.max() <= 1 + 1e-5
    assert grid.save(tmp_path / "grid.png").stat().st_size > 2000
    with pytest.raises(KerasRecipesError, match="scores has no positions"):
        visualize.compute_activation_grid(model, image, "scores")
    with pytest.raises(KerasRecipesError, match="name a layer"):
        visualize.compute_activation_grid(model, image)

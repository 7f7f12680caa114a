"""Activation maximization: each regularizer alone, step policies, properties of the ascent, presets, resuming."""

import keras
import numpy as np
import pytest
from test_saliency import net, random_weights

import kerasrecipes as kr
from kerasrecipes import visualize
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.visualize import gaussian_blur as blurring
from kerasrecipes.visualize.activation_maximization import (
    INIT_MODES,
    PRESETS,
    AscentSettings,
    GradientAscent,
    apply_regularizers,
    initial_input,
    percentile_mask,
    resolve_settings,
    step_size,
)

L = keras.layers
NUMPY = keras.ops.convert_to_numpy


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_presets_are_table_1():
    """Decay, blur width, blur every, norm percentile, contribution percentile, steps."""
    names = ("l2_decay", "blur_width", "blur_every", "norm_percentile", "contribution_percentile", "steps")
    rows = {n: tuple(getattr(p, k) for k in names) for n, p in PRESETS.items()}
    assert rows == {
        1: (0, 0.5, 4, 50, 0, 500), 2: (0.3, 0, 0, 20, 0, 750), 3: (0.0001, 1.0, 4, 0, 0, 1000), 4: (0, 0.5, 4, 0, 90, 1000),
    }  # fmt: skip
    assert [(p.step_policy, p.max_step) for p in PRESETS.values()] == [
        ("progress", 100), ("constant", 100), ("constant", 100), ("progress", 1e8),
    ]  # fmt: skip
    assert PRESETS[1].target_gain == PRESETS[4].target_gain == 2.0


def test_decay_removes_exactly_its_fraction():
    x = noise(2, 9, 9, 3)
    np.testing.assert_allclose(NUMPY(apply_regularizers(x, x, AscentSettings(l2_decay=0.3), False)), 0.7 * x, rtol=1e-6)


def test_blur_is_a_gaussian():
    x, s = noise(2, 31, 20, 3), AscentSettings(blur_width=1.3, blur_every=4)
    np.testing.assert_array_equal(NUMPY(apply_regularizers(x, x, s, False)), x)
    once = NUMPY(apply_regularizers(x, x, s, True))
    np.testing.assert_allclose(NUMPY(apply_regularizers(np.ones_like(x), x, s, True)), 1, atol=1e-5)
    assert sum(np.abs(np.diff(once, axis=a)).sum() for a in (1, 2)) < 0.5 * sum(
        np.abs(np.diff(x, axis=a)).sum() for a in (1, 2)
    )
    np.testing.assert_allclose(once[0], blurring.blur_numpy(x[0], 1.3), atol=1e-5)
    twice, wider = blurring.blur_numpy(blurring.blur_numpy(x[0], 1.3), 1.3), blurring.blur_numpy(x[0], 1.3 * 2**0.5)
    np.testing.assert_allclose(twice[12:-12], wider[12:-12], atol=2e-3)  # variances add
    dot = np.zeros((1, 9), "float32")
    dot[0, 4] = 1
    kernel = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    np.testing.assert_allclose((blurring.gaussian_matrix(9, 1.0) @ dot.T)[:, 0], kernel / kernel.sum(), atol=1e-6)
    assert blurring.gaussian_matrix(6, 1.0)[0, 0] == pytest.approx(
        (kernel[4] + kernel[5]) / kernel.sum(), rel=1e-5
    )  # mirrored end


def test_small_norms_become_zero_and_nothing_else_changes():
    x = noise(2, 10, 10, 3)
    y = NUMPY(apply_regularizers(x, x, AscentSettings(norm_percentile=20), False))
    for a, b in zip(x, y, strict=True):
        zero, norms = ~b.any(-1), np.linalg.norm(a, axis=-1)
        assert zero.sum() == 20 and norms[zero].max() < norms[~zero].min()
        np.testing.assert_array_equal(a[~zero], b[~zero])


def test_small_contributions_of_a_linear_unit():
    """For a = w . x the contribution of a pixel is exactly the loss of a without it."""
    x, w = noise(1, 8, 8, 3), noise(1, 8, 8, 3, seed=1)
    y = NUMPY(apply_regularizers(x, w, AscentSettings(contribution_percentile=75), False))[0]
    loss = np.abs((x * w).sum(-1))[0]
    assert (~y.any(-1)).sum() == 48 and set(np.flatnonzero(~y.any(-1))) == set(np.argsort(loss.ravel())[:48])
    assert NUMPY(percentile_mask(np.array([[1.0, 2.0, 2.0, 3.0]], "float32"), 50)).tolist() == [[0, 1, 1, 1]]  # strict


def linear(side=6):
    x = keras.Input((side, side, 3))
    model = keras.Model(x, L.Dense(2, name="top")(L.Flatten()(x)))
    model.get_layer("top").set_weights([noise(side * side * 3, 2) * 0.01, np.zeros(2, "float32")])
    return model


def test_progress_raises_a_linear_unit_by_the_target_gain():
    settings = AscentSettings(steps=6, step_policy="progress", max_step=1e9, target_gain=2.0)
    run = GradientAscent(linear(), "top", -1, settings).run(np.zeros((2, 6, 6, 3), "float32"), [0, 1], [0, 0])
    np.testing.assert_allclose(np.diff(run.curve, axis=0), 2.0, rtol=1e-4)
    assert run.best_at.tolist() == [5, 5] and run.majority_at.tolist() == [0, 0]
    settings = AscentSettings(steps=2, step_policy="normalized", target_gain=3.0)
    last = GradientAscent(linear(), "top", -1, settings).run(np.zeros((1, 6, 6, 3), "float32"), [0], [0]).last
    assert np.sqrt(np.mean(last**2)) == pytest.approx(3.0, rel=1e-4)


def test_progress01_slows_down_near_certainty():
    s = AscentSettings(step_policy="progress01", max_step=1e9, target_gain=0.5, late_gain=0.1)
    steps = NUMPY(step_size(s, np.array([0.0, 0.9], "float32"), np.array([4.0, 4.0], "float32"), 9))
    np.testing.assert_allclose(steps, [0.1 / 4, 0.01 / 4], rtol=1e-5)


def test_the_image_stays_within_its_limits():
    results = []
    ascent = GradientAscent(linear(), "top", -1, AscentSettings(steps=8, max_step=1e6), limits=(-117, 138))
    step = ascent._steps[False]
    ascent._steps = {False: lambda *a: results.append(step(*a)) or results[-1], True: None}
    ascent.run(noise(1, 6, 6, 3) * 500, [0], [0])
    images = np.concatenate([r[0] for r in results])
    assert len(results) == 8 and images.min() == -117 and images.max() == 138
    assert abs(results[0][4]).max() > 1000  # the next step clips it


def test_a_zero_gradient_stops_and_is_marked():
    model = linear()
    model.get_layer("top").set_weights([np.zeros((108, 2), "float32"), np.ones(2, "float32")])
    run = GradientAscent(model, "top", -1, AscentSettings(steps=50)).run(noise(1, 6, 6, 3), [0], [0])
    assert run.stopped.all() and run.curve.shape == (50, 1) and (run.curve == 1).all()


def small():
    layers = [
        L.Rescaling(1 / 255, -0.5), L.Conv2D(6, 5, 2, padding="valid", activation="relu"), L.MaxPooling2D(2),
        L.Conv2D(6, 3, padding="same", activation="relu", name="mid"), L.Conv2D(5, 3, name="high"), L.GlobalAveragePooling2D(name="scores"),
    ]  # fmt: skip
    return random_weights(keras.Sequential([keras.Input((41, 41, 3)), *layers], name="small"))


def test_units_rise_above_their_start_and_their_layer():
    result = visualize.synthesize(
        small(), "scores:2", num_restarts=3, steps=60, step_policy="normalized", target_gain=3.0
    )
    assert result.values.shape == (3, 41, 41, 3) and result.images.dtype == np.uint8
    assert all(a > b + 0.1 for a, b in zip(result.activations, result.at_start, strict=True))
    assert all(m >= 0 for m in result.majority_at) and result.curve.shape == (60, 3)
    again = visualize.synthesize(
        small(), "scores:2", num_restarts=3, steps=60, step_policy="normalized", target_gain=3.0
    )
    np.testing.assert_array_equal(result.values, again.values)
    other = visualize.synthesize(
        small(), "scores:2", num_restarts=1, seed=1, steps=60, step_policy="normalized", target_gain=3.0
    )
    np.testing.assert_allclose(other.values[0], result.values[1], atol=0.5)  # alone as in a batch; gray levels
    assert np.abs(other.values[0] - result.values[0]).max() > 20


def test_an_inactive_unit_is_raised_by_its_value_before_the_relu():
    model = net(L.Rescaling(1 / 255), L.Conv2D(3, 3, activation="relu", name="top"), side=9, channels=3)
    kernel = np.abs(model.get_layer("top").get_weights()[0])
    model.get_layer("top").set_weights([kernel, -0.6 * kernel.sum((0, 1, 2))])
    result = visualize.synthesize(model, "top:1", num_restarts=1, steps=40, step_policy="normalized", target_gain=8.0)
    assert result.at_start == (0.0,) and result.activations[0] > 0


def test_the_receptive_field_is_enough():
    """An image synthesized on the receptive field has the same activation inside a whole image."""
    model = small()
    result = visualize.synthesize(model, "mid:1", num_restarts=1, steps=30, step_policy="normalized", target_gain=4.0)
    whole = visualize.synthesize(
        model, "mid:1", num_restarts=1, steps=30, step_policy="normalized", target_gain=4.0, whole_input=True
    )
    assert result.values.shape[1:3] == (15, 15) and whole.values.shape[1:3] == (41, 41) and result.unit == whole.unit
    (top, bottom), (left, right) = visualize.receptive_field(model, str(result.unit)).box
    image = np.full((1, 41, 41, 3), 60, "float32")
    image[0, top:bottom, left:right] = result.values[0]
    maps = NUMPY(keras.Model(model.inputs[0], model.get_layer("mid").output)(image))[0]
    assert maps[result.unit.position][1] == pytest.approx(result.activations[0], rel=1e-4)


def test_layers_whose_grid_a_crop_would_shift_use_the_whole_input():
    model = net(L.Conv2D(4, 4, 2, padding="same"), L.Conv2D(4, 4, 2, padding="same", name="top"), side=32, channels=3)
    result = visualize.synthesize(model, "top:1", num_restarts=1, steps=2)
    position = result.unit.position
    full = NUMPY(model(result.values if result.values.shape[1] == 32 else np.zeros((1, 32, 32, 3), "float32")))
    if result.values.shape[1] == 32:
        assert full[0][position][1] == pytest.approx(result.activations[0], rel=1e-4)
    else:  # the crop was tried and gives the same activation
        (_, bottom), (_, right) = visualize.receptive_field(model, str(result.unit)).box
        image = np.full((1, 32, 32, 3), 60, "float32")
        image[0, bottom - result.values.shape[1] : bottom, right - result.values.shape[2] : right] = result.values[0]
        assert NUMPY(model(image))[0][position][1] == pytest.approx(result.activations[0], rel=1e-3)


def test_speech_units_from_the_spectrogram():
    model = kr.load("wav2letter_small", weights=None, compile=False, **kr.get_recipe("wav2letter_small").tiny_config)
    result = visualize.synthesize(model, "logits:e", num_restarts=2, steps=15)
    frames, features = result.values.shape[1:]
    assert result.images is None and frames > 50 and features > 10 and result.unit.channel == 7
    assert all(a > b for a, b in zip(result.activations, result.at_start, strict=True))
    assert result.render().ndim == 2


def test_many_units_resume(tmp_path):
    model = small()
    options = {"num_restarts": 2, "steps": 3}
    first = visualize.synthesize_to_folder(model, ["mid:0"], tmp_path, **options)
    stamp, steps = first[0].stat().st_mtime_ns, []

    def progress(done, total):
        steps.append((done, total, len(list(tmp_path.glob("*.png")))))

    paths = visualize.synthesize_to_folder(
        model, ["mid:0", "mid:3", "scores:1"], tmp_path, progress=progress, **options
    )
    assert [p.name for p in paths] == ["mid_0.png", "mid_3.png", "scores_1.png"] and all(p.exists() for p in paths)
    assert steps == [(1, 2, 2), (2, 2, 3)] and paths[0].stat().st_mtime_ns == stamp
    assert {p.name for p in tmp_path.iterdir()} == {"mid_0.png", "mid_3.png", "scores_1.png", "synthesis.json"}


def test_images_of_other_settings_or_weights_are_refused(tmp_path):
    model = small()
    (path,) = visualize.synthesize_to_folder(model, ["mid:0"], tmp_path, num_restarts=1, steps=3)
    stamp = path.stat().st_mtime_ns
    for changes, message in (
        ({"steps": 4}, "steps 3, not 4"), ({"seed": 2}, "seed 0, not 2"), ({"preset": 1, "steps": 3}, "l2_decay 0.0001, not 0.0"),
        ({"whole_input": True, "num_restarts": 2}, "num_restarts 1, not 2; whole_input False, not True"),
    ):  # fmt: skip
        with pytest.raises(KerasRecipesError, match=rf"mid_0.png was made with other settings \(.*{message}"):
            visualize.synthesize_to_folder(
                model, ["mid:1", "mid:0"], tmp_path, **{"num_restarts": 1, "steps": 3} | changes
            )
    with pytest.raises(KerasRecipesError, match="weights .*, not "):
        visualize.synthesize_to_folder(random_weights(model, 1), ["mid:0"], tmp_path, num_restarts=1, steps=3)
    assert path.stat().st_mtime_ns == stamp and not (tmp_path / "mid_1.png").exists()
    same = visualize.synthesize_to_folder(
        small(), ["mid:0"], tmp_path, 3, num_restarts=1, steps=3, seed=0
    )  # as by default
    assert same == [path] and path.stat().st_mtime_ns == stamp


def test_images_with_unknown_settings_are_accepted_on_demand(tmp_path):
    (tmp_path / "net_mid_0.jpg").write_bytes(b"from elsewhere")
    options = {"num_restarts": 1, "steps": 3, "prefix": "net_", "suffix": ".jpg"}
    with pytest.raises(KerasRecipesError, match="synthesis.json does not say how it was made"):
        visualize.synthesize_to_folder(small(), ["mid:0"], tmp_path, **options)
    paths = visualize.synthesize_to_folder(small(), ["mid:0", "mid:1"], tmp_path, keep_unknown=True, **options)
    assert [p.name for p in paths] == ["net_mid_0.jpg", "net_mid_1.jpg"] and paths[0].read_bytes() == b"from elsewhere"
    with pytest.raises(KerasRecipesError, match="net_mid_1.jpg was made with other settings"):
        visualize.synthesize_to_folder(small(), ["mid:1"], tmp_path, keep_unknown=True, **options | {"steps": 4})
    (tmp_path / "synthesis.json").write_text("{")
    with pytest.raises(KerasRecipesError, match="synthesis.json cannot be read"):
        visualize.synthesize_to_folder(small(), ["mid:0"], tmp_path, **options)


def test_initial_inputs_are_those_of_the_authors():
    shape = (60, 60, 3)
    inputs = {mode: initial_input(mode, shape, 3) for mode in INIT_MODES}
    assert inputs["mean_plus_rand"].std() == pytest.approx(10, rel=0.05) and not inputs["mean"].any()
    assert inputs["randu"].min() > -117.1 and inputs["randu"].max() < 138.1 and inputs["randu"].std() > 70
    with pytest.raises(KerasRecipesError, match="no init 'zeros'; there are mean_plus_rand"):
        initial_input("zeros", shape, 0)


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        (7, {}, "no preset 7; there are 1, 2, 3, 4"),
        (1, {"blurr": 3}, "Unknown settings: blurr; there are l2_decay"),
        (1, {"l2_decay": 2.0}, "l2_decay out of range"),
        (1, {"step_policy": "fast"}, "step_policy one of constant, progress"),
    ],
)
def test_wrong_settings_are_refused(preset, changes, message):
    with pytest.raises(KerasRecipesError, match=message):
        resolve_settings(preset, **changes)


def curves():
    """Run all four regularizers in one ascent, for tests on other backends."""
    every = AscentSettings(0.01, 0.5, 4, 20, 20, 6, "progress", 100.0, 2.0)
    return {"ascent": visualize.synthesize(small(), "mid:1", every, num_restarts=2).curve}

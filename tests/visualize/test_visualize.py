"""Activations, occlusion, strongest patches, filters, drawings, the report and the commands."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from processes import in_new_process
from test_activation_maximization import small
from test_saliency import net

import kerasrecipes as kr
from kerasrecipes import experiments, visualize
from kerasrecipes.cli.main import main
from kerasrecipes.errors import ImageError, KerasRecipesError
from kerasrecipes.utils import files
from kerasrecipes.visualize.top_patches import find_top_activations, top_image_patches

L = keras.layers
NUMPY = keras.ops.convert_to_numpy


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(7):
        blocks = rng.integers(0, 256, (6, 6, 3), "uint8").repeat(8, 0).repeat(8, 1)
        Image.fromarray(blocks).save(folder / f"{i}.png")
    (folder / "8.png").write_bytes(b"not an image")
    return folder


def inputs(count=11, side=41):
    return np.random.default_rng(4).uniform(0, 255, (count, side, side, 3)).astype("float32")


# ---------------------------------------------------------------- activations


def test_activations_are_the_layers_outputs():
    model, x = small(), inputs(1)
    result = visualize.activation_maps(model, x)
    assert list(result.layers) == ["conv2d", "max_pooling2d", "mid", "high", "scores"] or "mid" in result.layers
    np.testing.assert_allclose(
        result.layers["mid"], NUMPY(keras.Model(model.inputs[0], model.get_layer("mid").output)(x))[0], atol=1e-5
    )
    assert result.layers["scores"].shape == (5,)
    side = result.layers["mid"].shape[0]
    assert result.render("mid", columns=3).shape == (2 * side + 1, 3 * side + 2)
    with pytest.raises(KerasRecipesError, match="no layer 'low' here; there are"):
        result.render("low")


def test_layers_of_training_only_return_their_input():
    model = net(L.RandomBrightness(0.9), L.RandomFlip(), L.Conv2D(2, 3, name="maps"), channels=3)
    x = inputs(1, 13)
    np.testing.assert_allclose(
        visualize.activation_maps(model, x).layers["maps"], model.predict(x, verbose=0)[0], rtol=1e-4, atol=1e-2
    )


def results_to_compare():
    """Return arrays that must agree on every backend."""
    model, x = small(), inputs(3)
    result = visualize.compute_occlusion(model, x[:1], 3, patch_size=12, stride=11)
    maxima = find_top_activations(model, x, ["mid"], 2)["mid"]
    return {
        **visualize.activation_maps(model, x[:1], ["mid", "scores"]).layers, "probability": result.probability, "activity": result.activity,
        "best": result.best, "maxima": maxima.values, "images": maxima.images,
    }  # fmt: skip


ELSEWHERE = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
import test_visualize
np.savez(sys.argv[2], **test_visualize.results_to_compare())
"""


@pytest.mark.parametrize("backend", [pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_backends_agree(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    in_new_process(ELSEWHERE, Path(__file__).parent, tmp_path / "found.npz", backend=backend)
    result = np.load(tmp_path / "found.npz")
    for name, values in results_to_compare().items():
        np.testing.assert_allclose(result[name], values, rtol=1e-3, atol=1e-4, err_msg=name)


def test_scale_and_gamma():
    maps = np.zeros((4, 4, 2), "float32")
    maps[1, 1, 0], maps[2, 2, 1], maps[0, 0, 1] = 4, 1, 0.25
    result = visualize.ActivationMaps({"a": maps}, np.zeros((4, 4, 3), "uint8"))
    own, joint = result.render("a", columns=2), result.render("a", "layer", columns=2)
    assert own[1, 1] == own[2, 7] == 255 and joint[1, 1] == 255 and joint[2, 7] == 64
    assert result.render("a", gamma=0.5, columns=2)[0, 5] == 128 and own[0, 5] == 64


# ---------------------------------------------------------------- occlusion


def test_a_square_outside_the_receptive_field_changes_nothing():
    """The unit is in the middle of a channel: only covering the middle changes it."""
    x = keras.Input((25, 25, 3))
    y = L.Conv2D(4, 5, name="maps")(L.Rescaling(1 / 255)(x))
    y = L.Cropping2D(10, name="middle")(y)
    model = keras.Model(x, L.Dense(3, name="scores")(L.Flatten()(y)))
    result = visualize.compute_occlusion(model, inputs(1, 25), layer="middle", patch_size=3, stride=3)
    inside = np.array([6 < t <= 14 and 6 < w <= 14 for t, w in result.corners]).reshape(result.activity.shape)
    np.testing.assert_allclose(result.activity[~inside], result.whole_activity, rtol=1e-5)
    np.testing.assert_allclose(result.probability[~inside], result.whole_probability, rtol=1e-5)
    assert (np.abs(result.activity[inside] - result.whole_activity) > 1e-3).all()


def test_occlusion_equals_a_loop_over_squares():
    model, x = small(), inputs(1)
    result = visualize.compute_occlusion(model, x, 3, patch_size=10, stride=7, fill_value=50, batch_size=4)
    for (top, left), chance, best in zip(result.corners, result.probability.ravel(), result.best.ravel(), strict=True):
        covered = x.copy()
        covered[0, max(top, 0) : top + 10, max(left, 0) : left + 10] = 50
        logits = NUMPY(model(covered))[0].astype("float64")
        expected = np.exp(logits - logits.max())
        assert chance == pytest.approx((expected / expected.sum())[3], rel=1e-4) and best == logits.argmax()
    none = visualize.compute_occlusion(model, x, patch_size=0, stride=20)
    assert np.ptp(none.probability) < 1e-6 and none.target == NUMPY(model(x))[0].argmax()
    heat = result.heatmap(result.probability)
    assert heat.shape == (41, 41) and not np.isnan(heat).any()
    assert result.probability.min() - 1e-6 <= heat.min() and heat.max() <= result.probability.max() + 1e-6


def test_correspondence():
    rng = np.random.default_rng(0)
    a, change = rng.normal(size=(5, 40)), rng.normal(size=40)
    assert visualize.occlusion_correspondence(a, a - change) == (0.0, 0.0)  # the same change everywhere
    b = rng.normal(size=(5, 40))
    mean, deviation = visualize.occlusion_correspondence(a, b)
    assert 0.3 < mean < 0.7 and deviation > 0
    assert visualize.occlusion_correspondence(a[::-1], b[::-1]) == pytest.approx((mean, deviation))
    assert visualize.occlusion_correspondence(np.ones((2, 3)), [[0, 0, 0], [2, 2, 2]]) == (1.0, 0.0)
    with pytest.raises(KerasRecipesError, match="two images or more"):
        visualize.occlusion_correspondence(a[:1], b[:1])
    x = inputs(3)
    result = visualize.measure_correspondence(small(), list(x[:, None]), [(5, 5, 15, 15)] * 3, ["mid", "scores"])
    assert set(result) == {"mid", "scores"} and all(0 <= m <= 1 for m, _ in result.values())


def test_occlusion_refuses_other_models():
    with pytest.raises(KerasRecipesError, match="is not a classifier"):
        visualize.compute_occlusion(net(L.Conv2D(2, 3), channels=3), inputs(1, 13))
    with pytest.raises(KerasRecipesError, match="has no channel 9: it has 5, numbered from 0 to 4"):
        visualize.compute_occlusion(small(), inputs(1), 9)


# ---------------------------------------------------------------- strongest patches


def test_maxima_are_numpy_s_top_k():
    model, x = small(), inputs(11)
    result = find_top_activations(model, x, ["mid", "scores"], 4, batch_size=3)
    for name in ("mid", "scores"):
        y = NUMPY(keras.Model(model.inputs[0], model.get_layer(name).output)(x)).reshape(
            11, -1, result[name].values.shape[0]
        )
        for channel in range(y.shape[-1]):
            best = y[..., channel].max(1)
            order = np.argsort(-best, kind="stable")[:4]
            np.testing.assert_allclose(result[name].values[channel], best[order], rtol=1e-5)
            if len(set(best[order])) == 4:
                assert result[name].images[channel].tolist() == order.tolist()
                assert result[name].positions[channel].tolist() == y[order, :, channel].argmax(1).tolist()
    few = find_top_activations(model, x[:2], ["mid"], 4)["mid"]
    assert (few.images[:, 2:] == -1).all() and np.isinf(few.values[:, 2:]).all()
    assert top_image_patches(model, few, "mid:0").patches.shape == (2, 15, 15, 3)


def test_patches_are_cut_at_the_receptive_field():
    model, x = small(), inputs(6).round()
    maxima = find_top_activations(model, x, ["mid"], 6)["mid"]
    for channel in range(3):
        result = top_image_patches(model, maxima, f"mid:{channel}", render_mode="norm")
        assert result.patches.shape == result.saliency.shape == (6, 15, 15, 3)
        for patch, number, position in zip(result.patches, maxima.images[channel], result.positions, strict=True):
            (top, bottom), (left, right) = visualize.receptive_field(
                model, f"mid:{channel}@{position[0]},{position[1]}"
            ).box
            inside = x[number][top:bottom, left:right].astype("uint8")
            y, w = (0 if top else 15 - len(inside)), (0 if left else 15 - inside.shape[1])
            np.testing.assert_array_equal(patch[y : y + len(inside), w : w + inside.shape[1]], inside)
            assert (patch[:y] == 128).all() and (patch[:, :w] == 128).all()
    with pytest.raises(KerasRecipesError, match="These activations are of mid, not of high"):
        top_image_patches(model, maxima, "high:0")


def test_folders_with_bad_images(image_folder):
    model = small()
    result = find_top_activations(model, image_folder, ["mid"])["mid"]
    assert len(result.sources) == 7 and len(result.errors) == 1 and (result.images[:, :7] >= 0).all()
    with pytest.raises(ImageError):
        find_top_activations(model, [str(image_folder / "8.png")], ["mid"])


# ---------------------------------------------------------------- filters and drawings


def test_filters_are_the_kernel_in_the_image_s_channels():
    blue_first = kr.load("squeezenet", weights=None, compile=False, **kr.get_recipe("squeezenet").tiny_config)
    grid = visualize.show_filters(blue_first)
    kernel = NUMPY(blue_first.get_layer("conv1").kernel)
    np.testing.assert_array_equal(grid.filters[2], kernel[..., ::-1, 2])
    np.testing.assert_allclose(grid.rms, np.sqrt((kernel**2).mean((0, 1, 2))), rtol=1e-5)
    assert grid.render(columns=3).shape == (2 * 7 + 1, 3 * 7 + 2, 3)
    red_first = kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").tiny_config)
    np.testing.assert_array_equal(
        visualize.show_filters(red_first).filters[1], NUMPY(red_first.get_layer("conv1").kernel)[..., 1]
    )
    with pytest.raises(KerasRecipesError, match="has no Conv2D layer"):
        visualize.show_filters(keras.Sequential([keras.Input((4,)), L.Dense(2)]))


def test_the_graph_s_boxes():
    model = kr.load("squeezenet", weights=None, compile=False, **kr.get_recipe("squeezenet").tiny_config)
    graph = visualize.draw_graph(model)
    by_name = {name: box for box in graph.boxes for name in box.names}
    assert set(by_name) == set(visualize.layer_names(model))
    sides = by_name["fire2_expand1"], by_name["fire2_expand3"]
    assert sides[0].y == sides[1].y and abs(sides[0].x - sides[1].x) == 1 and by_name["fire2"].y == sides[0].y + 1
    assert [b.kinds for b in graph.boxes if "Dropout" in b.kinds] == [("Concatenate", "Dropout")]
    positions = [(b.x, b.y) for b in graph.boxes]
    assert len(set(positions)) == len(positions)
    assert all(by_name[i].y < b.y for b in graph.boxes for i in b.inputs if i in by_name)


def test_every_result_can_be_plotted_without_pyplot(tmp_path):
    model, x = small(), inputs(5)
    maxima = find_top_activations(model, x, ["mid"], 3)["mid"]
    results = [
        visualize.layer_table(model), visualize.draw_graph(model), visualize.show_filters(model), visualize.activation_maps(model, x[:1]),
        visualize.receptive_field(model, "mid:0", image=x[:1]), visualize.compute_saliency(model, x[:1], "mid:1", "guided"),
        visualize.compute_occlusion(model, x[:1], patch_size=20, stride=20), top_image_patches(model, maxima, "mid:0"),
        visualize.synthesize(model, "mid:0", num_restarts=2, steps=2),
    ]  # fmt: skip
    sys.modules.pop("matplotlib.pyplot", None)
    for number, result in enumerate(results):
        path = result.save(tmp_path / f"{number}.png")
        assert np.asarray(Image.open(path).convert("L")).std() > 1, type(result)
    assert "matplotlib.pyplot" not in sys.modules and len(list(tmp_path.iterdir())) == len(results)


def test_half_written_files_never_appear(tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(KerasRecipesError, match=r"a\.png cannot be written: disk full"):
        files.atomic_write(tmp_path / "a.png", fail)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- the report and the commands


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = kr.load("zfnet_small", weights=None, compile=False, **kr.get_recipe("zfnet_small").tiny_config)
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    model.save(path)
    return str(path)


def test_the_report_opens_from_disk(saved, image_folder, tmp_path, capsys):
    units = "relu1:0-1,logits:cat"
    command = [
        "report",
        saved,
        "--images",
        str(image_folder),
        "--units",
        units,
        "--steps",
        "2",
        "--restarts",
        "1",
        "--output",
        str(tmp_path),
    ]
    assert main(command) == 0
    pages = {p.name: p.read_text() for p in tmp_path.glob("*.html")}
    assert set(pages) == {"index.html", "relu1_0.html", "relu1_1.html", "logits_3.html"}
    for name, page in pages.items():
        assert "http" not in page and "<script" not in page, name
        links = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert links and all((tmp_path / link).is_file() for link in links), name
    assert "logits:3 (cat)" in pages["index.html"]
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    (tmp_path / "patches" / "relu1_1.json").unlink()  # as if interrupted before
    assert main(command) == 0
    changed = {p.name for p, stamp in stamps.items() if p.stat().st_mtime_ns != stamp}
    assert changed == {"relu1_1.png", "relu1_1_saliency.png"}
    (tmp_path / "none").mkdir()
    nothing = [str(tmp_path / "none") if word == str(image_folder) else word for word in command[:-1]]
    assert main([*nothing, str(tmp_path / "new")]) == 1 and "holds no images" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert main([*command, "--preset", "1"]) == 1 and "report with other settings" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "patches" / "relu1_0.json").read_text())["activations"]) == 7


def test_the_command_plots_every_method(saved, image_folder, tmp_path, capsys):
    image = str(image_folder / "3.png")
    for method, more in {
        "deconv": ["--unit", "relu2:1", "--render-mode", "norm"], "gradient": ["--unit", "logits:dog"],
        "table": ["--input-size", "32x32"], "graph": [], "filters": [],
        "maximize": ["--unit", "relu1:0-1", "--steps", "2", "--restarts", "1"], "receptive-field": ["--unit", "relu2:1@3,3"],
        "activations": ["--layer", "conv1"], "occlusion": ["--patch-size", "16", "--stride", "16"],
    }.items():  # fmt: skip
        assert main(["visualize", saved, image, "--method", method, "--output", str(tmp_path), *more]) == 0, method
    names = {p.name for p in tmp_path.iterdir()} - {"synthesis.json"}
    expected = ("3_table", "3_graph", "3_occlusion", "relu1_0", "relu1_1", "3_relu2_1_3_3_receptive_field")
    assert {f"{Path(saved).stem}_{name}.png" for name in expected} <= names and len(names) == 10
    assert "total" in capsys.readouterr().out


def test_files_are_named_after_the_saved_model(saved, tmp_path):
    for name in ("birds", "cats"):
        (tmp_path / f"{name}.keras").write_bytes(Path(saved).read_bytes())
        assert main(["visualize", str(tmp_path / f"{name}.keras"), "--method", "graph", "--output", str(tmp_path)]) == 0
    assert {p.name for p in tmp_path.glob("*.png")} == {"birds_graph.png", "cats_graph.png"}


def test_the_command_names_missing_inputs(saved, image_folder, tmp_path, capsys):
    for words, message in (
        (["--method", "occlusion"], "needs an image"),
        ([str(image_folder / "3.png")], "needs --unit"),
        ([str(image_folder / "3.png"), "--unit", "conv9:1"], "no layer 'conv9'. Did you mean conv"),
        (["--method", "table", "--input-size", "31x32"], "not an input size of zfnet_small: 32x32"),
        ([str(image_folder / "8.png"), "--unit", "conv1:1"], "cannot be read as an image"),
    ):
        assert main(["visualize", saved, *words, "--output", str(tmp_path)]) == 1
        assert message in capsys.readouterr().err


def test_help_needs_no_keras():
    code = "import sys; from kerasrecipes.cli.main import main; assert main(['--help']) == 0; import kerasrecipes.visualize"
    code += "; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- other models


def test_probabilities_are_not_squashed_twice():
    x = keras.Input((12, 12, 3))
    y = L.Dense(4, name="logits")(L.Flatten()(L.Conv2D(3, 3, name="c1")(x)))
    logits, probabilities = keras.Model(x, y), keras.Model(x, L.Softmax()(y))
    images = inputs(3, 12)
    results = [
        experiments.measure_invariance(m, images, "shift", ["c1"], magnitudes=[0.0]) for m in (logits, probabilities)
    ]
    expected = float(NUMPY(probabilities(images)).max(-1).mean())
    for each in results:
        assert each.probabilities[0] == pytest.approx(expected, rel=1e-5) and each.distances[0, 0] == 0
    squashed = experiments.measure_invariance(probabilities, images, "shift", ["c1"], magnitudes=[0.0], logits=True)
    assert squashed.probabilities[0] < expected


def test_layers_of_a_nested_model_are_measured_too():
    x = keras.Input((12, 12, 3))
    base = keras.Model(x, L.Conv2D(3, 3, activation="relu", name="c1")(x), name="base")
    whole = keras.Sequential([keras.Input((12, 12, 3)), base, L.Flatten(), L.Dense(2, name="scores")])
    images, labels = inputs(20, 12), np.arange(20) % 2
    layer = next(n for n in visualize.layer_names(whole) if n.endswith("/c1"))
    assert experiments.probe_layers(whole, (images, labels), (images, labels), [layer], epochs=1).layers == (layer,)
    assert experiments.measure_invariance(whole, images, "rotate", [layer], magnitudes=[0.0]).distances[0, 0] == 0
    with pytest.raises(KerasRecipesError, match="is in a nested model"):
        experiments.measure_transfer(whole, (images, labels), (images, labels), [1], layer=layer)


def test_occlusion_may_record_the_output_layer():
    model, x = small(), inputs(1)
    result = visualize.compute_occlusion(model, x, layer="scores", patch_size=20, stride=20)
    assert result.layer == "scores" and result.channel == int(np.argmax(NUMPY(model(x))[0]))


def test_random_filters_of_a_saved_model_are_random(saved, tmp_path, capsys):
    for options in ((), ("--random-weights",)):
        assert main(["visualize", str(saved), "--method", "filters", "--output", str(tmp_path), *options]) == 0
    trained, fresh = (Path(p).read_bytes() for p in capsys.readouterr().out.split())
    assert trained != fresh

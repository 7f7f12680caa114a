"""Networks with weights from Caffe's files give the outputs of the authors' prototxts in OpenCV with the same weights.

The weights are seeded, and written in the format here. Nobody's trained weights are in these tests.
"""

from functools import partial
from types import SimpleNamespace

import caffe_files
import keras
import numpy as np
import pytest
from paths import TESTS

import kerasrecipes as kr
from kerasrecipes.recipes.zfnet import PUBLIC_LAYOUTS

TOLERANCE = 2e-5  # of the largest output: both compute in float32, and the sums over ten and more layers differ in their order
NARROW_CAFFENET = {
    "conv": ((8, 11, 4, 0, 1), (12, 5, 1, 2, 2), (16, 3, 1, 1, 1), (16, 3, 1, 1, 2), (6, 3, 1, 1, 2)), "dense": (20, 14),
}  # fmt: skip
NARROW_VGG = {
    "blocks": tuple((width,) * count for width, count in zip(caffe_files.NARROW_VGG, (2, 2, 3, 3, 3), strict=True)),
    "dense": ((caffe_files.NARROW_DENSE, 7), (caffe_files.NARROW_DENSE, 1)),
}


def network(golden, output, recipe, shapes, config, size=(227, 227), **file):
    """A network: its golden and the array in it, its kernels, its configuration, its input, and how its file is written."""
    return SimpleNamespace(
        golden=golden, output=output, recipe=recipe, shapes=shapes, config=config, size=size, version=file.pop("version", 2), file=file
    )


CAFFENET = "caffenet_opencv", "narrow", "caffenet", caffe_files.NARROW_CAFFENET, NARROW_CAFFENET
NETWORKS = {
    "caffenet": network(*CAFFENET),
    "caffenet, old format": network(*CAFFENET, version=1, shape=False),
    "caffenet, full": network("caffenet_opencv", "full", "caffenet", caffe_files.CAFFENET, {}),
    "squeezenet v1.0": network("squeezenet_versions_opencv", "v1.0", "squeezenet", caffe_files.SQUEEZENET_1_0, {}),
    "squeezenet v1.1": network("squeezenet_versions_opencv", "v1.1", "squeezenet_v1_1", caffe_files.SQUEEZENET_1_1, {}),
}
for name, (recipe, *_) in caffe_files.DILATED.items():
    shapes, margin = partial(caffe_files.shapes_of_dilated, name), 372
    NETWORKS[name] = network(f"{name}_opencv", "narrow", recipe, shapes(full=False), NARROW_VGG, (margin + 96, margin + 80))
    if name != "dilation10_cityscapes":
        NETWORKS[f"{name}, full"] = network(f"{name}_opencv", "full", recipe, shapes(full=True), {}, (margin + 32, margin + 24))
SLOW = [pytest.param(name, marks=pytest.mark.slow) if name.endswith("full") else name for name in NETWORKS]


@pytest.mark.parametrize("name", SLOW)
def test_outputs_are_those_of_opencv(tmp_path, name):
    case = NETWORKS[name]
    golden = np.load(TESTS / "goldens" / f"{case.golden}.npz")
    layers = caffe_files.seeded_layers(case.shapes)
    if case.recipe == "dilation10_cityscapes":
        layers = caffe_files.with_upsampling(layers)
    sums = [blobs[0].sum(dtype="float64") for blobs in layers.values()]
    np.testing.assert_allclose(sums, golden[f"{case.output}_weights"], rtol=1e-9)  # the generator still gives these numbers
    path = tmp_path / "network.caffemodel"
    path.write_bytes(caffe_files.caffemodel(layers, case.version, **case.file))
    model = kr.load(case.recipe, weights=path, compile=False, **case.config)
    assert len(model.import_report.taken) == 2 * len(case.shapes) and model.import_report.missing == ()
    assert model.import_report.left_over == (("ctx_upsample.0",) if "ctx_upsample" in layers else ())
    expected, outputs = [golden[case.output]], [model.output]
    if f"{case.output}_front" in golden:
        assert model.alignment == ("center" if "ctx_upsample" in layers else "release")
        outputs, expected = [*outputs, model.get_layer("front").output], [*expected, golden[f"{case.output}_front"]]
    image = caffe_files.seeded_image(*case.size)[None].astype("float32")
    actual = keras.Model(model.input, {str(i): output for i, output in enumerate(outputs)})(image, training=False)
    for ours, theirs in zip(actual.values(), expected, strict=True):
        difference = np.abs(keras.ops.convert_to_numpy(ours)[0] - theirs).max()
        assert difference < TOLERANCE * np.abs(theirs).max()


@pytest.mark.filterwarnings("ignore:.*logits/kernel, logits/bias, which stay random")
def test_zf_of_py_faster_rcnn_gives_its_features(tmp_path):
    layers = caffe_files.seeded_layers(caffe_files.NARROW_ZF)
    with np.load(TESTS / "goldens" / "zf_opencv.npz") as golden:
        expected = {name: golden[name] for name in golden.files}
    (tmp_path / "ZF.caffemodel").write_bytes(caffe_files.caffemodel(layers))
    filters = [layers[f"conv{number}"][0].shape[0] for number in range(1, 6)]
    conv = tuple((count, *each[1:]) for count, each in zip(filters, PUBLIC_LAYOUTS[0].config["conv"], strict=True))
    model = kr.load("zfnet", weights=tmp_path / "ZF.caffemodel", compile=False, conv=conv, dense=(16, 12))
    assert model.import_report.missing == ("logits/kernel", "logits/bias")
    outputs = {"narrow_conv5": model.get_layer("relu5").output, "narrow": model.get_layer("relu7").output}
    table = kr.visualize.layer_table(model)  # 139 pixels, and 2 * (2 + 8) of the normalizations' windows of 3 x 3 at strides 2 and 8
    assert table["norm1"].span == (11, 11) and table["conv5"].span == (159, 159) and table["conv5"].stride == (16, 16)
    image = caffe_files.seeded_image(224, 224)[None].astype("float32")
    for name, values in keras.Model(model.input, outputs)(image, training=False).items():
        theirs = np.maximum(expected[name], 0)
        assert np.abs(keras.ops.convert_to_numpy(values)[0] - theirs).max() < TOLERANCE * theirs.max()

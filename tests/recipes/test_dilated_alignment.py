"""Where a cell's class lies among its pixels: at their center, or at the first pixel as in the authors' program."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT

import kerasrecipes as kr
from kerasrecipes.engines.task_models import EngineSegmenter
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.export.metadata import export_metadata
from kerasrecipes.inference.image_segmentation import upsample_bilinear

SMALL = {"blocks": ((4,), (4,), (6,), (6,)), "dense": ((8, 3),), "pools": 2}
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    model = kr.load("dilated_camvid_small", weights=None, compile=False, alignment="release", **SMALL)
    for v in model.trainable_variables:
        v.assign(rng.normal(size=v.shape) * np.sqrt(2 / max(np.prod(v.shape[:-1]), 2)))
    return model


def test_release_enlarges_as_the_authors_program():
    """tests/goldens/README.md says how the file was made."""
    golden = np.load(ROOT / "tests" / "goldens" / "dilation_interp_map.npz")
    height, width, _ = golden["pixels"].shape
    result = upsample_bilinear(golden["cells"], 8, alignment="release")[:height, :width]
    np.testing.assert_allclose(result, golden["pixels"], atol=1e-6)
    center = upsample_bilinear(golden["cells"], 8)[:height, :width]
    assert np.abs(center - golden["pixels"]).max() > 0.1


def test_alignments_differ_by_half_a_cell_less_half_a_pixel():
    maps = rng.normal(size=(4, 5, 2))
    release, center = (upsample_bilinear(maps, 5, alignment=name) for name in ("release", "center"))
    np.testing.assert_allclose(release[:-2, :-2], center[2:, 2:], atol=1e-5)
    np.testing.assert_allclose(release[::5, ::5], maps, atol=1e-6)
    np.testing.assert_allclose(center[2::5, 2::5], maps, atol=1e-6)
    np.testing.assert_array_equal(upsample_bilinear(maps, 5, range(3, 9), "release"), release[3:9])


def test_release_trains_on_the_first_pixel_of_each_cell(model):
    """fyu/dilation slices labels with offset 186, the margin, and stride 8."""
    masks = rng.integers(0, 11, size=(2, 8, 12)).astype("uint8")
    np.testing.assert_array_equal(model.downsample_labels(masks), masks[:, ::4, ::4])


def test_release_segments_in_tiles_bands_and_engines_alike(model, monkeypatch):
    picture = rng.integers(0, 256, size=(41, 30, 3)).astype("uint8")
    whole = model.segment(picture)
    logits = model.predict_cell_logits(picture).astype("float64")
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    cells = weights / weights.sum(-1, keepdims=True)
    assert 0.1 < cells.max(-1).mean() < 0.95
    first = whole.mask[::4, ::4], whole.confidence[::4, ::4]  # the first pixels have the cells' own probabilities
    np.testing.assert_array_equal(first[0], cells.argmax(-1))
    np.testing.assert_allclose(first[1], cells.max(-1), atol=1e-5)
    monkeypatch.setattr("kerasrecipes.inference.image_segmentation.UPSAMPLE_BAND_PIXELS", 7 * 30)
    np.testing.assert_allclose(model.segment(picture, tile_size=8).confidence, whole.confidence, atol=1e-4)

    metadata = export_metadata(model)
    assert metadata["alignment"] == "release"
    session = SimpleNamespace(name="onnxruntime")
    engine = EngineSegmenter(metadata, session, lambda: None)
    engine.predict_cell_logits = model.predict_cell_logits
    np.testing.assert_allclose(engine.segment(picture).confidence, whole.confidence, atol=1e-5)
    del metadata["alignment"]  # of files that were exported before there was a choice
    assert EngineSegmenter(metadata, session, lambda: None).alignment == "center"
    for other in ("corner", ["center"], None):
        with pytest.raises(WeightsCorrupted, match="names the alignment .*: export the model again"):
            EngineSegmenter(metadata | {"alignment": other}, session, lambda: None)


def test_a_saved_model_keeps_its_alignment(model, tmp_path):
    model.save(tmp_path / "release.keras")
    assert kr.load(tmp_path / "release.keras", compile=False).alignment == "release"


def test_an_unknown_alignment_is_refused():
    with pytest.raises(KerasRecipesError, match="alignment is 'corner': write one of center, release"):
        kr.load("dilated_camvid_small", weights=None, compile=False, alignment="corner", **SMALL)

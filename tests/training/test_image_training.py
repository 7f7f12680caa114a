"""Image training from data set to release on the command line, and the readers of image sets."""

import gzip
import json
import struct

import numpy as np
import pytest
from PIL import Image

from kerasrecipes import image
from kerasrecipes.cli import main
from kerasrecipes.data.image_dataset import ImageDataset
from kerasrecipes.data.images import load_image_datasets
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest

rng = np.random.default_rng(0)
DIGITS = rng.integers(0, 256, size=(20, 28, 28)).astype("uint8")
LABELS = np.arange(20) % 10
RULE = image.ImagePreprocessing(resize_to=(28, 28), crop_size=(24, 24), channels=1)
CLASSES = tuple("0123456789")


@pytest.fixture
def mnist(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=DIGITS, y_train=LABELS, x_test=DIGITS[::-1], y_test=LABELS[::-1])
    return path


def run(capsys, *arguments):
    status = main.main([str(a) for a in arguments])
    out = capsys.readouterr()
    assert status == 0, out.err
    return out.out


def test_from_training_to_a_measured_row(mnist, place, capsys):
    out = place / "run"
    words = [
        "train",
        "convnetjs_mnist",
        "--data",
        f"mnist:{mnist}?part=kept",
        "--validation",
        f"mnist:{mnist}?part=held",
    ]
    said = run(capsys, *words, "--max-steps", 3, "--output", out)
    assert "3 steps, 0.0 million images" in said and (out / "curve.png").stat().st_size > 1000
    with pytest.raises(AssertionError, match="already holds a run"):
        run(capsys, *words, "--max-steps", 4, "--output", out)
    assert "4 steps" in run(capsys, *words, "--max-steps", 4, "--output", out, "--resume")
    run(capsys, "release", "convnetjs_mnist", "--run", out, "--tag", "t", "--bundled")
    manifest.entries.cache_clear()
    row = manifest.get_entry("convnetjs_mnist")
    assert row.bundled and row.data[0]["images"] == 18 and row.model["classes"] == list(CLASSES)
    file, more = place / "more.yaml", place / "more"
    file.write_text(f"recipe: convnetjs_mnist\ndata: ['mnist:{mnist}?part=kept']\ninit_from: released\nmax_steps: 1\n")
    run(capsys, "train", "convnetjs_mnist", "--config", file, "--output", more)
    assert json.loads((more / "run.json").read_text())["config"]["init_from"].endswith(f"/{row.file}")
    for views in (1, 4):
        text = run(
            capsys,
            "evaluate",
            "convnetjs_mnist",
            "--data",
            f"mnist:{mnist}?split=test",
            "--num-crops",
            views,
            "--record-as",
            "made up",
        )
        assert f"decoder: {views} crops" in text
        manifest.entries.cache_clear()
    metrics = manifest.get_entry("convnetjs_mnist").metrics
    assert [(m["metric"], m["decoder"]) for m in metrics] == [("error", "1 crops"), ("error", "4 crops")]
    assert metrics[1]["command"].endswith("--num-crops 4") and 0 <= metrics[1]["ci_low"] <= metrics[1]["value"]
    Image.fromarray(DIGITS[0]).save(place / "x.png")
    found = json.loads(run(capsys, "classify", "--recipe", "convnetjs_mnist", place / "x.png", "--format", "json"))
    assert found["name"] in CLASSES and run(capsys, "predict", "convnetjs_mnist", place / "x.png").startswith(
        found["name"]
    )
    assert "error" in run(capsys, "show", "convnetjs_mnist") and "18 images" in run(capsys, "show", "convnetjs_mnist")


def test_mnist_as_idx_files_and_as_arrays(mnist, tmp_path):
    folder = tmp_path / "official"
    folder.mkdir()
    head = lambda *shape: bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)  # noqa: E731
    (folder / "train-images-idx3-ubyte").write_bytes(head(20, 28, 28) + DIGITS.tobytes())
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head(20) + LABELS.astype("uint8").tobytes()))
    for spec in (f"mnist:{mnist}", f"mnist:{folder}?split=train"):
        x, y = load_image_datasets([spec], CLASSES, RULE)
        np.testing.assert_array_equal(x[..., 0], DIGITS)
        np.testing.assert_array_equal(y, LABELS)
    with pytest.raises(DataError, match="four idx files"):
        load_image_datasets([f"mnist:{folder}?split=test"], CLASSES, RULE)
    with pytest.raises(DataError, match="names no image set"):
        load_image_datasets([f"digits:{folder}"], CLASSES, RULE)


def test_cifar10_as_binary_batches_and_as_sheets(tmp_path):
    rule = image.ImagePreprocessing(resize_to=(32, 32), crop_size=(32, 32))
    pictures, labels = rng.integers(0, 256, size=(10, 32, 32, 3)).astype("uint8"), np.arange(10)
    rows = np.concatenate([labels[:, None], pictures.transpose(0, 3, 1, 2).reshape(10, -1)], 1).astype("uint8")
    for i in range(5):
        rows[2 * i : 2 * i + 2].tofile(tmp_path / f"data_batch_{i + 1}.bin")
    x, y = load_image_datasets([f"cifar10:{tmp_path}"], CLASSES, rule)
    np.testing.assert_array_equal(x, pictures)
    np.testing.assert_array_equal(y, labels)
    with pytest.raises(DataError, match=r"neither labels.npz nor test_batch.bin"):
        load_image_datasets([f"cifar10:{tmp_path}?split=test"], CLASSES, rule)
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    sheet = pictures.reshape(2, 5, 32, 32, 3).swapaxes(1, 2).reshape(64, 160, 3)
    Image.fromarray(sheet).save(sheets / "test_first1000.png")
    np.savez(sheets / "labels.npz", train=labels, test_first1000=labels)
    np.testing.assert_array_equal(load_image_datasets([f"cifar10:{sheets}?split=test"], CLASSES, rule)[0], pictures)


def test_parts_held_and_kept_are_disjoint(mnist):
    held, kept = (load_image_datasets([f"mnist:{mnist}?part={p}"], CLASSES, RULE) for p in ("held", "kept"))
    np.testing.assert_array_equal(held[0][..., 0], DIGITS[::10])
    assert len(held[1]) + len(kept[1]) == 20 and not {p.tobytes() for p in held[0]} & {p.tobytes() for p in kept[0]}


def test_batches_cover_an_epoch_and_hold_crops():
    batches = ImageDataset(DIGITS[..., None], LABELS, RULE, batch_size=8, augment=True)
    first = [batches[i] for i in range(3)]
    assert [len(x) for x, _ in first] == [8, 8, 4] and sorted(np.concatenate([y for _, y in first])) == sorted(LABELS)
    for (x, _), members in zip(first, np.split(batches.order, [8, 16]), strict=True):
        for view, i in zip(x, members, strict=True):
            cuts = [DIGITS[i, a : a + 24, b : b + 24] for a in range(5) for b in range(5)]
            assert any((view[..., 0] == cut).all() for cut in cuts)
    np.testing.assert_array_equal(batches[1][0], first[1][0])  # the same epoch gives the same crops
    batches.on_epoch_end()
    assert not np.array_equal(batches[0][1], first[0][1])
    plain = ImageDataset(DIGITS[..., None], LABELS, RULE, batch_size=20)
    np.testing.assert_array_equal(plain[0][0][..., 0], DIGITS[plain.order][:, 2:26, 2:26])


def test_masks_from_folders(tmp_path):
    classes = ("sky", "ground")
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.array([[0, 1, 7, 255], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], "uint8")
    Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(tmp_path / "images" / "a.jpg")
    with pytest.raises(DataError, match=r"a.jpg has no mask .*a.png"):
        load_masks([f"masks:{tmp_path}"], classes)
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match=r"a: its mask holds labels \[7\], but there are 2 classes.* write 255"):
        load_masks([f"masks:{tmp_path}"], classes)
    mask[0, 2] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    (picture,), (found,) = load_masks([f"masks:{tmp_path}"], classes)
    assert picture.shape == (4, 4, 3)
    np.testing.assert_array_equal(found, mask)
    Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match="holds colors"):
        load_masks([f"masks:{tmp_path}"], classes)
    Image.fromarray(mask[:3]).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match="its mask"):
        load_masks([f"masks:{tmp_path}"], classes)
    with pytest.raises(DataError, match="no folder `images`"):
        load_masks([f"masks:{tmp_path / 'masks'}"], classes)

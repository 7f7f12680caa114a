"""Class shares of image and segmentation data sets, in Python and on the command line."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import main
from kerasrecipes.data_prep import summarize_images, summarize_masks
from kerasrecipes.errors import DataError


@pytest.fixture
def birds(tmp_path):
    """Return a folder of 30 kakapos, 9 keas and a kaka."""
    for name, count in (("kakapo", 30), ("kea", 9), ("kaka", 1)):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (6, 4 + i % 2)).save(tmp_path / "birds" / name / f"{i}.png")
    return tmp_path / "birds"


def write_masks(folder, *masks):
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for i, values in enumerate(masks):
        mask = np.array(values, "uint8").repeat(4, axis=0).repeat(4, axis=1)
        Image.new("RGB", mask.shape[::-1]).save(folder / "images" / f"{i}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    return f"masks:{folder}"


def test_folders_of_classes(birds):
    summary = summarize_images([f"folder:{birds}"])
    rows = dict(summary.rows)
    assert rows["images"] == "40" and rows["classes"] == "3" and rows["sets"] == "birds"
    assert (
        rows["kakapo"] == "75.0 %, 30 images"
        and rows["kea"] == "22.5 %, 9 images"
        and rows["kaka"] == "2.5 %, 1 images"
    )
    assert rows["sizes"] == "widths 6 to 6, heights 4 to 5, most often 6 x 4"
    assert summary.suspicious == (("kaka", "1 images, the average class has 13"),)
    assert str(summary).splitlines()[-2:] == [
        "suspicious           1 classes",
        "  kaka: 1 images, the average class has 13",
    ]


@pytest.mark.parametrize("stored", ["npz", "idx"])
def test_numbered_classes(tmp_path, stored):
    x, y = np.zeros((20, 28, 28), "uint8"), np.repeat([7, 2, 0], [10, 6, 4]).astype("uint8")
    spec = f"mnist:{tmp_path}"
    if stored == "npz":
        np.savez(tmp_path / "m.npz", x_train=x, y_train=y)
        spec += "/m.npz"
    else:
        (tmp_path / "other").mkdir()  # no class
        for name, values in (("images-idx3", x), ("labels-idx1", y)):
            head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
            (tmp_path / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    assert summarize_images([spec]).rows[2:] == (
        ("sizes", "28 x 28"), ("classes", "3"),
        ("7", "50.0 %, 10 images"), ("2", "30.0 %, 6 images"), ("0", "20.0 %, 4 images"),
    )  # fmt: skip
    assert dict(summarize_images([spec, spec]).rows)["7"] == "50.0 %, 20 images"
    assert dict(summarize_images([f"{spec}?part=held"]).rows)["images"] == "2"


def test_many_classes_are_shortened(tmp_path):
    labels = np.repeat(np.arange(50), np.arange(1, 51))
    np.savez(tmp_path / "m.npz", x_train=np.zeros((len(labels), 4, 4), "uint8"), y_train=labels)
    rows = summarize_images([f"mnist:{tmp_path / 'm.npz'}"]).rows[4:]
    assert len(rows) == 41 and rows[0][0] == "49" and rows[20] == ("...", "10 other classes") and rows[-1][0] == "0"


@pytest.mark.parametrize(("masks", "shares", "void", "suspicious"), [
    ([[[0, 0, 1, 2]]], {"class 0": "50.0 % of the pixels, in 1 masks", "class 2": "25.0 % of the pixels, in 1 masks"}, "0.0 %", []),
    ([[[0, 255, 255, 1]], [[0, 0, 0, 0]]], {"class 0": "62.5 % of the pixels, in 2 masks"}, "25.0 % of the pixels, in 1 masks", []),
    ([[[0, 255, 255, 255]], [[1, 1, 1, 1]]], {"class 0": "12.5 %"}, "37.5 %", [("0", "holds only 0 and 255")]),
    ([[[255, 255]], [[0, 1]], [[255, 0]]], {"class 1": "16.7 %"}, "50.0 %", [("0", "holds only 255"), ("2", "holds only 0 and 255")]),
])  # fmt: skip
def test_shares_of_masks(tmp_path, masks, shares, void, suspicious):
    spec = write_masks(tmp_path, *masks)
    summary = summarize_masks([spec])
    rows = dict(summary.rows)
    assert rows["images"] == str(len(masks)) and rows["no class (255)"].startswith(void)
    assert all(rows[name].startswith(text) for name, text in shares.items())
    assert [name for name, _ in summary.suspicious] == [name for name, _ in suspicious]
    for (_, reason), (_, text) in zip(summary.suspicious, suspicious, strict=True):
        assert reason == f"{text}, which means no class: --mask-values 255=1 makes it class 1"
    assert not summarize_masks([spec], {255: 255}).suspicious
    assert dict(summarize_masks([spec], {255: 7}).rows)["no class (255)"].startswith("0.0 %")


def run(capsys, *arguments):
    status = main.main(["data", "summary", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out + err


def test_the_command_summarizes_each_kind(birds, tmp_path, capsys):
    spec = write_masks(tmp_path, [[0, 255]])
    status, text = run(capsys, spec)
    assert status == 0 and "no class (255)       50.0 %" in text and "suspicious           1 masks" in text
    status, text = run(capsys, spec, "--mask-values", "255=1")
    assert status == 0 and "class 1              50.0 %" in text and "suspicious           0 masks" in text
    status, text = run(capsys, f"folder:{birds}")
    assert status == 0 and "kea                  22.5 %, 9 images" in text


@pytest.mark.parametrize(("arguments", "message"), [
    (("masks:x", "folder:y"), "different kinds (mask set, image set)"),
    (("pictures:x",), "'pictures:x' names no data set: write librispeech:"),
    (("text:x",), "'text:x' names no data set"),
    (("masks:x", "--plots", "y"), "are for sets of speech"),
    (("folder:x", "--compare-with", "librispeech:y"), "are for sets of speech"),
    (("folder:x", "--mask-values", "255=1"), "--mask-values is for sets of masks"),
    (("librispeech:x", "--mask-values", "255=1"), "--mask-values is for sets of masks"),
])  # fmt: skip
def test_options_of_other_kinds_are_errors(capsys, arguments, message):
    status, text = run(capsys, *arguments)
    assert status == 1 and message in text


def test_sets_without_images_are_errors(tmp_path):
    with pytest.raises(DataError, match="holds no folders"):
        summarize_images([f"folder:{tmp_path}"])
    with pytest.raises(DataError, match="no folder `images`"):
        summarize_masks([f"masks:{tmp_path}"])
    with pytest.raises(DataError, match="but there are 255 classes"):
        summarize_masks([f"masks:{tmp_path}"], {255: 300})

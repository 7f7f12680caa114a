"""Pixels of masks that count as no class are named, and `mask_values` gives them one."""

import functools
import struct
import zlib
from types import SimpleNamespace

import click
import keras
import numpy as np
import pytest
from PIL import Image

import kerasrecipes as kr
from kerasrecipes.cli.options import as_command_line
from kerasrecipes.cli.parameter_types import MaskValues
from kerasrecipes.data.segmentation_dataset import prepare_fit_masks
from kerasrecipes.data.segmentation_masks import camvid, check_mask_values, load_masks, read_mask
from kerasrecipes.errors import DataError
from kerasrecipes.recipes.dilated import TINY
from kerasrecipes.training.config import TrainConfig, config_from_dict
from kerasrecipes.training.evaluation import evaluate
from kerasrecipes.training.task_adapters import ImageTraining, SegmentationTraining

CLASSES = ("road", "other")
LABELS = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0]], "uint8")
BLACK_AND_WHITE = 255 * LABELS
VOID = np.full((4, 4), 255, "uint8")
MOSTLY_VOID = np.where(np.arange(16).reshape(4, 4) < 9, 255, LABELS).astype("uint8")
HALF_VOID = np.where(np.arange(16).reshape(4, 4) < 8, 255, LABELS).astype("uint8")


@pytest.fixture
def write_folder(tmp_path):
    """Return a function that writes a folder of images and masks, and returns it."""

    def write(*masks):
        for part in ("images", "masks"):
            (tmp_path / part).mkdir(exist_ok=True)
        for name, mask in zip("abcd", masks, strict=False):
            Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(tmp_path / "images" / f"{name}.png")
            mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
            mask.save(tmp_path / "masks" / f"{name}.png")
        return tmp_path

    return write


@pytest.fixture(scope="module")
def segmenter():
    keras.utils.set_random_seed(0)
    return kr.load("dilated_camvid_small", weights=None, classes=list(CLASSES), **TINY)


def read_arrays(masks, mask_values=None):
    """Return the masks that `fit` makes of arrays."""
    model = SimpleNamespace(classes=CLASSES)
    return prepare_fit_masks(np.zeros((len(masks), 4, 4, 3), "uint8"), np.stack(masks), model, mask_values)[1]


@pytest.mark.parametrize(("masks", "message"), [
    ([BLACK_AND_WHITE], r"hold only 0 and 255, .* nothing but class 0 counts: pass mask_values=\{255: 1\} \(--mask-values 255=1\)"),
    ([BLACK_AND_WHITE, 0 * LABELS], "hold only 0 and 255"),
    ([VOID, 0 * LABELS], r"hold only 0 and 255, .* or mask_values=\{255: 255\} if it means no class"),
    ([VOID], r"All pixels of the masks \(.*\) are 255, .* nothing counts: pass mask_values=\{255: 1\}"),
    ([VOID] * 4, "All pixels of the masks"),
])  # fmt: skip
def test_sets_that_teach_nothing_are_errors(write_folder, masks, message):
    with pytest.raises(DataError, match=message):
        load_masks([f"masks:{write_folder(*masks)}"], CLASSES)
    with pytest.raises(DataError, match=message):
        read_arrays(masks)


@pytest.mark.parametrize(("masks", "message"), [
    ([LABELS, BLACK_AND_WHITE, LABELS], r"1 of 3 masks hold only 0 and 255 \((b|number 1)\)\. .* mask_values=\{255: 1\}"),
    ([LABELS, LABELS, VOID], r"1 of 3 masks hold only 255 \((c|number 2)\)"),
    ([MOSTLY_VOID], r"56 % of all pixels of 1 masks are 255"),
    ([LABELS, VOID, MOSTLY_VOID], r"1 of 3 masks hold only 255 .*; 52 % of all pixels of 3 masks are 255"),
])  # fmt: skip
def test_other_unlabeled_pixels_are_named_in_a_warning(write_folder, masks, message):
    with pytest.warns(UserWarning, match=message):
        load_masks([f"masks:{write_folder(*masks)}"], CLASSES)
    with pytest.warns(UserWarning, match=message):
        read_arrays(masks)


@pytest.mark.parametrize("masks", [[LABELS], [HALF_VOID], [HALF_VOID, LABELS, 0 * LABELS], [0 * LABELS]])
@pytest.mark.filterwarnings("error")
def test_usual_masks_pass_in_silence(write_folder, masks):
    for _, read in (load_masks([f"masks:{write_folder(*masks)}"], CLASSES), (None, read_arrays(masks))):
        np.testing.assert_array_equal(read, masks)


@pytest.mark.parametrize(("mask", "value"), [(128 * LABELS, 128), (2 * LABELS, 2), (254 * LABELS, 254)])
def test_values_beyond_the_classes_are_named_with_the_remedy(write_folder, mask, value):
    message = rf"labels \[{value}\], but there are 2 classes.* mask_values=\{{{value}: 1\}} \(--mask-values {value}=1\)"
    for read in (lambda: load_masks([f"masks:{write_folder(mask)}"], CLASSES), lambda: read_arrays([mask])):
        with pytest.raises(DataError, match=message):
            read()


@pytest.mark.parametrize(("masks", "mask_values", "expected"), [
    ([BLACK_AND_WHITE], {255: 1}, [LABELS]),
    ([BLACK_AND_WHITE], {255: 0, 0: 1}, [1 - LABELS]),
    ([128 * LABELS, HALF_VOID], {128: 1}, [LABELS, HALF_VOID]),
    ([BLACK_AND_WHITE], {255: 255}, [BLACK_AND_WHITE]),
    ([VOID, MOSTLY_VOID], {255: 255}, [VOID, MOSTLY_VOID]),
    ([7 * LABELS, LABELS], {7: 255, 255: 255}, [BLACK_AND_WHITE, LABELS]),
])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_values_get_their_classes(write_folder, masks, mask_values, expected):
    folder = write_folder(*masks)
    for _, read in (load_masks([f"masks:{folder}"], CLASSES, mask_values), (None, read_arrays(masks, mask_values))):
        np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    "y", [np.where(LABELS, -1, 0).astype("int8"), np.where(LABELS, 1000, 0), LABELS.astype("float32") * -1]
)
def test_arrays_take_values_beyond_8_bits(y):
    values = {int(y.max() or y.min()): 1}
    np.testing.assert_array_equal(read_arrays([y], values), [LABELS])


@pytest.mark.parametrize(("mask_values", "message"), [
    ({255: 2}, "makes 255 the label 2, but there are 2 classes"),
    ({255: -1}, "the label -1"),
    ({"255": 1}, r"give \{pixel value: class number\}, for instance \{255: 1\}"),
    ({255: "other"}, "give {pixel value"),
    ([255, 1], "give {pixel value"),
    ({255: 1.5}, "give {pixel value"),
])  # fmt: skip
def test_wrong_tables_are_errors(mask_values, message):
    with pytest.raises(DataError, match=message):
        check_mask_values(mask_values, CLASSES)


@pytest.mark.parametrize(("bits", "labels"), [(1, LABELS), (2, 3 * LABELS), (4, 15 * LABELS), (2, LABELS), (8, LABELS)])
def test_masks_of_few_bits_hold_class_numbers(tmp_path, bits, labels):
    """PNG stores 1, 2, 4 or 8 bits for each gray pixel (PNG specification, 11.2.2), and its values are class numbers."""
    path = tmp_path / "mask.png"
    write_gray_png(path, labels, bits)
    np.testing.assert_array_equal(read_mask(path), labels)


def write_gray_png(path, values, bits):
    """Write a gray PNG of a bit depth, which Pillow cannot."""
    height, width = values.shape
    bit_planes = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bit_planes)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    content = b"".join(
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize("mask", [
    Image.fromarray(LABELS.astype(bool)),
    Image.fromarray(BLACK_AND_WHITE).convert("1"),
    Image.fromarray(LABELS).convert("P"),
    Image.fromarray(LABELS),
])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_masks_of_all_modes_are_labels(write_folder, mask):
    np.testing.assert_array_equal(load_masks([f"masks:{write_folder(mask)}"], CLASSES)[1], [LABELS])


@pytest.mark.parametrize(("mask", "message"), [
    (Image.fromarray(LABELS.astype("uint16")), "16 or 32 bits"),
    (Image.fromarray(LABELS).convert("RGB"), r"colors \(RGB\)"),
    (Image.fromarray(LABELS).convert("LA"), r"colors \(LA\)"),
])  # fmt: skip
def test_masks_of_other_modes_are_errors(write_folder, mask, message):
    with pytest.raises(DataError, match=message):
        load_masks([f"masks:{write_folder(mask)}"], CLASSES)


def test_fit_and_evaluate_take_mask_values(segmenter, write_folder):
    x, gray = np.zeros((1, 4, 4, 3), "uint8"), BLACK_AND_WHITE[None]
    folder = write_folder(BLACK_AND_WHITE)
    expected = segmenter.evaluate(x, LABELS[None], verbose=0)
    for data in ((x, gray), (folder,)):
        assert segmenter.evaluate(*data, verbose=0, mask_values={255: 1}) == pytest.approx(expected, rel=1e-6)
        for verb in (segmenter.evaluate, segmenter.fit):
            with pytest.raises(DataError, match="hold only 0 and 255"):
                verb(*data, verbose=0)
    with pytest.raises(DataError, match="hold only 0 and 255"):
        segmenter.fit(x, LABELS[None], validation_data=(x, gray), verbose=0)
    for batches in (keras.utils.PyDataset(), None):
        with pytest.raises(DataError, match="mask_values works on folders and arrays"):
            segmenter.fit(batches, mask_values={255: 1}, verbose=0)


def test_validation_data_get_the_same_values_once(segmenter, write_folder, monkeypatch):
    """A part that `validation_split` takes is not replaced again: 0 and 255 swap places only once."""
    batches = {}
    record = functools.wraps(keras.Model.fit)(lambda self, x, **arguments: batches.update(arguments, x=x))
    monkeypatch.setattr(keras.Model, "fit", record)
    x, gray = np.zeros((2, 4, 4, 3), "uint8"), np.stack([BLACK_AND_WHITE] * 2)
    for options in (
        {"validation_data": write_folder(BLACK_AND_WHITE)},
        {"validation_split": 0.5},
        {"validation_data": (x, gray)},
    ):
        segmenter.fit(x, gray, mask_values={0: 1, 255: 0}, **options)
        for dataset in (batches["x"], batches["validation_data"]):
            assert all((mask == 1 - LABELS).all() for mask in dataset.masks)


def test_camvid_says_255_for_no_class(tmp_path):
    jpeg = tmp_path / "x.jpg"
    Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(jpeg)
    content = np.frombuffer(jpeg.read_bytes(), "uint8")
    mask = np.where(LABELS, 11, 3)[None].astype("uint8")
    np.savez(tmp_path / "c.npz", train_jpeg=content, train_offset=[0, len(content)], train_name=["x"], train_mask=mask)
    ((_, read, name),) = camvid(tmp_path / "c.npz")
    np.testing.assert_array_equal(read, np.where(LABELS, 255, 3))
    assert name == "x"


@pytest.mark.parametrize(
    ("values", "expected"), [({255: 1}, {255: 1}), ({"255": "1", "128": 255}, {255: 1, 128: 255}), ({}, {})]
)
def test_configurations_hold_mask_values(values, expected):
    config = config_from_dict({"recipe": "dilated_camvid_small", "mask_values": values})
    assert config.mask_values == expected
    assert config_from_dict(config.to_dict()) == config and TrainConfig("x").mask_values == {}


@pytest.mark.parametrize("values", [{"a": 1}, {255: "other"}, [255, 1], {255: 1.5}])
def test_wrong_configurations_name_the_key(values):
    with pytest.raises(DataError, match="mask_values is"):
        config_from_dict({"recipe": "dilated_camvid_small", "mask_values": values})


@pytest.mark.parametrize(
    ("text", "values"), [("255=1", {255: 1}), ("255=1,128=0", {255: 1, 128: 0}), ("255=255", {255: 255})]
)
def test_the_option_reads_a_table(text, values):
    assert MaskValues().convert(text, None, None) == values


@pytest.mark.parametrize("text", ["255", "255:1", "255=1,", "a=b"])
def test_other_texts_are_wrong_usage(text):
    with pytest.raises(click.BadParameter, match="for instance 255=1"):
        MaskValues().convert(text, None, None)


@pytest.mark.parametrize("values", [{255: 1}, {255: 1, 128: 0}, {7: 255}])
def test_recorded_commands_repeat_the_option(values):
    (words,) = as_command_line({"mask_values": values})
    option, text = words.split(" ")
    assert option == "--mask-values" and MaskValues().convert(text, None, None) == values


def test_trainings_read_masks_with_their_values(write_folder):
    spec = f"masks:{write_folder(BLACK_AND_WHITE, LABELS)}"
    config = TrainConfig("dilated_camvid_small", data=(spec,), validation=(spec,), mask_values={255: 1})
    task = SegmentationTraining.__new__(SegmentationTraining)
    task.config, task.model = config, SimpleNamespace(classes=CLASSES)
    np.testing.assert_array_equal(task.load_data([spec])[1], [LABELS, LABELS])
    with pytest.raises(DataError, match="squeezenet is trained without masks: remove `mask_values`"):
        ImageTraining(TrainConfig("squeezenet", mask_values={255: 1}), None, None)


def test_evaluation_reads_masks_with_their_values(write_folder):
    spec = f"masks:{write_folder(BLACK_AND_WHITE)}"
    segment = lambda images: [SimpleNamespace(mask=LABELS) for _ in images]  # noqa: E731
    model = SimpleNamespace(recipe=SimpleNamespace(task="segmentation"), classes=CLASSES, segment=segment)
    assert evaluate(model, [spec], mask_values={255: 1})["miou"].rate == 1
    assert evaluate(model, [spec], mask_values={255: 0, 0: 1})["miou"].rate == 0
    with pytest.raises(DataError, match="hold only 0 and 255"):
        evaluate(model, [spec])

"""Pascal VOC, Cityscapes and KITTI in their official layouts: a few pixels each, and what each damage gives."""

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import main
from kerasrecipes.data import segmentation_sets
from kerasrecipes.data.segmentation_masks import load_masks
from kerasrecipes.data.specs import parse_spec
from kerasrecipes.data_prep import summarize_masks
from kerasrecipes.errors import DataError
from kerasrecipes.registry import get_recipe

VOC = [str(i) for i in range(21)]


def save(path, pixels, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(pixels, "uint8"))
    if palette:
        picture.putpalette([part for i in range(256) for part in (255 - i, i, 7)])
    picture.save(path)


def photo(shade=100, size=(4, 6)):
    return np.full((*size, 3), shade, "uint8")


@pytest.fixture
def voc(tmp_path):
    """Three images, whose masks have a palette and a border of 255, in lists of two and one, and additional masks."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for i, name in enumerate(["2007_000032", "2007_000039", "2008_000001"]):
        mask = np.full((4, 6), 5 * i + 5)
        mask[0] = 255
        save(root / "JPEGImages" / f"{name}.jpg", photo(50 * i))
        save(root / "SegmentationClass" / f"{name}.png", mask, palette=True)
    save(root / "SegmentationClassAug" / "2008_000001.png", np.full((4, 6), 2))
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000032\n2007_000039\n")
    (lists / "val.txt").write_text("2008_000001\n")
    (lists / "trainaug.txt").write_text("/JPEGImages/2008_000001.jpg /SegmentationClassAug/2008_000001.png\n")
    return root


def test_voc_reads_palette_indices_and_void(voc):
    for root in (voc, voc.parent, voc.parent.parent):
        images, masks = load_masks([f"voc:{root}?split=train"], VOC)
        assert [m[1, 0] for m in masks] == [5, 10] and all((m[0] == 255).all() for m in masks)
        assert images[0].shape == (4, 6, 3) and images[1].mean() == pytest.approx(50, abs=3)
    assert [m[1, 0] for m in load_masks([f"voc:{voc}?split=val"], VOC)[1]] == [15]
    assert (load_masks([f"voc:{voc}?split=trainaug"], VOC)[1][0] == 2).all()


def test_the_commands_know_the_sets(voc, capsys):
    assert main.main(["data", "summary", f"voc:{voc}?split=train"]) == 0
    text = capsys.readouterr().out
    assert "images               2" in text and "class 5" in text and "no class (255)" in text


def test_a_head_with_too_few_classes_is_no_evaluation(voc):
    with pytest.raises(DataError, match=r"2007_000039: its mask holds labels \[10\], but there are 10 classes"):
        load_masks([f"voc:{voc}?split=train"], VOC[:10])


@pytest.mark.parametrize(("damage", "message"), [
    (lambda root: (root / "ImageSets/Segmentation/train.txt").unlink(), "no list .*train.txt .the lists are trainaug, val"),
    (lambda root: (root / "ImageSets/Segmentation/train.txt").write_text("\n"), "train.txt names no image"),
    (lambda root: (root / "JPEGImages/2007_000039.jpg").unlink(), "names 2007_000039, but there is no image .*2007_000039.jpg"),
    (lambda root: (root / "SegmentationClass/2007_000039.png").unlink(), "has no mask .*SegmentationClass/2007_000039.png"),
    (lambda root: save(root / "SegmentationClass/2007_000039.png", np.full((4, 6), 21)), r"2007_000039.png holds the values \[21\]"),
    (lambda root: save(root / "SegmentationClass/2007_000039.png", photo()), "2007_000039.png holds colors"),
    (lambda root: (root / "SegmentationClass/2007_000039.png").write_bytes(b"x"), "2007_000039.png cannot be read as an image"),
    (lambda root: save(root / "SegmentationClass/2007_000039.png", np.full((4, 5), 1)), "2007_000039: the image has .4, 6. pixels"),
])  # fmt: skip
def test_damages_of_voc_are_named(voc, damage, message):
    damage(voc)
    with pytest.raises(DataError, match=message):
        load_masks([f"voc:{voc}"], VOC)


def test_an_iterator_reads_one_image_after_the_other(voc):
    """A set is larger than the memory: files are read when they are needed."""
    items = segmentation_sets.voc(voc)
    (voc / "SegmentationClass" / "2007_000039.png").write_bytes(b"")
    assert next(items)[2] == "2007_000032"
    with pytest.raises(DataError, match=r"2007_000039\.png"):
        next(items)


@pytest.fixture
def streets(tmp_path):
    """A Cityscapes image with all 34 label ids and one with license plates (255), and a KITTI image with all ids."""
    ids = np.arange(36).reshape(6, 6).clip(0, 33)
    plates = np.where(ids == 26, 255, ids)
    for city, name, labels in (("aachen", "aachen_000000_000019", ids), ("bonn", "bonn_000001_000019", plates)):
        save(tmp_path / f"leftImg8bit/train/{city}/{name}_leftImg8bit.png", photo(size=(6, 6)))
        save(tmp_path / f"gtFine/train/{city}/{name}_gtFine_labelIds.png", labels)
        save(tmp_path / f"gtFine/train/{city}/{name}_gtFine_instanceIds.png", labels)
    for name in ("000000_10", "000001_10"):
        save(tmp_path / f"training/image_2/{name}.png", photo(size=(6, 6)))
        save(tmp_path / f"training/semantic/{name}.png", ids)
    for file in ("training/image_2/._000000_10.png", "leftImg8bit/train/bonn/._bonn_000001_000019_leftImg8bit.png"):
        (tmp_path / file).write_bytes(b"x")  # as macOS writes beside a file
    (tmp_path / "mine.txt").write_text("000001_10\n")
    return tmp_path


# names and ids of the classes that Cityscapes' evaluation counts, as its site lists them
CITYSCAPES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19, "traffic sign": 20,
    "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31,
    "motorcycle": 32, "bicycle": 33,
}  # fmt: skip


def test_cityscapes_gives_the_classes_of_its_recipe(streets):
    """The k-th class of the recipe's palette is the label id of that name."""
    classes = get_recipe("dilation10_cityscapes").class_names()
    _, masks = load_masks([f"cityscapes:{streets}"], classes)
    flat = masks[0].ravel()[:34]
    assert {classes[label]: i for i, label in enumerate(flat) if label != 255} == CITYSCAPES
    assert masks[1].ravel()[26] == 255 and (masks[1].ravel()[:26] == flat[:26]).all()


def test_kitti_gives_the_classes_of_its_recipe(streets):
    classes = get_recipe("dilation7_kitti").class_names()
    _, masks = load_masks([f"kitti:{streets}"], classes)
    flat = masks[0].ravel()[:34]
    found = {name: [i for i in range(34) if flat[i] == number] for number, name in enumerate(classes)}
    same = {"tree": "vegetation", "sign": "traffic sign", "pedestrian": "person", "bicyclist": "rider"}
    assert all(CITYSCAPES[same.get(name, name)] in ids for name, ids in found.items())
    assert found["pole"] == [17, 18] and found["bicyclist"] == [25, 33] and sum(map(len, found.values())) == 13
    assert [len(load_masks([f"kitti:{streets}{query}"], classes)[1]) for query in ("", "?split=mine")] == [2, 1]
    city = load_masks([f"kitti:{streets}?classes=19"], list(CITYSCAPES))[1][0].ravel()[:34]
    assert [i for i in range(34) if city[i] != 255] == sorted(CITYSCAPES.values())


def test_summaries_count_the_classes(streets):
    assert dict(summarize_masks([f"cityscapes:{streets}?split=train"]).rows)["classes"] == "19"
    assert dict(summarize_masks([f"kitti:{streets}"]).rows)["classes"] == "11"


@pytest.mark.parametrize(("spec", "damage", "message"), [
    ("cityscapes:{}?split=val", None, "val names no image"),
    ("cityscapes:{}?split=test", None, "not published: use split=val"),
    ("cityscapes:{}", "gtFine/train/bonn/bonn_000001_000019_gtFine_labelIds.png", "has no mask .*bonn_000001_000019_gtFine_labelIds"),
    ("cityscapes:{}", np.full((6, 6), 34), r"labelIds.png holds the values \[34\]"),
    ("kitti:{}?split=testing", None, "not published"),
    ("kitti:{}?split=val", None, "There is no list .*val.txt: write a name such as 000000_10"),
    ("kitti:{}?classes=12", None, "classes=11 and classes=19, not '12'"),
    ("kitti:{}", "training/semantic/000001_10.png", "has no mask .*semantic/000001_10.png"),
    ("kitti:{}?split=mine", "training/image_2/000001_10.png", "mine.txt names 000001_10, but there is no image"),
    ("kitti:{}", np.full((6, 6), 200), r"semantic/000000_10.png holds the values \[200\]"),
])  # fmt: skip
def test_damages_of_streets_are_named(streets, spec, damage, message):
    if isinstance(damage, str):
        (streets / damage).unlink()
    elif damage is not None:
        for path in streets.rglob("*labelIds.png" if spec.startswith("city") else "semantic/*.png"):
            save(path, damage)
    with pytest.raises(DataError, match=message):
        load_masks([spec.format(streets)], list(CITYSCAPES))


def test_unknown_options_list_the_forms():
    with pytest.raises(DataError, match=r"kitti:FOLDER\?split=NAME&classes=11\|19"):
        parse_spec("kitti:x?part=held", "masks")


def test_images_of_several_sizes_get_one(voc):
    """The center stays where it is, larger sides are cut, and what is added mirrors the image and has no class."""
    rng = np.random.default_rng(0)
    wide, ids = rng.integers(0, 255, (4, 8, 3), "uint8"), rng.integers(0, 21, (4, 8), "uint8")
    save(voc / "JPEGImages/2007_000039.jpg", wide)
    save(voc / "SegmentationClass/2007_000039.png", ids, palette=True)
    wide = np.asarray(Image.open(voc / "JPEGImages/2007_000039.jpg"))
    images, masks = load_masks([f"voc:{voc}?size=6x7"], VOC)
    assert [i.shape for i in images] == [(7, 6, 3)] * 2 and [m.shape for m in masks] == [(7, 6)] * 2
    assert (masks[1][1:5] == ids[:, 1:7]).all() and (masks[1][[0, 5, 6]] == 255).all() and masks[1].dtype == "uint8"
    assert (images[1] == wide[[1, 0, 1, 2, 3, 2, 1], 1:7]).all()
    assert len({i.shape for i in load_masks([f"voc:{voc}"], VOC)[0]}) == 2
    assert dict(summarize_masks([f"voc:{voc}?size=500x500"]).rows)["sizes"] == "500 x 500"


@pytest.mark.parametrize("size", ["500", "500x", "x", "500x3", "99999x99999", "-5x10", "5.5x10", "1e3x10", "²x10"])
def test_other_sizes_are_errors(voc, size):
    with pytest.raises(DataError, match="is not WIDTHxHEIGHT"):
        load_masks([f"voc:{voc}?size={size}"], VOC)

"""Segmentation data sets in their official layouts: Pascal VOC 2012, Cityscapes and KITTI."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasrecipes import image
from kerasrecipes.data.segmentation_masks import IGNORE_INDEX, read_mask
from kerasrecipes.errors import DataError, convert_errors, reader
from kerasrecipes.utils.text_files import read_lines

VOC_CLASSES = 21  # the background and 20 kinds of objects
MAX_CITYSCAPES_ID = 33
# label id of Cityscapes and KITTI -> class of Cityscapes' evaluation (its train id); all other ids are no class
CITYSCAPES_CLASSES = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
    31: 16, 32: 17, 33: 18,
}  # fmt: skip
# label id -> class of `dilation7_kitti`: building, tree, sky, car, sign, road, pedestrian, fence, pole (and groups), sidewalk,
# bicyclist (riders and bicycles)
URBAN_CLASSES = {11: 0, 21: 1, 23: 2, 26: 3, 20: 4, 7: 5, 24: 6, 13: 7, 17: 8, 18: 8, 8: 9, 25: 10, 33: 10}
KITTI_CLASSES = {"11": URBAN_CLASSES, "19": CITYSCAPES_CLASSES}

Item = tuple[np.ndarray, np.ndarray, str]
Pair = tuple[Path, Path, str]


@reader(DataError)
def voc(root: Path, split: str = "train") -> Iterator[Item]:
    """Read Pascal VOC 2012: images, masks (21 classes, and 255 for void) and names of one list.

    Args:
        root: Folder `VOC2012` with `JPEGImages`, `SegmentationClass` and `ImageSets/Segmentation`, or one above it.
        split: Name of a list in `ImageSets/Segmentation`: "train", "val" or "trainval", or "trainaug" for the additional masks
            of Hariharan et al., whose list and folder `SegmentationClassAug` do not come with VOC. Default "train".

    Raises:
        DataError: The list, an image or a mask is missing, or a mask holds a value that is no class.
    """
    root = next((f for f in (root, root / "VOC2012", root / "VOCdevkit/VOC2012") if (f / "ImageSets").is_dir()), root)
    lists = root / "ImageSets" / "Segmentation"
    path = lists / f"{split}.txt"
    if not path.is_file():
        others = ", ".join(sorted(p.stem for p in lists.glob("*.txt"))) or "not there"
        raise DataError(f"There is no list {path} (the lists are {others}): pass the folder VOC2012 and split=NAME of a list")
    augmented = root / "SegmentationClassAug"
    masks = augmented if split.endswith("aug") and augmented.is_dir() else root / "SegmentationClass"
    # a line is a name, or the two paths of an image and its mask
    names = [Path(line.split()[0]).stem for line in read_lines(path) if line.strip()]
    pairs = [(root / "JPEGImages" / f"{name}.jpg", masks / f"{name}.png", name) for name in names]
    return read_pairs(pairs, path, check_voc_mask)


@reader(DataError)
def cityscapes(root: Path, split: str = "train") -> Iterator[Item]:
    """Read Cityscapes: images, masks (19 classes, and 255 for all other label ids) and names of one split.

    Args:
        root: Folder with `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/SPLIT/CITY/*_gtFine_labelIds.png`.
        split: "train" (2,975 images) or "val" (500). Default "train".

    Raises:
        DataError: The split or a mask is missing, or a mask holds a value that is no label id.
    """
    if split == "test":
        raise DataError("The labels of Cityscapes' test images are not published: use split=val")
    folder = root / "leftImg8bit" / split
    pairs = []
    for path in sorted(folder.glob("*/[!.]*_leftImg8bit.png")):
        name = path.name.removesuffix("_leftImg8bit.png")
        mask = root / "gtFine" / split / path.parent.name / f"{name}_gtFine_labelIds.png"
        pairs.append((path, mask, name))
    return read_pairs(pairs, folder, convert_label_ids(CITYSCAPES_CLASSES))


@reader(DataError)
def kitti(root: Path, split: str = "training", classes: str = "11") -> Iterator[Item]:
    """Read KITTI's semantic segmentation: images, masks (255 for no class) and names.

    Args:
        root: Folder with `training/image_2/*.png` and `training/semantic/*.png`.
        split: "training" for all 200 images with labels, or the name of a list of images beside that folder, `root/NAME.txt`
            with a name such as 000000_10 in each line. Default "training".
        classes: "11" for those of `dilation7_kitti`, or "19" for those of Cityscapes, whose label ids KITTI uses. Default "11".

    Raises:
        DataError: A folder, a list, an image or a mask is missing, or a mask holds a value that is no label id.
    """
    if classes not in KITTI_CLASSES:
        raise DataError(f"kitti has classes={' and classes='.join(KITTI_CLASSES)}, not {classes!r}")
    if split == "testing":
        raise DataError("The labels of KITTI's test images are not published: leave out split=testing")
    folder, masks = root / "training" / "image_2", root / "training" / "semantic"
    source = folder if split == "training" else root / f"{split}.txt"
    if source != folder and not source.is_file():
        raise DataError(f"There is no list {source}: write a name such as 000000_10 into each line, or leave out split=")
    names = [p.stem for p in sorted(folder.glob("[!.]*.png"))]
    if source != folder:
        names = [Path(line.strip()).stem for line in read_lines(source) if line.strip()]
    pairs = [(folder / f"{name}.png", masks / f"{name}.png", name) for name in names]
    return read_pairs(pairs, source, convert_label_ids(KITTI_CLASSES[classes]))


def read_pairs(
    pairs: Sequence[Pair], source: Path, convert: Callable[[np.ndarray, Path], np.ndarray]
) -> Iterator[Item]:
    """Check that all files exist, and return an iterator that reads one image with its mask after the other.

    Args:
        pairs: Image, mask and name of each item.
        source: List or folder that names the items, for the message.
        convert: Function from the pixel values of a mask and its path to class numbers.

    Raises:
        DataError: There is no item, or a file is missing.
    """
    if not pairs:
        raise DataError(f"{source} names no image: check the path and split=, and unpack the set again")
    for path, mask, _ in pairs:
        if not path.is_file():
            raise DataError(f"{source} names {path.stem}, but there is no image {path}: unpack the set again")
        if not mask.is_file():
            raise DataError(f"{path} has no mask {mask}: unpack the set again")
    return iterate_pairs(pairs, convert)


def iterate_pairs(pairs: Sequence[Pair], convert: Callable[[np.ndarray, Path], np.ndarray]) -> Iterator[Item]:
    """Yield images, masks and names, so that a set larger than the memory can be summarized."""
    for path, mask_path, name in pairs:
        with convert_errors(DataError, mask_path):
            item = image.load_image(path), convert(read_mask(mask_path), mask_path), name
        yield item


def check_voc_mask(mask: np.ndarray, path: Path) -> np.ndarray:
    """Return a mask of VOC, whose values are classes and 255.

    Raises:
        DataError: It holds another value.
    """
    if (unknown := np.setdiff1d(mask, [*range(VOC_CLASSES), IGNORE_INDEX])).size:
        raise DataError(
            f"{path} holds the values {unknown.tolist()[:5]}, but VOC has the classes 0 to {VOC_CLASSES - 1} and {IGNORE_INDEX} "
            "for none: unpack the set again"
        )
    return mask


def convert_label_ids(classes: Mapping[int, int]) -> Callable[[np.ndarray, Path], np.ndarray]:
    """Return a function that converts a mask of Cityscapes' label ids to class numbers, 255 for ids without a class.

    Args:
        classes: {label id: class number}.
    """
    table = np.full(256, IGNORE_INDEX, "uint8")
    table[list(classes)] = list(classes.values())

    def convert(mask: np.ndarray, path: Path) -> np.ndarray:
        if (unknown := np.setdiff1d(mask, [*range(MAX_CITYSCAPES_ID + 1), 255])).size:  # 255 is -1, of license plates
            raise DataError(
                f"{path} holds the values {unknown.tolist()[:5]}, but the label ids of Cityscapes are 0 to {MAX_CITYSCAPES_ID}: "
                "unpack the set again"
            )
        return table[mask]

    return convert

"""ImageNet (ILSVRC 2012) and Tiny ImageNet in their official layouts, whose classes are WNIDs such as n01440764."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasrecipes import image
from kerasrecipes.data.class_labels import number_classes
from kerasrecipes.errors import DataError, ImageError, reader
from kerasrecipes.utils.mat_files import check_mat_sizes
from kerasrecipes.utils.text_files import read_lines, read_text

WNID = re.compile(r"n[0-9]{8}")
WORD_LISTS = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")  # a WNID and its names in each line
NUM_CLASSES = 1000
KAGGLE_FOLDER = "ILSVRC/Data/CLS-LOC"
DEVKIT = ("ILSVRC2012_devkit_t12/data", "data", ".")  # places of the development kit's lists
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"

Images = tuple[list[str], np.ndarray]


@reader(DataError)
def tiny_imagenet(root: Path, split: str = "train", classes: Sequence[str] = ()) -> Images:
    """List the paths and labels of Tiny ImageNet: 200 classes of 64 x 64 pixels.

    Args:
        root: Folder `tiny-imagenet-200` with `wnids.txt`, `words.txt`, `train/WNID/images` and `val/images` beside
            `val/val_annotations.txt`. `val` may also hold a folder for each class.
        split: "train" (100,000 images) or "val" (10,000). Default "train".
        classes: Names of the model's classes (`number_classes`). Default: the order of `wnids.txt`.

    Raises:
        DataError: A list, a folder or an image is missing, a line is malformed, or a class is unknown.
    """
    wnids = read_wnids(root / "wnids.txt")
    annotations = root / "val" / "val_annotations.txt"
    if split == "val" and annotations.is_file():
        items = read_image_list(annotations, root / "val" / "images", wnids)
    else:
        items = list_class_images(root / split, wnids)
    return number_items(items, number_classes(wnids, read_words(root), classes, root, {w for _, w in items}))


@reader(DataError)
def imagenet(root: Path, split: str = "train", classes: Sequence[str] = ()) -> Images:
    """List the paths and labels of ILSVRC 2012: 1,000 classes.

    Args:
        root: Folder with `train/WNID/*.JPEG` and `val`, or Kaggle's folder above `ILSVRC/Data/CLS-LOC`. `val` holds a folder for
            each class, or all images. Then their classes are in `LOC_val_solution.csv`, in Caffe's `val.txt`, or in the
            development kit `ILSVRC2012_devkit_t12` (which needs scipy), in `root`.
        split: "train" (1,281,167 images) or "val" (50,000). Default "train".
        classes: Names of the model's classes (`number_classes`). Default: the sorted WNIDs.

    Raises:
        DataError: A folder, a list or an image is missing, a line is malformed, or a class is unknown.
    """
    base = root if (root / split).is_dir() else root / KAGGLE_FOLDER
    folder, words = base / split, read_words(root)
    if not folder.is_dir():
        raise DataError(f"There is no folder {root / split}: pass the folder that holds train/ or val/")
    folders = list_wnid_folders(folder)
    listed = sorted(words) if len(words) <= NUM_CLASSES else []  # longer lists name all nouns of WordNet
    wnids = listed or sorted({*list_wnid_folders(base / "train"), *folders})
    if unknown := sorted(set(folders) - set(wnids)):
        raise DataError(f"{folder} has the folder {unknown[0]}, which the list of classes in {root} does not name")
    if folders:
        items = list_class_images(folder, folders)
    elif split == "val":
        items, wnids = read_validation_list(root, folder, wnids)
    else:
        raise DataError(f"{folder} holds no folder of a class such as n01440764: unpack the archives of its classes")
    return number_items(items, number_classes(wnids, words, classes, root, {w for _, w in items}))


def read_validation_list(root: Path, folder: Path, wnids: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the path and class of each image of the flat validation folder, and all classes in their order.

    Where no file names the WNIDs, the classes are the numbers of Caffe's list, written as text.
    """
    if (path := root / "LOC_val_solution.csv").is_file():
        items = read_kaggle_list(path, folder, wnids)
        return items, wnids or sorted({wnid for _, wnid in items})
    if (path := root / "val.txt").is_file():
        numbers = {str(i): wnid for i, wnid in enumerate(wnids)} or {str(i): str(i) for i in range(NUM_CLASSES)}
        items = read_image_list(path, folder, list(numbers))
        return [(image_path, numbers[number]) for image_path, number in items], list(numbers.values())
    for place in DEVKIT:
        if (path := root / place / GROUND_TRUTH).is_file():
            return read_devkit_list(path, folder)
    raise DataError(
        f"{folder} holds neither folders of classes, nor is there a list of its classes in {root}: copy LOC_val_solution.csv, "
        "val.txt or ILSVRC2012_devkit_t12 there"
    )


def read_kaggle_list(path: Path, folder: Path, wnids: Collection[str]) -> list[tuple[str, str]]:
    """Return the path and WNID of each row of `LOC_val_solution.csv`: an image, and boxes of its class."""
    items, rows = [], csv.DictReader(read_text(path).splitlines())
    for number, row in enumerate(rows, 2):
        name, wnid = row.get("ImageId") or "", (row.get("PredictionString") or "").split(" ")[0]
        if not name or not is_wnid(wnid) or (wnids and wnid not in wnids):
            raise DataError(f"{path}, line {number}: 'ImageId,PredictionString' with a known WNID is expected")
        items.append((find_image(folder / f"{name}.JPEG", path), wnid))
    return items


def read_devkit_list(path: Path, folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the path and WNID of each validation image, and all WNIDs, from the lists of the development kit."""
    numbered = read_devkit_wnids(path.with_name("meta.mat"))
    items = []
    for number, line in enumerate((line for line in read_lines(path) if line.strip()), 1):
        if not line.strip().isascii() or not line.strip().isdigit() or int(line) not in numbered:
            raise DataError(f"{path}, line {number}: a number of a class is expected, not {line!r:.40}")
        name = f"ILSVRC2012_val_{number:08}.JPEG"
        items.append((find_image(folder / name, path), numbered[int(line)]))
    return items, sorted(numbered.values())


def read_image_list(path: Path, folder: Path, classes: Collection[str]) -> list[tuple[str, str]]:
    """Return the path and the class of each line: an image, its class, and columns that are not read."""
    known, items = set(classes), []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        name, *columns = line.split()
        if not columns or columns[0] not in known:
            raise DataError(f"{path}, line {number}: an image and its class are expected, not {line!r:.80}")
        items.append((find_image(folder / name, path), columns[0]))
    if not items:
        raise DataError(f"{path} names no image: unpack the set again")
    if repeated := next((name for name, count in Counter(name for name, _ in items).items() if count > 1), None):
        raise DataError(f"{path} names {repeated} more than once: unpack the set again")
    return items


def find_image(path: Path, source: Path) -> str:
    """Return the path of an image, or raise `DataError` if the list `source` names an image that is missing."""
    if not path.is_file():
        raise DataError(f"{source} names {path.name}, but there is no image {path}: unpack the set again")
    return str(path)


def list_class_images(folder: Path, wnids: Sequence[str]) -> list[tuple[str, str]]:
    """Return the path and WNID of each image in `folder/WNID` or `folder/WNID/images`.

    Raises:
        DataError: A class has no folder, or it holds no image.
    """
    items: list[tuple[str, str]] = []
    for wnid in wnids:
        inner = folder / wnid / "images"
        place = inner if inner.is_dir() else folder / wnid
        if not place.is_dir():
            raise DataError(f"There is no folder {place}, which should hold the images of a class: unpack the set again")
        try:
            items += [(str(path), wnid) for path in image.list_image_files(place)]
        except ImageError as error:
            raise DataError(str(error)) from error
    return items


def number_items(items: Sequence[tuple[str, str]], numbers: Mapping[str, int]) -> Images:
    """Return the paths and the class indices, (n,) int32, of pairs (path, WNID)."""
    return [path for path, _ in items], np.array([numbers[wnid] for _, wnid in items], "int32")


def is_wnid(name: str) -> bool:
    """Return whether a name is a WNID."""
    return bool(WNID.fullmatch(name))


def list_wnid_folders(folder: Path) -> list[str]:
    """Return the sorted WNIDs whose folders a folder holds, or nothing if there is no such folder."""
    return sorted(p.name for p in folder.iterdir() if is_wnid(p.name) and p.is_dir()) if folder.is_dir() else []


def list_imagenet_classes(root: Path, split: str = "train") -> list[str]:
    """Return the WNID and first name of each class, in the order of the labels of `imagenet` and `tiny_imagenet`."""
    words = read_words(root)
    folders = {w for base in (root, root / KAGGLE_FOLDER) for w in list_wnid_folders(base / "train")}
    folders |= set(list_wnid_folders(root / split))
    listed = root / "wnids.txt"
    wnids = read_wnids(listed) if listed.is_file() else sorted(words) or sorted(folders)
    return [" ".join([wnid, *words.get(wnid, ())[:1]]) for wnid in wnids]


def read_wnids(path: Path) -> list[str]:
    """Read a list with a WNID in each line.

    Raises:
        DataError: There is no such file, or a line holds something else or a WNID for the second time.
    """
    if not path.is_file():
        raise DataError(f"There is no list {path}: pass the folder that holds it, or unpack the set again")
    wnids = [line.strip() for line in read_lines(path) if line.strip()]
    for number, wnid in enumerate(wnids, 1):
        if not is_wnid(wnid) or wnid in wnids[: number - 1]:
            raise DataError(f"{path}, line {number}: a new WNID such as n01440764 is expected, not {wnid!r:.40}")
    return wnids


def read_words(root: Path) -> dict[str, tuple[str, ...]]:
    """Read the names of each WNID from the first list of `WORD_LISTS` that a folder holds, or return nothing.

    Raises:
        DataError: A line does not begin with a WNID.
    """
    path = next((root / name for name in WORD_LISTS if (root / name).is_file()), None)
    words: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(path) if path else (), 1):
        if not line.strip():
            continue
        wnid, *rest = line.split(maxsplit=1)
        if not is_wnid(wnid):
            raise DataError(f"{path}, line {number}: a WNID and its names are expected, not {line!r:.80}")
        words[wnid] = tuple(name.strip() for name in "".join(rest).split(","))
    return words


@reader(DataError)
def read_devkit_wnids(path: Path) -> dict[int, str]:
    """Read the WNIDs of the 1,000 classes by their numbers in the lists of the development kit, which begin with 1.

    Raises:
        DataError: There is no such file, it is no `meta.mat`, or scipy is not installed.
    """
    if not path.is_file():
        raise DataError(f"There is no {path}, which names the classes of the list beside it: unpack the development kit again")
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DataError(f'{path} is a file of MATLAB: pip install scipy, or copy LOC_val_solution.csv or val.txt') from error
    content = path.read_bytes()
    check_mat_sizes(content)
    rows = loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=True)["synsets"].reshape(-1)
    numbered = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    numbered = {number: wnid for number, wnid in numbered.items() if 1 <= number <= NUM_CLASSES}
    if not numbered or not all(map(is_wnid, numbered.values())):
        raise DataError(f"{path} holds no WNIDs: unpack the development kit again")
    return numbered

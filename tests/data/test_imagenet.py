"""ImageNet and Tiny ImageNet in their official layouts: a few pixels each, and what each damage gives."""

import os

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import main
from kerasrecipes.data.class_labels import number_classes
from kerasrecipes.data.images import load_image_datasets, read_image_set
from kerasrecipes.data_prep import summarize_images
from kerasrecipes.errors import DataError
from kerasrecipes.image import ImagePreprocessing
from kerasrecipes.registry import get_recipe

WNIDS = ["n02124075", "n01443537", "n07768694"]  # the order of wnids.txt is not sorted
WORDS = {"n01443537": "goldfish, Carassius auratus", "n02124075": "Egyptian cat", "n07768694": "pomegranate"}
CLASSES = get_recipe("squeezenet").class_names()  # of which goldfish is number 1, Egyptian cat 285, pomegranate 957


def save(path, shade=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade,) * 3).save(path, "JPEG")


@pytest.fixture
def tiny(tmp_path):
    """Two training images of each of three classes, and a validation image of the last and of the first."""
    root = tmp_path / "tiny-imagenet-200"
    for i, wnid in enumerate(WNIDS):
        for k in range(2):
            save(root / "train" / wnid / "images" / f"{wnid}_{k}.JPEG", 40 * i + k)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t4\t4\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    (root / "words.txt").write_text("".join(f"{w}\t{n}\n" for w, n in (WORDS | {"n00001740": "entity"}).items()))
    save(root / "val" / "images" / "val_0.JPEG", 200)
    save(root / "val" / "images" / "val_1.JPEG", 210)
    lines = "val_0.JPEG\tn07768694\t0\t32\t44\t62\nval_1.JPEG\tn02124075\t52\t55\t57\t59\n"
    (root / "val" / "val_annotations.txt").write_text(lines)
    (root / "test" / "images").mkdir(parents=True)
    return root


def test_tiny_imagenet_in_its_own_order(tiny):
    paths, labels = read_image_set(f"tiny-imagenet:{tiny}", [])
    assert labels.tolist() == [0, 0, 1, 1, 2, 2] and paths[2].endswith("n01443537/images/n01443537_0.JPEG")
    paths, labels = read_image_set(f"tiny-imagenet:{tiny}?split=val", [])
    assert [os.path.basename(p) for p in paths] == ["val_0.JPEG", "val_1.JPEG"] and labels.tolist() == [2, 0]
    assert read_image_set(f"tiny-imagenet:{tiny}?split=val&part=held", ["a", "b", "c"])[1].tolist() == [2]


def test_names_of_words_find_the_classes_of_a_model_of_imagenet(tiny):
    _, labels = read_image_set(f"tiny-imagenet:{tiny}", CLASSES)
    assert labels.tolist() == [285, 285, 1, 1, 957, 957]
    images, labels = load_image_datasets([f"tiny-imagenet:{tiny}?split=val"] * 2, CLASSES, ImagePreprocessing((8, 8), (8, 8)))
    assert images.shape == (4, 8, 8, 3) and labels.tolist() == [957, 285] * 2
    assert images[:, 0, 0, 0].tolist() == pytest.approx([200, 210] * 2, abs=3)


def test_the_commands_know_the_sets(tiny, capsys):
    assert main.main(["data", "summary", f"tiny-imagenet:{tiny}"]) == 0
    text = capsys.readouterr().out
    assert "n02124075 Egyptian cat 33.3 %, 2 images" in text and "8 x 8" in text


@pytest.mark.parametrize(("damage", "query", "message"), [
    (lambda root: (root / "wnids.txt").unlink(), "", "no list .*wnids.txt"),
    (lambda root: (root / "wnids.txt").write_text("n01443537\ncat\n"), "", "wnids.txt, line 2: a new WNID"),
    (lambda root: (root / "words.txt").write_text("cat\n"), "", "words.txt, line 1: a WNID and its names"),
    (lambda root: (root / "val/val_annotations.txt").write_text("val_0.JPEG\n"), "?split=val", "val_annotations.txt, line 1"),
    (lambda root: (root / "val/val_annotations.txt").write_text("val_0.JPEG\tn00000000\n"), "?split=val", "line 1: an image and its"),
    (lambda root: (root / "val/val_annotations.txt").write_text(""), "?split=val", "val_annotations.txt names no image"),
    (lambda root: (root / "val/val_annotations.txt").write_text(2 * "val_0.JPEG\tn01443537\n"), "?split=val", "more than once"),
    (lambda root: (root / "val/val_annotations.txt").unlink(), "?split=val", "There is no folder .*val/n02124075"),
    (lambda root: (root / "val/images/val_1.JPEG").unlink(), "?split=val", "names val_1.JPEG, but there is no image"),
    (lambda root: [p.unlink() for p in (root / "train/n01443537/images").iterdir()], "", "n01443537/images"),
    (lambda root: None, "?split=test", r"tiny-imagenet:FOLDER\?split=train\|val"),
])  # fmt: skip
def test_damages_of_tiny_imagenet_are_named(tiny, damage, query, message):
    damage(tiny)
    with pytest.raises(DataError, match=message):
        read_image_set(f"tiny-imagenet:{tiny}{query}", [])


@pytest.fixture
def ilsvrc(tmp_path):
    """Three classes with a training image each, and three validation images in one folder, without a list."""
    for i, wnid in enumerate(sorted(WNIDS)):
        save(tmp_path / "train" / wnid / f"{wnid}_10.JPEG", i)
        save(tmp_path / "val" / f"ILSVRC2012_val_{i + 1:08}.JPEG", 100 + i)
    return tmp_path


ORDER = [2, 0, 2]  # the sorted classes of the validation images


def write_kaggle(root):
    rows = [f"ILSVRC2012_val_{i + 1:08},{sorted(WNIDS)[k]} 85 1 499 272 {sorted(WNIDS)[k]} 3 4 5 6 " for i, k in enumerate(ORDER)]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows[::-1]]))


def write_caffe(root):
    (root / "val.txt").write_text("".join(f"ILSVRC2012_val_{i + 1:08}.JPEG {k}\n" for i, k in enumerate(ORDER)))


def write_devkit(root):
    """The development kit numbers classes in an order of its own, and numbers beyond 1,000 are no classes."""
    savemat = pytest.importorskip("scipy.io").savemat
    folder = root / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    rows = [(1, "n07768694"), (2, "n02124075"), (3, "n01443537"), (1001, "n00001740")]
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    savemat(folder / "meta.mat", {"synsets": np.array([(i, w, "name") for i, w in rows], kinds).reshape(-1, 1)})
    number = {wnid: i for i, wnid in rows}
    lines = [str(number[sorted(WNIDS)[k]]) for k in ORDER]
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("write", [write_kaggle, write_caffe, write_devkit])
def test_a_flat_validation_folder_with_each_list(ilsvrc, write):
    write(ilsvrc)
    for classes in ([], ["a", "b", "c"]):
        paths, labels = read_image_set(f"imagenet:{ilsvrc}?split=val", classes)
        assert {os.path.basename(p)[-6]: k for p, k in zip(paths, labels, strict=True)} == {"1": 2, "2": 0, "3": 2}
    by_name = ["pomegranate (fruit)", "x", "n01443537", "y", "Egyptian cat"]
    (ilsvrc / "LOC_synset_mapping.txt").write_text("".join(f"{w} {n}\n" for w, n in WORDS.items()))
    paths, labels = read_image_set(f"imagenet:{ilsvrc}?split=val", by_name)
    assert {os.path.basename(p)[-6]: k for p, k in zip(paths, labels, strict=True)} == {"1": 0, "2": 2, "3": 0}


def test_caffes_list_needs_no_other_files(ilsvrc):
    """The numbers are those of the 1,000 classes."""
    write_caffe(ilsvrc)
    for folder in sorted((ilsvrc / "train").iterdir()):
        (folder / f"{folder.name}_10.JPEG").unlink()
        folder.rmdir()
    assert read_image_set(f"imagenet:{ilsvrc}?split=val", CLASSES)[1].tolist() == ORDER
    with pytest.raises(DataError, match="has 1000 classes and the model 2"):
        read_image_set(f"imagenet:{ilsvrc}?split=val", ["a", "b"])


def test_kaggles_list_needs_no_other_files(ilsvrc):
    write_kaggle(ilsvrc)
    (ilsvrc / "train").rename(ilsvrc / "other")
    paths, labels = read_image_set(f"imagenet:{ilsvrc}?split=val", [])  # only the first and the last class are there
    assert {os.path.basename(p)[-6]: k for p, k in zip(paths, labels, strict=True)} == {"1": 1, "2": 0, "3": 1}


def test_a_list_of_all_nouns_is_no_list_of_classes(ilsvrc):
    lines = [f"n{i:08}\tword {i}\n" for i in range(1001)] + [f"{w}\t{n}\n" for w, n in WORDS.items()]
    (ilsvrc / "words.txt").write_text("".join(lines))
    assert read_image_set(f"imagenet:{ilsvrc}", [])[1].tolist() == [0, 1, 2]
    assert read_image_set(f"imagenet:{ilsvrc}", CLASSES)[1].tolist() == [1, 285, 957]


def test_folders_of_classes_and_kaggles_place(ilsvrc, tmp_path):
    assert read_image_set(f"imagenet:{ilsvrc}", [])[1].tolist() == [0, 1, 2]
    save(ilsvrc / "val" / "n07768694" / "a.JPEG")
    assert read_image_set(f"imagenet:{ilsvrc}?split=val", [])[1].tolist() == [2]  # also if val lacks classes
    (ilsvrc / "ILSVRC" / "Data").mkdir(parents=True)
    (ilsvrc / "ILSVRC" / "Data" / "CLS-LOC").mkdir()
    for part in ("train", "val"):
        (ilsvrc / part).rename(ilsvrc / "ILSVRC" / "Data" / "CLS-LOC" / part)
    assert read_image_set(f"imagenet:{ilsvrc}", [])[1].tolist() == [0, 1, 2]
    rows = dict(summarize_images([f"imagenet:{ilsvrc}"]).rows)
    assert rows["n01443537"] == "33.3 %, 1 images"


@pytest.mark.parametrize(("damage", "query", "message"), [
    (lambda root: None, "?split=val", "holds neither folders of classes, nor is there a list .*LOC_val_solution.csv, val.txt"),
    (lambda root: write_kaggle(root / "val"), "?split=val", "nor is there a list"),
    (lambda root: (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nx,n00000000 1\n"), "?split=val", "csv, line 2"),
    (lambda root: (root / "LOC_val_solution.csv").write_text("a,b\nx,n01443537 1\n"), "?split=val", "csv, line 2"),
    (lambda root: (root / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 3\n"), "?split=val", "val.txt, line 1"),
    (lambda root: (root / "val.txt").write_text("other.JPEG 2\n"), "?split=val", "val.txt names other.JPEG, but there is no image"),
    (lambda root: (root / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n"), "?split=val", "There is no .*meta.mat"),
    (lambda root: [(root / f).write_text("1") for f in ("ILSVRC2012_validation_ground_truth.txt", "meta.mat")], "?split=val",
     "meta.mat cannot be read"),
    (lambda root: [p.rename(root / "train" / f"{p.name}x") for p in list((root / "train").iterdir())], "", "holds no folder of a class"),
    (lambda root: (root / "train").rename(root / "other"), "", "There is no folder .*train"),
    (lambda root: (root / "synset_words.txt").write_text("n01443537 goldfish\n"), "", "has the folder n02124075, which the list"),
])  # fmt: skip
def test_damages_of_imagenet_are_named(ilsvrc, damage, query, message):
    damage(ilsvrc)
    with pytest.raises(DataError, match=message):
        read_image_set(f"imagenet:{ilsvrc}{query}", [])


def test_a_devkit_number_without_a_class_is_named(ilsvrc):
    write_devkit(ilsvrc)
    (ilsvrc / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt").write_text("1\n1001\n")
    with pytest.raises(DataError, match="ground_truth.txt, line 2"):
        read_image_set(f"imagenet:{ilsvrc}?split=val", [])


def test_a_class_that_names_do_not_decide_is_named(tmp_path):
    words = {"n02012849": ("crane",), "n03126707": ("crane",), "n01443537": ("goldfish",)}
    known = {"used": ["n01443537"], "source": tmp_path, "names": words}
    classes = ["goldfish", "crane (bird)", "crane (machine)", "other"]
    assert number_classes(list(words), classes=classes, **known)["n01443537"] == 0
    with pytest.raises(DataError, match=r"2 of them \(n02012849 crane, n03126707 crane\): use a model with 3"):
        number_classes(list(words), classes=classes, **known | {"used": list(words)})
    with pytest.raises(DataError, match="n02012849 crane"):  # one class for two WNIDs
        number_classes(list(words), classes=["goldfish", "crane"], **known | {"used": list(words)})
    assert number_classes(list(words), classes=classes[:3], **known) == dict(zip(words, range(3), strict=True))

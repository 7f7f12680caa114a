"""Samples of data sets in their official layouts, whose lists and images are damaged."""

import io

import samples
from samples import Sample

JPEG, MASK = samples.images()["jpeg"]["a.jpeg"], samples.images()["png_palette"]["a.png"]


def voc() -> dict[str, Sample]:
    return {"folder": {"ImageSets/Segmentation/train.txt": b"a\n", "JPEGImages/a.jpg": JPEG, "SegmentationClass/a.png": MASK}}


def cityscapes() -> dict[str, Sample]:
    stem = "train/bonn/bonn_000001_000019"
    return {"folder": {f"leftImg8bit/{stem}_leftImg8bit.png": JPEG, f"gtFine/{stem}_gtFine_labelIds.png": MASK}}


def kitti() -> dict[str, Sample]:
    return {"folder": {"training/image_2/a.png": JPEG, "training/semantic/a.png": MASK, "part.txt": b"a\n"}}


def tiny_imagenet() -> dict[str, Sample]:
    return {
        "folder": {
            "wnids.txt": b"n01443537\n", "words.txt": b"n01443537\tgoldfish, Carassius auratus\n", "val/images/val_0.JPEG": JPEG,
            "val/val_annotations.txt": b"val_0.JPEG\tn01443537\t0\t32\t44\t62\n",
        }
    }  # fmt: skip


def imagenet() -> dict[str, Sample]:
    image = {"train/n01443537/a.JPEG": JPEG, "val/ILSVRC2012_val_00000001.JPEG": JPEG}
    lists = {
        "kaggle": {"LOC_val_solution.csv": b"ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 1 2 3 4 \n"},
        "caffe": {"val.txt": b"ILSVRC2012_val_00000001.JPEG 0\n", "synset_words.txt": b"n01443537 goldfish\n"},
        "devkit": {"ILSVRC2012_validation_ground_truth.txt": b"1\n", "meta.mat": write_devkit()},
    }
    return {name: image | files for name, files in lists.items()}


def write_devkit() -> bytes:
    """Return the development kit's table of one class, or no MATLAB file where scipy is missing."""
    try:
        import numpy as np
        from scipy.io import savemat
    except ImportError:
        return b"MATLAB 5.0 MAT-file"
    buffer = io.BytesIO()
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O")]
    savemat(buffer, {"synsets": np.array([(1, "n01443537")], kinds).reshape(-1, 1)})
    return buffer.getvalue()

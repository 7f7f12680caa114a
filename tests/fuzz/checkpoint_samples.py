"""Small valid checkpoints of other programs, made by code."""

import collections
import functools
import gzip
import io
import sys
import tarfile
import types
from typing import Any

import numpy as np
from caffe_files import blob, caffemodel
from paths import ROOT
from samples import Sample
from tflite_files import convolution, tflite_model


def caffemodels() -> dict[str, Sample]:
    layers = {"conv1": (np.ones((2, 3, 2, 2)), np.zeros(2)), "fc": (np.ones((4, 8)),)}
    forms = {
        "v2": (2, {}), "v1": (1, {"shape": False}), "v0": (0, {"shape": False}), "unpacked": (2, {"packed": False}),
        "double": (1, {"double": True}),
    }  # fmt: skip
    files = {name: {"a.caffemodel": caffemodel(layers, version, **options)} for name, (version, options) in forms.items()}
    return files | {"mean": {"mean.binaryproto": blob(np.ones((3, 4, 4)), shape=False)}}


@functools.cache
def keras_h5_weights() -> dict[str, Sample]:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.attrs["layer_names"] = [b"conv1"]
        layer = h5.create_group("conv1")
        layer.attrs["weight_names"] = [b"conv1_W_1:0", b"conv1/bias:0"]
        layer["conv1_W_1:0"], layer["conv1/bias:0"] = np.ones((2, 3), "f4"), np.zeros(3, "f4")
        h5["plain/values"] = np.ones(4, "f8")
    return {"keras2": {"a.h5": file.getvalue()}}


def public_rows() -> dict[str, Sample]:
    path = ROOT / "weights_manifest" / "public" / "bvlc_caffenet.json"
    return {path.stem: {path.name: path.read_bytes()}}


def checkpoint_archives() -> dict[str, Sample]:
    files = {"run/best-1.index": b"index" * 20, "run/best-1.data-00000-of-00001": bytes(range(256)) * 3, "run/._best-1.index": b"x"}
    archives = {}
    for name, format in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=format) as tar:
            for member, data in files.items():
                header = tarfile.TarInfo(member)
                header.size, header.pax_headers = len(data), {"comment": "of a checkpoint"}
                tar.addfile(header, io.BytesIO(data))
        archives[name] = content.getvalue()
    return {"tar": {"a.tar": archives["gnu"]}, "tar_gz": {"a.tar.gz": gzip.compress(archives["pax"], mtime=0)}}


def tflite_models() -> dict[str, Sample]:
    dense = [(np.ones((3, 4), "float16"), [], [], 0), (np.ones((3, 4), "uint8"), [0.5], [128], 0)]
    return {"int8": {"a.tflite": tflite_model(convolution())}, "kinds": {"a.tflite": tflite_model(dense, [(9, None), (200, [1])])}}


@functools.cache
def torch_checkpoints() -> dict[str, Sample]:
    import torch

    state = {"conv.weight": torch.ones(2, 3), "conv.steps": torch.tensor(3), "half": torch.ones(2, dtype=torch.float16)}
    content = {"state_dict": collections.OrderedDict(state), "labels": "_ab", "epoch": 3}
    return {"zip": {"a.pth": save_with_torch(content)}, "legacy": {"a.pt": save_with_torch(content, is_zip=False)}}


@functools.cache
def lightning_checkpoints() -> dict[str, Sample]:
    """A file with objects of a class that is not there when it is read."""
    import torch

    module = types.ModuleType("somebodys_config")
    module.Settings = type("Settings", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    settings = module.Settings()
    settings.size = 16
    parameters = {"settings": settings, "kind": module.Settings, "defaults": collections.defaultdict(list)}
    files = {"a.ckpt": save_with_torch({"state_dict": {"weight": torch.ones(2, 3)}, "hyper_parameters": parameters})}
    del sys.modules[module.__name__]
    return {"settings": files}


def save_with_torch(content: Any, is_zip: bool = True) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()

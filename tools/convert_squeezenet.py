"""Convert the ImageNet weights of SqueezeNet v1.0 into the recipe's weights file and manifest entry.

    python tools/convert_squeezenet.py squeezenet_v1.0.npz

The file holds 26 convolutions as `NAME.weight_oihw` (filters, inputs, height, width) and `NAME.bias`, trained in Caffe on
blue, green, red images of 227 x 227 minus the means 104, 117, 123.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import kerasrecipes as kr
from kerasrecipes.hub import manifest
from kerasrecipes.release.from_run import save_float16_weights
from kerasrecipes.utils.environment import git_commit
from kerasrecipes.utils.files import sha256_file

LICENSE = "BSD 2-clause (DeepScale; SqueezeNet, F. Iandola et al.)"
KINDS = {"squeeze": "conv1x1_1", "expand1": "conv1x1_2", "expand3": "conv3x3_2"}


def source_name(layer: str) -> str:
    """Return the name of a layer in the source file: fire2_squeeze -> fire2.conv1x1_1."""
    if layer.startswith("fire"):
        fire, kind = layer.split("_")
        return f"{fire}.{KINDS[kind]}"
    return {"logits": "conv_final"}.get(layer, layer)


def main(path: str) -> None:
    values = np.load(path)
    model = kr.load("squeezenet", weights=None, compile=False)
    used = set()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            name = source_name(layer.name)
            layer.set_weights([values[f"{name}.weight_oihw"].transpose(2, 3, 1, 0), values[f"{name}.bias"]])
            used |= {f"{name}.weight_oihw", f"{name}.bias"}
    if unused := set(values.files) - used:
        raise SystemExit(f"not used: {', '.join(sorted(unused))}")
    file = manifest.weights_folder() / "squeezenet.weights.h5"
    save_float16_weights(model, file)
    row = manifest.WeightsEntry(
        recipe="squeezenet", tag="1.0", file=file.name, size=file.stat().st_size, sha256=sha256_file(file), bundled=True,
        license=LICENSE, data=({"name": "ImageNet-1k (ILSVRC 2012)", "license": "for research", "synthetic": False},),
        training={
            "converted_from": f"{Path(path).name}, the authors' Deep Compression release decoded to float",
            "config": {}, "commit": git_commit(),
        },
        metrics=(), keras=keras.__version__, model={"classes": list(model.classes)},
    )  # fmt: skip
    print(manifest.write_entry(row))


if __name__ == "__main__":
    main(sys.argv[1])

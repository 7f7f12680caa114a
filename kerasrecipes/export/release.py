"""The ONNX file that belongs to a recipe's released weights: file and manifest entry together."""

import tempfile
from dataclasses import replace
from pathlib import Path

from kerasrecipes import manifest, store
from kerasrecipes.errors import ExportError
from kerasrecipes.export import export


def release(name: str, *, float16: bool = True, opset: int = 17) -> Path:
    """Write `weights/NAME.onnx` from the released weights and its entry into their manifest row.

    Args:
        name: of the recipe. float16: as released weights are stored. opset: of ONNX.

    Returns:
        The row's path.

    Raises:
        ExportError: as `export`; the folder of weights cannot be written. WeightsUnavailable: nothing is released.
    """
    row, folder = manifest.get(name), manifest.weights_folder()
    try:
        place = tempfile.TemporaryDirectory(prefix=".partial-", dir=folder)
    except OSError as error:
        raise ExportError(
            f"{folder} cannot be written ({error.strerror}): release from a checkout of your own"
        ) from error
    with place as partial:
        source = export(name, partial, "onnx", float16=float16, opset=opset)
        entry = {
            "file": source.name, "size": source.stat().st_size, "sha256": store.sha256(source), "weights": row.sha256,
        }  # fmt: skip
        source.replace(folder / source.name)
    return manifest.write(replace(row, onnx=entry))

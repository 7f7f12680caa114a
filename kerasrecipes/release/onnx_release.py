"""The ONNX file that belongs to a recipe's released weights: file and manifest entry together."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError
from kerasrecipes.export.exporter import export
from kerasrecipes.hub import manifest
from kerasrecipes.utils.files import sha256_file


def release_onnx(name: str, *, float16: bool = True, opset: int = 17, report: Any = None) -> Path:
    """Write `weights/NAME.onnx`, for recipes with states NAME.step.onnx too, and their entry in the weights' manifest row.

    Args:
        name: of the recipe. float16: as released weights are stored. opset, report: of `export`.

    Returns:
        The row's path.

    Raises:
        ExportError: as `export`; the folder of weights cannot be written. WeightsUnavailable: nothing is released.
    """
    row, folder = manifest.get_entry(name), manifest.weights_folder()
    try:
        place = tempfile.TemporaryDirectory(prefix=".partial-", dir=folder)
    except OSError as error:
        raise ExportError(
            f"{folder} cannot be written ({error.strerror}): release from a checkout of your own"
        ) from error
    with place as partial:
        source = export(name, partial, "onnx", float16=float16, opset=opset, report=report)
        entry: dict[str, Any] = {**manifest_entry(source), "weights": row.sha256}
        sources = [source]
        step = source.with_name(f"{source.stem}{STEP_SUFFIX}.onnx")
        if step.exists():
            entry["step"] = manifest_entry(step)
            sources.append(step)
        for path in sources:
            path.replace(folder / path.name)
    return manifest.write_entry(replace(row, onnx=entry))


def manifest_entry(path: Path) -> dict[str, Any]:
    """What the manifest says about a file."""
    return {"file": path.name, "size": path.stat().st_size, "sha256": sha256_file(path)}

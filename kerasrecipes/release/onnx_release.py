"""Release the ONNX file of a recipe's weights: the file and its manifest entry."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes.engines.open import STEP_SUFFIX
from kerasrecipes.errors import ExportError
from kerasrecipes.export.exporter import export
from kerasrecipes.hub import manifest
from kerasrecipes.utils.files import sha256_file
from kerasrecipes.utils.partial_folder import make_partial_folder


def release_onnx(name: str, *, float16: bool = True, opset: int = 17, report: Any = None) -> Path:
    """Write `weights/NAME.onnx`, for recipes with states also NAME.step.onnx, and their entry in the manifest row.

    `float16`, as released weights are stored, `opset` and `report` are those of `export`. Returns the row's path.
    """
    row, folder = manifest.get_entry(name), manifest.weights_folder()
    with ExitStack() as stack:
        try:
            partial = stack.enter_context(make_partial_folder(folder))
        except OSError as error:
            raise ExportError(
                f"{folder} cannot be written ({error.strerror}): release from a checkout of your own"
            ) from error
        source = export(name, partial, "onnx", float16=float16, opset=opset, report=report)
        entry: dict[str, Any] = {**manifest_entry(source), "weights": row.sha256, **bundled_flag(row.onnx)}
        sources = [source]
        step = source.with_name(f"{source.stem}{STEP_SUFFIX}.onnx")
        if step.exists():
            entry["step"] = {**manifest_entry(step), **bundled_flag(row.onnx.get("step", {}))}
            sources.append(step)
        for path in sources:
            path.replace(folder / path.name)
    return manifest.write_entry(replace(row, onnx=entry))


def manifest_entry(path: Path) -> dict[str, Any]:
    """Return a file's name, size and SHA-256 for the manifest."""
    return {"file": path.name, "size": path.stat().st_size, "sha256": sha256_file(path)}


def bundled_flag(entry: Mapping[str, Any]) -> dict[str, bool]:
    """Return the flag `bundled` of an ONNX file's earlier entry, which the new one keeps."""
    return {"bundled": entry["bundled"]} if "bundled" in entry else {}

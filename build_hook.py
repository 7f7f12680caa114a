"""Put weights_manifest/ and the files of its bundled entries into the wheel as package data."""

import json
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundledWeights(BuildHookInterface):
    def initialize(self, version, build_data):
        root = Path(self.root)
        if version == "editable":  # a checkout reads both folders in place
            return
        include = build_data["force_include"]
        for path in sorted((root / "weights_manifest").rglob("*.json")):
            name = path.relative_to(root / "weights_manifest").as_posix()
            include[str(path)] = f"kerasrecipes/_weights_manifest/{name}"
            for file in bundled_files(json.loads(path.read_text())):
                include[str(root / "weights" / file)] = f"kerasrecipes/_weights/{file}"


def bundled_files(entry):
    """Return the files of an entry that come with the package. An ONNX file does as its weights do, unless it says otherwise."""
    onnx = entry.get("onnx") or {}
    bundled = entry.get("bundled", False)
    files = [(entry.get("file"), bundled)]
    files += [(part["file"], part.get("bundled", bundled)) for part in (onnx, onnx.get("step")) if part]
    return [name for name, is_bundled in files if is_bundled]

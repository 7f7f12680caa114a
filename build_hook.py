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
            entry = json.loads(path.read_text())
            if entry.get("bundled"):
                onnx = entry.get("onnx", {})
                for file in filter(None, (entry["file"], onnx.get("file"), onnx.get("step", {}).get("file"))):
                    include[str(root / "weights" / file)] = f"kerasrecipes/_weights/{file}"

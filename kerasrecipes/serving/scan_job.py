"""The strongest patches of a folder's images for `kerasrecipes look`, found in the background. What was stopped goes on later."""

import hashlib
import json
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import ImageError
from kerasrecipes.graph.units import find_unit
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.visualize.top_patches import ImageScan, TopActivations, TopPatches, top_image_patches

SAVE_SECONDS = 5.0  # between two copies of an unfinished scan
SCAN_FILE = "strongest.npz"
PARTS = ("values", "images", "positions")  # arrays of `TopActivations`


class ScanJob:
    """The strongest patches of a folder's images, found in a thread.

    Args:
        inspector: An `ImageInspector`.
        images: Files.
        folder: Folder that keeps the state of the scan.
        report_error: Called with an error that ends the scan.
    """

    def __init__(self, inspector: Any, images: Sequence[str], folder: Path, report_error: Callable[[str], None] = lambda text: None):
        self.inspector, self.folder, self.report_error = inspector, folder, report_error
        self.scan, self.is_stopped = ImageScan(list(images)), False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def hash_files(self) -> str:
        """Return a hash of the names, sizes and times of the files, and of the layers: an older state of others is not used."""
        facts: list[Any] = list(self.inspector.layers)
        for path in map(Path, self.scan.sources):
            state = path.stat() if path.exists() else None
            facts.append([str(path.absolute()), state and state.st_size, state and state.st_mtime_ns])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def run(self) -> None:
        """Scan until all images are done or the program ends, and save the state from time to time."""
        try:
            key = self.hash_files()
            self.load(key)
            saved = time.monotonic()
            run = self.scan.run(self.inspector.model, self.inspector.layers, value_range=self.inspector.value_range)
            while self.scan.done < len(self.scan.sources) and not self.is_stopped:
                with self.lock, warnings.catch_warnings(action="ignore"):
                    next(run)
                if self.scan.done == len(self.scan.sources) or time.monotonic() - saved > SAVE_SECONDS:
                    self.save(key)
                    saved = time.monotonic()
            if self.is_stopped:
                self.save(key)
        except Exception as error:  # the page works without patches
            self.report_error(f"the scan of the folder ended: {first_line(error)}")

    def save(self, key: str) -> None:
        """Write the state of the scan."""
        scan = self.scan
        arrays = {f"{part}:{name}": getattr(top, part) for name, top in scan.tops.items() for part in PARTS}
        facts = {
            "key": key, "done": scan.done, "readable": scan.readable, "sizes": {name: top.sizes for name, top in scan.tops.items()},
            "errors": [str(error) for error in scan.errors],
        }  # fmt: skip
        text = np.frombuffer(json.dumps(facts).encode(), "uint8")
        atomic_write(self.folder / SCAN_FILE, lambda file: np.savez(file, facts=text, **arrays))

    def load(self, key: str) -> None:
        """Go on from the state of an earlier scan of the same files. A damaged or another state is not used."""
        try:
            with np.load(self.folder / SCAN_FILE, allow_pickle=False) as file:
                facts = json.loads(file["facts"].tobytes())
                if facts["key"] != key:
                    return
                scan = ImageScan(
                    self.scan.sources, facts["done"], facts["readable"], [ImageError(text) for text in facts["errors"]]
                )
                for name, sizes in facts["sizes"].items():
                    values, images, positions = (file[f"{part}:{name}"] for part in PARTS)
                    scan.tops[name] = TopActivations(
                        name, values, images, positions, tuple(sizes), scan.readable, scan.errors
                    )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return
        self.scan = scan

    def find_patches(self, layer: str, channel: int, method: str | None) -> TopPatches | None:
        """Return the strongest patches of a unit so far, None before the first batch.

        Raises:
            KerasRecipesError: There is no such unit.
        """
        unit = find_unit(self.inspector.model, f"{layer}:{channel}")
        top = self.scan.tops.get(layer)
        if top is None or not np.isfinite(top.values[channel]).any():
            return None
        compute = self.inspector.compile_saliency(layer, method) if method else None
        with self.lock:  # not in the middle of an update
            return top_image_patches(
                self.inspector.model, top, unit, method=method, value_range=self.inspector.value_range, saliency_method=compute
            )

    def describe(self) -> dict[str, Any]:
        """Return how far the scan is, and the errors of files that cannot be read, for the page."""
        errors = [str(error) for error in self.scan.errors]
        return {"done": self.scan.done, "total": len(self.scan.sources), "errors": errors}

    def stop(self) -> None:
        """End the thread after its current batch."""
        self.is_stopped = True

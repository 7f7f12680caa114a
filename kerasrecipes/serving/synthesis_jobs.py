"""Synthesized images of units for `kerasrecipes look`, computed in the background and kept in a folder."""

import threading
from collections import deque
from pathlib import Path
from typing import Any

from kerasrecipes.graph.units import Unit, find_unit
from kerasrecipes.utils.files import first_line
from kerasrecipes.visualize.synthesis_cache import synthesize_to_folder

IMAGE_SETTINGS = {"steps": 150, "step_policy": "normalized", "target_gain": 8.0}  # changes of the paper's third preset
NUM_RESTARTS = 4


class JobStopped(Exception):
    """Raised inside a job when the program ends."""


class SynthesisJobs:
    """Images of units, synthesized one after the other in a thread. The unit that was asked for last comes first.

    Args:
        model: Functional or Sequential model.
        folder: Folder that keeps the images.
        options: Options of `synthesize_to_folder`.
    """

    def __init__(self, model: Any, folder: Path, options: dict[str, Any]):
        self.model, self.folder, self.options = model, folder, options
        self.newest: Unit | None = None
        self.remaining: deque[Unit] = deque()  # of whole layers
        self.current: Unit | None = None
        self.steps = (0, 0)
        self.errors: dict[Unit, str] = {}
        self.condition, self.is_stopped = threading.Condition(), False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def request(self, unit: str) -> None:
        """Ask for the image of a unit, before all others."""
        with self.condition:
            target = find_unit(self.model, unit)
            if target != self.current and target not in self.errors:
                self.newest = target
            self.condition.notify()

    def request_layer(self, layer: str, num_channels: int) -> None:
        """Ask for the images of all units of a layer."""
        with self.condition:
            self.remaining = deque(
                unit for unit in (find_unit(self.model, f"{layer}:{c}") for c in range(num_channels)) if not self.find(unit)
            )
            self.condition.notify()

    def find(self, unit: str | Unit) -> Path | None:
        """Return the file with the image of a unit, or None."""
        path = self.folder / f"{find_unit(self.model, unit).stem}.png"
        return path if path.is_file() else None

    def find_error(self, unit: str) -> str | None:
        """Return why the image of a unit cannot be synthesized, or None."""
        return self.errors.get(find_unit(self.model, unit))

    def list_channels(self, layer: str) -> list[int]:
        """Return the channels of a layer that have images."""
        prefix = Unit(layer, 0).stem.rpartition("_")[0]
        stems = (path.stem.rpartition("_") for path in self.folder.glob("*.png"))
        return sorted(int(number) for name, _, number in stems if name == prefix and number.isdecimal())

    def describe(self) -> dict[str, Any]:
        """Return what is being computed, for the page."""
        with self.condition:
            done, total = self.steps
            waiting = len(self.remaining) + (self.newest is not None)
            return {"unit": str(self.current) if self.current else None, "done": done, "total": total, "waiting": waiting}

    def run(self) -> None:
        """Synthesize until the program ends."""
        while True:
            with self.condition:
                while not (self.is_stopped or self.newest or self.remaining):
                    self.condition.wait()
                if self.is_stopped:
                    return
                unit, self.newest = self.newest or self.remaining.popleft(), None
                self.current, self.steps = unit, (0, 0)
            try:
                synthesize_to_folder(self.model, [unit], self.folder, step_progress=self.report, **self.options)
            except JobStopped:
                return
            except Exception as error:  # backends raise many classes, and the other units must not suffer
                self.errors[unit] = first_line(error)
            finally:
                with self.condition:
                    self.current = None

    def report(self, done: int, total: int) -> None:
        """Keep the progress, and end the job when the program ends."""
        self.steps = (done, total)
        if self.is_stopped:
            raise JobStopped

    def stop(self) -> None:
        """End the thread after its current step."""
        with self.condition:
            self.is_stopped = True
            self.condition.notify()

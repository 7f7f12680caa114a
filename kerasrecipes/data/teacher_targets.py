"""A teacher's posteriors as targets for a student's frames, whatever the frame rates of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data.posterior_cache import PosteriorCache
from kerasrecipes.layers.time_geometry import first_center


@dataclass(frozen=True)
class FrameGrid:
    """The times of a network's frames.

    Args:
        first_center: Seconds from the clip's start to the middle of frame 0.
        step: Seconds between two frames.
    """

    first_center: float
    step: float

    @classmethod
    def from_model(cls, model: Any) -> "FrameGrid":
        """Return the grid of a recognizer, whose frames stand in the middle of their receptive fields."""
        return cls(first_center(model.geometries) / model.sample_rate, model.stride / model.sample_rate)

    def edges(self, frames: int) -> np.ndarray:
        """Return the times (frames + 1,) that separate the frames, halfway between their middles. Seconds."""
        return self.first_center + (np.arange(frames + 1) - 0.5) * self.step


def average_between(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the mean of a step function in each interval between neighboring `edges`.

    Args:
        values: (steps, ...). Step i covers the interval from i to i + 1; the first and the last one continue outside.
        edges: (intervals + 1,) increasing numbers.

    Returns:
        (intervals, ...) float64.
    """
    steps = np.clip(np.floor(edges).astype("int64"), 0, len(values) - 1)
    before = np.concatenate([np.zeros_like(values[:1], "float64"), np.cumsum(values[:-1], axis=0, dtype="float64")])
    column = (-1, *(1,) * (values.ndim - 1))
    integral = before[steps] + (edges - steps).reshape(column) * values[steps]
    return np.diff(integral, axis=0) / np.diff(edges).reshape(column)


class TeacherTargets:
    """A teacher's posteriors over the student's symbols at the student's frames.

    A frame stands for the time from halfway to the frame before it to halfway to the next one. A student's frame gets the mean
    of the teacher's posteriors over its time. With equal grids these are the teacher's own posteriors, with equal rates and
    shifted grids they are interpolated linearly, and a student with fewer frames misses none of the teacher's.

    Args:
        cache: Posteriors of all clips at normal speed.
        keys: Hash of each clip.
        columns: The teacher's column of each of the student's columns.
        teacher_grid: Times of the teacher's frames.
        student_grid: Times of the student's frames.
    """

    def __init__(
        self, cache: PosteriorCache, keys: Sequence[str], columns: Sequence[int], teacher_grid: FrameGrid, student_grid: FrameGrid
    ):  # fmt: skip
        self.cache, self.keys, self.columns = cache, keys, list(columns)
        self.teacher_grid, self.student_grid = teacher_grid, student_grid

    def read(self, clip: int, speed: float, frames: int) -> np.ndarray:
        """Return the targets (frames, symbols) float32 of a clip that plays `speed` times faster than recorded."""
        seconds = self.student_grid.edges(frames) * speed  # in the clip at normal speed
        edges = (seconds - self.teacher_grid.edges(0)[0]) / self.teacher_grid.step
        posteriors = self.cache.read(self.keys[clip])[:, self.columns]
        return average_between(posteriors, edges).astype("float32")

"""RISE: the mean of random masks, weighted by the probability under each (Petsiuk et al., arXiv 1806.07421). It needs no gradient."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.units import Unit
from kerasrecipes.visualize.attribution import BATCH_SIZE, AttributionTarget, map_batches, prepare_target
from kerasrecipes.visualize.grad_cam import interpolation_matrix

NUM_MASKS, CELLS, KEEP_PROBABILITY = 8000, 7, 0.5  # of the paper


def compute_rise(
    model: Any, source: Any, unit: str | Unit, *, num_masks: int = NUM_MASKS, cells: int = CELLS,
    keep_probability: float = KEEP_PROBABILITY, seed: int = 0, fill_value: float | None = None,
    progress: Callable[[int, int], None] | None = None, **options: Any,
) -> Any:  # fmt: skip
    """Compute RISE: how high the probability is on average when a place of the input stays visible.

    A mask is a grid of cells that are 1 or 0 at random, enlarged bilinearly and shifted by up to a cell. Masked values fade to
    `fill_value`. For speech, masks cover the frames that the unit depends on.

    Args:
        model: See `prepare_target`.
        source: An image, or audio for a speech recognizer.
        unit: "scores:tabby", "logits:e@37" or "transcript:4", see `prepare_target`.
        num_masks: Number of masks. Default 8,000.
        cells: Number of cells along each side. Default 7.
        keep_probability: Probability that a cell stays visible. Default 0.5.
        seed: Random seed.
        fill_value: Value of masked places. Default: gray 117, and for speech the mean of each band over the recording.
        progress: Called with (done, total) masks.
        **options: `sample_rate`, `from_layer` and `value_range` of `prepare_target`.

    Returns:
        `Attribution` for an image, `AudioSaliency` for speech.

    Raises:
        KerasRecipesError: There is no such unit, or an option is out of range.

    Example:
        >>> compute_rise(kerasrecipes.load("squeezenet"), "cat.png", "scores:tabby", num_masks=2000).save("rise.png")
    """
    if num_masks < 1 or cells < 1 or not 0 < keep_probability < 1:
        raise KerasRecipesError("num_masks and cells are 1 or more, and keep_probability is between 0 and 1")
    target = prepare_target(model, source, unit, **options)
    fill = target.constant_input(fill_value)
    return target.result("RISE", rise_values(target, fill, num_masks, cells, keep_probability, seed, progress))


def rise_values(
    target: AttributionTarget, fill: np.ndarray, num_masks: int = NUM_MASKS, cells: int = CELLS,
    keep_probability: float = KEEP_PROBABILITY, seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the map of a target in the shape of its input, for images with one channel. It is zero outside the masked frames."""
    shape = target.inputs.shape[1:3] if target.is_image or target.inputs.ndim > 2 else (target.inputs.shape[1], 1)
    start, stop = (0, shape[0]) if target.is_image else dependent_frames(target)
    size = (stop - start, shape[1])
    total, done = np.zeros(size), 0
    for masks in random_masks(num_masks, size, cells, keep_probability, seed):
        whole = np.ones((len(masks), *shape), "float32")
        whole[:, start:stop] = masks
        whole = whole[..., None] if target.is_image else whole.reshape(len(masks), *target.inputs.shape[1:])
        batch = target.inputs * whole + fill * (1 - whole)
        scores = map_batches(lambda x: target.activations(x, probabilities=True), [batch], BATCH_SIZE)
        total += np.tensordot(scores, masks, 1)
        done += len(masks)
        if progress:
            progress(done, num_masks)
    values = np.zeros(shape, "float32")
    values[start:stop] = total / (num_masks * keep_probability)
    return values[..., None] if target.is_image else values.reshape(target.inputs.shape[1:])


def random_masks(count: int, size: tuple[int, int], cells: int, keep_probability: float, seed: int) -> Iterator[np.ndarray]:
    """Yield batches (batch, height, width) of `count` masks with values from 0 to 1.

    A grid is enlarged to one cell more than the size needs, and a random part of that is used.
    """
    rng = np.random.default_rng(seed)
    grids = tuple(min(cells, n) for n in size)
    sides = tuple(-(-n // g) for n, g in zip(size, grids, strict=True))
    down, across = (interpolation_matrix(g, (g + 1) * s).astype("float32") for g, s in zip(grids, sides, strict=True))
    for first in range(0, count, BATCH_SIZE):
        masks = []
        for _ in range(min(BATCH_SIZE, count - first)):
            grid = (rng.uniform(size=grids) < keep_probability).astype("float32")
            top, left = (int(rng.integers(0, s)) for s in sides)
            masks.append(down[top : top + size[0]] @ grid @ across[left : left + size[1]].T)
        yield np.stack(masks)


def dependent_frames(target: AttributionTarget) -> tuple[int, int]:
    """Return the first frame and the frame after the last whose gradient is above a thousandth of the largest."""
    gradient = np.abs(target.gradients(target.inputs)[0]).reshape(target.inputs.shape[1], -1).max(1)
    frames = np.flatnonzero(gradient > 1e-3 * gradient.max())
    return (int(frames[0]), int(frames[-1]) + 1) if len(frames) else (0, len(gradient))

"""Deletion and insertion curves: which attribution finds the values that the output depends on (arXiv 1806.07421, section 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.units import Unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.attribution import (
    BATCH_SIZE,
    AttributionTarget,
    importance_map,
    map_batches,
    prepare_target,
)
from kerasrecipes.visualize.averaged_gradients import integrated_gradients, smooth_gradient
from kerasrecipes.visualize.gaussian_blur import blur_numpy
from kerasrecipes.visualize.grad_cam import grad_cam_values
from kerasrecipes.visualize.rise import dependent_frames, rise_values
from kerasrecipes.visualize.saliency import SaliencyMethod

BLUR_FRACTION = 5 / 224  # sigma of the blurred image as a fraction of its shorter side: the authors blur 224 pixels with sigma 5
COMPARED_METHODS = ("gradient", "guided", "deconv", "SmoothGrad", "integrated gradients", "Grad-CAM", "RISE", "random")
RANDOM = "random"  # values in random order, for comparison


@dataclass(frozen=True)
class Faithfulness(plotting.Figure):
    """Deletion and insertion curves of attributions.

    Args:
        unit: Unit that is explained.
        fractions: (points,) fractions of the values that are deleted or inserted, from 0 to 1.
        deletion: (points,) probabilities by method, while the most important values are deleted first.
        insertion: (points,) probabilities by method, while the most important values are inserted first.
    """

    unit: Unit
    fractions: np.ndarray = field(repr=False)
    deletion: dict[str, np.ndarray] = field(repr=False)
    insertion: dict[str, np.ndarray] = field(repr=False)

    def areas(self) -> dict[str, tuple[float, float]]:
        """Return the areas under the deletion curve (lower is better) and the insertion curve (higher is better) by method."""
        widths = np.diff(self.fractions)

        def area(curve: np.ndarray) -> float:
            return float(((curve[:-1] + curve[1:]) / 2 * widths).sum())

        return {name: (area(self.deletion[name]), area(self.insertion[name])) for name in self.deletion}

    def __str__(self) -> str:
        """Return a table of the areas, the best insertion first."""
        rows = sorted(self.areas().items(), key=lambda row: -row[1][1])
        width = max(len("method"), *(len(name) for name, _ in rows))
        lines = [f"{'method':{width}}  deletion  insertion", *(f"{n:{width}}  {d:8.3f}  {i:9.3f}" for n, (d, i) in rows)]
        return "\n".join(lines)

    def plot(self) -> Any:
        """Plot both curves of every method, with the areas under them."""
        figure = plotting.new_figure(9.5, 3.6)
        panels, areas = figure.subplots(1, 2, sharey=True), self.areas()
        for number, (axes, title, curves) in enumerate(
            zip(panels, ("deletion: lower is better", "insertion: higher is better"), (self.deletion, self.insertion), strict=True)
        ):
            for name, curve in curves.items():
                style = {"color": "#808080", "linestyle": "--"} if name == RANDOM else {}
                axes.plot(self.fractions, curve, label=f"{name}: {areas[name][number]:.2f}", linewidth=1.2, **style)
            axes.set(title=title, xlabel="fraction of the values")
            axes.legend(fontsize=7, frameon=False)
        panels[0].set(ylabel=f"probability of {self.unit}")
        return figure


def measure_faithfulness(
    model: Any, source: Any, unit: str | Unit, methods: Sequence[str] = COMPARED_METHODS, *, num_points: int = 51, num_masks: int = 2000,
    seed: int = 0, progress: Callable[[int, int], None] | None = None, **options: Any,
) -> Faithfulness:  # fmt: skip
    """Compute the deletion and insertion curves of attribution methods.

    A faithful attribution names the values that matter: the probability falls early while they are deleted, and rises early while
    they are inserted. Deleted values become gray (speech: the mean of each band). Insertion begins with a blurred image (speech: the
    means). For speech only the frames that the unit depends on are changed.

    Args:
        model: See `attribution.prepare_target`.
        source: An image, or audio for a speech recognizer.
        unit: "scores:tabby", "logits:e@37" or "transcript:4", see `attribution.prepare_target`.
        methods: Names of methods, a part of `COMPARED_METHODS`. "random" changes values in random order.
        num_points: Number of points of a curve.
        num_masks: Number of masks of RISE.
        seed: Random seed of SmoothGrad, RISE and "random".
        progress: Called with (done, total) methods.
        **options: `sample_rate`, `from_layer` and `value_range` of `attribution.prepare_target`.

    Raises:
        KerasRecipesError: There is no such unit or method, or a curve has fewer than two points.

    Example:
        >>> print(measure_faithfulness(kerasrecipes.load("squeezenet"), "cat.png", "scores:tabby", ["Grad-CAM", "random"]))
    """
    if unknown := [m for m in methods if m not in COMPARED_METHODS]:
        raise KerasRecipesError(f"There is no method {unknown[0]!r}; there are {', '.join(COMPARED_METHODS)}")
    if num_points < 2 or not methods:
        raise KerasRecipesError(f"num_points is 2 or more, and methods names one or more, not {num_points} and {list(methods)}")
    target = prepare_target(model, source, unit, **options)
    deletion, insertion = {}, {}
    for number, name in enumerate(methods):
        order = np.argsort(-importance(target, name, num_masks, seed), kind="stable")
        deletion[name], insertion[name] = measure_curves(target, order, num_points)
        if progress:
            progress(number + 1, len(methods))
    return Faithfulness(target.unit, np.linspace(0, 1, num_points), deletion, insertion)


def importance(target: AttributionTarget, method: str, num_masks: int, seed: int) -> np.ndarray:
    """Return the importance (values,) of each pixel, or of each value of speech in the frames that the unit depends on."""
    x, fill = target.inputs, target.constant_input(None)
    if method == RANDOM:
        values = np.random.default_rng(seed).uniform(size=(*x.shape[1:3], 1) if target.is_image else x.shape[1:])
    elif method in ("guided", "deconv"):
        compute = SaliencyMethod(target.model, target.unit.layer, method, "one", target.from_layer)
        values = compute(x, [target.unit.channel], [target.position])[0][0]
    else:
        values = {
            "gradient": lambda: target.gradients(x)[0],
            "SmoothGrad": lambda: smooth_gradient(target, seed=seed),
            "integrated gradients": lambda: integrated_gradients(target, target.constant_input(0) if target.is_image else fill),
            "Grad-CAM": lambda: grad_cam_values(target),
            "RISE": lambda: rise_values(target, fill, num_masks, seed=seed),
        }[method]()
    if target.is_image:
        return importance_map("RISE" if method == RANDOM else method, values).ravel()
    start, stop = dependent_frames(target)
    return importance_map("RISE" if method == RANDOM else method, values[start:stop, ..., None]).ravel()


def measure_curves(target: AttributionTarget, order: np.ndarray, num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the deletion and the insertion curve (points,) of values in an order.

    Args:
        target: Unit and input.
        order: Flat numbers of the pixels, or of the values of the frames that the unit depends on, the most important first.
        num_points: Number of points.
    """
    x, gray = target.inputs[0], target.constant_input(None)[0]
    blurred, window = gray, slice(None)
    if target.is_image:
        blurred = blur_numpy(x, BLUR_FRACTION * min(x.shape[:2])).astype("float32")
        shape: tuple[int, ...] = (*x.shape[:2], 1)
    else:
        window = slice(*dependent_frames(target))
        shape = x[window].shape
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    limits = np.round(np.linspace(0, 1, num_points) * len(order))

    def replace_values(first: np.ndarray, last: np.ndarray, limit: float) -> np.ndarray:
        changed = first.copy()
        changed[window] = np.where((rank < limit).reshape(shape), last[window], first[window])
        return changed

    curves = []
    for first, last in ((x, gray), (blurred, x)):
        if not target.is_image and last is x:
            first = x.copy()
            first[window] = gray[window]
        batches = (np.stack([replace_values(first, last, n) for n in limits[i : i + BATCH_SIZE]]) for i in range(0, num_points, BATCH_SIZE))
        curves.append(map_batches(lambda batch: target.activations(batch, probabilities=True), batches, BATCH_SIZE))
    return curves[0], curves[1]

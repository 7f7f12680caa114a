"""Evolution of features during training: filters, and the saliency of units, after some epochs (arXiv 1311.2901, section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.experiments.measurement import Measurement
from kerasrecipes.graph.traversal import layer_calls
from kerasrecipes.graph.units import Unit, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.filters import FilterGrid, show_filters
from kerasrecipes.visualize.saliency import SaliencyMethod, render_signed
from kerasrecipes.visualize.top_patches import find_top_activations

EPOCHS = (1, 2, 5, 10, 20, 30, 40, 64)  # of the paper's figure 4


@dataclass(frozen=True)
class FeatureEvolution(Measurement):
    """Features after some epochs of a training.

    Args:
        epochs: Epochs; 0 is before the first.
        filters: (epochs, filters, height, width, channels).
        activations: (epochs, units) highest activations over the images.
        images: (epochs, units) indices of the images with these activations.
        saliency: (epochs, units, height, width, channels) saliency of the units in these images.
        cosine_to_final: (epochs,) cosine similarity of each layer's kernel to that after the last of the epochs, by layer.
    """

    epochs: tuple[int, ...]
    layer: str
    filters: np.ndarray = field(repr=False)
    units: tuple[Unit, ...]
    activations: np.ndarray = field(repr=False)
    images: np.ndarray = field(repr=False)
    saliency: np.ndarray = field(repr=False)
    cosine_to_final: dict[str, np.ndarray] = field(repr=False)

    def summary(self) -> dict[str, str]:
        epochs = ", ".join(map(str, self.epochs))
        return {
            f"{name}: cosine similarity to its final kernel after {epochs} epochs": ", ".join(f"{v:.2f}" for v in row)
            for name, row in self.cosine_to_final.items()
        }

    def plot(self, with_saliency: bool = True) -> Any:
        """Plot a column of filters and saliency for each of the epochs. The bottom row plots `cosine_to_final`.

        Args:
            with_saliency: Whether to plot a row for each unit.
        """
        columns, units = len(self.epochs), self.units if with_saliency else ()
        figure = plotting.new_figure(1.5 * columns + 1.2, 1.7 + 1.1 * len(units) + 2.6)
        heights = [1.6, *[1.0] * len(units), 2.4]
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        for k, epoch in enumerate(self.epochs):
            image = FilterGrid(self.layer, self.filters[k]).render()
            plotting.imshow(figure.add_subplot(grid[0, k]), image, f"{epoch} epochs" if epoch != 1 else "1 epoch")
            for row, unit in enumerate(units, 1):
                axes = figure.add_subplot(grid[row, k])
                plotting.imshow(axes, render_signed(self.saliency[k, row - 1], "raw"))
                if k == 0:
                    axes.set_ylabel(str(unit), fontsize=8)
        axes = figure.add_subplot(grid[-1, :])
        for name, values in self.cosine_to_final.items():
            axes.plot(self.epochs, values, "o-", markersize=3, label=name)
        axes.set(xlabel="epochs", ylabel="cosine similarity to the final kernel", ylim=(None, 1.02))
        axes.legend(frameon=False, fontsize=8)
        return figure


class FeatureEvolutionCallback(keras.callbacks.Callback):
    """Record a model's features while `fit` trains it. Afterwards `.result` is a `FeatureEvolution`.

    Args:
        images: (images, height, width, channels) inputs of the model, among which the highest activations are searched.
        units: "conv3:17"; positions are ignored.
        epochs: Epochs after which features are recorded; 0 is before the first.
        layer: Layer of the filters. Default: the first convolution.
        method: Saliency method, see `compute_saliency`.

    Raises:
        KerasRecipesError: There are no epochs.

    Example:
        >>> callback = FeatureEvolutionCallback(images, ["relu2:0", "relu5:7"], epochs=(1, 2, 5))
        >>> model.fit(batches, epochs=5, callbacks=[callback])
        >>> callback.result.save("evolution.png")
    """

    def __init__(
        self, images: np.ndarray, units: Sequence[str], epochs: Sequence[int] = EPOCHS, layer: str | None = None,
        method: str = "deconv",
    ):  # fmt: skip
        super().__init__()
        self.epochs = tuple(sorted(set(epochs)))
        if not self.epochs or self.epochs[0] < 0:
            raise KerasRecipesError(f"epochs are 0 or more, not {list(epochs)}")
        self.images, self.names, self.layer, self.method = np.asarray(images, "float32"), tuple(units), layer, method
        self.records: list[dict[str, Any]] = []
        self.saliency_methods: dict[str, SaliencyMethod] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self.records, self.saliency_methods = [], {}
        self.units = tuple(Unit(u.layer, u.channel) for u in (find_unit(self.model, name) for name in self.names))
        if 0 in self.epochs:
            self.record(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 in self.epochs:
            self.record(epoch + 1)

    def record(self, epoch: int) -> None:
        """Record the current features."""
        grid = show_filters(self.model, self.layer)
        layers = list(dict.fromkeys(u.layer for u in self.units))
        tops = find_top_activations(self.model, self.images, layers, 1) if layers else {}
        activations, images, saliency = [], [], []
        for unit in self.units:
            top = tops[unit.layer]
            number, position = int(top.images[unit.channel, 0]), int(top.positions[unit.channel, 0])
            if unit.layer not in self.saliency_methods:
                self.saliency_methods[unit.layer] = SaliencyMethod(self.model, unit.layer, self.method)
            compute = self.saliency_methods[unit.layer]
            activations.append(float(top.values[unit.channel, 0]))
            images.append(number)
            saliency.append(compute(self.images[number][None], [unit.channel], [position])[0][0])
        kernels = {
            call.name: keras.ops.convert_to_numpy(call.operation.kernel).astype("float32").ravel()
            for call in layer_calls(self.model)
            if getattr(call.operation, "kernel", None) is not None
        }
        self.records.append({
            "epoch": epoch, "layer": grid.layer, "filters": grid.filters, "activations": activations, "images": images,
            "saliency": saliency, "kernels": kernels,
        })  # fmt: skip

    @property
    def result(self) -> FeatureEvolution:
        """The recorded features."""
        if not self.records:
            raise KerasRecipesError("No epoch was recorded: train for as many as the smallest of `epochs`")
        arrays = {
            key: np.array([r[key] for r in self.records]) for key in ("filters", "activations", "images", "saliency")
        }
        kernels = self.records[-1]["kernels"]
        cosines = {
            name: np.array([cosine_similarity(r["kernels"][name], kernel) for r in self.records])
            for name, kernel in kernels.items()
        }
        epochs = tuple(r["epoch"] for r in self.records)
        return FeatureEvolution(epochs, self.records[0]["layer"], units=self.units, cosine_to_final=cosines, **arrays)


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of the angle between two vectors, or 0 if one is zero."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))

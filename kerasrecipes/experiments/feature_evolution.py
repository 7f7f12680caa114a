"""How features grow while a network trains: first-layer filters, and what the strongest answers of units look at, after some
passes (arXiv 1311.2901, section 4.1, figure 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.traversal import layer_calls
from kerasrecipes.graph.units import Unit, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.filters import FilterGrid, show_filters
from kerasrecipes.visualize.saliency import SaliencyMethod, render_signed
from kerasrecipes.visualize.top_patches import find_top_activations

EPOCHS = (1, 2, 5, 10, 20, 30, 40, 64)  # of figure 4


@dataclass(frozen=True)
class FeatureEvolution(plotting.Figure):
    """A training, looked at after some of its passes.

    Args:
        epochs: passes; 0 is before the first. layer: whose filters are shown. filters: (epochs, filters, height, width, channels).
        units: looked at. activations: (epochs, units) the largest over the pictures. pictures: (epochs, units) numbers of those
            that gave them. projections: (epochs, units, height, width, channels), led back from there.
        likeness: {layer: (epochs,)} cosine between the layer's kernel then and at the last of the epochs.
    """

    epochs: tuple[int, ...]
    layer: str
    filters: np.ndarray = field(repr=False)
    units: tuple[Unit, ...]
    activations: np.ndarray = field(repr=False)
    pictures: np.ndarray = field(repr=False)
    projections: np.ndarray = field(repr=False)
    cosine_to_final: dict[str, np.ndarray] = field(repr=False)

    def figures(self) -> dict[str, str]:
        """What was found, in words."""
        passes = ", ".join(map(str, self.epochs))
        return {
            f"{name}: cosine with its last kernel after {passes} passes": ", ".join(f"{v:.2f}" for v in row)
            for name, row in self.cosine_to_final.items()
        }

    def plot(self, projections: bool = True) -> Any:
        """A column for each of the epochs: filters, then a row for each unit; below, how alike kernels are to their last.

        Args:
            projections: False draws filters and curves alone.
        """
        columns, units = len(self.epochs), self.units if projections else ()
        drawn = plotting.new_figure(1.5 * columns + 1.2, 1.7 + 1.1 * len(units) + 2.6)
        heights = [1.6, *[1.0] * len(units), 2.4]
        grid = drawn.add_gridspec(len(heights), columns, height_ratios=heights)
        for k, epoch in enumerate(self.epochs):
            sheet = FilterGrid(self.layer, self.filters[k]).image()
            plotting.imshow(drawn.add_subplot(grid[0, k]), sheet, f"{epoch} passes" if epoch != 1 else "1 pass")
            for row, unit in enumerate(units, 1):
                axes = drawn.add_subplot(grid[row, k])
                plotting.imshow(axes, render_signed(self.projections[k, row - 1], "raw"))
                if k == 0:
                    axes.set_ylabel(str(unit), fontsize=8)
        axes = drawn.add_subplot(grid[-1, :])
        for name, values in self.cosine_to_final.items():
            axes.plot(self.epochs, values, "o-", markersize=3, label=name)
        axes.set(xlabel="passes", ylabel="cosine with the last kernel", ylim=(None, 1.02))
        axes.legend(frameon=False, fontsize=8)
        return drawn


class FeatureEvolutionCallback(keras.callbacks.Callback):
    """Looks at a network while `fit` trains it; afterwards `.result` is an `Evolution`.

    Args:
        pictures: (pictures, height, width, channels), inputs of the network, among which the strongest answers are searched.
        units: "conv3:17"; places are not used. epochs: numbers of passes, 0 for the beginning.
        layer: of the filters, by default the first convolution. method: how units are led back, see `project`.

    Raises:
        KerasRecipesError: no epochs.

    Example:
        >>> watcher = EvolutionWatcher(pictures, ["relu2:0", "relu5:7"], epochs=(1, 2, 5))
        >>> model.fit(batches, epochs=5, callbacks=[watcher])
        >>> watcher.result.save("evolution.png")
    """

    def __init__(
        self, pictures: np.ndarray, units: Sequence[str], epochs: Sequence[int] = EPOCHS, layer: str | None = None,
        method: str = "deconv",
    ):  # fmt: skip
        super().__init__()
        self.epochs = tuple(sorted(set(epochs)))
        if not self.epochs or self.epochs[0] < 0:
            raise KerasRecipesError(f"epochs are numbers of passes, 0 or more, not {list(epochs)}")
        self.images, self.names, self.layer, self.method = np.asarray(pictures, "float32"), tuple(units), layer, method
        self.seen: list[dict[str, Any]] = []
        self.projectors: dict[str, SaliencyMethod] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen, self.projectors = [], {}
        self.units = tuple(Unit(u.layer, u.channel) for u in (find_unit(self.model, name) for name in self.names))
        if 0 in self.epochs:
            self.look(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 in self.epochs:
            self.look(epoch + 1)

    def look(self, epoch: int) -> None:
        """Keep what the network is like now."""
        sheet = show_filters(self.model, self.layer)
        layers = list(dict.fromkeys(u.layer for u in self.units))
        maxima = find_top_activations(self.model, self.images, layers, 1) if layers else {}
        activations, pictures, projections = [], [], []
        for unit in self.units:
            top = maxima[unit.layer]
            number, place = int(top.pictures[unit.channel, 0]), int(top.places[unit.channel, 0])
            if unit.layer not in self.projectors:
                self.projectors[unit.layer] = SaliencyMethod(self.model, unit.layer, self.method)
            back = self.projectors[unit.layer](self.images[number][None], [unit.channel], [place])[0][0]
            activations.append(float(top.values[unit.channel, 0]))
            pictures.append(number)
            projections.append(back)
        kernels = {
            s.name: keras.ops.convert_to_numpy(s.operation.kernel).astype("float32").ravel()
            for s in layer_calls(self.model)
            if getattr(s.operation, "kernel", None) is not None
        }
        self.seen.append({
            "epoch": epoch, "layer": sheet.layer, "filters": sheet.filters, "activations": activations, "pictures": pictures,
            "projections": projections, "kernels": kernels,
        })  # fmt: skip

    @property
    def result(self) -> FeatureEvolution:
        """What was seen.

        Raises:
            KerasRecipesError: none of the epochs has been reached.
        """
        if not self.seen:
            raise KerasRecipesError("No pass was looked at: train for as many as the smallest of `epochs`")
        joined = {
            key: np.array([s[key] for s in self.seen]) for key in ("filters", "activations", "pictures", "projections")
        }
        last = self.seen[-1]["kernels"]
        likeness = {
            name: np.array([cosine_similarity(s["kernels"][name], last[name]) for s in self.seen]) for name in last
        }
        return FeatureEvolution(
            epochs=tuple(s["epoch"] for s in self.seen),
            layer=self.seen[0]["layer"],
            units=self.units,
            cosine_to_final=likeness,
            **joined,
        )


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Of the angle between two vectors; 0 where one is zero."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))

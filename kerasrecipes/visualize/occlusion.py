"""Occlusion: a gray square slides over an image and shows which parts count (arXiv 1311.2901, sections 4.2 and 4.3)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, model_value_range, to_model_input, to_uint8_image
from kerasrecipes.graph.units import channel_axis, channel_index, find_layer_call, layer_names, output_names
from kerasrecipes.utils import plotting

GRAY = 117.0  # approximate mean of ImageNet
BATCH_SIZE = 32


@dataclass(frozen=True)
class OcclusionMaps(plotting.Figure):
    """Outputs of a classifier while a square covers part of the image. Maps are (rows, columns) of the square's positions.

    Args:
        target: Index of the class.
        probability: Map of the class's probability.
        whole_probability: Probability on the whole image.
        activity: Map of the sum over positions of channel `channel` of `layer`, the strongest on the whole image.
        whole_activity: The sum on the whole image.
        best: Map of the most likely class.
        corners: (positions, 2) top and left of the square, row by row.
        patch_size: Side of the square in pixels.
        stride: Distance between two positions of the square in pixels.
    """

    target: int
    name: str
    probability: np.ndarray = field(repr=False)
    whole_probability: float
    activity: np.ndarray = field(repr=False)
    whole_activity: float
    layer: str
    channel: int
    best: np.ndarray = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    corners: np.ndarray = field(repr=False)
    patch_size: int = 0
    stride: int = 1
    image: np.ndarray | None = field(default=None, repr=False)

    def heatmap(self, values: np.ndarray) -> np.ndarray:
        """Average a map (rows, columns) over the squares that cover each pixel. Pixels that none covers are NaN."""
        assert self.image is not None
        total, count = np.zeros(self.image.shape[:2]), np.zeros(self.image.shape[:2])
        for (top, left), value in zip(self.corners, values.ravel(), strict=True):
            window = np.s_[max(top, 0) : top + self.patch_size, max(left, 0) : left + self.patch_size]
            total[window] += value
            count[window] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def plot(self) -> Any:
        """Plot figure 7 of the paper: the image, the channel's activity, the class's probability and the most likely class."""
        from matplotlib import colormaps
        from matplotlib.patches import Rectangle

        assert self.image is not None
        height, width = self.image.shape[:2]
        figure = plotting.new_figure(13.5, 3.4)
        panels = figure.subplots(1, 4)
        plotting.imshow(panels[0], self.image, f"{self.name}: {self.whole_probability:.2f}")
        middle = np.array([height, width]) / 2 - self.patch_size / 2
        top, left = self.corners[np.abs(self.corners - middle).sum(1).argmin()]
        panels[0].add_patch(Rectangle((left - 0.5, top - 0.5), self.patch_size, self.patch_size, color="#808080"))
        (y0, x0) = self.corners[0] + (self.patch_size - self.stride) / 2
        (y1, x1) = self.corners[-1] + self.patch_size / 2 + self.stride / 2
        extent = (x0, x1, y1, y0)
        for axes, values, title in (
            (panels[1], self.activity, f"activity of {self.layer}:{self.channel}"),
            (panels[2], self.probability, f"probability of {self.name}"),
        ):
            image = axes.imshow(values, extent=extent, cmap="viridis")
            axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
            axes.set_title(title, fontsize=9)
            figure.colorbar(image, ax=axes, shrink=0.85)
        classes, counts = np.unique(self.best, return_counts=True)
        colors = np.full((*self.best.shape, 3), 0.85)
        for number, index in enumerate(classes[np.argsort(-counts)][:8]):
            color = colormaps["tab10"](number)[:3]
            colors[self.best == index] = color
            panels[3].plot([], [], "s", color=color, label=self.names[index].split(",")[0][:24])
        plotting.imshow(panels[3], colors, "most likely class", extent=extent)
        panels[3].set(xlim=(0, width), ylim=(height, 0))
        panels[3].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return figure


def compute_occlusion(
    model: Any, image: Any, target: int | str | None = None, *, layer: str | None = None, patch_size: int | None = None,
    stride: int | None = None, fill_value: float = GRAY, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
    batch_size: int = BATCH_SIZE, logits: bool | None = None,
) -> OcclusionMaps:  # fmt: skip
    """Cover an image square by square and record the outputs of a classifier.

    Args:
        model: Functional or Sequential model of an image with outputs (batch, classes).
        image: See `model_input.to_model_input`.
        target: Index or name of a class. Default: the most likely.
        layer: Layer whose strongest channel (largest sum over positions) is recorded. Default: the last with positions.
        patch_size: Side of the square in pixels. Default: a fifth of the shorter side, as in the paper's figure. The square also
            slides in from the edges, so that all pixels are covered equally often.
        stride: Distance between two positions in pixels. Default: a fifth of the square.
        fill_value: Value of the square, 0 to 255.
        value_range: Black and white in the input of models that are not recipes.
        batch_size: Number of covered images in a batch.
        logits: Whether the outputs are logits, not probabilities. None: decided by their values.

    Raises:
        KerasRecipesError: No such class or layer, or a negative size.
        ImageError: The image cannot be read.

    Example:
        >>> compute_occlusion(kerasrecipes.load("squeezenet"), "cat.png", "tabby").save("occlusion.png")
    """
    inputs = to_model_input(model, image, value_range)[0]
    height, width = inputs.shape[:2]
    patch_size = max(min(height, width) // 5, 1) if patch_size is None else patch_size
    stride = max(patch_size // 5, 1) if stride is None else stride
    if patch_size < 0 or stride < 1:
        raise KerasRecipesError(f"patch_size is 0 or more and stride 1 or more, not {patch_size} and {stride}")
    output = find_layer_call(model, layer_names(model)[-1])
    last, output_shape = output.name, output.outputs[0].shape
    if len(output_shape) != 2:
        raise KerasRecipesError(f"{model.name} is not a classifier: its output is {output_shape}")
    layer = layer or _last_conv_layer(model)
    axis = channel_axis(find_layer_call(model, layer))
    run = make_layer_forward(model, [layer, last] if layer != last else [last])

    def predict(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        filled = np.concatenate([batch, np.repeat(batch[:1], batch_size - len(batch), 0)])
        results = run(filled)  # one result if `layer` is the last
        maps = np.moveaxis(results[0], axis, -1)
        return maps.reshape(batch_size, -1, maps.shape[-1]).sum(1)[: len(batch)], results[-1][: len(batch)]

    whole_sums, whole_outputs = predict(inputs[None])
    if logits is None:
        logits = are_logits(whole_outputs)
    to_probabilities = softmax if logits else np.asarray
    whole = to_probabilities(whole_outputs)[0]
    names = tuple(output_names(model)) or tuple(map(str, range(len(whole))))
    index = int(whole.argmax()) if target is None else channel_index(model, output, str(target), len(whole))
    channel = int(whole_sums[0].argmax())
    low, high = model_value_range(model, value_range)
    rows, columns = (np.arange(-patch_size + stride if patch_size else 0, n, stride) for n in (height, width))
    corners = np.array(list(itertools.product(rows, columns)))
    activity, probability, best = [], [], []
    for start in range(0, len(corners), batch_size):
        batch = np.repeat(inputs[None], len(corners[start : start + batch_size]), 0)
        for item, (top, left) in zip(batch, corners[start : start + batch_size], strict=True):
            item[max(top, 0) : top + patch_size, max(left, 0) : left + patch_size] = (
                low + (high - low) * fill_value / 255
            )
        sums, outputs = predict(batch)
        activity.append(sums[:, channel])
        probability.append(to_probabilities(outputs)[:, index])
        best.append(outputs.argmax(-1))
    shape = (len(rows), len(columns))
    return OcclusionMaps(
        index, names[index], np.concatenate(probability).reshape(shape), float(whole[index]), np.concatenate(activity).reshape(shape),
        float(whole_sums[0, channel]), layer, channel, np.concatenate(best).reshape(shape), names, corners, patch_size, stride,
        to_uint8_image(model, inputs, value_range),
    )  # fmt: skip


def are_logits(outputs: np.ndarray) -> bool:
    """Return whether rows (rows, classes) are logits, not probabilities."""
    return bool(outputs.min() < 0 or (abs(outputs.sum(-1) - 1) > 1e-3).any())


def _last_conv_layer(model: Any) -> str:
    names = [n for n in layer_names(model) if len(find_layer_call(model, n).outputs[0].shape) == 4]
    if not names:
        raise KerasRecipesError(f"{model.name} has no layer with positions: occlusion needs a convolutional model")
    return names[-1]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def occlusion_correspondence(features: np.ndarray, covered: np.ndarray) -> tuple[float, float]:
    """Measure whether covering the same part changes different images in the same way (section 4.4 of the paper).

    It is the Hamming distance between the signs (-1, 0, 1) of eps_i = features_i - covered_i and eps_j, over all pairs.

    Args:
        features: (images, ...) features of a layer.
        covered: (images, ...) features of the same images with one part covered.

    Returns:
        Mean and standard deviation over pairs of the fraction of signs that differ; lower is more consistent.

    Raises:
        KerasRecipesError: Fewer than two images, or arrays of different shapes.
    """
    features, covered = np.asarray(features, "float64"), np.asarray(covered, "float64")
    if features.shape != covered.shape or len(features) < 2:
        raise KerasRecipesError(
            f"Pass two arrays of one shape with two images or more, not {features.shape} and {covered.shape}"
        )
    signs = np.sign(features - covered).reshape(len(features), -1)
    fractions = [float(np.mean(a != b)) for a, b in itertools.combinations(signs, 2)]
    return float(np.mean(fractions)), float(np.std(fractions))


def measure_correspondence(
    model: Any, images: Sequence[Any], boxes: Sequence[tuple[int, int, int, int]], layers: Sequence[str],
    fill_value: float = GRAY, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Compute `occlusion_correspondence` for layers of a model.

    Args:
        model: Functional or Sequential model of an image.
        images: Images of the same class of object.
        boxes: (top, left, bottom, right) of the same part of each object (an eye), in pixels of the model's input.
        layers: Names of the layers.
        fill_value: Value of the covered part, 0 to 255.
        value_range: Black and white in the input of models that are not recipes.
    """
    if len(images) != len(boxes):
        raise KerasRecipesError(f"{len(images)} images and {len(boxes)} boxes: one box for each image")
    inputs = np.concatenate([to_model_input(model, p, value_range)[:1] for p in images])
    covered = inputs.copy()
    low, high = model_value_range(model, value_range)
    for item, (top, left, bottom, right) in zip(covered, boxes, strict=True):
        item[top:bottom, left:right] = low + (high - low) * fill_value / 255
    run = make_layer_forward(model, layers)
    return {n: occlusion_correspondence(a, b) for n, a, b in zip(layers, run(inputs), run(covered), strict=True)}

"""Which part of the picture counts? A grey square slides over it (arXiv 1311.2901, sections 4.2 and 4.3)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image, value_range
from kerasrecipes.graph.units import channel_axis, find_layer_call, layer_names, output_names
from kerasrecipes.utils import plotting

GREY = 117.0  # about the mean of ImageNet's pictures
BATCH = 32


@dataclass(frozen=True)
class OcclusionMaps(plotting.Figure):
    """What a network answers with a square of the picture covered; maps are (rows, columns) of the square's places.

    Args:
        target: the class that is asked for. name: of it. probability: of the class, with each place covered.
        whole_probability: of the open picture. activity: sum over places of the map `channel` of `layer`, the strongest on
            the open picture; whole_activity there. best: number of the likeliest class. names: of the classes.
        corners: (places, 2) top and left of the square, row by row. size, stride: its side and its steps.
        picture: (height, width, 3) uint8.
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
    size: int = 0
    stride: int = 1
    picture: np.ndarray | None = field(default=None, repr=False)

    def heatmap(self, values: np.ndarray) -> np.ndarray:
        """A map (rows, columns) spread over the picture: each pixel has the mean of all squares that cover it; NaN where none does."""
        assert self.picture is not None
        total, count = np.zeros(self.picture.shape[:2]), np.zeros(self.picture.shape[:2])
        for (top, left), value in zip(self.corners, values.ravel(), strict=True):
            place = np.s_[max(top, 0) : top + self.size, max(left, 0) : left + self.size]
            total[place] += value
            count[place] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def plot(self) -> Any:
        """Figure 7 of the paper: the picture, the map's activity, the class's probability, the likeliest class."""
        assert self.picture is not None
        height, width = self.picture.shape[:2]
        drawn = plotting.new_figure(13.5, 3.4)
        panels = drawn.subplots(1, 4)
        plotting.imshow(panels[0], self.picture, f"{self.name}: {self.whole_probability:.2f}")
        middle = np.array([height, width]) / 2 - self.size / 2
        top, left = self.corners[np.abs(self.corners - middle).sum(1).argmin()]
        half, far = (self.size - self.stride) / 2, self.size / 2 + self.stride / 2
        (y0, x0), (y1, x1) = self.corners[0] + half, self.corners[-1] + far
        frame = (x0, x1, y1, y0)
        from matplotlib.patches import Rectangle

        panels[0].add_patch(Rectangle((left - 0.5, top - 0.5), self.size, self.size, color="#808080"))
        for axes, values, title in (
            (panels[1], self.activity, f"activity of {self.layer}:{self.channel}"),
            (panels[2], self.probability, f"probability of {self.name}"),
        ):
            image = axes.imshow(values, extent=frame, cmap="viridis")
            axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
            axes.set_title(title, fontsize=9)
            drawn.colorbar(image, ax=axes, shrink=0.85)
        classes, counts = np.unique(self.best, return_counts=True)
        order = classes[np.argsort(-counts)][:8]
        colours = np.full((*self.best.shape, 3), 0.85)
        from matplotlib import colormaps

        palette = [colormaps["tab10"](i)[:3] for i in range(8)]
        for number, chosen in enumerate(order):
            colours[self.best == chosen] = palette[number]
        plotting.imshow(panels[3], colours, "likeliest class", extent=frame)
        panels[3].set(xlim=(0, width), ylim=(height, 0))
        for number, chosen in enumerate(order):
            word = self.names[chosen].split(",")[0]
            panels[3].plot([], [], "s", color=palette[number], label=word[:24])
        panels[3].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return drawn


def compute_occlusion(
    model: Any, picture: Any, target: int | str | None = None, *, layer: str | None = None, size: int | None = None,
    stride: int | None = None, grey: float = GREY, span: tuple[float, float] = DEFAULT_VALUE_RANGE, batch: int = BATCH, logits: bool | None = None,
) -> OcclusionMaps:  # fmt: skip
    """Cover the picture square by square and record what changes.

    Args:
        model: a classifier: any functional or Sequential model of a picture with scores (batch, classes).
        picture: see `pictures.as_input`. target: number or name of a class; by default the likeliest.
        layer: whose strongest map (the largest sum over places) is followed; by default the last with places.
        size, stride: of the square, in pixels; by default a fifth of the side, as the paper's figure shows, and a fifth of
            that. The square also slides in from the edges, so that all pixels are covered equally often.
        grey: its value, 0 to 255. span: black and white in the input, of models that are no recipes.
        batch: covered pictures in one pass. logits: whether the output is not yet probabilities; None looks at it.

    Raises:
        KerasRecipesError: no such class or layer, or a square of no size. ImageError: no picture.

    Example:
        >>> occlude(kerasrecipes.load("squeezenet"), "cat.png", "tabby").save("occlusion.png")
    """
    inputs = to_model_input(model, picture, span)[0]
    height, width = inputs.shape[:2]
    size = max(min(height, width) // 5, 1) if size is None else size
    stride = max(size // 5, 1) if stride is None else stride
    if size < 0 or stride < 1:
        raise KerasRecipesError(f"A square of {size} pixels every {stride}: size from 0, stride from 1")
    scores = layer_names(model)[-1]
    if len(find_layer_call(model, scores).outputs[0].shape) != 2:
        raise KerasRecipesError(
            f"{model.name} is no classifier: its output is {find_layer_call(model, scores).outputs[0].shape}"
        )
    layer = layer or _last_conv_layer(model)
    axis = channel_axis(find_layer_call(model, layer))
    run = make_layer_forward(model, [layer, scores] if layer != scores else [scores])

    def answers(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        filled = np.concatenate([pictures, np.repeat(pictures[:1], batch - len(pictures), 0)])
        found = run(filled)  # one output where the layer is that of the scores
        maps = np.moveaxis(found[0], axis, -1)
        return maps.reshape(batch, -1, maps.shape[-1]).sum(1)[: len(pictures)], found[-1][: len(pictures)]

    whole_maps, whole_scores = answers(inputs[None])
    if logits is None:
        logits = are_logits(whole_scores)
    probabilities = softmax if logits else np.asarray
    whole = probabilities(whole_scores)[0]
    names = tuple(output_names(model)) or tuple(map(str, range(len(whole))))
    wanted = _class(target, names, int(whole.argmax()))
    channel = int(whole_maps[0].argmax())
    low, high = value_range(model, span)
    rows, columns = (np.arange(-size + stride if size else 0, n, stride) for n in (height, width))
    corners = np.array(list(itertools.product(rows, columns)))
    activity, chance, best = [], [], []
    for at in range(0, len(corners), batch):
        part = np.repeat(inputs[None], len(corners[at : at + batch]), 0)
        for covered, (top, left) in zip(part, corners[at : at + batch], strict=True):
            covered[max(top, 0) : top + size, max(left, 0) : left + size] = low + (high - low) * grey / 255
        maps, found = answers(part)
        activity.append(maps[:, channel])
        chance.append(probabilities(found)[:, wanted])
        best.append(found.argmax(-1))
    shape = (len(rows), len(columns))
    return OcclusionMaps(
        wanted, names[wanted], np.concatenate(chance).reshape(shape), float(whole[wanted]), np.concatenate(activity).reshape(shape),
        float(whole_maps[0, channel]), layer, channel, np.concatenate(best).reshape(shape), names, corners, size, stride,
        to_uint8_image(model, inputs, span),
    )  # fmt: skip


def are_logits(scores: np.ndarray) -> bool:
    """Whether rows of scores (rows, classes) are not yet probabilities."""
    return bool(scores.min() < 0 or (abs(scores.sum(-1) - 1) > 1e-3).any())


def _last_conv_layer(model: Any) -> str:
    maps = [n for n in layer_names(model) if len(find_layer_call(model, n).outputs[0].shape) == 4]
    if not maps:
        raise KerasRecipesError(f"{model.name} has no layer with places: name no layer, and use a convolutional net")
    return maps[-1]


def _class(target: int | str | None, names: tuple[str, ...], likeliest: int) -> int:
    if target is None:
        return likeliest
    if isinstance(target, str) and not target.isdecimal():
        lower = [n.lower() for n in names]
        if target.lower() not in lower:
            raise KerasRecipesError(f"{target!r} is no class; there are {', '.join(names[:12])} ...")
        return lower.index(target.lower())
    if not 0 <= int(target) < len(names):
        raise KerasRecipesError(f"There is no class {target}: they are numbered from 0 to {len(names) - 1}")
    return int(target)


def softmax(scores: np.ndarray) -> np.ndarray:
    found = np.exp(scores - scores.max(-1, keepdims=True))
    return found / found.sum(-1, keepdims=True)


def occlusion_correspondence(features: np.ndarray, covered: np.ndarray) -> tuple[float, float]:
    """Does covering the same part change different pictures in the same way? Section 4.4 of the paper.

    Delta is the Hamming distance between the signs of eps_i = features_i - covered_i and eps_j, over all pairs.

    Args:
        features, covered: (pictures, ...) a layer's features of the pictures, and of them with one part covered.

    Returns:
        Mean and standard deviation over pairs of the share of signs that differ, 0 to 1; lower is more consistent. Signs
        are -1, 0 and 1.

    Raises:
        KerasRecipesError: fewer than two pictures, or arrays of different shapes.
    """
    features, covered = np.asarray(features, "float64"), np.asarray(covered, "float64")
    if features.shape != covered.shape or len(features) < 2:
        raise KerasRecipesError(
            f"Two arrays of two pictures or more, of one shape, not {features.shape} and {covered.shape}"
        )
    signs = np.sign(features - covered).reshape(len(features), -1)
    shares = [float(np.mean(a != b)) for a, b in itertools.combinations(signs, 2)]
    return float(np.mean(shares)), float(np.std(shares))


def measure_correspondence(
    model: Any, pictures: Sequence[Any], boxes: Sequence[tuple[int, int, int, int]], layers: Sequence[str],
    grey: float = GREY, span: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """`correspondence` for each of some layers.

    Args:
        pictures: of the same kind of object. boxes: for each, (top, left, bottom, right) of the same part of it (an eye), in
            pixels of the network's input. layers: whose features are compared.
    """
    if len(pictures) != len(boxes):
        raise KerasRecipesError(f"{len(pictures)} pictures and {len(boxes)} boxes: one box for each picture")
    inputs = np.concatenate([to_model_input(model, p, span)[:1] for p in pictures])
    covered = inputs.copy()
    low, high = value_range(model, span)
    for item, (top, left, bottom, right) in zip(covered, boxes, strict=True):
        item[top:bottom, left:right] = low + (high - low) * grey / 255
    run = make_layer_forward(model, layers)
    return {n: occlusion_correspondence(a, b) for n, a, b in zip(layers, run(inputs), run(covered), strict=True)}

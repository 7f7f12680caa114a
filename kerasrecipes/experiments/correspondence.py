"""Correspondence: whether covering a part, such as an eye, changes features of different images alike (arXiv 1311.2901, table 1)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.experiments.measurement import Measurement
from kerasrecipes.graph.autodiff import make_layer_forward
from kerasrecipes.graph.model_input import to_model_input
from kerasrecipes.image import load_image
from kerasrecipes.utils.plotting import new_figure
from kerasrecipes.utils.yaml_files import read_yaml
from kerasrecipes.visualize.occlusion import GRAY, occlusion_correspondence

RANDOM = "random places"
MAX_TRIES = 1000  # of a random place
Box = tuple[int, int, int, int]  # left, top, width, height in pixels of the image


@dataclass(frozen=True)
class Correspondence(Measurement):
    """Fractions of features whose change has different signs in two images. Lower is more consistent.

    Args:
        parts: Names of the parts, and last `RANDOM`.
        layers: Names of the layers.
        means: (parts, layers) means over all pairs of images.
        deviations: (parts, layers) standard deviations over these pairs.
    """

    parts: tuple[str, ...]
    layers: tuple[str, ...]
    means: np.ndarray
    deviations: np.ndarray

    def summary(self) -> dict[str, str]:
        return {
            f"{part}, {layer}": f"{self.means[i, k]:.3f} ± {self.deviations[i, k]:.3f} of the signs differ"
            for i, part in enumerate(self.parts)
            for k, layer in enumerate(self.layers)
        }

    def plot(self) -> Any:
        """Plot the means as bars with their standard deviations."""
        figure = new_figure(1.5 + 1.1 * len(self.parts), 2.8)
        axes, width = figure.subplots(), 0.8 / len(self.layers)
        for k, layer in enumerate(self.layers):
            x = np.arange(len(self.parts)) + (k - (len(self.layers) - 1) / 2) * width
            axes.bar(x, self.means[:, k], width, yerr=self.deviations[:, k], label=layer, capsize=2)
        axes.set(xticks=range(len(self.parts)), xticklabels=self.parts, ylabel="signs that differ", ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
        return figure


def read_parts(path: str | Path) -> dict[Path, dict[str, Box]]:
    """Read a YAML file with the parts of objects: {IMAGE: {PART: [left, top, width, height]}}, in pixels.

    Returns:
        Boxes by part, by path of the image. Paths in the file are relative to its folder.

    Raises:
        DataError: The file cannot be read, or has another form.
    """
    form = f"{path}: write IMAGE: {{PART: [left, top, width, height], ...}} in whole pixels for two images or more"
    with convert_errors(DataError, path):
        values = read_yaml(path)
    if not isinstance(values, dict) or len(values) < 2 or not all(isinstance(v, dict) for v in values.values()):
        raise DataError(form)
    parts: dict[Path, dict[str, Box]] = {}
    for image, boxes in values.items():
        for name, box in boxes.items():
            is_box = isinstance(box, list) and len(box) == 4 and all(type(n) is int for n in box)
            if not is_box or min(box[:2]) < 0 or min(box[2:]) < 1:
                raise DataError(f"{form}; {str(name)!r:.80} of {str(image)!r:.80} is {box!r:.80}")
        parts[Path(path).parent / str(image)] = {str(name): tuple(box) for name, box in boxes.items()}
    return parts


def measure_part_correspondence(
    model: Any, images: Sequence[Any], parts: Sequence[Mapping[str, Box]], layers: Sequence[str], *, num_random: int = 10,
    seed: int = 0, fill_value: float = GRAY, progress: Callable[[int, int], None] | None = None,
) -> Correspondence:  # fmt: skip
    """Cover the same part in all images, and compare the signs of the changes of features (section 4.4).

    For comparison, rectangles of the same sizes cover random places. Lower distances for a part than for random places mean
    that the layer responds to this part in the same way in all images.

    Args:
        model: Functional or Sequential model of an image.
        images: Images of objects of one class, anything that `kerasrecipes.image.load_image` takes.
        parts: Parts of each image: (left, top, width, height) in its pixels by name. An image may lack parts.
        layers: Names of the layers.
        num_random: Number of random places in each image. Default 10.
        seed: Seed of the random places. Default 0.
        fill_value: Value of covered pixels, 0 to 255. Default 117, about the mean of ImageNet.
        progress: Called with (done, total).

    Raises:
        DataError: Images and parts do not belong together, fewer than two images have a part, or a part is outside of what the
            model sees of its image.
        ImageError: An image cannot be read.
    """
    names = list(dict.fromkeys(name for boxes in parts for name in boxes))
    pixels = [load_image(image) for image in images]
    if len(pixels) != len(parts) or not names or not all(parts):
        raise DataError(f"{len(pixels)} images and {len(parts)} sets of parts: name one part or more of each image")
    run, rng = make_layer_forward(model, layers), np.random.default_rng(seed)
    inputs = np.concatenate([to_model_input(model, image) for image in pixels])
    features = run(inputs)

    def cover(i: int, box: Box) -> np.ndarray | None:
        """Return the input with a covered box, or None if the model does not see it."""
        left, top, width, height = box
        image = pixels[i].copy()
        image[top : top + height, left : left + width] = round(fill_value)
        result = to_model_input(model, image)[0]
        return None if np.array_equal(result, inputs[i]) else result

    def cover_random(i: int) -> np.ndarray:
        boxes = list(parts[i].values())
        for _ in range(MAX_TRIES):
            _, _, width, height = boxes[rng.integers(len(boxes))]
            left, top = (int(rng.integers(max(n - m, 0) + 1)) for n, m in ((pixels[i].shape[1], width), (pixels[i].shape[0], height)))
            if (covered := cover(i, (left, top, width, height))) is not None:
                return covered
        raise DataError(f"No gray rectangle changes image {i}: it is gray itself")

    def compare(indices: list[int], covered: list[np.ndarray]) -> list[tuple[float, float]]:
        return [
            occlusion_correspondence(a[indices], b) for a, b in zip(features, run(np.stack(covered)), strict=True)
        ]

    rows = []
    for name in names:
        indices = [i for i, boxes in enumerate(parts) if name in boxes]
        if len(indices) < 2:
            raise DataError(f"Only one image has the part {name!r:.80}: name it in two or more")
        covered = []
        for i in indices:
            if (each := cover(i, parts[i][name])) is None:
                raise DataError(
                    f"The model does not see {name!r:.80} in image {i}: the crop of its preprocessing leaves it out, or it is gray already"
                )
            covered.append(each)
        rows.append(compare(indices, covered))
        if progress:
            progress(len(rows), len(names) + num_random)
    samples = []
    for number in range(num_random):
        samples.append(compare(list(range(len(pixels))), [cover_random(i) for i in range(len(pixels))]))
        if progress:
            progress(len(names) + number + 1, len(names) + num_random)
    if samples:
        means, deviations = np.moveaxis(np.array(samples), -1, 0)  # (samples, layers) each, of equally many pairs
        variances = (deviations**2 + means**2).mean(0) - means.mean(0) ** 2
        rows.append([(m, math.sqrt(max(v, 0))) for m, v in zip(means.mean(0), variances, strict=True)])
        names.append(RANDOM)
    table = np.array(rows)
    return Correspondence(tuple(names), tuple(layers), table[..., 0], table[..., 1])

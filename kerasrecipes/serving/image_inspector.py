"""Inspector of a Keras model of one image: activations, saliency of units and receptive fields, as `kerasrecipes look` shows them."""

from typing import Any

import numpy as np

from kerasrecipes import image as images
from kerasrecipes.graph.autodiff import ravel_position
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, input_shape, to_model_input, to_uint8_image
from kerasrecipes.graph.receptive_field import input_shapes, receptive_intervals
from kerasrecipes.graph.traversal import functional_graph, input_name
from kerasrecipes.graph.units import find_unit
from kerasrecipes.serving.inspection import Inspection, number_classes, stretch_image, to_probabilities
from kerasrecipes.serving.keras_inspector import COMPILED_FUNCTION, KerasInspector
from kerasrecipes.visualize.activations import default_layers
from kerasrecipes.visualize.saliency import layer_output_sizes


class ImageInspector(KerasInspector):
    """A Keras model of one image.

    Args:
        model: Functional or Sequential model.
        value_range: Black and white in the input of models that are not recipes.
    """

    kind = "image"

    def __init__(self, model: Any, value_range: tuple[float, float] = DEFAULT_VALUE_RANGE):
        input_shape(model)  # the error names what does not take an image
        layers = default_layers(model)
        self.output = input_name(functional_graph(model).outputs[0])
        super().__init__(model, layers if self.output in layers else [*layers, self.output])
        self.value_range = value_range
        self.labels = self.labels or number_classes(self.calls[self.output].outputs[0].shape[-1] or 0)

    def inspect(self, image: Any, stretch: bool = False) -> Inspection:
        """Compute all layers on an image.

        Args:
            image: Anything that `kerasrecipes.image.load_image` takes.
            stretch: Change the proportions to those of the input instead of taking the middle of the image.

        Raises:
            ImageError: The image cannot be read.
        """
        pixels = images.load_image(image)
        if stretch:
            pixels = stretch_image(pixels, self.canvas_size(pixels.shape))
        inputs = to_model_input(self.model, pixels, self.value_range)
        activations, milliseconds = self.compute_activations(inputs)
        display = to_uint8_image(self.model, inputs[0], self.value_range)
        return Inspection(inputs, display, activations, to_probabilities(activations[self.output]), milliseconds)

    def canvas_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the height and width to which an image is resized before its middle is cropped."""
        if preprocessing := getattr(self.model, "preprocessing", None):
            return preprocessing.resize_to
        height, width, _ = input_shape(self.model)
        return height or shape[0], width or shape[1]

    def compute_saliency(self, inspection: Inspection, unit: str, method: str) -> tuple[np.ndarray, float]:
        """Return the saliency (height, width, channels) of a unit, and its activation.

        Args:
            inspection: Result of `inspect`.
            unit: "conv3:17@6,6"; without a position the strongest, with "@all" the whole channel.
            method: A method of `METHODS` that takes an image and a unit.

        Raises:
            KerasRecipesError: There is no such unit or method, or the method does not fit the model.
        """
        entry, target = self.check_method(method), find_unit(self.model, unit)
        if entry.function == COMPILED_FUNCTION:
            sizes = layer_output_sizes(self.model, target.layer, inspection.inputs.shape[1:3])
            batch, activations, _ = self.compile_saliency(target.layer, method)(
                inspection.inputs, [target.channel], [ravel_position(target.position, sizes)]
            )
            return batch[0], float(activations[0])
        values, activation = self.run_method(entry, entry.function, inspection.inputs, target, value_range=self.value_range)
        return values if values.ndim == 3 else values[..., None], activation

    def describe_fields(self, inspection: Inspection, layer: str) -> list[dict[str, Any]] | None:
        """Return the receptive fields of a layer along rows and columns, see `describe_intervals`."""
        inspection.get_activations(layer)
        shapes = input_shapes(self.model, inspection.inputs.shape[1:3])
        intervals = receptive_intervals(self.model, shapes, until=layer, lenient=True)[layer][1]
        return describe_intervals(intervals)


def describe_intervals(intervals: Any) -> list[dict[str, Any]] | None:
    """Return receptive fields along rows and columns: first and last pixels, and the span away from edges.

    Positions that depend on padding only have the first pixel 0 and the last pixel -1. None stands for the whole image.
    """
    if intervals is None or len(intervals) != 2 or any(r.axis is None for r in intervals):
        return None
    return [
        {
            "low": [int(low) if low <= high else 0 for low, high in zip(r.low, r.high, strict=True)],
            "high": [int(v) for v in r.high],
            "span": None if r.span is None else int(r.span),
        }
        for r in intervals
    ]

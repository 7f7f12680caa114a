"""Saliency of a unit in the input: gradient, guided backpropagation and deconvnet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, ravel_position, select_unit, value_and_vjp
from kerasrecipes.graph.backward_rules import backward_rule, check_switches
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image
from kerasrecipes.graph.receptive_field import input_shapes, spatial_axes
from kerasrecipes.graph.traversal import layer_shapes
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.gaussian_blur import blur_numpy

RENDER_MODES = ("raw", "gray", "norm", "normblur")
BLUR_SIGMA = 4.0  # pixels, for "normblur"
BOX_MARGIN = 1.15  # an enlarged part shows a little more than the receptive field


@dataclass(frozen=True)
class Saliency(plotting.Figure):
    """Saliency of a unit in the input.

    Args:
        method: "gradient", "guided" or "deconv".
        values: (height, width, channels) signed values in the input's channels.
        activation: Activation of the unit; with "@all" the sum over positions.
        image: (height, width, 3) uint8, the input of the model.
    """

    unit: Unit
    method: str
    values: np.ndarray = field(repr=False)
    activation: float = 0.0
    image: np.ndarray | None = field(default=None, repr=False)

    @property
    def is_zero(self) -> bool:
        """True if all values are zero.

        The unit is inactive, or no signal passes the rectifiers of the deconvnet, as happens below narrow layers.
        """
        return not self.values.any()

    def render(self, render_mode: str = "raw") -> np.ndarray:
        """Convert the values to a uint8 image, see `render_signed`."""
        return render_signed(self.values, render_mode)

    def bounding_box(self) -> tuple[slice, slice]:
        """Return the rows and columns of all values other than zero, with a margin."""
        rows, columns = (np.flatnonzero(np.abs(self.values).max((axis, 2)) > 0) for axis in (1, 0))
        if not len(rows):
            return slice(None), slice(None)
        slices = []
        for positions, size in ((rows, self.values.shape[0]), (columns, self.values.shape[1])):
            start, stop = positions[0], positions[-1] + 1
            center, half = (start + stop) / 2, (stop - start) / 2 * BOX_MARGIN
            slices.append(slice(max(int(center - half), 0), min(int(np.ceil(center + half)), size)))
        return slices[0], slices[1]

    def plot(self, render_mode: str = "raw") -> Any:
        """Plot the image and the saliency, and both enlarged if the saliency covers a small part."""
        image = self.render(render_mode)
        panels = [(f"{self.unit}: {self.activation:.2f}", self.image)] if self.image is not None else []
        mode = f", {render_mode}" if render_mode != "raw" else ""
        panels.append((f"{self.method}{mode}{', all zero' if self.is_zero else ''}", image))
        box = self.bounding_box()
        if image[box].size < 0.5 * image.size:
            panels += [("its part of the image", self.image[box])] if self.image is not None else []
            panels.append(("enlarged", image[box]))
        return plotting.side_by_side(panels)


def render_signed(values: np.ndarray, render_mode: str) -> np.ndarray:
    """Convert signed values to a uint8 image.

    Args:
        values: (height, width, channels).
        render_mode: "raw" shows signs around middle gray in color, "gray" the sum of the colors; "norm" shows each pixel's
            magnitude over the colors from black, "normblur" blurs that by 4 pixels (filters of the Deep Visualization Toolbox).
    """
    if render_mode not in RENDER_MODES:
        raise KerasRecipesError(f"There is no render mode {render_mode!r}; there are {', '.join(RENDER_MODES)}")
    if render_mode == "raw":
        image = plotting.signed_to_uint8(values)
        return image[..., 0] if image.shape[-1] == 1 else image
    if render_mode == "gray":
        return plotting.signed_to_uint8(values.sum(-1))
    norm = np.sqrt((values.astype("float64") ** 2).sum(-1))
    return plotting.rescale_to_uint8(blur_numpy(norm, BLUR_SIGMA) if render_mode == "normblur" else norm, low=0.0)


class SaliencyMethod:
    """A saliency method for the units of one layer, compiled once for each batch size.

    Args:
        model: Functional or Sequential model.
        layer: Name of the layer.
        method: "deconv", "guided" or "gradient", see `compute_saliency`.
        seed: Value at the unit: "activation" is its activation (the deconvnet), "one" is 1 (the gradient). None: by method.
        from_layer: Layer whose output takes the place of the input.

    Raises:
        KerasRecipesError: No such layer or method, or a deconvnet with a pooling layer that has no switches.
    """

    def __init__(
        self, model: Any, layer: str, method: str = "deconv", seed: str | None = None, from_layer: str | None = None
    ):
        rule = backward_rule(method)
        axis = channel_axis(find_layer_call(model, layer))
        if method == "deconv":
            check_switches(model, layer)
        seed = seed or ("activation" if method == "deconv" else "one")
        if seed not in ("activation", "one"):
            raise KerasRecipesError(f'seed is "activation" or "one", not {seed!r}')

        def run_backward(x: Any, channel: Any, position: Any) -> list[Any]:
            def unit_seed(y: Any) -> Any:
                mask = select_unit(y, channel, position, axis)[2]
                return mask * y if seed == "activation" else mask

            y, gradient = value_and_vjp(
                lambda v: forward_to_layers(model, v, [layer], rule, from_layer)[0], x, unit_seed
            )
            value, index, _ = select_unit(y, channel, position, axis)
            return [ops.cast(gradient, "float32"), ops.cast(value, "float32"), index]

        self._run = compile_function(model, run_backward)

    def __call__(
        self, inputs: np.ndarray, channels: Sequence[int], positions: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the saliency of one unit for each item.

        Args:
            inputs: (batch, ...) float32.
            channels: (batch,) channels.
            positions: (batch,) flat positions, `autodiff.ARGMAX` or `autodiff.ALL_POSITIONS`.

        Returns:
            Saliency in the shape of the inputs, activations (batch,) and flat positions (batch,).
        """
        saliency, activations, index = self._run(
            np.asarray(inputs, "float32"), np.asarray(channels, "int32"), np.asarray(positions, "int32")
        )
        return saliency, activations, index


def compute_saliency(
    model: Any, image: Any, unit: str | Unit, method: str = "deconv", *, seed: str | None = None,
    value_range: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> Saliency:  # fmt: skip
    """Compute the saliency of a unit in an image.

    Args:
        model: Functional or Sequential model of an image.
        image: See `model_input.to_model_input`.
        unit: "conv3:17@6,6"; without a position the strongest, with "@all" the whole channel.
        method: "deconv" is the deconvnet of arXiv 1311.2901, section 2.1: it unpools to the positions of the maxima, rectifies
            the backward signal and transposes the filters, without biases and through normalization unchanged. "gradient" is
            the gradient. "guided" (arXiv 1412.6806) is the gradient whose backward signal is also rectified.
        seed: "activation" starts with the unit's activation (default of "deconv"), "one" with 1 (default of the others).
        value_range: Black and white in the input of models that are not recipes.

    Raises:
        KerasRecipesError: No such unit or method, or a deconvnet with a pooling layer that has no switches.
        ImageError: The image cannot be read.

    Example:
        >>> compute_saliency(kerasrecipes.load("squeezenet"), "cat.png", "fire9:40").save("saliency.png")
    """
    unit = find_unit(model, unit)
    inputs = to_model_input(model, image, value_range)[:1]
    sizes = layer_output_sizes(model, unit.layer, inputs.shape[1:3])
    values, activation, index = SaliencyMethod(model, unit.layer, method, seed)(
        inputs, [unit.channel], [ravel_position(unit.position, sizes)]
    )
    position: Any = unit.position
    if position != "all":
        position = tuple(int(i) for i in np.unravel_index(int(index[0]), sizes)) if sizes else ()
    pixels = to_uint8_image(model, inputs[0], value_range)
    return Saliency(Unit(unit.layer, unit.channel, position), method, values[0], float(activation[0]), pixels)


def layer_output_sizes(model: Any, layer: str, size: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the sizes of a layer's output on its spatial axes, for an input of `size`."""
    call = find_layer_call(model, layer)
    shape = call.outputs[0].shape
    if None in shape[1:]:
        shape = layer_shapes(model, input_shapes(model, None if size is None else tuple(size)))[layer][0]
    return tuple(shape[a] for a in spatial_axes(call))

"""Why is this unit active? Its activity led back to the picture: gradient, guided backpropagation, deconvnet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import compile_function, forward_to_layers, ravel_position, select_unit, value_and_vjp
from kerasrecipes.graph.backward_rules import backward_rule, check_switches
from kerasrecipes.graph.model_input import DEFAULT_VALUE_RANGE, to_model_input, to_uint8_image
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.gaussian_blur import blur_numpy

RENDER_MODES = ("raw", "grey", "norm", "normblur")
BLUR = 4.0  # pixels, of "normblur"
BOX_MARGIN = 1.15  # a patch drawn enlarged shows a bit more than the receptive field


@dataclass(frozen=True)
class Saliency(plotting.Figure):
    """A unit's activity led back to the input.

    Args:
        unit: with the place it starts at. method: "gradient", "guided" or "deconv".
        values: (height, width, channels), signed, in the input's channels. activation: of the unit, the sum over its
            places with "@all".
        picture: (height, width, 3) uint8, what the network saw.
    """

    unit: Unit
    method: str
    values: np.ndarray = field(repr=False)
    activation: float = 0.0
    picture: np.ndarray | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """Nothing came through: the unit is not active, or the deconvnet's rectifiers let no signal pass, as happens
        below narrow layers of deep nets."""
        return not self.values.any()

    def image(self, filter: str = "raw") -> np.ndarray:
        """As uint8.

        Args:
            filter: "raw" and "grey" show signs around middle grey, in colour or as the sum of the colours; "norm" shows each
                pixel's magnitude over the colours from black; "normblur" that, blurred by 4 pixels (the filters of
                the Deep Visualization Toolbox).

        Raises:
            KerasRecipesError: no such filter.
        """
        return render_signed(self.values, filter)

    def box(self) -> tuple[slice, slice]:
        """Rows and columns that hold all that is not zero, and a bit around."""
        rows, columns = (np.flatnonzero(np.abs(self.values).max((axis, 2)) > 0) for axis in (1, 0))
        if not len(rows):
            return slice(None), slice(None)
        found = []
        for places, size in ((rows, self.values.shape[0]), (columns, self.values.shape[1])):
            middle, half = (places[0] + places[-1] + 1) / 2, (places[-1] + 1 - places[0]) / 2 * BOX_MARGIN
            found.append(slice(max(int(middle - half), 0), min(int(np.ceil(middle + half)), size)))
        return found[0], found[1]

    def plot(self, filter: str = "raw") -> Any:
        """The picture, the projection, and both enlarged where the projection is small."""
        image = self.image(filter)
        shown = [(f"{self.unit}: {self.activation:.2f}", self.picture)] if self.picture is not None else []
        words = [
            self.method,
            *([filter] if filter != "raw" else []),
            *(["nothing comes through"] if self.empty else []),
        ]
        shown.append((", ".join(words), image))
        box = self.box()
        part = image[box]
        if part.size < 0.5 * image.size:
            shown += [("where it starts", self.picture[box])] if self.picture is not None else []
            shown.append(("enlarged", part))
        return plotting.side_by_side(shown)


def render_signed(values: np.ndarray, name: str) -> np.ndarray:
    """Signed values (height, width, channels) as a picture, uint8; see `Projection.image`.

    Raises:
        KerasRecipesError: no such filter.
    """
    if name not in RENDER_MODES:
        raise KerasRecipesError(f"There is no filter {name!r}; there are {', '.join(RENDER_MODES)}")
    if name == "raw":
        image = plotting.signed_to_uint8(values)
        return image[..., 0] if image.shape[-1] == 1 else image
    if name == "grey":
        return plotting.signed_to_uint8(values.sum(-1))
    norm = np.sqrt((values.astype("float64") ** 2).sum(-1))
    return plotting.rescale_to_uint8(blur_numpy(norm, BLUR) if name == "normblur" else norm, low=0.0)


class SaliencyMethod:
    """Leads a layer's units back to the input; compiled once for each size of batch.

    Args:
        model: any functional or Sequential model. layer: name of the step where it starts. method: see `project`.
        start: "activation" starts with the unit's value (the deconvnet: all other activations are set to zero), "one"
            with 1 (the gradient). None: by method. begin: a step whose output takes the place of the input.

    Raises:
        KerasRecipesError: no such layer or method; a deconvnet through a pooling without switches.
    """

    def __init__(
        self, model: Any, layer: str, method: str = "deconv", start: str | None = None, begin: str | None = None
    ):
        rule = backward_rule(method)
        step = find_layer_call(model, layer)
        if method == "deconv":
            check_switches(model, layer)
        start = start or ("activation" if method == "deconv" else "one")
        if start not in ("activation", "one"):
            raise KerasRecipesError(f'start is "activation" or "one", not {start!r}')
        axis = channel_axis(step)

        def run_back(x: Any, channel: Any, place: Any) -> list[Any]:
            def seed(y: Any) -> Any:
                mask = select_unit(y, channel, place, axis)[2]
                return mask * y if start == "activation" else mask

            y, gradient = value_and_vjp(lambda v: forward_to_layers(model, v, [layer], rule, begin)[0], x, seed)
            value, index, _ = select_unit(y, channel, place, axis)
            return [ops.cast(gradient, "float32"), ops.cast(value, "float32"), index]

        self.model, self.layer, self.axis = model, layer, axis
        self._project = compile_function(model, run_back)

    def __call__(
        self, inputs: np.ndarray, channels: Sequence[int], places: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Project one unit of each item.

        Args:
            inputs: (batch, ...) float32. channels, places: (batch,), the places flat, `compute.STRONGEST` or `ALL`.

        Returns:
            Projections in the inputs' shape, activations (batch,), flat places (batch,).
        """
        projections, values, index = self._project(
            np.asarray(inputs, "float32"), np.asarray(channels, "int32"), np.asarray(places, "int32")
        )
        return projections, values, index


def compute_saliency(
    model: Any, picture: Any, unit: str | Unit, method: str = "deconv", *, start: str | None = None,
    span: tuple[float, float] = DEFAULT_VALUE_RANGE,
) -> Saliency:  # fmt: skip
    """Lead a unit's activity back to the picture.

    Args:
        model: any functional or Sequential model of a picture. picture: see `pictures.as_input`.
        unit: "conv3:17@6,6"; without a place its strongest, with "@all" the whole map.
        method: "deconv", the deconvnet of arXiv 1311.2901, section 2.1: unpooling to the places of the largest values,
            rectifying the signal on its way down, transposed filters; biases do not count and normalisations are passed.
            "gradient"; "guided" (arXiv 1412.6806): the gradient with the deconvnet's rectifying on top.
        start: "activation" begins with the unit's value, "one" with 1; by default the first for "deconv".
        span: black and white in the input, of models that are no recipes.

    Raises:
        KerasRecipesError: no such unit or method, or a pooling without switches under a deconvnet. ImageError: no picture.

    Example:
        >>> project(kerasrecipes.load("squeezenet"), "cat.png", "fire9:40").save("cat.png")
    """
    found = find_unit(model, unit)
    inputs = to_model_input(model, picture, span)[:1]
    sizes = layer_output_sizes(model, found.layer, inputs.shape[1:3])
    values, activation, index = SaliencyMethod(model, found.layer, method, start)(
        inputs, [found.channel], [ravel_position(found.place, sizes)]
    )
    place = (
        found.place
        if found.place == "all"
        else tuple(int(i) for i in np.unravel_index(int(index[0]), sizes))
        if sizes
        else ()
    )
    return Saliency(
        Unit(found.layer, found.channel, place),
        method,
        values[0],
        float(activation[0]),
        to_uint8_image(model, inputs[0], span),
    )


def layer_output_sizes(model: Any, layer: str, size: Sequence[int] | None = None) -> tuple[int, ...]:
    """Places of a layer's output on each axis but the batch and the maps, for an input of `size`."""
    from kerasrecipes.graph.receptive_field import input_shapes, spatial_axes
    from kerasrecipes.graph.traversal import layer_shapes

    step = find_layer_call(model, layer)
    shape = step.outputs[0].shape
    if None in shape[1:]:
        shape = layer_shapes(model, input_shapes(model, None if size is None else tuple(size)))[layer][0]
    return tuple(shape[a] for a in spatial_axes(step))

"""Base of the inspectors of Keras models: activations of all layers, compiled saliency methods, and signals in layers."""

import time
from importlib import import_module
from typing import Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import ALL_POSITIONS, ARGMAX, make_layer_forward
from kerasrecipes.graph.units import Unit, channel_axis, find_layer_call, find_unit, output_names
from kerasrecipes.serving.inspection import Inspection, from_maps, to_maps
from kerasrecipes.visualize.methods import METHODS
from kerasrecipes.visualize.saliency import SaliencyMethod, compute_saliency

MAX_COMPILED = 12  # saliency methods that are kept
COMPILED_FUNCTION = f"{compute_saliency.__module__}:{compute_saliency.__name__}"  # its methods are compiled once for a layer
QUICK_OPTIONS = {"num_masks": 300, "num_samples": 16, "steps": 32}  # of methods that average: a page waits for them


class KerasInspector:
    """A Keras model of one image or waveform.

    Args:
        model: Functional or Sequential model.
        layers: Names of the layers that are shown.
    """

    engine = "keras"
    can_synthesize = True

    def __init__(self, model: Any, layers: list[str]):
        self.model, self.name, self.layers = model, model.name, layers
        self.labels = output_names(model)
        self.calls = {name: find_layer_call(model, name) for name in layers}
        self.methods = {name: m.help for name, m in METHODS.items() if m.inputs == ("image", "unit") and not m.prints}
        self.forward = make_layer_forward(model, layers)
        self.compiled: dict[tuple, SaliencyMethod] = {}

    def compute_activations(self, inputs: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
        """Return the activations (rows, columns, maps) of all layers, and the milliseconds that they took."""
        start = time.perf_counter()
        outputs = self.forward(inputs)
        milliseconds = 1000 * (time.perf_counter() - start)
        maps = {}
        for name, values in zip(self.layers, outputs, strict=True):
            maps[name] = to_maps(np.moveaxis(values, channel_axis(self.calls[name]), -1)[0])
        return maps, milliseconds

    def check_method(self, method: str) -> Any:
        """Return the entry of a method.

        Raises:
            KerasRecipesError: There is no such method of a unit in an input.
        """
        if method not in self.methods:
            raise KerasRecipesError(f"There is no method {method!r:.80}; there are {', '.join(self.methods)}")
        return METHODS[method]

    def run_method(self, entry: Any, path: str, source: np.ndarray, unit: Unit, **options: Any) -> tuple[np.ndarray, float]:
        """Return the values of a method (height, width, channels) or (frames, bands), and the unit's activation.

        Args:
            entry: Its entry in `METHODS`.
            path: Its function, "module:function".
            source: Input of the network, or samples.
            unit: Unit with or without a position.
            **options: How the source is read.
        """
        module, _, name = path.partition(":")
        quick = {key: value for key, value in QUICK_OPTIONS.items() if key in entry.options}
        result = getattr(import_module(module), name)(self.model, source, unit, **options, **quick, **entry.arguments)
        return np.asarray(result.values, "float32"), float(result.activation)

    def compile_saliency(self, layer: str, method: str, from_layer: str | None = None) -> SaliencyMethod:
        """Return a saliency method of a layer, compiled once."""
        key = (layer, method, from_layer)
        if key not in self.compiled:
            while len(self.compiled) >= MAX_COMPILED:
                self.compiled.pop(next(iter(self.compiled)))
            self.compiled[key] = SaliencyMethod(self.model, layer, method, from_layer=from_layer)
        return self.compiled[key]

    def compute_signals(self, inspection: Inspection, unit: str, method: str, layer: str) -> np.ndarray:
        """Return the signal (rows, columns, maps) that a method has at a layer on its way from a unit to the input.

        Raises:
            KerasRecipesError: The method has no such signals, or the layer does not lie between the input and the unit.
        """
        if self.check_method(method).function != COMPILED_FUNCTION:
            raise KerasRecipesError(f"{method} has no signals in layers: choose gradient, guided or deconv")
        target, values = find_unit(self.model, unit), inspection.get_activations(layer)
        place = find_place(target, inspection.get_activations(target.layer))
        if layer == target.layer:
            return make_seed(values, target.channel, place, method)
        axis, rank = channel_axis(self.calls[layer]), len(self.calls[layer].outputs[0].shape)
        batch = np.moveaxis(from_maps(values, rank), -1, axis)
        try:
            signal = self.compile_saliency(target.layer, method, layer)(batch, [target.channel], [place])[0]
        except Exception as error:  # backends raise many classes where a branch does not pass the layer
            raise KerasRecipesError(f"{layer} is not on every way from {unit} to the input: choose another layer") from error
        return to_maps(np.moveaxis(signal, axis, -1)[0])


def find_place(unit: Unit, values: np.ndarray) -> int:
    """Return the flat position of a unit in a layer (rows, columns, maps), or `autodiff.ALL_POSITIONS`."""
    if unit.position == "all":
        return ALL_POSITIONS
    if unit.position:
        return int(np.ravel_multi_index((*unit.position, 0)[:2], values.shape[:2]))  # type: ignore[misc]
    return int(values[..., unit.channel].argmax()) if values.size else ARGMAX


def make_seed(values: np.ndarray, channel: int, place: int, method: str) -> np.ndarray:
    """Return the signal (rows, columns, maps) with which a method starts: the activation for a deconvnet, else 1."""
    seed = np.zeros_like(values)
    plane, start = seed[..., channel], values[..., channel] if method == "deconv" else np.ones(values.shape[:2])
    if place == ALL_POSITIONS:
        plane[:] = start
    else:
        plane.flat[place] = start.flat[place]
    return seed

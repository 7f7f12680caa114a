"""Set the weights of a recipe's model from somebody else's checkpoint, and report every tensor."""

import importlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes._lazy import keras
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, convert_errors
from kerasrecipes.hub.caffemodel import read_mean_image
from kerasrecipes.hub.checkpoint_layouts import CONVERSIONS, CheckpointLayout, Source, Target
from kerasrecipes.hub.checkpoint_readers import find_kind, read_checkpoint
from kerasrecipes.registry import get_recipe
from kerasrecipes.utils.escaping import TextResult, escape_controls

MAX_NAMES = 8  # in an error message


@dataclass(frozen=True)
class ImportReport(TextResult):
    """What became of the tensors of a file and of the weights of a model.

    Args:
        path: The file.
        taken: (weight, tensors, shape of the weight) of each weight that was set.
        left_over: Tensors that no weight was made of.
        missing: Weights that the file lacks and that have random values.
    """

    path: str
    taken: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...]
    left_over: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line for every tensor and weight."""
        lines = [f"{weight} {list(shape)} <- {', '.join(tensors)}" for weight, tensors, shape in self.taken]
        lines += [f"left over: {name}" for name in self.left_over]
        lines += [f"missing, random: {name}" for name in self.missing]
        return escape_controls("\n".join(lines), keep="\n")

    def summary(self) -> str:
        """Return the counts in one sentence."""
        counts = f"{len(self.taken)} weights taken, {len(self.left_over)} tensors left over"
        return f"{counts}, {len(self.missing)} weights missing"


def read_report(path: Path) -> ImportReport:
    """Read a report that was written as JSON.

    Raises:
        WeightsCorrupted: It is none.
    """
    with convert_errors(WeightsCorrupted, path):
        values = json.loads(path.read_text("utf-8"))
        taken = tuple((weight, tuple(names), tuple(shape)) for weight, names, shape in values["taken"])
        return ImportReport(values["path"], taken, tuple(values["left_over"]), tuple(values["missing"]))


def find_layouts(recipe: Any, kind: str | None) -> list[CheckpointLayout]:
    """Return the layouts of a recipe for files of a kind, from `PUBLIC_LAYOUTS` of the recipe's module."""
    module = importlib.import_module(recipe.builder_function.__module__)
    layouts = getattr(module, "PUBLIC_LAYOUTS", ())
    return [layout for layout in layouts if recipe.name in layout.recipes and layout.kind == kind]


def is_importable(recipe: Any, path: str | Path) -> bool:
    """Return True if a file is somebody else's checkpoint by its name. A `.h5` file is one if the recipe has a layout for it."""
    kind = find_kind(path)
    return kind is not None and (kind != "keras_h5" or bool(find_layouts(recipe, kind)))


def layout_config(recipe: Any, kind: str | None) -> dict[str, Any]:
    """Return the changes to a recipe's configuration with which it is the network of files of a kind."""
    layouts = find_layouts(recipe, kind)
    return dict(layouts[0].config) if layouts else {}


def import_weights(
    model: Any, path: str | Path, *, kind: str | None = None, allow_missing: Iterable[str] = ()
) -> ImportReport:
    """Set a model's weights from a checkpoint of another program.

    Args:
        model: Model of a recipe.
        path: File.
        kind: Its kind, a key of `checkpoint_readers.READERS`. Default: by its name.
        allow_missing: Weights that the file need not have, with the wildcards * and ?, beside those of the layout.

    Returns:
        The report, which is also the model's attribute `import_report`.

    Raises:
        KerasRecipesError: The recipe has no layout for such files.
        WeightsCorrupted: The file is damaged, lacks weights, or holds others than the recipe's. The message names them, and the
            model is not changed.
    """
    kind = kind or find_kind(path)
    layouts = find_layouts(model.recipe, kind)
    tensors = read_checkpoint(path, kind)
    if not layouts:
        raise KerasRecipesError(
            f"{model.recipe.name} has no table of the tensors in such files, so {path} cannot be imported into it: choose another "
            "recipe, or see the guide on weights from elsewhere for those that have one"
        )
    layout = max(layouts, key=lambda each: count_tensors(each, tensors))
    values, taken, missing = {}, [], []
    variables = named_weights(model)
    targets = weight_targets(model, variables)
    for weight, target in targets.items():
        source = layout.weights.get(weight)
        absent = source is None or any(name not in tensors for name in source.tensors)
        if source is None or absent:
            missing.append(weight)
            continue
        values[weight] = convert(weight, target, source, tensors, path)
        taken.append((weight, source.tensors, target.shape))
    allowed = (*layout.optional, *allow_missing)
    if lacking := [name for name in missing if not any(fnmatchcase(name, pattern) for pattern in allowed)]:
        raise WeightsCorrupted(
            f"{path} lacks {len(lacking)} of the {len(targets)} weights of {model.recipe.name}: "
            f"{describe_sources(lacking, layout)}. It holds {list_names(tensors)}: check that it is a file of this network"
        )
    used = {name for _, names, _ in taken for name in names}
    report = ImportReport(str(path), tuple(taken), tuple(sorted(set(tensors) - used)), tuple(missing))
    for weight, value in values.items():
        variables[weight].assign(value)
    model.import_report = report
    if missing:
        warnings.warn(f"{path} holds no values for {list_names(missing)}, which stay random: train them", stacklevel=2)
    return report


def mean_config(recipe: str, path: str | Path) -> dict[str, Any]:
    """Return the configuration of an image recipe that subtracts the mean color of a mean image of Caffe.

    Args:
        recipe: Name of the recipe.
        path: `.binaryproto` file.

    Raises:
        KerasRecipesError: The recipe has no means of red, green and blue to set.
    """
    if "channel_means" not in get_recipe(recipe).config:
        raise KerasRecipesError(f"{recipe} has no setting for the mean color: leave the mean image away")
    means = read_mean_image(path).mean(axis=(1, 2))
    if len(means) != 3 or not np.isfinite(means).all():
        raise WeightsCorrupted(f"{path} has {len(means)} channels or values that are no numbers: a mean image has blue, green and red")
    return {"channel_means": tuple(round(float(mean), 4) for mean in reversed(means))}


def count_tensors(layout: CheckpointLayout, tensors: Mapping[str, np.ndarray]) -> int:
    """Return how many tensors of a layout are in a file."""
    return sum(name in tensors for source in layout.weights.values() for name in source.tensors)


def convert(
    weight: str, target: Target, source: Source, tensors: Mapping[str, np.ndarray], path: str | Path
) -> np.ndarray:
    """Return the values of one weight.

    Raises:
        WeightsCorrupted: The tensors have other shapes.
    """
    arrays = [tensors[name] for name in source.tensors]
    try:
        values = CONVERSIONS[source.conversion](arrays, target)
    except (ValueError, IndexError):
        values = None
    if values is None or values.shape != target.shape:
        shapes = ", ".join(f"{name} {list(tensors[name].shape)}" for name in source.tensors)
        needed = f"{weight}, which has the shape {list(target.shape)}"
        raise WeightsCorrupted(
            escape_controls(f"{path}: the tensor {shapes} does not fit {needed}: it belongs to another network or configuration")
        )
    return np.ascontiguousarray(values, "float32")


def named_weights(model: Any) -> dict[str, Any]:
    """Return a model's weights as {"LAYER/...": variable}.

    Layers that the recipe does not name are numbered in their order in the model, for instance `masked_batch_normalization_1`.
    Keras numbers them through the whole process.
    """
    counts: Counter = Counter()
    variables = {}
    for layer in model.layers:
        name, kind = layer.name, re.sub(r"_\d+$", "", layer.name)
        if kind.replace("_", "") == type(layer).__name__.lower():
            name = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
        for variable in layer.weights:
            if "seed_generator" not in variable.path:  # states of random layers, which no file has
                variables[f"{name}/{variable.path.partition('/')[2]}"] = variable
    return variables


def weight_targets(model: Any, variables: Mapping[str, Any]) -> dict[str, Target]:
    """Return what conversions need to know about each weight of `named_weights`."""
    flattened = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and (shape := flattened_shape(layer)):
            flattened[layer.kernel.path] = shape
    return {name: Target(tuple(v.shape), flattened.get(v.path)) for name, v in variables.items()}


def flattened_shape(layer: Any) -> tuple[int, ...] | None:
    """Return the shape (height, width, channels) that a layer's input had before `Flatten`, or None if nothing was flattened."""
    tensor = layer.input
    while (operation := tensor._keras_history.operation) is not None and not isinstance(tensor, list):
        if isinstance(operation, keras.layers.Flatten):
            shape = tuple(operation.input.shape[1:])
            return shape if len(shape) == 3 else None
        if not isinstance(operation, keras.layers.Dropout):
            return None
        tensor = operation.input
    return None


def describe_sources(weights: list[str], layout: CheckpointLayout) -> str:
    """Return the names of weights with the tensors that they would be made of."""
    names = [
        f"{weight} (from {', '.join(layout.weights[weight].tensors)})" if weight in layout.weights else f"{weight} (from none)"
        for weight in weights
    ]
    return list_names(names)


def list_names(names: Iterable[str]) -> str:
    """Return some names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return escape_controls(", ".join(names[:MAX_NAMES])) + more

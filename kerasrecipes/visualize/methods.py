"""Table of the methods of `kerasrecipes visualize`: the command line, `--help` and the documentation read it.

To add a method, write a function that returns a `Figure` and add an entry to `METHODS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, KerasRecipesError


@dataclass(frozen=True)
class Option:
    """A keyword argument of methods that the command line offers."""

    help: str
    type: type = str  # bool is a flag without a value
    default: Any = None  # None and () are not passed
    choices: tuple[Any, ...] = ()
    multiple: bool = False  # repeatable; the function receives a list
    flag: str | None = None  # default: "--" and the name with hyphens
    metavar: str | None = None  # placeholder of the value in `--help`


@dataclass(frozen=True)
class Method:
    """A visualization method.

    `function` is "module:function". It is called as `function(model, *inputs, **options, **arguments)` and returns a result with
    `save(path)`, or a dictionary from a file name's suffix to a result.
    """

    function: str
    help: str
    inputs: tuple[str, ...] = ()  # "image" or "audio" (the file), "unit" (a call for each), "units", "data"
    options: tuple[str, ...] = ()  # names of `OPTIONS`; "image" is the file where it is optional, "layer" the one layer of `layers`
    arguments: dict[str, Any] = field(default_factory=dict)  # fixed keyword arguments
    audio_function: str | None = None  # for speech recognizers, with the recording in place of the image
    plot_options: tuple[str, ...] = ()  # options that `save` takes
    prints: bool = False  # the command line prints the result
    progress: bool = False  # the function takes `progress(done, total)`
    writes_files: bool = False  # the function takes `folder`, `prefix` and `suffix` and returns paths
    random_weights: bool = False  # the model is loaded with random weights


OPTIONS = {
    "layers": Option("layer to show or measure; repeatable", multiple=True, flag="--layer", metavar="LAYER"),
    "size": Option(
        "input size where the model leaves it open, or the number of samples", flag="--input-size", metavar="WIDTHxHEIGHT"
    ),
    "render_mode": Option("rendering of signed values", default="raw", choices=("raw", "gray", "norm", "normblur")),
    "num_samples": Option("number of noisy copies (default 50)", int, flag="--samples"),
    "noise_level": Option("standard deviation of the noise as a fraction of the input's range (default 0.15)", float),
    "num_masks": Option("number of random masks (default: rise 8000, faithfulness 2000)", int, flag="--masks"),
    "cells": Option("number of positions along each side (default 6)", int),
    "target": Option("name or number of the class"),
    "patch_size": Option("side of the gray square, in pixels", int),
    "stride": Option("distance between two positions of the square, in pixels", int),
    "preset": Option("row of table 1 of arXiv 1506.06579 (default 3), or fourier", choices=(1, 2, 3, 4, "fourier")),
    "num_restarts": Option("random starts of each unit", int, 4, flag="--restarts"),
    "steps": Option("number of steps of the ascent, the path or each training (integrated-gradients: 50, transfer: 300)", int),
    "whole_input": Option("optimize the whole input instead of the unit's receptive field", bool, False),
    "step_policy": Option("choice of the step size", choices=("constant", "progress", "progress01", "normalized")),
    "max_step": Option("largest step size", float),
    "target_gain": Option("activation gain of a step; normalized: RMS of a step in gray levels", float),
    "seed": Option("random seed", int, 0),
    "data": Option("data set: cifar10:FOLDER, mnist:FILE or folder:FOLDER; repeatable", multiple=True, metavar="SET"),
    "validation": Option("test data (default: --data?split=test); repeatable", multiple=True, metavar="SET"),
    "limit": Option("largest number of images", int),
    "parts": Option("YAML file with IMAGE: {PART: [left, top, width, height]}", Path, metavar="FILE"),
    "transforms": Option(
        "transformation; repeatable (default: all)", choices=("shift", "scale", "rotate"), multiple=True, flag="--transform"
    ),
    "images_per_class": Option("training images of each class", default="1,5,15,60", metavar="N,N"),
    "num_repeats": Option("number of repetitions with other images and weights", int, 3),
    "epochs": Option("epochs after which features are recorded", default="1,2,5,10", metavar="N,N"),
    "json_file": Option("also write the measurements as JSON", Path, flag="--write", metavar="FILE"),
}  # fmt: skip

_ROOM, _STUDIES = "kerasrecipes.visualize", "kerasrecipes.experiments.image_experiments"
_DATA_OPTIONS = ("validation", "limit", "layers", "json_file")


def _attribution(function: str, help: str, options: tuple[str, ...] = (), **settings: Any) -> Method:
    reference = f"{_ROOM}.{function}"
    return Method(reference, help, ("image", "unit"), options, audio_function=reference, **settings)


def _saliency(method: str, help: str) -> Method:
    return Method(
        f"{_ROOM}.saliency:compute_saliency", help, ("image", "unit"), arguments={"method": method},
        audio_function=f"{_ROOM}.speech:compute_audio_saliency", plot_options=("render_mode",),
    )  # fmt: skip


METHODS = {
    "deconv": _saliency("deconv", "parts of the input that activate a unit, by a deconvnet"),
    "guided": _saliency("guided", "parts of the input that activate a unit, by guided backpropagation"),
    "gradient": _saliency("gradient", "gradient of a unit with respect to the input"),
    "integrated-gradients": _attribution(
        "averaged_gradients:compute_integrated_gradients", "share of each pixel in a unit's activation", ("steps",)
    ),
    "smoothgrad": _attribution(
        "averaged_gradients:compute_smoothgrad", "mean gradient of a unit over noisy copies of the input",
        ("num_samples", "noise_level", "seed"),
    ),
    "grad-cam": _attribution("grad_cam:compute_grad_cam", "places with features that raise a unit, by Grad-CAM", ("layer",)),
    "rise": _attribution(
        "rise:compute_rise", "places that keep a class probable while random masks cover the rest, by RISE", ("num_masks", "seed"),
        progress=True,
    ),
    "faithfulness": _attribution(
        "faithfulness:measure_faithfulness", "deletion and insertion curves of all attributions of a unit", ("num_masks", "seed"),
        prints=True, progress=True,
    ),
    "activations": Method(f"{_ROOM}.activations:activation_maps", "activations of layers on an image", ("image",), ("layers",)),
    "activation-grid": Method(
        f"{_ROOM}.activation_grid:compute_activation_grid", "inputs that give a layer the activations at places of an image",
        ("image",), ("layer", "cells", "steps", "seed"), progress=True,
    ),
    "occlusion": Method(
        f"{_ROOM}.occlusion:compute_occlusion", "change of the class while a gray square covers the image", ("image",),
        ("target", "patch_size", "stride"),
    ),
    "posteriors": Method(
        f"{_ROOM}.speech:symbol_posteriors", "probability of each letter or phoneme over time", ("audio",)
    ),
    "maximize": Method(
        f"{_ROOM}.synthesis_cache:synthesize_to_folder", "inputs that activate a unit strongly, by gradient ascent", ("units",),
        ("preset", "num_restarts", "steps", "whole_input", "step_policy", "max_step", "target_gain", "seed"),
        progress=True, writes_files=True,
    ),
    "receptive-field": Method(
        f"{_ROOM}:receptive_field", "part of the input that a unit depends on", ("unit",), ("image", "size"), prints=True
    ),
    "filters": Method(f"{_ROOM}.filters:show_first_filters", "filters of the first layer", (), ("layers",)),
    "table": Method(
        f"{_ROOM}.model_table:layer_table", "shapes, parameters, multiply-adds and receptive fields of all layers", (), ("size",),
        prints=True,
    ),
    "graph": Method(f"{_ROOM}.model_graph:draw_graph", "drawing of all layers", (), ("size",)),
    "probes": Method(
        f"{_STUDIES}:run_probes", "accuracy of a linear classifier on each layer", ("data",), (*_DATA_OPTIONS, "seed"), prints=True
    ),
    "invariance": Method(
        f"{_STUDIES}:run_invariance", "change of features as images are shifted, scaled and rotated", ("data",),
        (*_DATA_OPTIONS, "transforms"), prints=True,
    ),
    "correspondence": Method(
        f"{_STUDIES}:run_correspondence", "consistency of features as the same part is covered in different images", (),
        ("parts", "layers", "seed", "json_file"), prints=True, progress=True,
    ),
    "transfer": Method(
        f"{_STUDIES}:run_transfer", "features on another data set against training from scratch", ("data",),
        (*_DATA_OPTIONS, "images_per_class", "num_repeats", "steps", "seed"), prints=True, progress=True,
    ),
    "evolution": Method(
        f"{_STUDIES}:run_evolution", "filters and units while a recipe trains", ("data",),
        (*_DATA_OPTIONS, "units", "epochs", "seed"), prints=True, progress=True, random_weights=True,
    ),
}  # fmt: skip
SALIENCY_METHODS = ("deconv", "guided", "gradient")
DEFAULT_METHOD = "deconv"


def check_inputs(name: str, file: str | None, units: Sequence[str], data: Sequence[str]) -> None:
    """Check that a method receives its inputs, before a model is loaded.

    Raises:
        KerasRecipesError: The file or the units are missing.
        DataError: The data set is missing.
    """
    inputs = METHODS[name].inputs
    if file is None and ("image" in inputs or "audio" in inputs):
        source = "an image or a recording" if METHODS[name].audio_function else "an image"
        source = "a recording" if "audio" in inputs else source
        raise KerasRecipesError(f"--method {name} needs {source}: kerasrecipes visualize NAME FILE --method {name}")
    if not units and ("unit" in inputs or "units" in inputs):
        raise KerasRecipesError(f'--method {name} needs --unit "LAYER:NUMBER"; --method table lists the layers')
    if not data and "data" in inputs:
        raise DataError(f"--method {name} needs --data cifar10:FOLDER, mnist:FILE or folder:FOLDER")


def run_method(
    name: str, model: Any, folder: str | Path, *, file: str | None = None, units: Sequence[str] = (), suffix: str = ".png",
    prefix: str | None = None, progress: Callable[[int, int], None] | None = None, **options: Any,
) -> Iterator[tuple[Path, Any]]:  # fmt: skip
    """Run a method and save its results.

    Args:
        name: Name of the method.
        model: Loaded model.
        folder: Folder of the files MODEL_INPUT_UNIT_METHOD.
        file: Path of the image or recording.
        units: Unit names without ranges, see `graph.units.expand_units`.
        suffix: Suffix of the files, ".png" or ".jpg".
        prefix: Beginning of the file names. Default: the model's name and "_".
        progress: Called with (done, total).
        **options: Values of `OPTIONS`; the method ignores those that it does not take.

    Yields:
        The path of a file, and its result (None for files of `writes_files`).
    """
    method = METHODS[name]
    layers = options.get("layers") or [None]
    if "layer" in method.options and len(layers) > 1:
        raise KerasRecipesError(f"--method {name} takes one --layer, not {len(layers)}")
    options |= {"units": list(units), "image": file, "layer": layers[0]}
    arguments = {k: v for k, v in options.items() if k in method.options and v not in (None, (), [])} | method.arguments
    if method.progress:
        arguments["progress"] = progress
    prefix = f"{model.name}_" if prefix is None else prefix
    if method.writes_files:
        arguments |= {"folder": folder, "prefix": prefix, "suffix": suffix}
    audio = method.audio_function is not None and hasattr(model, "transcribe")
    module, _, attribute = (method.audio_function if audio else method.function).partition(":")  # type: ignore[union-attr]
    function = getattr(import_module(module), attribute)
    for unit in units if "unit" in method.inputs else [None]:
        values = {"image": file, "audio": file, "unit": unit, "units": list(units), "data": options.get("data")}
        result = function(model, *(values[i] for i in method.inputs), **arguments)
        if method.writes_files:
            yield from ((path, None) for path in result)
            continue
        plot_options = {k: options[k] for k in method.plot_options if not audio and options.get(k)}
        extra = "".join(f"_{v}" for k, v in plot_options.items() if v != OPTIONS[k].default)
        stem = prefix + (f"{Path(file).stem}_" if file and "data" not in method.inputs else "")
        for label, each in (result if isinstance(result, dict) else {name.replace("-", "_"): result}).items():
            owner = f"{each.unit.stem}_" if unit is not None else ""
            yield each.save(Path(folder) / f"{stem}{owner}{label}{extra}{suffix}", **plot_options), each

"""`load`: from a name, a file or a hub reference to a model with verified weights. `predict`: the verb of its task."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes import engines, registry
from kerasrecipes._lazy import choose_backend, keras
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.engines import onnx_cache
from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.hub import manifest
from kerasrecipes.hub import weights as hub_weights
from kerasrecipes.hub.availability import has_only_step_file
from kerasrecipes.hub.public_checkpoints import checkpoints_of
from kerasrecipes.tasks.public_models import find_public_checkpoint, set_foreign_weights, source_config
from kerasrecipes.tasks.saved_models import check_weights, is_saved_model, load_saved_model, load_weights_checked
from kerasrecipes.tasks.table import TASK_MODELS

HEAD_LAYERS = ("logits", "transitions")  # every recipe's output layer, and ASG's transitions between the symbols


def load(
    name: str | Path, *, alphabet: Any = None, classes: Any = None, weights: Any = "default", compile: bool = True,
    engine: str | None = None, engine_precision: str | None = None, **config: Any,
) -> Any:  # fmt: skip
    """Return a model that is ready for raw input and for fine-tuning.

    Args:
        name: A recipe ("wav2letter_small"), a `.keras` file of `model.save`, the folder of a training run (its averaged
            weights; write "./NAME" if a recipe has its name), an `.onnx` file of `kerasrecipes export`,
            "hf://org/name@revision", or a checkpoint that others published ("bvlc_caffenet"; `kerasrecipes list` shows them).
        alphabet: Other output symbols for speech and text. All weights but those of the output layer are kept.
        classes: Other classes for images: names, or their number. All weights but those of the output layer are kept.
        weights: "default" for the released or saved weights, a path to a `.weights.h5` or to another program's checkpoint of
            the same network (`model.import_report` then names every tensor), or None for random weights.
        compile: Compile with the recipe's own loss, metrics and optimizer. A `.keras` file of a compiled model comes back as it
            was compiled, with the state of its optimizer.
        engine: "keras" (default for all but `.onnx` files). "onnxruntime" or "openvino", which need no Keras and cannot be
            trained: they open the recipe's released ONNX file, or the one that `kerasrecipes export NAME --cache` wrote.
            "auto": the fastest installed one of these two if there is a file, else Keras.
        engine_precision: Arithmetic of OpenVINO: "float32", or "bf16", which is much less exact.
        **config: Changes to the recipe's configuration, for instance `dropout=0.1`.

    Raises:
        RecipeNotFound: There is no such recipe. The message names the three closest.
        WeightsUnavailable: The released file is not on this machine and cannot be downloaded.
        WeightsCorrupted: A file does not match its manifest row or the architecture.
        KerasRecipesError: `config` gives the weights another size (pass `weights=None`). `alphabet` was given for images, or
            `classes` for speech and text. Or `alphabet`, `classes`, `weights` or `config` were given for an exported file, a
            `.keras` file or a training run, which cannot be changed on load (`weights=None` is allowed).

    Example:
        >>> kerasrecipes.load("wav2letter_small").transcribe("talk.flac").text
    """
    text = str(name)
    is_changed = alphabet is not None or classes is not None or bool(config)
    if text.endswith(".onnx") or engine not in (None, "keras"):
        model = load_in_engine(text, engine or "auto", engine_precision, is_changed or weights != "default")
        if model is not None:
            return model
        if engine_precision is not None:
            raise KerasRecipesError(f'engine_precision= is for engine="openvino", and "auto" leaves {text} to Keras')
    elif engine_precision is not None:
        raise KerasRecipesError('engine_precision= is for engine="openvino"; Keras has keras.config.set_dtype_policy')
    if is_saved_model(text):
        if is_changed or weights not in ("default", None):
            raise KerasRecipesError(
                f"{text} is a whole model, with its own labels, configuration and weights: load its recipe to change these, "
                "with weights=FILE for a file of save_weights"
            )
        model = load_saved_model(Path(text), random_weights=weights is None, compile=compile)
        row = manifest.entries().get(model.recipe.name)
    else:
        model, row = load_recipe(text, {"alphabet": alphabet, "classes": classes}, weights, config)
    if row and hasattr(model, "decoder_settings"):
        model.decoder_settings = dict(row.decoder)
    if compile and not model.compiled:
        model.compile()
    return model


def load_named_models(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of `transcribe` with loaded models in place of the names of its `rescorer` and of those in `average_with`."""
    def load_name(value: Any) -> Any:
        return load(value, compile=False, engine="auto") if isinstance(value, str | Path) else value

    loaders = {"rescorer": load_name, "average_with": lambda values: [*map(load_name, values)]}
    return {key: loaders[key](value) if key in loaders else value for key, value in options.items()}


def load_recipe(name: str, labels: dict[str, Any], weights: Any, config: dict) -> tuple[Any, Any]:
    """Return a recipe's Keras model and its manifest row (None if it has none).

    Args:
        name: Recipe or hub reference.
        labels: `alphabet` and `classes` of `load`.
        weights: As in `load`.
        config: Changes to the recipe's configuration.
    """
    recipe, row, path = resolve_recipe_and_weights(name, weights)
    changes, config = config, {**source_config(recipe, path), **config}
    keyword = TASK_MODELS[recipe.task].label_argument
    requested = labels.get(keyword or "")
    if wrong := [f"{k}=" for k, value in labels.items() if value is not None and k != keyword]:
        choice = f"takes {keyword}=, not {wrong[0]}" if keyword else f"takes no {wrong[0]}"
        raise KerasRecipesError(f"{recipe.name} {choice}: its task is {recipe.task}")
    trained = row.model.get(keyword) if row and keyword else None
    model = build_model(recipe, trained if path or requested is None else requested, config)
    if path:
        if not set_foreign_weights(model, path):
            load_weights_checked(model, path, changes if weights == "default" else {})
            if weights != "default" or name.startswith("hf://"):  # released files of the package are known
                check_weights(model, path)
        if requested is not None and not has_same_labels(requested, getattr(model, keyword or "")):
            model = replace_head(model, build_model(recipe, requested, config))
    return model, row


def load_in_engine(name: str, engine: str, engine_precision: str | None, is_changed: bool) -> Any:
    """Return the model of an `.onnx` file, or of a recipe's ONNX file, or None if "auto" leaves it to Keras.

    Raises:
        KerasRecipesError: The network must be changed, or there is no such engine.
        WeightsUnavailable: The recipe has neither a released nor a cached ONNX file.
    """
    is_file = name.endswith(".onnx")
    if engine not in ("auto", *engines.ENGINES):
        choices = ", ".join(("auto", *engines.ENGINES, *(() if is_file else ("keras",))))
        raise KerasRecipesError(f"There is no engine {engine!r} for {name}; there are {choices}")
    auto = engine == "auto" and not is_file
    if is_changed or is_saved_model(name) or find_public_checkpoint(name):
        if auto:
            return None
        raise KerasRecipesError(
            f"{name} in {engine} is what was exported: change the alphabet, classes, weights or configuration in Keras, and "
            "export the result (kerasrecipes export FILE.keras)"
        )
    if is_file:
        return engines.load_file(Path(name), engine, engine_precision)
    packaged = not name.startswith("hf://")
    row = manifest.entries().get(registry.get_recipe(name).name) if packaged else hub_weights.fetch_entry(name)
    if auto and not (
        row and engines.installed() and (row.onnx or onnx_cache.is_cached(row)) and engines.supports_recipe(row.recipe)
    ):
        return None
    row = row or manifest.get_entry(name)
    if row.onnx:
        is_step = packaged and has_only_step_file(row)
        model = engines.load_file(
            hub_weights.onnx_path(row, step=is_step, packaged=packaged), engine, engine_precision, row.recipe,
            lambda: hub_weights.onnx_path(row, step=True, packaged=packaged),
        )  # fmt: skip
    else:
        model = engines.load_file(onnx_cache.require_cached(row, name), engine, engine_precision, row.recipe)
    model.opening = load_in_engine, (name, model.engine, engine_precision, False)
    if hasattr(model, "decoder_settings"):
        model.decoder_settings = dict(row.decoder)  # the row's are newer than the file's
    return model


def resolve_recipe_and_weights(name: str, weights: Any) -> tuple[Any, Any, Any]:
    """Return the recipe, its manifest row and its weights.

    The row is None if there is none. The weights are a file (a released one is verified), the row of a public checkpoint, or None
    for random ones.
    """
    if public := find_public_checkpoint(name):
        name, weights = public.recipe, public if weights == "default" else weights
    if name.startswith("hf://"):
        entry, path = hub_weights.fetch_from_reference(name)
        return registry.get_recipe(entry.recipe), entry, path
    recipe = registry.get_recipe(name)
    row = manifest.entries().get(name)
    if weights == "default":
        if not row and (public_names := checkpoints_of(name)):
            raise WeightsUnavailable(
                f"{name} has no released weights. Others published some, which load({public_names[0]!r}) fetches and converts; or start "
                "from random weights: load(..., weights=None)"
            )
        return recipe, row, hub_weights.weights_path(row or manifest.get_entry(name))
    if weights is None or weights is public:
        return recipe, row, weights
    path = Path(weights)
    if not path.is_file():
        raise KerasRecipesError(f"There is no weights file {path}; pass weights=None to start from random weights")
    return recipe, row, path


def build_model(recipe: Any, labels: Any, config: dict) -> Any:
    """Return the task's model with random weights.

    Args:
        recipe: A `Recipe`.
        labels: Its alphabet or classes, None for the default.
        config: Changes to the recipe's configuration.
    """
    choose_backend()
    entry = TASK_MODELS[recipe.task]
    (module, name), label_argument = entry.model.split(":"), {entry.label_argument: labels} if entry.label_argument else {}
    return getattr(importlib.import_module(module), name)(recipe.name, config=config, **label_argument)


def has_same_labels(requested: Any, trained: Any) -> bool:
    """Return True if a model with the alphabet or classes `trained` already has the requested ones.

    The criterion decides about a blank or repetition symbols: only another number of repetition symbols needs another head.
    """
    if isinstance(trained, tuple):  # names of classes
        return len(trained) == requested if isinstance(requested, int) else trained == tuple(requested)
    trained = Alphabet.from_value(trained)
    requested = type(trained).from_value(requested)  # for example from the name of a phoneme set
    return (requested.symbols, requested.separator) == (trained.symbols, trained.separator) and (
        requested.num_repetition_symbols is None or trained.num_repetition_symbols in (None, requested.num_repetition_symbols)
    )


def replace_head(model: Any, target: Any, head_layers: Sequence[str] = HEAD_LAYERS) -> Any:
    """Copy the weights of `model` into `target`, except those of layers that depend on the labels, and return `target`.

    These are the output layers, a language model's embedding, and of a segmenter the front end's output and all layers after it.

    Args:
        model: The model with other labels.
        target: The model with the new labels.
        head_layers: Names of layers that are not copied.
    """
    end = model.layers.index(model.front_end_head) if hasattr(model, "front_end_head") else len(model.layers)
    for old, new in list(zip(model.layers, target.layers, strict=True))[:end]:
        if old.name in head_layers or new.name in head_layers or isinstance(old, keras.layers.Embedding):
            continue
        if all(v.shape == w.shape for v, w in zip(old.weights, new.weights, strict=True)):
            new.set_weights(old.get_weights())
    return target


def predict(model: Any, source: Any, **options: Any) -> Any:
    """Run the verb of a model's task on one input or a list.

    Args:
        model: A loaded model, or anything `load` takes.
        source: Input of the verb: for speech a path, bytes, an array with `sample_rate=`, or a list.
        **options: Options of the verb.

    Returns:
        The task's result, or a list of results for a list.
    """
    model = load(model) if isinstance(model, str | Path) else model
    return getattr(model, TASK_MODELS[model.recipe.task].verb)(source, **options)

"""`load`: a name, a file or a hub reference becomes a model with verified weights. `predict`: the verb of its task."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrecipes import registry
from kerasrecipes._lazy import choose_backend, keras
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted
from kerasrecipes.hub import manifest
from kerasrecipes.hub import weights as hub_weights

# task -> (class of its models, the verb that takes raw input)
TASK_MODELS = {
    "speech-recognition": ("kerasrecipes.tasks.speech_recognizer:SpeechRecognizer", "transcribe"),
    "phoneme-recognition": ("kerasrecipes.tasks.phoneme_recognizer:PhonemeRecognizer", "transcribe"),
    "language-model": ("kerasrecipes.tasks.language_model:LanguageModel", "generate"),
    "image-classification": ("kerasrecipes.tasks.image_classifier:ImageClassifier", "classify"),
    "segmentation": ("kerasrecipes.tasks.segmenter:Segmenter", "segment"),
    "waveform-generation": ("kerasrecipes.tasks.wave_generator:WaveNetGenerator", "generate"),
}

# how `load` is told what the scores stand for: `alphabet=`, for pictures `classes=`
LABEL_ARGUMENT = {"image-classification": "classes", "segmentation": "classes"}

HEAD_LAYERS = ("logits", "transitions")  # every recipe's layer of scores; ASG's transitions between the symbols


def load(
    name: str | Path, *, alphabet: Any = None, classes: Any = None, weights: Any = "default", compile: bool = True,
    engine: str | None = None, precision: str | None = None, **config: Any,
) -> Any:  # fmt: skip
    """A model that is ready for raw input and for fine-tuning.

    Args:
        name: a recipe ("deepspeech2_small"), a `.keras` file that `model.save` wrote, the folder of a training (its averaged
            weights; "./NAME" where a recipe has its name), an `.onnx` file that `kerasrecipes export` wrote, or "hf://org/name@revision".
        alphabet: other output symbols: the trunk keeps its weights, the head starts anew.
        classes: likewise for pictures: names of classes, or their number.
        weights: "default" for the recipe's released file or what a `.keras` file holds, a path to a `.weights.h5`, or None for
            random numbers.
        compile: with the recipe's own loss, metrics and optimiser.
        engine: "keras", the default for all but `.onnx` files; "onnxruntime" or "openvino", which need no Keras and cannot be
            trained: the released ONNX file, or one that is made once on this machine; or "auto", the fastest of these two
            that is installed where there is a file, else Keras.
        precision: of OpenVINO's arithmetic: "float32", or "bf16", much less exact.
        config: changes to the recipe's configuration, for instance `dropout=0.1`.

    Raises:
        RecipeNotFound: no such recipe; the three closest are named.
        WeightsUnavailable: the released file is not at hand and cannot be fetched.
        WeightsCorrupt: a file does not match its manifest row or the architecture.
        KerasRecipesError: `alphabet` for pictures, or `classes` for speech and text; changes to a network in an engine, a
            `.keras` file or a training's folder, whose only other weights are none.

    Example:
        >>> kerasrecipes.load("deepspeech2_small").transcribe("talk.flac").text
    """
    text = str(name)
    changed = alphabet is not None or classes is not None or bool(config)
    if text.endswith(".onnx") or engine not in (None, "keras"):
        found = load_in_engine(text, engine or "auto", precision, changed or weights != "default")
        if found is not None:
            return found
        if precision is not None:
            raise KerasRecipesError(f'precision= is for engine="openvino", and "auto" leaves {text} to Keras')
    elif precision is not None:
        raise KerasRecipesError('precision= is for engine="openvino"; Keras has keras.config.set_dtype_policy')
    if is_saved_model(text):
        if changed or weights not in ("default", None):
            raise KerasRecipesError(
                f"{text} is a whole model, with its own symbols, configuration and weights: load its recipe to change these, with "
                "weights=FILE for what save_weights wrote"
            )
        return load_saved_model(Path(text), compile, fresh=weights is None)
    recipe, row, path = resolve_recipe_and_weights(text, weights)
    keyword = LABEL_ARGUMENT.get(recipe.task, "alphabet")
    given = {"alphabet": alphabet, "classes": classes}
    symbols = given.pop(keyword)
    if any(v is not None for v in given.values()):
        raise KerasRecipesError(f"{recipe.name} takes {keyword}=, not {next(iter(given))}=: its task is {recipe.task}")
    trained = row.model.get(keyword) if row else None
    model = build_model(recipe, trained if path or symbols is None else symbols, config)
    if path:
        load_weights_checked(model, path)
        if symbols is not None and not has_same_labels(symbols, getattr(model, keyword)):
            model = replace_head(model, build_model(recipe, symbols, config))
    if compile:
        model.compile()
    return model


def load_in_engine(name: str, engine: str, precision: str | None, changed: bool) -> Any:
    """The model of an `.onnx` file, or of a recipe's released one; None where "auto" leaves it to Keras.

    Raises:
        KerasRecipesError: the network shall be changed, or Keras shall open an `.onnx` file.
        WeightsUnavailable: no ONNX file is released for the recipe, and none can be made here.
    """
    from kerasrecipes import engines
    from kerasrecipes.engines import onnx_cache

    if engine not in ("auto", *engines.ENGINES):
        known = ", ".join(("auto", *engines.ENGINES, *(() if name.endswith(".onnx") else ("keras",))))
        raise KerasRecipesError(f"There is no engine {engine!r} for {name}; there are {known}")
    auto = engine == "auto" and not name.endswith(".onnx")
    if changed or is_saved_model(name):
        if auto:
            return None
        raise KerasRecipesError(
            f"{name} in {engine} is what was exported: another alphabet, classes, weights or configuration is made with "
            "Keras, and exported (kerasrecipes export FILE.keras)"
        )
    if name.endswith(".onnx"):
        return engines.load_file(Path(name), engine, precision)
    ours = not name.startswith("hf://")
    row = manifest.entries().get(registry.get_recipe(name).name) if ours else hub_weights.fetch_entry(name)
    if auto and not (
        row and engines.installed() and (row.onnx or onnx_cache.is_cached(row)) and engines.supports_recipe(row.recipe)
    ):
        return None
    row = row or manifest.get_entry(name)
    if row.onnx:
        return engines.load_file(
            hub_weights.onnx_path(row, packaged=ours), engine, precision, row.recipe,
            lambda: hub_weights.onnx_path(row, step=True, packaged=ours),
        )  # fmt: skip
    return engines.load_file(onnx_cache.ensure_onnx(row, name), engine, precision, row.recipe)


def resolve_recipe_and_weights(name: str, weights: Any) -> tuple[Any, Any, Path | None]:
    """The recipe, its manifest row (None if it has none) and the verified weights file (None for random numbers)."""
    if name.startswith("hf://"):
        fetched, path = hub_weights.fetch_from_reference(name)
        return registry.get_recipe(fetched.recipe), fetched, path
    recipe = registry.get_recipe(name)
    row = manifest.entries().get(name)
    if weights == "default":
        return recipe, row, hub_weights.weights_path(row or manifest.get_entry(name))
    if weights is None:
        return recipe, row, None
    path = Path(weights)
    if not path.is_file():
        raise KerasRecipesError(f"There is no weights file {path}; pass weights=None to start from random numbers")
    return recipe, row, path


def build_model(recipe: Any, symbols: Any, config: dict) -> Any:
    """The task's model with random weights; `symbols` are its alphabet or its classes."""
    choose_backend()
    module, name = TASK_MODELS[recipe.task][0].split(":")
    keyword = LABEL_ARGUMENT.get(recipe.task, "alphabet")
    return getattr(importlib.import_module(module), name)(recipe.name, config=config, **{keyword: symbols})


def has_same_labels(given: Any, trained: Any) -> bool:
    """Whether a model with the alphabet or classes `trained` already has what `load(alphabet=given)` asks for.

    Blank or repetition symbols are the criterion's affair: only another number of repetition symbols is another head.
    """
    from kerasrecipes.decoding.alphabet import Alphabet

    if isinstance(trained, tuple):  # names of classes
        return (len(trained) if isinstance(given, int) else trained) == (
            given if isinstance(given, int) else tuple(given)
        )
    trained = Alphabet.of(trained)
    given = type(trained).of(given)  # a phone set's name means its phones
    return (given.symbols, given.separator) == (trained.symbols, trained.separator) and (
        given.num_repetition_symbols is None or trained.num_repetition_symbols in (None, given.num_repetition_symbols)
    )


def replace_head(model: Any, other: Any, head: Sequence[str] = HEAD_LAYERS) -> Any:
    """`other` with the weights of `model`, except where symbols are written (scores) or read (a language model's input).

    A segmenter writes its classes in the front end's scores and in all that reads them.

    Args:
        head: names of layers that are not taken over.
    """
    written = model.layers.index(model.front_end_head) if hasattr(model, "front_end_head") else len(model.layers)
    for place, (source, target) in enumerate(zip(model.layers, other.layers, strict=True)):
        if place >= written or source.name in head or target.name in head or isinstance(source, keras.layers.Embedding):
            continue
        if all(v.shape == w.shape for v, w in zip(source.weights, target.weights, strict=True)):
            target.set_weights(source.get_weights())
    return other


def load_weights_checked(model: Any, path: Path) -> None:
    """Set the model's weights from a `.weights.h5`.

    Raises:
        WeightsCorrupt: the file is no weights file or belongs to another architecture.
    """
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsCorrupted(
            f"{path} does not fit {model.name}: {str(error).splitlines()[0]} "
            "Load it into the recipe and configuration it was saved from (kerasrecipes show NAME), or fetch it again."
        ) from error


def is_saved_model(name: str) -> bool:
    """Whether a name is that of a `.keras` file or of a training's folder; a recipe's name is always the recipe's."""
    return name.endswith(".keras") or (name not in registry.all_recipes() and (Path(name) / "checkpoint.npz").is_file())


def load_saved_model(path: Path, compile: bool, fresh: bool = False) -> Any:
    """The model of a `.keras` file or a training's folder; `fresh`: with random numbers in place of its weights."""
    model = load_training_run(path) if path.is_dir() else load_keras_file(path)
    if fresh:
        model = type(model).from_config(model.get_config())
    if compile:
        model.compile()
    return model


def load_training_run(folder: Path) -> Any:
    """What a training made, its averaged weights, without what was for training alone."""
    choose_backend()
    from kerasrecipes.training.initialization import load_run_model

    return load_run_model(folder)


def load_keras_file(path: Path) -> Any:
    """A model that `model.save` wrote; only this package's own layers are built, nothing in the file is executed."""
    if not path.is_file():
        raise KerasRecipesError(f"There is no file {path}")
    choose_backend()
    for module, _ in (entry[0].split(":") for entry in TASK_MODELS.values()):
        importlib.import_module(module)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsCorrupted(f"{path} is not a model this version can open: {str(error).splitlines()[0]}") from error


def predict(model: Any, source: Any, **options: Any) -> Any:
    """Run the verb of a recipe's task on one input or a list.

    Args:
        model: a recipe's name or a loaded model.
        source: what the task's verb takes: for speech a path, bytes, an array with `sample_rate=`, or a list.
        options: of that verb.

    Returns:
        The task's result, a list of them for a list.
    """
    model = load(model) if isinstance(model, str | Path) else model
    return getattr(model, TASK_MODELS[model.recipe.task][1])(source, **options)

"""Options that several commands share, and what their values mean in Python."""

import os
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from kerasrecipes.cli.parameter_types import Choices, DataSpec, MaskValues
from kerasrecipes.cli.sections import option
from kerasrecipes.errors import DataError, KerasRecipesError

DEFAULT_SPEECH_RECIPE = "wav2letter_small"
DEFAULT_IMAGE_RECIPE = "squeezenet"
DEFAULT_SEGMENTATION_RECIPE = "dilated_camvid_small"
DEFAULT_STREAMING_RECIPE = "deepspeech2_streaming_small"

MODEL_HELP = "Name of a recipe, a .keras or .onnx file, a training folder, or hf://ORG/NAME@REVISION."
KERAS_MODEL_HELP = "Name of a recipe, a .keras file or a training folder."
AUDIO_FILE_HELP = "Audio file to write: .wav, .flac, .ogg or .mp3."
BEAM_SIZE_HELP = "Number of hypotheses that the beam search keeps"
# keyword of `transcribe` -> the option that sets it, where the names differ
OPTION_NAMES = {"shift_average_seconds": "shift-average", "hotwords": "hotword", "pause_seconds": "pause"}

Decorator = Callable[[Any], Any]


def combine(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds options in the order of their help."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def recipe(default: str) -> Decorator:
    """Return the option `--recipe`."""
    return option("--recipe", metavar="NAME", default=default, help=f"{MODEL_HELP} Also as the first argument.")


def output(help: str, metavar: str = "FOLDER", **settings: Any) -> Decorator:
    """Return the option `--output`."""
    return option("--output", "--out", "output", metavar=metavar, help=help, **settings)


def format(*formats: str, help: str = "Format of what is printed.", **settings: Any) -> Decorator:
    """Return the option `--format`."""
    return option("--format", "output_format", type=click.Choice(formats), help=help, **settings)


def data(*yields: str, help: str = "Data set. Repeat the option to mix sets.", required: bool = True) -> Decorator:
    """Return the option `--data` for the readers that yield some kinds of data."""
    return option("--data", metavar="DATA", type=DataSpec(*yields), multiple=True, required=required, help=help)


def mask_values(**settings: Any) -> Decorator:
    """Return the option `--mask-values` of commands that read segmentation data."""
    return option(
        "--mask-values", type=MaskValues(), metavar="VALUE=CLASS,...", **settings,
        help="Class numbers of pixel values of masks, or 255 for no class. 255=1 reads masks of 0 and 255 as classes 0 and 1 "
        "(default: values are classes).",
    )  # fmt: skip


speakers = option(
    "--speakers", metavar="ID,ID", callback=lambda *args: [s for s in (args[2] or "").split(",") if s],
    help="Use only the clips of these speakers (default: all).",
)  # fmt: skip
weights = option("--weights", metavar="FILE", help="Weights file to use (default: the released one).")

engine = combine(
    option(
        "--engine", type=click.Choice(("auto", "keras", "onnxruntime", "openvino")), default="auto", group="engine",
        help="Engine that runs the model. auto takes the fastest installed engine that has a file of the model, else Keras; "
        "`kerasrecipes doctor` names it.",
    ),
    option(
        "--precision", "engine_precision", type=click.Choice(("float32", "bf16")), group="engine",
        help="Arithmetic of the openvino engine (default: float32).",
    ),
)  # fmt: skip

sampling = combine(
    option("--temperature", type=float, group="sampling", help="Sampling temperature; 0 is greedy (default: 1)."),
    option("--seed", type=int, group="sampling", help="Random seed. The same seed gives the same output (default: a new one)."),
)

_decoding = partial(option, section="Decoding", group="decoding")
decoding = combine(
    _decoding(
        "--decoder", type=Choices("kerasrecipes.decoding.decoders:DECODERS", "Decoders"), metavar="NAME",
        help="Decoder to use. Default: for English the search with the recipe's language model, else the best path.",
    ),
    _decoding(
        "--language-model", metavar="NAME",
        help="Language model: librispeech_small, phonemes_small, or an ARPA or KenLM file (default: the recipe's).",
    ),
    _decoding("--beam-size", type=int, help=f"{BEAM_SIZE_HELP} (default: 500 with a language model, else 50)."),
    _decoding("--lm-weight", type=float, help="Weight of the language model's log probability (default: the recipe's, tuned)."),
    _decoding("--word-score", type=float, metavar="NATS", help="Score that every word adds (default: the recipe's, tuned)."),
    _decoding(
        "--prior-weight", type=float,
        help="Power of the symbols' priors that divides their posteriors before the search (default: the recipe's, tuned).",
    ),
    _decoding("--nbest", type=int, help="Number of hypotheses to return; --format json prints all (default: 1)."),
    _decoding(
        "--hotword", "hotwords", multiple=True, metavar="WORD[=NATS]",
        help="Word to expect, with the score it adds (default 10 nats, for lexicon 5). Repeatable.",
    ),
    _decoding(
        "--phrases", metavar="FILE",
        help="Text file with one phrase a line: write these phrases and nothing else (default: all words).",
    ),
    _decoding(
        "--rejection-cost", type=float, metavar="NATS",
        help="What a letter outside the phrases costs; more writes phrases sooner (default: 2).",
    ),
    _decoding(
        "--rescore", metavar="NAME", help="Character language model that re-ranks the best hypotheses (default: none).",
    ),
    _decoding(
        "--rescore-weight", type=float,
        help="Weight of the re-ranking model's log probability (default: 0.5; 0.1 with a word language model).",
    ),
    _decoding(
        "--pause", "pause_seconds", type=float, metavar="SECONDS",
        help="So long without a letter ends a word (default 0.6). 0 lets words span pauses.",
    ),
    _decoding(
        "--average-with", multiple=True, metavar="NAME",
        help="Another recognizer, whose probabilities are averaged with this one's. Repeatable (default: none).",
    ),
    _decoding(
        "--shift-average", "shift_average_seconds", type=float, metavar="SECONDS",
        help="Average the network's output over the audio shifted by this much in both directions (default: 0).",
    ),
)  # fmt: skip


def start_backend() -> None:
    """Choose the backend and import it without its messages, before a module imports Keras."""
    from kerasrecipes._lazy import choose_backend

    choose_backend()


def load_model(source: str, engine: Mapping[str, Any] | None = None, weights: str | None = None) -> Any:
    """Load the model that `--recipe`, `--engine`, `--precision` and `--weights` name."""
    from kerasrecipes import loading

    return loading.load(source, compile=False, **(engine or {}), **({"weights": weights} if weights else {}))


def check_model_name(source: str) -> Any:
    """Check the name of a model before a backend is imported, and return its recipe, or None for a file or a hub reference.

    Raises:
        RecipeNotFound: There is no such recipe. The message names the closest ones.
        KerasRecipesError: There is no such file.
    """
    from kerasrecipes import registry
    from kerasrecipes.tasks.public_models import find_public_checkpoint
    from kerasrecipes.tasks.saved_models import is_saved_model

    if source.endswith((".onnx", ".keras")) and not Path(source).is_file():
        raise KerasRecipesError(f"There is no file {source}")
    if source.startswith("hf://") or source.endswith(".onnx") or is_saved_model(source):
        return None
    public = find_public_checkpoint(source)
    return registry.get_recipe(public.recipe if public else source)


def check_task(source: str, tasks: Collection[str], problem: str) -> None:
    """Check the name of a model, and that its task is one of `tasks`, before a backend is imported.

    Args:
        source: Name of the model.
        tasks: Tasks of the command.
        problem: What is wrong with other tasks, after the model's name: "cannot transcribe".
    """
    recipe = check_model_name(source)
    if recipe is not None and recipe.task not in tasks:
        raise KerasRecipesError(
            f"{source} {problem}: its task is {recipe.task}. `kerasrecipes predict {source} ...` runs the command of that task"
        )


def check_files(paths: Sequence[Any], error: type[KerasRecipesError] = KerasRecipesError) -> None:
    """Raise an error if none of the input files exists, before a model is loaded. Others are reported one by one."""
    names = [str(path) for path in paths]
    missing = [name for name in names if name != "-" and "://" not in name and not os.path.exists(name)]
    if missing and len(missing) == len(names):
        more = f", nor any of the {len(missing) - 1} others" if len(missing) > 1 else ""
        raise error(f"There is no file {missing[0]}{more}")


def check_data(specs: Sequence[str]) -> None:
    """Check that data sets are named in full and exist, before a backend is imported.

    Raises:
        DataError: A reader is unknown, or there is no such file or folder.
    """
    from kerasrecipes.data.specs import READERS, find_common_kind, parse_spec
    from kerasrecipes.utils.listing import is_pattern

    kinds = sorted({reader.yields for reader in READERS.values()})
    for spec in specs:
        path = parse_spec(spec, find_common_kind([spec], *kinds))[1]
        if "://" not in path and not os.path.exists(path) and not is_pattern(path):
            raise DataError(f"There is no file or folder {path}, which {spec} names")


def require_task(model: Any, task: str, action: str) -> None:
    """Raise an error if a model cannot do what a command does."""
    if not model.recipe.task.endswith(task):
        raise KerasRecipesError(
            f"{model.name} cannot {action}: its task is {model.recipe.task}. "
            f"`kerasrecipes predict {model.name} ...` runs the command of that task"
        )


def transcribe_arguments(decoding: Mapping[str, Any], load_models: bool = True) -> dict[str, Any]:
    """Return the arguments of `transcribe` for the decoding options.

    Args:
        decoding: Options as click read them.
        load_models: Load the models that `--rescore` and `--average-with` name; otherwise the arguments are their names.

    Raises:
        KerasRecipesError: A hotword is not WORD or WORD=NATS.
    """
    arguments = dict(decoding)
    if words := arguments.pop("hotwords", ()):
        pairs = [word.rpartition("=")[::2] if "=" in word else (word, None) for word in words]
        try:
            arguments["hotwords"] = {word: None if nats is None else float(nats) for word, nats in pairs}
        except ValueError:
            raise KerasRecipesError(f"A hotword is WORD or WORD=NATS, not {', '.join(words)}") from None
    if path := arguments.pop("phrases", None):
        arguments["phrases"] = read_phrases(path)
    if name := arguments.pop("rescore", None):
        arguments["rescorer"] = name
    if load_models and arguments.keys() & {"rescorer", "average_with"}:
        from kerasrecipes import loading

        arguments = loading.load_named_models(arguments)
    return arguments


def read_phrases(path: str) -> list[str]:
    """Return the lines of a text file that are not empty."""
    from kerasrecipes.utils.text_files import read_lines

    return [line for line in read_lines(path) if line.strip()]


def as_command_line(values: Mapping[str, Any]) -> list[str]:
    """Return options as they are typed, for the command that a record of the manifest shows."""
    words = []
    for name, value in values.items():
        flag = f"--{OPTION_NAMES.get(name, name.replace('_', '-'))}"
        if isinstance(value, Mapping):
            value = ",".join(f"{key}={item}" for key, item in value.items())
        for item in value if isinstance(value, tuple) else (value,):
            words.append(f"{flag} {f'{item:g}' if isinstance(item, float) else shlex.quote(str(item))}")
    return words

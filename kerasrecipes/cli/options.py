"""Options that several commands share, and what their values mean in Python."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

import click

from kerasrecipes.cli.sections import Choices, option, table_rows
from kerasrecipes.errors import KerasRecipesError

DEFAULT_SPEECH_RECIPE = "deepspeech2_small"
DEFAULT_IMAGE_RECIPE = "squeezenet"
DEFAULT_STREAMING_RECIPE = "deepspeech2_streaming_small"

MODEL_HELP = "Name of a recipe, a .keras or .onnx file, a training folder, or hf://ORG/NAME@REVISION."
KERAS_MODEL_HELP = "Name of a recipe, a .keras file or a training folder."
AUDIO_FILE_HELP = "Audio file to write: .wav, .flac, .ogg or .mp3."
# keyword of `transcribe` -> the option that sets it, where the names differ
OPTION_NAMES = {"shift_average_seconds": "shift-average", "hotwords": "hotword"}

Decorator = Callable[[Any], Any]


def load_decoders() -> Mapping[str, Any]:
    from kerasrecipes.decoding.options import DECODERS

    return DECODERS


def load_readers() -> Mapping[str, Any]:
    from kerasrecipes.data.specs import READERS

    return READERS


def combine(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds options in the order of their help."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def recipe_option(default: str | None = None) -> Decorator:
    """Return the option `--recipe`, which is required unless it has a default."""
    return option(
        "--recipe", metavar="NAME", default=default, required=default is None, show_default=True, help=MODEL_HELP
    )


def output_option(help: str, metavar: str = "FOLDER", **settings: Any) -> Decorator:
    """Return the option `--output`."""
    return option("--output", "--out", "output", metavar=metavar, help=help, **settings)


def data_option(
    *yields: str, required: bool = True, help: str = "Data set. Repeat the option to mix sets."
) -> Decorator:
    """Return the option `--data` with the list of readers that yield "speech", "text", "images" or "masks"."""
    return option("--data", metavar="DATA", multiple=True, required=required, help=help, rows=reader_section(*yields))


def reader_section(*yields: str) -> tuple[str, Callable[[], list[tuple[str, str]]]]:
    """Return the help section of the readers that yield some kind of data. Default: of all readers."""

    def rows() -> list[tuple[str, str]]:
        readers = {name: reader for name, reader in load_readers().items() if reader.yields in yields or not yields}
        queries = {name: "&".join(f"{k}={v}" for k, v in reader.options.items()) for name, reader in readers.items()}
        return [(f"{n}:{r.path}{queries[n] and f'?{queries[n]}'}", r.help) for n, r in readers.items()]

    return "Data sets", rows


speakers_option = option(
    "--speakers", metavar="ID,ID", default="", callback=lambda *a: [s for s in a[2].split(",") if s],
    help="Use only the clips of these speakers.",
)  # fmt: skip

weights_option = option("--weights", metavar="FILE", help="Weights file to use in place of the released one.")

engine_option = option(
    "--engine", type=click.Choice(("auto", "keras", "onnxruntime", "openvino")), default="auto", group="engine",
    show_default=True,
    help="Engine that runs the model. auto takes the fastest installed engine that has a file of the model, else Keras; "
    "`kerasrecipes doctor` names it.",
)  # fmt: skip
precision_option = option(
    "--precision", "engine_precision", type=click.Choice(("float32", "bf16")), group="engine",
    help="Arithmetic of the openvino engine.",
)  # fmt: skip
engine_options = combine(engine_option, precision_option)

sampling_options = combine(
    option("--temperature", type=float, group="sampling", help="Sampling temperature; 0 is greedy."),
    option("--seed", type=int, group="sampling", help="Random seed. The same seed gives the same output."),
)


def _decoding_option(*names: str, **settings: Any) -> Decorator:
    return option(*names, section="Decoding", group="decoding", **settings)


decoding_options = combine(
    _decoding_option(
        "--decoder", type=Choices(load_decoders), metavar="NAME", rows=("Decoders", table_rows(load_decoders)),
        help="Decoder to use. Default: beam with a language model, else greedy; for phonemes the recipe's criterion decides.",
    ),
    _decoding_option(
        "--language-model", metavar="NAME", help="Word language model: librispeech_small, or an ARPA or KenLM file."
    ),
    _decoding_option("--beam-size", type=int, help="Number of hypotheses that the beam search keeps."),
    _decoding_option("--lm-weight", type=float, help="Weight of the language model's log probability."),
    _decoding_option("--word-score", type=float, metavar="NATS", help="Score that every word adds."),
    _decoding_option("--nbest", type=int, help="Number of hypotheses to return; --format json prints all."),
    _decoding_option(
        "--hotword", "hotwords", multiple=True, metavar="WORD[=NATS]",
        help="Word to expect, with the score it adds (default 5 nats). Repeatable.",
    ),
    _decoding_option("--rescore", metavar="NAME", help="Character language model that re-ranks the best hypotheses."),
    _decoding_option("--rescore-weight", type=float, help="Weight of the re-ranking model's log probability."),
    _decoding_option(
        "--shift-average", "shift_average_seconds", type=float, metavar="SECONDS",
        help="Average the network's output over the audio shifted by this much in both directions.",
    ),
)  # fmt: skip


def load_model(source: str, engine: Mapping[str, Any]) -> Any:
    """Load the model that `--recipe`, `--engine` and `--precision` name."""
    from kerasrecipes import loading

    return loading.load(source, compile=False, **engine)


def load_with_weights(source: str, weights: str | None) -> Any:
    """Load a model in Keras, with the weights of the option `--weights` if it was given."""
    from kerasrecipes import loading

    return loading.load(source, compile=False, **({"weights": weights} if weights else {}))


def require_task(model: Any, task: str, action: str) -> None:
    """Check that the model can do what the command does.

    Raises:
        KerasRecipesError: The model has another task.
    """
    if not model.recipe.task.endswith(task):
        raise KerasRecipesError(
            f"{model.name} cannot {action}: its task is {model.recipe.task}. "
            f"`kerasrecipes predict {model.name} ...` runs the command of that task"
        )


def transcribe_arguments(decoding: Mapping[str, Any], load_rescorer: bool = True) -> dict[str, Any]:
    """Return the arguments of `transcribe` for the decoding options.

    Args:
        decoding: Options as click read them.
        load_rescorer: Load the model that `--rescore` names; otherwise the argument is its name.

    Raises:
        KerasRecipesError: A hotword is not WORD or WORD=NATS.
    """
    arguments = dict(decoding)
    if words := arguments.pop("hotwords", ()):
        from kerasrecipes.decoding.options import DEFAULT_HOTWORD_BONUS

        pairs = [word.rpartition("=")[::2] if "=" in word else (word, DEFAULT_HOTWORD_BONUS) for word in words]
        try:
            arguments["hotwords"] = {word: float(nats) for word, nats in pairs}
        except ValueError:
            raise KerasRecipesError(f"A hotword is WORD or WORD=NATS, not {', '.join(words)}") from None
    if name := arguments.pop("rescore", None):
        from kerasrecipes import loading

        arguments["rescorer"] = loading.load(name, compile=False) if load_rescorer else name
    return arguments


def as_command_line(values: Mapping[str, Any]) -> list[str]:
    """Return options as they are typed, for the command that a record of the manifest shows."""
    words = []
    for name, value in values.items():
        flag = f"--{OPTION_NAMES.get(name, name.replace('_', '-'))}"
        for item in value if isinstance(value, tuple) else (value,):
            words.append(f"{flag} {f'{item:g}' if isinstance(item, float) else shlex.quote(str(item))}")
    return words

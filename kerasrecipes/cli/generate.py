"""Commands that generate text or audio: generate and vocode."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import ProgressBar, print_line
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError

speaker_option = option(
    "--speaker", metavar="NAME", group="sampling", help="Speaker to imitate, one of the model's. Default: no speaker."
)
audio_output_option = partial(options.output, options.AUDIO_FILE_HELP, metavar="FILE", type=Path)


@command("generate")
@argument("recipe", metavar="NAME", help=options.MODEL_HELP)
@argument("prompts", nargs=-1, help="Beginnings of texts, for a language model.")
@options.engine
@option("--max-length", type=int, metavar="N", help="Number of characters that a language model writes at most.")
@option("--seconds", type=float, metavar="S", help="Duration of the audio.")
@speaker_option
@options.sampling
@options.format("text", "json", default="text")
@audio_output_option()
def run_generate(recipe, prompts, engine, max_length, seconds, sampling, output_format, output) -> None:
    """Generate text or audio."""
    model = options.load_model(recipe, engine)
    if model.recipe.task == "language-model":
        sampling.pop("speaker", None)
        limit = {} if max_length is None else {"max_length": max_length}
        for result in model.generate(list(prompts) or [""], **limit, **sampling):
            print_line(json.dumps(result.to_dict(), ensure_ascii=False) if output_format == "json" else result)
    elif model.recipe.task == "waveform-generation":
        if prompts:
            raise KerasRecipesError(f"{model.name} takes no prompts: pass --seconds 3 --output x.wav")
        if seconds is None or output is None:
            raise KerasRecipesError(f"{model.name} needs a duration and a file: pass --seconds 3 --output x.wav")
        save_audio(model.generate, seconds, output, "generating", sampling)
    else:
        raise KerasRecipesError(f"{recipe} cannot generate: its task is {model.recipe.task}")


@command("vocode")
@argument("recipe", metavar="NAME", help="Name of a WaveNet recipe with local conditioning, or its .keras file.")
@argument("audio", help="Audio file.")
@speaker_option
@options.sampling
@audio_output_option(required=True)
def run_vocode(recipe, audio, sampling, output) -> None:
    """Reconstruct a recording from its mel spectrogram alone (copy synthesis)."""
    model = options.load_model(recipe)
    if model.recipe.task != "waveform-generation":
        raise KerasRecipesError(f"{recipe} cannot generate audio: its task is {model.recipe.task}")
    save_audio(model.vocode, audio, output, "vocoding", sampling)


def save_audio(generate: Any, source: Any, path: Path, action: str, arguments: Mapping[str, Any]) -> None:
    """Check the file name, generate audio with a progress bar, save it and print what was saved."""
    from kerasrecipes.results import audio_format_of

    audio_format_of(path)
    with ProgressBar(action, "s", digits=2) as progress:
        clip = generate(source, progress=progress, **arguments)
    print_line(f"{clip.save(path)}: {clip}")

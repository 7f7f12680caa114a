"""Commands that generate text or audio: generate and vocode."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import ProgressBar, print_line
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import AudioError, KerasRecipesError

speaker_option = option(
    "--speaker", metavar="NAME", group="sampling", help="Speaker to imitate, one of the model's. Default: no speaker."
)
audio_output_option = partial(options.output, f"{options.AUDIO_FILE_HELP} It has no default.", metavar="FILE", type=Path)


@command("generate", model="argument")
@argument("recipe", metavar="NAME", help=options.MODEL_HELP)
@argument("prompts", nargs=-1, help="Beginnings of texts, for a language model.")
@options.engine
@option("--max-length", type=int, metavar="N", help="Number of characters that a language model writes at most (default: 200).")
@option("--seconds", type=float, metavar="S", help="Duration of the audio; WaveNet needs it, and has no default.")
@option(
    "--count", type=int, metavar="N",
    help="Number of sounds, with the seeds SEED, SEED + 1, ..., in files FILE_1, FILE_2, ... (default: one, in FILE).",
)  # fmt: skip
@speaker_option
@options.sampling
@options.format("text", "json", default="text")
@audio_output_option()
def run_generate(recipe, prompts, engine, max_length, seconds, count, sampling, output_format, output) -> None:
    """Generate text or audio."""
    known = options.check_model_name(recipe)
    check_generate(recipe, known, prompts, seconds, output)
    model = options.load_model(recipe, engine)
    check_generate(recipe, model.recipe, prompts, seconds, output)
    if model.recipe.task == "language-model":
        sampling.pop("speaker", None)
        limit = {} if max_length is None else {"max_length": max_length}
        for result in model.generate(list(prompts) or [""], **limit, **sampling):
            print_line(json.dumps(result.to_dict(), ensure_ascii=False) if output_format == "json" else result)
    else:
        save_audio(model.generate, seconds, output, "generating", sampling | ({} if count is None else {"count": count}))


def check_generate(name: str, recipe: Any, prompts: Sequence[str], seconds: float | None, output: Path | None) -> None:
    """Check that a recipe can generate what is asked for. A recipe of None, of a file that is not loaded yet, is not checked."""
    task = recipe.task if recipe else "language-model"
    if task not in ("language-model", "waveform-generation"):
        raise KerasRecipesError(f"{name} cannot generate: its task is {task}")
    if task == "language-model":
        return
    if prompts:
        raise KerasRecipesError(f"{name} takes no prompts: pass --seconds 3 --output x.wav")
    if seconds is None or output is None:
        raise KerasRecipesError(f"{name} needs a duration and a file: pass --seconds 3 --output x.wav")
    check_audio_format(output)


@command("vocode", model="argument")
@argument("recipe", metavar="NAME", help="Name of a WaveNet recipe with local conditioning, or its .keras file.")
@argument("audio", help="Audio file.")
@speaker_option
@options.sampling
@audio_output_option(required=True)
def run_vocode(recipe, audio, sampling, output) -> None:
    """Reconstruct a recording from its mel spectrogram alone (copy synthesis)."""
    options.check_task(recipe, ("waveform-generation",), "cannot generate audio")
    options.check_files([audio], AudioError)
    check_audio_format(output)
    model = options.load_model(recipe)
    options.require_task(model, "waveform-generation", "generate audio")
    save_audio(model.vocode, audio, output, "vocoding", sampling)


def check_audio_format(path: Path) -> None:
    """Raise an error if the ending of a file's name is no audio format that can be written."""
    from kerasrecipes.results import audio_format_of

    audio_format_of(path)


def save_audio(generate: Any, source: Any, path: Path, action: str, arguments: Mapping[str, Any]) -> None:
    """Generate audio with a progress bar, save it and print what was saved. Several clips have numbers in their names."""
    with ProgressBar(action, "s", digits=2) as progress:
        clips = generate(source, progress=progress, **arguments)
    if not isinstance(clips, list):
        print_line(f"{clips.save(path)}: {clips}")
        return
    for number, clip in enumerate(clips, 1):
        print_line(f"{clip.save(path.with_name(f'{path.stem}_{number}{path.suffix}'))}: {clip}")

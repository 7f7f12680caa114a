"""What the command line's verbs `generate`, `vocode` and `predict` do with generators: sound into files, with a bar on the way."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.results import audio_format_of


@contextmanager
def progress_bar(told: str, amount: str = "{:.2f} of {:.2f} s") -> Iterator[Callable[[float, float], None]]:
    """A function of how much is done and how much there is, which draws a bar with the time that is left on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("compiling", total=None)

        def show(done: float, total: float) -> None:
            progress.update(task, completed=done, total=total, description=f"{told} {amount.format(done, total)}")

        yield show


def given_options(o: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(o, name, None)) is not None}


def run_generate_audio(o: argparse.Namespace, model: Any) -> int:
    """`kerasrecipes generate NAME --seconds 3 --out x.wav`.

    Raises:
        KerasRecipesError: no file to write, or prompts, which only language models read.
    """
    if o.prompts:
        raise KerasRecipesError(f"{model.name} reads no prompts: say --seconds 3 --out x.wav")
    if o.out is None or o.seconds is None:
        raise KerasRecipesError(f"Say how much {model.name} shall generate, and where to: --seconds 3 --out x.wav")
    audio_format_of(o.out)
    with progress_bar("generating") as progress:
        sound = model.generate(o.seconds, progress=progress, **given_options(o, "seed", "temperature", "speaker"))
    print(f"{sound.save(o.out)}: {sound}")
    return 0


def run_vocode(o: argparse.Namespace) -> None:
    """`kerasrecipes vocode NAME clip.flac --out y.wav`.

    Raises:
        KerasRecipesError: the recipe is no generator.
    """
    from kerasrecipes import loading

    model = loading.load(o.recipe, compile=False)
    if model.recipe.task != "waveform-generation":
        raise KerasRecipesError(f"{o.recipe} makes no sound: its task is {model.recipe.task}")
    audio_format_of(o.out)
    with progress_bar("vocoding") as progress:
        sound = model.vocode(o.audio, progress=progress, **given_options(o, "seed", "temperature", "speaker"))
    print(f"{sound.save(o.out)}: {sound}")


def run_predict_audio(o: argparse.Namespace, model: Any) -> int:
    """`kerasrecipes predict NAME 3 --out FOLDER`: so many seconds each, one file per number.

    Raises:
        KerasRecipesError: not a number, or no folder.
    """
    try:
        seconds = [float(text) for text in o.files]
    except ValueError:
        raise KerasRecipesError(f"{model.name} takes seconds to generate, not {' '.join(o.files)}") from None
    if o.out is None:
        raise KerasRecipesError("Say which folder the sounds shall go to: --out FOLDER")
    with progress_bar("generating") as progress:
        sounds = model.generate(seconds, progress=progress, **given_options(o, "seed", "temperature", "speaker"))
    for number, sound in enumerate(sounds, 1):
        print(f"{sound.save(Path(o.out) / f'{model.name}-{number}.wav')}: {sound}")
    return 0

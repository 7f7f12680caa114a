"""Commands that train recipes and release the result: train, teach, tune-decoder and release."""

import os
import shlex
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import ProgressBar, print_line, print_next, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError


def _setting(name: str, *, help: str, **settings: Any) -> Any:
    """Return an option that changes the configuration."""
    text = f"{help} Default: the configuration's."
    return option(name, help=text, section="Training configuration", group="settings", **settings)


def treat_sigterm_as_ctrl_c() -> None:
    """Let `kill` save a checkpoint as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@command("train", model="argument")
@argument("name", help="Name of a recipe.")
@options.data(required=False, help="Training set. Repeat the option to mix sets. Default: the configuration's.")
@option("--validation", multiple=True, metavar="DATA",
        help="Data set to evaluate every few minutes. Repeatable. Default: the configuration's.")
@options.output("Folder of the run (default: runs/NAME).", type=Path)
@option("--resume", is_flag=True, help="Continue the run in the folder, or start one if there is none.")
@option("--max-minutes", type=float, metavar="M", help="Stop after this time (default: no limit).")
@option("--devices", metavar="N", help="Divide every batch among N devices, or all (default: 1). Needs KERAS_BACKEND=jax.")
@option(
    "--config", type=Path, metavar="FILE", section="Training configuration",
    help="YAML file to use (default: the recipe's own configuration).",
)  # fmt: skip
@_setting("--max-steps", type=int, metavar="N", help="Number of optimizer steps.")
@_setting("--learning-rate", type=float, help="Highest learning rate.")
@_setting("--decay-steps", type=int, metavar="N", help="Number of last steps in which the learning rate falls to zero.")
@_setting("--dtype-policy", metavar="POLICY", help="Keras dtype policy, for instance mixed_bfloat16.")
@_setting("--init-from", metavar="WEIGHTS", help="Initial weights: a .weights.h5 file, a run's folder, or released.")
@_setting("--seed", type=int, help="Random seed.")
@options.mask_values(section="Training configuration", group="settings")
def run_train(name, data, validation, output, resume, max_minutes, devices, config, settings) -> None:
    """Train a recipe. Ctrl-C saves a checkpoint; --resume continues."""
    from kerasrecipes._lazy import choose_backend
    from kerasrecipes.registry import get_recipe
    from kerasrecipes.training.config import config_for
    from kerasrecipes.training.run_folder import check_run_folder

    get_recipe(name)  # wrong arguments are reported before a backend is imported
    options.check_data([*data, *validation])
    if config and not config.is_file():
        raise KerasRecipesError(f"There is no file {config}")
    folder = output or Path("runs") / name
    check_run_folder(folder, resume)
    choose_backend()
    from kerasrecipes.training.distributed import setup_devices
    from kerasrecipes.training.trainer import Trainer

    treat_sigterm_as_ctrl_c()
    device_group = setup_devices(devices) if devices is not None else None
    if data:
        settings["data"] = data
    if validation:
        settings |= {"validation": validation, "validation_speakers": ()}
    train_config = config_for(name, config, **settings)
    needs_folder = any("{data}" in spec for spec in train_config.validation)
    if data and not validation and needs_folder and "KERASRECIPES_DATA" not in os.environ:
        print_status(
            "The training runs without validation: pass --validation DATA, or set KERASRECIPES_DATA to validate on the "
            "recipe's own set"
        )
        train_config = replace(train_config, validation=(), validation_speakers=())
    if not train_config.data:
        raise KerasRecipesError(f"{name} needs training data: pass --data librispeech:FOLDER or --data manifest:TABLE")
    trainer = Trainer(train_config, folder, resume, device_group)
    state = trainer.train(max_minutes)
    if trainer.devices.is_main:
        amount = f"{state[trainer.task.amount_key]:.1f} {trainer.task.unit}"
        print_line(f"{state['step']} steps, {amount} in {state['wall_hours']:.2f} h; {folder}")
        print_next(*next_commands(name, folder, data or train_config.data))


def next_commands(name: str, folder: Path, data: Sequence[str]) -> list[str]:
    """Return the commands that follow a training: its measurement, and its release."""
    spec = shlex.quote(data[0]) if data else "DATA"
    return [
        f"kerasrecipes evaluate {shlex.quote(str(folder))} --data {spec}  # a set that the training did not see",
        f"kerasrecipes predict {shlex.quote(str(folder))} FILE",
    ]


@command("teach", model="argument")
@argument("name", required=False, default=options.DEFAULT_SPEECH_RECIPE, help="Name of a speech recognizer with weights.")
@options.data("speech", help="Clips of your words with their transcripts. Repeat the option to mix sets.")
@options.output("Folder of the model, its phrases and its card. An interrupted training in it is continued.", type=Path, required=True)
@option("--validation", multiple=True, metavar="DATA",
        help="Held-out clips, which measure the result (default: some speakers of --data, or some clips of one speaker). Repeatable.")
@option("--other-speech", multiple=True, metavar="DATA",
        help="Speech without your phrases, in which false phrases are counted (default: none). Repeatable.")
@option("--general-speech", multiple=True, metavar="DATA",
        help="Speech with transcripts that is half of the training, against false phrases (default: none). Repeatable.")  # fmt: skip
@option("--max-minutes", type=float, default=3.0, metavar="M", help="Time for which the steps of the training are planned.")
@option("--seed", type=int, default=1, help="Random seed.")
def run_teach(name, data, output, validation, other_speech, general_speech, max_minutes, seed) -> None:
    """Teach a recognizer your own words with a few clips, and measure it before and after."""
    from kerasrecipes._lazy import choose_backend

    options.check_task(name, ("speech-recognition",), "cannot be taught words")
    options.check_data([*data, *validation, *other_speech, *general_speech])
    choose_backend()
    from kerasrecipes.training.teaching import teach

    treat_sigterm_as_ctrl_c()
    card = teach(
        data, output, name, validation=validation, other_speech=other_speech, general_speech=general_speech,
        max_minutes=max_minutes, seed=seed, report=print_status, bar=ProgressBar,
    )  # fmt: skip
    print_line(card)
    print_line(card.folder)
    print_next(*commands_for_taught_model(name, card))


def commands_for_taught_model(name: str, card: Any) -> list[str]:
    """Return the commands that use the result of `teach`. Only streaming recipes can listen."""
    from kerasrecipes.registry import get_recipe

    words = f"--recipe {shlex.quote(str(card.model))}"
    if card.phrases:
        words += f" --phrases {shlex.quote(str(card.phrases))} --rejection-cost {card.values['rejection']['rejection_cost']:g}"
    elif "asg" not in get_recipe(name).tags:
        words += " --decoder greedy"
    listen = f"kerasrecipes listen {words.removesuffix(' --decoder greedy')}"
    if "streaming" not in get_recipe(name).tags:
        listen = f"kerasrecipes teach {options.DEFAULT_STREAMING_RECIPE} ...  # for kerasrecipes listen, which {name} cannot do"
    page = f"kerasrecipes export {shlex.quote(str(card.folder))} --web page"
    return [f"kerasrecipes transcribe FILE {words}", listen, f"kerasrecipes serve {words}", page]


@command("tune-decoder", model="argument")
@argument("name", help="Name of a recognizer's recipe.")
@options.data("speech", help="Tuning set, never the set that is reported.")
@options.speakers
@option("--language-model", metavar="NAME", help="Language model to weigh (default: librispeech_small, for phonemes phonemes_small).")
@option("--beam-size", type=int, help=f"{options.BEAM_SIZE_HELP} (default: as in transcribe).")
@option("--write", is_flag=True, help="Record the weights in the manifest as the recipe's defaults.")
def run_tune_decoder(name, data, speakers, language_model, beam_size, write) -> None:
    """Find the language model weight and word score with the fewest word or phoneme errors."""
    options.check_task(name, ("speech-recognition", "phoneme-recognition"), "has no beam search to tune")
    options.check_data(data)
    model = options.load_model(name)
    from kerasrecipes.data import load_datasets
    from kerasrecipes.training import tune_decoder

    with ProgressBar("tuning", "settings"):
        best = tune_decoder.tune_decoder(
            model, load_datasets(data, speakers), language_model, beam_size=beam_size, progress=print_status
        )
    print_line(best)
    if write:
        print_line(tune_decoder.save_tuned_weights(name, best))


@command("release", model="argument")
@argument("name", help="Name of the recipe.")
@option("--run", "folder", type=Path, required=True, metavar="FOLDER", help="Folder of the run.")
@option(
    "--previous-runs", type=Path, multiple=True, metavar="FOLDER",
    help="Folder of a run that this one started from (default: none). Repeat the option, first run first.",
)  # fmt: skip
@option("--bundled", is_flag=True, help="Include the weight file in the package.")
@option("--tag", required=True, help="Name of the release, for instance 2026-11.")
def run_release(name, folder, previous_runs, bundled, tag) -> None:
    """Turn a run into the recipe's weight file and manifest entry."""
    from kerasrecipes.release.from_run import release

    print_line(release(name, folder, tag, previous_runs, bundled))
    print_next(f"kerasrecipes export {name} --release", f"kerasrecipes evaluate {name} --data DATA --record-as NAME")

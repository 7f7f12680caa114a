"""Command that runs the command of a recipe's task: predict."""

from typing import Any

import click

from kerasrecipes.cli import options
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, argument, command

TASK_COMMANDS = {
    "speech-recognition": "transcribe",
    "phoneme-recognition": "transcribe",
    "image-classification": "classify",
    "segmentation": "segment",
    "language-model": "generate",
    "waveform-generation": "generate",
}


@command("predict", model="argument", context_settings=CONTEXT_SETTINGS | {"allow_interspersed_args": False})
@argument("recipe", metavar="NAME", help=options.MODEL_HELP)
@argument("words", metavar="FILE...", nargs=-1, type=click.UNPROCESSED, help="Arguments and options of that command.")
@click.pass_context
def run_predict(context, recipe, words) -> Any:
    """Run the command of a recipe's task: transcribe, classify, segment or generate."""
    from kerasrecipes import loading
    from kerasrecipes.cli.main import cli

    known = options.check_model_name(recipe)
    task = known.task if known else loading.load(recipe, compile=False).recipe.task
    name = TASK_COMMANDS[task]
    target: Any = cli.get_command(context, name)
    arguments = [recipe, *words] if name == "generate" else ["--recipe", recipe, *words]
    with target.make_context(name, arguments, parent=context.parent) as target_context:
        return target.invoke(target_context)

"""The command line `kerasrecipes COMMAND ...`."""

import io
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from kerasrecipes import __version__, _lazy
from kerasrecipes.cli.examples import interrupt_hint
from kerasrecipes.cli.progress import print_status, red
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, LazyGroup
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.files import WRITE_ERRORS, describe_write_error

COMMANDS = {
    "Find": {"list": "listing", "show": "listing", "demo": "demo", "doctor": "doctor"},
    "Use": {
        "transcribe": "transcribe", "align": "transcribe", "listen": "listen", "classify": "images", "segment": "images",
        "generate": "generate", "vocode": "generate", "predict": "predict", "serve": "serve",
    },
    "Measure and look inside": {
        "evaluate": "evaluate", "copy-synthesis": "evaluate", "look": "serve", "visualize": "visualize", "report": "visualize",
        "filters": "phonemes",
    },
    "Train": {
        "data": "data", "record": "listen", "teach": "train", "train": "train", "compare": "compare", "average": "compare",
        "tune-decoder": "train", "study": "study",
    },
    "Export and publish": {
        "export": "export", "import": "import_weights", "release": "train", "verify": "publish", "publish": "publish",
    },
}  # fmt: skip


@click.group("kerasrecipes", cls=LazyGroup, sections=COMMANDS, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, message="%(version)s")
def cli() -> None:
    """Classic speech and image recipes in Keras 3, with weights.

    `kerasrecipes COMMAND --help` shows the options of a command and examples.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 an error of this package, 2 wrong usage, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _lazy.quiet_backend = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    prepare_output()
    if arguments is None:  # a process of its own: plots go into files, so a notebook's or an unknown backend must not stop them
        os.environ.pop("MPLBACKEND", None)
        warnings.showwarning = show_warning
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with cli.make_context("kerasrecipes", list(words)) as context:
            return cli.invoke(context) or 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KerasRecipesError as error:
        print_status(f"kerasrecipes: {error}", style=red)
        return 1
    except KeyboardInterrupt:
        print_status(f"interrupted. {interrupt_hint(command_path(words), shlex.join(['kerasrecipes', *words]))}")
        return 130
    except FileNotFoundError:
        if has_working_directory():
            raise
        print("kerasrecipes: the working directory has been deleted: change to another folder", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in WRITE_ERRORS:
            raise
        print_status(f"kerasrecipes: {describe_write_error(error.filename or 'The output', error)}", style=red)
        return 1


def command_path(words: Sequence[str]) -> str:
    """Return the name of the command that words call, for instance "data label"."""
    return " ".join(words[:2]) if words[:1] == ["data"] else "".join(words[:1])


def show_warning(message: Warning | str, *place: Any, **options: Any) -> None:
    """Print a warning without its place in the code, which tells users of the command nothing."""
    print_status(f"warning: {message}")


def prepare_output() -> None:
    """Print characters that the output's encoding lacks as escapes such as \\u0259, and every line at once."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def has_working_directory() -> bool:
    """Return False if the folder that the command was started in has been deleted."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())

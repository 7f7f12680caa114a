"""The command line `kerasrecipes COMMAND ...`."""

import importlib.util
import io
import os
import sys
from collections.abc import Sequence

import click

from kerasrecipes import __version__, _lazy
from kerasrecipes.cli.progress import print_status
from kerasrecipes.cli.sections import CONTEXT_SETTINGS, LazyGroup
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.utils.files import WRITE_ERRORS, describe_write_error

COMMANDS = {
    "Use a model": {
        "transcribe": "commands", "align": "commands", "listen": "listen", "classify": "images", "segment": "images",
        "generate": "generate", "vocode": "generate", "predict": "commands",
    },
    "Find a recipe": {"list": "commands", "show": "commands"},
    "Train and measure": {
        "data": "data", "train": "train", "evaluate": "evaluate", "tune-decoder": "train", "copy-synthesis": "evaluate",
        "study": "train",
    },
    "Look inside": {"visualize": "visualize", "report": "visualize", "filters": "phonemes"},
    "Export and release": {"export": "export", "import": "import_weights", "release": "train", "verify": "commands", "publish": "commands"},
    "Check this machine": {"doctor": "doctor"},
}  # fmt: skip


@click.group("kerasrecipes", cls=LazyGroup, sections=COMMANDS, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, message="%(version)s")
def cli() -> None:
    """Classic speech and image recipes in Keras 3, with weights."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 success, 1 an error of this package, 2 wrong usage, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _lazy.quiet_backend = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    prepare_output()
    if not has_plot_backend():
        del os.environ["MPLBACKEND"]
    try:
        with cli.make_context("kerasrecipes", list(sys.argv[1:] if arguments is None else arguments)) as context:
            return cli.invoke(context) or 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KerasRecipesError as error:
        print_status(f"kerasrecipes: {error}")
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
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
        print_status(f"kerasrecipes: {describe_write_error(error.filename or 'The output', error)}")
        return 1


def prepare_output() -> None:
    """Print characters that the output's encoding lacks as escapes such as \\u0259, and every line at once."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def has_plot_backend() -> bool:
    """Return False if `MPLBACKEND` is a module that is not installed here, as after a notebook. matplotlib refuses it."""
    module = os.environ.get("MPLBACKEND", "").removeprefix("module://").partition(".")[0]
    return not os.environ.get("MPLBACKEND", "").startswith("module://") or importlib.util.find_spec(module) is not None


def has_working_directory() -> bool:
    """Return False if the folder that the command was started in has been deleted."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())

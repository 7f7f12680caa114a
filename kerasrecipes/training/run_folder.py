"""The folder of a run, checked before a training writes into it."""

from pathlib import Path

from kerasrecipes.errors import DataError
from kerasrecipes.tasks.saved_models import AVERAGED_MODEL

CHECKPOINT = "checkpoint.npz"


def check_run_folder(folder: Path, resume: bool) -> None:
    """Raise an error if a training into the folder would overwrite a network in it.

    Raises:
        DataError: The folder holds a checkpoint and `resume` is False, or a network that no checkpoint continues.
    """
    if (folder / CHECKPOINT).exists():
        if not resume:
            raise DataError(f"{folder} already holds a run: pass --resume to continue it, or another --output")
    elif (folder / AVERAGED_MODEL).exists():
        raise DataError(
            f"{folder} holds a network but no checkpoint to continue from (kerasrecipes average writes none): pass another "
            f"--output, and --init-from {folder} to start from it"
        )

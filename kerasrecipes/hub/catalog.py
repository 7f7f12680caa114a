"""Search the recipes by name, task, and their released weights."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.registry import TASKS, all_recipes

if TYPE_CHECKING:
    from kerasrecipes.hub.public_checkpoints import PublicCheckpoint


def list_recipes(
    pattern: str = "*", *, task: str | None = None, pretrained: bool | None = None, license: str | None = None
) -> list[str]:
    """Return the sorted names of matching recipes.

    Args:
        pattern: Name with the wildcards * and ?. Default: all names.
        task: Only recipes of this task.
        pretrained: Only recipes with (True) or without (False) released weights.
        license: Only weights whose license matches this pattern, in upper or lower case.

    Raises:
        KerasRecipesError: There is no such task; names all tasks.

    Example:
        >>> list_recipes("deepspeech2_s*", pretrained=True)
        ['deepspeech2_small', 'deepspeech2_streaming_small']
    """
    if task not in (None, *TASKS):
        raise KerasRecipesError(f"There is no task {task!r}; there are {', '.join(TASKS)}")
    names = [n for n, r in all_recipes().items() if fnmatch.fnmatch(n, pattern) and task in (None, r.task)]
    if pretrained is not None:
        names = [n for n in names if (n in manifest.entries()) == pretrained]
    if license is not None:
        rows = manifest.entries()
        names = [n for n in names if n in rows and fnmatch.fnmatch(rows[n].license.lower(), license.lower())]
    return names


def list_public_checkpoints(pattern: str = "*", *, task: str | None = None) -> list[PublicCheckpoint]:
    """Return the checkpoints that others published, of which this package has neither the files nor measurements.

    Args:
        pattern: Name with the wildcards * and ?, of the checkpoint or of its recipe. Default: all.
        task: Only those of recipes of this task.
    """
    from kerasrecipes.hub.public_checkpoints import public_checkpoints  # imports numpy

    recipes = all_recipes()
    return [
        row
        for row in public_checkpoints().values()
        if any(fnmatch.fnmatch(name, pattern) for name in (row.name, row.recipe)) and task in (None, recipes[row.recipe].task)
    ]

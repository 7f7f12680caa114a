"""Where the command line's verbs write a file for every input: never over an input, and never two into one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError


def output_paths(
    given: Sequence[str], expand: Callable[[Any], list[Any]], folder: Path, *endings: str
) -> dict[str, list[Path]]:
    """The files that each input becomes: in `folder` by its name, with its place below a folder that was given.

    Args:
        given: files and folders. expand: makes files of them. endings: of the files of one input, "_overlay.png" for one.

    Raises:
        KerasRecipesError: two inputs have one place, or an input lies where a result would.

    Example:
        >>> places(["talks"], audio.expand, Path("out"), ".txt")  # talks/monday/one.flac
        {'talks/monday/one.flac': [PosixPath('out/monday/one.txt')]}
    """
    found: dict[str, list[Path]] = {}
    for source in given:
        for path in map(str, expand(source)):
            inside = Path(path).relative_to(source) if Path(source).is_dir() else Path(Path(path).name)
            found[path] = [folder / inside.with_name(inside.stem + ending) for ending in endings]
    inputs = {Path(path).resolve() for path in found}
    owner: dict[Path, str] = {}
    for path, results in found.items():
        for result in results:
            if result.resolve() in inputs:
                raise KerasRecipesError(f"{result} is read, and would be written over: pass another --out")
            other = owner.setdefault(result.resolve(), path)
            if Path(other).resolve() != Path(path).resolve():
                raise KerasRecipesError(
                    f"{other} and {path} would both be written to {result}: pass them in calls of their own with another --out, "
                    "or a folder above both, whose folders are kept"
                )
    return found

"""Names of the files that a command writes for its inputs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError


def output_paths(
    sources: Sequence[str], list_files: Callable[[Any], list[Any]], folder: Path, *suffixes: str
) -> dict[str, list[Path]]:
    """Return the output files of each input file. Files of an input folder keep their paths below it.

    Args:
        sources: Input files and folders.
        list_files: Function that lists the input files of one source.
        folder: Output folder.
        suffixes: Endings of the output files of one input, for instance ".png" and "_overlay.png".

    Raises:
        KerasRecipesError: Two inputs would be written to one file, or an output would overwrite an input.

    Example:
        >>> output_paths(["talks"], audio.list_audio_files, Path("out"), ".txt")  # talks/monday/one.flac
        {'talks/monday/one.flac': [PosixPath('out/monday/one.txt')]}
    """
    outputs: dict[str, list[Path]] = {}
    for source in sources:
        for path in map(str, list_files(source)):
            relative = Path(path).relative_to(source) if Path(source).is_dir() else Path(Path(path).name)
            outputs[path] = [folder / relative.with_name(relative.stem + suffix) for suffix in suffixes]
    inputs = {Path(path).resolve() for path in outputs}
    owners: dict[Path, str] = {}
    for path, results in outputs.items():
        for result in results:
            if result.resolve() in inputs:
                raise KerasRecipesError(f"{result} is an input and would be overwritten: pass another --output")
            other = owners.setdefault(result.resolve(), path)
            if Path(other).resolve() != Path(path).resolve():
                raise KerasRecipesError(
                    f"{other} and {path} would both be written to {result}: run the command once for each, with another "
                    "--output, or pass a folder above both, whose subfolders are kept"
                )
    return outputs

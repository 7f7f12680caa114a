"""Data sets as words of a command line: `librispeech:PATH`, `manifest:TABLE?split=train&exclude=arctic_heldout`."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import parse_qsl

from kerasrecipes.data.utterances import Utterances, librispeech, manifest
from kerasrecipes.errors import DataError


def load_specs(specs: Iterable[str], speakers: Collection[str] = ()) -> Utterances:
    """Mix the sets that the words name.

    Args:
        specs: `librispeech:FOLDER` or `manifest:TABLE`, each with optional `?split=NAME&exclude=LIST`. LIST is a file
            of clip-name prefixes, or the name of a list that comes with the package. `{data}` in a path stands for the
            folder in the environment variable `KERASRECIPES_DATA`.
        speakers: only these, in every set.

    Raises:
        DataError: a word that names no set, or whatever the set's reader raises.
    """
    found = Utterances([])
    for spec in specs:
        kind, path, options = split_spec(spec)
        exclude, split = options.pop("exclude", None), options.pop("split", None)
        if kind not in ("librispeech", "manifest") or not path or options:
            raise DataError(
                f"{spec!r} names no data set: write librispeech:FOLDER or manifest:TABLE?split=train&exclude=LIST"
            )
        path = place(path, spec)
        part = librispeech(path, split, speakers) if kind == "librispeech" else manifest(path, split=split)
        if kind == "manifest" and speakers:
            part = Utterances(u for u in part if u.speaker in set(speakers))
        if exclude:
            prefixes = read_list(exclude)
            part = Utterances(u for u in part if not Path(u.path).stem.startswith(prefixes))
        found += part
    return found


def split_spec(spec: str) -> tuple[str, str, dict[str, str]]:
    """A word as (kind, path, options)."""
    kind, _, rest = spec.partition(":")
    path, _, query = rest.partition("?")
    return kind, path, dict(parse_qsl(query))


def place(path: str, spec: str) -> str:
    """`path` with the folder of data sets in place of `{data}`."""
    if "{data}" not in path:
        return path
    if "KERASRECIPES_DATA" not in os.environ:
        raise DataError(f"{spec!r}: set KERASRECIPES_DATA to the folder of the data sets, or pass --data")
    return path.replace("{data}", os.environ["KERASRECIPES_DATA"])


def read_list(name: str) -> tuple[str, ...]:
    """Lines of a list of names, without comments."""
    path = Path(name) if Path(name).is_file() else Path(__file__).parent / f"{name}.txt"
    if not path.is_file():
        raise DataError(f"There is no list {name}")
    return tuple(line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))

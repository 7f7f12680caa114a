"""Data sets as words of a command line: `librispeech:PATH`, `manifest:TABLE?split=train&exclude=arctic_heldout`.

With aligned phones: `phones:LABELS?audio=FOLDER`, `timit:FOLDER?split=core-test`.
"""

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import parse_qsl

from kerasrecipes import audio
from kerasrecipes.data.phone_alignments import load_phone_alignments
from kerasrecipes.data.shards import load_shards
from kerasrecipes.data.timit_corpus import timit
from kerasrecipes.data.utterances import Utterance, Utterances, from_table, librispeech
from kerasrecipes.errors import DataError
from kerasrecipes.utils.tar_members import member_name

READER_OPTIONS = {"librispeech": {"split"}, "manifest": {"split"}, "phones": {"audio"}, "timit": {"split", "phones"},
           "shards": set()}  # fmt: skip


def load_datasets(specs: Iterable[str], speakers: Collection[str] = ()) -> Utterances:
    """Mix the sets that the words name.

    Args:
        specs: `librispeech:FOLDER`, `manifest:TABLE`, `phones:LABELS?audio=FOLDER`, `timit:FOLDER?phones=39` or
            `shards:FOLDER`, each with optional `?split=NAME&exclude=LIST&only=LIST&hours=NUMBER` (`phones` and `shards` have no
            split). LIST is a file of clip-name prefixes, or the name of a list that comes with the package; `hours` takes a part, always
            the same one, drawn from all of the set. `{data}` in a path stands for the
            folder in the environment variable `KERASRECIPES_DATA`.
        speakers: only these, in every set.

    Raises:
        DataError: a word that names no set, or whatever the set's reader raises; nothing is left of a set.
    """
    found, specs = Utterances([]), list(specs)
    for spec in specs:
        kind, path, options = parse_spec(spec)
        exclude, only, hours = (options.pop(name, None) for name in ("exclude", "only", "hours"))
        if kind not in READER_OPTIONS or not path or set(options) - READER_OPTIONS[kind]:
            raise DataError(
                f"{spec!r} names no data set: write librispeech:FOLDER, manifest:TABLE?split=train&exclude=LIST, "
                "phones:LABELS?audio=FOLDER, timit:FOLDER?split=train or shards:FOLDER"
            )
        part = load_one(kind, expand_data_root(path, spec), options, spec, speakers)
        if exclude:
            prefixes = read_name_list(exclude)
            part = Utterances(u for u in part if not member_name(u.path).stem.startswith(prefixes))
        if only:
            prefixes = read_name_list(only)
            part = Utterances(u for u in part if member_name(u.path).stem.startswith(prefixes))
        if not part and not speakers:
            raise DataError(f"{spec!r} leaves no clip: look at its exclude= and only=")
        found += take_hours(part, hours, spec) if hours else part
    if speakers and not found:
        raise DataError(f"{', '.join(specs)}: no clip of the speakers {', '.join(speakers)}")
    return found


def load_one(kind: str, path: str, options: dict[str, str], spec: str, speakers: Collection[str]) -> Utterances:
    """One set."""
    if kind == "librispeech":
        return librispeech(path, options.get("split"), speakers)
    if kind == "manifest":
        part = from_table(path, split=options.get("split"))
    elif kind == "shards":
        part = load_shards(path)
    elif kind == "phones":
        if "audio" not in options:
            raise DataError(f"{spec!r}: say where the clips are: phones:LABELS?audio=FOLDER")
        return load_phone_alignments(path, expand_data_root(options["audio"], spec), speakers=speakers)
    else:
        part = timit(path, options.get("split", "train"), phones=options.get("phones", "61"))
    return Utterances(u for u in part if u.speaker in set(speakers)) if speakers else part


def take_hours(utterances: Utterances, hours: str, spec: str) -> Utterances:
    """So much of a set, the same whatever its order: clips in the order of their names' hashes.

    Raises:
        DataError: `hours` is no positive number, or the set is smaller.
    """
    try:
        left = 3600 * float(hours)
    except ValueError:
        left = 0.0
    if not left > 0:
        raise DataError(f"{spec!r}: hours={hours} is no positive number")
    taken: list[Utterance] = []
    for u in sorted(utterances, key=lambda u: hashlib.sha1(u.id.encode()).digest()):
        if left <= 0:
            return Utterances(taken)
        taken.append(u)
        left -= u.seconds or audio.audio_duration(u.path)
    if left > 0:
        raise DataError(f"{spec!r}: the set holds less than {hours} hours")
    return Utterances(taken)


def parse_spec(spec: str) -> tuple[str, str, dict[str, str]]:
    """A word as (kind, path, options)."""
    kind, _, rest = spec.partition(":")
    path, _, query = rest.partition("?")
    return kind, path, dict(parse_qsl(query))


def expand_data_root(path: str, spec: str) -> str:
    """`path` with the folder of data sets in place of `{data}`."""
    if "{data}" not in path:
        return path
    if "KERASRECIPES_DATA" not in os.environ:
        raise DataError(f"{spec!r}: set KERASRECIPES_DATA to the folder of the data sets, or pass --data")
    return path.replace("{data}", os.environ["KERASRECIPES_DATA"])


def read_name_list(name: str) -> tuple[str, ...]:
    """Lines of a list of names, without comments."""
    path = Path(name) if Path(name).is_file() else Path(__file__).parent / f"{name}.txt"
    if not path.is_file():
        raise DataError(f"There is no list {name}")
    return tuple(line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))

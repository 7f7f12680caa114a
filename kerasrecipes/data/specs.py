"""Data sets named in one word, `READER:PATH?option=value&option=value`, and the one table of all readers."""

import hashlib
import importlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from kerasrecipes import audio
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.errors import DataError
from kerasrecipes.utils.tar_members import member_name
from kerasrecipes.utils.text_files import read_lines

# what a reader yields -> the noun of error messages
NOUNS = {"speech": "data set", "text": "text", "images": "image set", "masks": "mask set"}

# what a reader yields -> options of all such readers, which the loading functions below and in the readers' modules apply
SHARED_OPTIONS: dict[str, dict[str, str]] = {
    "speech": {"exclude": "LIST", "only": "LIST", "hours": "NUMBER"},
    "text": {"exclude": "LIST"},
    "images": {"part": "held|kept"},
    "masks": {"size": "WIDTHxHEIGHT"},
}


@dataclass(frozen=True)
class Reader:
    """One reader of data sets.

    Args:
        yields: "speech" (`Utterances`), "text" (lines), "images" (images and class numbers) or "masks" (images and masks).
        path: Placeholder of the path in help texts, for instance "FOLDER".
        function: "module:name" of the function below `kerasrecipes.data`, called as `function(path, **options)`.
        help: One line for `--help`, messages and documentation.
        options: Names of the function's options and their placeholders. Default: none.
        required: Names of options that must be given. Default: none.
        selects_speakers: True if the function has the argument `speakers`. Otherwise clips are filtered after reading.
        classes: "module:name" of the function that returns the class names of an image set, called as `function(path, split)`.
            Default: classes are numbers.
    """

    yields: str
    path: str
    function: str
    help: str
    options: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    selects_speakers: bool = False
    classes: str = ""

    def form(self, name: str) -> str:
        """Return how to write a specification of the reader with this name."""
        return f"{name}:{self.path}{write_query(self.options)}"

    def read(self, *arguments: Any, **options: Any) -> Any:
        """Import the reader's function and call it."""
        return import_function(self.function)(*arguments, **options)

    def class_names(self, path: Path, split: str) -> list[str]:
        """Return the class names of an image set, none where its classes are numbers."""
        return import_function(self.classes)(path, split) if self.classes else []


def import_function(function: str) -> Any:
    """Return the function "module:name" below `kerasrecipes.data`."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(f"kerasrecipes.data.{module}"), name)


TRAIN_TEST = {"split": "train|test"}
IMAGENET: dict[str, Any] = {"options": {"split": "train|val"}, "classes": "imagenet:list_imagenet_classes"}
# every reader of the package: a new one is a function and a line here
READERS = {
    "librispeech": Reader(
        "speech", "FOLDER", "utterances:librispeech", "LibriSpeech's official layout, any audio extension", {"split": "NAME"},
        selects_speakers=True,
    ),
    "manifest": Reader(
        "speech", "TABLE", "utterances:from_table",
        "TSV, CSV or JSON lines with a path and a transcript column; Common Voice's tsv and LJ Speech's metadata.csv",
        {"split": "NAME", "unlabeled": "keep"},
    ),
    "phones": Reader(
        "speech", "LABELS", "phone_alignments:load_phone_alignments", "aligned phonemes that `kerasrecipes data align-phones` wrote",
        {"audio": "FOLDER"}, ("audio",), selects_speakers=True,
    ),
    "timit": Reader(
        "speech", "FOLDER", "timit_corpus:timit", "TIMIT's official layout, with its 61 phonemes or folded to 39",
        {"split": "NAME", "phones": "61"},
    ),
    "speech-commands": Reader(
        "speech", "FOLDER", "spoken_words:speech_commands", "Speech Commands: WORD/SPEAKER_nohash_NUMBER.wav",
        {"split": "train|validation|test"},
    ),
    "fsdd": Reader("speech", "FOLDER", "spoken_words:fsdd", "FSDD: spoken digits, DIGIT_SPEAKER_TAKE.wav", {"split": "train|test"}),
    "shards": Reader("speech", "FOLDER", "shards:load_shards", "tar shards that `kerasrecipes data shard` wrote"),
    "text": Reader("text", "FILE", "text:read_text_file", "lines of a .txt, .xz or .gz file, or the last column of a .tsv"),
    "mnist": Reader("images", "FILE", "images:mnist", "MNIST as an .npz file, or a folder with the four official idx files", TRAIN_TEST),
    "cifar10": Reader("images", "FOLDER", "images:cifar10", "CIFAR-10's binary batches, or sprite sheets with labels.npz", TRAIN_TEST),
    "tiny-imagenet": Reader("images", "FOLDER", "imagenet:tiny_imagenet", "Tiny ImageNet's official layout", **IMAGENET),
    "imagenet": Reader(
        "images", "FOLDER", "imagenet:imagenet", "ILSVRC 2012: train/WNID, and val/WNID or val/ with a list of its classes", **IMAGENET
    ),
    "folder": Reader(
        "images", "FOLDER", "images:image_folder", "one folder of images per class", TRAIN_TEST, classes="images:list_class_folders"
    ),
    "camvid": Reader(
        "masks", "FILE", "segmentation_masks:camvid",
        "CamVid as an .npz file with JPEG images and masks; its splits are train, val and test", {"split": "NAME"},
    ),
    "voc": Reader("masks", "FOLDER", "segmentation_sets:voc", "Pascal VOC 2012, lists of ImageSets/Segmentation", {"split": "NAME"}),
    "cityscapes": Reader("masks", "FOLDER", "segmentation_sets:cityscapes", "Cityscapes with its 19 classes", {"split": "train|val"}),
    "kitti": Reader(
        "masks", "FOLDER", "segmentation_sets:kitti", "KITTI with the 11 classes of dilation7_kitti, or Cityscapes' 19",
        {"split": "NAME", "classes": "11|19"},
    ),
    "masks": Reader(
        "masks", "FOLDER", "segmentation_masks:mask_folder", "images/NAME.* and masks/NAME.png, whose pixel values are class numbers"
    ),
}  # fmt: skip


def list_forms(*yields: str) -> str:
    """Return how to write the specifications of readers that yield some kinds of data (keys of `NOUNS`, default: all)."""
    forms = []
    for noun in yields or NOUNS:
        readers = [(name, reader) for name, reader in READERS.items() if reader.yields == noun]
        forms += [reader.form(name) for name, reader in readers]
        if SHARED_OPTIONS[noun]:
            forms[-1] += f" ({'each ' if len(readers) > 1 else ''}also with {write_query(SHARED_OPTIONS[noun])})"
    return ", ".join(forms)


def write_query(options: Mapping[str, str]) -> str:
    """Return "?name=value&name=value", or "" without options."""
    return "?" + "&".join(f"{name}={value}" for name, value in options.items()) if options else ""


def parse_spec(spec: str, yields: str) -> tuple[Reader, str, dict[str, str], dict[str, str]]:
    """Split a specification into the reader, the path, the options of its function, and those of `SHARED_OPTIONS`.

    Raises `DataError` for an unknown reader or option, or if a required option is missing. `yields` is a key of `NOUNS`. `{data}`
    stands for the folder in the environment variable `KERASRECIPES_DATA`.
    """
    name, _, rest = spec.partition(":")
    path, _, query = rest.partition("?")
    options = {key: expand_data_root(value, spec) for key, value in parse_qsl(query)}
    reader = READERS.get(name)
    if not reader or reader.yields != yields or not path or set(options) - {*reader.options, *SHARED_OPTIONS[yields]}:
        raise DataError(f"{spec!r} names no {NOUNS[yields]}: write {list_forms(yields)}")
    if missing := [option for option in reader.required if option not in options]:
        raise DataError(f"{spec!r} lacks {missing[0]}=: write {reader.form(name)}")
    own = {key: value for key, value in options.items() if key in reader.options}
    return reader, expand_data_root(path, spec), own, {k: v for k, v in options.items() if k not in own}


def find_common_kind(specs: Iterable[str], *yields: str) -> str:
    """Return what the readers of all specifications yield, one of `yields` (keys of `NOUNS`).

    Raises:
        DataError: A reader is unknown or yields something else, or two readers yield different kinds of data.
    """
    kinds: list[str] = []
    for spec in specs:
        reader = READERS.get(spec.partition(":")[0])
        if not reader or reader.yields not in yields:
            raise DataError(f"{spec!r} names no data set: write {list_forms(*yields)}")
        kinds.append(reader.yields)
    if len(set(kinds)) != 1:
        raise DataError(
            f"These are sets of different kinds ({', '.join(NOUNS[kind] for kind in kinds)}): give each kind alone"
        )
    return kinds[0]


def load_datasets(specs: Iterable[str], speakers: Collection[str] = ()) -> Utterances:
    """Load and mix sets of speech.

    Args:
        specs: Specifications of readers that yield speech (`READERS`). `exclude=LIST` leaves out, and `only=LIST` keeps, clips
            whose names begin with a line of a file, or of a list that comes with the package. `hours=NUMBER` takes a part
            that is always the same one.
        speakers: Keep only these speakers' clips. Default: all.

    Raises:
        DataError: An unknown reader or option, whatever the reader raises, or no clip remains.
    """
    utterances, specs = Utterances([]), list(specs)
    for spec in specs:
        reader, path, options, shared = parse_spec(spec, "speech")
        part = reader.read(path, **options, **({"speakers": speakers} if speakers and reader.selects_speakers else {}))
        if speakers:
            part = part.filter(lambda u: u.speaker in set(speakers))
        for name, keep in (("exclude", False), ("only", True)):
            if name in shared:
                prefixes = read_name_list(shared[name])
                part = part.filter(lambda u, p=prefixes, k=keep: member_name(u.path).stem.startswith(p) == k)
        if not part and not speakers:
            raise DataError(f"{spec!r} leaves no clip: check its exclude= and only=")
        utterances += take_hours(part, shared["hours"], spec) if "hours" in shared else part
    if speakers and not utterances:
        raise DataError(f"{', '.join(specs)}: no clip of the speakers {', '.join(speakers)}")
    return utterances


def take_hours(utterances: Utterances, hours: str, spec: str) -> Utterances:
    """Return the first clips by the hashes of their ids that last `hours` together, whatever the set's order."""
    try:
        remaining = 3600 * float(hours)
    except ValueError:
        remaining = 0.0
    if not remaining > 0:
        raise DataError(f"{spec!r}: hours={hours} is not a positive number")
    part: list[Utterance] = []
    for u in sorted(utterances, key=lambda u: hashlib.sha1(u.id.encode()).digest()):
        if remaining <= 0:
            return Utterances(part)
        part.append(u)
        remaining -= u.seconds or audio.audio_duration(u.path)
    if remaining > 0:
        raise DataError(f"{spec!r}: the set holds less than {hours} hours")
    return Utterances(part)


def expand_data_root(path: str, spec: str) -> str:
    """Return `path` with the folder of data sets in place of `{data}`."""
    if "{data}" not in path:
        return path
    if "KERASRECIPES_DATA" not in os.environ:
        raise DataError(f"{spec!r}: set KERASRECIPES_DATA to the folder of the data sets, or pass --data")
    return path.replace("{data}", os.environ["KERASRECIPES_DATA"])


def read_name_list(name: str) -> tuple[str, ...]:
    """Return the lines, without comments, of a file of names or of a list that comes with the package."""
    path = Path(name) if Path(name).is_file() else Path(__file__).parent / f"{name}.txt"
    if not path.is_file():
        raise DataError(f"There is no list {name}")
    return tuple(line.strip() for line in read_lines(path) if line.strip() and not line.startswith("#"))

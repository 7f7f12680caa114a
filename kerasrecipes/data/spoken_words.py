"""Data sets of single spoken words: Speech Commands and the Free Spoken Digit Dataset."""

from collections.abc import Iterable
from pathlib import Path

from kerasrecipes.audio import audio_files
from kerasrecipes.data.utterances import Utterance, Utterances
from kerasrecipes.errors import DataError, reader
from kerasrecipes.utils.listing import list_folder_or_warn
from kerasrecipes.utils.text_files import read_lines

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FSDD_TEST_TAKES = 5  # takes 0 to 4 of each digit and speaker are the test split
COMMAND_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


@reader(DataError)
def speech_commands(root: str | Path, split: str | None = None) -> Utterances:
    """Read Speech Commands: clips of one second in a folder for each word, `WORD/SPEAKER_nohash_NUMBER.wav`.

    The folder `_background_noise_` is not read.

    Args:
        root: Folder of the words, with `validation_list.txt` and `testing_list.txt`.
        split: "train" (the clips of no list), "validation" or "test". Default: all clips.

    Raises:
        DataError: The folder, a list or a listed clip is missing, or there is no clip.
    """
    root = Path(root)
    if split not in (None, "train", *COMMAND_LISTS):
        raise DataError(f"speech-commands has split=train, {', '.join(COMMAND_LISTS)}, not {split!r}")
    words = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))) if root.is_dir() else []
    clips = {f"{word.name}/{path.name}": path for word in words for path in list_clips(word)}
    names = read_command_lists(root, clips) if split else {}
    return join_clips(
        root,
        (
            Utterance(name, str(path), path.parent.name, path.stem.split("_")[0], source="speech-commands")
            for name, path in clips.items()
            if not split or names.get(name, "train") == split
        ),
    )


def read_command_lists(root: Path, clips: dict[str, Path]) -> dict[str, str]:
    """Return the split of each clip that a list of Speech Commands names."""
    splits: dict[str, str] = {}
    for split, file in COMMAND_LISTS.items():
        path = root / file
        if not path.is_file():
            raise DataError(f"There is no list {path}, which split= needs: unpack the archive again")
        names = [line.strip() for line in read_lines(path) if line.strip()]
        if missing := next((name for name in names if name not in clips), None):
            raise DataError(f"{path} lists {missing}, but that clip does not exist: unpack the archive again")
        splits |= dict.fromkeys(names, split)
    return splits


@reader(DataError)
def fsdd(root: str | Path, split: str | None = None) -> Utterances:
    """Read the Free Spoken Digit Dataset: `DIGIT_SPEAKER_TAKE.wav`, with the digit's word as the transcript.

    Args:
        root: Folder of the clips, or the one above `recordings`. Clips may have any audio extension.
        split: "test" (takes 0 to 4) or "train" (the others). Default: all clips.

    Raises:
        DataError: The folder holds no clip, or a clip's name has another form.
    """
    root = Path(root)
    if split not in (None, "train", "test"):
        raise DataError(f"fsdd has split=train and split=test, not {split!r}")
    folder = root / "recordings" if (root / "recordings").is_dir() else root
    utterances = []
    for path in list_clips(folder) if folder.is_dir() else []:
        digit, *speaker, take = path.stem.split("_")
        if digit not in map(str, range(10)) or not speaker or not (take.isascii() and take.isdigit()):
            raise DataError(f"{path} is not named DIGIT_SPEAKER_TAKE, for instance 7_jackson_32.wav")
        if split is None or (split == "test") == (int(take) < FSDD_TEST_TAKES):
            word, name = DIGITS[int(digit)], "_".join(speaker)
            utterances.append(Utterance(path.stem, str(path), word, name, source="fsdd"))
    return join_clips(folder, utterances)


def list_clips(folder: Path) -> list[Path]:
    """Return the audio files of a folder in the order of their names, without those in folders of it."""
    paths = map(Path, list_folder_or_warn(folder, audio_files(), None))
    return [path for path in paths if path.parent == folder]


def join_clips(folder: Path, utterances: Iterable[Utterance]) -> Utterances:
    """Return the clips of a set, or raise `DataError` if there is none."""
    clips = Utterances(utterances)
    if not clips:
        raise DataError(f"{folder} holds no clip of this set: check the path and split=")
    return clips

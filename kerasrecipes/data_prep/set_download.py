"""Download public data sets: resumable, bounded by the known size, checked, and unpacked safely."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kerasrecipes.data_prep.public_sets import PUBLIC_SETS, Archive
from kerasrecipes.data_prep.unpacking import unpack_tar
from kerasrecipes.errors import DataError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub.download import is_offline
from kerasrecipes.hub.transfer import Transfer, is_temporary
from kerasrecipes.utils.files import WRITE_ERRORS, describe_write_error, first_line
from kerasrecipes.utils.locks import exclusive_lock
from kerasrecipes.utils.partial_folder import make_partial_folder

WORK_FOLDER = ".download"  # of archives, in the folder that the user names
MAX_EXPANSION = 4  # unpacked bytes for each byte of an archive: speech compresses badly
MIN_UNPACKED_BYTES = 100_000_000  # allowed for a small archive in any case

Progress = Callable[[float, float, str], Any]


def find_archive(name: str, subset: str = "") -> Archive:
    """Return an archive of a public data set.

    Args:
        name: A key of `PUBLIC_SETS`.
        subset: One of its subsets. Default: the only archive of a set without subsets.

    Raises:
        DataError: There is no such set or subset.
    """
    if name not in PUBLIC_SETS:
        raise DataError(f"There is no public data set {name!r}: the sets are {', '.join(PUBLIC_SETS)}")
    archives = PUBLIC_SETS[name].archives
    if subset not in archives:
        choices = f"name one or more of {', '.join(archives)}" if any(archives) else "leave the name out"
        raise DataError(f"{name} has no subset {subset!r}: {choices}" if subset else f"{name} consists of subsets: {choices}")
    return archives[subset]


def download_set(name: str, subset: str = "", output: str | Path = ".", *, progress: Progress | None = None) -> str:
    """Download a public data set and unpack it, unless its folder exists already.

    An interrupted download continues with the same call. The data set gets its name when it is complete.

    Args:
        name: A key of `PUBLIC_SETS`.
        subset: One of its subsets. Default: the only archive of a set without subsets.
        output: Folder that receives the data set. Default: the current folder.
        progress: Called with the amount that is done, the whole, both in MB, and what is done. Default: nobody.

    Returns:
        The specification of the data set for `--data`.

    Raises:
        DataError: The network or the disk fails, the address sends another file, the archive is hostile, or another process
            downloads the same.
    """
    archive, output = find_archive(name, subset), Path(output)
    folder, work = output / archive.folder, output / WORK_FOLDER
    if folder.exists():
        return archive.spec(output)
    report: Progress = progress or (lambda done, total, note: None)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(work, f"Another process downloads {archive.file} into {output}", f"{archive.file}.lock"):
            if not folder.exists():
                path = fetch_archive(archive, work, report)
                unpack_archive(archive, path, output, report)
                path.unlink()
    except OSError as error:
        raise DataError(describe_write_error(error.filename or output, error)) from error
    return archive.spec(output)


def fetch_archive(archive: Archive, work: Path, progress: Progress) -> Path:
    """Return the path of an archive in `work` whose hash is right, after downloading what is missing of it."""
    path = work / archive.file
    if path.is_file():
        with suppress(DataError):
            check_archive(path, archive)
            return path
    partial = work / f"{archive.file}.incomplete"
    if is_offline():
        raise DataError(
            f"{archive.file} is not complete and the network is switched off: unset KERASRECIPES_OFFLINE and HF_HUB_OFFLINE, or "
            f"copy the file of {archive.address} to {path}"
        )
    transfer_archive(archive, partial, progress)
    check_archive(partial, archive)
    partial.replace(path)
    return path


def transfer_archive(archive: Archive, partial: Path, progress: Progress) -> None:
    """Download what a partial file lacks.

    Raises:
        DataError: The network or the disk fails, or the server sends another file.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    retry = "the same command continues the download"
    try:
        Transfer(archive.address, {}, partial, archive.size, archive.file).download(ByteCounter(archive, progress))
    except WeightsCorrupted as error:
        raise DataError(f"{archive.address} sends another file than the known one: {error}") from error
    except WeightsUnavailable as error:
        raise DataError(str(error).replace("load again, which continues", "repeat the command, which continues")) from error
    except HfHubHTTPError as error:
        advice = f"Try again later: {retry}" if is_temporary(error) else (
            f"The file may have moved, or a proxy refuses it: fetch {archive.file} by other means, put it at "
            f"{partial.with_suffix('')} and repeat the command"
        )  # fmt: skip
        raise DataError(f"The server answers for {archive.address}: {first_line(error)}. {advice}") from error
    except (HTTPError, ValueError) as error:
        raise DataError(
            f"{archive.address} cannot be reached ({first_line(error)}): check the network and the proxy; {retry}"
        ) from error
    except OSError as error:
        if error.errno in WRITE_ERRORS:
            raise
        raise DataError(f"{archive.address} cannot be downloaded ({first_line(error)}): check the network; {retry}") from error


class ByteCounter:
    """The progress of a transfer, as `Transfer.download` reports it.

    Args:
        archive: The archive that is downloaded.
        progress: See `download_set`.
    """

    def __init__(self, archive: Archive, progress: Progress):
        self.archive, self.progress, self.num_bytes = archive, progress, 0

    def update(self, num_bytes: int) -> None:
        """Count further bytes, or fewer if the transfer began anew."""
        self.num_bytes += num_bytes
        self.progress(self.num_bytes / 1e6, self.archive.size / 1e6, self.archive.file)


def check_archive(path: Path, archive: Archive) -> None:
    """Compare a file with the size and the hash of an archive. A file that is wrong is removed.

    Raises:
        DataError: The file is cut off, which the same command repairs, or it is another one.
    """
    size = path.stat().st_size
    if size < archive.size and path.suffix == ".incomplete":
        raise DataError(f"{path} has {size:,} of {archive.size:,} bytes: repeat the command, which continues the download")
    algorithm, _, expected = archive.hash.partition(":")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if digest != expected:
        path.unlink()
        raise DataError(
            f"{archive.address} sent a file with the {algorithm} {digest}, but {expected} is known: it was removed. Repeat the "
            "command, and if this happens again, the file behind the address has changed"
        )


def unpack_archive(archive: Archive, path: Path, output: Path, progress: Progress) -> None:
    """Unpack an archive beside its final place, then give its folder the final name.

    Files beside that folder, such as LibriSpeech's SPEAKERS.TXT, are moved before it.
    """
    limit = max(MAX_EXPANSION * archive.size, MIN_UNPACKED_BYTES)
    with make_partial_folder(output) as partial:
        root = partial / "content"
        source = root / archive.folder
        (root if archive.has_folder else source).mkdir(parents=True)
        unpack_tar(
            path, root if archive.has_folder else source, limit,
            lambda done: progress(done / 1e6, archive.size / 1e6, f"unpacking {archive.file}"),
        )  # fmt: skip
        if not source.is_dir():
            raise DataError(f"{path} holds no folder {archive.folder}: the file behind {archive.address} has changed")
        (output / archive.folder).parent.mkdir(parents=True, exist_ok=True)
        if source.parent != root:
            for file in source.parent.iterdir():
                if file.is_file():
                    os.replace(file, output / Path(archive.folder).parent / file.name)
        os.rename(source, output / archive.folder)

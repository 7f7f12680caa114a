"""Fetch public checkpoints into the package's cache, check them, and remember the hash of files whose authors gave none."""

import hashlib
from pathlib import Path

import filelock

from kerasrecipes.errors import WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub.download import is_offline
from kerasrecipes.hub.public_checkpoints import PublicCheckpoint
from kerasrecipes.hub.transfer import Transfer
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.private_folder import is_trusted_file, make_private_folder
from kerasrecipes.utils.writable_cache import make_cache_folder

BLOCK_BYTES = 1 << 20


def checkpoint_path(row: PublicCheckpoint, *, offline: bool | None = None) -> Path:
    """Return the path of a public checkpoint's verified file, which is downloaded if the cache lacks it.

    Args:
        row: Row of the checkpoint.
        offline: Never use the network. Default: whether `KERASRECIPES_OFFLINE` or `HF_HUB_OFFLINE` is set.

    Raises:
        WeightsUnavailable: The file is not in the cache and cannot be downloaded.
        WeightsCorrupted: It is not the file of the row, or no longer the one of the first download.
    """
    folder = make_private_folder(make_cache_folder("public") / row.name)
    path = folder / row.file
    with filelock.FileLock(folder / ".lock"):
        if is_trusted_file(path):
            check_checkpoint(path, row)
            return path
        path.unlink(missing_ok=True)
        if is_offline(offline):
            raise WeightsUnavailable(
                f"{row.file} of {row.name} is not in {folder} and the network is switched off: unset KERASRECIPES_OFFLINE and "
                f"HF_HUB_OFFLINE once to download it, or put it there from {row.address}"
            )
        partial = folder / f"{row.file}.incomplete"
        try:
            download_checkpoint(row, partial)
            check_checkpoint(partial, row, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(path)
        return path


def download_checkpoint(row: PublicCheckpoint, partial: Path) -> None:
    """Download a row's file. No part of an earlier attempt is used."""
    from huggingface_hub import errors
    from huggingface_hub.utils import tqdm

    transfer = Transfer(row.address, {}, partial, row.size or row.max_bytes, row.file, resume=False)
    try:
        with tqdm(total=row.size, unit="B", unit_scale=True, desc=row.file[-40:]) as progress:
            transfer.download(progress)
    except (errors.HTTPError, OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"{row.file} cannot be downloaded from {row.address} ({first_line(error)}): check the network and load again, or fetch "
            f"it by other means and pass it: load({row.recipe!r}, weights=FILE)"
        ) from error


def check_checkpoint(path: Path, row: PublicCheckpoint, final: Path | None = None) -> None:
    """Compare a file with its row, and with the hash of the first download, which is written if there is none yet.

    Args:
        path: The file.
        row: Row of the checkpoint.
        final: Path that the file will have. Default: `path`.

    Raises:
        WeightsCorrupted: They differ.
    """
    size, pin = path.stat().st_size, (final or path).with_name(f"{(final or path).name}.sha256")
    remedy = f"remove {path} and load again, and if this repeats, do not use the file"
    if row.size is not None and size != row.size:
        raise WeightsCorrupted(f"{path} has {size} bytes, and the row of {row.name} says {row.size}: {remedy}")
    digest = file_hash(path, "sha256")
    if row.hash:
        algorithm, expected = row.hash["algorithm"], row.hash["value"]
        actual = digest if algorithm == "sha256" else file_hash(path, algorithm)
        if actual != expected:
            raise WeightsCorrupted(f"{path} has the {algorithm} {actual}, and the row of {row.name} says {expected}: {remedy}")
    if is_trusted_file(pin):
        pinned = pin.read_text("ascii", "replace").strip()
        if pinned != digest:
            raise WeightsCorrupted(
                f"{path} has the hash {digest}, and the first download had {pinned[:64]}: its address sends another file, or it was "
                f"changed here; remove {pin} too if you trust the new one"
            )
    else:
        atomic_write(pin, digest + "\n")


def file_hash(path: Path, algorithm: str) -> str:
    """Return the hexadecimal hash of a file. The algorithm "git" gives the name of the file's blob in git."""
    digest = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        digest.update(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()

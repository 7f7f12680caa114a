"""From a manifest row to a verified file: what came with the code, then the cache, then the hub."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import download, manifest
from kerasrecipes.hub.download import is_offline
from kerasrecipes.hub.manifest import WeightsEntry
from kerasrecipes.utils.files import sha256_file

HUB_REFERENCE = re.compile(r"^hf://(?P<repo>[^/@\s]+/[^/@\s]+)@(?P<revision>[0-9a-f]{40})$")
MANIFEST_FILE = "manifest.json"  # name of the row's file in a hub repository
CHUNK = 1 << 20


def weights_path(row: WeightsEntry, *, offline: bool | None = None, packaged: bool = True) -> Path:
    """The verified weights file of a row.

    Looks in the package or checkout, then in the hub's cache, then downloads at the row's pinned revision, going on
    where an interrupted download stopped. The hash is checked before anything parses the file.

    Args:
        row: from the manifest.
        offline: never touch the network; default: `KERASRECIPES_OFFLINE=1` or `HF_HUB_OFFLINE=1`.
        packaged: whether the row is the package's own; what came with the package is no file of another's.

    Raises:
        WeightsUnavailable: the file is nowhere to be had. WeightsCorrupt: it is there and is not what the row says.

    Example:
        >>> locate(manifest.get("deepspeech2_small")).name
        'deepspeech2_small.weights.h5'
    """
    local = manifest.weights_folder() / row.file
    if packaged and local.is_file():
        return check_file(local, row, "restore it (git checkout, or install the package again)")
    if row.hub is None:
        raise WeightsUnavailable(
            f"The weights of {row.recipe} ({row.file}) are not published yet and not in {manifest.weights_folder()}. "
            f"Train them: kerasrecipes train {row.recipe} --data librispeech:PATH --resume"
        )
    return hub_weights_path(row, row.hub["repo"], row.hub["revision"], is_offline(offline))


def onnx_path(row: WeightsEntry, *, step: bool = False, offline: bool | None = None, packaged: bool = True) -> Path:
    """The verified ONNX file of a row, found as `locate` finds the weights; with `step` the one that takes pieces.

    Raises:
        WeightsUnavailable: none is released. WeightsCorrupt: as `locate`, and where the file is of earlier weights.
    """
    entry = row.onnx.get("step") if step else row.onnx
    if not entry:
        raise WeightsUnavailable(
            f"{row.recipe} has no released ONNX file{' of pieces' if step else ''}. Write it: kerasrecipes export "
            f'{row.recipe} --out FOLDER, then load("FOLDER/{row.recipe}.onnx")'
        )
    if row.onnx["weights"] != row.sha256:
        raise WeightsCorrupted(
            f"{entry['file']} was made from earlier weights of {row.recipe}: kerasrecipes export {row.recipe} --release"
        )
    return weights_path(onnx_entry(row, entry), offline=offline, packaged=packaged)


def onnx_entry(row: WeightsEntry, entry: Mapping[str, Any]) -> WeightsEntry:
    """The row with an ONNX file in place of its weights file."""
    return replace(row, **{key: entry[key] for key in ("file", "size", "sha256")})


def onnx_files(row: WeightsEntry) -> list[Mapping[str, Any]]:
    """Entries of all ONNX files of a row."""
    return [entry for entry in (row.onnx, row.onnx.get("step")) if entry]


def hub_weights_path(row: WeightsEntry, repo: str, revision: str, offline: bool) -> Path:
    """The verified weights file from the cache; downloaded if it is not there or, with a network, if it is spoilt."""
    if path := download.cached(repo, revision, row.file):
        try:
            return check_file(path, row, "it lies in the cache: switch the network on and load again to replace it")
        except WeightsCorrupted:
            if offline:
                raise

    def correct(path: Path) -> None:
        check_file(
            path, row, f"{repo} sent something else and it was thrown away: load again; if it stays so, report it"
        )

    return download.fetch(repo, revision, row.file, correct, key=row.sha256, offline=offline)


def check_file(path: Path, row: WeightsEntry, remedy: str) -> Path:
    """`path` if its size and hash are the row's.

    Raises:
        WeightsCorrupt: they are not; says both and what to do.
    """
    size = path.stat().st_size
    if size != row.size:
        raise WeightsCorrupted(f"{path} has {size} bytes, the manifest of {row.recipe} says {row.size}: {remedy}")
    if (found := sha256_file(path)) != row.sha256:
        raise WeightsCorrupted(f"{path} has the hash {found}, the manifest of {row.recipe} says {row.sha256}: {remedy}")
    return path


def fetch_from_reference(reference: str, *, offline: bool | None = None) -> tuple[WeightsEntry, Path]:
    """The row and verified file of a hub repository that `publish` filled.

    Args:
        reference: "hf://org/name@revision" with a 40-hex revision, so that what is loaded can never change.
        offline: as for `locate`.

    Raises:
        WeightsUnavailable: the reference is not of that form, or as `locate`.
    """
    row, place = _entry_and_revision(reference, offline)
    return row, hub_weights_path(row, **place, offline=is_offline(offline))


def fetch_entry(reference: str, *, offline: bool | None = None) -> WeightsEntry:
    """The row alone, with the reference's repository and revision as its `hub`; arguments and errors as of `fetch_ref`."""
    row, place = _entry_and_revision(reference, offline)
    return replace(row, hub=place)


def _entry_and_revision(reference: str, offline: bool | None) -> tuple[WeightsEntry, dict[str, str]]:
    match = HUB_REFERENCE.match(reference)
    if not match:
        raise WeightsUnavailable(
            f"{reference!r} is no hub reference: write hf://org/name@REVISION with 40 hexadecimal digits"
        )
    repo, revision, offline = match["repo"], match["revision"], is_offline(offline)
    path = download.cached(repo, revision, MANIFEST_FILE) or download.fetch(
        repo, revision, MANIFEST_FILE, manifest.read_entry, offline=offline
    )
    return manifest.read_entry(path), {"repo": repo, "revision": revision}


def verify() -> list[tuple[str, bool, str]]:
    """(recipe, whether all is well, what was found) for every manifest row; one bad row does not hide the others."""
    found = []
    for source in manifest.entry_paths():
        try:
            row = manifest.read_entry(source)
            path = weights_path(row)
            told = f"{row.size} bytes, sha256 {row.sha256[:12]}..., {path}"
            for entry in onnx_files(row):
                path = onnx_path(row, step=entry is not row.onnx)
                told += f"; {entry['size']} bytes, sha256 {entry['sha256'][:12]}..., {path}"
            found.append((source.stem, True, told))
        except KerasRecipesError as error:
            found.append((source.stem, False, str(error)))
    return found

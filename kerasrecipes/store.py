"""From a manifest row to a verified file: what came with the code, then the cache, then the hub."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasrecipes import hub, manifest
from kerasrecipes.errors import KerasRecipesError, WeightsCorrupt, WeightsUnavailable
from kerasrecipes.hub import is_offline
from kerasrecipes.manifest import Weights

REFERENCE = re.compile(r"^hf://(?P<repo>[^/@\s]+/[^/@\s]+)@(?P<revision>[0-9a-f]{40})$")
ROW = "manifest.json"  # name of the row's file in a hub repository
CHUNK = 1 << 20


def locate(row: Weights, *, offline: bool | None = None, packaged: bool = True) -> Path:
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
        return check(local, row, "restore it (git checkout, or install the package again)")
    if row.hub is None:
        raise WeightsUnavailable(
            f"The weights of {row.recipe} ({row.file}) are not published yet and not in {manifest.weights_folder()}. "
            f"Train them: kerasrecipes train {row.recipe} --data librispeech:PATH --resume"
        )
    return from_hub(row, row.hub["repo"], row.hub["revision"], is_offline(offline))


def locate_onnx(row: Weights, *, step: bool = False, offline: bool | None = None, packaged: bool = True) -> Path:
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
        raise WeightsCorrupt(
            f"{entry['file']} was made from earlier weights of {row.recipe}: kerasrecipes export {row.recipe} --release"
        )
    return locate(onnx_row(row, entry), offline=offline, packaged=packaged)


def onnx_row(row: Weights, entry: Mapping[str, Any]) -> Weights:
    """The row with an ONNX file in place of its weights file."""
    return replace(row, **{key: entry[key] for key in ("file", "size", "sha256")})


def onnx_files(row: Weights) -> list[Mapping[str, Any]]:
    """Entries of all ONNX files of a row."""
    return [entry for entry in (row.onnx, row.onnx.get("step")) if entry]


def from_hub(row: Weights, repo: str, revision: str, offline: bool) -> Path:
    """The verified weights file from the cache; downloaded if it is not there or, with a network, if it is spoilt."""
    if path := hub.cached(repo, revision, row.file):
        try:
            return check(path, row, "it lies in the cache: switch the network on and load again to replace it")
        except WeightsCorrupt:
            if offline:
                raise

    def correct(path: Path) -> None:
        check(path, row, f"{repo} sent something else and it was thrown away: load again; if it stays so, report it")

    return hub.fetch(repo, revision, row.file, correct, key=row.sha256, offline=offline)


def sha256(path: Path) -> str:
    """The file's hash, read a megabyte at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check(path: Path, row: Weights, remedy: str) -> Path:
    """`path` if its size and hash are the row's.

    Raises:
        WeightsCorrupt: they are not; says both and what to do.
    """
    size = path.stat().st_size
    if size != row.size:
        raise WeightsCorrupt(f"{path} has {size} bytes, the manifest of {row.recipe} says {row.size}: {remedy}")
    if (found := sha256(path)) != row.sha256:
        raise WeightsCorrupt(f"{path} has the hash {found}, the manifest of {row.recipe} says {row.sha256}: {remedy}")
    return path


def fetch_ref(reference: str, *, offline: bool | None = None) -> tuple[Weights, Path]:
    """The row and verified file of a hub repository that `publish` filled.

    Args:
        reference: "hf://org/name@revision" with a 40-hex revision, so that what is loaded can never change.
        offline: as for `locate`.

    Raises:
        WeightsUnavailable: the reference is not of that form, or as `locate`.
    """
    row, place = _row_and_place(reference, offline)
    return row, from_hub(row, **place, offline=is_offline(offline))


def fetch_row(reference: str, *, offline: bool | None = None) -> Weights:
    """The row alone, with the reference's repository and revision as its `hub`; arguments and errors as of `fetch_ref`."""
    row, place = _row_and_place(reference, offline)
    return replace(row, hub=place)


def _row_and_place(reference: str, offline: bool | None) -> tuple[Weights, dict[str, str]]:
    match = REFERENCE.match(reference)
    if not match:
        raise WeightsUnavailable(
            f"{reference!r} is no hub reference: write hf://org/name@REVISION with 40 hexadecimal digits"
        )
    repo, revision, offline = match["repo"], match["revision"], is_offline(offline)
    path = hub.cached(repo, revision, ROW) or hub.fetch(repo, revision, ROW, manifest.read, offline=offline)
    return manifest.read(path), {"repo": repo, "revision": revision}


def verify() -> list[tuple[str, bool, str]]:
    """(recipe, whether all is well, what was found) for every manifest row; one bad row does not hide the others."""
    found = []
    for source in manifest.paths():
        try:
            row = manifest.read(source)
            path = locate(row)
            told = f"{row.size} bytes, sha256 {row.sha256[:12]}..., {path}"
            for entry in onnx_files(row):
                path = locate_onnx(row, step=entry is not row.onnx)
                told += f"; {entry['size']} bytes, sha256 {entry['sha256'][:12]}..., {path}"
            found.append((source.stem, True, told))
        except KerasRecipesError as error:
            found.append((source.stem, False, str(error)))
    return found

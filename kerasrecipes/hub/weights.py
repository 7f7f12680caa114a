"""Find the files of a manifest entry and verify them: in the package, then in the cache, then on the hub."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub import download, manifest
from kerasrecipes.hub.availability import describe_missing_file, describe_source, is_expected
from kerasrecipes.hub.download import is_offline
from kerasrecipes.hub.manifest import WeightsEntry
from kerasrecipes.utils.files import sha256_file

HUB_REFERENCE = re.compile(rf"hf://(?P<repo>{manifest.REPOSITORY.pattern})@(?P<revision>{manifest.REVISION.pattern})")
MANIFEST_FILE = "manifest.json"  # the entry's file in a hub repository


def find_entry(name: str, *, offline: bool | None = None) -> WeightsEntry:
    """Return the entry of a recipe, or of a hub reference "hf://org/name@revision".

    Raises:
        WeightsUnavailable: The recipe has no released weights, or the reference cannot be fetched.
    """
    return fetch_entry(name, offline=offline) if name.startswith("hf://") else manifest.get_entry(name)


def weights_path(row: WeightsEntry, *, offline: bool | None = None, packaged: bool = True) -> Path:
    """Return the path of an entry's verified weights file.

    Looks in the package or checkout, then in the hub's cache, then downloads the pinned revision. The hash is checked
    before anything parses the file.

    Args:
        row: Manifest entry.
        offline: Never use the network. Default: whether `KERASRECIPES_OFFLINE` or `HF_HUB_OFFLINE` is set.
        packaged: Look in the package first. False for entries of other repositories, whose files may have the same names.

    Raises:
        WeightsUnavailable: The file is nowhere to be found.
        WeightsCorrupted: The file does not match the entry.

    Example:
        >>> weights_path(manifest.get_entry("deepspeech2_small")).name
        'deepspeech2_small.weights.h5'
    """
    local = manifest.weights_folder() / row.file
    if packaged and local.is_file():
        return check_file(local, row, "restore it (git checkout, or install the package again)")
    if row.hub is None:
        raise WeightsUnavailable(describe_missing_file(row))
    return hub_weights_path(row, row.hub["repo"], row.hub["revision"], is_offline(offline))


def onnx_path(row: WeightsEntry, *, step: bool = False, offline: bool | None = None, packaged: bool = True) -> Path:
    """Return the path of an entry's verified ONNX file, with `step` of the file that takes chunks. See `weights_path`.

    Raises:
        WeightsUnavailable: No ONNX file is released, or it is nowhere to be found.
        WeightsCorrupted: The file does not match the entry, or was made from earlier weights.
    """
    entry = row.onnx.get("step") if step else row.onnx
    if not entry:
        raise WeightsUnavailable(
            f"{row.recipe} has no released ONNX file{' for chunks' if step else ''}. Write it: kerasrecipes export "
            f'{row.recipe} --output FOLDER, then load("FOLDER/{row.recipe}.onnx")'
        )
    if row.onnx["weights"] != row.sha256:
        raise WeightsCorrupted(
            f"{entry['file']} was made from earlier weights of {row.recipe}: kerasrecipes export {row.recipe} --release"
        )
    return weights_path(onnx_entry(row, entry), offline=offline, packaged=packaged)


def onnx_entry(row: WeightsEntry, entry: Mapping[str, Any]) -> WeightsEntry:
    """Return the entry with an ONNX file in place of its weights file."""
    return replace(row, **{key: entry[key] for key in ("file", "size", "sha256")})


def onnx_files(row: WeightsEntry) -> list[Mapping[str, Any]]:
    """Return the descriptions of all ONNX files of an entry."""
    return [entry for entry in (row.onnx, row.onnx.get("step")) if entry]


def hub_weights_path(row: WeightsEntry, repo: str, revision: str, offline: bool) -> Path:
    """Return the verified file from the cache. Download it if it is missing, or if its hash is wrong and there is a network."""
    if path := download.cached_path(repo, revision, row.file):
        try:
            return check_file(path, row, "this is the cached file: switch the network on and load again to replace it")
        except WeightsCorrupted:
            if offline:
                raise

    def check(path: Path) -> None:
        check_file(path, row, f"{repo} sent a wrong file, which was removed: load again; if this repeats, report it")

    return download.download_file(
        repo, revision, row.file, check, max_bytes=row.size, sha256=row.sha256, offline=offline
    )


def check_file(path: Path, row: WeightsEntry, remedy: str) -> Path:
    """Return `path` if its size and hash are the entry's.

    Raises:
        WeightsCorrupted: They differ; gives both values and the remedy.
    """
    size = path.stat().st_size
    if size != row.size:
        raise WeightsCorrupted(f"{path} has {size} bytes, the manifest of {row.recipe} says {row.size}: {remedy}")
    if (digest := sha256_file(path)) != row.sha256:
        raise WeightsCorrupted(
            f"{path} has the hash {digest}, the manifest of {row.recipe} says {row.sha256}: {remedy}"
        )
    return path


def fetch_from_reference(reference: str, *, offline: bool | None = None) -> tuple[WeightsEntry, Path]:
    """Return the entry and the verified weights file of a hub repository that `publish` filled.

    Args:
        reference: "hf://org/name@revision" with a revision of 40 hexadecimal digits, so its contents never change.
        offline: As for `weights_path`.

    Raises:
        WeightsUnavailable: The reference has another form, or the files cannot be fetched.
    """
    row = fetch_entry(reference, offline=offline)
    assert row.hub
    return row, hub_weights_path(row, **row.hub, offline=is_offline(offline))


def fetch_entry(reference: str, *, offline: bool | None = None) -> WeightsEntry:
    """Return the entry alone, with the reference's repository and revision as its `hub`. See `fetch_from_reference`."""
    match = HUB_REFERENCE.fullmatch(reference)
    if not match:
        raise WeightsUnavailable(
            f"{reference!r} is no hub reference: write hf://org/name@REVISION with 40 hexadecimal digits"
        )
    repo, revision = match["repo"], match["revision"]
    path = download.cached_path(repo, revision, MANIFEST_FILE) or download.download_file(
        repo, revision, MANIFEST_FILE, manifest.read_entry, max_bytes=manifest.MAX_ENTRY_BYTES, offline=is_offline(offline)
    )
    return replace(manifest.read_entry(path), hub={"repo": repo, "revision": revision})


def verify() -> list[tuple[str, bool | None, str]]:
    """Check the files of all manifest entries.

    Returns:
        (recipe, whether its files are right, details) for every entry. One bad entry does not stop the others. None stands for
        an entry whose files come with a checkout and not with the package.
    """
    results: list[tuple[str, bool | None, str]] = []
    for source in manifest.entry_paths():
        try:
            row = manifest.read_entry(source)
            paths = {row.file: partial(weights_path, row)}
            paths |= {entry["file"]: partial(onnx_path, row, step=entry is not row.onnx) for entry in onnx_files(row)}
            sums = {row.file: (row.size, row.sha256)} | {e["file"]: (e["size"], e["sha256"]) for e in onnx_files(row)}
            expected = [file for file in paths if row.hub or is_expected(row, file)]
            lines = [f"{sums[file][0]} bytes, sha256 {sums[file][1][:12]}..., {paths[file]()}" for file in expected]
            results.append((source.stem, True if lines else None, "; ".join(lines) or describe_source(row)))
        except KerasRecipesError as error:
            results.append((source.stem, False, str(error)))
    return results

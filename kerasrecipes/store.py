"""From a manifest row to a verified file: what came with the code, then the cache, then the hub."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from kerasrecipes import manifest
from kerasrecipes.errors import WeightsCorrupt, WeightsUnavailable
from kerasrecipes.manifest import Weights

REFERENCE = re.compile(r"^hf://(?P<repo>[^/@\s]+/[^/@\s]+)@(?P<revision>[0-9a-f]{40})$")
CHUNK = 1 << 20


def locate(row: Weights, *, offline: bool | None = None) -> Path:
    """The verified weights file of a row.

    Looks in the package or checkout, then in the hub's cache, then downloads at the row's pinned revision, resuming
    what an interrupted download left. The hash is checked before anything parses the file.

    Args:
        row: from the manifest.
        offline: never touch the network; default: `KERASRECIPES_OFFLINE=1` or `HF_HUB_OFFLINE=1`.

    Raises:
        WeightsUnavailable: the file is nowhere to be had. WeightsCorrupt: it is there and is not what the row says.
    """
    local = manifest.weights_folder() / row.file
    if local.is_file():
        return check(local, row, "restore it (git checkout, or install the package again)")
    if row.hub is None:
        raise WeightsUnavailable(
            f"The weights of {row.recipe} ({row.file}) are not published yet and not in {manifest.weights_folder()}. "
            f"Train them: kerasrecipes train {row.recipe} --resume"
        )
    repo, revision = row.hub["repo"], row.hub["revision"]
    path = hub_file(repo, revision, row.file, is_offline(offline))
    return check(path, row, f"it lies in the cache: delete {path} and load again")


def is_offline(offline: bool | None = None) -> bool:
    """Whether the network is off limits."""
    if offline is not None:
        return offline
    return any(
        os.environ.get(k, "0").lower() in ("1", "true", "yes", "on") for k in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE")
    )


def hub_file(repo: str, revision: str, name: str, offline: bool) -> Path:
    """A file of a hub repository at a 40-hex revision: from the cache without any request, else downloaded.

    huggingface-hub writes to a partial file under a lock and renames it when it is complete.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub import errors as hub

    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    cache = os.environ.get("HF_HUB_CACHE", constants.HF_HUB_CACHE)
    common: dict[str, Any] = {
        "repo_id": repo, "filename": name, "revision": revision, "endpoint": endpoint, "cache_dir": cache,
        "library_name": "kerasrecipes", "library_version": _version(),
    }  # fmt: skip
    try:
        return Path(hf_hub_download(**common, local_files_only=True))
    except (hub.LocalEntryNotFoundError, hub.EntryNotFoundError):
        pass
    if offline:
        raise WeightsUnavailable(
            f"{name} of {repo} is not in the cache {cache} and the network is switched off: "
            "unset KERASRECIPES_OFFLINE and HF_HUB_OFFLINE once to download it"
        )
    try:
        return Path(_retrying(lambda: hf_hub_download(**common)))
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.EntryNotFoundError) as error:
        if isinstance(error, hub.LocalEntryNotFoundError):  # the hub's word for "no connection"
            raise WeightsUnavailable(
                f"{repo} cannot be reached to download {name}: check the network, then load again"
            ) from error
        raise WeightsUnavailable(f"The hub has no {name} in {repo} at {revision[:12]}: update kerasrecipes") from error
    except hub.HfHubHTTPError as error:
        raise WeightsUnavailable(
            f"The hub answered with an error for {name} of {repo}: {error}; try again later"
        ) from error
    except PermissionError as error:
        raise WeightsUnavailable(
            f"The cache {cache} cannot be written ({error}): set HF_HUB_CACHE to a folder that can"
        ) from error
    except OSError as error:
        raise WeightsUnavailable(
            f"Downloading {name} of {repo} broke off ({error}): load again, it goes on where it stopped"
        ) from error


def _retrying(download, attempts: int = 4, wait: float = 0.5):
    """Call again after a server error or a broken connection, waiting longer each time."""
    import time

    from huggingface_hub import errors as hub

    for attempt in range(attempts):
        try:
            return download()
        except (hub.HTTPError, OSError) as error:  # HTTPError: of the client library that the hub package uses
            response = getattr(error, "response", None)
            final = isinstance(error, PermissionError | NotADirectoryError | hub.LocalEntryNotFoundError)
            if final or (response is not None and response.status_code < 500) or attempt == attempts - 1:
                raise error if isinstance(error, OSError) else OSError(str(error)) from error
            time.sleep(wait * 2**attempt)


def _version() -> str:
    from kerasrecipes import __version__

    return __version__


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


def fetch_ref(reference: str) -> tuple[Weights, Path]:
    """The row and verified file of a hub repository that `publish` filled.

    Args:
        reference: "hf://org/name@revision" with a 40-hex revision, so that what is loaded can never change.

    Raises:
        WeightsUnavailable: the reference is not of that form, or as `locate`.
    """
    match = REFERENCE.match(reference)
    if not match:
        raise WeightsUnavailable(
            f"{reference!r} is no hub reference: write hf://org/name@REVISION with 40 hexadecimal digits"
        )
    repo, revision = match["repo"], match["revision"]
    offline = is_offline()
    row = manifest.read(hub_file(repo, revision, "manifest.json", offline))
    path = hub_file(repo, revision, row.file, offline)
    return row, check(path, row, f"it lies in the cache: delete {path} and load again")


def verify() -> list[tuple[str, bool, str]]:
    """(recipe, whether all is well, what was found) for every manifest row."""
    found = []
    for name, row in manifest.rows().items():
        try:
            path = locate(row)
            found.append((name, True, f"{row.size} bytes, sha256 {row.sha256[:12]}..., {path}"))
        except (WeightsUnavailable, WeightsCorrupt) as error:
            found.append((name, False, str(error)))
    return found

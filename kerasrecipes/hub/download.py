"""Files of hub repositories at a pinned revision, in huggingface-hub's cache. A file that fails its check is removed."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import WeightsUnavailable
from kerasrecipes.utils.environment import user_folder
from kerasrecipes.utils.files import first_line

UNWRITABLE_ERRNO = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT)


def is_offline(offline: bool | None = None) -> bool:
    """Return `offline` if it is given, else whether `KERASRECIPES_OFFLINE` or `HF_HUB_OFFLINE` is set."""
    if offline is not None:
        return offline
    switches = (os.environ.get(name, "0").lower() for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"))
    return any(switch in ("1", "true", "yes", "on") for switch in switches)


def cache_folder() -> Path:
    """Return the hub's cache: `HF_HUB_CACHE`, else the default of huggingface-hub."""
    from huggingface_hub import constants

    return user_folder("HF_HUB_CACHE", constants.HF_HUB_CACHE)


def cached_path(repo: str, revision: str, name: str) -> Path | None:
    """Return a file's path in the cache, or None if it is not there. Makes no request and writes nothing."""
    path = cache_folder() / f"models--{repo.replace('/', '--')}" / "snapshots" / revision / name
    return path if path.is_file() else None


def download_file(
    repo: str, revision: str, name: str, check: Callable[[Path], Any], *, offline: bool = False
) -> Path:  # fmt: skip
    """Download a file into the cache in place of a cached one, and check it.

    Args:
        repo: "org/name".
        revision: Commit hash of 40 hexadecimal digits.
        name: File name in the repository.
        check: Raises an error for a wrong file, which is then removed from the cache.
        offline: Make no request and raise instead. Default False.

    Raises:
        WeightsUnavailable: There is no network, the hub does not have the file, or the cache cannot be written.
    """
    from huggingface_hub import hf_hub_download

    from kerasrecipes import __version__

    if offline:
        raise WeightsUnavailable(
            f"{name} of {repo} is not in the cache {cache_folder()} and the network is switched off: "
            "unset KERASRECIPES_OFFLINE and HF_HUB_OFFLINE once to download it"
        )
    with translate_errors(repo, revision, name):
        if stale := cached_path(repo, revision, name):
            remove_from_cache(stale)
        path = Path(
            hf_hub_download(
                repo, name, revision=revision, cache_dir=cache_folder(), endpoint=os.environ.get("HF_ENDPOINT"),
                library_name="kerasrecipes", library_version=__version__,
            )
        )  # fmt: skip
    try:
        check(path)
    except Exception:
        remove_from_cache(path)
        raise
    return path


def remove_from_cache(path: Path) -> None:
    """Remove a file, and the blob that it links to, so that the next download starts anew."""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)


@contextmanager
def translate_errors(repo: str, revision: str, name: str) -> Iterator[None]:
    """Turn every error of a download into a `WeightsUnavailable` that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except (ImportError, ValueError) as error:  # of a proxy's address
        raise WeightsUnavailable(
            f"{name} of {repo} cannot be downloaded ({first_line(error)}): check the proxy in ALL_PROXY, HTTPS_PROXY or HTTP_PROXY; "
            'a SOCKS proxy needs pip install "httpx[socks]"'
        ) from error
    except (errors.HTTPError, OSError) as error:
        cause: BaseException = error
        if (
            isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__
        ):  # the request for the file's metadata failed
            cause = error.__cause__
        missing = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError)
        if isinstance(cause, missing):
            message = (
                f"{name} was not found in {repo} at revision {revision[:12]}: if the repository is private, log in with "
                "`hf auth login`, otherwise update kerasrecipes"
            )
        elif isinstance(cause, errors.HfHubHTTPError) and cause.response.status_code in (401, 403):
            message = (
                f"The hub refuses {name} of {repo} to this login ({first_line(cause)}): log in with `hf auth login`, or correct or "
                "unset HF_TOKEN"
            )
        elif isinstance(cause, errors.HfHubHTTPError):
            message = f"The hub answered for {name} of {repo}: {first_line(cause)}; try again later"
        elif isinstance(cause, OSError) and cause.errno in UNWRITABLE_ERRNO:
            message = (
                f"The cache {cache_folder()} cannot be written ({cause}): set HF_HUB_CACHE to a folder that can be"
            )
        else:
            message = (
                f"The hub cannot be reached to download {name} of {repo} ({first_line(cause)}): check the network and load "
                "again"
            )
        raise WeightsUnavailable(message) from error

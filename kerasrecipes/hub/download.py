"""Files of hub repositories at a pinned revision, in huggingface-hub's cache. A file that fails its check is removed."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub.transfer import Transfer, is_temporary
from kerasrecipes.utils.environment import user_folder
from kerasrecipes.utils.files import first_line

FULL_ERRNO = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DEFAULT_ENDPOINT = "https://huggingface.co"
UNWRITABLE_ERRNO = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, *FULL_ERRNO)


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


def hub_endpoint() -> str:
    """Return the hub's address: `HF_ENDPOINT`, else that of Hugging Face.

    Raises:
        WeightsUnavailable: `HF_ENDPOINT` is no address of a web server.
    """
    address = os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        valid = False
    if not valid:
        raise WeightsUnavailable(f"HF_ENDPOINT is {address!r}: set it to an address such as {DEFAULT_ENDPOINT}, or unset it")
    return address


def repo_folder(repo: str) -> Path:
    """Return the folder of a repository in the cache."""
    return cache_folder() / f"models--{repo.replace('/', '--')}"


def cached_path(repo: str, revision: str, name: str) -> Path | None:
    """Return a file's path in the cache, or None if it is not there. Makes no request and writes nothing."""
    path = repo_folder(repo) / "snapshots" / revision / name
    return path if path.is_file() else None


def download_file(
    repo: str, revision: str, name: str, check: Callable[[Path], Any], *, max_bytes: int, sha256: str | None = None,
    offline: bool = False,
) -> Path:  # fmt: skip
    """Download a file into the cache in place of a cached one, and check it.

    Args:
        repo: "org/name".
        revision: Commit hash of 40 hexadecimal digits.
        name: File name in the repository.
        check: Raises an error for a wrong file, which is then removed.
        max_bytes: Size of the file, or the largest size that it may have. No more is read.
        sha256: Hash of the file, with which an interrupted download can be continued. Default: unknown.
        offline: Make no request and raise instead. Default False.

    Raises:
        WeightsUnavailable: There is no network, the hub does not have the file, or the cache cannot be written.
        WeightsCorrupted: The hub sends another file.
    """
    from kerasrecipes import __version__

    if offline:
        raise WeightsUnavailable(
            f"{name} of {repo} is not in the cache {cache_folder()} and the network is switched off: "
            "unset KERASRECIPES_OFFLINE and HF_HUB_OFFLINE once to download it"
        )
    endpoint = hub_endpoint()
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, tqdm

    with translate_errors(repo, revision, name):
        url = hf_hub_url(repo, name, revision=revision, endpoint=endpoint)
        headers = build_hf_headers(library_name="kerasrecipes", library_version=__version__)
        blobs = repo_folder(repo) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        partial = blobs / f"{sha256 or f'{revision}-{name}'}.incomplete"
        locks = cache_folder() / ".locks" / repo_folder(repo).name
        locks.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(locks / f"{partial.stem}.lock"):
            if path := cached_path(repo, revision, name):
                try:
                    check(path)
                    return path  # another process was faster
                except KerasRecipesError:
                    remove_from_cache(path)
            transfer = Transfer(url, headers, partial, max_bytes, f"{name} of {repo}", resume=sha256 is not None)
            try:
                with tqdm(total=max_bytes if sha256 else None, unit="B", unit_scale=True, desc=name[-40:]) as progress:
                    transfer.download(progress)
                check(partial)
            except BaseException as error:
                if sha256 is None or isinstance(error, WeightsCorrupted):
                    partial.unlink(missing_ok=True)
                raise
            return move_into_cache(partial, repo, revision, name, sha256)


def move_into_cache(partial: Path, repo: str, revision: str, name: str, digest: str | None) -> Path:
    """Give a complete file its name in the cache, as huggingface-hub does: a blob named after its hash, and a link to it."""
    if digest is None:  # small files have git's own hash there
        content = partial.read_bytes()
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    blob = partial.with_name(digest)
    path = repo_folder(repo) / "snapshots" / revision / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(blob)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # a system without links
        blob.replace(path)
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
    except ValueError as error:  # of a header
        raise WeightsUnavailable(
            f"{name} of {repo} cannot be downloaded ({first_line(error)}): correct or unset HF_TOKEN and HF_ENDPOINT"
        ) from error
    except (errors.HTTPError, OSError) as cause:
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
            advice = "try again later" if is_temporary(cause) else "check HF_ENDPOINT and the proxy, or update kerasrecipes"
            message = f"The hub answered for {name} of {repo}: {first_line(cause)}; {advice}"
        elif isinstance(cause, OSError) and cause.errno in UNWRITABLE_ERRNO:
            advice = "make room there, or " if cause.errno in FULL_ERRNO else ""
            message = (
                f"The cache {cache_folder()} cannot be written ({cause}): {advice}set HF_HUB_CACHE to a folder that can be"
            )
        else:
            message = (
                f"The hub cannot be reached to download {name} of {repo} ({first_line(cause)}): check the network and load "
                "again"
            )
        raise WeightsUnavailable(message) from cause

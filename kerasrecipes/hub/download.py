"""Files of hub repositories at a pinned revision: found in the cache, or downloaded under a lock, resumed and checked.

`hf_hub_download` throws away what an interrupted process had received, and gives a file its final name before anyone
could compare hashes. So the transfer is done here, with huggingface-hub's session, login, lock and cache layout (the one
without links), and its tools list and remove what lies there.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kerasrecipes.errors import WeightsUnavailable

ATTEMPTS = 4  # in a row without a new byte
RETRY_DELAY = 0.5  # seconds before the second one, doubled for each further one
TIMEOUT = 10.0  # seconds without an answer
CHUNK = 1 << 16  # bytes: at most this much is fetched twice after an interruption
RETRY_STATUS = (408, 429, 500, 502, 503, 504)
UNWRITABLE_ERRNO = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT)


def is_offline(offline: bool | None = None) -> bool:
    """Whether the network is off limits: as said, else by `KERASRECIPES_OFFLINE` or `HF_HUB_OFFLINE`."""
    if offline is not None:
        return offline
    switches = (os.environ.get(k, "0").lower() for k in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"))
    return any(switch in ("1", "true", "yes", "on") for switch in switches)


def cache_folder() -> Path:
    """The hub's cache: `HF_HUB_CACHE`, else huggingface-hub's own choice."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def cached(repo: str, revision: str, name: str) -> Path | None:
    """The file's place in the cache, None if it is not there. Makes no request and writes nothing."""
    path = _folder(repo) / "snapshots" / revision / name
    return path if path.is_file() else None


def fetch(
    repo: str, revision: str, name: str, check: Callable[[Path], Any], *, key: str | None = None, offline: bool = False
) -> Path:
    """Download a file into the cache; it gets its name there only after `check` has passed.

    Two processes at once download once. What an interruption left is continued, in this process or the next.

    Args:
        repo: "org/name". revision: 40 hexadecimal digits. name: of the file.
        check: raises if the whole file is not what it should be; then the download is thrown away.
        key: names the partial file and the lock: the file's sha256 where it is known.
        offline: make no request; a file that is needed is then missing.

    Raises:
        WeightsUnavailable: no network, not on the hub, or the cache cannot be written; says which and what to do.
    """
    from huggingface_hub.utils import WeakFileLock

    folder, cache = _folder(repo), cache_folder()
    key = key or f"{revision}-{name}"
    final = folder / "snapshots" / revision / name
    partial = folder / "blobs" / f"{key}.incomplete"
    lock = cache / ".locks" / folder.name / f"{key}.lock"
    if offline:
        raise WeightsUnavailable(
            f"{name} of {repo} is not in the cache {cache} and the network is switched off: "
            "unset KERASRECIPES_OFFLINE and HF_HUB_OFFLINE once to download it"
        )
    before = _file_identity(final)
    with _translate_errors(repo, revision, name):
        for path in (final, partial, lock):
            path.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if before != _file_identity(final):  # another process was quicker
                check(final)
                return final
            _download_with_retries(repo, revision, name, partial)
            try:
                check(partial)
            except Exception:
                partial.unlink()
                raise
            partial.replace(final)
    return final


def _folder(repo: str) -> Path:
    """Where the hub's cache keeps a repository."""
    return cache_folder() / f"models--{repo.replace('/', '--')}"


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Tells one file from its replacement."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


def _download_with_retries(repo: str, revision: str, name: str, partial: Path) -> None:
    """Fill `partial`, trying again after a server error or a broken connection as long as bytes arrive."""
    from huggingface_hub import errors, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    from kerasrecipes import __version__

    url = hf_hub_url(repo, name, revision=revision, endpoint=os.environ.get("HF_ENDPOINT"))
    headers = build_hf_headers(library_name="kerasrecipes", library_version=__version__)
    failures = 0
    while True:
        have = partial.stat().st_size if partial.exists() else 0
        try:
            return _download_chunk_stream(url, headers, partial, have, name)
        except errors.HTTPError as error:  # of the client library: a status, or a connection that failed or broke off
            response = getattr(error, "response", None)
            if response is not None and response.status_code == 416:  # we already have it all, or more than there is
                return None
            more = partial.exists() and partial.stat().st_size > have
            failures = 0 if more else failures + 1
            if failures == ATTEMPTS or (response is not None and response.status_code not in RETRY_STATUS):
                raise
            time.sleep(RETRY_DELAY * 2 ** max(failures - 1, 0))


def _download_chunk_stream(url: str, headers: dict[str, str], partial: Path, have: int, name: str) -> None:
    """One request for everything from byte `have` on, appended to `partial`."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status, tqdm

    # no compression: positions must be those of the file
    headers = headers | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != 206:  # the server sends the whole file
            have = 0
        size = int(answer.headers.get("Content-Length", 0)) + have
        with open(partial, "ab" if have else "wb") as file, _progress_bar(tqdm, size, have, name) as bar:
            for chunk in answer.iter_bytes(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _progress_bar(tqdm: Any, size: int, have: int, name: str) -> Any:
    """A progress bar, only on a terminal."""
    return tqdm(total=size or None, initial=have, unit="B", unit_scale=True, desc=name, disable=None, leave=False)


@contextmanager
def _translate_errors(repo: str, revision: str, name: str) -> Iterator[None]:
    """Turn what can go wrong on the way into one error that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        raise WeightsUnavailable(
            f"The hub has no {name} in {repo} at {revision[:12]}, or not for you: update kerasrecipes, "
            "or log in with `hf auth login` if the repository is private"
        ) from error
    except errors.HfHubHTTPError as error:
        raise WeightsUnavailable(
            f"The hub answered for {name} of {repo}: {first_line(error)}; try again later"
        ) from error
    except (errors.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE_ERRNO:
            raise WeightsUnavailable(
                f"The cache {cache_folder()} cannot be written ({error}): set HF_HUB_CACHE to a folder that can"
            ) from error
        raise WeightsUnavailable(
            f"The hub cannot be reached to download {name} of {repo} ({first_line(error)}): "
            "check the network and load again; a download that broke off goes on where it stopped"
        ) from error


def first_line(error: Exception) -> str:
    """What an error says, without the advice that the client libraries add to it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]

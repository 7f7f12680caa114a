"""onnxruntime-web, which runs networks in a browser: fetched once at one version, checked, and kept in the package's cache."""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import filelock

from kerasrecipes.errors import KerasRecipesError, WeightsCorrupted, WeightsUnavailable
from kerasrecipes.hub.download import is_offline
from kerasrecipes.utils.files import atomic_write, first_line
from kerasrecipes.utils.private_folder import is_trusted_file, make_private_folder
from kerasrecipes.utils.writable_cache import make_cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
NPM_SECONDS = 600  # for an archive of 33 MB


@dataclass(frozen=True)
class RuntimeFile:
    """A file of the runtime.

    Args:
        source: Path in the package of npm.
        size: Its bytes.
        sha256: Its hash.
    """

    source: str
    size: int
    sha256: str


# name that pages load -> file; WebAssembly is compressed by gzip, because simple hosts do not compress it (14.2 -> 3.7 MB)
RUNTIME_FILES = {
    "ort.mjs": RuntimeFile(
        "dist/ort.wasm.bundle.min.mjs", 73_054, "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"
    ),
    "ort.wasm.gz": RuntimeFile(
        "dist/ort-wasm-simd-threaded.wasm", 14_239_897, "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}


def runtime_paths(*, offline: bool | None = None) -> dict[str, Path]:
    """Return the paths of the runtime's verified files by the names of `RUNTIME_FILES`, after fetching those that the cache lacks.

    They come by npm, with the registry and the proxy of its configuration.

    Args:
        offline: Never use the network. Default: whether `KERASRECIPES_OFFLINE` or `HF_HUB_OFFLINE` is set.

    Raises:
        KerasRecipesError: A file is missing and cannot be fetched. The message says what to do.
    """
    folder = make_private_folder(make_cache_folder("web") / f"{PACKAGE}-{VERSION}")
    paths = {name: folder / name for name in RUNTIME_FILES}
    with filelock.FileLock(folder / ".lock"):
        missing = [name for name, path in paths.items() if not is_complete(path, RUNTIME_FILES[name])]
        if missing and is_offline(offline):
            raise KerasRecipesError(
                f"{PACKAGE} {VERSION}, which runs the network in the browser, is not in {folder} and the network is switched off: unset "
                "KERASRECIPES_OFFLINE and HF_HUB_OFFLINE once to download it, or copy this folder from a machine that has it"
            )
        if missing:
            fetch_files({name: paths[name] for name in missing})
    return paths


def is_complete(path: Path, file: RuntimeFile) -> bool:
    """Return whether a file in the cache is the right one."""
    if not is_trusted_file(path):
        return False
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as opened:
            content = opened.read(file.size + 1)
    except (OSError, EOFError):  # a damaged file
        return False
    return hashlib.sha256(content).hexdigest() == file.sha256


def fetch_files(paths: dict[str, Path]) -> None:
    """Fetch files by npm, and write them if their hashes are right.

    Raises:
        KerasRecipesError: npm is not installed or fails, or a file is not the known one.
    """
    folder = next(iter(paths.values())).parent
    try:
        if not shutil.which("npm"):
            raise WeightsUnavailable("npm is not installed")
        with tempfile.TemporaryDirectory(dir=folder) as work:
            contents = read_from_npm([RUNTIME_FILES[name] for name in paths], Path(work))
    except KerasRecipesError as error:
        raise KerasRecipesError(
            f"{PACKAGE} {VERSION}, which runs the network in the browser, cannot be fetched ({error}): install Node.js, which brings npm, "
            f"check the network and npm's registry, or copy the folder {folder} from a machine that has it"
        ) from error
    for (name, path), content in zip(paths.items(), contents, strict=True):
        atomic_write(path, gzip.compress(content, 9, mtime=0) if name.endswith(".gz") else content)


def read_from_npm(files: list[RuntimeFile], work: Path) -> list[bytes]:
    """Return the contents of files from the archive of npm."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{VERSION}", "--pack-destination", str(work)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=NPM_SECONDS)
        with tarfile.open(next(work.glob("*.tgz"))) as archive:
            return [check_content(read_member(archive, file), file) for file in files]
    except (OSError, StopIteration, subprocess.SubprocessError, tarfile.TarError, KeyError, EOFError) as error:
        raise WeightsUnavailable(f"npm: {first_line(error)}") from error


def read_member(archive: tarfile.TarFile, file: RuntimeFile) -> bytes:
    """Return the bytes of a file in the archive, at most one more than it should have."""
    member = archive.extractfile(f"package/{file.source}")
    return member.read(file.size + 1) if member else b""


def check_content(content: bytes, file: RuntimeFile) -> bytes:
    """Return the content if it has the hash of a file.

    Raises:
        WeightsCorrupted: It has another.
    """
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise WeightsCorrupted(f"{file.source} is not the file of version {VERSION}")
    return content

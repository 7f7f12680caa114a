"""Start of `kerasrecipes look`: the model, the reader's files, the folder that keeps results, and the port."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasrecipes.audio import list_audio_files
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.image import list_image_files
from kerasrecipes.serving.look_app import LookState
from kerasrecipes.serving.open_inspector import open_inspector
from kerasrecipes.utils.writable_cache import make_cache_folder


def make_state(
    name: str, files: Any, value_range: tuple[float, float], log: Callable[[str], None], cache: Path | None = None
) -> LookState:
    """Return the state of a server, with jobs that have not started.

    Args:
        name: See `open_inspector`.
        files: Folder of images or recordings, or None.
        value_range: See `open_inspector`.
        log: Called with a line for each part.
        cache: Folder that keeps synthesized images and the state of the scan. Default: a folder for the model and its weights
            in the package's cache.

    Raises:
        KerasRecipesError: The model or the folder cannot be used.
    """
    inspector = open_inspector(name, value_range)
    paths = list_files(inspector.kind, files)
    state = LookState(inspector, paths)
    if not inspector.can_synthesize:
        return state
    from kerasrecipes.serving.scan_job import ScanJob
    from kerasrecipes.serving.synthesis_jobs import IMAGE_SETTINGS, NUM_RESTARTS, SynthesisJobs
    from kerasrecipes.visualize.synthesis_cache import weights_hash

    if cache is None:
        cache = make_cache_folder("look") / f"{inspector.name}-{weights_hash(inspector.model)}"
    cache.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"num_restarts": NUM_RESTARTS}
    if inspector.kind == "image":
        options |= {**IMAGE_SETTINGS, "value_range": value_range}
        if paths:
            state.scan = ScanJob(inspector, paths, cache, state.errors.append)
    state.synthesis = SynthesisJobs(inspector.model, cache / "synthesized", options)
    log(f"synthesized images are kept in {cache / 'synthesized'}")
    return state


def list_files(kind: str, source: Any) -> list[str]:
    """Return the paths of the reader's images or recordings.

    Raises:
        ImageError: The folder holds no images.
        AudioError: The folder holds no audio.
    """
    if source is None:
        return []
    return [str(path) for path in (list_image_files(source) if kind == "image" else list_audio_files(source))]


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before a model is loaded for nothing.

    Raises:
        KerasRecipesError: The port is taken, or the address is none of this machine.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise KerasRecipesError(
            f"Port {port} of {host} cannot be used ({error}): choose another one, --port 0 takes a free one"
        ) from error

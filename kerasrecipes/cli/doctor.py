"""What works on this machine, and why not."""

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator

from kerasrecipes._lazy import BACKENDS, choose_backend
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.hub import weights as hub_weights


def run_checks() -> list[tuple[str, bool, str]]:
    """(what, whether it works, details), one row per part."""
    return [
        row
        for check in (
            check_python,
            check_backend,
            check_devices,
            check_audio,
            check_tfio,
            check_beam_search,
            check_cache,
            check_hub,
            check_weights,
            check_engines,
        )
        for row in check()
    ]


def package_version(package: str) -> str | None:
    """The package's version, None where it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_python() -> Iterator[tuple[str, bool, str]]:
    from kerasrecipes import __version__

    yield "python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}, kerasrecipes {__version__}"


def check_backend() -> Iterator[tuple[str, bool, str]]:
    found = [
        f"{n} {package_version(n) or package_version(f'{n}-cpu')}" for n in BACKENDS if importlib.util.find_spec(n)
    ]
    try:
        yield (
            "backend",
            True,
            f"{choose_backend()} is used; installed: {', '.join(found)}; keras {package_version('keras')}",
        )
    except KerasRecipesError as error:
        yield "backend", False, str(error)


def check_devices() -> Iterator[tuple[str, bool, str]]:
    try:
        from kerasrecipes._lazy import keras

        yield "devices", True, f"{', '.join(keras.distribution.list_devices()) or 'cpu'}; {os.cpu_count()} cores"
    except Exception as error:
        yield "devices", False, f"the backend does not start: {error}"


def check_audio() -> Iterator[tuple[str, bool, str]]:
    try:
        import soundfile

        formats = sorted({"WAV", "FLAC", "OGG", "MP3"} & set(soundfile.available_formats()))
        missing = "" if "MP3" in formats else "; libsndfile is older than 1.1 and cannot read MP3"
        yield "audio", True, f"libsndfile {soundfile.__libsndfile_version__} reads {', '.join(formats)}{missing}"
    except (ImportError, OSError) as error:
        yield "audio", False, f"soundfile does not load: {error}; pip install soundfile"


def check_tfio() -> Iterator[tuple[str, bool, str]]:
    if not importlib.util.find_spec("tensorflow_io"):
        yield "tfio", False, "tensorflow-io is not installed; soundfile reads all audio (optional: kerasrecipes[tfio])"
        return
    from kerasrecipes.data.tf_dataset import tfio_usable

    ok = tfio_usable()
    why = "decodes in the graph" if ok else "its binary does not fit this TensorFlow; soundfile is used"
    yield "tfio", ok, f"tensorflow-io {package_version('tensorflow-io')} {why}"


def check_beam_search() -> Iterator[tuple[str, bool, str]]:
    missing = [p for p in ("flashlight-text", "kenlm") if not package_version(p)]
    if missing:
        yield "beam", False, f"{', '.join(missing)} missing; no language models (optional: kerasrecipes[lm])"
    else:
        models = ", ".join(manifest.language_models()) or "none"
        yield (
            "beam",
            True,
            f"flashlight-text {package_version('flashlight-text')}, kenlm {package_version('kenlm')}; models: {models}",
        )


def check_cache() -> Iterator[tuple[str, bool, str]]:
    from huggingface_hub import constants

    folder = os.path.abspath(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)
    exists = next(p for p in (folder, *parents(folder)) if os.path.isdir(p))
    ok = os.access(exists, os.W_OK)
    yield "cache", ok, f"{folder} {'can' if ok else 'cannot'} be written" + ("" if ok else ": set HF_HUB_CACHE")


def parents(path: str) -> Iterator[str]:
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield path


def check_hub() -> Iterator[tuple[str, bool, str]]:
    if hub_weights.is_offline():
        yield "hub", False, "switched off by KERASRECIPES_OFFLINE or HF_HUB_OFFLINE; bundled and cached weights work"
        return
    import urllib.request

    from huggingface_hub import constants

    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=3).close()
        yield "hub", True, "answers"
    except OSError as error:
        yield "hub", False, f"cannot be reached ({type(error).__name__}); bundled and cached weights work"


def check_weights() -> Iterator[tuple[str, bool, str]]:
    rows = manifest.entries()
    at_hand = [n for n, row in rows.items() if (manifest.weights_folder() / row.file).is_file()]
    yield "weights", bool(rows), f"{len(rows)} released, {len(at_hand)} at hand: {', '.join(at_hand) or 'none'}"


def check_engines() -> Iterator[tuple[str, bool, str]]:
    from kerasrecipes import engines
    from kerasrecipes.engines import onnx_cache

    found = engines.installed()
    missing = [name for name in engines.ENGINES if name not in found]
    if not found:
        yield "engine", False, f'no engine is installed: pip install {missing[0]}; "auto" means keras'
        return
    ready = [
        n
        for n, row in manifest.entries().items()
        if engines.supports_recipe(n) and (row.onnx or onnx_cache.is_cached(row))
    ]
    told = ", ".join(f"{name} {package_version(name)}" for name in found)
    order = " before ".join(engines.ENGINES)
    yield (
        "engine",
        True,
        f'{told}; engine="auto" takes {found[0]}, the first installed of those that compute in float32, the fastest first ({order}: '
        f"measured by benchmarks/engines.py; bf16 is never taken), for recipes with an ONNX file: {', '.join(ready) or 'none yet'}; "
        "keras for all others",
    )

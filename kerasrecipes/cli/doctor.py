"""Command that checks what works on this machine: doctor."""

import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator

from kerasrecipes._lazy import BACKENDS, choose_backend
from kerasrecipes.cli.progress import print_line
from kerasrecipes.cli.sections import command, option
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.hub import weights as hub_weights
from kerasrecipes.hub.download import cache_folder, hub_endpoint

HUB_SECONDS = 5.0
READERS = (
    "soundfile", "soxr", "pillow", "h5py", "numpy", "pyyaml", "onnxruntime", "openvino", "kenlm", "ctc-beam-decoder", "pyarrow",
    "av", "huggingface-hub",
)  # fmt: skip

Check = tuple[str, bool, str]  # name, whether it works, details


@command("doctor")
@option("--backend", is_flag=True, help="Start the backend, which takes seconds, and list its devices.")
def run_doctor(backend) -> int:
    """Check what works on this machine: backend, engines, devices, audio, cache, hub."""
    checks = run_checks(backend)
    for name, ok, text in checks:
        print_line(f"{'ok ' if ok else '-- '} {name:10} {text}")
    working = {name for name, ok, _ in checks if ok}
    return 0 if "audio" in working and working & {"backend", "engine"} else 1


def run_checks(start_backend: bool = False) -> list[Check]:
    """Run all checks.

    Args:
        start_backend: Also run those that import a backend. Default: they say how to run them.
    """
    in_backend = (check_devices, check_tfio) if start_backend else (name_backend_checks,)
    checks = (
        check_python, check_backend, *in_backend, check_audio, check_readers, check_beam_search, check_cache, check_hub,
        check_weights, check_engines,
    )  # fmt: skip
    return [row for check in checks for row in check()]


def name_backend_checks() -> Iterator[Check]:
    if importlib.util.find_spec("keras"):
        yield "devices", True, f"{os.cpu_count()} cores; `kerasrecipes doctor --backend` starts the backend and lists its devices"
    else:
        yield "devices", True, f"{os.cpu_count()} cores; engines run on the CPU"


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_python() -> Iterator[Check]:
    from kerasrecipes import __version__

    yield "python", sys.version_info >= (3, 11), f"{sys.version.split()[0]}, kerasrecipes {__version__}"


def check_backend() -> Iterator[Check]:
    installed = [
        f"{n} {package_version(n) or package_version(f'{n}-cpu')}" for n in BACKENDS if importlib.util.find_spec(n)
    ]
    try:
        text = f"{choose_backend(start=False)} is used; installed: {', '.join(installed)}; keras {package_version('keras')}"
        yield "backend", True, text
    except KerasRecipesError as error:
        yield "backend", False, str(error)


def check_devices() -> Iterator[Check]:
    try:
        choose_backend()
        from kerasrecipes.training.precision import AUTO, list_devices, resolve_dtype_policy

        yield "devices", True, f"{', '.join(list_devices())}; {os.cpu_count()} cores; training in {resolve_dtype_policy(AUTO)}"
    except Exception as error:
        yield "devices", False, f"the backend does not start: {error}"


def check_audio() -> Iterator[Check]:
    try:
        import soundfile

        from kerasrecipes.utils.media_decoding import INSTALL_HINT, find_decoder

        formats = sorted({"WAV", "FLAC", "OGG", "MP3"} & set(soundfile.available_formats()))
        missing = "" if "MP3" in formats else "; libsndfile is older than 1.1 and cannot read MP3"
        yield "audio", True, f"libsndfile {soundfile.__libsndfile_version__} reads {', '.join(formats)}{missing}"
        decoder = {"ffmpeg": "ffmpeg", "av": "PyAV"}.get(find_decoder())
        yield "media", bool(decoder), f"{decoder} reads m4a, webm, mp4 and others" if decoder else INSTALL_HINT
    except (ImportError, OSError) as error:
        yield "audio", False, f"soundfile does not load: {error}; pip install soundfile"


def check_readers() -> Iterator[Check]:
    """Name the libraries that read files from elsewhere, besides libsndfile and the backend: see SECURITY.md."""
    from PIL import features

    versions = {package: version for package in READERS if (version := package_version(package))}
    images = {name: version for name in ("jpg", "libtiff", "webp", "avif") if (version := features.version(name))}
    yield "readers", True, ", ".join(f"{name} {version}" for name, version in (versions | images).items())


def check_tfio() -> Iterator[Check]:
    if not importlib.util.find_spec("tensorflow_io"):
        yield "tfio", False, "tensorflow-io is not installed; soundfile reads all audio (optional: kerasrecipes[tfio])"
        return
    from kerasrecipes.data.tf_dataset import tfio_usable

    ok = tfio_usable()
    why = "decodes in the graph" if ok else "its binary does not fit this TensorFlow; soundfile is used"
    yield "tfio", ok, f"tensorflow-io {package_version('tensorflow-io')} {why}"


def check_beam_search() -> Iterator[Check]:
    from kerasrecipes.decoding.decoders import DECODERS
    from kerasrecipes.decoding.word_beam_search import INSTALL_HINT

    hints = {"beam": INSTALL_HINT, "lexicon": "optional: kerasrecipes[lm]"}
    for decoder, hint in hints.items():
        packages = DECODERS[decoder].packages
        if missing := [name for name in packages if not package_version(name)]:
            yield decoder, False, f"no language models in this decoder: {', '.join(missing)} missing ({hint})"
        else:
            versions = ", ".join(f"{name} {package_version(name)}" for name in packages)
            yield decoder, True, f"{versions}; models: {', '.join(manifest.language_models()) or 'none'}"


def check_cache() -> Iterator[Check]:
    try:
        folder = cache_folder().absolute()
    except KerasRecipesError as error:
        yield "cache", False, str(error)
        return
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    ok = os.access(existing, os.W_OK)
    yield "cache", ok, f"{folder} {'is writable' if ok else 'is not writable: set HF_HUB_CACHE'}"


def check_hub() -> Iterator[Check]:
    if hub_weights.is_offline():
        yield "hub", False, "switched off by KERASRECIPES_OFFLINE or HF_HUB_OFFLINE; bundled and cached weights work"
        return
    import urllib.request

    try:
        request = urllib.request.Request(hub_endpoint(), method="HEAD")
    except KerasRecipesError as error:
        yield "hub", False, str(error)
        return
    problems = ["TimeoutError"]

    def send_request() -> None:
        try:
            urllib.request.urlopen(request, timeout=3).close()
            problems.clear()
        except Exception as error:
            problems[:] = [type(error).__name__]

    thread = threading.Thread(target=send_request, daemon=True)  # an answer can have no end
    thread.start()
    thread.join(HUB_SECONDS)
    if problems:
        yield "hub", False, f"cannot be reached ({problems[0]}); bundled and cached weights work"
    else:
        yield "hub", True, "answers"


def check_weights() -> Iterator[Check]:
    rows = manifest.entries()
    local = [n for n, row in rows.items() if (manifest.weights_folder() / row.file).is_file()]
    yield "weights", bool(rows), f"{len(rows)} released, {len(local)} on this machine: {', '.join(local) or 'none'}"


def check_engines() -> Iterator[Check]:
    from kerasrecipes import engines
    from kerasrecipes.engines import onnx_cache

    installed = engines.installed()
    if not installed:
        yield "engine", False, f'no engine is installed: pip install {engines.ENGINES[0]}; "auto" means keras'
        return
    recipes = [
        name
        for name, row in manifest.entries().items()
        if engines.supports_recipe(name) and (row.onnx or onnx_cache.is_cached(row))
    ]
    versions = ", ".join(f"{name} {package_version(name)}" for name in installed)
    text = (
        f'{versions}; engine="auto" takes {installed[0]}, the first installed of {", ".join(engines.ENGINES)} (fastest first '
        f"in benchmarks/engines.py; bf16 is never taken), for recipes with an ONNX file: {', '.join(recipes) or 'none yet'}; "
        "Keras runs all others"
    )
    yield "engine", True, text

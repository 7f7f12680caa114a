"""Where the files of a manifest entry are: in the package, in a checkout of the repository, or hosted."""

from typing import Any

from kerasrecipes.hub import manifest
from kerasrecipes.hub.manifest import WeightsEntry

CHECKOUT_PHRASE = "with a checkout"


def released_files(row: WeightsEntry) -> dict[str, bool]:
    """Return the names of an entry's files, and whether they come with the package: weights, ONNX file, streaming ONNX file.

    An ONNX file comes with the package if the weights do, unless its part of the entry says otherwise with "bundled".
    """
    parts = [part for part in (row.onnx, row.onnx.get("step")) if part]
    return {row.file: row.bundled, **{part["file"]: part.get("bundled", row.bundled) for part in parts}}


def is_expected(row: WeightsEntry, file: str) -> bool:
    """Return True if a file of an entry should be on this machine: in a checkout all are, in a package those that come with it."""
    return manifest.weights_folder() != manifest.PACKAGE / "_weights" or released_files(row)[file]


def local_files(row: WeightsEntry) -> list[str]:
    """Return the names of an entry's files that came with the package or the checkout."""
    folder = manifest.weights_folder()
    return [name for name in released_files(row) if (folder / name).is_file()]


def has_only_step_file(row: WeightsEntry) -> bool:
    """Return True if the package has a recipe's streaming ONNX file and not the one for whole recordings, which it replaces."""
    local = local_files(row)
    return "step" in row.onnx and row.onnx["step"]["file"] in local and row.onnx["file"] not in local


def describe_source(row: WeightsEntry) -> str:
    """Return where an entry's files come from, for instance "with the package" or "with a checkout"."""
    packaged = [name for name, is_packaged in released_files(row).items() if is_packaged]
    elsewhere = f"hosted at hf://{row.hub['repo']}@{row.hub['revision']}" if row.hub else CHECKOUT_PHRASE
    if row.bundled:
        return f"with the package, {elsewhere}" if row.hub else "with the package"
    return f"{elsewhere} ({', '.join(packaged)} with the package)" if packaged else elsewhere


def describe_local(name: str) -> str:
    """Return in a word whether the weights of a recipe are on this machine: "yes", "ONNX", or where they are instead."""
    row = manifest.entries()[name]
    local = local_files(row)
    if row.file in local:
        return "yes"
    if local:
        return "ONNX only"
    return "hosted" if row.hub else CHECKOUT_PHRASE


def describe_missing_file(row: WeightsEntry) -> str:
    """Return the message about a file that is neither in the package nor hosted: where it is, and what works without it."""
    released: Any = manifest.entries().get(row.recipe)
    local = [name for name in local_files(released) if name.endswith(".onnx")] if released else []
    text = (
        f"{row.file} of {row.recipe} is not in {manifest.weights_folder()}. It comes {CHECKOUT_PHRASE} of the repository "
        "(`pip install -e .` in the checkout), and is not hosted yet"
    )
    if local and row.file not in local:
        return f'{text}. load({row.recipe!r}, engine="auto") opens {local[0]}, which computes the same and cannot be trained'
    return f"{text}. Or train it: kerasrecipes train {row.recipe} --data DATA --resume"

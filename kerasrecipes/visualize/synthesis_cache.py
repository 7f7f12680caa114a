"""Synthesized images of many units in a folder, with a file of the settings that each was made with.

An interrupted command resumes, and an image that was made with other settings is refused.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.units import Unit, find_unit
from kerasrecipes.utils import files, plotting
from kerasrecipes.visualize.synthesis import BATCH_SIZE, Preset, resolve_plan, synthesize_units

SETTINGS_FILE = "synthesis.json"  # from an image's file name to its settings
CONFLICT_HINT = "choose another folder, or remove it to have it made again"


def synthesize_to_folder(
    model: Any, units: Sequence[str | Unit], folder: str | Path, preset: Preset | None = None, *,
    prefix: str = "", suffix: str = ".png", keep_unknown: bool = False, progress: Callable[[int, int], None] | None = None,
    step_progress: Callable[[int, int], None] | None = None, **options: Any,
) -> list[Path]:  # fmt: skip
    """Synthesize images of many units as files UNIT.png in a folder.

    Files that exist are not made again, so an interrupted command resumes. `synthesis.json` in the folder stores the settings
    of each file.

    Args:
        model: Functional or Sequential model.
        units: Units of any layers.
        folder: Folder of the files.
        preset: See `synthesize`.
        prefix: Prefix of the file names, for a folder with images of several models.
        suffix: ".png" or ".jpg".
        keep_unknown: Accept files that `synthesis.json` does not list.
        progress: Called with (done, total) new files.
        step_progress: Called with (done, total) steps of each batch.
        **options: Options of `synthesize_units`, including changes of the settings.

    Returns:
        The files in the order of the units.

    Raises:
        KerasRecipesError: A file was made with another model, weights or settings, or `synthesis.json` does not list it.
    """
    targets = [find_unit(model, u) for u in units]
    paths = {u: Path(folder) / f"{prefix}{u.stem}{suffix}" for u in targets}
    settings = settings_record(model, preset, options)
    records = read_settings(folder)
    for path in paths.values():
        if path.exists() and not (keep_unknown and path.name not in records):
            check_settings_match(path, records.get(path.name), settings)
    missing = [u for u, path in paths.items() if not path.exists()]
    total = len(missing)
    while missing:
        batch = [u for u in missing if (u.layer, u.position) == (missing[0].layer, missing[0].position)]
        batch = batch[: max(BATCH_SIZE // max(settings["num_restarts"], 1), 1)]
        for unit, result in zip(batch, synthesize_units(model, batch, preset, progress=step_progress, **options), strict=True):
            path = paths[unit]
            files.write_json(path.with_name(SETTINGS_FILE), read_settings(folder) | {path.name: settings})
            plotting.save_image(path, plotting.enlarge_nearest(result.render(), 240))
            missing.remove(unit)
            if progress:
                progress(total - len(missing), total)
    return [paths[u] for u in targets]


def settings_record(model: Any, preset: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return everything that an image depends on besides its unit, as JSON reads it: model, weights, settings and starts."""
    bound = inspect.signature(synthesize_units).bind(model, (), preset, **options)
    bound.apply_defaults()
    names = ("num_restarts", "seed", "init", "whole_input", "value_range")
    settings, from_layer = resolve_plan(model, preset, bound.arguments["from_layer"], **bound.arguments["changes"])
    record = {"model": model.name, "weights": weights_hash(model), **asdict(settings)}
    record |= {name: bound.arguments[name] for name in names} | {"from_layer": from_layer}
    return json.loads(json.dumps(record))


def weights_hash(model: Any) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for w in model.weights:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(w)).tobytes())
    return digest.hexdigest()[:16]


def read_settings(folder: str | Path) -> dict[str, dict]:
    """Read the folder's `synthesis.json`, or return an empty dictionary if there is none."""
    path = Path(folder) / SETTINGS_FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KerasRecipesError(f"{path} cannot be read: {error}; {CONFLICT_HINT} with the images beside it") from error


def check_settings_match(path: Path, record: dict | None, settings: dict) -> None:
    """Check that a file was made with `settings`."""
    if record is None:
        raise KerasRecipesError(f"{path} exists, and {SETTINGS_FILE} does not say how it was made: {CONFLICT_HINT}")
    other = [f"{name} {record.get(name)}, not {v}" for name, v in settings.items() if record.get(name) != v]
    if other:
        raise KerasRecipesError(f"{path} was made with other settings ({'; '.join(other)}): {CONFLICT_HINT}")

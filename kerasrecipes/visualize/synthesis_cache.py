"""Pictures of many units in a folder, beside a file that says how each was made: an interrupted command goes on where it was,
and no picture of other settings is taken for the one asked for."""

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
from kerasrecipes.visualize.activation_maximization import AscentSettings
from kerasrecipes.visualize.synthesis import BATCH, resolve_plan, synthesize_units

SETTINGS_FILE = "synthesis.json"  # file name of a picture -> its settings
CONFLICT_HINT = "choose another folder, or remove it to have it made anew"


def synthesize_to_folder(
    model: Any, units: Sequence[str | Unit], folder: str | Path, preset: int | AscentSettings | None = None, *,
    prefix: str = "", suffix: str = ".png", keep_unknown: bool = False, progress: Callable[[str], None] | None = None,
    **options: Any,
) -> list[Path]:  # fmt: skip
    """Pictures of many units as files UNIT.png (.jpg with `suffix`) in a folder; what is there is not made again, so that an
    interrupted command goes on where it was. `synthesis.json` beside them keeps each one's settings.

    Args:
        prefix: of the files' names, where a folder has pictures of several models.
        keep_unknown: take pictures that `synthesis.json` does not know, from elsewhere, for the ones asked for.
        progress: called with each new file's name. options: of `synthesize`, changes of settings too.

    Returns:
        The files in the order of the units.

    Raises:
        KerasRecipesError: a picture is there that was made by another model, weights or settings, or nothing is known of it.
    """
    asked = [find_unit(model, u) for u in units]
    paths = {u: Path(folder) / f"{prefix}{u.stem}{suffix}" for u in asked}
    settings = settings_record(model, preset, options)
    known = read_settings(folder)
    for path in paths.values():
        if path.exists() and not (keep_unknown and path.name not in known):
            check_settings_match(path, known.get(path.name), settings)
    missing = [u for u, path in paths.items() if not path.exists()]
    while missing:
        together = [u for u in missing if (u.layer, u.place) == (missing[0].layer, missing[0].place)]
        together = together[: max(BATCH // max(settings["starts"], 1), 1)]
        for unit, result in zip(together, synthesize_units(model, together, preset, **options), strict=True):
            path = paths[unit]
            files.write_json(path.with_name(SETTINGS_FILE), read_settings(folder) | {path.name: settings})
            plotting.save_image(path, plotting.enlarge_nearest(result.image(), 240))
            if progress:
                progress(path.name)
        missing = [u for u in missing if u not in together]
    return [paths[u] for u in asked]


def settings_record(model: Any, preset: Any, options: dict[str, Any]) -> dict[str, Any]:
    """All that a picture depends on besides its unit, as JSON gives it back: model, weights, settings of the ascent, starts."""
    bound = inspect.signature(synthesize_units).bind(model, (), preset, **options)
    bound.apply_defaults()
    given = {name: bound.arguments[name] for name in ("starts", "seed", "start", "whole", "span", "begin")}
    ascent, begin = resolve_plan(model, preset, given.pop("begin"), **bound.arguments["changes"])
    told = {"model": model.name, "weights": weights_hash(model), **asdict(ascent), **given, "begin": begin}
    return json.loads(json.dumps(told))


def weights_hash(model: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of a model's weights."""
    found = hashlib.sha256()
    for w in model.weights:
        found.update(np.ascontiguousarray(ops.convert_to_numpy(w)).tobytes())
    return found.hexdigest()[:16]


def read_settings(folder: str | Path) -> dict[str, dict]:
    """What the folder's `synthesis.json` says; nothing where there is none.

    Raises:
        KerasRecipesError: it is no such file.
    """
    path = Path(folder) / SETTINGS_FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KerasRecipesError(
            f"{path} cannot be read: {error}; {CONFLICT_HINT} with the pictures beside it"
        ) from error


def check_settings_match(path: Path, kept: dict | None, asked: dict) -> None:
    """Refuse a picture that was made with other settings.

    Raises:
        KerasRecipesError: it was, or `kept` is None: nothing is known of it.
    """
    if kept is None:
        raise KerasRecipesError(
            f"{path} is there, and no {SETTINGS_FILE} beside it says how it was made: {CONFLICT_HINT}"
        )
    other = [f"{name} {kept.get(name)}, not {value}" for name, value in asked.items() if kept.get(name) != value]
    if other:
        raise KerasRecipesError(f"{path} was made with other settings ({'; '.join(other)}): {CONFLICT_HINT}")

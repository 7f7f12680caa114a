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
from kerasrecipes.visualize import drawing
from kerasrecipes.visualize.maximize import Regularisation
from kerasrecipes.visualize.synthesis import BATCH, plan_of, synthesize_units
from kerasrecipes.visualize.units import Unit, find_unit

FILE = "synthesis.json"  # file name of a picture -> its settings
WAY_OUT = "choose another folder, or remove it to have it made anew"


def synthesize_into(
    model: Any, units: Sequence[str | Unit], folder: str | Path, preset: int | Regularisation | None = None, *,
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
    settings = settings_told(model, preset, options)
    known = kept_settings(folder)
    for path in paths.values():
        if path.exists() and not (keep_unknown and path.name not in known):
            check_same(path, known.get(path.name), settings)
    missing = [u for u, path in paths.items() if not path.exists()]
    while missing:
        together = [u for u in missing if (u.layer, u.place) == (missing[0].layer, missing[0].place)]
        together = together[: max(BATCH // max(settings["starts"], 1), 1)]
        for unit, result in zip(together, synthesize_units(model, together, preset, **options), strict=True):
            path = paths[unit]
            drawing.write_json(path.with_name(FILE), kept_settings(folder) | {path.name: settings})
            drawing.save_image(path, drawing.enlarged(result.image(), 240))
            if progress:
                progress(path.name)
        missing = [u for u in missing if u not in together]
    return [paths[u] for u in asked]


def settings_told(model: Any, preset: Any, options: dict[str, Any]) -> dict[str, Any]:
    """All that a picture depends on besides its unit, as JSON gives it back: model, weights, settings of the ascent, starts."""
    bound = inspect.signature(synthesize_units).bind(model, (), preset, **options)
    bound.apply_defaults()
    given = {name: bound.arguments[name] for name in ("starts", "seed", "start", "whole", "span", "begin")}
    ascent, begin = plan_of(model, preset, given.pop("begin"), **bound.arguments["changes"])
    told = {"model": model.name, "weights": digest_of(model), **asdict(ascent), **given, "begin": begin}
    return json.loads(json.dumps(told))


def digest_of(model: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of a model's weights."""
    found = hashlib.sha256()
    for w in model.weights:
        found.update(np.ascontiguousarray(ops.convert_to_numpy(w)).tobytes())
    return found.hexdigest()[:16]


def kept_settings(folder: str | Path) -> dict[str, dict]:
    """What the folder's `synthesis.json` says; nothing where there is none.

    Raises:
        KerasRecipesError: it is no such file.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KerasRecipesError(f"{path} cannot be read: {error}; {WAY_OUT} with the pictures beside it") from error


def check_same(path: Path, kept: dict | None, asked: dict) -> None:
    """Refuse a picture that was made with other settings.

    Raises:
        KerasRecipesError: it was, or `kept` is None: nothing is known of it.
    """
    if kept is None:
        raise KerasRecipesError(f"{path} is there, and no {FILE} beside it says how it was made: {WAY_OUT}")
    other = [f"{name} {kept.get(name)}, not {value}" for name, value in asked.items() if kept.get(name) != value]
    if other:
        raise KerasRecipesError(f"{path} was made with other settings ({'; '.join(other)}): {WAY_OUT}")

"""Weights of others in models. Those of public checkpoints are converted once, and kept in the package's cache with the report."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kerasrecipes import __version__
from kerasrecipes.errors import WeightsCorrupted, convert_errors
from kerasrecipes.hub.checkpoint_readers import find_kind
from kerasrecipes.hub.public_checkpoints import PublicCheckpoint, public_checkpoints
from kerasrecipes.hub.public_download import checkpoint_path
from kerasrecipes.registry import all_recipes
from kerasrecipes.tasks.weight_import import ImportReport, import_weights, is_importable, layout_config, read_report
from kerasrecipes.utils.files import write_json
from kerasrecipes.utils.private_folder import is_trusted_file


def find_public_checkpoint(name: str) -> PublicCheckpoint | None:
    """Return the row of a public checkpoint, or None for the name of a recipe and for all others."""
    return None if name in all_recipes() else public_checkpoints().get(name)


def find_foreign_source(name: str, recipe: Any) -> Path | PublicCheckpoint | None:
    """Return the public checkpoint or the file of another program that a name stands for, or None for all others.

    Args:
        name: Name of a public checkpoint, or path of a file.
        recipe: Recipe that shall get its weights.
    """
    if Path(name).is_file():
        return Path(name) if is_importable(recipe, name) else None
    return find_public_checkpoint(name)


def source_config(recipe: Any, source: Path | PublicCheckpoint | None) -> dict[str, Any]:
    """Return the changes to a recipe's configuration with which it is the network of a source of weights."""
    if isinstance(source, PublicCheckpoint):
        return {**layout_config(recipe, source.kind), **source.config}
    return layout_config(recipe, find_kind(source)) if source and is_importable(recipe, source) else {}


def set_foreign_weights(model: Any, source: Path | PublicCheckpoint) -> bool:
    """Set a model's weights from a public checkpoint or another program's file. Return False for a file of this package."""
    if isinstance(source, PublicCheckpoint):
        set_public_weights(model, source)
    elif is_importable(model.recipe, source):
        import_weights(model, source)
    else:
        return False
    return True


def set_public_weights(model: Any, row: PublicCheckpoint) -> ImportReport:
    """Set a model's weights from a public checkpoint, which is fetched, checked and converted where the cache lacks it.

    Args:
        model: Model of the row's recipe, in the configuration that the row and its layout say.
        row: Row of the checkpoint.

    Returns:
        The report, which is also the model's attribute `import_report`.
    """
    path = checkpoint_path(row)
    digest = path.with_name(f"{path.name}.sha256").read_text("ascii")[:16]
    changes = json.dumps(model.changes, sort_keys=True, default=str)
    network = f"{model.recipe.name}-{hashlib.sha256(changes.encode()).hexdigest()[:8]}"
    converted = path.with_name(f"{network}-{digest}-{__version__}.weights.h5")
    record = converted.with_name(f"{converted.name}.json")
    if is_trusted_file(converted) and is_trusted_file(record):
        report = read_report(record)
        with convert_errors(WeightsCorrupted, converted):
            model.load_weights(converted)
        model.import_report = report
        return report
    report = import_weights(model, path, kind=row.kind)
    if report.missing:  # random weights must not be the same in every model
        return report
    partial = converted.with_name(f"partial-{converted.name}")
    model.save_weights(partial)
    partial.replace(converted)
    write_json(record, asdict(report))  # last: both files are there, or the next call converts again
    return report

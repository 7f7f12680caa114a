"""The card of a model with somebody else's weights: the file, what was taken of it, and whose figures are known."""

from pathlib import Path
from typing import Any

from kerasrecipes.hub.public_checkpoints import PublicCheckpoint, checkpoints_of, public_checkpoints
from kerasrecipes.hub.public_download import file_hash
from kerasrecipes.tasks.weight_import import ImportReport
from kerasrecipes.utils.escaping import escape_controls


def identify_file(recipe: str, path: Path) -> tuple[PublicCheckpoint | None, bool]:
    """Return the public checkpoint that a file seems to be, and whether its hash says that it is that file.

    Args:
        recipe: Name of the recipe.
        path: The file. One with the hash of a row comes first, then one with a row's file name whose row has no hash.
    """
    candidates = [public_checkpoints()[name] for name in checkpoints_of(recipe)]
    for row in candidates:
        if row.hash and file_hash(path, row.hash["algorithm"]) == row.hash["value"]:
            return row, True
    return next((row for row in candidates if row.file == path.name and not row.hash), None), False


def import_card(model: Any, path: Path, report: ImportReport) -> str:
    """Return the card as Markdown.

    Args:
        model: The model that has the weights.
        path: The file that they came from.
        report: Report of the import.
    """
    row, is_certain = identify_file(model.recipe.name, path)
    lines = [
        f"# {model.recipe.name} with imported weights", "",
        f"- file: {path.name}, {path.stat().st_size:,} bytes, sha256 {file_hash(path, 'sha256')}",
        f"- recipe: {model.recipe.name}, {model.recipe.paper}"
        + (f", changed: {', '.join(f'{k}={v!r}' for k, v in model.changes.items())}" if model.changes else ""),
        f"- {report.summary()}",
    ]  # fmt: skip
    if row:
        relation = "is" if is_certain else "has the name of, and may be,"
        lines += [f"- it {relation} the public checkpoint {row.name}: {row.title}", *describe_checkpoint(row)]
    else:
        lines += ["- its origin is not known to this package, and neither are its license and quality"]
    lines += ["", "## Tensors", "", "```", str(report), "```", ""]
    return escape_controls("\n".join(lines), keep="\n")


def public_card(row: PublicCheckpoint) -> str:
    """Return what is known about a public checkpoint before it is fetched, as Markdown."""
    lines = [f"# {row.name}: {row.title}", "", f"- recipe: {row.recipe}", *describe_checkpoint(row)]
    return escape_controls("\n".join(lines), keep="\n")


def describe_checkpoint(row: PublicCheckpoint) -> list[str]:
    """Return lines of Markdown with a checkpoint's source, license, claims and tests."""
    lines = [f"- source: {row.source}", f"- address: {row.address}", f"- license: {row.license}"]
    lines += [f"- hash: {row.hash['algorithm']} {row.hash['value']}" if row.hash else "- hash: not published"]
    lines += [f"- {row.note}"] if row.note else []
    if row.claims:
        lines += ["", "## Figures of its authors", "", "They measured these with their own program. Nobody measured them here.", ""]
        lines += [f"- {each['dataset']}, {each['metric']}: {each['value']} ({each['source']})" for each in row.claims]
    if row.tested:
        lines += ["", "## What was tested here", "", row.tested, "The file itself was not run by this package's authors."]
    return lines

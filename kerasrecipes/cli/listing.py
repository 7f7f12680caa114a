"""Commands that look up recipes: list and show."""

import shutil
import textwrap
from collections.abc import Sequence

from kerasrecipes.cli.progress import bold, print_line
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError

HEAD = ("recipe", "task", "parameters", "weights", "best measured", "here")
MAX_WIDTH = 110  # columns of wrapped names


@command("list")
@argument("pattern", default="*", help="Pattern with the wildcards * and ?, for instance 'deepspeech*'.")
@option("--task", metavar="TASK", help="List only the recipes of this task. Default: all tasks.")
@option(
    "--license", metavar="PATTERN",
    help="List only recipes whose weights have this license; wildcards are allowed. Default: all licenses.",
)  # fmt: skip
@option("--pretrained", is_flag=True, help="List only recipes with released weights.")
@option("--names", is_flag=True, help="Print the names alone, one a line.")
def run_list(pattern, task, license, pretrained, names) -> None:
    """List the recipes: task, size, best measured number, and whether the weights are on this machine."""
    from kerasrecipes.hub import availability, manifest
    from kerasrecipes.hub.catalog import list_public_checkpoints, list_recipes

    recipes = list_recipes(pattern, task=task, pretrained=pretrained or None, license=license)
    public = [] if pretrained or license else list_public_checkpoints(pattern, task=task)
    if not (recipes or public):
        raise KerasRecipesError(f"No recipe matches {pattern} and the options: `kerasrecipes list` shows all names")
    if names:
        print_line("\n".join([*recipes, *(row.name for row in public)]))
        return
    rows = manifest.entries()
    released = [name for name in recipes if name in rows]
    here = [name for name in released if availability.local_files(rows[name])]
    for title, group in (
        ("Weights on this machine:", here),
        (f"Weights {availability.CHECKOUT_PHRASE}, or hosted:", [name for name in released if name not in here]),
    ):
        if group:
            print_title(title)
            print_table(group)
    if unreleased := [name for name in recipes if name not in rows]:
        print_title("Without released weights (kerasrecipes train NAME, or load(NAME, weights=None)):")
        print_line(wrap(unreleased))
    if public:
        print_title("Published by others, which load(NAME) fetches, checks and converts:")
        print_line("\n".join(f"  {row.name}  ({row.title})" for row in public))


def print_title(title: str) -> None:
    """Print the title of a group of recipes."""
    print_line(title, style=bold)


def print_table(names: Sequence[str]) -> None:
    """Print a table of recipes with released weights."""
    from kerasrecipes.hub import availability

    rows = [HEAD, *((*describe_recipe(name), availability.describe_local(name)) for name in names)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        cells = [cell.rjust(w) if 2 <= i <= 3 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        print_line(f"  {'  '.join(cells)}".rstrip())
    print_line("")


def describe_recipe(name: str) -> tuple[str, ...]:
    """Return a recipe's name, task, number of parameters, size of the weights, and best measured number with its noun."""
    from kerasrecipes.hub import manifest
    from kerasrecipes.hub.metric_names import find_best, format_value, metric_noun
    from kerasrecipes.registry import get_recipe
    from kerasrecipes.release.model_card import model_facts

    row, task = manifest.entries()[name], get_recipe(name).task
    count = int(model_facts(name)["parameters"].replace(",", ""))
    best = find_best(task, row.metrics)
    value = f"{metric_noun(best['metric'])} {format_value(best['metric'], best['value'])}" if best else "by its authors"
    return name, task, f"{count / 1e6:.2f} M", f"{row.size / 1e6:.1f} MB", value


def wrap(names: Sequence[str]) -> str:
    """Return names with commas in lines that fit the terminal."""
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    lines = textwrap.wrap(", ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join([*lines, ""])


@command("show", model="argument")
@argument("name", help="Name of a recipe, or of a public checkpoint.")
def run_show(name) -> None:
    """Show a recipe's card: paper, size, data, license, measured error rates, commands."""
    from kerasrecipes.release.import_card import public_card
    from kerasrecipes.release.model_card import card
    from kerasrecipes.tasks.public_models import find_public_checkpoint

    row = find_public_checkpoint(name)
    print_line(public_card(row) if row else card(name))

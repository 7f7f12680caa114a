"""Tables of all recipes for the home page and the page of recipes: one for each kind of task, the best released weights first."""

from collections.abc import Sequence
from typing import NamedTuple

from kerasrecipes import registry
from kerasrecipes.hub import catalog, manifest
from kerasrecipes.hub.availability import describe_source
from kerasrecipes.hub.metric_names import format_measurement
from kerasrecipes.release import model_card
from pages import overview
from pages.text import escape

TABLES = {  # heading -> tasks
    "Speech": ("speech-recognition", "phoneme-recognition"),
    "Images": ("image-classification", "segmentation"),
    "Text and sound": ("language-model", "waveform-generation"),
}
MAIN_METRIC = {  # task -> (metric, its name in the table)
    "speech-recognition": ("wer", "word errors"), "phoneme-recognition": ("per", "phoneme errors"),
    "image-classification": ("error", "wrong"), "segmentation": ("miou", "mean IoU"), "language-model": ("bpc", "bits per character"),
    "waveform-generation": ("bps", "bits per sample"),
}  # fmt: skip
FIRST = ("squeezenet",)  # first in their tables, although their authors measured them on another set
NUMBERS = ("parameters", "weights", "measured", "with a language model")
NETWORK_DECODERS = ("greedy", "crf")  # without a language model
DEFAULT_DECODERS = ("none", "1 crops", *NETWORK_DECODERS)


class Result(NamedTuple):
    """A measured number: figure, 95 % interval and a note on what was measured, as text, and the number to sort by."""

    figure: str = ""
    interval: str = ""
    note: str = ""
    number: float | None = None


def find_main_result(name: str) -> Result:
    """Return the main result of a recipe's weights, for speech that of the network alone."""
    row, task = manifest.entries().get(name), registry.get_recipe(name).task
    if row is None:
        return Result()
    metric, title = MAIN_METRIC[task]
    if task in TABLES["Speech"]:
        m = overview.find_lowest_rate(row, metric, NETWORK_DECODERS.__contains__)
    else:
        measurements = [m for m in row.metrics if m["metric"] == metric]
        m = min(measurements, key=lambda m: m["value"] * (-1 if metric == "miou" else 1), default=None)
    if m is None:
        return Result(note="" if row.metrics else "by its authors")
    decoder = "" if m["decoder"] in DEFAULT_DECODERS else m["decoder"]
    return format_result(metric, m, title, m["dataset"].split(":")[0].split(";")[0], decoder)


def find_language_model_result(name: str) -> Result:
    """Return the lowest rate of word or phoneme errors with a language model."""
    row, metric = manifest.entries().get(name), MAIN_METRIC[registry.get_recipe(name).task][0]
    m = row and overview.find_lowest_rate(row, metric, overview.uses_language_model)
    return format_result(metric, m) if m else Result()


def format_result(metric: str, m: dict, *notes: str) -> Result:
    """Return a measurement with notes."""
    figure, _, interval = format_measurement(metric, m["value"], m.get("ci_low"), m.get("ci_high")).partition(" (")
    return Result(figure, interval.rstrip(")"), ", ".join(filter(None, notes)), m["value"])


def rank(name: str) -> tuple:
    """Return the sort key of a recipe with weights: the best one of a table comes first."""
    task = registry.get_recipe(name).task
    result = find_main_result(name)
    number = find_language_model_result(name).number or result.number
    return (name not in FIRST, registry.TASKS.index(task), number is None, (number or 0) * (-1 if task == "segmentation" else 1), name)


def make_recipe_tables(prefix: str, is_open: bool = False) -> str:
    """Return the tables as HTML, with the recipes without released weights folded.

    Args:
        prefix: Relative URL of the recipes' folder.
        is_open: Unfold the recipes without released weights. Default: False.
    """
    parts = []
    for title, tasks in TABLES.items():
        names = [n for task in tasks for n in catalog.list_recipes(task=task)]
        released = sorted((n for n in names if n in manifest.entries()), key=rank)
        others = [n for n in names if n not in manifest.entries()]
        parts.append(f'<section><h3 id="{title.lower().replace(" ", "-")}">{title}</h3>{make_table(prefix, title, released)}')
        summary = f"<summary>{len(others)} more {'recipe' if len(others) == 1 else 'recipes'} without released weights</summary>"
        if others:
            parts.append(f"<details{' open' * is_open}>{summary}{make_table(prefix, title, others)}</details>")
        parts.append("</section>")
    return f'<div class="recipe-tables">{"".join(parts)}</div>'


def make_table(prefix: str, title: str, names: Sequence[str]) -> str:
    """Return one table. Its columns are those that the recipes fill."""
    columns = [make_cells(prefix, n) for n in names]
    heads = [h for h in columns[0] if h in ("recipe", "parameters", "paper") or any(c[h][1] for c in columns)]
    cells = "".join(f'<th scope="col" data-kind="{"number" if h in NUMBERS else "text"}">{h}</th>' for h in heads)
    rows = []
    for name, c in zip(names, columns, strict=True):
        row_cells = "".join(f'<td data-head="{h}" data-sort="{c[h][0]}">{c[h][1]}</td>' for h in heads)
        task, is_released = registry.get_recipe(name).task, name in manifest.entries()
        rows.append(f'<tr data-task="{task}" data-released="{int(is_released)}">{row_cells}</tr>')
    table = f'<table class="recipe-table" aria-label="{title}"><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="recipes">{table}</div>'


def make_cells(prefix: str, name: str) -> dict[str, tuple[str | int | float, str]]:
    """Return heading -> (sort key, HTML) of a recipe."""
    recipe, row = registry.get_recipe(name), manifest.entries().get(name)
    count = int(model_card.model_facts(name)["parameters"].replace(",", ""))
    paper = "ConvNetJS" if recipe.paper.startswith("http") else recipe.paper.removeprefix("arXiv:")
    return {
        "recipe": ("", f'<a href="{prefix}{name}/"><code>{name}</code></a><small>{escape(recipe.summary)}</small>'),
        "parameters": (count, format_count(count)),
        "weights": (row.size, format_weights(row)) if row else ("", ""),
        "measured": format_cell(find_main_result(name)),
        "with a language model": format_cell(find_language_model_result(name)),
        "paper": ("", escape(paper)),
    }


def format_cell(result: Result) -> tuple[str | float, str]:
    """Return the sort key and the HTML of a result."""
    interval = f" <i>{escape(result.interval)}</i>" if result.interval else ""
    note = f"<small>{escape(result.note)}</small>" if result.note else ""
    return ("" if result.number is None else result.number, f"{escape(result.figure)}{interval}{note}")


def format_count(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,}"


def format_weights(row: manifest.WeightsEntry) -> str:
    """Return the size of a recipe's weights, and where they come from if that is not the package."""
    size = f"{row.size / 1e6:.3g} MB"
    return size if row.bundled else f"{size}<small>{escape(describe_source(row).partition(' (')[0])}</small>"

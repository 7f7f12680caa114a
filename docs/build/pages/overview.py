"""The README's tables of released recipes. recipe_tables.py has those of the site."""

from collections.abc import Callable

from install import install_block

from kerasrecipes import registry
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import manifest
from kerasrecipes.release import model_card
from kerasrecipes.training.config import CONFIGS
from pages import networks
from pages.text import ROOT, make_table

README = ROOT / "README.md"


def select_report_metrics(row: manifest.WeightsEntry, metric: str) -> list:
    """Return the measurements of a metric on dev-mini-report without added noise."""
    return [m for m in row.metrics if m["dataset"].startswith("dev-mini-report:") and m["metric"] == metric]


def find_lowest_rate(row: manifest.WeightsEntry, metric: str, matches: Callable[[str], bool]) -> dict | None:
    """Return the lowest rate on dev-mini-report among decoders that match."""
    return min(
        (m for m in select_report_metrics(row, metric) if matches(m["decoder"])), key=lambda m: m["value"], default=None
    )


def format_lowest_rate(row: manifest.WeightsEntry, metric: str, matches: Callable[[str], bool], unit: str = "") -> str:
    """Return the lowest rate with its interval as text."""
    m = find_lowest_rate(row, metric, matches)
    return f"{100 * m['value']:.1f} %{unit} ({100 * m['ci_low']:.1f} to {100 * m['ci_high']:.1f})" if m else "-"


def uses_language_model(decoder: str) -> bool:
    return decoder.partition(" + ")[2] in manifest.language_models()


def make_recognizer_table() -> str:
    """Return the README's table of released recipes for speech and text."""
    head = [
        "recipe", "parameters", "file", "receptive field", "training data", "greedy", "beam", "beam and language model", "RTF (greedy)",
        "latency",
    ]  # fmt: skip
    rows = []
    for name, row in manifest.entries().items():
        task = registry.get_recipe(name).task
        if task == "language-model":
            rows.append(make_language_model_cells(name, row))
        if not task.endswith("recognition"):
            continue
        model = networks.build_skeleton(name)
        field = model.receptive_field
        path = model.criterion.default_decoder
        metric, unit = ("wer", "") if task == "speech-recognition" else ("per", " of phonemes")
        try:
            latency = f"{1000 * model.stream().latency:.0f} ms"
        except (KerasRecipesError, AttributeError):
            latency = "whole utterance"
        rows.append((
            f"`{name}`", f"{model.count_params() / 1e6:.1f} M", f"{row.size / 1e6:.1f} MB",
            "unlimited" if field is None else f"{field / model.sample_rate:.2f} s",
            format_training_amount(row, "audio_hours", "h", "hours", "h"),
            format_lowest_rate(row, metric, lambda d, path=path: d == path, unit),
            format_lowest_rate(row, metric, lambda d: d.startswith("beam") and "+" not in d),
            format_lowest_rate(row, metric, uses_language_model, unit),
            next((f"{m['value']:.4f}" for m in select_report_metrics(row, "rtf") if m["decoder"] == path), "-"), latency,
        ))  # fmt: skip
    return "\n".join(make_table(head, rows))


def make_language_model_cells(name: str, row: manifest.WeightsEntry) -> tuple[str, ...]:
    """Return the cells of a character language model, with bits per character instead of error rates."""
    bits = next((m for m in row.metrics if m["metric"] == "bpc" and "dev-mini-report" in m["dataset"]), None)
    value = f"{bits['value']:.2f} bits per character ({bits['ci_low']:.2f} to {bits['ci_high']:.2f})" if bits else "-"
    size = f"{networks.build_skeleton(name).count_params() / 1e6:.1f} M"
    read = format_training_amount(row, "million_characters", "million", "characters", "characters")
    return (f"`{name}`", size, f"{row.size / 1e6:.1f} MB", "all past characters", read, value, *["-"] * 4)


def format_training_amount(row: manifest.WeightsEntry, amount: str, unit: str, size: str, size_unit: str) -> str:
    """Return the size of the training data, the amount used in training, the time, and the recipe that gave the first weights."""
    total = sum(d[size] for d in row.data)
    total_text = f"{total / 1e6:.0f} million" if total > 1e6 else f"{total:.0f}"
    stages = row.training.get("stages") or [row.training]
    other = stages[0]["config"].get("init_from_recipe") or stages[0].get("initialized_from")
    origin = f", initialized from `{other}`" if other else ""
    return f"{total_text} {size_unit}; {row.training[amount]:.0f} {unit} in {row.training['wall_hours']:.1f} h of training{origin}"


def make_image_table() -> str:
    """Return the README's table of released image recipes."""
    rows = []
    for name, row in manifest.entries().items():
        if registry.get_recipe(name).task not in ("image-classification", "segmentation"):
            continue
        measured: dict[str, list[str]] = {}
        for data, metric, value, _ in model_card.metric_rows(row):
            title, _, options = metric.partition(", ")
            measured.setdefault(data, []).append(
                f"{title} {value}" + ("" if options in ("none", "1 crops") else f" with {options}")
            )
        rows.append((
            f"`{name}`", f"{networks.build_skeleton(name).count_params() / 1e6:.3g} M", f"{row.size / 1e6:.2g} MB",
            model_card.data_summary(row),
            "; ".join(f"{data}: {', '.join(v)}" for data, v in measured.items()) or "by its authors",
        ))  # fmt: skip
    return "\n".join(make_table(["recipe", "parameters", "file", "trained on", "measured"], rows))


def list_unreleased_recipes() -> str:
    """Return a sentence that names the recipes with a training configuration but without weights."""
    names = sorted({p.stem for p in CONFIGS.glob("*.yaml")} - set(manifest.entries()))
    if not names:
        return "All recipes with a training configuration have released weights."
    return (
        f"Recipes that one command trains and that have no released weights yet: {', '.join(f'`{n}`' for n in names)}."
    )


def fill_readme(readme: str) -> str:
    """Return the README with its generated parts renewed."""
    parts = {"install": install_block, "table": make_recognizer_table, "images": make_image_table, "unreleased": list_unreleased_recipes}
    for name, write in parts.items():
        begin, end = f"<!-- {name}: written by docs/build/generate.py -->", f"<!-- end of {name} -->"
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{write()}\n{end}{rest.split(end)[1]}"
    return readme

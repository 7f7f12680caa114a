"""Tables over all recipes: the README's two, and the home page's, which its script sorts and filters."""

from collections.abc import Callable

from kerasrecipes import registry
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.hub import catalog, manifest
from kerasrecipes.release import model_card
from kerasrecipes.training.config import CONFIGS
from pages import distinct_networks
from pages.text import ROOT, escape, table

README = ROOT / "README.md"
MAIN = {  # task -> the metrics that say how good a recipe is, the first that was measured counts; and their names
    "speech-recognition": ("wer", "word errors"), "phoneme-recognition": ("per", "phone errors"),
    "image-classification": ("error", "wrong"), "segmentation": ("miou", "mean IoU"), "language-model": ("bpc", "bits per character"),
    "waveform-generation": ("bps", "bits per sample"),
}  # fmt: skip


def reported(row: manifest.WeightsEntry, metric: str) -> list:
    """Measurements of a metric on dev-mini-report as it is, without noise."""
    return [m for m in row.metrics if m["dataset"].startswith("dev-mini-report:") and m["metric"] == metric]


def best(row: manifest.WeightsEntry, metric: str, wanted: Callable[[str], bool]) -> dict | None:
    """The lowest rate on dev-mini-report by a decoder of that kind."""
    return min((m for m in reported(row, metric) if wanted(m["decoder"])), key=lambda m: m["value"], default=None)


def errors(row: manifest.WeightsEntry, metric: str, wanted: Callable[[str], bool], of: str = "") -> str:
    """The same with its interval, as text."""
    found = best(row, metric, wanted)
    return (
        "-"
        if found is None
        else f"{100 * found['value']:.1f} %{of} ({100 * found['low']:.1f} to {100 * found['high']:.1f})"
    )


def greedy(decoder: str) -> bool:
    return decoder == "greedy"


def with_words(decoder: str) -> bool:
    return decoder.partition(" + ")[2] in manifest.language_models()


def recognisers() -> str:
    """All released recipes for speech and text with their measured numbers; it stands in the README."""
    head = [
        "recipe", "parameters", "file", "sees", "trained on", "best path", "beam", "beam and language model", "time, best path",
        "latency",
    ]  # fmt: skip
    rows = []
    for name, row in manifest.entries().items():
        task = registry.get_recipe(name).task
        if task == "language-model":
            rows.append(language_model_cells(name, row))
        if not task.endswith("recognition"):
            continue
        model = distinct_networks.skeleton(name)
        field = model.receptive_field
        path = getattr(model.criterion, "decoders", ("greedy",))[0]
        metric, of = ("wer", "") if task == "speech-recognition" else ("per", " of phones")
        try:
            latency = f"{1000 * model.stream().latency:.0f} ms"
        except (KerasRecipesError, AttributeError):
            latency = "whole utterance"
        rows.append((
            f"`{name}`", f"{model.count_params() / 1e6:.1f} M", f"{row.size / 1e6:.1f} MB",
            "all" if field is None else f"{field / model.sample_rate:.2f} s", trained(row, "audio_hours", "h", "hours", "h"),
            errors(row, metric, lambda d, path=path: d == path, of),
            errors(row, metric, lambda d: d.startswith("beam") and "+" not in d), errors(row, metric, with_words),
            next((f"{m['value']:.4f} of real time" for m in reported(row, "rtf") if m["decoder"] == path), "-"), latency,
        ))  # fmt: skip
    return "\n".join(table(head, rows))


def language_model_cells(name: str, row: manifest.WeightsEntry) -> tuple[str, ...]:
    """A character language model's row of the same table: bits per character in place of errors."""
    bits = next((m for m in row.metrics if m["metric"] == "bpc" and "dev-mini-report" in m["dataset"]), None)
    value = f"{bits['value']:.2f} bits per character ({bits['low']:.2f} to {bits['high']:.2f})" if bits else "-"
    size = f"{distinct_networks.skeleton(name).count_params() / 1e6:.1f} M"
    read = trained(row, "million_characters", "million", "characters", "characters")
    return (f"`{name}`", size, f"{row.size / 1e6:.1f} MB", "all before", read, value, *["-"] * 4)


def trained(row: manifest.WeightsEntry, amount: str, unit: str, of: str, of_unit: str) -> str:
    """How much data there was, how much of it was seen, how long that took, and whose layers it began with."""
    have = sum(d[of] for d in row.data)
    size = f"{have / 1e6:.0f} million" if have > 1e6 else f"{have:.0f}"
    stages = row.training.get("stages") or [row.training]
    other = stages[0]["config"].get("start_recipe")
    begun = f", begun with layers of `{other}`" if other else ""
    return (
        f"{size} {of_unit} of data, {row.training[amount]:.0f} {unit} seen in {row.training['wall_hours']:.1f} h{begun}"
    )


def classifiers() -> str:
    """All released recipes for pictures with what was measured; it stands in the README."""
    rows = []
    for name, row in manifest.entries().items():
        if registry.get_recipe(name).task not in ("image-classification", "segmentation"):
            continue
        measured: dict[str, list[str]] = {}
        for data, metric, value, _ in model_card.metric_rows(row):
            name_of, _, how = metric.partition(", ")
            measured.setdefault(data, []).append(
                f"{name_of} {value}" + ("" if how in ("none", "1 crops") else f" with {how}")
            )
        rows.append((
            f"`{name}`", f"{distinct_networks.skeleton(name).count_params() / 1e6:.3g} M", f"{row.size / 1e6:.2g} MB", model_card.data_summary(row),
            "; ".join(f"{data}: {', '.join(v)}" for data, v in measured.items()) or "by its authors only",
        ))  # fmt: skip
    return "\n".join(table(["recipe", "parameters", "file", "trained on", "measured"], rows))


def unreleased() -> str:
    """Recipes that have a training configuration and no weights yet."""
    names = sorted({p.stem for p in CONFIGS.glob("*.yaml")} - set(manifest.entries()))
    if not names:
        return "All recipes with a training configuration have released weights."
    return f"Trainable with one command, without released weights so far: {', '.join(f'`{n}`' for n in names)}."


def with_tables(readme: str) -> str:
    """The README with what is generated as it is now between its marks."""
    for name, write in (("table", recognisers), ("pictures", classifiers), ("unreleased", unreleased)):
        begin, end = f"<!-- {name}: written by docs/build/generate.py -->", f"<!-- end of {name} -->"
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{write()}\n{end}{rest.split(end)[1]}"
    return readme


def figures(name: str) -> tuple[str, float | None, str]:
    """(measured, the number to sort by, with a language model) of a recipe for the home page."""
    row, task = manifest.entries().get(name), registry.get_recipe(name).task
    if row is None:
        return "", None, ""
    metric, said = MAIN[task]
    if task == "speech-recognition":
        plain, words = best(row, "wer", greedy), best(row, "wer", with_words)
        shown = f"{errors(row, 'wer', with_words)} words" if words else ""
        if plain is None:
            return "", None, shown
        return f"{errors(row, 'wer', greedy)} {said}, dev-mini-report", plain["value"], shown
    found = [m for m in row.metrics if m["metric"] == metric]
    if not found:
        return "by its authors only", None, ""
    m = min(found, key=lambda m: m["value"] * (-1 if metric == "miou" else 1))
    scale, unit, digits = model_card.METRIC_FORMATS.get(metric, (100, " %", 1))
    value = f"{scale * m['value']:.{digits}f}{unit}"
    if m.get("ci_low") is not None:
        value += f" ({scale * m['ci_low']:.{digits}f} to {scale * m['ci_high']:.{digits}f})"
    decoder = "" if m["decoder"] in ("none", "1 crops", "crf", "greedy") else f", {m['decoder']}"
    return f"{value} {said}, {m['dataset'].split(':')[0].split(';')[0]}{decoder}", m["value"], ""


def all_recipes(prefix: str) -> str:
    """The table of all recipes as HTML; plain without its script. `prefix` leads to the recipes' folder."""
    head = ["recipe", "task", "parameters", "weights", "measured", "with a language model", "paper"]
    cells = "".join(
        f'<th scope="col" data-kind="{"number" if h in ("parameters", "weights", "measured") else "text"}">{h}</th>'
        for h in head
    )
    rows = []
    names = catalog.list_recipes()
    for name in sorted(
        names, key=lambda n: (n not in manifest.entries(), registry.TASKS.index(registry.get_recipe(n).task), n)
    ):
        recipe, row = registry.get_recipe(name), manifest.entries().get(name)
        count = distinct_networks.skeleton(name).count_params()
        shown, number, words = figures(name)
        file = f"{row.size / 1e6:.3g} MB" if row else "-"
        paper = "ConvNetJS" if recipe.paper.startswith("http") else recipe.paper.removeprefix("arXiv:")
        columns = (
            ("", f'<a href="{prefix}{name}/"><code>{name}</code></a><small>{escape(recipe.summary)}</small>'),
            ("", recipe.task.replace("-", " ")), (count, millions(count)), (row.size if row else "", file),
            ("" if number is None else number, escape(shown)), ("", escape(words)), ("", escape(paper)),
        )  # fmt: skip
        filled = "".join(
            f'<td data-head="{h}" data-sort="{key}">{shown}</td>' for h, (key, shown) in zip(head, columns, strict=True)
        )
        rows.append(f'<tr data-task="{recipe.task}" data-released="{int(row is not None)}">{filled}</tr>')
    return f'<div class="recipes"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def millions(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,}"

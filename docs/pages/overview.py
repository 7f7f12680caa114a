"""Tables over all recipes: the README's two, and the home page's, which its script sorts and filters."""

from collections.abc import Callable

from pages import networks
from pages.text import ROOT, escape, table

from kerasrecipes import card, manifest, registry
from kerasrecipes.errors import KerasRecipesError

README = ROOT / "README.md"
MAIN = {  # task -> the metrics that say how good a recipe is, the first that was measured counts; and their names
    "speech-recognition": ("wer", "word errors"), "phoneme-recognition": ("per", "phone errors"),
    "image-classification": ("error", "wrong"), "segmentation": ("miou", "mean IoU"), "language-model": ("bpc", "bits per character"),
    "waveform-generation": ("bps", "bits per sample"),
}  # fmt: skip


def reported(row: manifest.Weights, metric: str) -> list:
    """Measurements of a metric on dev-mini-report as it is, without noise."""
    return [m for m in row.metrics if m["dataset"].startswith("dev-mini-report:") and m["metric"] == metric]


def best(row: manifest.Weights, wanted: Callable[[str], bool]) -> dict | None:
    """The lowest word error rate on dev-mini-report by a decoder of that kind."""
    return min((m for m in reported(row, "wer") if wanted(m["decoder"])), key=lambda m: m["value"], default=None)


def word_errors(row: manifest.Weights, wanted: Callable[[str], bool]) -> str:
    """The same with its interval, as text."""
    found = best(row, wanted)
    return "-" if found is None else f"{100 * found['value']:.1f} % ({100 * found['low']:.1f} to {100 * found['high']:.1f})"


def greedy(decoder: str) -> bool:
    return decoder == "greedy"


def with_words(decoder: str) -> bool:
    return "+" in decoder


def recognisers() -> str:
    """All released recognisers of words with their measured numbers; it stands in the README."""
    head = ["recipe", "parameters", "file", "sees", "trained on", "word errors, greedy", "beam", "beam and language model", "time, greedy", "latency"]  # fmt: skip
    rows = []
    for name, row in manifest.rows().items():
        if registry.get_recipe(name).task != "speech-recognition":
            continue
        model = networks.skeleton(name)
        field = model.receptive_field
        seen, wall = row.training["audio_hours"], row.training["wall_hours"]
        try:
            latency = f"{1000 * model.stream().latency:.0f} ms"
        except KerasRecipesError:
            latency = "whole utterance"
        rows.append((
            f"`{name}`", f"{model.count_params() / 1e6:.1f} M", f"{row.size / 1e6:.1f} MB",
            "all" if field is None else f"{field / model.sample_rate:.2f} s",
            f"{sum(d['hours'] for d in row.data):.0f} h of data, {seen:.0f} h seen in {wall:.1f} h",
            word_errors(row, greedy), word_errors(row, lambda d: d.startswith("beam") and "+" not in d), word_errors(row, with_words),
            next((f"{m['value']:.4f} of real time" for m in reported(row, "rtf") if m["decoder"] == "greedy"), "-"), latency,
        ))  # fmt: skip
    return "\n".join(table(head, rows))


def classifiers() -> str:
    """All released recipes for pictures with what was measured; it stands in the README."""
    rows = []
    for name, row in manifest.rows().items():
        if registry.get_recipe(name).task not in ("image-classification", "segmentation"):
            continue
        measured: dict[str, list[str]] = {}
        for data, metric, value, _ in card.metric_rows(row):
            name_of, _, how = metric.partition(", ")
            measured.setdefault(data, []).append(f"{name_of} {value}" + ("" if how in ("none", "1 views") else f" with {how}"))
        rows.append((
            f"`{name}`", f"{networks.skeleton(name).count_params() / 1e6:.3g} M", f"{row.size / 1e6:.2g} MB", card.data_line(row),
            "; ".join(f"{data}: {', '.join(v)}" for data, v in measured.items()) or "by its authors only",
        ))  # fmt: skip
    return "\n".join(table(["recipe", "parameters", "file", "trained on", "measured"], rows))


def with_tables(readme: str) -> str:
    """The README with the tables as they are now between their marks."""
    for name, write in (("table", recognisers), ("pictures", classifiers)):
        begin, end = f"<!-- {name}: written by docs/generate.py -->", f"<!-- end of {name} -->"
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{write()}\n{end}{rest.split(end)[1]}"
    return readme


def figures(name: str) -> tuple[str, float | None, str]:
    """(measured, the number to sort by, with a language model) of a recipe for the home page."""
    row, task = manifest.rows().get(name), registry.get_recipe(name).task
    if row is None:
        return "", None, ""
    metric, said = MAIN[task]
    if task == "speech-recognition":
        plain, words = best(row, greedy), best(row, with_words)
        shown = f"{word_errors(row, with_words)} words" if words else ""
        if plain is None:
            return "", None, shown
        return f"{word_errors(row, greedy)} {said}, dev-mini-report", plain["value"], shown
    found = [m for m in row.metrics if m["metric"] == metric]
    if not found:
        return "by its authors only", None, ""
    m = min(found, key=lambda m: m["value"] * (-1 if metric == "miou" else 1))
    scale, unit, digits = card.FORMS.get(metric, (100, " %", 1))
    value = f"{scale * m['value']:.{digits}f}{unit}"
    if m.get("low") is not None:
        value += f" ({scale * m['low']:.{digits}f} to {scale * m['high']:.{digits}f})"
    decoder = "" if m["decoder"] in ("none", "1 views", "crf", "greedy") else f", {m['decoder']}"
    return f"{value} {said}, {m['dataset'].split(':')[0].split(';')[0]}{decoder}", m["value"], ""


def all_recipes(prefix: str) -> str:
    """The table of all recipes as HTML; plain without its script. `prefix` leads to the recipes' folder."""
    head = ["recipe", "task", "parameters", "weights", "measured", "with a language model", "paper"]
    cells = "".join(f'<th scope="col" data-kind="{"number" if h in ("parameters", "weights", "measured") else "text"}">{h}</th>' for h in head)
    rows = []
    names = registry.list_recipes()
    for name in sorted(names, key=lambda n: (n not in manifest.rows(), registry.get_recipe(n).task, n)):
        recipe, row = registry.get_recipe(name), manifest.rows().get(name)
        count = networks.skeleton(name).count_params()
        shown, number, words = figures(name)
        file = f"{row.size / 1e6:.3g} MB" if row else "-"
        paper = "ConvNetJS" if recipe.paper.startswith("http") else recipe.paper.removeprefix("arXiv:")
        columns = (
            ("", f'<a href="{prefix}{name}/"><code>{name}</code></a><small>{escape(recipe.summary)}</small>'),
            ("", recipe.task.replace("-", " ")), (count, millions(count)), (row.size if row else "", file),
            ("" if number is None else number, escape(shown)), ("", escape(words)), ("", escape(paper)),
        )  # fmt: skip
        filled = "".join(f'<td data-head="{h}" data-sort="{key}">{shown}</td>' for h, (key, shown) in zip(head, columns, strict=True))
        rows.append(f'<tr data-task="{recipe.task}" data-released="{int(row is not None)}">{filled}</tr>')
    return f'<div class="recipes"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def millions(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,}"

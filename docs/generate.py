"""Write docs/recipes/*.md from the registry and the manifest: run before `mkdocs build`; nothing is typed by hand."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from kerasrecipes import card, manifest, registry
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.training import studies
from kerasrecipes.training.config import CONFIGS
from kerasrecipes.training.curve import AMOUNTS

OUT = Path(__file__).parent / "recipes"
README = OUT.parent.parent / "README.md"


def link(paper: str) -> str:
    """A paper's identifier as a link."""
    number = re.sub("^arXiv:", "", paper)
    return f"[{paper}](https://arxiv.org/abs/{number})" if number != paper else paper


def page(name: str) -> str:
    """One recipe's page."""
    recipe, row = registry.get_recipe(name), manifest.rows().get(name)
    lines = [
        f"# {name}",
        "",
        recipe.summary,
        "",
        f"*{recipe.title}*, {link(recipe.paper)}",
        "",
        "| | |",
        "| --- | --- |",
    ]
    rows = {"task": recipe.task, **(card.facts(name) if row else {})}
    if row:
        rows |= {
            "weights": f"{row.size / 1e6:.1f} MB, {'bundled' if row.bundled else 'hosted'}, tag {row.tag}",
            "licence": row.licence, "data": card.data_line(row), "training": card.training_line(row),
        }  # fmt: skip
    lines += [f"| {k} | {v} |" for k, v in rows.items()]
    if row and row.metrics:
        lines += [
            "",
            "## Measured",
            "",
            "| data | metric | value (95 % interval over speakers) |",
            "| --- | --- | --- |",
        ]
        lines += [f"| {dataset} | {metric} | {value} |" for dataset, metric, value, _ in card.metric_rows(row)]
        lines += ["", "```sh", *sorted({command for *_, command in card.metric_rows(row)}), "```"]
    if row and row.training.get("stages"):
        lines += ["", "## Training, step by step", "", *stages(row)]
    lines += ["", "## Use", "", "```sh", *card.commands(name, bool(row)), "```"]
    lines += ["", "## Configuration", "", "| keyword | value |", "| --- | --- |"]
    lines += [f"| `{k}` | `{v}` |" for k, v in recipe.config.items()]
    lines += ["", f"::: {recipe.builder.replace(':', '.')}", ""]
    return "\n".join(lines)


def stages(row: manifest.Weights) -> list[str]:
    """A table of what was measured on the way, on the validation set that checkpoints are chosen on."""
    lines = ["| run | changes | seen in it | validation |", "| --- | --- | --- | --- |"]
    before: dict = {}
    for number, stage in enumerate(row.training["stages"], 1):
        amount = next(k for k in AMOUNTS if k in stage)
        config = stage["config"]
        changes = ", ".join(f"{k}: {v}" for k, v in config.items() if before and before.get(k) != v) or "first"
        before = config
        for point in stage["validation"]:
            scores = ", ".join(
                f"{k} {v:.3f}" if k == "bpc" else f"{k} {100 * v:.1f} %" for k, v in point.items() if k != amount
            )
            lines.append(f"| {number} | {changes} | {point[amount]:.0f} {amount.replace('_', ' ')} | {scores} |")
            changes = ""
    return lines


def table() -> str:
    """All released recognisers with their measured numbers; it stands in the README."""
    head = [
        "recipe",
        "parameters",
        "file",
        "sees",
        "trained on",
        "word errors, greedy",
        "beam",
        "beam and language model",
        "time, greedy",
        "latency",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, row in manifest.rows().items():
        if registry.get_recipe(name).task != "speech-recognition":
            continue
        model = card.skeleton(name)
        field = model.receptive_field
        seen, wall = row.training["audio_hours"], row.training["wall_hours"]
        trained = f"{sum(d['hours'] for d in row.data):.0f} h of data, {seen:.0f} h seen in {wall:.1f} h"
        try:
            latency = f"{1000 * model.stream().latency:.0f} ms"
        except KerasRecipesError:
            latency = "whole utterance"
        cells = [
            f"`{name}`", f"{model.count_params() / 1e6:.1f} M", f"{row.size / 1e6:.1f} MB",
            "all" if field is None else f"{field / model.sample_rate:.2f} s", trained,
            word_errors(row, lambda d: d == "greedy"), word_errors(row, lambda d: d.startswith("beam") and "+" not in d),
            word_errors(row, lambda d: "+" in d),
            next((f"{m['value']:.4f} of real time" for m in reported(row, "rtf") if m["decoder"] == "greedy"), "-"), latency,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def picture_table() -> str:
    """All released recipes for pictures with what was measured; it stands in the README."""
    head = ["recipe", "parameters", "file", "trained on", "measured"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, row in manifest.rows().items():
        if registry.get_recipe(name).task not in ("image-classification", "segmentation"):
            continue
        measured: dict[str, list[str]] = {}
        for data, metric, value, _ in card.metric_rows(row):
            name_of, _, how = metric.partition(", ")
            measured.setdefault(data, []).append(
                f"{name_of} {value}" + ("" if how in ("none", "1 views") else f" with {how}")
            )
        cells = [
            f"`{name}`", f"{card.skeleton(name).count_params() / 1e6:.3g} M", f"{row.size / 1e6:.2g} MB", card.data_line(row),
            "; ".join(f"{data}: {', '.join(v)}" for data, v in measured.items()) or "by its authors only",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def phone_table() -> str:
    """All released recognisers of phones, each with the decoder that belongs to its criterion; it stands in the README."""
    head = ["recipe", "parameters", "file", "sees", "trained on", "phone errors", "boundaries within 20 ms", "time"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, row in manifest.rows().items():
        if registry.get_recipe(name).task != "phoneme-recognition":
            continue
        model = card.skeleton(name)
        decoder = "crf" if registry.get_recipe(name).config["criterion"] == "crf" else "greedy"
        seen, wall = row.training["audio_hours"], row.training["wall_hours"]
        found = {m["metric"]: m for m in row.metrics if m["decoder"] == decoder}
        cells = [
            f"`{name}`", f"{model.count_params() / 1e6:.1f} M", f"{row.size / 1e6:.1f} MB",
            f"{1000 * model.receptive_field / model.sample_rate:.0f} ms",
            f"{sum(d['hours'] for d in row.data):.0f} h of data, {seen:.0f} h seen in {wall:.1f} h",
            *(f"{100 * found[k]['value']:.1f} % ({100 * found[k]['low']:.1f} to {100 * found[k]['high']:.1f})"
              for k in ("per", "boundaries_found")),
            f"{found['rtf']['value']:.4f} of real time",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def unreleased() -> str:
    """Recipes that have a training configuration and no weights yet."""
    names = sorted({p.stem for p in CONFIGS.glob("*.yaml")} - set(manifest.rows()))
    if not names:
        return "All recipes with a training configuration have released weights."
    return f"Trainable with one command, without released weights so far: {', '.join(f'`{n}`' for n in names)}."


def reported(row: manifest.Weights, metric: str) -> list:
    """Measurements of a metric on dev-mini-report as it is, without noise."""
    return [m for m in row.metrics if m["dataset"].startswith("dev-mini-report:") and m["metric"] == metric]


def word_errors(row: manifest.Weights, wanted: Callable[[str], bool]) -> str:
    """The lowest on dev-mini-report by a decoder of that kind, with its interval."""
    found = [m for m in reported(row, "wer") if wanted(m["decoder"])]
    if not found:
        return "-"
    best = min(found, key=lambda m: m["value"])
    return f"{100 * best['value']:.1f} % ({100 * best['low']:.1f} to {100 * best['high']:.1f})"


def with_table(readme: str) -> str:
    """The README with what is generated as it is now between its marks."""
    for name, write in (
        ("table", table),
        ("phones", phone_table),
        ("pictures", picture_table),
        ("unreleased", unreleased),
    ):
        begin, end = f"<!-- {name}: written by docs/generate.py -->", f"<!-- end of {name} -->"
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{write()}\n{end}{rest.split(end)[1]}"
    return readme


def language_models() -> str:
    """The page of word n-grams, from their rows."""
    lines = ["# Language models of words", "", "For [beam search](../guides/decoding.md); read by KenLM.", ""]
    for name, row in manifest.language_models().items():
        config = row.training["config"]
        said = [
            f"{config['order']}-grams, {row.model['words']:,} words, {row.size / 1e6:.1f} MB",
            f"estimated by {config['estimator']}, pruned {config['prune']}, {config['quantised_bits']} bits a number",
            "text: " + ", ".join(f"{d['name']}, {d['words']:,} words" for d in row.data),
            f"licence: {row.licence}",
        ]
        lines += [
            f"## {name}",
            "",
            *(f"- {s}" for s in said),
            "",
            "| measured on | what | value |",
            "| --- | --- | --- |",
        ]
        for m in row.metrics:
            value = f"{100 * m['value']:.1f} %" if m["metric"] == "out of vocabulary" else f"{m['value']:.0f}"
            lines.append(f"| {m['dataset']} | {m['metric']} | {value} |")
        lines += ["", "```sh", row.metrics[0]["command"], "```", ""]
    return "\n".join(lines)


def study_pages() -> str:
    """The page of what the studies gave."""
    lines = [
        "# Studies",
        "",
        "Each is one command, `kerasrecipes study NAME`; see [the guide](../guides/studies.md).",
        "",
    ]
    paths = sorted((OUT.parent.parent / "benchmarks" / "results" / "studies").glob("*.json"))
    for path in paths:
        found = json.loads(path.read_text())
        lines += [f"## {found['title']}", "", found["question"], "", f"{found['source']}. {found['setting']}.", ""]
        lines += [*studies.table(found["outcomes"]), "", found["notes"], ""]
    return "\n".join(lines if paths else [*lines, "None has been run yet."])


def benchmarks() -> str:
    """The page of measured speeds, from the files that the benchmark scripts wrote."""
    lines = ["# Measured speed", "", "Ratios count; absolute times are those of one machine.", ""]
    for path in sorted((OUT.parent.parent / "benchmarks" / "results").glob("*.json")):
        found = json.loads(path.read_text())
        lines += [f"## {found['title']}", "", f"{found['setting']}", "", "| | |", "| --- | --- |"]
        lines += [f"| {name} | {value} |" for name, value in found["figures"].items()] + [""]
    return "\n".join(lines)


def convolutions() -> str:
    """The page of what kinds of convolution need, counted on the layers themselves."""
    import keras

    from kerasrecipes import layers
    from kerasrecipes.layers.unshared import PADDINGS, output_size

    sizes = ["| input | kernel | stride | " + " | ".join(PADDINGS) + " |", "|" + " --- |" * (3 + len(PADDINGS))]
    for m, k, s in ((16, 6, 1), (16, 6, 2), (16, 5, 1), (16, 5, 3), (5, 3, 1), (5, 3, 2)):
        sizes.append(f"| {m} | {k} | {s} | " + " | ".join(str(output_size(m, k, s, p)) for p in PADDINGS) + " |")
    kinds = {
        "convolution": keras.layers.Conv2D(16, 5),
        "in 2 groups": keras.layers.Conv2D(16, 5, groups=2),
        "tiled, 2 x 2 kernels": layers.TiledConv2D(16, 5, 2),
        "locally connected": layers.LocallyConnected2D(16, 5),
        "depthwise separable": keras.layers.SeparableConv2D(16, 5),
    }
    counts = ["| kind | parameters |", "| --- | --- |"]
    for name, layer in kinds.items():
        layer.build((None, 28, 28, 8))
        counts.append(f"| {name} | {layer.count_params():,} |")
    counts.append(f"| fully connected | {(28 * 28 * 8 + 1) * 24 * 24 * 16:,} |")
    return "\n".join([
        "# Kinds of convolution", "",
        "After chapter 9 of *Deep Learning* (Goodfellow, Bengio and Courville). Keras 3 dropped the locally connected layers and",
        'never had tiled ones or the padding "full"; here they are layers, `kr.layers.LocallyConnected2D`, `TiledConv2D` and',
        "their 1-D forms.", "", "## Places of a kernel", "",
        "Without stride: m - k + 1, m and m + k - 1.", "", *sizes, "", "## What has to be learned", "",
        "From 28 x 28 with 8 channels to 16, kernels 5 x 5, without padding:", "", *counts, "",
        "::: kerasrecipes.layers.unshared", "",
    ])  # fmt: skip


def main() -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / "convolutions.md").write_text(convolutions())
    names = registry.list_recipes()
    index = ["# Recipes", "", "| recipe | task | weights | |", "| --- | --- | --- | --- |"]
    for name in names:
        (OUT / f"{name}.md").write_text(page(name))
        recipe, row = registry.get_recipe(name), manifest.rows().get(name)
        released = f"{row.size / 1e6:.1f} MB" if row else ""
        index.append(f"| [{name}]({name}.md) | {recipe.task} | {released} | {recipe.summary} |")
    (OUT / "benchmarks.md").write_text(benchmarks())
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
    (OUT / "studies.md").write_text(study_pages())
    (OUT / "language_models.md").write_text(language_models())
    (OUT / "index.md").write_text("\n".join(index) + "\n")
    print(f"{len(names)} pages in {OUT}")


if __name__ == "__main__":
    main()

"""Write docs/recipes/*.md from the registry and the manifest: run before `mkdocs build`; nothing is typed by hand."""

import json
import re
from pathlib import Path

from kerasrecipes import card, manifest, registry

OUT = Path(__file__).parent / "recipes"


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
        amount = next(k for k in ("audio_hours", "million_characters") if k in stage)
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
        lines += [f"## {name}", "", *(f"- {s}" for s in said), "", "| measured on | what | value |", "| --- | --- | --- |"]
        for m in row.metrics:
            value = f"{100 * m['value']:.1f} %" if m["metric"] == "out of vocabulary" else f"{m['value']:.0f}"
            lines.append(f"| {m['dataset']} | {m['metric']} | {value} |")
        lines += ["", "```sh", row.metrics[0]["command"], "```", ""]
    return "\n".join(lines)


def benchmarks() -> str:
    """The page of measured speeds, from the files that the benchmark scripts wrote."""
    lines = ["# Measured speed", "", "Ratios count; absolute times are those of one machine.", ""]
    for path in sorted((OUT.parent.parent / "benchmarks" / "results").glob("*.json")):
        found = json.loads(path.read_text())
        lines += [f"## {found['title']}", "", f"{found['setting']}", "", "| | |", "| --- | --- |"]
        lines += [f"| {name} | {value} |" for name, value in found["figures"].items()] + [""]
    return "\n".join(lines)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    names = registry.list_recipes()
    index = ["# Recipes", "", "| recipe | task | weights | |", "| --- | --- | --- | --- |"]
    for name in names:
        (OUT / f"{name}.md").write_text(page(name))
        recipe, row = registry.get_recipe(name), manifest.rows().get(name)
        released = f"{row.size / 1e6:.1f} MB" if row else ""
        index.append(f"| [{name}]({name}.md) | {recipe.task} | {released} | {recipe.summary} |")
    (OUT / "benchmarks.md").write_text(benchmarks())
    (OUT / "language_models.md").write_text(language_models())
    (OUT / "index.md").write_text("\n".join(index) + "\n")
    print(f"{len(names)} pages in {OUT}")


if __name__ == "__main__":
    main()

"""A recipe's card, for the terminal, the hub and the documentation: all numbers come from the recipe and its manifest row."""

from collections.abc import Mapping
from typing import Any

from kerasrecipes import manifest, registry


def facts(name: str) -> dict[str, str]:
    """Rows of the card that need the network built: parameters, receptive field, stride."""
    from kerasrecipes import loading

    model = loading.load(name, weights=None, compile=False)
    rate = model.sample_rate
    field = model.receptive_field
    return {
        "parameters": f"{model.count_params():,}",
        "receptive field": "the whole utterance"
        if field is None
        else f"{field:,} samples ({1000 * field / rate:.0f} ms)",
        "scores": f"every {model.stride:,} samples ({1000 * model.stride / rate:.0f} ms), {model.alphabet.size} symbols",
    }


def metric_rows(row: manifest.Weights) -> list[tuple[str, str, str, str]]:
    """(data set, metric, value with interval, command) of each measurement."""
    rows = []
    for m in row.metrics:
        value = f"{100 * m['value']:.1f} %"
        if m.get("low") is not None:
            value += f" ({100 * m['low']:.1f} to {100 * m['high']:.1f})"
        rows.append((m["dataset"], f"{m['metric']}, {m['decoder']}", value, m["command"]))
    return rows


def data_line(row: manifest.Weights) -> str:
    """What the weights were trained on."""
    sets = [f"{d['name']} {d['hours']:.2f} h{' (synthetic)' if d['synthetic'] else ''}" for d in row.data]
    return f"{', '.join(sets)}; {sum(d['hours'] for d in row.data):.1f} h in all"


def training_line(row: manifest.Weights) -> str:
    """How long the training took."""
    t: Mapping[str, Any] = row.training
    return f"{t['steps']:,} steps, {t['audio_hours']:.0f} h of audio in {t['wall_hours']:.1f} h on {t['hardware']}"


def card(name: str) -> str:
    """The card as text: paper, size, data, licence, error rates with intervals, commands."""
    recipe = registry.get_recipe(name)
    row = manifest.rows().get(name)
    lines = {"paper": f"{recipe.title} ({recipe.paper})", "task": recipe.task, "summary": recipe.summary, **facts(name)}
    if row:
        lines |= {
            "weights": f"{row.file}, {row.size / 1e6:.1f} MB, {'bundled' if row.bundled else 'hosted'}, tag {row.tag}",
            "licence": row.licence,
            "data": data_line(row),
            "training": training_line(row),
        }
    else:
        lines["weights"] = "none released"
    text = [name, "", *(f"{key:16} {value}" for key, value in lines.items())]
    if row:
        text += ["", "measured (95 % intervals over speakers):"]
        text += [
            f"  {value:24} {metric:14} {dataset}\n      {command}"
            for dataset, metric, value, command in metric_rows(row)
        ]
    text += ["", "commands:", *(f"  {c}" for c in commands(name, bool(row)))]
    return "\n".join(text)


def commands(name: str, pretrained: bool) -> list[str]:
    """What to type."""
    use = [f"kerasrecipes transcribe talk.flac --recipe {name}"] if pretrained else []
    return [*use, f"kerasrecipes train {name} --data librispeech:PATH/train-clean-100 --resume"]


def card_markdown(name: str) -> str:
    """The card as a page for the hub."""
    recipe, row = registry.get_recipe(name), manifest.get(name)
    table = ["| data | metric | value (95 % interval) |", "| --- | --- | --- |"]
    table += [f"| {dataset} | {metric} | {value} |" for dataset, metric, value, _ in metric_rows(row)]
    return "\n".join(
        [
            "---", "library_name: keras", "tags:", *(f"- {tag}" for tag in (recipe.task, *recipe.tags)), "---", "",
            f"# {name}", "", recipe.summary, "", f"{recipe.title} ({recipe.paper}).", "",
            *(f"- {k}: {v}" for k, v in facts(name).items()), f"- licence: {row.licence}", f"- data: {data_line(row)}",
            f"- training: {training_line(row)}", "", *table, "", "```python", "import kerasrecipes as kr", "",
            f'model = kr.load("{name}")', 'print(model.transcribe("talk.flac"))', "```", "",
        ]
    )  # fmt: skip

"""Section "Pretrained weights": file, license, data, training curve, and each measured number with its command."""

import json
import math
from typing import Any

from kerasrecipes.hub import manifest
from kerasrecipes.hub.availability import describe_source
from kerasrecipes.hub.metric_names import metric_noun
from kerasrecipes.release import model_card
from kerasrecipes.training.learning_curve import METRIC_SCALES, PROGRESS_AXES
from pages import charts
from pages.text import make_fold, make_shell_block, make_table


def make_section(name: str, row: manifest.WeightsEntry | None) -> list[str]:
    """Return the section as Markdown lines."""
    lines = ["## Pretrained weights", ""]
    if row is None:
        return [
            *lines,
            "No weights are released. Train them:",
            "",
            *make_shell_block(model_card.example_commands(name, False)),
            "",
        ]
    onnx = row.onnx
    facts = [
        *model_card.origin_lines(row).items(),
        ("file", f"`{row.file}`, {row.size:,} bytes ({row.size / 1e6:.1f} MB)"), ("release", f"`{row.tag}`"),
        ("source", describe_source(row)), ("sha256", f"`{row.sha256}`"), ("license", row.license), ("written by", f"Keras {row.keras}"),
    ]  # fmt: skip
    if onnx:
        facts.append(("ONNX", f"`{onnx['file']}`, {onnx['size']:,} bytes, sha256 `{onnx['sha256']}`"))
        if step := onnx.get("step"):
            facts.append(("streaming ONNX", f"`{step['file']}`, {step['size']:,} bytes, sha256 `{step['sha256']}`"))
    if row.decoder:
        facts.append(("beam search", ", ".join(f"{k} {v}" for k, v in row.decoder.items() if k != "log_priors")))
    if priors := row.decoder.get("log_priors"):
        shares = [f"{'space' if symbol == ' ' else symbol} {100 * math.exp(prior):.1f} %" for symbol, prior in priors.items()]
        facts.append(("priors of symbols", ", ".join(shares)))
    lines += [*make_table(["", ""], facts), "", "### Data", "", *make_data_table(row), ""]
    lines += ["### Training", "", f"{model_card.training_summary(row)}.", "", *format_training(row)]
    return [*lines, "### Measured", "", *format_measurements(row)]


def make_data_table(row: manifest.WeightsEntry) -> list[str]:
    rows = []
    for d in row.data:
        unit = next((u for u in model_card.DATASET_SIZE_FORMATS if u in d), None)
        size = model_card.DATASET_SIZE_FORMATS[unit][0].format(d[unit]) if unit else ""
        rows.append(
            (d["name"], size, "synthetic" if d["synthetic"] else "recorded" if unit == "hours" else "", d["license"])
        )
    return make_table(["set", "size", "", "license"], rows, right=[1])


def format_training(row: manifest.WeightsEntry) -> list[str]:
    """Return the learning curve, the table of validations, and the settings of each run."""
    t = row.training
    settings = [(k, t[k]) for k in ("seed", "backend", "commit", "epochs") if k in t]
    lines = [", ".join(f"{k} `{v}`" for k, v in settings) + ".", ""] if settings else []
    stages = t.get("stages", [])
    if "averaged_runs" in t:
        lines += [f"The weights are the mean of those of the last {t['averaged_runs']} runs.", ""]
    if any(s["validation"] for s in stages):
        lines += [plot_learning_curve(stages), "", *make_shell_block([model_card.example_commands(row.recipe, True)[-1]]), ""]
        lines += make_fold("Validation during training", make_validation_table(stages))
    for number, stage in enumerate(stages, 1):
        title = f"Settings of run {number}" if len(stages) > 1 else "Settings"
        rows = [(f"`{k}`", f"`{json.dumps(v)}`") for k, v in stage["config"].items()]
        amounts = ", ".join(f"{v:,} {k.replace('_', ' ')}" for k, v in stage.items() if isinstance(v, int | float))
        origin = f", initialized from `{stage['initialized_from']}`" if "initialized_from" in stage else ""
        lines += make_fold(title, [f"{amounts}{origin}.", "", *make_table(["setting", "value"], rows)])
    return lines


def find_progress_axis(stages: list[dict]) -> str:
    return next(k for k in PROGRESS_AXES if k in stages[0])


def plot_learning_curve(stages: list[dict]) -> str:
    """Return the chart of validation metrics, with the runs one after the other."""
    amount = find_progress_axis(stages)
    names = [k for k in stages[0]["validation"][0] if k in METRIC_SCALES]
    series = []
    for name in names:
        scale, runs, begin = METRIC_SCALES[name][0], [], 0.0
        for stage in stages:
            points = [(begin + p[amount], scale * p[name]) for p in stage["validation"] if name in p]
            runs += [points] if points else []
            begin += stage[amount]
        series.append((metric_noun(name), runs))
    unit = METRIC_SCALES[names[0]][1]
    return charts.draw_line_chart(series, PROGRESS_AXES[amount], unit, "%" in unit)


def make_validation_table(stages: list[dict]) -> list[str]:
    """Return a table of metrics on the validation set, which selects checkpoints."""
    amount, rows = find_progress_axis(stages), []
    before: dict[str, Any] = {}
    for number, stage in enumerate(stages, 1):
        config = stage["config"]
        changed = {k: v for k, v in config.items() if before and before.get(k) != v}
        changes = ", ".join(f"{k}: {json.dumps(v)}" for k, v in changed.items()) or "first"
        before = config
        for point in stage["validation"]:
            scores = ", ".join(
                f"{k} {v:.3f}" if METRIC_SCALES.get(k, (100,))[0] == 1 else f"{k} {100 * v:.1f} %"
                for k, v in point.items()
                if k != amount
            )
            rows.append((number, changes, f"{point[amount]:.1f} {amount.replace('_', ' ')}", scores))
            changes = ""
    return make_table(["run", "changed settings", "trained in the run", "validation"], rows)


def format_measurements(row: manifest.WeightsEntry) -> list[str]:
    """Return each number of the row with its 95 % interval, and the commands."""
    if not row.metrics:
        return ["Nothing was measured here. The authors report their own numbers in the paper.", ""]
    lines, commands = [], {}
    sets: dict[str, list] = {}
    for m, (dataset, _, value, command) in zip(row.metrics, model_card.metric_rows(row), strict=True):
        number = commands.setdefault(command, len(commands) + 1)
        figure, _, interval = value.partition(" (")
        sets.setdefault(dataset, []).append(
            (metric_noun(m["metric"]), f"`{m['metric']}`", m["decoder"], f"**{figure}**", interval.rstrip(")"),
             f"{number}", m.get("date", ""))
        )  # fmt: skip
    for dataset, rows in sets.items():
        lines += [
            f"**{dataset}**",
            "",
            *make_table(["", "metric", "decoder", "value", "95 % interval", "command", "date"], rows, [3, 5]),
            "",
        ]
    return [
        *lines,
        *make_fold(
            "Commands that measure these numbers again", make_shell_block(f"{c}  # {n}" for c, n in commands.items()), "example"
        ),
    ]

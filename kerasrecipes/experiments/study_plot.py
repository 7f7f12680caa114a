"""Results of a study as a table and as a plot of learning curves and metrics."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.hub.metric_names import METRIC_FORMATS
from kerasrecipes.training.learning_curve import PROGRESS_AXES
from kerasrecipes.utils.plotting import new_figure, save_figure

METRIC_TITLES = {  # heads of columns
    "wer": "words", "cer": "characters", "bpc": "bits per character", "error": "wrong classes", "per": "phonemes",
    "boundaries_found": "boundaries found within 20 ms", "boundaries_right": "correct boundaries", "miou": "mean IoU",
    "pixels": "wrong pixels",
}  # fmt: skip


def save_experiment_plot(record: dict[str, Any], path: Path) -> Path:
    """Write `plot_experiment` atomically to a file, whose suffix is the format."""
    return save_figure(plot_experiment(record), path, dpi=110)


def plot_experiment(record: dict[str, Any]) -> Any:
    """Plot the metrics of each variant, beside the losses of its first run if they are known.

    A metric is the mean over seeds; its error bar is the range over seeds, or for one seed the 95 % interval of the test set.
    With one condition the first metric is plotted as bars, with several every metric as curves.

    Args:
        record: "title", "results" and optionally "curves" of `studies.results_record`.
    """
    results, curves = record["results"], {v: c for v, c in record.get("curves", {}).items() if c}
    conditions = list(results[0]["rates"])
    metrics = list(results[0]["rates"][conditions[0]])[: None if len(conditions) > 1 else 1]
    variants = list(dict.fromkeys(r["variant"] for r in results))
    panels = bool(curves) + len(metrics)
    figure = new_figure(
        1.4 + 4.3 * panels if panels > 1 else 6.4, max(3.4 if panels > 1 else 0.0, 0.9 + 0.42 * len(variants))
    )
    figure.suptitle(record["title"])
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for variant, curve in curves.items():
        amount = next(iter(curve))
        axes[0].plot(curve[amount], curve["loss"], color=f"C{variants.index(variant)}", label=variant)
        axes[0].set(xlabel=PROGRESS_AXES[amount], ylabel="training loss, nats")
    for metric, panel in zip(metrics, axes[-len(metrics) :], strict=True):
        plot_scores(panel, results, metric)
    if curves or len(conditions) > 1:
        axes[0].legend(frameon=False)
    return figure


def plot_scores(axes: Any, results: list[dict[str, Any]], metric: str) -> None:
    """Plot one metric of every variant: bars for one condition, curves over several."""
    conditions = list(results[0]["rates"])
    scale, unit, _ = METRIC_FORMATS.get(metric, (100, " %", 1))
    label = METRIC_TITLES[metric] if len(conditions) > 1 else f"{METRIC_TITLES[metric]}, {conditions[0]}"
    label += f",{unit}" if unit.strip() else ""
    for number, variant in enumerate(dict.fromkeys(r["variant"] for r in results)):
        rates = [[r["rates"][c][metric] for r in results if r["variant"] == variant] for c in conditions]
        means, errors = zip(*(mean_and_range(r, scale) for r in rates), strict=True)
        if len(conditions) == 1:
            axes.barh([variant], means, xerr=np.array(errors).T, color=f"C{number}", capsize=3, height=0.6)
        else:
            axes.errorbar(conditions, means, np.array(errors).T, fmt="o-", capsize=3, color=f"C{number}", label=variant)
    if len(conditions) == 1:
        axes.invert_yaxis()
        axes.set(xlabel=label)
    else:
        axes.set(ylabel=label)


def mean_and_range(rates: list[dict[str, Any]], scale: float) -> tuple[float, tuple[float, float]]:
    """Return the mean over seeds, and the distances of the lowest and the highest value from it.

    For one seed these are the limits of its interval.
    """
    values = [scale * r["rate"] for r in rates]
    mean, low, high = float(np.mean(values)), min(values), max(values)
    if len(rates) == 1 and rates[0]["ci_low"] is not None:
        low, high = scale * rates[0]["ci_low"], scale * rates[0]["ci_high"]
    return mean, (max(mean - low, 0.0), max(high - mean, 0.0))


def results_table(results: list[dict[str, Any]]) -> list[str]:
    """Return Markdown rows with each variant's mean over seeds, and the range if there are several seeds.

    With one condition each metric has a column. With several, each condition has a column and each metric a row.
    """
    rates = results[0]["rates"]
    conditions, metrics = list(rates), list(next(iter(rates.values())))
    has_conditions = len(conditions) > 1
    head = ["variant", "parameters", "hours of training"]
    head += ["measured", *conditions] if has_conditions else [f"{METRIC_TITLES[m]}, {conditions[0]}" for m in metrics]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for variant in dict.fromkeys(r["variant"] for r in results):
        runs = [r for r in results if r["variant"] == variant]
        hours = np.mean([r["wall_hours"] for r in runs])
        cells = [variant, f"{runs[0]['parameters'] / 1e6:.2f} M", f"{hours:.2f}"]
        values = [[format_over_seeds([r["rates"][c][m] for r in runs], m) for c in conditions] for m in metrics]
        if has_conditions:
            rows = [[*cells, METRIC_TITLES[m], *row] for m, row in zip(metrics, values, strict=True)]
        else:
            rows = [[*cells, *(row[0] for row in values)]]
        lines += [f"| {' | '.join(row)} |" for row in rows]
    return lines


def format_over_seeds(rates: list[dict[str, float]], metric: str) -> str:
    """Return the rate and its interval over speakers for one seed, or the mean and range over several seeds."""
    scale, unit, digits = METRIC_FORMATS.get(metric, (100, " %", 1))
    values = [scale * r["rate"] for r in rates]
    if len(values) > 1:
        extent = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
        return f"{np.mean(values):.{digits}f}{unit} ({extent}, {len(values)} seeds)"
    low, high = rates[0]["ci_low"], rates[0]["ci_high"]
    interval = f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})" if low is not None else ""
    return f"{values[0]:.{digits}f}{unit}{interval}"

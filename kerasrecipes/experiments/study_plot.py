"""The picture of a study: its trainings' losses, and what every arm scores in each condition."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.experiments.studies import METRIC_TITLES
from kerasrecipes.release.model_card import METRIC_FORMATS
from kerasrecipes.training.learning_curve import PROGRESS_AXES
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.plotting import new_figure


def save_experiment_plot(found: dict[str, Any], path: Path) -> Path:
    """Write `plot_study` as PNG; the file is whole or absent.

    Raises:
        KerasRecipesError: matplotlib is missing, or the folder cannot be written to.
    """
    drawn = plot_experiment(found)
    return atomic_write(path, lambda file: drawn.savefig(file, format="png", dpi=110))


def plot_experiment(found: dict[str, Any]) -> Any:
    """A figure of what each arm scores, beside the losses of its first training where these are known.

    The score is the mean over seeds; its line reaches from the lowest to the highest, of one seed over the 95 % interval of its
    test set. One condition is a bar for each arm, of the first metric; several are a curve, with axes for every metric.

    Args:
        found: "title", "outcomes" and, for the losses, "curves", as `studies.record` writes them.
    """
    outcomes, curves = found["outcomes"], {a: c for a, c in found.get("curves", {}).items() if c}
    conditions = list(outcomes[0]["rates"])
    metrics = list(outcomes[0]["rates"][conditions[0]])[: None if len(conditions) > 1 else 1]
    arms = list(dict.fromkeys(o["arm"] for o in outcomes))
    panels = bool(curves) + len(metrics)
    drawn = new_figure(
        1.4 + 4.3 * panels if panels > 1 else 6.4, max(3.4 if panels > 1 else 0.0, 0.9 + 0.42 * len(arms))
    )
    drawn.suptitle(found["title"])
    axes = drawn.subplots(1, panels, squeeze=False)[0]
    for arm, curve in curves.items():
        amount = next(iter(curve))
        axes[0].plot(curve[amount], curve["loss"], color=f"C{arms.index(arm)}", label=arm)
        axes[0].set(xlabel=PROGRESS_AXES[amount], ylabel="training loss, nats")
    for metric, right in zip(metrics, axes[-len(metrics) :], strict=True):
        plot_scores(right, outcomes, metric)
    if curves or len(conditions) > 1:
        axes[0].legend(frameon=False)
    return drawn


def plot_scores(axes: Any, outcomes: list[dict[str, Any]], metric: str) -> None:
    """What every arm scores by one metric: bars in one condition, curves over several."""
    conditions = list(outcomes[0]["rates"])
    scale, unit, _ = METRIC_FORMATS.get(metric, (100, " %", 1))
    percent = f",{unit}" if unit.strip() else ""
    for number, arm in enumerate(dict.fromkeys(o["arm"] for o in outcomes)):
        rates = [[o["rates"][c][metric] for o in outcomes if o["arm"] == arm] for c in conditions]
        means, ends = zip(*(mean_and_range(r, scale) for r in rates), strict=True)
        if len(conditions) == 1:
            axes.barh([arm], means, xerr=np.array(ends).T, color=f"C{number}", capsize=3, height=0.6)
        else:
            axes.errorbar(conditions, means, np.array(ends).T, fmt="o-", capsize=3, color=f"C{number}", label=arm)
    if len(conditions) == 1:
        axes.invert_yaxis()
        axes.set(xlabel=f"{METRIC_TITLES[metric]}, {conditions[0]}{percent}")
    else:
        axes.set(ylabel=f"{METRIC_TITLES[metric]}{percent}")


def mean_and_range(rates: list[dict[str, Any]], scale: float) -> tuple[float, tuple[float, float]]:
    """The mean of several seeds' rates, and how far the lowest and the highest, or one seed's interval, lie from it."""
    values = [scale * r["rate"] for r in rates]
    mean, low, high = float(np.mean(values)), min(values), max(values)
    if len(rates) == 1 and rates[0]["low"] is not None:
        low, high = scale * rates[0]["low"], scale * rates[0]["high"]
    return mean, (max(mean - low, 0.0), max(high - mean, 0.0))

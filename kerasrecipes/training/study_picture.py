"""The picture of a study: a bar for every arm."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes.card import FORMS
from kerasrecipes.training.studies import WORDS
from kerasrecipes.visualize.drawing import figure, write_whole


def draw_study(title: str, outcomes: list[dict[str, Any]], path: Path) -> Path:
    """Write `plot_study` as PNG; the file is whole or absent.

    Raises:
        KerasRecipesError: matplotlib is missing, or the folder cannot be written to.
    """
    drawn = plot_study(title, outcomes)
    return write_whole(path, lambda file: drawn.savefig(file, format="png", dpi=110))


def plot_study(title: str, outcomes: list[dict[str, Any]]) -> Any:
    """Each arm's first metric in the first condition, a figure.

    A bar is the mean over seeds; its line reaches from the lowest to the highest, of one seed over the 95 % interval of its test set.

    Args:
        title: of the study. outcomes: as `studies.record` writes them.
    """
    condition = next(iter(outcomes[0]["rates"]))
    metric = next(iter(outcomes[0]["rates"][condition]))
    scale, unit, _ = FORMS.get(metric, (100, " %", 1))
    arms = list(dict.fromkeys(o["arm"] for o in outcomes))
    means, ends = [], []
    for arm in arms:
        rates = [o["rates"][condition][metric] for o in outcomes if o["arm"] == arm]
        values = [scale * r["rate"] for r in rates]
        low, high = (min(values), max(values)) if len(values) > 1 else (
            (scale * rates[0][k] if rates[0][k] is not None else values[0]) for k in ("low", "high")
        )  # fmt: skip
        means.append(np.mean(values))
        ends.append((means[-1] - low, high - means[-1]))
    drawn = figure(6.4, 0.9 + 0.42 * len(arms))
    axes = drawn.add_subplot()
    axes.barh(arms, means, xerr=np.abs(np.array(ends).T), color="#3f51b5", capsize=3, height=0.6)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=f"{WORDS[metric]}, {condition}{',' if unit.strip() else ''}{unit}")
    return drawn

"""Pictures of runs: loss and validation scores over what was trained on."""

import csv
from pathlib import Path

PROGRESS_AXES = {
    "audio_hours": "hours of audio trained on",
    "million_characters": "million characters trained on",
    "million_pictures": "million pictures trained on",
}

# score -> (factor, unit)
METRIC_SCALES = {
    "wer": (100, "errors, %"), "cer": (100, "errors, %"), "per": (100, "errors, %"), "error": (100, "wrong classes, %"),
    "miou": (100, "mean intersection over union, %"), "bpc": (1, "bits per character"),
    "bps": (1, "bits per sample"), "bps_conditioned": (1, "bits per sample"),
}  # fmt: skip
STYLES = {name: "s-" if name in ("wer", "bps_conditioned") else "o-" for name in METRIC_SCALES}


MAX_POINTS = 40  # of a study's curves


def read_csv_columns(path: Path) -> dict[str, list[float]]:
    """The columns of a run's table."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]} if rows else {}


def smoothed_losses(folder: Path) -> dict[str, list[float]]:
    """A run's training losses over what it was trained on, neighbours averaged until there are few: {amount: ..., "loss": ...}."""
    if not (folder / "log.csv").is_file():
        return {}
    log = read_csv_columns(folder / "log.csv")
    amount = next(name for name in PROGRESS_AXES if name in log)
    step = -(-len(log["loss"]) // MAX_POINTS)
    groups = range(0, len(log["loss"]), step)
    means = {name: [log[name][i : i + step] for i in groups] for name in (amount, "loss")}
    return {name: [round(sum(g) / len(g), 4) for g in parts] for name, parts in means.items()}


def plot_learning_curve(folder: Path) -> Path | None:
    """Write `curve.png` from a run's `log.csv` and `validation.csv`; None where matplotlib or the log is missing."""
    try:
        import matplotlib
    except ImportError:
        return None
    if not (folder / "log.csv").is_file():
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    log = read_csv_columns(folder / "log.csv")
    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    amount = next(name for name in PROGRESS_AXES if name in log)
    axes.plot(log[amount], log["loss"], color="#3f51b5", label="training loss")
    axes.set(xlabel=PROGRESS_AXES[amount], ylabel="loss, nats")
    if (folder / "validation.csv").is_file():
        scores = read_csv_columns(folder / "validation.csv")
        right = axes.twinx()
        shown = [name for name in METRIC_SCALES if name in scores]
        for name in shown:
            scale, _ = METRIC_SCALES[name]
            right.plot(scores[amount], [scale * v for v in scores[name]], STYLES[name], color="#c62828", markersize=4,
                       label=f"validation {name}")  # fmt: skip
        unit = METRIC_SCALES[shown[0]][1] if shown else ""
        right.set(**{"ylabel": unit, **({"ylim": (0, 105)} if unit == "errors, %" else {})})
        right.legend(loc="lower left", frameon=False)
    axes.legend(loc="upper right", frameon=False)
    path = folder / "curve.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path

"""Learning curves of runs: loss and validation metrics over the amount of training data."""

from pathlib import Path

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.training.run_folder import read_numbers
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.plotting import new_figure

# column with the amount of training data -> label of the axis
PROGRESS_AXES = {
    "audio_hours": "hours of training audio",
    "million_characters": "million training characters",
    "million_images": "million training images",
}

# metric -> (factor, label of the axis)
METRIC_SCALES = {
    "wer": (100, "errors, %"), "cer": (100, "errors, %"), "per": (100, "errors, %"), "error": (100, "wrong classes, %"),
    "miou": (100, "mean intersection over union, %"), "bpc": (1, "bits per character"),
    "bps": (1, "bits per sample"), "bps_conditioned": (1, "bits per sample"),
}  # fmt: skip
STYLES = {name: "s-" if name in ("wer", "bps_conditioned") else "o-" for name in METRIC_SCALES}

MAX_POINTS = 40  # of a study's curves


def read_csv_columns(path: Path) -> dict[str, list[float]]:
    """Read the columns of a run's CSV file, {} for a missing file or one without rows."""
    rows = read_numbers(path) if path.is_file() else []
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def smoothed_losses(folder: Path) -> dict[str, list[float]]:
    """Return a run's training losses and amounts of data, neighbors averaged to at most `MAX_POINTS` points."""
    log = read_csv_columns(folder / "log.csv")
    if not log:
        return {}
    amount = next(name for name in PROGRESS_AXES if name in log)
    step = -(-len(log["loss"]) // MAX_POINTS)
    groups = range(0, len(log["loss"]), step)
    chunks = {name: [log[name][i : i + step] for i in groups] for name in (amount, "loss")}
    return {name: [round(sum(chunk) / len(chunk), 4) for chunk in parts] for name, parts in chunks.items()}


def plot_learning_curve(folder: Path) -> Path | None:
    """Write `curve.png` from a run's `log.csv` and `validation.csv`. Returns None without matplotlib or a log."""
    log = read_csv_columns(folder / "log.csv")
    if not log:
        return None
    try:
        figure = new_figure(6, 3.4)
    except KerasRecipesError:
        return None
    axes = figure.subplots()
    amount = next(name for name in PROGRESS_AXES if name in log)
    axes.plot(log[amount], log["loss"], color="#3f51b5", label="training loss")
    axes.set(xlabel=PROGRESS_AXES[amount], ylabel="loss, nats")
    if metrics := read_csv_columns(folder / "validation.csv"):
        right = axes.twinx()
        names = [name for name in METRIC_SCALES if name in metrics]
        for name in names:
            scale, _ = METRIC_SCALES[name]
            right.plot(metrics[amount], [scale * v for v in metrics[name]], STYLES[name], color="#c62828", markersize=4,
                       label=f"validation {name}")  # fmt: skip
        unit = METRIC_SCALES[names[0]][1] if names else ""
        right.set(**{"ylabel": unit, **({"ylim": (0, 105)} if unit == "errors, %" else {})})
        right.legend(loc="lower left", frameon=False)
    axes.legend(loc="upper right", frameon=False)
    return atomic_write(folder / "curve.png", lambda file: figure.savefig(file, format="png", dpi=110))

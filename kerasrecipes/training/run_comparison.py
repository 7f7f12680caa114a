"""Compare training runs: their settings, the best values of their metrics, and their curves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, convert_errors
from kerasrecipes.training.learning_curve import METRIC_SCALES, PROGRESS_AXES, read_csv_columns
from kerasrecipes.utils.escaping import escape_controls, escape_html
from kerasrecipes.utils.plotting import Figure, new_figure

EPOCH_AXIS = "epoch"  # of a file of Keras's CSVLogger
LARGER_IS_BETTER = ("miou", "accuracy")
PROGRESS = ("step", "epoch", "batch", "wall_hours", "learning_rate", "throughput", *PROGRESS_AXES)
TOTALS = ("step", "wall_hours")


@dataclass(frozen=True)
class TrainingRun:
    """What a training has recorded.

    Args:
        name: Name of the folder or file.
        axis: Column that measures its progress, a key of `PROGRESS_AXES` or "epoch".
        losses: Training losses with their progress: {column: values}.
        metrics: Validation metrics with their progress: {column: values}.
        settings: Settings of the run, {} for a file of Keras's CSVLogger.
        totals: Steps, hours and amount of data at the end, by column.
    """

    name: str
    axis: str
    losses: dict[str, list[float]]
    metrics: dict[str, list[float]]
    settings: dict[str, Any]
    totals: dict[str, float]

    def metric_names(self) -> list[str]:
        """Return the columns of `metrics` without those of its progress."""
        return [name for name in self.metrics if name not in PROGRESS]

    def best(self, metric: str) -> tuple[float, float] | None:
        """Return the best value of a metric and the progress at which it was reached, or None without finite values."""
        sign = -1 if metric.endswith(LARGER_IS_BETTER) else 1
        pairs = zip(self.metrics.get(metric, ()), self.metrics.get(self.axis, ()), strict=False)
        finite = [(sign * value, progress) for value, progress in pairs if abs(value) < float("inf")]
        value, progress = min(finite, default=(None, None))
        return None if value is None or progress is None else (sign * value, progress)


@dataclass(frozen=True, repr=False)
class RunComparison(Figure):
    """Runs side by side: `str()` is a table, `plot()` the curves.

    Args:
        runs: The runs.
    """

    runs: tuple[TrainingRun, ...]

    def metric_names(self) -> list[str]:
        """Return the metrics of all runs, in the order of the first run that has each."""
        return list(dict.fromkeys(name for run in self.runs for name in run.metric_names()))

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table: names of the runs, amounts of training, losses, best metrics, and the settings that differ."""
        rows = [("", *(escape_controls(run.name) for run in self.runs))]
        for column in dict.fromkeys(name for run in self.runs for name in run.totals):
            rows.append((column.replace("_", " "), *(format_number(run.totals.get(column)) for run in self.runs)))
        rows.append(("last training loss", *(format_number(run.losses["loss"][-1]) for run in self.runs)))
        for metric in self.metric_names():
            best = [run.best(metric) for run in self.runs]
            cells = (f"{format_number(b[0])} at {format_number(b[1])}" if b else "" for b in best)
            rows.append((f"best {metric}", *cells))
        keys = dict.fromkeys(key for run in self.runs for key in run.settings)
        for key in keys:
            values = [json.dumps(run.settings.get(key), default=str) for run in self.runs]
            if len(set(values)) > 1:
                rows.append((key, *(escape_controls(shorten(value)) for value in values)))
        return rows

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)

    def plot(self) -> Any:
        """Plot the training losses, and each validation metric in a panel of its own.

        Raises:
            KerasRecipesError: matplotlib is not installed.
        """
        metrics = self.metric_names()
        figure = new_figure(4.2 * (1 + len(metrics)), 3.4)
        panels = figure.subplots(1, 1 + len(metrics), squeeze=False)[0]
        for run in self.runs:
            panels[0].plot(run.losses[run.axis], run.losses["loss"], label=run.name)
            for axes, metric in zip(panels[1:], metrics, strict=True):
                scale = METRIC_SCALES.get(metric, (1, ""))[0]
                axes.plot(run.metrics.get(run.axis, []), [scale * v for v in run.metrics.get(metric, [])], "o-", markersize=4)
        labels = [f"{name}: {METRIC_SCALES[name][1]}" if name in METRIC_SCALES else name for name in metrics]
        (axis,) = {run.axis for run in self.runs}
        for axes, label in zip(panels, ["training loss", *labels], strict=True):
            axes.set(xlabel=PROGRESS_AXES.get(axis, axis), ylabel=label)
        panels[0].legend(frameon=False)
        return figure

    def _repr_html_(self) -> str:
        cells = ("".join(f'<td style="text-align:left">{escape_html(cell)}</td>' for cell in row) for row in self.rows())
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>{super()._repr_html_() or ''}"


def compare_runs(paths: Sequence[str | Path]) -> RunComparison:
    """Return training runs side by side.

    Args:
        paths: Folders of `kerasrecipes train`, or files that Keras's callback `CSVLogger` wrote.

    Raises:
        DataError: A path is neither, or the runs do not measure their progress in the same unit.

    Example:
        >>> print(compare_runs(["runs/small", "runs/large"]))
        >>> compare_runs(["runs/small", "runs/large"]).save("curves.png")
    """
    runs = tuple(read_run(Path(path)) for path in paths)
    axes = {run.axis for run in runs}
    if len(axes) > 1:
        units = ", ".join(f"{run.name}: {PROGRESS_AXES.get(run.axis, run.axis)}" for run in runs)
        raise DataError(f"The runs do not measure their progress in the same unit ({units}): compare runs of one task and one program")
    return RunComparison(tuple(rename_equal(runs, paths)))


def rename_equal(runs: Sequence[TrainingRun], paths: Sequence[str | Path]) -> list[TrainingRun]:
    """Return the runs, with their whole paths as names if two have the same name."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return list(runs)
    return [TrainingRun(str(path), *list(vars(run).values())[1:]) for run, path in zip(runs, paths, strict=True)]


def read_run(path: Path) -> TrainingRun:
    """Read the folder of a run, or a file of Keras's `CSVLogger`.

    Raises:
        DataError: It is neither, or holds no row yet.
    """
    if path.is_dir():
        log, metrics = read_csv_columns(path / "log.csv"), read_csv_columns(path / "validation.csv")
        axis = next((name for name in PROGRESS_AXES if name in log), None)
        if axis is None or "loss" not in log:
            raise DataError(f"{path} is no folder of a training run with rows in log.csv: pass the --output of kerasrecipes train")
        record = path / "run.json"
        settings: Any = {}
        if record.is_file():
            with convert_errors(DataError, record):
                settings = flatten_settings(json.loads(record.read_text("utf-8"))["config"])
        totals = {name: log[name][-1] for name in (*TOTALS, axis) if name in log}
        return TrainingRun(path.resolve().name, axis, log, metrics, dict(settings), totals)
    log = read_csv_columns(path)
    if EPOCH_AXIS not in log or "loss" not in log:
        raise DataError(f"{path} is neither the folder of a training run nor a CSV file of keras.callbacks.CSVLogger with epoch and loss")
    log[EPOCH_AXIS] = [epoch + 1 for epoch in log[EPOCH_AXIS]]
    metrics = {name: values for name, values in log.items() if name == EPOCH_AXIS or name.startswith("val_")}
    return TrainingRun(path.stem, EPOCH_AXIS, log, metrics, {}, {"epochs": log[EPOCH_AXIS][-1]})


def flatten_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with those of inner tables as "table.key"."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def format_number(value: float | None) -> str:
    """Return a number with four digits, "" for None."""
    return "" if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shorten(text: str, length: int = 40) -> str:
    """Return the beginning of a text that is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 3]}..."

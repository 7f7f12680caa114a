"""The picture of a run: loss and validation scores over what was trained on."""

import csv
from pathlib import Path

AMOUNTS = {"audio_hours": "hours of audio trained on", "million_characters": "million characters trained on"}


def draw_curve(folder: Path) -> Path | None:
    """Write `curve.png` from a run's `log.csv` and `validation.csv`; None where matplotlib or the log is missing."""
    try:
        import matplotlib
    except ImportError:
        return None
    if not (folder / "log.csv").is_file():
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    def columns(name: str) -> dict[str, list[float]]:
        with open(folder / name, newline="") as file:
            rows = list(csv.DictReader(file))
        return {key: [float(row[key]) for row in rows] for key in rows[0]} if rows else {}

    log = columns("log.csv")
    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    amount = next(name for name in AMOUNTS if name in log)
    axes.plot(log[amount], log["loss"], color="#3f51b5", label="training loss")
    label = (
        "frame"
        if "per" in (columns("validation.csv") if (folder / "validation.csv").is_file() else {})
        else "character"
    )
    axes.set(xlabel=AMOUNTS[amount], ylabel=f"nats per {label}")
    if (folder / "validation.csv").is_file():
        scores = columns("validation.csv")
        right = axes.twinx()
        for name, style in (("wer", "s-"), ("cer", "o-"), ("per", "o-"), ("bpc", "o-")):
            if name in scores:
                values = [v if name == "bpc" else 100 * v for v in scores[name]]
                right.plot(scores[amount], values, style, color="#c62828", markersize=4, label=f"validation {name}")
        right.set(**{"ylabel": "bits per character"} if "bpc" in scores else {"ylabel": "errors, %", "ylim": (0, 105)})
        right.legend(loc="lower left", frameon=False)
    axes.legend(loc="upper right", frameon=False)
    path = folder / "curve.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path

"""The picture of a run: loss and validation scores over what was trained on."""

import csv
from pathlib import Path

AMOUNTS = {"audio_hours": "hours of audio trained on", "million_characters": "million characters trained on"}

BITS = {"bpc": "bits per character", "bps": "bits per sample"}


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
    axes.set(xlabel=AMOUNTS[amount], ylabel="nats")
    if (folder / "validation.csv").is_file():
        scores = columns("validation.csv")
        right = axes.twinx()
        for name, style in (("wer", "s-"), ("cer", "o-"), ("bpc", "o-"), ("bps", "o-"), ("bps_conditioned", "s-")):
            if name in scores:
                values = [v if name.startswith("bp") else 100 * v for v in scores[name]]
                right.plot(scores[amount], values, style, color="#c62828", markersize=4, label=f"validation {name}")
        bits = next((unit for name, unit in BITS.items() if name in scores), None)
        right.set(**{"ylabel": bits} if bits else {"ylabel": "errors, %", "ylim": (0, 105)})
        right.legend(loc="lower left", frameon=False)
    axes.legend(loc="upper right", frameon=False)
    path = folder / "curve.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path

"""Names and formats of the metrics in manifest entries, as the command line, the cards and the site print them."""

from collections.abc import Mapping
from typing import Any

# metric -> its noun; "by NAME" after a metric names a recognizer that listened
METRIC_NOUNS = {
    "wer": "word errors", "cer": "character errors", "per": "phoneme errors", "error": "classification errors", "top5": "top-5 errors",
    "miou": "mean IoU", "pixels": "pixel errors", "bpc": "bits per character", "bps": "bits per sample",
    "bps_conditioned": "bits per sample given the spectrogram", "rtf": "real-time factor",
    "boundaries_found": "boundary recall", "boundaries_right": "boundary precision", "wer_original": "word errors of the originals",
    "wer_copy": "word errors of the copies", "wer_added": "word errors added", "level_difference": "level difference",
    "spectral_distance": "spectral distance",
}  # fmt: skip
# metric -> (scale, unit, digits). Other metrics are rates in per cent
METRIC_FORMATS = {
    "bpc": (1, "", 3), "bps": (1, "", 3), "bps_conditioned": (1, "", 3), "rtf": (1, "", 4), "error": (100, " %", 2),
    "level_difference": (1, " dB", 2), "spectral_distance": (1, " dB", 2),
}  # fmt: skip
MAIN_METRICS = {
    "speech-recognition": "wer", "phoneme-recognition": "per", "image-classification": "error", "segmentation": "miou",
    "language-model": "bpc", "waveform-generation": "bps",
}  # fmt: skip
HIGHER_IS_BETTER = ("miou", "boundaries_found", "boundaries_right")
REPORT_SET, NOISE = "dev-mini-report", " with pink noise"  # in the names of data sets
AVERAGED = ", averaged with "  # in the names of decoders, before the names of other recognizers


def metric_noun(metric: str) -> str:
    """Return a metric's noun, for instance "word errors" for "wer". Text after the metric's name is kept."""
    name, space, rest = metric.partition(" ")
    return f"{METRIC_NOUNS.get(name, name)}{space}{rest}"


def format_value(metric: str, value: float) -> str:
    """Return a value with its unit, for instance "37.2 %"."""
    scale, unit, digits = METRIC_FORMATS.get(metric.partition(" ")[0], (100, " %", 1))
    return f"{scale * value:.{digits}f}{unit}"


def format_measurement(metric: str, value: float, ci_low: float | None = None, ci_high: float | None = None) -> str:
    """Return a value with its unit and, where there is one, its 95 % interval: "37.2 % (34.1 to 40.1)"."""
    text = format_value(metric, value)
    if ci_low is None or ci_high is None or ci_low != ci_low:
        return text
    scale, _, digits = METRIC_FORMATS.get(metric.partition(" ")[0], (100, " %", 1))
    return f"{text} ({scale * ci_low:.{digits}f} to {scale * ci_high:.{digits}f})"


def find_best(task: str, measurements: Any) -> Mapping[str, Any] | None:
    """Return the best measurement of a task's main metric, on dev-mini-report if it was measured there.

    Measurements with added noise, and those of several networks together, do not count.
    """
    metric = MAIN_METRICS[task]
    rows = [m for m in measurements if m["metric"] == metric and NOISE not in m["dataset"] and AVERAGED not in m.get("decoder", "")]
    rows = [m for m in rows if m["dataset"].startswith(REPORT_SET)] or rows
    sign = -1 if metric in HIGHER_IS_BETTER else 1
    return min(rows, key=lambda m: sign * m["value"], default=None)

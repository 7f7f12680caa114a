"""Summary of a data set: a table, histograms, and suspicious clips."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.data.origins import synthesizer_name
from kerasrecipes.data.utterances import Utterances, fill_durations
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.utils.escaping import TextResult
from kerasrecipes.utils.files import atomic_write
from kerasrecipes.utils.plotting import new_figure
from kerasrecipes.utils.text_files import read_lines

PLAUSIBLE_CHARS_PER_SECOND = (4.0, 25.0)  # read speech is rarely slower or faster
PLAUSIBLE_SECONDS = (0.5, 25.0)


@dataclass(frozen=True)
class DatasetSummary(TextResult):
    """Summary of a data set. `str()` formats it as a table.

    Args:
        rows: Pairs (property, value).
        suspicious: Pairs (item, reason).
        noun: Plural noun of the items. Default "clips".
    """

    rows: tuple[tuple[str, str], ...]
    suspicious: tuple[tuple[str, str], ...]
    noun: str = "clips"

    def __str__(self) -> str:
        table = [f"{name:20} {value}" for name, value in self.rows]
        items = [f"  {item}: {why}" for item, why in self.suspicious[:20]]
        more = [f"  and {len(self.suspicious) - 20} more"] if len(self.suspicious) > 20 else []
        return "\n".join([*table, f"{'suspicious':20} {len(self.suspicious)} {self.noun}", *items, *more])

    def to_markdown(self) -> str:
        """Return the summary as a Markdown table."""
        return "\n".join(["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in self.rows)])


def speaker_sexes(utterances: Utterances) -> dict[str, str]:
    """Return {speaker: "F" or "M"} from the SPEAKERS.TXT of LibriSpeech folders above the clips."""
    sexes: dict[str, str] = {}
    for folder in {parent for u in utterances for parent in list(Path(u.path).parents)[2:5]}:
        table = folder / "SPEAKERS.TXT"
        if table.is_file():
            rows = (line.split("|") for line in read_lines(table) if not line.startswith(";"))
            sexes |= {row[0].strip(): row[1].strip() for row in rows if len(row) > 2}
    return sexes


def summarize(
    utterances: Utterances, compare_with: Utterances | None = None, plots: str | Path | None = None
) -> DatasetSummary:
    """Summarize hours, speakers, sexes, durations, speaking rates, words and suspicious clips.

    Args:
        utterances: The data set.
        compare_with: Another set. Words of `utterances` that it lacks are counted. Default: none.
        plots: Folder for `lengths.png` and `rates.png` (needs matplotlib). Default: no plots.

    Returns:
        A table, and (clip, reason) pairs: too short or long, read impossibly fast or slowly, or a text that occurs many times.
    """
    utterances = fill_durations(utterances)
    alphabet = Alphabet()
    texts = [alphabet.normalize(u.text) for u in utterances]
    seconds = np.array([u.seconds for u in utterances])
    rate = np.array([len(t) for t in texts]) / np.maximum(seconds, 1e-3)
    words = Counter(w for t in texts for w in t.split())
    speakers = {u.speaker for u in utterances}
    sex = Counter(v for k, v in speaker_sexes(utterances).items() if k in speakers)
    rows = [
        ("clips", f"{len(utterances):,}"),
        ("hours", f"{seconds.sum() / 3600:.2f}" if seconds.sum() > 360 else f"{seconds.sum() / 3600:.4f}"),
        ("sets", ", ".join(sorted({u.source for u in utterances}))),
        ("speakers", f"{len(speakers):,}" + (f" ({sex['F']} female, {sex['M']} male)" if sex else "")),
        ("length", _percentiles(seconds, "s")),
        ("speaking rate", _percentiles(rate, "characters/s")),
        *synthetic_row(utterances, seconds),
        ("words", f"{sum(words.values()):,} in all, {len(words):,} different"),
        ("most frequent", ", ".join(w for w, _ in words.most_common(8))),
    ]
    if compare_with is not None:
        others = {w for u in compare_with for w in alphabet.normalize(u.text).split()}
        new = {w: c for w, c in words.items() if w not in others}
        share = 100 * sum(new.values()) / max(sum(words.values()), 1)
        rows.append(("words not in other", f"{share:.1f} % of words, {len(new):,} different"))
    if plots:
        plot_histograms(seconds, rate, Path(plots))
    return DatasetSummary(tuple(rows), tuple(suspicious_clips(utterances, texts, seconds, rate)))


def synthetic_row(utterances: Utterances, seconds: np.ndarray) -> list[tuple[str, str]]:
    """Return a row with the share of synthetic speech and its synthesizers, or none for recordings only."""
    names = [synthesizer_name(u.speaker) for u in utterances]
    if not any(names):
        return []
    share = seconds[[bool(name) for name in names]].sum() / max(seconds.sum(), 1e-9)
    return [("synthetic", f"{100 * share:.0f} % of the time, by {', '.join(sorted({*names} - {''}))}")]


def _percentiles(values: np.ndarray, unit: str) -> str:
    numbers = " / ".join(f"{v:.1f}" for v in np.percentile(values, [0, 50, 95, 100]))
    return f"{numbers} {unit} (minimum, median, 95 %, maximum)"


def suspicious_clips(
    utterances: Utterances, texts: list[str], seconds: np.ndarray, rate: np.ndarray
) -> list[tuple[str, str]]:
    """Return pairs (clip, reason) of suspicious clips."""
    repeated = Counter((u.speaker, t) for u, t in zip(utterances, texts, strict=True))
    suspicious = []
    for u, text, s, r in zip(utterances, texts, seconds, rate, strict=True):
        if not PLAUSIBLE_SECONDS[0] <= s <= PLAUSIBLE_SECONDS[1]:
            suspicious.append((u.id, f"{s:.2f} s long"))
        elif not PLAUSIBLE_CHARS_PER_SECOND[0] <= r <= PLAUSIBLE_CHARS_PER_SECOND[1]:
            suspicious.append((u.id, f"{r:.1f} characters/s: does {text[:40]!r} match the audio?"))
        elif u.speaker not in ("", "unknown") and repeated[u.speaker, text] > 3:
            suspicious.append((u.id, f"{u.speaker} reads this text {repeated[u.speaker, text]} times"))
    return suspicious


def plot_histograms(seconds: np.ndarray, rate: np.ndarray, folder: Path) -> None:
    """Plot histograms of lengths and speaking rates."""
    for name, values, label in (("lengths", seconds, "seconds"), ("rates", rate, "characters per second")):
        figure = new_figure(4, 2.2)
        axes = figure.subplots()
        axes.hist(values, bins=40, color="#3f51b5")
        axes.set(xlabel=label, ylabel="clips")
        atomic_write(folder / f"{name}.png", lambda file, figure=figure: figure.savefig(file, format="png", dpi=80))

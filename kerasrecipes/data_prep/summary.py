"""Get to know a data set: a table, pictures, and the clips that look wrong."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasrecipes.data.utterances import Utterances, fill_durations
from kerasrecipes.decoding.alphabet import Alphabet

PLAUSIBLE_CHARS_PER_SECOND = (4.0, 25.0)  # characters a second outside of which speech is rarely read
PLAUSIBLE_SECONDS = (0.5, 25.0)


@dataclass(frozen=True)
class DatasetSummary:
    """What `describe` found; `str()` is the table."""

    rows: tuple[tuple[str, str], ...]
    suspicious: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        table = [f"{name:20} {value}" for name, value in self.rows]
        shown = [f"  {clip}: {why}" for clip, why in self.suspicious[:20]]
        more = [f"  and {len(self.suspicious) - 20} more"] if len(self.suspicious) > 20 else []
        return "\n".join([*table, f"{'look wrong':20} {len(self.suspicious)} clips", *shown, *more])

    def to_markdown(self) -> str:
        """The table for a page."""
        return "\n".join(["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in self.rows)])


def speaker_sexes(utterances: Utterances) -> dict[str, str]:
    """{speaker: "F" or "M"} from the SPEAKERS.TXT of the LibriSpeech folders the clips lie in."""
    found: dict[str, str] = {}
    for folder in {parent for u in utterances for parent in list(Path(u.path).parents)[2:5]}:
        table = folder / "SPEAKERS.TXT"
        if table.is_file():
            rows = (line.split("|") for line in table.read_text().splitlines() if not line.startswith(";"))
            found |= {row[0].strip(): row[1].strip() for row in rows if len(row) > 2}
    return found


def summarize(
    utterances: Utterances, against: Utterances | None = None, pictures: str | Path | None = None
) -> DatasetSummary:
    """Hours, speakers, sexes, lengths, speaking rates, words, and clips worth a look.

    Args:
        utterances: the set. against: another set; words of `utterances` that it lacks are counted.
        pictures: a folder for `lengths.png` and `rates.png` (needs matplotlib).

    Returns:
        A table and (clip, reason) pairs: too short or long, read impossibly fast or slowly, one text many times.
    """
    utterances = fill_durations(utterances)
    alphabet = Alphabet()
    texts = [alphabet.normalize(u.text) for u in utterances]
    seconds = np.array([u.seconds for u in utterances])
    rate = np.array([len(t) for t in texts]) / np.maximum(seconds, 1e-3)
    words = Counter(w for t in texts for w in t.split())
    speakers = {u.speaker for u in utterances}
    sex = Counter(v for k, v in speaker_sexes(utterances).items() if k in speakers)
    spread = lambda x, unit: "{:.1f} / {:.1f} / {:.1f} / {:.1f} {}".format(*np.percentile(x, [0, 50, 95, 100]), unit)  # noqa: E731
    rows = [
        ("clips", f"{len(utterances):,}"),
        ("hours", f"{seconds.sum() / 3600:.2f}" if seconds.sum() > 360 else f"{seconds.sum() / 3600:.4f}"),
        ("sets", ", ".join(sorted({u.source for u in utterances}))),
        ("speakers", f"{len(speakers):,}" + (f" ({sex['F']} female, {sex['M']} male)" if sex else "")),
        ("length", f"{spread(seconds, 's')} (least, median, 95 %, most)"),
        ("speaking rate", f"{spread(rate, 'characters/s')} (least, median, 95 %, most)"),
        ("words", f"{sum(words.values()):,} of {len(words):,} kinds"),
        ("most frequent", ", ".join(w for w, _ in words.most_common(8))),
    ]
    if against is not None:
        known = {w for u in against for w in alphabet.normalize(u.text).split()}
        new = {w: c for w, c in words.items() if w not in known}
        share = 100 * sum(new.values()) / max(sum(words.values()), 1)
        rows.append(("words not in other", f"{share:.1f} % of words, {len(new):,} kinds"))
    if pictures:
        plot_histograms(seconds, rate, Path(pictures))
    return DatasetSummary(tuple(rows), tuple(suspicious_clips(utterances, texts, seconds, rate)))


def suspicious_clips(
    utterances: Utterances, texts: list[str], seconds: np.ndarray, rate: np.ndarray
) -> list[tuple[str, str]]:
    """(clip, reason) of those that look wrong."""
    repeated = Counter((u.speaker, t) for u, t in zip(utterances, texts, strict=True))
    found = []
    for u, text, s, r in zip(utterances, texts, seconds, rate, strict=True):
        if not PLAUSIBLE_SECONDS[0] <= s <= PLAUSIBLE_SECONDS[1]:
            found.append((u.id, f"{s:.2f} s long"))
        elif not PLAUSIBLE_CHARS_PER_SECOND[0] <= r <= PLAUSIBLE_CHARS_PER_SECOND[1]:
            found.append((u.id, f"{r:.1f} characters a second: is {text[:40]!r} what is said?"))
        elif u.speaker not in ("", "unknown") and repeated[u.speaker, text] > 3:
            found.append((u.id, f"said {repeated[u.speaker, text]} times by {u.speaker}"))
    return found


def plot_histograms(seconds: np.ndarray, rate: np.ndarray, folder: Path) -> None:
    """Histograms of lengths and speaking rates.

    Raises:
        KerasRecipesError: matplotlib is missing, or the folder cannot be written to.
    """
    from kerasrecipes.utils.files import atomic_write
    from kerasrecipes.utils.plotting import new_figure

    for name, values, label in (("lengths", seconds, "seconds"), ("rates", rate, "characters per second")):
        drawn = new_figure(4, 2.2)
        axes = drawn.subplots()
        axes.hist(values, bins=40, color="#3f51b5")
        axes.set(xlabel=label, ylabel="clips")
        atomic_write(folder / f"{name}.png", lambda file, drawn=drawn: drawn.savefig(file, format="png", dpi=80))

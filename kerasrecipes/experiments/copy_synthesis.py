"""Copy synthesis measured: clips made again from their spectrograms, how much an independent recogniser still understands, and
how far level and spectrum are from the originals'."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import metrics
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.data_prep.phone_alignment import read_journal
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.inference.vocoder import BATCH_SIZE
from kerasrecipes.utils.files import write_json
from kerasrecipes.visualize.synthesis_cache import weights_hash

REFERENCE_RECOGNIZER = "PocketSphinx"  # its own model of US English, which shares nothing with the generator
DECIBELS = 10 / np.log(10)  # a natural logarithm of power in decibels
MIN_RMS = 1e-5  # root mean square below which a level is not told apart


class PocketSphinxRecognizer:
    """PocketSphinx with its bundled acoustic model, dictionary and trigrams: waveform to words.

    Raises:
        DataError: it is not installed.
    """

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError:
            raise DataError('Counting words needs PocketSphinx: pip install "kerasrecipes[phones]"') from None
        # means of the whole clip: with "live" ones a clip's words would depend on the clips before it ...
        self.decoder = pocketsphinx.Decoder(cmn="batch", loglevel="FATAL")

    def __call__(self, wave: np.ndarray) -> str:
        """Words in (samples,) floats at 16 kHz."""
        self.decoder.reinit_feat()  # ... and so with what its front end remembers of them
        self.decoder.start_utt()
        self.decoder.process_raw((np.clip(wave, -1, 1) * 32767).astype("int16").tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found else ""


def load_listener(name: str, **options: Any) -> Callable[[np.ndarray], str]:
    """One of our recognisers of words as a listener; options are those of its `transcribe`.

    Raises:
        KerasRecipesError: there is no such recipe, or it writes no words.
    """
    from kerasrecipes import loading

    model = loading.load(name, compile=False)
    if model.recipe.task != "speech-recognition":
        raise KerasRecipesError(f"{name} hears no words: its task is {model.recipe.task}")
    return lambda wave: model.transcribe(wave, SAMPLE_RATE, **options).text


def copy_synthesis(
    model: Any, utterances: Sequence[Any], folder: str | Path, *, seed: int = 1,
    listeners: Mapping[str, Callable[[np.ndarray], str]] | None = None, progress: Callable[[float, float], Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Vocode one clip of each text and compare the copies with the originals; an interrupted run is gone on with.

    Args:
        model: a `WaveGenerator` with local conditioning. utterances: clips with texts; of several takes of a text by one
            speaker the first counts. A speaker that the model does not know is nobody in particular.
        folder: gets NAME.wav of every copy, `clips.jsonl` (a line per clip), `copies.json` (all of them and the rates) and,
            where matplotlib is installed, `copies.png` (spectra and spectrograms).
        seed: clip i is made with seed + i.
        listeners: name -> from (samples,) at 16 kHz to words; default: PocketSphinx. `recogniser` makes one of ours.
        progress: called with seconds made and seconds in all.

    Returns:
        {"wer_original by NAME", "wer_copy by NAME": ErrorRate of each listener; "wer_added by NAME": their difference;
        "level_difference": mean
        absolute difference of levels, in decibels; "spectral_distance": root mean square over bands of the difference of
        log mel spectra, mean over frames, in decibels}, with intervals over clips.

    Raises:
        KerasRecipesError: a clip cannot be read, there is none, or the folder holds copies by other weights or for others.
        DataError: PocketSphinx is missing, or the model has no local conditioning.
    """
    model.require_local_conditioning()
    listeners = listeners or {REFERENCE_RECOGNIZER: PocketSphinxRecognizer()}
    clips, folder = first_take_per_text(utterances), Path(folder)
    if not clips:
        raise KerasRecipesError("There is no recording to copy")
    folder.mkdir(parents=True, exist_ok=True)
    journal, made_by = folder / "clips.jsonl", run_hash(model, seed, listeners)
    done = read_journal(journal)
    if any(row["model"] != made_by for row in done.values()):
        raise KerasRecipesError(
            f"{folder} holds copies by other weights, with another seed or for other listeners: take another folder"
        )
    groups = [range(i, min(i + BATCH_SIZE, len(clips))) for i in range(0, len(clips), BATCH_SIZE)]
    todo = [
        g for g in groups if any(clips[i].id not in done or not (folder / f"{clips[i].id}.wav").exists() for i in g)
    ]
    lengths = [max(len(read_clip(clips[i], model.sample_rate)) for i in g) / model.sample_rate for g in todo]
    with open(journal, "a", encoding="utf-8") as file:
        for number, group in enumerate(todo):
            before = sum(lengths[:number])
            show = (lambda at, _, before=before: progress(before + at, sum(lengths))) if progress else None
            for row in vocode_and_compare(model, [clips[i] for i in group], folder, seed + group[0], listeners, show):
                done[row["path"]] = row | {"model": made_by}
                file.write(json.dumps(done[row["path"]]) + "\n")
                file.flush()
    rows = [done[u.id] for u in clips]
    rates = aggregate_rates(rows)
    values = {name: {k: None if v != v else v for k, v in vars(rate).items()} for name, rate in rates.items()}
    write_json(folder / "copies.json", {"listeners": list(listeners), "rates": values, "clips": rows})
    with contextlib.suppress(KerasRecipesError):  # without matplotlib there are numbers only
        plot_copies(model, clips, folder)
    return rates


def first_take_per_text(utterances: Sequence[Any]) -> list[Any]:
    """Of each speaker and text the clip whose name comes first, in the order of names."""
    found: dict[tuple[str, str], Any] = {}
    for u in sorted(utterances, key=lambda u: u.id):
        found.setdefault((u.speaker, Alphabet().normalize(u.text)), u)
    return list(found.values())


def run_hash(model: Any, seed: int, listeners: Mapping[str, Any]) -> str:
    """Of the weights and the seed that copies are made with, and of who hears them."""
    return hashlib.sha256(repr((weights_hash(model), seed, sorted(listeners))).encode()).hexdigest()[:16]


def read_clip(clip: Any, rate: int) -> np.ndarray:
    """A clip (samples,) at the rate.

    Raises:
        KerasRecipesError: it cannot be read; a score over the rest would be of another set.
    """
    return load_audio(clip.path, target=rate)


def vocode_and_compare(
    model: Any, clips: list[Any], folder: Path, seed: int, listeners: Mapping[str, Any],
    progress: Callable[[float, float], Any] | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Vocode clips at once; what is known of each copy and its original."""
    spectrograms = [model.spectrogram(c.path) for c in clips]
    names = [c.speaker if model.speaker_number(c.speaker, strict=False) else None for c in clips]
    seconds = [len(read_clip(c, model.sample_rate)) / model.sample_rate for c in clips]
    sounds = model.generate(seconds, seed, speaker=names, mel=spectrograms, progress=progress)
    rows = []
    for clip, sound, spectrogram in zip(clips, sounds, spectrograms, strict=True):
        path = sound.save(folder / f"{clip.id}.wav")
        distance = DECIBELS * (model.spectrogram(path) - spectrogram)
        both = {s: load_audio(p, target=SAMPLE_RATE) for s, p in (("original", clip.path), ("copy", path))}
        heard = {n: {s: Alphabet().normalize(words(w)) for s, w in both.items()} for n, words in listeners.items()}
        rows.append({
            "path": clip.id, "speaker": clip.speaker, "text": Alphabet().normalize(clip.text),
            "heard": heard, "level_original": rms_db(both["original"]), "level_copy": rms_db(both["copy"]),
            "frames": len(distance),
            "spectral_distance": float(np.sqrt((distance**2).mean(axis=1)).mean()),
        })  # fmt: skip
    return rows


def rms_db(wave: np.ndarray) -> float:
    """Root mean square in decibels below full scale."""
    return float(20 * np.log10(max(np.sqrt(np.mean(np.square(wave, dtype="float64"))), MIN_RMS)))


def aggregate_rates(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rates of `copy_synthesis` from what is known of each clip."""
    ids, texts = [r["path"] for r in rows], [r["text"] for r in rows]
    found: dict[str, Any] = {}
    for name in rows[0]["heard"]:
        heard = {side: [r["heard"][name][side] for r in rows] for side in ("original", "copy")}
        errors = {
            side: np.array(
                [sum(metrics.edit_counts(t.split(), h.split())) for t, h in zip(texts, answers, strict=True)]
            )
            for side, answers in heard.items()
        }
        words = [len(t.split()) for t in texts]
        found |= {
            f"wer_{side} by {name}": metrics.word_error_rate(texts, answers, ids) for side, answers in heard.items()
        }
        found[f"wer_added by {name}"] = metrics.ratio_with_interval(errors["copy"] - errors["original"], words, ids)
    frames = np.array([r["frames"] for r in rows])
    apart = [abs(r["level_copy"] - r["level_original"]) for r in rows]
    distances = np.array([r["spectral_distance"] for r in rows])
    return found | {
        "level_difference": metrics.ratio_with_interval(apart, np.ones(len(rows)), ids),
        "spectral_distance": metrics.ratio_with_interval(distances * frames, frames, ids),
    }


def plot_copies(model: Any, clips: Sequence[Any], folder: Path) -> Path:
    """Write `copies.png`: the mean spectra of originals and copies, and both spectrograms of the first clip.

    Raises:
        KerasRecipesError: matplotlib is missing.
    """
    from kerasrecipes.utils.files import atomic_write
    from kerasrecipes.utils.plotting import DPI, new_figure

    picture = new_figure(9, 5.5)
    pairs = [[DECIBELS * model.spectrogram(p) for p in (c.path, folder / f"{c.id}.wav")] for c in clips]
    axes = picture.subplot_mosaic([["mean", "mean"], ["original", "copy"]])
    for side, (name, colour) in enumerate((("original", "#3f51b5"), ("copy", "#c62828"))):
        mean = np.mean(np.concatenate([pair[side] for pair in pairs]), axis=0)
        axes["mean"].plot(np.arange(1, len(mean) + 1), mean, color=colour, label=f"{name}, mean of {len(pairs)} clips")
        low, high = np.percentile(pairs[0][0], [2, 99.8])
        seconds = len(pairs[0][side]) * model.hop_length / model.sample_rate
        axes[name].imshow(
            pairs[0][side].T, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma",
            extent=(0, seconds, 0.5, len(mean) + 0.5),
        )  # fmt: skip
        axes[name].set(title=f"{clips[0].id}, {name}", xlabel="seconds", ylabel="mel band")
    axes["mean"].set(xlabel="mel band", ylabel="dB")
    axes["mean"].legend(frameon=False)
    return atomic_write(folder / "copies.png", lambda file: picture.savefig(file, format="png", dpi=DPI))

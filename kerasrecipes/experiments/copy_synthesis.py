"""Copy synthesis: clips are reconstructed from their spectrograms and compared with the originals.

An independent recognizer counts the word errors that the reconstruction adds. Levels and spectra are compared as well.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrecipes import metrics
from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.errors import DataError, KerasRecipesError
from kerasrecipes.inference.vocoder import BATCH_SIZE
from kerasrecipes.utils.files import write_json
from kerasrecipes.utils.journal import read_journal
from kerasrecipes.utils.plotting import new_figure, save_figure
from kerasrecipes.visualize.synthesis_cache import weights_hash

REFERENCE_RECOGNIZER = "PocketSphinx"  # with its own model of US English, which shares nothing with the generator
DECIBELS = 10 / np.log(10)  # decibels in a natural logarithm of power
MIN_RMS = 1e-5  # levels below are not distinguished

Listener = Callable[[np.ndarray], str]  # from (samples,) at 16 kHz to words
Progress = Callable[[float, float], Any] | None


class PocketSphinxRecognizer:
    """PocketSphinx with its bundled acoustic model, dictionary and trigrams.

    Raises:
        DataError: PocketSphinx is not installed.
    """

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError:
            raise DataError('Copy synthesis needs PocketSphinx: pip install "kerasrecipes[phones]"') from None
        # means of the whole clip: "live" means would make a clip's words depend on the clips before it ...
        self.decoder = pocketsphinx.Decoder(cmn="batch", loglevel="FATAL")

    def __call__(self, wave: np.ndarray) -> str:
        """Return the words of (samples,) floats at 16 kHz."""
        self.decoder.reinit_feat()  # ... and so would the state of the front end
        self.decoder.start_utt()
        self.decoder.process_raw((np.clip(wave, -1, 1) * 32767).astype("int16").tobytes(), full_utt=True)
        self.decoder.end_utt()
        hypothesis = self.decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""


def make_listener(model: Any, **options: Any) -> Listener:
    """Return a recognizer of words as a listener. The options are those of its `transcribe`.

    Raises:
        KerasRecipesError: The model does not recognize words.
    """
    if model.recipe.task != "speech-recognition":
        raise KerasRecipesError(f"{model.name} does not recognize words: its task is {model.recipe.task}")
    return lambda wave: model.transcribe(wave, SAMPLE_RATE, **options).text


def run_copy_synthesis(
    model: Any, utterances: Sequence[Any], output: str | Path, *, listeners: Mapping[str, Listener] | None = None,
    seed: int = 1, progress: Progress = None,
) -> dict[str, Any]:  # fmt: skip
    """Vocode one clip of each text and compare it with the original. An interrupted run resumes.

    Args:
        model: A `WaveNetGenerator` with local conditioning.
        utterances: Clips with texts. Of several takes of a text by one speaker only the first is vocoded. An unknown speaker maps
            to the "no speaker" embedding.
        output: Folder of NAME.wav for every copy, `clips.jsonl` (a line for each clip), `copies.json` (all clips and the rates)
            and, with matplotlib, `copies.png` (spectra and spectrograms).
        listeners: Functions from a waveform at 16 kHz to words, by name. Default: PocketSphinx. See `make_listener`.
        seed: Clip i is generated with seed + i.
        progress: Called with (done, total) seconds of audio.

    Returns:
        {"wer_original by NAME", "wer_copy by NAME": error rates of each listener; "wer_added by NAME": their difference;
        "level_difference": mean absolute difference of levels in decibels; "spectral_distance": root mean square over bands of
        the difference of log-mel spectra, mean over frames, in decibels}, with intervals over clips.

    Raises:
        KerasRecipesError: A clip cannot be read, there is none, or the folder holds copies of other weights, seed or listeners.
        DataError: PocketSphinx is not installed, or the model has no local conditioning.
    """
    model.require_local_conditioning()
    listeners = listeners or {REFERENCE_RECOGNIZER: PocketSphinxRecognizer()}
    clips, folder = first_take_per_text(utterances), Path(output)
    if not clips:
        raise KerasRecipesError("There is no recording to copy")
    folder.mkdir(parents=True, exist_ok=True)
    journal, current_run = folder / "clips.jsonl", run_hash(model, seed, listeners)
    rows = {row["path"]: row for row in read_journal(journal)}
    if any(row["run"] != current_run for row in rows.values()):
        raise KerasRecipesError(
            f"{folder} holds copies of other weights, another seed or other listeners: choose another folder"
        )
    batches = [range(i, min(i + BATCH_SIZE, len(clips))) for i in range(0, len(clips), BATCH_SIZE)]
    batches = [
        b for b in batches if any(clips[i].id not in rows or not (folder / f"{clips[i].id}.wav").exists() for i in b)
    ]
    seconds = [max(len(read_clip(clips[i], model.sample_rate)) for i in b) / model.sample_rate for b in batches]
    with open(journal, "a", encoding="utf-8") as file:
        for number, batch in enumerate(batches):
            done = sum(seconds[:number])
            show = (lambda s, _, done=done: progress(done + s, sum(seconds))) if progress else None
            for row in vocode_and_compare(model, [clips[i] for i in batch], folder, seed + batch[0], listeners, show):
                rows[row["path"]] = row | {"run": current_run}
                file.write(json.dumps(rows[row["path"]]) + "\n")
                file.flush()
    clip_rows = [rows[u.id] for u in clips]
    rates = aggregate_rates(clip_rows)
    values = {name: {k: None if v != v else v for k, v in vars(rate).items()} for name, rate in rates.items()}
    write_json(folder / "copies.json", {"listeners": list(listeners), "rates": values, "clips": clip_rows})
    with contextlib.suppress(KerasRecipesError):  # without matplotlib there is no plot
        plot_copies(model, clips, folder)
    return rates


def first_take_per_text(utterances: Sequence[Any]) -> list[Any]:
    """Return the first clip of each speaker and text, in the order of names."""
    clips: dict[tuple[str, str], Any] = {}
    for u in sorted(utterances, key=lambda u: u.id):
        clips.setdefault((u.speaker, Alphabet().normalize(u.text)), u)
    return list(clips.values())


def run_hash(model: Any, seed: int, listeners: Mapping[str, Any]) -> str:
    """Return a hash of weights, seed and listeners. A different hash means a different run."""
    return hashlib.sha256(repr((weights_hash(model), seed, sorted(listeners))).encode()).hexdigest()[:16]


def read_clip(clip: Any, rate: int) -> np.ndarray:
    """Return a clip's samples at a sample rate."""
    return load_audio(clip.path, target=rate)


def vocode_and_compare(
    model: Any, clips: list[Any], folder: Path, seed: int, listeners: Mapping[str, Listener], progress: Progress
) -> list[dict[str, Any]]:
    """Vocode a batch of clips and return a row for each, with texts, levels and spectral distance."""
    spectrograms = [model.spectrogram(c.path) for c in clips]
    speakers = [c.speaker if model.speaker_number(c.speaker, strict=False) else None for c in clips]
    seconds = [len(read_clip(c, model.sample_rate)) / model.sample_rate for c in clips]
    copies = model.generate(seconds, seed, speaker=speakers, mel=spectrograms, progress=progress)
    rows = []
    for clip, copy, spectrogram in zip(clips, copies, spectrograms, strict=True):
        path = copy.save(folder / f"{clip.id}.wav")
        distance = DECIBELS * (model.spectrogram(path) - spectrogram)
        waves = {s: load_audio(p, target=SAMPLE_RATE) for s, p in (("original", clip.path), ("copy", path))}
        transcripts = {
            name: {s: Alphabet().normalize(listen(wave)) for s, wave in waves.items()}
            for name, listen in listeners.items()
        }
        rows.append({
            "path": clip.id, "speaker": clip.speaker, "text": Alphabet().normalize(clip.text),
            "transcripts": transcripts, "level_original": rms_db(waves["original"]), "level_copy": rms_db(waves["copy"]),
            "frames": len(distance), "spectral_distance": float(np.sqrt((distance**2).mean(axis=1)).mean()),
        })  # fmt: skip
    return rows


def rms_db(wave: np.ndarray) -> float:
    """Return the root mean square in decibels relative to full scale."""
    return float(20 * np.log10(max(np.sqrt(np.mean(np.square(wave, dtype="float64"))), MIN_RMS)))


def aggregate_rates(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compute the rates of `run_copy_synthesis` from the rows of all clips."""
    ids, texts = [r["path"] for r in rows], [r["text"] for r in rows]
    num_words = [len(t.split()) for t in texts]
    rates: dict[str, Any] = {}
    for name in rows[0]["transcripts"]:
        errors = {}
        for side in ("original", "copy"):
            hypotheses = [r["transcripts"][name][side] for r in rows]
            edits = [metrics.edit_counts(t.split(), h.split()) for t, h in zip(texts, hypotheses, strict=True)]
            errors[side] = np.sum(edits, axis=1)
            rates[f"wer_{side} by {name}"] = metrics.word_error_rate(texts, hypotheses, ids)
        rates[f"wer_added by {name}"] = metrics.ratio_with_interval(errors["copy"] - errors["original"], num_words, ids)
    frames = np.array([r["frames"] for r in rows])
    level_differences = [abs(r["level_copy"] - r["level_original"]) for r in rows]
    distances = np.array([r["spectral_distance"] for r in rows])
    return rates | {
        "level_difference": metrics.ratio_with_interval(level_differences, np.ones(len(rows)), ids),
        "spectral_distance": metrics.ratio_with_interval(distances * frames, frames, ids),
    }


def plot_copies(model: Any, clips: Sequence[Any], folder: Path) -> Path:
    """Write `copies.png`: the mean spectra of originals and copies, and both spectrograms of the first clip."""
    figure = new_figure(9, 5.5)
    pairs = [[DECIBELS * model.spectrogram(p) for p in (c.path, folder / f"{c.id}.wav")] for c in clips]
    axes = figure.subplot_mosaic([["mean", "mean"], ["original", "copy"]])
    low, high = np.percentile(pairs[0][0], [2, 99.8])
    for side, (name, color) in enumerate((("original", "#3f51b5"), ("copy", "#c62828"))):
        mean = np.mean(np.concatenate([pair[side] for pair in pairs]), axis=0)
        axes["mean"].plot(np.arange(1, len(mean) + 1), mean, color=color, label=f"{name}, mean of {len(pairs)} clips")
        seconds = len(pairs[0][side]) * model.hop_length / model.sample_rate
        axes[name].imshow(
            pairs[0][side].T, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma",
            extent=(0, seconds, 0.5, len(mean) + 0.5),
        )  # fmt: skip
        axes[name].set(title=f"{clips[0].id}, {name}", xlabel="seconds", ylabel="mel band")
    axes["mean"].set(xlabel="mel band", ylabel="dB")
    axes["mean"].legend(frameon=False)
    return save_figure(figure, folder / "copies.png")

"""What a recogniser listens to, and when it hears which letter or phone: saliency over time and frequency, letters over time."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import data_input_index, make_layer_forward, ravel_position
from kerasrecipes.graph.traversal import functional_graph, input_name
from kerasrecipes.graph.units import Unit, find_unit, output_names
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.saliency import SaliencyMethod
from kerasrecipes.visualize.synthesis_region import last_untrained_step

MIN_PROBABILITY = 0.1  # a symbol that never has this probability is not drawn


@dataclass(frozen=True)
class AudioSaliency(plotting.Figure):
    """A unit's activity led back to what the network reads: frames of a spectrum, or samples.

    Args:
        unit: with the frame it starts at. method: "gradient", "guided" or "deconv".
        values: (frames, bands) signed. heard: (frames, bands) what the network read. begin: name of the layer or input
            that gave it.
        activation: of the unit. seconds: of the recording.
    """

    unit: Unit
    method: str
    values: np.ndarray = field(repr=False)
    heard: np.ndarray = field(repr=False)
    begin: str
    activation: float
    seconds: float

    def span(self) -> tuple[float, float]:
        """The seconds between which anything counts; (0, 0) where nothing does."""
        rows = np.flatnonzero(np.abs(self.values).max(1) > 0)
        step = self.seconds / len(self.values)
        return (float(rows[0] * step), float((rows[-1] + 1) * step)) if len(rows) else (0.0, 0.0)

    def plot(self) -> Any:
        """What was read, and below it what counted: red speaks for the unit, blue against it."""
        drawn = plotting.new_figure(8, 4.4)
        above, below = drawn.subplots(2, 1, sharex=True)
        edges = (0, self.seconds, -0.5, self.heard.shape[1] - 0.5)
        if self.heard.shape[1] == 1:
            times = (np.arange(len(self.heard)) + 0.5) * self.seconds / len(self.heard)
            above.plot(times, self.heard[:, 0], linewidth=0.4, color="#3f51b5")
            below.plot(times, self.values[:, 0], linewidth=0.4, color="#c62828")
        else:
            above.imshow(self.heard.T, origin="lower", aspect="auto", extent=edges, cmap="magma")
            most = float(np.quantile(np.abs(self.values), 0.999)) or float(np.abs(self.values).max()) or 1.0
            below.imshow(
                self.values.T, origin="lower", aspect="auto", extent=edges, cmap="seismic", vmin=-most, vmax=most
            )
        above.set(title=self.begin, ylabel="band" if self.heard.shape[1] > 1 else "")
        below.set(title=f"{self.method} of {self.unit}: {self.activation:.2f}", xlabel="seconds")
        below.set(ylabel=above.get_ylabel())
        return drawn


def compute_audio_saliency(
    model: Any, audio: Any, unit: str | Unit, method: str = "gradient", *, sample_rate: int | None = None,
    begin: str | None = None,
) -> AudioSaliency:  # fmt: skip
    """Lead a unit's activity back to the spectrum or the samples that a recogniser reads.

    Args:
        model: a recogniser. audio: a path, bytes, a file object, or an array with sample_rate, in Hz.
        unit: "logits:e", at a frame "logits:e@37"; without one where it is strongest. method: as in `project`.
        begin: layer whose output the network is said to read; by default the last before the first layer with weights, or
            the waveform where that still counts samples.

    Raises:
        KerasRecipesError: no recogniser, no such unit or method. AudioError: the audio cannot be read.

    Example:
        >>> project_sound(kerasrecipes.load("wav2letter_small"), "talk.flac", "logits:e").save("e.png")
    """
    wave = waveform(model, audio, sample_rate)
    found = find_unit(model, unit)
    name = begin or last_untrained_step(model)
    heard = make_layer_forward(model, [name])(wave[None])[0]
    if begin is None and heard.shape[1] == len(wave):  # only samples before the first weights: from the waveform on
        heard, name = wave[None], input_name(functional_graph(model).inputs[data_input_index(model)])
    else:
        begin = name
    place = found.place[0] if isinstance(found.place, tuple) and found.place else ravel_position(found.place, ())
    values, activation, index = SaliencyMethod(model, found.layer, method, begin=begin)(
        heard, [found.channel], [int(place)]
    )
    values, heard = (v[0].reshape(v.shape[1], -1) for v in (values, heard))
    unit = Unit(found.layer, found.channel, found.place or (int(index[0]),))
    return AudioSaliency(
        unit, method, values, heard, name, float(activation[0]), len(wave) / model.sample_rate
    )  # fmt: skip


def waveform(model: Any, audio: Any, sample_rate: int | None) -> np.ndarray:
    """Samples at the model's rate.

    Raises:
        KerasRecipesError: the model hears nothing.
    """
    if not hasattr(model, "transcribe"):
        raise KerasRecipesError(f"{model.name} is no recogniser of speech")
    return load_audio(audio, sample_rate=sample_rate, target=model.sample_rate)


@dataclass(frozen=True)
class SymbolPosteriors(plotting.Figure):
    """When a recogniser hears which letter or phone.

    Args:
        symbols: of the columns. probabilities: (frames, symbols), rows sum to 1. transcript: with the words' times.
        seconds: of the recording.
    """

    symbols: tuple[str, ...]
    probabilities: np.ndarray = field(repr=False)
    transcript: Any
    seconds: float

    def plot(self) -> Any:
        """Probabilities of the symbols that ever matter, dark where sure, with the words above at their times."""
        shown = [i for i, p in enumerate(self.probabilities.max(0)) if p >= MIN_PROBABILITY] or [0]
        drawn = plotting.new_figure(max(6.0, min(2.2 * self.seconds, 30.0)), max(2.2, 1.4 + 0.17 * len(shown)))
        axes = drawn.add_subplot()
        edges = (0, self.seconds, len(shown) - 0.5, -0.5)
        axes.imshow(self.probabilities[:, shown].T, aspect="auto", extent=edges, cmap="Blues", vmin=0, vmax=1)
        axes.set_yticks(range(len(shown)), [self.symbols[i].replace(" ", "space") for i in shown], fontsize=7)
        for word in self.transcript.words:
            axes.axvline(word.start, color="#c62828", linewidth=0.5)
            axes.text(word.start, -0.7, word.text, fontsize=7, rotation=30)
        axes.set(xlabel="seconds")
        return drawn


def symbol_posteriors(model: Any, audio: Any, *, sample_rate: int | None = None) -> SymbolPosteriors:
    """The probability of every letter or phone at every frame, and the transcript's times.

    Args:
        model: a recogniser. audio, sample_rate: as in `project_sound`.

    Raises:
        KerasRecipesError: no recogniser. AudioError: the audio cannot be read.

    Example:
        >>> letters_over_time(kerasrecipes.load("deepspeech2_small"), "talk.flac").save("letters.png")
    """
    from kerasrecipes.decoding.greedy import log_softmax
    from kerasrecipes.inference.transcribe import logits_of

    wave = waveform(model, audio, sample_rate)
    phones = hasattr(model, "posteriors")  # theirs are over all paths
    found = model.posteriors(wave, model.sample_rate) if phones else np.exp(log_softmax(logits_of(model, wave)))
    heard = model.transcribe(wave, model.sample_rate)
    return SymbolPosteriors(tuple(output_names(model)), found, heard, len(wave) / model.sample_rate)

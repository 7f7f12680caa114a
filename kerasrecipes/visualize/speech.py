"""Speech recognizers: saliency over time and frequency, and the posteriors of letters and phonemes over time."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrecipes.audio import load_audio
from kerasrecipes.decoding.greedy import log_softmax
from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.graph.autodiff import data_input_index, make_layer_forward, ravel_position
from kerasrecipes.graph.traversal import functional_graph, input_name
from kerasrecipes.graph.units import Unit, find_unit, layer_names, output_names
from kerasrecipes.inference.transcribe import logits_of
from kerasrecipes.utils import plotting
from kerasrecipes.visualize.saliency import SaliencyMethod
from kerasrecipes.visualize.synthesis_region import last_untrained_step

MIN_PROBABILITY = 0.1  # symbols that never reach it are not plotted
TRANSCRIPT_PATTERN = re.compile(r"transcript:(?P<number>\d+)")


@dataclass(frozen=True)
class AudioSaliency(plotting.Figure):
    """Saliency of a unit in the features or samples that a recognizer reads.

    Args:
        method: Name of the method.
        values: (frames, bands) signed values.
        features: (frames, bands) values that the network read.
        from_layer: Name of the layer or input that computed the features.
        baseline_activation: Activation on the baseline, for integrated gradients.
    """

    unit: Unit
    method: str
    values: np.ndarray = field(repr=False)
    features: np.ndarray = field(repr=False)
    from_layer: str
    activation: float
    seconds: float
    baseline_activation: float | None = None

    def time_interval(self) -> tuple[float, float]:
        """Return start and end, in seconds, of all values other than zero, or (0, 0) if there are none."""
        rows = np.flatnonzero(np.abs(self.values).max(1) > 0)
        step = self.seconds / len(self.values)
        return (float(rows[0] * step), float((rows[-1] + 1) * step)) if len(rows) else (0.0, 0.0)

    def plot(self) -> Any:
        """Plot the features and below them the saliency: red is for the unit, blue against it."""
        figure = plotting.new_figure(8, 4.4)
        top, bottom = figure.subplots(2, 1, sharex=True)
        frames, bands = self.features.shape
        if bands == 1:
            times = (np.arange(frames) + 0.5) * self.seconds / frames
            top.plot(times, self.features[:, 0], linewidth=0.4, color="#3f51b5")
            bottom.plot(times, self.values[:, 0], linewidth=0.4, color="#c62828")
        else:
            options = {"origin": "lower", "aspect": "auto", "extent": (0, self.seconds, -0.5, bands - 0.5)}
            top.imshow(self.features.T, cmap="magma", **options)
            magnitudes = np.abs(self.values)
            limit = float(np.quantile(magnitudes, 0.999)) or float(magnitudes.max()) or 1.0
            bottom.imshow(self.values.T, cmap="seismic", vmin=-limit, vmax=limit, **options)
        top.set(title=self.from_layer, ylabel="band" if bands > 1 else "")
        bottom.set(title=f"{self.method} of {self.unit}: {self.activation:.2f}", xlabel="seconds")
        bottom.set(ylabel=top.get_ylabel())
        return figure


def compute_audio_saliency(
    model: Any, audio: Any, unit: str | Unit, method: str = "gradient", *, sample_rate: int | None = None,
    from_layer: str | None = None,
) -> AudioSaliency:  # fmt: skip
    """Compute the saliency of a unit in the features or samples that a recognizer reads.

    Args:
        model: Speech recognizer.
        audio: A path, bytes, a file object, or an array with `sample_rate`.
        unit: "logits:e", at a frame "logits:e@37"; without a frame, the strongest. "transcript:4" is the fifth symbol of the greedy
            transcript.
        method: See `saliency.compute_saliency`.
        sample_rate: Sample rate of an array in Hz.
        from_layer: Layer whose output is read. Default: the last before the first weights, or the waveform if that layer has as
            many frames as samples.

    Raises:
        KerasRecipesError: The model is not a recognizer, or there is no such unit or method.
        AudioError: The audio cannot be read.

    Example:
        >>> compute_audio_saliency(kerasrecipes.load("wav2letter_small"), "talk.flac", "logits:e").save("e.png")
    """
    wave = load_waveform(model, audio, sample_rate)
    unit = symbol_unit(model, wave, unit)
    features, name, from_layer = read_features(model, wave, from_layer)
    is_frame = isinstance(unit.position, tuple) and unit.position
    position = unit.position[0] if is_frame else ravel_position(unit.position, ())  # type: ignore[index]
    compute = SaliencyMethod(model, unit.layer, method, from_layer=from_layer)
    values, activation, index = compute(features, [unit.channel], [int(position)])
    values, features = (v[0].reshape(v.shape[1], -1) for v in (values, features))
    unit = Unit(unit.layer, unit.channel, unit.position or (int(index[0]),))
    return AudioSaliency(unit, method, values, features, name, float(activation[0]), len(wave) / model.sample_rate)


def read_features(model: Any, wave: np.ndarray, from_layer: str | None) -> tuple[np.ndarray, str, str | None]:
    """Return the features (1, frames, ...) of a waveform, the name of their source, and the layer to compute from.

    The layer is by default the last before the first weights. If it has as many frames as samples, the features are the samples
    and the layer is None.
    """
    name = from_layer or last_untrained_step(model)
    features = make_layer_forward(model, [name])(wave[None])[0]
    if from_layer is None and features.shape[1] == len(wave):
        return wave[None], input_name(functional_graph(model).inputs[data_input_index(model)]), None
    return features, name, name


def symbol_unit(model: Any, wave: np.ndarray, unit: str | Unit) -> Unit:
    """Return a unit, and for "transcript:N" the logit of symbol N of the greedy transcript, from 0, at its strongest frame.

    Raises:
        KerasRecipesError: There is no such unit or symbol.
    """
    match = TRANSCRIPT_PATTERN.fullmatch(unit) if isinstance(unit, str) else None
    if match is None:
        return find_unit(model, unit)
    transcript = model.transcribe(wave, model.sample_rate, decoder=model.criterion.default_decoder)
    symbols = transcript.characters or transcript.words
    number = int(match["number"])
    if number >= len(symbols):
        text = transcript.text or "empty"
        raise KerasRecipesError(f"The transcript has {len(symbols)} symbols, numbered from 0, and no symbol {number}. It is: {text}")
    names = layer_names(model)
    layer = "logits" if "logits" in names else names[-1]
    channel = [name.lower() for name in output_names(model)].index(symbols[number].text.lower())
    frames = [round(seconds * model.sample_rate / model.stride) for seconds in (symbols[number].start, symbols[number].end)]
    logits = logits_of(model, wave)[frames[0] : max(frames[1], frames[0] + 1), channel]
    return Unit(layer, channel, (frames[0] + int(logits.argmax()),))


def load_waveform(model: Any, audio: Any, sample_rate: int | None) -> np.ndarray:
    """Return samples at the model's sample rate."""
    if not hasattr(model, "transcribe"):
        raise KerasRecipesError(f"{model.name} is not a speech recognizer")
    return load_audio(audio, sample_rate=sample_rate, target=model.sample_rate)


@dataclass(frozen=True)
class SymbolPosteriors(plotting.Figure):
    """Posteriors of letters or phonemes over time.

    Args:
        symbols: Names of the columns.
        probabilities: (frames, symbols) whose rows sum to 1.
    """

    symbols: tuple[str, ...]
    probabilities: np.ndarray = field(repr=False)
    transcript: Any
    seconds: float

    def plot(self) -> Any:
        """Plot the symbols that reach `MIN_PROBABILITY`, dark for high probabilities, with the words at their times."""
        rows = [i for i, p in enumerate(self.probabilities.max(0)) if p >= MIN_PROBABILITY] or [0]
        figure = plotting.new_figure(max(6.0, min(2.2 * self.seconds, 30.0)), max(2.2, 1.4 + 0.17 * len(rows)))
        axes = figure.add_subplot()
        extent = (0, self.seconds, len(rows) - 0.5, -0.5)
        axes.imshow(self.probabilities[:, rows].T, aspect="auto", extent=extent, cmap="Blues", vmin=0, vmax=1)
        axes.set_yticks(range(len(rows)), [self.symbols[i].replace(" ", "space") for i in rows], fontsize=7)
        for word in self.transcript.words:
            axes.axvline(word.start, color="#c62828", linewidth=0.5)
            axes.text(word.start, -0.7, word.text, fontsize=7, rotation=30)
        axes.set(xlabel="seconds")
        return figure


def symbol_posteriors(model: Any, audio: Any, *, sample_rate: int | None = None) -> SymbolPosteriors:
    """Compute the probability of every letter or phoneme in every frame, and the transcript.

    Args:
        model: Speech recognizer.
        audio: See `compute_audio_saliency`.
        sample_rate: Sample rate of an array in Hz.

    Raises:
        KerasRecipesError: The model is not a recognizer.
        AudioError: The audio cannot be read.

    Example:
        >>> symbol_posteriors(kerasrecipes.load("deepspeech2_small"), "talk.flac").save("posteriors.png")
    """
    wave = load_waveform(model, audio, sample_rate)
    if hasattr(model, "posteriors"):  # phoneme recognizers: over all paths
        probabilities = model.posteriors(wave, model.sample_rate)
    else:
        probabilities = np.exp(log_softmax(logits_of(model, wave)))
    transcript = model.transcribe(wave, model.sample_rate, decoder=model.criterion.default_decoder)
    return SymbolPosteriors(tuple(output_names(model)), probabilities, transcript, len(wave) / model.sample_rate)

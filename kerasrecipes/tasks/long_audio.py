"""Long recordings in pieces: the pieces' scores are stitched, never their texts.

Statistics over the whole utterance (power, each bin's mean) come from a first pass, so that every piece is normalised
as the whole would be. A net with a finite receptive field or forward recurrences carries its state from piece to piece:
the result equals the whole's. A bidirectional net sees `CONTEXT_SECONDS` of each side, cut off after scoring, instead of
everything; its pieces begin on multiples of the total stride.
"""

from typing import Any

import keras
import numpy as np

from kerasrecipes.layers.features import LogSpectrogram, PowerNormalization, UtteranceNormalization
from kerasrecipes.layers.sequence import chain, output_length
from kerasrecipes.tasks.forward import compiled
from kerasrecipes.tasks.pieces import Carried, PieceGraph
from kerasrecipes.tasks.speech import sequence_layers
from kerasrecipes.tasks.stream import sample_graph

PIECE_SECONDS = 30.0
CONTEXT_SECONDS = 6.0  # of a bidirectional net


class Pieces:
    """A recogniser cut in two: the spectrogram, and everything above its normalisation.

    Args:
        model: a recogniser whose front end is PowerNormalization, LogSpectrogram, UtteranceNormalization.
    """

    def __init__(self, model: Any):
        chained = sequence_layers(model)
        self.power, self.spectrogram, self.norm = chained[:3]
        kinds = (PowerNormalization, LogSpectrogram, UtteranceNormalization)
        if not all(isinstance(layer, kind) for layer, kind in zip(chained, kinds, strict=False)):
            raise NotImplementedError(f"{model.name} has another front end than {', '.join(k.__name__ for k in kinds)}")
        audio, length = (model.input[k] for k in ("audio", "length"))
        self.features = compiled(keras.Model({"audio": audio, "length": length}, self.spectrogram(audio, length)[0]))
        try:
            self.carried: PieceGraph | None = PieceGraph(model.chained[3:], self.norm.output[0].shape[2:])
        except NotImplementedError:  # bidirectional
            self.carried = None
            values, frames = self.norm.output
            bins = keras.Input(values.shape[1:], name="features")
            count = keras.Input((), dtype="int32", name="frames")
            upper = keras.Model([values, frames], model.output)
            self.upper = compiled(keras.Model({"features": bins, "frames": count}, upper([bins, count])))
        self.geometries = [layer.geometry for layer in chained[3:]]
        self.frame_rate = model.sample_rate / self.spectrogram.hop

    def spectra(self, wave: np.ndarray) -> np.ndarray:
        """Normalised features (frames, bins) of the whole recording, float32, made piece by piece."""
        hop, window = self.spectrogram.hop, self.spectrogram.window
        power = np.mean(np.square(wave, dtype="float64"))
        wave = (wave / np.sqrt(power + self.power.epsilon)).astype("float32")
        frames = self.spectrogram.geometry.output_length(len(wave))
        out = np.empty((frames, window // 2 + 1), "float32")
        step = int(PIECE_SECONDS * self.frame_rate)
        for begin in range(0, frames, step):
            end = min(begin + step, frames)
            piece = np.zeros((1, (step - 1) * hop + window), "float32")
            samples = wave[begin * hop : (end - 1) * hop + window]
            piece[0, : len(samples)] = samples
            inputs = {"audio": piece, "length": np.array([len(samples)], "int32")}
            out[begin:end] = self.features(inputs)[0, : end - begin]
        out -= out.mean(axis=0, dtype="float64").astype("float32")
        out /= np.sqrt(np.mean(np.square(out), dtype="float64") + self.norm.epsilon)
        return out

    def scores(self, wave: np.ndarray, piece_seconds: float, context_seconds: float) -> np.ndarray:
        """Scores (frames, symbols) of a recording of any length."""
        features = self.spectra(wave)
        if self.carried:
            sequence = Carried(self.carried, round(piece_seconds * self.frame_rate))
            return np.concatenate([sequence.feed(features), sequence.finish()])
        g = chain(self.geometries)
        frames = output_length(self.geometries, len(features))
        piece = max(round(piece_seconds * self.frame_rate / g.stride), 1)
        context = round(context_seconds * self.frame_rate / g.stride)
        found = []
        for begin in range(0, frames, piece):
            first, last = max(begin - context, 0), min(begin + piece + context, frames)
            rows = features[first * g.stride : last * g.stride if last < frames else None]
            padded = np.zeros((1, (piece + 2 * context) * g.stride, features.shape[1]), "float32")
            padded[0, : len(rows)] = rows[: padded.shape[1]]
            out = self.upper({"features": padded, "frames": np.array([len(rows)], "int32")})[0]
            found.append(out[begin - first : min(begin + piece, frames) - first])
        return np.concatenate(found)


def long_scores(
    model: Any, wave: np.ndarray, piece_seconds: float = PIECE_SECONDS, context_seconds: float = CONTEXT_SECONDS
) -> np.ndarray:  # fmt: skip
    """Scores (frames, symbols) of `wave` (samples,), piece by piece; memory does not grow with the model's activations.

    Args:
        piece_seconds: of each piece. context_seconds: on both sides, for a bidirectional net.
    """
    if not any(layer.whole_utterance for layer in sequence_layers(model)):
        sequence = Carried(sample_graph(model), round(piece_seconds * model.sample_rate))
        return np.concatenate([sequence.feed(wave), sequence.finish()])
    if getattr(model, "_pieces", None) is None:
        model._pieces = Pieces(model)
    return model._pieces.scores(wave, piece_seconds, context_seconds)

"""hibari as a source of many speakers: its one voice with another pitch, vocal tract, rate, tilt and breath for every clip.

hibari (PyPI hibari-tts) predicts magnitudes on a frequency axis, their phases, and the pitch of every frame, from which it synthesizes
the waveform. A speaker is a change of these predictions:

- The frequency axis is stretched, as the resonances of a shorter or longer vocal tract are.
- The pitch is multiplied, and its movements around the mean are made larger or smaller.
- The spectrum is tilted, and the noise is made louder or softer, as in bright, dull and breathy voices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrecipes.data_prep.voices import SpeechClip, punctuate
from kerasrecipes.errors import DataError

VOICED_HZ = 40.0  # hibari's frames below this pitch are unvoiced
PEAK = 0.7
NEPERS_PER_DB = np.log(10) / 20
TILT_PIVOT = 0.2  # share of the frequency axis whose level the tilt leaves alone
PACE_DEVIATION = 0.05  # standard deviation of the log rate between the sentences of a clip


@dataclass(frozen=True)
class HibariSpeaker:
    """How a speaker differs from hibari's voice, which has the values 1, 1, 1, 1, 0 and 0.

    Args:
        formant_scale: Factor of all resonance frequencies.
        pitch_scale: Factor of the pitch.
        pitch_range: Factor of the logarithmic distance of the pitch from its mean.
        rate: Factor of the speaking rate.
        tilt_db: Level in dB by which the spectrum falls more steeply from its lower to its upper end.
        breath: Gain of the noise in nepers.
    """

    formant_scale: float = 1.0
    pitch_scale: float = 1.0
    pitch_range: float = 1.0
    rate: float = 1.0
    tilt_db: float = 0.0
    breath: float = 0.0


def sample_speaker(rng: np.random.Generator) -> HibariSpeaker:
    """Return a random speaker, with a lower voice and a longer vocal tract in half of the cases."""
    low = rng.random() < 0.5
    formants, pitch = ((0.90, 0.035), 0.60) if low else ((1.0, 0.05), 0.98)
    return HibariSpeaker(
        formant_scale=float(np.clip(rng.normal(*formants), 0.82, 1.13)),
        pitch_scale=float(np.exp(rng.normal(np.log(pitch), 0.13))),
        pitch_range=float(rng.uniform(0.6, 1.4)),
        rate=float(rng.uniform(0.85, 1.3)),
        tilt_db=float(rng.normal(0, 5)),
        breath=float(rng.normal(0, 0.35)),
    )


class HibariVoice:
    """Speaks with hibari, every clip as a speaker of its own.

    Raises:
        DataError: hibari-tts is not installed.
    """

    def __init__(self) -> None:
        try:
            from hibari import Hibari, dsp
        except ImportError:
            raise DataError(
                'The voice hibari needs the package hibari-tts: pip install "kerasrecipes[voices]"'
            ) from None
        self.hibari: Any = Hibari(threads=1)
        self.vocoder: Any = dsp

    def speak(self, sentence: str, number: int, rng: np.random.Generator) -> SpeechClip:
        """Speak a sentence as a speaker that the random numbers choose."""
        samples = self.synthesize(punctuate(sentence), sample_speaker(rng), rng)
        if not samples.any():
            raise DataError(f"hibari could not say {sentence!r}: it has no phonemes")
        return SpeechClip(samples * (PEAK / np.abs(samples).max()), self.vocoder.SR, f"hibari-{number:06}")

    def synthesize(self, text: str, speaker: HibariSpeaker, rng: np.random.Generator) -> np.ndarray:
        """Return the waveform (samples,) float32 of a text, whose sentences have slightly different rates."""
        waves = [np.zeros(0, "float32")]
        for phonemes in self.hibari.phonemize(text):
            rate = speaker.rate * np.exp(rng.normal(0, PACE_DEVIATION))
            inputs = {"ids": np.array([self.hibari.ids(phonemes)], "int64"), "speed": np.array([rate], "float32")}
            predictions = [output[0] for output in self.hibari.sess.run(None, inputs)]
            waves.append(self.vocoder.synth(*change_speaker(predictions, speaker), rng))
        return np.concatenate(waves)


def change_speaker(predictions: list[np.ndarray], speaker: HibariSpeaker) -> list[np.ndarray]:
    """Return hibari's predictions for another speaker.

    Args:
        predictions: Log magnitude and phase of the harmonics, log magnitude of the noise, log magnitude and phase of the rest,
            each (bins, frames), and the pitch (frames,) in Hz.
        speaker: The speaker.
    """
    harmonics, harmonic_phase, noise, rest, rest_phase, pitch = predictions
    harmonics, harmonic_phase, noise, rest = (
        stretch_frequency_axis(values, speaker.formant_scale) for values in (harmonics, harmonic_phase, noise, rest)
    )
    position = np.arange(len(harmonics), dtype="float32")[:, None] / len(harmonics)
    tilt = (-speaker.tilt_db * NEPERS_PER_DB) * (position - TILT_PIVOT)
    # a lower voice has more harmonics, and would be louder
    harmonics = harmonics + tilt + 0.5 * np.log(speaker.pitch_scale)
    outputs = [harmonics, harmonic_phase, noise + tilt + speaker.breath, rest + tilt, rest_phase]
    return [*(values.astype("float32") for values in outputs), change_pitch(pitch, speaker)]


def stretch_frequency_axis(values: np.ndarray, scale: float) -> np.ndarray:
    """Return values (bins, frames) with what stood at bin k at bin `scale * k`, interpolated between bins."""
    source = np.minimum(np.arange(len(values)) / scale, len(values) - 1)
    below = source.astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    weight = (source - below)[:, None].astype("float32")
    return values[below] * (1 - weight) + values[above] * weight


def change_pitch(pitch: np.ndarray, speaker: HibariSpeaker) -> np.ndarray:
    """Return the pitch in Hz with another mean and range. Unvoiced frames stay as they are."""
    voiced = pitch > VOICED_HZ
    if not voiced.any():
        return pitch
    mean = np.exp(np.log(pitch[voiced]).mean())
    new = pitch.copy()
    new[voiced] = mean * speaker.pitch_scale * (pitch[voiced] / mean) ** speaker.pitch_range
    return new

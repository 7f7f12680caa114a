"""Sound made worse on purpose, seeded: noise, loudness, telephone bands, lossy codecs."""

import functools
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from kerasrecipes.audio import SAMPLE_RATE
from kerasrecipes.errors import DataError


@dataclass(frozen=True)
class AudioAugmentation:
    """`augment(wave, rng) -> wave` of the same length; each change with its own probability.

    Args:
        noise: share of utterances that get noise (Deep Speech 2: 0.4), white, pink or brown, at a uniform `snr` in decibels.
        tracks: fewest and most noises superposed (Deep Speech, arXiv 1412.5567, section 4.1: many short ones, for a single
            one would have to be as long as the speech not to be learned by heart).
        recordings: folder of noises, from which tracks are cut at random; None for made noise.
        gain: decibels, uniform in -gain ... gain.
        band: share that loses everything above a random edge of 3 to 7 kHz.
        codec: share that goes through Ogg Vorbis or MP3 at low quality.
    """

    noise: float = 0.0
    snr: tuple[float, float] = (5.0, 30.0)
    tracks: tuple[int, int] = (1, 1)
    recordings: str | None = None
    gain: float = 0.0
    band: float = 0.0
    codec: float = 0.0

    def __call__(self, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        draws = rng.uniform(size=3)  # always three, so that one setting does not move another's draws
        if draws[0] < self.codec:
            wave = codec_round_trip(wave, str(rng.choice(["OGG", "MP3"])))
        if draws[1] < self.band:
            wave = band_limit(wave, rng.uniform(3000, 7000))
        if draws[2] < self.noise:
            count = int(rng.integers(self.tracks[0], self.tracks[1] + 1))
            wave = add_noise(
                wave, np.sum([self.track(len(wave), rng) for _ in range(count)], axis=0), rng.uniform(*self.snr)
            )
        if self.gain:
            wave = wave * 10 ** (rng.uniform(-self.gain, self.gain) / 20)
        return wave.astype("float32")

    def track(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """One noise of unit power: a piece of a recording, or made."""
        if self.recordings is None:
            return colored_noise(samples, float(rng.choice([0.0, 1.0, 2.0])), rng)
        files = load_noises(self.recordings)
        noise = files[int(rng.integers(len(files)))]
        noise = np.tile(noise, -(-(samples + 1) // len(noise)))
        start = int(rng.integers(len(noise) - samples))
        piece = noise[start : start + samples]
        return piece / (np.sqrt(np.mean(piece**2)) + 1e-9)


@functools.lru_cache(1)
def load_noises(folder: str) -> list[np.ndarray]:
    """The audio files of a folder, at the package's rate.

    Raises:
        AudioError: it holds no audio. DataError: there is only silence in it.
    """
    from kerasrecipes import audio

    found = [wave for path in audio.list_audio_files(folder) if (wave := audio.load_audio(path)).any()]
    if not found:
        raise DataError(f"{folder} holds silence only, no noise")
    return found


def colored_noise(samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power whose spectral power falls as 1 / frequency ** slope: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    frequency = np.maximum(np.arange(len(spectrum)), 1.0)
    noise = np.fft.irfft(spectrum / frequency ** (slope / 2), samples)
    return noise / np.sqrt(np.mean(noise**2))


def add_noise(wave: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """`wave` with noise `snr` decibels below its power."""
    power = np.mean(wave.astype("float64") ** 2)
    scale = np.sqrt(power / (np.mean(noise.astype("float64") ** 2) + 1e-12) / 10 ** (snr / 10))
    return wave + noise * scale


def band_limit(wave: np.ndarray, edge: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """`wave` without what lies above `edge` Hz, with a fall of 500 Hz."""
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    return np.fft.irfft(np.fft.rfft(wave) * np.clip((edge + 500 - frequency) / 500, 0, 1), len(wave))


def codec_round_trip(wave: np.ndarray, kind: str, quality: float = 0.1, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """`wave` encoded and decoded again, cut or padded to its length; kind "OGG" (Vorbis) or "MP3"."""
    buffer = io.BytesIO()
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}[kind]
    with soundfile.SoundFile(
        buffer, "w", sample_rate, 1, subtype, format=kind, compression_level=1 - quality
    ) as file:  # fmt: skip
        file.write(np.clip(wave, -1, 1))
    buffer.seek(0)
    decoded = soundfile.read(buffer, dtype="float32")[0][: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))

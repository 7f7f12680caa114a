"""Seeded audio augmentation: rooms, noise, gain, low-pass filters and lossy codecs."""

import functools
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from kerasrecipes.audio import SAMPLE_RATE, list_audio_files, load_audio
from kerasrecipes.data.room_simulation import add_room, compute_impulse_response, sample_room
from kerasrecipes.errors import DataError
from kerasrecipes.utils.audio_encoding import write_audio


@dataclass(frozen=True)
class AudioAugmentation:
    """`augment(wave, rng)` returns audio of the same length. Each change has its own probability.

    Args:
        noise_prob: Probability of noise (Deep Speech 2: 0.4): white, pink or brown. Default 0.
        snr_db: Lowest and highest signal-to-noise ratio, sampled uniformly. Decibels, default (5, 30).
        num_noises: Fewest and most noises that are added up. Deep Speech (arXiv 1412.5567, section 4.1) adds many short ones,
            because the network would memorize a single noise. Default (1, 1).
        noise_folder: Folder of recorded noises, from which random chunks are cut. Default: generated noise.
        gain_db: Gain is sampled uniformly from `-gain_db` to `gain_db`. Default 0.
        lowpass_prob: Probability of a low-pass filter with a cutoff from 3 to 7 kHz. Default 0.
        codec_prob: Probability of encoding and decoding as Ogg Vorbis or MP3 of low quality. Default 0.
        room_prob: Probability of the echoes of a simulated room, which come before all other changes. Default 0.
        room_seconds: Shortest and longest reverberation time (60 dB) of the rooms. Seconds, default (0.15, 0.5).
    """

    noise_prob: float = 0.0
    snr_db: tuple[float, float] = (5.0, 30.0)
    num_noises: tuple[int, int] = (1, 1)
    noise_folder: str | None = None
    gain_db: float = 0.0
    lowpass_prob: float = 0.0
    codec_prob: float = 0.0
    room_prob: float = 0.0
    room_seconds: tuple[float, float] = (0.15, 0.5)

    def __call__(self, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        uniform = rng.uniform(
            size=3
        )  # always three samples, so that one setting does not change another's random numbers
        if self.room_prob and rng.uniform() < self.room_prob:
            wave = add_room(wave, compute_impulse_response(sample_room(rng, self.room_seconds)))
        if uniform[0] < self.codec_prob:
            wave = codec_round_trip(wave, str(rng.choice(["OGG", "MP3"])))
        if uniform[1] < self.lowpass_prob:
            wave = band_limit(wave, rng.uniform(3000, 7000))
        if uniform[2] < self.noise_prob:
            count = int(rng.integers(self.num_noises[0], self.num_noises[1] + 1))
            noise = np.sum([self.noise_track(len(wave), rng) for _ in range(count)], axis=0)
            wave = add_noise(wave, noise, rng.uniform(*self.snr_db))
        if self.gain_db:
            wave = wave * 10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)
        return wave.astype("float32")

    def noise_track(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """Return one noise of unit power: a chunk of a recording, or generated."""
        if self.noise_folder is None:
            return colored_noise(samples, float(rng.choice([0.0, 1.0, 2.0])), rng)
        recordings = load_noises(self.noise_folder)
        noise = recordings[int(rng.integers(len(recordings)))]
        noise = np.tile(noise, -(-(samples + 1) // len(noise)))
        start = int(rng.integers(len(noise) - samples))
        chunk = noise[start : start + samples]
        return chunk / (np.sqrt(np.mean(chunk**2)) + 1e-9)


@functools.lru_cache(1)
def load_noises(folder: str) -> list[np.ndarray]:
    """Load the audio files of a folder at the package's rate, without silent ones.

    Raises:
        AudioError: The folder holds no audio.
        DataError: All files are silent.
    """
    noises = [wave for path in list_audio_files(folder) if (wave := load_audio(path)).any()]
    if not noises:
        raise DataError(f"{folder} holds silence only, no noise")
    return noises


def colored_noise(samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Generate noise of unit power whose power spectrum falls as 1 / frequency ** slope: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    frequency = np.maximum(np.arange(len(spectrum)), 1.0)
    noise = np.fft.irfft(spectrum / frequency ** (slope / 2), samples)
    return noise / np.sqrt(np.mean(noise**2))


def add_noise(wave: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add noise, scaled to `snr_db` decibels below the power of `wave`."""
    power = np.mean(wave.astype("float64") ** 2)
    scale = np.sqrt(power / (np.mean(noise.astype("float64") ** 2) + 1e-12) / 10 ** (snr_db / 10))
    return wave + noise * scale


def band_limit(wave: np.ndarray, cutoff: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Remove frequencies above `cutoff` Hz, with a transition band of 500 Hz."""
    frequency = np.fft.rfftfreq(len(wave), 1 / sample_rate)
    return np.fft.irfft(np.fft.rfft(wave) * np.clip((cutoff + 500 - frequency) / 500, 0, 1), len(wave))


def codec_round_trip(wave: np.ndarray, codec: str, quality: float = 0.1, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Encode and decode audio, trimmed or padded to its length. `codec` is "OGG" (Vorbis) or "MP3"."""
    buffer = io.BytesIO()
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}[codec]
    write_audio(buffer, np.clip(wave, -1, 1), sample_rate, codec, subtype=subtype, compression_level=1 - quality)
    buffer.seek(0)
    decoded = soundfile.read(buffer, dtype="float32")[0][: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))

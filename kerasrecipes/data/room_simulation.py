"""Simulated rooms: the impulse response of a box-shaped room by the image method (Allen and Berkley 1979)."""

from dataclasses import dataclass

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE

SOUND_SPEED = 343.0  # meters a second
SABINE = 24 * np.log(10) / SOUND_SPEED  # seconds per meter
HIGH_PASS_HZ = 100.0  # below it, images of equal sign add up to a drift that no room has
RESPONSE_LENGTH = 2 / 3  # of the reverberation time: down to -40 dB
WALL_DISTANCE = 0.5  # meters


@dataclass(frozen=True)
class Room:
    """A box-shaped room with a speaker and a microphone.

    Args:
        size: (3,) length, width and height in meters.
        source: (3,) position of the speaker in meters.
        microphone: (3,) position of the microphone in meters.
        reverberation_seconds: Time in which the sound falls by 60 dB.
    """

    size: np.ndarray
    source: np.ndarray
    microphone: np.ndarray
    reverberation_seconds: float

    def reflection_factor(self) -> float:
        """Return the share of the pressure that every wall reflects, by Eyring's formula."""
        volume = float(np.prod(self.size))
        surface = 2 * volume * float(np.sum(1 / self.size))
        return float(np.exp(-SABINE * volume / (2 * surface * self.reverberation_seconds)))


def sample_room(rng: np.random.Generator, reverberation_seconds: tuple[float, float]) -> Room:
    """Return a room of 3 to 8 m by 3 to 6 m by 2.4 to 3.5 m with random positions.

    Args:
        rng: Source of the random numbers.
        reverberation_seconds: Shortest and longest reverberation time.
    """
    size = rng.uniform((3.0, 3.0, 2.4), (8.0, 6.0, 3.5))
    source, microphone = rng.uniform(WALL_DISTANCE, size - WALL_DISTANCE, (2, 3))
    return Room(size, source, microphone, float(rng.uniform(*reverberation_seconds)))


def compute_impulse_response(room: Room, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return the (samples,) impulse response of a room. It begins with the direct sound, whose amplitude is 1.

    Every wall mirrors the source, again and again. A mirror image at a distance of d meters, seen over n walls, adds
    factor ** n / d after d / 343 seconds. The reflections have no parts below 100 Hz.
    """
    seconds = RESPONSE_LENGTH * room.reverberation_seconds
    reach = SOUND_SPEED * seconds + float(np.linalg.norm(room.source - room.microphone))
    offsets, walls = zip(
        *(mirror_axis(*axis, reach) for axis in zip(room.size, room.source, room.microphone, strict=True)), strict=True
    )
    distance = np.sqrt(np.add.outer(np.add.outer(offsets[0] ** 2, offsets[1] ** 2), offsets[2] ** 2)).ravel()
    num_walls = np.add.outer(np.add.outer(walls[0], walls[1]), walls[2]).ravel()
    direct = float(distance[num_walls == 0][0])
    delay = np.rint((distance - direct) / SOUND_SPEED * sample_rate).astype(int)
    length = int(seconds * sample_rate)
    is_reflection = (delay < length) & (num_walls > 0)
    delay, num_walls, distance = delay[is_reflection], num_walls[is_reflection], distance[is_reflection]
    amplitude = room.reflection_factor() ** num_walls * direct / distance
    reflections = np.bincount(np.maximum(delay, 0), amplitude, length)
    padded_length = next_fast_length(2 * length)
    spectrum, frequency = np.fft.rfft(reflections, padded_length), np.fft.rfftfreq(padded_length, 1 / sample_rate)
    response = np.fft.irfft(spectrum * frequency**2 / (frequency**2 + HIGH_PASS_HZ**2), padded_length)[:length]
    response[0] += 1
    return response


def mirror_axis(size: float, source: float, microphone: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mirror images of one dimension: their distances from the microphone, and the number of walls of each."""
    repeats = np.arange(-int(reach / (2 * size)) - 1, int(reach / (2 * size)) + 2)
    offsets = np.concatenate([2 * repeats * size + source, 2 * repeats * size - source]) - microphone
    walls = np.concatenate([2 * np.abs(repeats), np.abs(2 * repeats - 1)])
    is_near = np.abs(offsets) <= reach
    return offsets[is_near], walls[is_near]


def add_room(wave: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the wave as it sounds in a room, with the same length and power. Words keep their times.

    Args:
        wave: (samples,) audio.
        response: (samples,) result of `compute_impulse_response`.
    """
    length = next_fast_length(len(wave) + len(response) - 1)
    wet = np.fft.irfft(np.fft.rfft(wave, length) * np.fft.rfft(response, length), length)[: len(wave)]
    return wet * np.sqrt(np.mean(wave.astype("float64") ** 2) / (np.mean(wet**2) + 1e-12))


def next_fast_length(samples: int) -> int:
    """Return the smallest length from `samples` on without prime factors above 5. Its Fourier transform is several times faster."""
    odd_factors = (3**threes * 5**fives for threes in range(12) for fives in range(8))
    return min(factor << max(0, (samples - 1) // factor).bit_length() for factor in odd_factors)

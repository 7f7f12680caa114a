"""Simulated rooms: decay, times, power, and the augmentation that uses them."""

import numpy as np
import pytest

from kerasrecipes.data import AudioAugmentation
from kerasrecipes.data.room_simulation import Room, add_room, compute_impulse_response, next_fast_length, sample_room


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.5])
def test_sound_falls_by_60_db_in_the_reverberation_time(seconds):
    rng, measured = np.random.default_rng(0), []
    for _ in range(4):
        response = compute_impulse_response(sample_room(rng, (seconds, seconds)))
        decay = np.cumsum(response[::-1] ** 2)[::-1]  # Schroeder's backward integration
        decay = 10 * np.log10(decay / decay[0])
        part = np.arange(np.argmax(decay < -5), np.argmax(decay < -20))
        measured.append(-60 / np.polyfit(part / 16000, decay[part], 1)[0])
    assert np.mean(measured) == pytest.approx(seconds, rel=0.25)  # Eyring's formula holds for diffuse sound


def test_first_echoes_come_from_the_nearest_mirrors():
    room = Room(np.array([5.0, 4.0, 3.0]), np.array([1.0, 2.0, 1.5]), np.array([3.0, 2.0, 1.5]), 0.3)
    factor, response = room.reflection_factor(), compute_impulse_response(room)
    assert response[0] == pytest.approx(1, abs=0.02)
    floor_and_ceiling = np.hypot(2.0, 3.0)  # two mirrors 3 m above and below, seen over one wall each
    index = round((floor_and_ceiling - 2.0) / 343 * 16000)
    assert response[index] == pytest.approx(2 * factor * 2.0 / floor_and_ceiling, abs=0.05)
    assert not response[1:index].max() > 0.05
    near = round((4.0 - 2.0) / 343 * 16000)  # behind the speaker
    assert response[near] == pytest.approx(factor * 2.0 / 4.0, abs=0.05)


def test_rooms_keep_length_power_and_times():
    rng = np.random.default_rng(1)
    wave = np.zeros(8000, "float32")
    wave[3000:3400] = rng.normal(size=400)
    wet = add_room(wave, compute_impulse_response(sample_room(rng, (0.3, 0.3))))
    assert len(wet) == 8000 and np.mean(wet**2) == pytest.approx(np.mean(wave**2), rel=1e-3)
    assert np.abs(wet[:2999]).max() < 1e-6 < np.abs(wet[3000:3010]).max() and np.abs(wet[4000:6000]).max() > 1e-3


def test_a_room_convolves_the_wave_with_its_response():
    rng = np.random.default_rng(2)
    wave, response = rng.normal(size=1009).astype("float32"), rng.normal(size=503)
    expected = np.convolve(wave, response)[:1009]
    expected *= np.sqrt(np.mean(wave**2) / np.mean(expected**2))
    assert add_room(wave, response) == pytest.approx(expected, abs=1e-4)


def test_fast_lengths_are_the_next_without_prime_factors_above_5():
    smooth = [n for n in range(1, 5001) if n == np.gcd(n, 2**13 * 3**8 * 5**6)]
    assert all(next_fast_length(n) == smooth[np.searchsorted(smooth, n)] for n in range(1, 5001))


def test_augmentation_with_rooms_depends_on_its_seed_only():
    wave = np.random.default_rng(2).normal(size=4000).astype("float32")
    rooms = AudioAugmentation(room_prob=1.0)
    first, again, other = (rooms(wave, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.allclose(first, other) and first.dtype == np.float32
    silence = AudioAugmentation(room_prob=1.0)(np.zeros(100, "float32"), np.random.default_rng(0))
    assert not silence.any()
    noise = AudioAugmentation(noise_prob=1.0)  # the same random numbers as before rooms existed
    assert np.array_equal(
        noise(wave, np.random.default_rng(5)),
        AudioAugmentation(noise_prob=1.0, room_seconds=(1, 2))(wave, np.random.default_rng(5)),
    )

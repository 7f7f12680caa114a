"""Simulated rooms against pyroomacoustics, which computes the same mirror images with fractional delays."""

import numpy as np
import pytest

from kerasrecipes.data.room_simulation import compute_impulse_response, sample_room

acoustics = pytest.importorskip("pyroomacoustics")


def band(response):
    """Return 300 to 2,000 Hz of a response, where rounding a delay to one sample changes little, without the direct sound."""
    spectrum, frequency = np.fft.rfft(response, 2 * len(response)), np.fft.rfftfreq(2 * len(response), 1 / 16000)
    return np.fft.irfft(spectrum * ((frequency > 300) & (frequency < 2000)))[100 : len(response)]


@pytest.mark.parametrize("seconds", [0.2, 0.3, 0.4])
def test_impulse_responses_are_those_of_pyroomacoustics(seconds):
    room = sample_room(np.random.default_rng(0), (seconds, seconds))
    ours = compute_impulse_response(room)
    absorption = acoustics.Material(1 - room.reflection_factor() ** 2)
    box = acoustics.ShoeBox(room.size, fs=16000, materials=absorption, max_order=60, air_absorption=False)
    box.add_source(room.source)
    box.add_microphone(room.microphone)
    box.compute_rir()
    distance = np.linalg.norm(room.source - room.microphone)
    start = round(distance / 343 * 16000) + acoustics.constants.get("frac_delay_length") // 2
    theirs = distance * box.rir[0][0][start : start + len(ours)]
    assert np.corrcoef(band(ours), band(theirs))[0, 1] > 0.95
    assert np.sum(band(ours) ** 2) == pytest.approx(np.sum(band(theirs) ** 2), rel=0.1)

"""Codecs inside WAV and CAF files: what is whole is read, and what is cut off says how much was read."""

import numpy as np
import pytest
from ffmpeg_files import make_file, speech_like

from kerasrecipes import audio
from kerasrecipes.errors import AudioError

WAVE = speech_like(6.0)


def assert_is_wave(x):
    """Assert that `x` is `WAVE`, after at most the delay of an encoder, by the energy of windows of 0.1 s."""
    n = min(len(x), len(WAVE)) // 1600 * 1600
    assert abs(len(x) - len(WAVE)) < 3000
    energies = [np.square(wave[:n].reshape(-1, 1600)).mean(axis=1) for wave in (x, WAVE)]
    assert np.corrcoef(*energies)[0, 1] > 0.9


@pytest.mark.parametrize("options", [(), ("-b:a", "24k"), ("-ar", "44100", "-ac", "2")])
def test_mp3_in_a_wav_file_is_whole_though_its_header_counts_the_delay_of_the_encoder(tmp_path, options):
    path = make_file(tmp_path, "mp3.wav", "-c:a", "libmp3lame", *options, wave=WAVE)
    assert_is_wave(audio.load_audio(path))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(AudioError, match=r"promises 6\.\d\d s, 3\.\d\d s can be read"):
        audio.load_audio(path)


@pytest.mark.parametrize("options", [(), ("-c:a", "pcm_s24be"), ("-c:a", "adpcm_ima_qt")])
def test_cut_caf_files_are_errors_that_say_how_much_was_read(tmp_path, options):
    path = make_file(tmp_path, "x.caf", *options, wave=WAVE)
    assert_is_wave(audio.load_audio(path))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(AudioError, match=r"is cut off: .* 3\.\d\d s can be read"):
        audio.load_audio(path)
    with pytest.warns(UserWarning, match="is cut off"):
        assert 0.5 * len(WAVE) < len(audio.load_audio(path, allow_truncated=True)) < 0.65 * len(WAVE)

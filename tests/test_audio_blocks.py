"""Audio is read by blocks: the same samples as at once, in little memory, and no longer than allowed."""

import io
import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from kerasrecipes import audio
from kerasrecipes.errors import AudioError
from kerasrecipes.utils import media_decoding
from kerasrecipes.utils.audio_blocks import AudioStream
from kerasrecipes.utils.audio_encoding import write_audio


def encode(samples, rate, file_format="WAV", subtype=None) -> bytes:
    buffer = io.BytesIO()
    write_audio(buffer, samples, rate, file_format, **({"subtype": subtype} if subtype else {}))
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 2), (48000, 1)])
def test_blocks_are_the_whole_file(file_format, rate, channels):
    samples = 0.1 * np.random.default_rng(0).normal(size=(200_001, channels)).astype("float32")
    content = encode(samples, rate, file_format)
    whole = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0].mean(axis=1)
    expected = whole if rate == 16000 else soxr.resample(whole, rate, 16000)
    # without its Xing header, an MP3 is decoded with other roundings
    np.testing.assert_allclose(audio.load_audio(content), expected, rtol=0, atol=1e-7 if file_format == "MP3" else 0)


def test_an_array_is_resampled_as_at_once():
    samples = 0.1 * np.random.default_rng(1).normal(size=100_000).astype("float32")
    assert np.array_equal(audio.load_audio(samples, sample_rate=22050), soxr.resample(samples, 22050, 16000))


@pytest.mark.parametrize(
    ("rate", "channels", "file_format"),
    [(192_000, 8, "FLAC"), (96_000, 8, "WAV"), (48_000, 2, "MP3"), (192_000, 1, "OGG")],
)
def test_many_channels_and_high_rates_take_the_memory_of_the_result(rate, channels, file_format):
    content = encode(np.zeros((8 * rate, channels), "int16"), rate, file_format)
    tracemalloc.start()
    samples = audio.load_audio(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(samples) == pytest.approx(128_000, abs=5000) and peak < 4 * samples.nbytes + 16 * 65536 * channels


def patch_frames(content: bytes, seconds: int) -> bytes:
    """Return an MP3 at 16 kHz whose Xing header promises a length."""
    start = max(content.find(b"Xing"), content.find(b"Info"))
    return content[: start + 8] + (seconds * 16000 // 576).to_bytes(4, "big") + content[start + 12 :]


def test_a_promise_of_71_hours_takes_no_memory():
    content = patch_frames(encode(0.1 * np.random.default_rng(2).normal(size=80_000), 16000, "MP3"), 71 * 3600)
    tracemalloc.start()
    with pytest.raises(AudioError, match="cut off: its header promises 255599"):
        audio.load_audio(content)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("file_format", ["WAV", "FLAC", "MP3"])
def test_longer_files_than_allowed_are_refused(file_format):
    content = encode(np.zeros(48_000), 16000, file_format)
    with pytest.raises(AudioError, match=r"is longer than 2 s: .* max_seconds"):
        audio.load_audio(content, max_seconds=2)
    assert len(audio.load_audio(content, max_seconds=4)) >= 48_000
    assert len(audio.load_audio(np.zeros(48_000), sample_rate=16000, max_seconds=2)) == 48_000  # it is in memory already


@pytest.mark.parametrize("decoder", ["ffmpeg", "av"])
def test_media_are_read_by_blocks(decoder, tmp_path, monkeypatch):
    if decoder == "av":
        pytest.importorskip("av")
    if not shutil.which("ffmpeg"):  # it also writes the file
        pytest.skip("ffmpeg is not installed")

    samples = (0.1 * np.random.default_rng(3).normal(size=(90_000, 2))).astype("float32")
    soundfile.write(tmp_path / "x.wav", samples, 44100, "FLOAT")
    path = tmp_path / "x.mka"  # lossless, in a container that libsndfile does not read
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "x.wav", "-c:a", "copy", path], check=True)
    monkeypatch.setattr(media_decoding, "find_decoder", lambda: decoder)
    assert np.array_equal(audio.load_audio(path), audio.load_audio(tmp_path / "x.wav"))
    with pytest.raises(AudioError, match="longer than 1 s"):
        audio.load_audio(path, max_seconds=1)


def test_samples_that_are_not_finite_are_counted_over_all_blocks():
    samples = np.zeros((200_000, 2), "float32")
    samples[[5, 100_000, 199_999], [0, 1, 1]] = np.nan, np.inf, -np.inf
    with pytest.raises(AudioError, match="holds 3 samples that are NaN or infinite"):
        audio.load_audio(encode(samples, 16000, "WAV", "FLOAT"))


def test_the_rate_must_be_valid_and_stay():
    stream = AudioStream("x", 16000)
    for rate in (0, -1, float("nan"), 2e7, "16000"):
        with pytest.raises(AudioError, match="invalid sample rate"):
            stream.set_rate(rate)
    stream.set_rate(8000)
    with pytest.raises(AudioError, match="joins recordings of 8000 and 16000 Hz"):
        stream.set_rate(16000)

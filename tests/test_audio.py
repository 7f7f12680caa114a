"""Sound from every kind of source, and every bad input with a message that says what to do."""

import io

import numpy as np
import pytest
import soundfile

from kerasrecipes import audio
from kerasrecipes.errors import AudioError
from kerasrecipes.utils import media_decoding

rng = np.random.default_rng(0)
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype("float32")


def frequency(x, rate=16000):
    return np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x))))) * rate / len(x)


@pytest.mark.parametrize(("suffix", "tolerance"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.1), ("mp3", 0.1)])
def test_formats_paths_bytes_and_file_objects(tmp_path, suffix, tolerance):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, TONE, 16000)
    x = audio.load_audio(path)
    assert x.dtype == np.float32 and x.ndim == 1 and abs(len(x) - 16000) < 2500
    assert frequency(x) == pytest.approx(440, abs=3)
    np.testing.assert_allclose(np.abs(x).max(), 0.3, atol=tolerance)
    np.testing.assert_array_equal(x, audio.load_audio(str(path)))
    np.testing.assert_array_equal(x, audio.load_audio(path.read_bytes()))
    with open(path, "rb") as file:
        np.testing.assert_array_equal(x, audio.load_audio(file))
    assert audio.audio_duration(path) == pytest.approx(len(x) / 16000)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000])
def test_any_rate_becomes_16_kilohertz(rate):
    x = (0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("float32")
    y = audio.load_audio(x, sample_rate=rate)
    assert abs(len(y) - 16000) <= 1 and frequency(y) == pytest.approx(440, abs=2)


def test_channels_are_averaged(tmp_path):
    five = rng.normal(size=(8000, 5)).astype("float32") * 0.1
    soundfile.write(tmp_path / "5.wav", five, 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load_audio(tmp_path / "5.wav"), five.mean(1), atol=1e-6)
    np.testing.assert_allclose(audio.load_audio(five, sample_rate=16000), five.mean(1), atol=1e-6)


def test_integers_are_scaled_by_their_type():
    x = np.array([-32768, 16384, 0] * 1000, "int16")
    np.testing.assert_allclose(audio.load_audio(x, sample_rate=16000)[:3], [-1, 0.5, 0])
    np.testing.assert_allclose(audio.load_audio(x.astype("int32") * 65536, sample_rate=16000)[:3], [-1, 0.5, 0])


def test_array_without_rate_is_a_type_error():
    with pytest.raises(TypeError, match="pass sample_rate="):
        audio.load_audio(TONE)


def test_silence_is_sound():
    assert not audio.load_audio(np.zeros(8000), sample_rate=16000).any()


BAD = {
    "int16 as float": (TONE * 32768, "were they 16-bit integers"),
    "nan": (np.where(np.arange(16000) == 5, np.nan, TONE), "NaN or infinite"),
    "infinite": (np.where(np.arange(16000) == 5, np.inf, TONE), "NaN or infinite"),
    "short": (TONE[:160], "too short"),
    "empty": (TONE[:0], "too short"),
    "3-D": (np.zeros((2, 8000, 1)), r"\(samples,\)"),
    "transposed": (np.zeros((2, 8000)), "transpose"),
    "complex": (TONE.astype("complex64"), "float samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(case):
    samples, message = BAD[case]
    with pytest.raises(AudioError, match=message):
        audio.load_audio(samples, sample_rate=16000)


def test_bad_files(tmp_path, monkeypatch):
    def fails(path, message):
        with pytest.raises(AudioError, match=message) as error:
            audio.load_audio(path)
        assert str(path) in str(error.value)

    fails(tmp_path / "missing.wav", "There is no file")
    fails(tmp_path, "folder")
    (tmp_path / "empty.flac").write_bytes(b"")
    fails(tmp_path / "empty.flac", "empty")
    (tmp_path / "text.wav").write_text("I am no sound\n" * 50)
    fails(tmp_path / "text.wav", "cannot be read as audio")
    soundfile.write(tmp_path / "whole.flac", rng.normal(size=48000) * 0.1, 16000)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    fails(tmp_path / "cut.flac", "cut off|cannot be read")
    soundfile.write(tmp_path / "header.wav", TONE, 16000)
    wav = (tmp_path / "header.wav").read_bytes()
    (tmp_path / "header.wav").write_bytes(wav[:40])
    fails(tmp_path / "header.wav", "cannot be read|too short|cut off")
    monkeypatch.setattr(media_decoding, "find_decoder", lambda: None)
    fails(tmp_path / "header.wav", "cannot be read as audio.* it is damaged")  # no advice to install a decoder
    with pytest.raises(AudioError, match="cannot be read"):
        audio.load_audio(io.BytesIO(b"nothing"))


def test_expand(tmp_path):
    with pytest.raises(AudioError, match="holds no audio"):
        audio.list_audio_files(tmp_path)
    for name in ("b.wav", "a.flac", "sub/c.WAV", "readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [p[len(str(tmp_path)) + 1 :] for p in audio.list_audio_files(tmp_path)] == ["a.flac", "b.wav", "sub/c.WAV"]
    assert audio.list_audio_files([str(tmp_path / "*.wav"), "other.mp3"]) == [str(tmp_path / "b.wav"), "other.mp3"]
    with pytest.raises(AudioError, match="No file matches"):
        audio.list_audio_files(str(tmp_path / "*.xyz"))


class Pipe(io.RawIOBase):
    """Bytes that can be read once and not searched, as an answer of a server."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def read(self, size=-1):
        return self.content.read(size)


def test_file_objects_that_cannot_be_searched_or_were_read(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, TONE, 16000)
    np.testing.assert_array_equal(audio.load_audio(Pipe(path.read_bytes())), audio.load_audio(path))
    with open(path, "rb") as file:
        assert len(audio.load_audio(file)) == len(TONE)
        with pytest.raises(AudioError, match=r"no bytes: .* seek\(0\)"):
            audio.load_audio(file)
    with pytest.raises(AudioError, match='"rb"'):
        audio.load_audio(io.StringIO("text"))


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "16000", 1e9])
def test_rates_that_are_none(rate):
    with pytest.raises(AudioError, match="invalid sample rate .* Hz: expected a number between 0 and"):
        audio.load_audio(TONE, sample_rate=rate)


def test_integers_whose_range_nobody_knows():
    whole = (TONE * 32767).astype("int16")
    for samples in (whole.astype("int64"), whole.tolist()):
        with pytest.raises(AudioError, match="pass integers of 16 or 32 bits"):
            audio.load_audio(samples, sample_rate=16000)

"""Audio is read to its real end: a header that promises too much is an error, one that promises too little hides nothing."""

import contextlib
import io
import struct

import numpy as np
import pytest
import soundfile
from ffmpeg_files import make_file, speech_like

from kerasrecipes import audio
from kerasrecipes.errors import AudioError
from kerasrecipes.inference.transcribe import bucket_by_length
from kerasrecipes.utils import media_decoding, mp3_frames

RATE, SECONDS = 16000, 6.0
WAVE = speech_like(SECONDS)
CUT = {
    "wav": {}, "aiff": {}, "au": {}, "w64": {}, "rf64": {}, "voc": {}, "flac": {}, "mp3": {}, "sph": {"format": "NIST"}, "ogg": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}  # fmt: skip


def encode(file_format, wave=WAVE, **options):
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, **{"format": file_format, **options})
    return file.getvalue()


def best_shift(x, limit=3000):
    """Return how many samples `x` starts before `WAVE`, from the maximum of their correlation."""
    n = len(WAVE) + len(x)
    correlation = np.fft.irfft(np.fft.rfft(x, n) * np.conj(np.fft.rfft(WAVE, n)), n)
    return int(np.argmax(correlation[:limit]))


def assert_holds_wave(x):
    """Assert that all of `WAVE` is in `x`, after at most the delay of an encoder."""
    shift = best_shift(x)
    assert len(x) - shift >= len(WAVE) - 200
    n = min(len(WAVE), len(x) - shift)
    assert np.corrcoef(x[shift : shift + n], WAVE[:n])[0, 1] > 0.95


@pytest.mark.parametrize("suffix", CUT)
def test_cut_files_are_errors_that_say_how_much_was_read(tmp_path, suffix):
    content = encode(suffix.upper(), **CUT[suffix])
    path = tmp_path / f"whole.{suffix}"
    path.write_bytes(content)
    whole = audio.load_audio(path)
    assert_holds_wave(whole)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: int(0.6 * len(content))])
    for source in (cut, cut.read_bytes()):
        with pytest.raises(AudioError, match=r"is cut off: .* (\d\.\d\d) s can be read; copy it again, or pass allow_trunc") as error:
            audio.load_audio(source)
        with pytest.warns(UserWarning, match="is cut off"):
            part = audio.load_audio(source, allow_truncated=True)
        assert 0.3 * SECONDS < len(part) / RATE < 0.9 * SECONDS
        assert f"{len(part) / RATE:.2f} s can be read" in str(error.value)
        n = len(part) - 2000  # the last block of an encoder may be incomplete
        np.testing.assert_allclose(part[:n], whole[:n], atol=1e-3)
    if suffix not in ("ogg", "opus"):
        assert f"promises {SECONDS:.2f} s" in str(error.value)


def set_data_size(content, size):
    position = content.index(b"data") + 4
    return content[:position] + struct.pack("<I", size) + content[position + 4 :]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 1000, 100_001])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_wav_sizes_that_hide_audio(size, subtype):
    whole = encode("WAV", subtype=subtype)
    np.testing.assert_array_equal(audio.load_audio(set_data_size(whole, size)), audio.load_audio(whole))


@pytest.mark.parametrize("tail", [
    b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0ab", b"\0" * 512, b"TAG" + b"song".ljust(125), b"ID3\x03" + b"\x01" * 60,
])  # fmt: skip
def test_what_follows_the_audio_of_a_wav_file_is_not_audio(tail):
    whole = encode("WAV")
    assert len(audio.load_audio(whole + tail)) == len(WAVE)
    odd = encode("WAV", WAVE[:16001], subtype="PCM_U8") if tail.startswith(b"LIST") else None
    if odd:  # with and without the padding byte
        assert len(audio.load_audio(odd + tail)) == len(audio.load_audio(odd.removesuffix(b"\0") + tail)) == 16001


def test_a_wav_file_without_audio_stays_empty():
    empty = encode("WAV", WAVE[:0])
    for content in (empty, empty + b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0ab"):
        with pytest.raises(AudioError, match=r"lasts 0\.000 s"):
            audio.load_audio(content)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 1000])
def test_au_and_aiff_sizes_that_hide_audio(size):
    au = encode("AU")
    patched = au[:8] + struct.pack(">I", size) + au[12:]
    np.testing.assert_array_equal(audio.load_audio(patched), audio.load_audio(au))
    aiff = encode("AIFF")
    position = aiff.index(b"SSND") + 4
    patched = bytearray(aiff[:position] + struct.pack(">I", size) + aiff[position + 4 :])
    struct.pack_into(">I", patched, patched.index(b"COMM") + 10, min(size, 10))
    np.testing.assert_array_equal(audio.load_audio(bytes(patched)), audio.load_audio(aiff))


def test_long_wav_sizes():
    long = encode("RF64")
    np.testing.assert_array_equal(audio.load_audio(long), audio.load_audio(encode("WAV")))
    position = long.index(b"ds64") + 16
    unknown = long[:position] + struct.pack("<Q", 0) + long[position + 8 :]
    assert len(audio.load_audio(unknown)) == len(WAVE)


@pytest.mark.parametrize(("suffix", "options"), CUT.items())
def test_joined_and_whole_lengths(suffix, options):
    """Two files that were joined give both, where the format allows it."""
    content = encode(suffix.upper(), **options)
    one = audio.load_audio(content)
    if suffix in ("mp3", "ogg", "opus", "wav", "flac", "rf64", "aiff"):
        two = audio.load_audio(content + content)
        assert len(two) == 2 * len(one)
        np.testing.assert_allclose(two[len(one) :], one, atol=1e-3)
        three = audio.load_audio(content + encode(suffix.upper(), WAVE[:30000], **options) + content)
        assert len(three) == pytest.approx(2 * len(one) + 30000, abs=1500)
        with pytest.raises(AudioError, match="is cut off"):
            audio.load_audio(content + content[: int(0.6 * len(content))])


@pytest.mark.parametrize("suffix", ["wav", "flac", "rf64", "aiff"])
def test_joined_files_promise_the_sum_of_their_lengths(tmp_path, suffix):
    content, short = encode(suffix.upper()), encode(suffix.upper(), WAVE[:20001])
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(content + short + b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0ab" * (suffix == "wav") + content[: len(content) // 2])
    with pytest.raises(AudioError, match=rf"promises {2 * SECONDS + 20001 / RATE:.2f} s, (9|10)\.\d\d s can be read"):
        audio.load_audio(joined)
    recording = audio.open_recording(io.BytesIO(content + short + content), keep_seconds=1.0)
    assert len(recording) == 2 * len(WAVE) + 20001
    np.testing.assert_array_equal(np.concatenate([*recording.blocks()])[-len(WAVE) :], audio.load_audio(content))


def test_an_mp3_file_that_ends_in_zeros_does_not_blame_a_header():
    with pytest.raises(AudioError, match=r"is cut off: the decoder fails after 6\.\d\d s, 6"):
        audio.load_audio(without_xing(encode("MP3", bitrate_mode="VARIABLE")) + bytes(200_000))


def test_joined_mp3s_of_two_rates_and_channels():
    mono, stereo = encode("MP3"), encode("MP3", np.stack([WAVE, WAVE], 1))
    np.testing.assert_allclose(audio.load_audio(mono + stereo)[len(WAVE) :], audio.load_audio(mono), atol=0.02)
    file = io.BytesIO()
    soundfile.write(file, WAVE, 44100, format="MP3")
    with pytest.raises(AudioError, match="joins recordings of 16000 and 44100 Hz"):
        audio.load_audio(mono + file.getvalue())


def without_xing(content):
    """Remove the first frame of an MP3 file, which declares the number of the others."""
    frame = mp3_frames.parse_frame(content)
    assert mp3_frames.read_xing(content, frame.xing_offset)
    return content[frame.size :]


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize("tag", [b"", b"ID3\x03\0\0\0\0\x02\x05" + bytes(261)])
def test_mp3_without_a_xing_header(mode, tag):
    content = tag + without_xing(encode("MP3", bitrate_mode=mode))
    x = audio.load_audio(content)
    assert_holds_wave(x)
    assert audio.load_audio(content + b"TAG" + bytes(125)).shape == x.shape


def test_mp3_with_a_tag_between_two_recordings():
    part = encode("MP3")
    tag = b"ID3\x03\0\0\0\0\x02\x05" + b"\xff\xfb\x90\x00" * 65 + b"x"
    assert len(audio.load_audio(tag + part + b"TAG" + bytes(125) + tag + part)) == 2 * len(WAVE)


@pytest.mark.parametrize(("name", "options", "pipe"), [
    ("vbr.mp3", ("-q:a", "4", "-write_xing", "0"), False), ("low.mp3", ("-b:a", "32k", "-write_xing", "0"), False),
    ("pipe.mp3", ("-q:a", "4", "-f", "mp3"), True), ("pipe.flac", ("-f", "flac"), True), ("pipe.wav", ("-f", "wav"), True),
    ("pipe.aiff", ("-f", "aiff"), True), ("pipe.au", ("-f", "au"), True), ("rf64.wav", ("-rf64", "always"), False),
    ("pipe.ogg", ("-f", "ogg", "-c:a", "libvorbis"), True), ("pipe.caf", ("-f", "caf"), False),
])  # fmt: skip
def test_files_as_ffmpeg_writes_them_into_pipes(tmp_path, name, options, pipe):
    path = make_file(tmp_path, name, *options, wave=WAVE, pipe=pipe)
    x = audio.load_audio(path)
    assert_holds_wave(x)
    np.testing.assert_array_equal(audio.load_audio(path.read_bytes()), x)
    assert audio.audio_duration(path) == pytest.approx(len(x) / RATE, abs=0.04)


def test_a_cut_flac_file_of_unknown_length_gives_what_is_there(tmp_path):
    content = make_file(tmp_path, "pipe.flac", "-f", "flac", wave=WAVE, pipe=True).read_bytes()
    with pytest.warns(UserWarning, match="decoder fails"):
        x = audio.load_audio(content[: len(content) // 2], allow_truncated=True)
    assert 0.2 * SECONDS < len(x) / RATE < 0.8 * SECONDS
    np.testing.assert_allclose(x, WAVE[: len(x)], atol=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "ogg", "flac", "mp3", "sph"])
def test_damaged_headers_raise_only_audio_errors(suffix, monkeypatch):
    monkeypatch.setattr(media_decoding, "find_decoder", lambda: "")  # which would start ffmpeg for each damaged file
    content = encode(suffix.upper(), WAVE[:8000], **CUT[suffix])
    rng = np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(content)
        for position in rng.integers(0, 80, 3):
            damaged[position] = rng.integers(256)
        with contextlib.suppress(AudioError):
            x = audio.load_audio(bytes(damaged[: rng.integers(1, len(content) + 1)]), allow_truncated=True)
            assert x.dtype == np.float32 and np.isfinite(x).all()


def test_names_and_folders_that_the_system_refuses(tmp_path):
    with pytest.raises(AudioError, match="cannot be opened"):
        audio.load_audio("x" * 300 + ".wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="broken link"):
        audio.load_audio(tmp_path / "link.wav")
    with pytest.raises(AudioError, match="path of the audio is empty"):
        audio.load_audio("")


def test_lists_take_cut_files_only_on_request():
    whole, cut = encode("WAV"), encode("WAV")[:100_000]
    for allow_truncated in (False, True):
        results = [None, None]
        with pytest.warns(UserWarning, match="is cut off") if allow_truncated else contextlib.nullcontext():
            groups = list(bucket_by_length([cut, whole], 60.0, results, RATE, allow_truncated=allow_truncated))
        lengths = {index: len(wave) for group in groups for index, wave in group}
        assert lengths == ({0: 49978, 1: len(WAVE)} if allow_truncated else {1: len(WAVE)})
        assert isinstance(results[0], AudioError) != allow_truncated

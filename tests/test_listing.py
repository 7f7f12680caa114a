"""Folders: one listing for audio and images, and what is skipped is named with the reason. Formats of phones are read."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from ffmpeg_files import make_file, speech_like
from PIL import Image

from kerasrecipes import audio, image
from kerasrecipes.batch.inputs import list_inputs
from kerasrecipes.errors import AudioError, DataError, ImageError
from kerasrecipes.inference.transcribe import is_batch
from kerasrecipes.utils import media_decoding
from kerasrecipes.utils.image_formats import IMAGE_FILES

WAVE = speech_like(3)
MEDIA = {
    "x.m4a": (), "x.aac": (), "x.mp4": (), "x.mov": (), "x.3gp": ("-c:a", "aac"), "x.webm": (), "x.mka": (), "x.wma": (),
    "alac.m4a": ("-c:a", "alac"), "speex.ogg": ("-c:a", "libspeex"), "opus.ogg": ("-c:a", "libopus"),
    "gsm.wav": ("-c:a", "libgsm_ms", "-ar", "8000"), "wma.wav": ("-c:a", "wmav2"),
}  # fmt: skip
AMR = b"#!AMR\n" + (b"\x04" + bytes(range(12))) * 100  # 100 frames of 20 ms


def power(x, window=1600):
    return np.sqrt(np.mean(np.square(x[: len(x) // window * window].reshape(-1, window)), axis=1))


@pytest.fixture
def no_decoder(monkeypatch):
    for module in (audio, media_decoding):
        monkeypatch.setattr(module, "find_decoder", lambda: "")


@pytest.mark.parametrize("name", MEDIA)
def test_formats_of_phones_are_read(tmp_path, name):
    path = make_file(tmp_path, name, *MEDIA[name], wave=WAVE)
    x = audio.load_audio(path)
    assert len(x) == pytest.approx(len(WAVE), abs=2500)
    n = min(len(x), len(WAVE))
    assert np.corrcoef(power(x[:n]), power(WAVE[:n]))[0, 1] > 0.9
    np.testing.assert_array_equal(audio.load_audio(path.read_bytes()), x)
    assert audio.audio_duration(path) == pytest.approx(len(x) / 16000, abs=0.01)


@pytest.mark.skipif(not media_decoding.find_decoder(), reason="neither ffmpeg nor PyAV is installed")
def test_amr_is_read(tmp_path):
    (tmp_path / "memo.amr").write_bytes(AMR)
    assert len(audio.load_audio(tmp_path / "memo.amr")) == 32000
    with pytest.raises(AudioError, match=r"is cut off: .* can be read"):
        audio.load_audio(AMR[:-5])


def test_pyav_reads_what_ffmpeg_reads(tmp_path, monkeypatch):
    pytest.importorskip("av")
    for name in ("x.m4a", "x.webm", "alac.m4a"):
        path = make_file(tmp_path, name, *MEDIA[name], wave=WAVE)
        expected = audio.load_audio(path)
        with monkeypatch.context() as patch:
            patch.setattr(media_decoding, "find_decoder", lambda: "av")
            x = audio.load_audio(path)
        assert abs(len(x) - len(expected)) < 200
        assert np.corrcoef(power(x[:40000]), power(expected[:40000]))[0, 1] > 0.99  # WebM starts 4 ms apart


@pytest.mark.parametrize(("name", "options"), [("x.webm", ()), ("x.m4a", ("-movflags", "faststart")), ("x.wma", ())])
def test_cut_files_of_phones_are_errors(tmp_path, name, options):
    path = make_file(tmp_path, name, *options, wave=WAVE)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(AudioError, match=r"is cut off: ffmpeg reports: .*, \d\.\d\d s can be read"):
        audio.load_audio(path)
    with pytest.warns(UserWarning, match="is cut off"):
        assert 16000 < len(audio.load_audio(path, allow_truncated=True)) < len(WAVE) - 8000


def test_media_files_without_audio_and_with_hostile_names(tmp_path):
    path = make_file(tmp_path, "video.mp4", "-f", "lavfi", "-i", "color=size=16x16:duration=1", "-map", "1:v", wave=WAVE)
    with pytest.raises(AudioError, match="no audio track"):
        audio.load_audio(path)
    path = make_file(tmp_path, "a.m4a", wave=WAVE)
    for name in ("-y.m4a", "concat:a.m4a", "%d.m4a"):
        shutil.copy(path, tmp_path / name)
        np.testing.assert_array_equal(audio.load_audio(tmp_path / name), audio.load_audio(path))
    with pytest.raises(AudioError, match="cannot be read as audio"):
        audio.load_audio(path.read_bytes()[:2000])


def test_without_a_decoder_the_message_says_what_to_install(tmp_path, no_decoder):
    for name, content in (("memo.amr", AMR), ("a.m4a", b"\0\0\0 ftypM4A " + bytes(99)), ("a.webm", b"\x1aE\xdf\xa3" + bytes(99))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AudioError, match=r"install ffmpeg, or `pip install 'kerasrecipes\[video\]'`, or .* ffmpeg -i"):
            audio.load_audio(tmp_path / name)
    with pytest.raises(AudioError, match=r"holds no audio .*3 skipped: .*ffmpeg"):
        audio.list_audio_files(tmp_path)
    soundfile.write(tmp_path / "b.wav", WAVE, 16000)
    with pytest.warns(UserWarning) as warned:
        assert audio.list_audio_files(tmp_path) == [str(tmp_path / "b.wav")]
    (message,) = {str(w.message) for w in warned}
    assert "3 skipped: 1 .amr, 1 .m4a, 1 .webm, not readable here: install ffmpeg" in message
    assert "(a.m4a, a.webm, memo.amr)" in message and message.count("install ffmpeg") == 1


@pytest.mark.parametrize(("name", "options"), [
    ("speex.ogg", ("-c:a", "libspeex")), ("wma.wav", ("-c:a", "wmav2")), ("alac.caf", ("-c:a", "alac")),
])  # fmt: skip
def test_codecs_that_only_ffmpeg_reads_are_an_error_that_names_it(tmp_path, no_decoder, name, options):
    path = make_file(tmp_path, name, *options, wave=WAVE)
    with pytest.raises(AudioError, match=rf"{name} is damaged, or of a codec that needs ffmpeg or PyAV: install ffmpeg"):
        audio.load_audio(path)


def fill(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(("listing", "names"), [
    (audio.list_audio_files, ("a.wav", "sub/b.FLAC", "z/c.mp3")),
    (image.list_image_files, ("a.jfif", "sub/b.TGA", "z/c.jpg")),
])  # fmt: skip
def test_skipped_files_are_counted_and_named_once(tmp_path, listing, names):
    folder = tmp_path / "in"
    fill(folder, (*names, "notes.txt", "table.csv"))
    assert listing(folder) == [str(folder / name) for name in names]  # no warning: texts beside the files are ordinary
    suffix = names[0][1:]
    fill(folder, (f"._a{suffix}", f"sub/._b{suffix}"))
    (folder / f"gone{suffix}").symlink_to(tmp_path / "gone")
    (folder / "gone_folder").symlink_to(tmp_path / "gone")
    (folder / "gone.txt").symlink_to(tmp_path / "gone")
    with pytest.warns(UserWarning) as warned:
        assert listing(str(folder)) == [str(folder / name) for name in names]
    (message,) = [str(w.message) for w in warned]
    assert message.startswith(f"{folder}: 4 skipped: ")
    assert f"2 made by macOS beside a file, without content of its own: delete it (._a{suffix}, ._b{suffix})" in message
    assert f"2 broken link: repair or remove it (gone{suffix}, gone_folder)" in message


@pytest.mark.parametrize(("listing", "name"), [(audio.list_audio_files, "x.wav"), (image.list_image_files, "x.png")])
def test_linked_folders_are_listed_once(tmp_path, listing, name):
    fill(tmp_path, (f"in/real/{name}", f"elsewhere/{name}", f"elsewhere/deep/{name}"))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    expected = [str(tmp_path / "in" / p / name) for p in ("link/deep", "link", "real")]
    assert listing(tmp_path / "in") == expected
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "in")
    with pytest.warns(UserWarning, match=r"2 skipped: 2 link to a folder that is listed already \(again, loop\)"):
        assert listing(tmp_path / "in") == expected


def test_images_that_pillow_does_not_read_are_named(tmp_path):
    fill(tmp_path, ("a.heic", "b.HEIC", "c.png", "d.nef"))
    with pytest.warns(UserWarning, match=r"3 skipped: 2 \.heic, 1 \.nef, not readable: save it as JPEG or PNG \(a.heic, b.HEIC, d.nef\)"):
        assert image.list_image_files(tmp_path) == [str(tmp_path / "c.png")]


def test_new_image_formats_are_read(tmp_path):
    pixels = np.full((8, 8, 3), 90, "uint8")
    for name, file_format in (("a.jfif", "JPEG"), ("b.tga", "TGA"), ("c.dib", "DIB")):
        Image.fromarray(pixels).save(tmp_path / name, format=file_format)
    for path in image.list_image_files(tmp_path):
        np.testing.assert_allclose(image.load_image(path), pixels, atol=2)


def test_runs_list_as_the_models_do(tmp_path):
    fill(tmp_path, ("in/a.png", "in/._a.png", "in/b.heic", "elsewhere/c.png"))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match=r"2 skipped: .*macOS.*heic"):
        paths = [path for path, _ in list_inputs([tmp_path / "in"], IMAGE_FILES)]
    with pytest.warns(UserWarning):
        assert sorted(paths) == sorted(image.list_image_files(tmp_path / "in"))


def test_empty_paths_are_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", WAVE, 16000)
    for source in ("", ["a.wav", ""]):
        with pytest.raises(AudioError, match="path of the audio is empty"):
            audio.list_audio_files(source)
        with pytest.raises(ImageError, match="path of the image is empty"):
            image.list_image_files(source)
    with pytest.raises(DataError, match="path of an input is empty"):
        list_inputs([""], IMAGE_FILES)
    with pytest.raises(DataError, match="Workers do not read standard input"):
        list_inputs(["-"], IMAGE_FILES)
    assert audio.list_audio_files(".") == ["a.wav"]


def test_patterns_give_lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, ("a.wav", "sub/b.wav", "a.png", "sub/b.png", "c[1].png"))
    for listing, suffix, family in ((audio.list_audio_files, "wav", AudioError), (image.list_image_files, "png", ImageError)):
        expected = [f"a.{suffix}", f"sub/b.{suffix}"]
        assert [str(p) for p in listing(f"**/[ab].{suffix}")] == listing([f"?.{suffix}", f"sub/*.{suffix}"]) == expected
        with pytest.raises(family, match="No file matches"):
            listing(f"nothing*.{suffix}")
    assert image.list_image_files("c[1].png") == ["c[1].png"]  # a file of that name
    assert is_batch("*.wav") and is_batch("sub") and not is_batch("a.wav") and not is_batch("none.wav")
    results = [1, 2]
    assert image.single_or_list("?.png", results) is results and image.single_or_list("c[1].png", [1]) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="all folders are open to this user")
def test_folders_that_cannot_be_opened_are_named(tmp_path):
    fill(tmp_path, ("a.wav", "closed/b.wav"))
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.warns(UserWarning, match="1 skipped: 1 folder that cannot be opened"):
            assert audio.list_audio_files(tmp_path) == [str(tmp_path / "a.wav")]
    finally:
        (tmp_path / "closed").chmod(0o700)

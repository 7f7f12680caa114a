"""Standard input, pipes and file objects of other libraries, for audio and images alike."""

import io
import os
import subprocess
import sys
import tempfile
import threading
import types

import numpy as np
import pytest
import soundfile
from PIL import Image

from kerasrecipes import audio, image
from kerasrecipes.errors import AudioError, ImageError
from kerasrecipes.utils.sources import is_file_input

WAVE = (0.3 * np.sin(np.arange(8000) / 5)).astype("float32")
PIXELS = np.arange(300, dtype="uint8").reshape(10, 10, 3)


def encode_audio():
    file = io.BytesIO()
    soundfile.write(file, WAVE, 16000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def encode_image():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format="PNG")
    return file.getvalue()


BOTH = pytest.mark.parametrize(("load", "content", "expected", "family"), [
    (audio.load_audio, encode_audio(), WAVE, AudioError), (image.load_image, encode_image(), PIXELS, ImageError),
], ids=("audio", "image"))  # fmt: skip


class UploadFile:
    """As FastAPI's: `read` is asynchronous, the file itself is in `file`."""

    def __init__(self, content, filename="memo.wav"):
        self.file, self.filename = tempfile.SpooledTemporaryFile(), filename
        self.file.write(content)
        self.file.seek(0)

    async def read(self, size=-1):
        return self.file.read(size)

    async def seek(self, offset):
        self.file.seek(offset)


@BOTH
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_type_of_bytes(load, content, expected, family, kind):
    np.testing.assert_array_equal(load(kind(content)), expected)
    assert is_file_input([kind(content)])
    with pytest.raises(family, match="of 9 bytes"):
        load(kind(b"not media"))
    assert audio.list_audio_files(kind(content)) == [content]


@BOTH
def test_file_objects_of_other_libraries(load, content, expected, family):
    np.testing.assert_array_equal(load(UploadFile(content)), expected)
    with tempfile.SpooledTemporaryFile() as spooled, tempfile.TemporaryFile() as temporary:
        for file in (spooled, temporary):  # without a name, and with a number as name
            file.write(content)
            file.seek(0)
            np.testing.assert_array_equal(load(file), expected)
    storage = types.SimpleNamespace(read=io.BytesIO(content).read, filename="memo.wav", name="form field")  # Werkzeug's
    np.testing.assert_array_equal(load(storage), expected)


@BOTH
def test_messages_name_the_upload(load, content, expected, family):
    with pytest.raises(family, match=r"^memo\.wav cannot be read"):
        load(UploadFile(b"nothing"))
    with tempfile.TemporaryFile() as file, pytest.raises(family, match="^file object gives no bytes"):
        load(file)

    async def read():
        return content

    with pytest.raises(family, match=r"pass the bytes, await file\.read\(\)"):
        load(types.SimpleNamespace(read=read, filename="x"))


@BOTH
def test_named_pipes_and_process_substitution(load, content, expected, family, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for data in (content, b""):
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        if data:
            np.testing.assert_array_equal(load(pipe), expected)
        else:
            with pytest.raises(family, match="is empty"):
                load(str(pipe))
        writer.join()


@BOTH
def test_standard_input(load, content, expected, family, monkeypatch):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))
    np.testing.assert_array_equal(load("-"), expected)
    sys.stdin.buffer = io.BytesIO()
    with pytest.raises(family, match="standard input gives no bytes"):
        load("-")
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    with pytest.raises(family, match="nothing is piped"):
        load("-")


def test_standard_input_and_substitution_of_a_shell(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encode_audio())
    script = "import sys; from kerasrecipes.audio import *; print([len(load_audio(p)) for p in list_audio_files(sys.argv[1:])])"
    command = f'cat {path} | "{sys.executable}" -c "{script}" - <(cat {path})'
    if not os.path.exists("/bin/bash"):
        pytest.skip("bash is missing")
    result = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True)
    assert result.stdout.strip() == "[8000, 8000]", result.stderr


def test_images_are_read_from_the_start_of_a_file_object():
    file = io.BytesIO(encode_image())
    for _ in range(2):
        np.testing.assert_array_equal(image.load_image(file), PIXELS)

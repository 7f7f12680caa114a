"""Audio files are written by blocks: any length in every format, with the bytes or samples of one call."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from kerasrecipes.results import AudioClip
from kerasrecipes.utils import audio_encoding
from kerasrecipes.utils.audio_encoding import write_audio

NOISE = (0.1 * np.random.default_rng(0).normal(size=20_000)).astype("float32")

# a stack of 1 MB stands for the usual 8 MB, and 25 seconds for 200
SAVE_LONG_CLIPS = """
import sys, threading
import numpy as np, soundfile
from kerasrecipes.data.audio_augmentation import codec_round_trip
from kerasrecipes.results import AudioClip
clip = AudioClip(np.tile(np.linspace(-0.5, 0.5, 100, dtype="float32"), 4000), 16000)
def save():
    for extension in ("ogg", "flac", "mp3", "wav", "aiff"):
        print(soundfile.info(clip.save(f"{sys.argv[1]}/x.{extension}")).frames)
    print(len(codec_round_trip(clip.samples, "OGG")))
threading.stack_size(1 << 20)
thread = threading.Thread(target=save)
thread.start()
thread.join()
"""


def test_a_long_clip_does_not_overflow_the_stack(tmp_path):
    result = subprocess.run([sys.executable, "-c", SAVE_LONG_CLIPS, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, f"exit status {result.returncode}: {result.stderr[-1000:]}"
    *lengths, round_trip = map(int, result.stdout.split())
    assert len(lengths) == 5 and all(400_000 <= n < 403_000 for n in lengths) and round_trip == 400_000


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3", "AIFF", "CAF", "OGG"])
@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 20_000])
def test_blocks_are_as_one_call(monkeypatch, format, length):
    monkeypatch.setattr(audio_encoding, "BLOCK_SAMPLES", 1000)
    blocks, whole = io.BytesIO(), io.BytesIO()
    write_audio(blocks, NOISE[:length], 16000, format)
    soundfile.write(whole, NOISE[:length], 16000, format=format)
    if format == "OGG":  # each file gets another serial number
        blocks.seek(0)
        assert soundfile.info(blocks).frames == length
    else:
        assert blocks.getvalue() == whole.getvalue()


def test_channels_integers_and_lists(tmp_path):
    stereo = NOISE.reshape(-1, 2)
    for samples in (stereo, (stereo * 32767).astype("int16"), NOISE[:100].tolist()):
        file = io.BytesIO()
        write_audio(file, samples, 8000, "WAV")
        file.seek(0)
        decoded, rate = soundfile.read(file, dtype="float32")
        scale = 32768 if np.asarray(samples).dtype == "int16" else 1
        np.testing.assert_allclose(decoded, np.asarray(samples) / scale, atol=1 / 32768)
        assert rate == 8000
    assert soundfile.info(AudioClip(NOISE, 8000).save(tmp_path / "x.ogg")).frames == len(NOISE)

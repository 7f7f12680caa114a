"""Formats of phones and videos (m4a, aac, webm, mp4, amr, 3gp, wma), read with ffmpeg or PyAV where one is installed."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from typing import Any

import numpy as np

from kerasrecipes.errors import AudioError
from kerasrecipes.utils.audio_blocks import BLOCK_FRAMES, AudioStream

MEDIA_EXTENSIONS = frozenset((
    ".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm", ".mkv", ".mka", ".weba", ".amr", ".wma",
    ".wmv", ".asf", ".avi", ".m4r", ".qta", ".spx", ".ogv",
))  # fmt: skip
SIGNATURES = (b"\x1aE\xdf\xa3", b"#!AMR", b"0&\xb2u\x8ef\xcf\x11", b"\xff\xf1", b"\xff\xf9", b"\xff\xf0", b"\xff\xf8")
CUT_MESSAGES = (
    "partial file",
    "truncat",
    "ended prematurely",
    "end of file",
    "invalid data found when processing input",
)
MAX_MESSAGE_BYTES = 65536
TOLERANCE_SECONDS = 0.2  # a few frames of an encoder
INSTALL_HINT = "install ffmpeg, or `pip install 'kerasrecipes[video]'`"


def is_media(head: bytes) -> bool:
    """Return whether a file's first 16 bytes are those of a phone's or a video's format."""
    return head[4:8] == b"ftyp" or head.startswith(SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def find_decoder() -> str:
    """Return "ffmpeg", "av" (PyAV) or "" for none."""
    if shutil.which("ffmpeg"):
        return "ffmpeg"
    return "av" if importlib.util.find_spec("av") else ""


def decode_media_file(source: Any, stream: AudioStream) -> Generator[np.ndarray, None, str]:
    """Yield the blocks of the first audio track of a path or bytes, and return in words what is missing at its end.

    Raises:
        AudioError: Neither ffmpeg nor PyAV is installed, or the file holds no audio that they read.
    """
    decoder, name = find_decoder(), stream.name
    if not decoder:
        stem = os.path.splitext(os.path.basename(name))[0] if os.path.exists(name) else "audio"
        raise AudioError(
            f"{name} needs ffmpeg or PyAV, and neither is installed: {INSTALL_HINT}, or convert it elsewhere: "
            f"ffmpeg -i {os.path.basename(name) if os.path.exists(name) else 'FILE'} {stem}.wav"
        )
    decode = decode_with_ffmpeg if decoder == "ffmpeg" else decode_with_av
    if isinstance(source, bytes | bytearray):
        with tempfile.TemporaryDirectory() as folder:  # the index of an mp4 file may be at its end: a pipe does not do
            path = os.path.join(folder, "media")
            with open(path, "wb") as file:
                file.write(source)
            return (yield from decode(path, stream))
    return (yield from decode(os.fspath(source), stream))


def decode_with_ffmpeg(path: str, stream: AudioStream) -> Generator[np.ndarray, None, str]:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
    with (
        tempfile.TemporaryFile() as messages,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages) as process,
    ):
        try:
            has_audio = yield from read_wav_stream(process.stdout, stream)
        except BaseException:
            process.kill()
            raise
        status = process.wait()
        messages.seek(0)
        message = messages.read(MAX_MESSAGE_BYTES).decode("utf-8", "replace").strip()
    if status or not has_audio:
        detail = strip_prefix(message.splitlines()[0], path) if message else "no audio track"
        raise unreadable_error(stream.name, detail)
    cut = [line for line in message.splitlines() if any(sign in line.lower() for sign in CUT_MESSAGES)]
    return f"ffmpeg reports: {strip_prefix(cut[0], path)}" if cut else ""


def read_wav_stream(pipe: Any, stream: AudioStream) -> Generator[np.ndarray, None, bool]:
    """Yield the blocks of a WAV file of 32-bit floats, whatever length it declares, and return False if it is empty."""
    if len(pipe.read(12)) < 12:
        return False
    channels = 1
    while len(head := pipe.read(8)) == 8 and head[:4] != b"data":
        content = pipe.read(int.from_bytes(head[4:], "little"))
        if head[:4] == b"fmt ":
            channels = int.from_bytes(content[2:4], "little")
            stream.set_rate(int.from_bytes(content[4:8], "little"))
    while samples := pipe.read(4 * channels * BLOCK_FRAMES):
        whole = len(samples) // (4 * channels) * channels
        yield stream.convert(np.frombuffer(samples, "<f4", whole).reshape(-1, channels))
    return True


def strip_prefix(line: str, path: str) -> str:
    """Return a line of ffmpeg without the names of its parts and of a temporary file."""
    if "matches no streams" in line:
        return "no audio track"
    return line.rsplit("] ", 1)[-1].removeprefix(f"file:{path}: ").rstrip(".")


def decode_with_av(path: str, stream: AudioStream) -> Generator[np.ndarray, None, str]:
    import av

    problem = ""
    try:
        with av.open(path) as container:
            track = container.streams.audio[0]
            try:
                for frame in container.decode(track):
                    planes = frame.to_ndarray()
                    if not frame.format.is_planar:
                        planes = planes.reshape(-1, frame.layout.nb_channels).T
                    stream.set_rate(frame.sample_rate)
                    yield stream.convert(to_float(planes).T)
                declared = float(track.duration * track.time_base) if track.duration and track.time_base else 0.0
                if not declared and not container.streams.video:
                    declared = (container.duration or 0) / av.time_base
                if stream.rate and stream.seconds < declared - TOLERANCE_SECONDS:
                    problem = f"its header promises {declared:.2f} s"
            except av.FFmpegError as error:
                problem = error.strerror or str(error)
    except (av.FFmpegError, IndexError) as error:
        detail = "no audio track" if isinstance(error, IndexError) else error.strerror or str(error)
        raise unreadable_error(stream.name, detail) from error
    if not stream.count:
        raise unreadable_error(stream.name, problem or "no audio track")
    return problem


def to_float(samples: np.ndarray) -> np.ndarray:
    """Convert decoded samples (channels, samples) to float32 between -1 and 1."""
    if samples.dtype.kind == "f":
        return samples.astype("float32")
    if samples.dtype.kind == "u":
        return (samples.astype("float32") - 128) / 128
    return (samples / -float(np.iinfo(samples.dtype).min)).astype("float32")


def unreadable_error(name: str, detail: str) -> AudioError:
    return AudioError(
        f"{name} cannot be read as audio ({detail}): it is damaged or holds no audio; convert it to wav or flac"
    )

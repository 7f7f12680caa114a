"""Decode audio files to their real end with libsndfile, and what it cannot read with ffmpeg or PyAV."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import soundfile

from kerasrecipes.errors import AudioError
from kerasrecipes.utils import media_decoding, tar_members
from kerasrecipes.utils.audio_blocks import BLOCK_FRAMES, AudioCollector
from kerasrecipes.utils.audio_headers import HeaderCheck, check_header, split_mp3
from kerasrecipes.utils.files import first_line
from kerasrecipes.utils.sources import AUDIO, Source, resolve_source

UNKNOWN_FRAMES = 2**36 - 1  # a FLAC file cannot declare more samples
SMALL_BLOCK_FRAMES = 1024  # so many samples at most are lost where the decoder fails
MP3_TOLERANCE_FRAMES = 2 * 1152  # encoders disagree on whether the first and the last frame count
CONVERT_HINT = "it is damaged or not an audio file; convert it to wav, flac, ogg or mp3"
CONTAINERS = {b"RIFF": "WAV", b"OggS": "OGG"}  # of codecs that only ffmpeg reads, for instance Speex


class StreamFile(soundfile.SoundFile):
    """A file read only forward: libsndfile cannot seek in FLAC of unknown length, and loses MP3's state between two blocks."""

    def seekable(self) -> bool:
        """Return False, so that `read` does not seek."""
        return False


def decode_file(source: Any, collector: AudioCollector, *, allow_truncated: bool = False) -> None:
    """Decode a file into a collector.

    Args:
        source: Path, `tar://` URL, bytes or binary file object.
        collector: Receives the audio.
        allow_truncated: Take what is there of a truncated file, with a warning. Default False.

    Raises:
        AudioError: The file cannot be read, or its header promises more than can be read.
    """
    name = collector.name
    with audio_errors(name):
        source = check_source(source, name)
        with open_binary(source) as file:
            head = file.read(16)
            if media_decoding.is_media(head):
                problem = decode_media(source, collector)
            else:
                try:
                    problem = decode_sound(source, file, collector)
                except soundfile.LibsndfileError:
                    if head[:4] not in CONTAINERS or not media_decoding.find_decoder():
                        raise
                    problem = decode_unknown_codec(source, file, collector, CONTAINERS[head[:4]])
    if problem and not allow_truncated:
        raise AudioError(
            f"{name} is cut off: {problem}; copy it again, or pass allow_truncated=True (--allow-truncated) to use what is there"
        )
    if problem:
        warnings.warn(f"{name} is cut off: {problem}", stacklevel=3)


@contextlib.contextmanager
def audio_errors(name: str) -> Iterator[None]:
    """Turn every exception into an `AudioError` with the file's name."""
    try:
        yield
    except AudioError:
        raise
    except soundfile.LibsndfileError as error:
        detail = str(error).rsplit(": ", 1)[-1]
        raise AudioError(f"{name} cannot be read as audio ({detail}): {CONVERT_HINT}") from error
    except OSError as error:
        raise AudioError(
            f"{name} cannot be opened ({error.strerror or first_line(error)}): check the path and its permissions"
        ) from error
    except Exception as error:  # damaged headers raise many classes
        raise AudioError(f"{name} cannot be read as audio ({first_line(error)}): {CONVERT_HINT}") from error


def check_source(source: Any, name: str) -> Source:
    """Return a path that exists, or the bytes of any other source."""
    if tar_members.is_member_url(source):
        return tar_members.read_member(str(source))
    return resolve_source(source, name, AUDIO)


def open_binary(source: Source) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes | bytearray) else open(source, "rb")


def open_sound(source: Source, cls: type[soundfile.SoundFile] = soundfile.SoundFile) -> soundfile.SoundFile:
    """Open a path or bytes in libsndfile."""
    if isinstance(source, bytes | bytearray):
        return cls(io.BytesIO(source))
    path = os.fspath(source)
    return cls(os.fsencode(path) if isinstance(path, str) and os.name == "posix" else path)  # names that are not UTF-8


def decode_media(source: Source, collector: AudioCollector) -> str:
    """Decode a phone's or a video's format, and return in words what is missing at the end."""
    problem = media_decoding.decode_media_file(source, collector)
    return f"{problem}, {collector.seconds:.2f} s can be read" if problem else ""


def decode_unknown_codec(source: Source, file: BinaryIO, collector: AudioCollector, file_format: str) -> str:
    """Decode a WAV or Ogg file whose codec libsndfile does not know, and return in words what is missing at the end."""
    declared_ratio = check_header(file, file_format).declared_ratio
    collector.reset()
    problem = decode_media(source, collector)
    if declared_ratio > 1 and not problem:
        problem = f"its header promises more, {collector.seconds:.2f} s can be read"
    return problem


def decode_sound(source: Source, file: BinaryIO, collector: AudioCollector) -> str:
    """Decode a source that is also open as `file`, and return in words what is missing at the end."""
    with open_sound(source, StreamFile) as audio:
        check = check_header(file, audio.format)
        if not check.contents:
            complete = read_to_end(audio, source, collector)
            if check.exact or collector.count < audio.frames:
                return describe_loss(collector, audio, check, complete, 1)
            check = split_mp3(file)
            if not check.contents:
                return ""
            collector.reset()
    declared = 0
    for content in check.contents:
        with open_sound(content, StreamFile) as audio:
            complete = read_to_end(audio, content, collector)
            declared += audio.frames
    return describe_loss(collector, audio, check, complete, len(check.contents), declared)


def read_to_end(audio: soundfile.SoundFile, source: Source, collector: AudioCollector) -> bool:
    """Collect the samples of an open file, and return False if the decoder failed before their end."""
    collector.set_rate(audio.samplerate)
    start = collector.count
    if 0 <= audio.frames < UNKNOWN_FRAMES:
        try:
            end = start + audio.frames
            while len(block := read_block(audio, min(BLOCK_FRAMES, end - collector.count))):
                collector.add(block)
            return True
        except soundfile.LibsndfileError:
            pass
    with open_sound(source, StreamFile) as stream:
        try:
            num_collected = collector.count - start
            while len(block := read_block(stream, SMALL_BLOCK_FRAMES)):
                collector.add(block[num_collected:])
                num_collected = max(0, num_collected - len(block))
        except soundfile.LibsndfileError:
            if collector.count == start:
                raise
            return False
    return True


def read_block(audio: soundfile.SoundFile, frames: int) -> np.ndarray:
    """Return the next block (samples, channels), which is empty at the end."""
    return audio.read(frames, dtype="float32", always_2d=True)


def describe_loss(
    collector: AudioCollector, audio: soundfile.SoundFile, check: HeaderCheck, complete: bool, num_parts: int,
    declared: int | None = None,
) -> str:  # fmt: skip
    """Return in words what a header promises beyond what was read, or an empty string."""
    rate, count = audio.samplerate, collector.count
    declared = audio.frames if declared is None else declared
    tolerance = num_parts * MP3_TOLERANCE_FRAMES if audio.format == "MP3" else 0
    if check.declared_ratio == float("inf"):
        return f"it ends inside a page, {count / rate:.2f} s can be read"
    if check.declared_ratio > 1:
        declared = round(count * check.declared_ratio)
    elif not complete and declared >= UNKNOWN_FRAMES:
        return f"the decoder fails after {count / rate:.2f} s, {count / rate:.2f} s can be read"
    elif complete and (not check.exact or declared >= UNKNOWN_FRAMES or count + tolerance >= declared):
        return ""
    return f"its header promises {declared / rate:.2f} s, {count / rate:.2f} s can be read"


def count_frames(source: Source, name: str) -> tuple[int, int]:
    """Return the number of samples of a file and their rate, decoding it only if no header tells it."""
    with open_binary(source) as file, contextlib.suppress(soundfile.LibsndfileError):
        if not media_decoding.is_media(file.read(16)):
            with open_sound(source) as audio:
                check = check_header(file, audio.format)
                check = check if check.exact else split_mp3(file)
                if not check.contents and 0 <= audio.frames < UNKNOWN_FRAMES:
                    return audio.frames, audio.samplerate
            if check.contents:
                counts = [count_frames(content, name) for content in check.contents]
                return sum(count for count, _ in counts), counts[0][1]
    collector = AudioCollector(name, None, float("inf"))
    decode_file(source, collector)
    return collector.count, int(collector.rate)

"""Decode audio files to their real end with libsndfile, and what it cannot read with ffmpeg or PyAV."""

import contextlib
import io
import os
import warnings
from collections.abc import Generator, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import soundfile

from kerasrecipes.errors import AudioError
from kerasrecipes.utils import media_decoding, tar_members
from kerasrecipes.utils.audio_blocks import BLOCK_FRAMES, AudioStream, audio_errors
from kerasrecipes.utils.audio_headers import HeaderCheck, check_header, check_joined, split_mp3
from kerasrecipes.utils.files import SplicedFile
from kerasrecipes.utils.sources import AUDIO, Source, resolve_source

UNKNOWN_FRAMES = 2**36 - 1  # a FLAC file cannot declare more samples
SMALL_BLOCK_FRAMES = 1024  # so many samples at most are lost where the decoder fails
MP3_TOLERANCE_FRAMES = 2 * 1152  # encoders disagree on whether the first and the last frame count
HEADER_BYTES = 44  # of the shortest file in a container
JOINED_FORMATS = {b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"FORM": "AIFF"}
CONTAINERS = {b"RIFF": "WAV", b"OggS": "OGG", b"caff": "CAF"}  # of codecs that only ffmpeg reads, for instance Speex

Blocks = Generator[np.ndarray, None, str]  # yields blocks, and returns in words what is missing at the end


class StreamFile(soundfile.SoundFile):
    """A file read only forward: libsndfile cannot seek in FLAC of unknown length, and loses MP3's state between two blocks."""

    def seekable(self) -> bool:
        """Return False, so that `read` does not seek."""
        return False


class EncodedAudio:
    """An audio file that can be decoded again and again, block by block.

    Args:
        source: Path, `tar://` URL, bytes or binary file object. A file object is read to its end.
        name: Name of the audio in messages.

    Raises:
        AudioError: There is no such file, or it cannot be opened.
    """

    def __init__(self, source: Any, name: str):
        self.name = name
        with audio_errors(name):
            self.source = check_source(source, name)
        self.check: HeaderCheck | None = None  # of the first decoding
        self.is_cut_off = False

    def decode(self, stream: AudioStream, *, allow_truncated: bool = False) -> Iterator[np.ndarray]:
        """Yield blocks (n,) of the audio that `stream` makes of the decoded file. What its `finish` returns comes after them.

        Args:
            stream: A new stream.
            allow_truncated: Take what is there of a truncated file, with a warning the first time. Default False.

        Raises:
            AudioError: The file cannot be read, or its header promises more than can be read.
        """
        with audio_errors(self.name):
            problem = yield from self._decode(stream)
        if problem and not allow_truncated:
            raise AudioError(
                f"{self.name} is cut off: {problem}; copy it again, or pass allow_truncated=True (--allow-truncated) to use what is there"
            )
        if problem and not self.is_cut_off:
            self.is_cut_off = True
            warnings.warn(f"{self.name} is cut off: {problem}", stacklevel=4)

    def _decode(self, stream: AudioStream) -> Blocks:
        with open_binary(self.source) as file:
            head = file.read(16)
            if media_decoding.is_media(head):
                return (yield from decode_media(self.source, stream))
            try:
                return (yield from self._decode_sound(file, stream))
            except soundfile.LibsndfileError:
                if stream.count or head[:4] not in CONTAINERS or file.seek(0, os.SEEK_END) < HEADER_BYTES:
                    raise
                if not media_decoding.find_decoder():
                    raise AudioError(
                        f"{self.name} is damaged, or of a codec that needs ffmpeg or PyAV: {media_decoding.INSTALL_HINT}, or convert it"
                    ) from None
                return (yield from decode_unknown_codec(self.source, file, CONTAINERS[head[:4]], stream))

    def _decode_sound(self, file: BinaryIO, stream: AudioStream) -> Blocks:
        """Decode a format of libsndfile from a source that is also open as `file`."""
        with open_first_sound(self.source, file) as audio:
            if self.check is None:
                self.check = self._check_header(file, audio)
            check, declared, complete = self.check, audio.frames, True
            for parts in check.contents:
                open_sound(self.source, parts).close()  # before the first block, because another codec needs another decoder
            if not check.contents:
                complete = yield from read_to_end(audio, self.source, None, stream)
        for number, parts in enumerate(check.contents):
            with open_sound(self.source, parts) as audio:
                complete = yield from read_to_end(audio, self.source, parts, stream)
                declared = audio.frames + (declared if number else 0)
        return describe_loss(stream, audio, check, complete, max(len(check.contents), 1), declared)

    def _check_header(self, file: BinaryIO, audio: soundfile.SoundFile) -> HeaderCheck:
        """Check the header, and whether libsndfile reads less than an MP3 file without a declared length holds."""
        check = check_header(file, audio.format)
        if audio.format == "FLAC":
            return check_joined(file, "FLAC", len(b"fLaC")) or check  # not in `check_header`, as it reads all of the file
        if check.contents or check.exact:
            return check
        counter = AudioStream(self.name, None, float("inf"))
        with open_sound(self.source) as audio:
            for _ in read_to_end(audio, self.source, None, counter):
                pass
        split = split_mp3(file)
        return split if counter.count >= audio.frames and split.contents else check


def check_source(source: Any, name: str) -> Source:
    """Return a path that exists, or the bytes of any other source."""
    if tar_members.is_member_url(source):
        return tar_members.read_member(str(source))
    return resolve_source(source, name, AUDIO)


def open_binary(source: Source) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes | bytearray) else open(source, "rb")


def open_sound(source: Source, parts: Sequence[bytes | range] = ()) -> soundfile.SoundFile:
    """Open a path or bytes in libsndfile, or a file that consists of `parts`, whose ranges are those of the source."""
    if parts:
        return StreamFile(io.BufferedReader(SplicedFile(open_binary(source), parts), 65536))
    if isinstance(source, bytes | bytearray):
        return StreamFile(io.BytesIO(source))
    path = os.fspath(source)
    return StreamFile(os.fsencode(path) if isinstance(path, str) and os.name == "posix" else path)  # names that are not UTF-8


def open_first_sound(source: Source, file: BinaryIO) -> soundfile.SoundFile:
    """Open a source, also open as `file`, in libsndfile, or the first of joined files of a format that it refuses as a whole."""
    try:
        return open_sound(source)
    except soundfile.LibsndfileError:
        file.seek(0)
        file_format = JOINED_FORMATS.get(file.read(4))
        contents = check_header(file, file_format).contents if file_format else ()
        if len(contents) < 2:
            raise
        return open_sound(source, contents[0])


def decode_media(source: Source, stream: AudioStream) -> Blocks:
    """Decode a phone's or a video's format."""
    problem = yield from media_decoding.decode_media_file(source, stream)
    return f"{problem}, {stream.seconds:.2f} s can be read" if problem else ""


def decode_unknown_codec(source: Source, file: BinaryIO, file_format: str, stream: AudioStream) -> Blocks:
    """Decode a WAV or Ogg file, open as `file`, whose codec libsndfile does not know."""
    declared_ratio = check_header(file, file_format).declared_ratio
    problem = yield from decode_media(source, stream)
    if declared_ratio > 1 and not problem:
        problem = f"its header promises more, {stream.seconds:.2f} s can be read"
    return problem


def read_to_end(
    audio: soundfile.SoundFile, source: Source, parts: Sequence[bytes | range] | None, stream: AudioStream
) -> Generator[np.ndarray, None, bool]:
    """Yield the blocks of an open file, and return False if the decoder failed before their end.

    It is opened again, from `source` and `parts`, where libsndfile does not know its length or fails.
    """
    stream.set_rate(audio.samplerate)
    start = stream.count
    if 0 <= audio.frames < UNKNOWN_FRAMES:
        try:
            end = start + audio.frames
            while len(block := read_block(audio, min(BLOCK_FRAMES, end - stream.count))):
                yield stream.convert(block)
            return True
        except soundfile.LibsndfileError:
            pass
    with open_sound(source, parts or ()) as again:
        try:
            num_decoded = stream.count - start
            while len(block := read_block(again, SMALL_BLOCK_FRAMES)):
                yield stream.convert(block[num_decoded:])
                num_decoded = max(0, num_decoded - len(block))
        except soundfile.LibsndfileError:
            if stream.count == start:
                raise
            return False
    return True


def read_block(audio: soundfile.SoundFile, frames: int) -> np.ndarray:
    """Return the next block (samples, channels), which is empty at the end."""
    return audio.read(frames, dtype="float32", always_2d=True)


def describe_loss(
    stream: AudioStream, audio: soundfile.SoundFile, check: HeaderCheck, complete: bool, num_parts: int, declared: int
) -> str:
    """Return in words what a header promises beyond what was read, or an empty string."""
    rate, count = audio.samplerate, stream.count
    tolerance = num_parts * MP3_TOLERANCE_FRAMES if audio.subtype.startswith("MPEG_LAYER") else 0  # also in WAV
    if check.declared_ratio == float("inf"):
        return f"it ends inside a page, {count / rate:.2f} s can be read"
    if check.declared_ratio > 1:
        declared = round(count * check.declared_ratio)
    elif not complete and (declared >= UNKNOWN_FRAMES or not check.exact):
        return f"the decoder fails after {count / rate:.2f} s, {count / rate:.2f} s can be read"
    elif complete and (not check.exact or declared >= UNKNOWN_FRAMES or count + tolerance >= declared):
        return ""
    return f"its header promises {declared / rate:.2f} s, {count / rate:.2f} s can be read"


def count_frames(source: Any, name: str) -> tuple[int, int]:
    """Return the number of samples of a file and their rate, decoding it only if no header tells it."""
    encoded = EncodedAudio(source, name)
    with open_binary(encoded.source) as file, contextlib.suppress(soundfile.LibsndfileError):
        if not media_decoding.is_media(file.read(16)):
            with open_sound(encoded.source) as audio:
                check = check_header(file, audio.format)
                check = check if check.exact else split_mp3(file)
                counts, rate = [audio.frames], audio.samplerate
            if check.contents:
                counts = []
                for parts in check.contents:
                    with open_sound(encoded.source, parts) as audio:
                        counts.append(audio.frames)
            if all(0 <= count < UNKNOWN_FRAMES for count in counts):
                return sum(counts), rate
    stream = AudioStream(name, None, float("inf"))
    for _ in encoded.decode(stream):
        pass
    return stream.count, int(stream.rate)

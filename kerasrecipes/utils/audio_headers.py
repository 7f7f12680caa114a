"""Compare the length that an audio file's header declares with the bytes that follow it."""

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO

from kerasrecipes.utils import mp3_frames
from kerasrecipes.utils.files import FileBytes, SplicedFile

PADDING_BYTES = 16  # a declared length that is off by less loses no audio
UNKNOWN_SIZES = (range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))  # what programs write into a pipe
FILE_START_BYTES = 12
ALL_FOLLOWS = 0xFFFFFFFF  # libsndfile reads to the end of the file
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
CAF_HEADER_BYTES, CAF_EDIT_COUNT_BYTES = 8, 4
FILE_STARTS = {"WAV": rb"(?s:(?:RIFF|RIFX|RF64).{4}WAVE)", "AIFF": rb"(?s:FORM.{4}AIF[FC])", "FLAC": rb"fLaC[\0\x80]\0\0\x22"}
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass(frozen=True)
class HeaderCheck:
    """What a header hides or promises too much.

    Args:
        declared_ratio: Declared bytes of audio divided by the bytes that follow; infinite if the file ends inside a page.
        contents: Files to decode one after the other instead, if the header hides audio. Each consists of bytes and of ranges
            of the file.
        exact: Whether the header declares the number of samples. Otherwise libsndfile estimates it, and reads no more.
    """

    declared_ratio: float = 1.0
    contents: tuple[tuple[bytes | range, ...], ...] = ()
    exact: bool = True


def check_header(file: BinaryIO, file_format: str) -> HeaderCheck:
    """Check the header of a file in one of libsndfile's formats, named as `soundfile.SoundFile.format` does."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return CHECKS[file_format](file, size) if file_format in CHECKS else HeaderCheck()


def check_joined(file: BinaryIO, file_format: str, start: int) -> HeaderCheck | None:
    """Return the check of a file to which others were joined that begin after `start`, or None for a single file."""
    content, starts, head = FileBytes(file), [0], b""
    for position in range(start, len(content), content.window):
        window = head + content[position : position + content.window]
        places = [position - len(head) + match.start() for match in re.finditer(FILE_STARTS[file_format], window)]
        starts += [place for place in places if place > starts[-1]]
        head = window[-FILE_START_BYTES:]
    if len(starts) == 1:
        return None
    with BufferedReader(SplicedFile(file, [range(starts[-1], len(content))], close_file=False)) as last:
        last_ratio = check_header(last, file_format).declared_ratio
    last_bytes = len(content) - starts[-1]
    return HeaderCheck((starts[-1] + last_bytes * last_ratio) / len(content), split_content(content, starts))


def split_mp3(file: BinaryIO) -> HeaderCheck:
    """Return the parts of an MP3 file that does not declare its length."""
    contents, exact = mp3_frames.split_file(FileBytes(file))
    return HeaderCheck(contents=contents, exact=exact)


def walk_chunks(file: BinaryIO, size: int, byte_order: str, start: int = 12) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, position of the content, declared bytes) of each chunk of a RIFF or IFF file."""
    while start + 8 <= size:
        file.seek(start)
        name, length = struct.unpack(f"{byte_order}4sI", file.read(8))
        yield name, start + 8, length
        start += 8 + length + length % 2


def is_unknown(length: int) -> bool:
    return any(length in sizes for sizes in UNKNOWN_SIZES)


def hides_audio(file: BinaryIO, end: int, size: int, byte_order: str) -> bool:
    """Return whether audio, and neither a chunk nor a tag nor zeros, follows the declared end of the audio."""
    if size - end <= PADDING_BYTES:
        return False
    file.seek(end)
    head = file.read(PADDING_BYTES)
    for start in (0, 1):  # writers forget the padding of chunks with an odd length
        name, length = struct.unpack_from(f"{byte_order}4sI", head, start)
        if name.isascii() and name.decode().isprintable() and end + start + 8 + length <= size + PADDING_BYTES:
            return False
    return not head.startswith(TAGS) and (any(head) or any(any(block) for block in iter(lambda: file.read(65536), b"")))


def read_head(file: BinaryIO, length: int) -> bytearray:
    """Return the first bytes of a file."""
    file.seek(0)
    return bytearray(file.read(length))


def ratio(declared: int, available: int) -> float:
    """Return declared / available bytes, or 1 where the difference is only padding."""
    return declared / max(available, 1) if declared - available >= PADDING_BYTES else 1.0


def check_wav(file: BinaryIO, size: int) -> HeaderCheck:
    byte_order = ">" if file.read(4) == b"RIFX" else "<"
    long_length = -1  # none
    for name, start, length in walk_chunks(file, size, byte_order):
        if name == b"ds64":
            file.seek(start + 8)
            long_length = struct.unpack("<Q", file.read(8))[0]
        if name != b"data":
            continue
        if is_unknown(length) and not 0 <= long_length < 2**63:
            return HeaderCheck()
        declared = long_length if is_unknown(length) else length
        if joined := check_joined(file, "WAV", start + declared):
            return joined
        if declared >= size - start or not hides_audio(file, start + declared, size, byte_order):
            return HeaderCheck(ratio(declared, size - start))
        head = read_head(file, start)
        head[0:4] = b"RIFF" if byte_order == "<" else b"RIFX"
        for position in (4, start - 4):
            struct.pack_into(f"{byte_order}I", head, position, ALL_FOLLOWS)
        return HeaderCheck(contents=((bytes(head), range(start, size)),))
    return HeaderCheck()


def check_aiff(file: BinaryIO, size: int) -> HeaderCheck:
    common = frame_bytes = 0
    compressed = False
    for name, start, length in walk_chunks(file, size, ">"):
        if name == b"COMM":
            common = start
            file.seek(start)
            channels, _, bits = struct.unpack(">hIh", file.read(8))
            frame_bytes = channels * ((bits + 7) // 8)
            compressed = length > 18
        if name != b"SSND":
            continue
        if joined := check_joined(file, "AIFF", start + length):
            return joined
        available = size - start
        if length >= available or not common or compressed or not hides_audio(file, start + length, size, ">"):
            return HeaderCheck(1.0 if is_unknown(length) else ratio(length, available))
        head = read_head(file, start)
        struct.pack_into(">I", head, 4, size - 8)
        struct.pack_into(">I", head, common + 2, (available - 8) // frame_bytes)
        struct.pack_into(">I", head, start - 4, available)
        return HeaderCheck(contents=((bytes(head), range(start, size)),))
    return HeaderCheck()


def check_au(file: BinaryIO, size: int) -> HeaderCheck:
    head = file.read(12)
    byte_order = ">" if head[:4] == b".snd" else "<"
    start, length = struct.unpack(f"{byte_order}II", head[4:])
    if is_unknown(length):
        return HeaderCheck()
    if size - start - length < PADDING_BYTES:
        return HeaderCheck(ratio(length, size - start))
    content = read_head(file, 12)
    struct.pack_into(f"{byte_order}I", content, 8, ALL_FOLLOWS)
    return HeaderCheck(contents=((bytes(content), range(12, size)),))


def check_nist(head: bytes, size: int) -> HeaderCheck:
    fields = dict(re.findall(rb"(\w+) -i (\d+)", head))
    try:
        declared = int(fields[b"sample_count"]) * int(fields.get(b"channel_count", 1)) * int(fields[b"sample_n_bytes"])
        return HeaderCheck(ratio(declared, size - int(head[8:16])))
    except (KeyError, ValueError):
        return HeaderCheck()


def check_voc(file: BinaryIO, size: int) -> HeaderCheck:
    start = struct.unpack("<H", file.read(22)[20:])[0]
    while start + 4 <= size:
        file.seek(start)
        block = struct.unpack("<I", file.read(4))[0]
        if block & 0xFF == 0:
            break
        if start + 4 + (block >> 8) > size:
            return HeaderCheck(ratio(block >> 8, size - start - 4))
        start += 4 + (block >> 8)
    return HeaderCheck()


def check_long_chunks(file: BinaryIO, size: int, file_format: str) -> HeaderCheck:
    """Check formats whose chunks have lengths of 64 bits: Sony Wave64 and Apple's CAF."""
    start = 40 if file_format == "W64" else CAF_HEADER_BYTES
    while start + 24 <= size:
        file.seek(start)
        head = file.read(24)
        if file_format == "W64":
            name, length = head[:16], struct.unpack("<Q", head[16:])[0]
            if name == W64_DATA:
                return HeaderCheck(ratio(length - 24, size - start - 24))
            start += max(24, (length + 7) // 8 * 8)
        else:
            name, length = head[:4], struct.unpack(">q", head[4:12])[0]
            if name == b"data":
                return HeaderCheck(1.0 if length < 0 else ratio(length, size - start - 12))
            start += 12 + max(0, length)
    return HeaderCheck()


def check_ogg(content: bytes | FileBytes) -> HeaderCheck:
    """Walk the pages. Each joined stream (chained Ogg) is decoded by itself; a file that ends inside a page is cut off."""
    position, starts, first_pages, continued = 0, [0], True, False
    while content.startswith(b"OggS", position) and position + 27 <= len(content):
        flags, segments = content[position + 5], content[position + 26]
        table = content[position + 27 : position + 27 + segments]
        end = position + 27 + segments + sum(table)
        if flags & 2 and not first_pages:
            starts.append(position)
        first_pages = bool(flags & 2)
        continued = table[-1:] == b"\xff" and not flags & 4
        if end > len(content) or len(table) < segments:
            return HeaderCheck(float("inf"), split_content(content, starts))
        position = end
        if position < len(content) and not content.startswith(b"OggS", position):
            following = content.find(b"OggS", position)
            position = following if following >= 0 else len(content)
    return HeaderCheck(float("inf") if continued or position < len(content) else 1.0, split_content(content, starts))


def split_content(content: bytes | FileBytes, starts: list[int]) -> tuple[tuple[range], ...]:
    """Return the ranges of a file that begin at `starts`, or nothing for a single part."""
    if len(starts) == 1:
        return ()
    return tuple((range(a, b),) for a, b in zip(starts, [*starts[1:], len(content)], strict=True))


CHECKS: dict[str, Callable[[BinaryIO, int], HeaderCheck]] = {  # libsndfile changes nothing in the lengths of other formats
    "WAV": check_wav,
    "WAVEX": check_wav,
    "RF64": check_wav,
    "AIFF": check_aiff,
    "AU": check_au,
    "OGG": lambda file, size: check_ogg(FileBytes(file)),
    "NIST": lambda file, size: check_nist(file.read(1024), size),
    "VOC": check_voc,
    "W64": lambda file, size: check_long_chunks(file, size, "W64"),
    "CAF": lambda file, size: check_long_chunks(file, size, "CAF"),
    "MP3": lambda file, size: HeaderCheck(exact=mp3_frames.declares_length(file, size)),
}

"""Count the frames of MPEG audio. libsndfile believes the number in the first frame, or guesses it from the first bit rate."""

import struct
from typing import BinaryIO, NamedTuple

from kerasrecipes.utils.files import FileBytes

HEAD_BYTES = 64
TAG_BYTES = 4096  # what may follow the last frame: ID3v1, APE and Lyrics3 tags
MIN_XING_FRAME_BYTES = 64
BIT_RATES = {  # kbit/s by (MPEG 1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Frame(NamedTuple):
    """The header of one frame: bytes, layer, sample rate in Hz, whether it has one channel, offset of a Xing header."""

    size: int
    layer: int
    sample_rate: int
    mono: bool
    xing_offset: int


def parse_frame(head: bytes) -> Frame | None:
    """Read the 4 bytes of a frame's header, or return None if they are none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bit_rate_index, rate_index = head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer == 4 or bit_rate_index in (0, 15) or rate_index == 3:
        return None
    mpeg1, padding, mono = version == 3, (head[2] >> 1) & 1, head[3] >> 6 == 3
    sample_rate, bit_rate = SAMPLE_RATES[version][rate_index], 1000 * BIT_RATES[mpeg1, layer][bit_rate_index]
    if layer == 1:
        size = (12 * bit_rate // sample_rate + padding) * 4
    else:
        size = (144 if mpeg1 or layer == 2 else 72) * bit_rate // sample_rate + padding
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    return Frame(size, layer, sample_rate, mono, 4 + side)


def id3_bytes(head: bytes) -> int:
    """Return the length of an ID3v2 tag at the start of `head`, or 0."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if head[5] & 0x10 else 0)


def read_xing(frame: bytes, offset: int) -> tuple[int, int] | None:
    """Return the (frames, bytes) that a Xing or Info header declares, 0 for unknown, or None if there is no such header."""
    if frame[offset : offset + 4] not in (b"Xing", b"Info"):
        return None
    flags, *values = struct.unpack(">3I", frame[offset + 4 : offset + 16].ljust(12, b"\0"))
    num_bytes = values.pop() if flags & 3 == 3 else 0
    return values[0] if flags & 1 else 0, num_bytes


def declares_length(file: BinaryIO, size: int) -> bool:
    """Return whether an MP3 file of `size` bytes begins with a header that declares all of its frames."""
    tag = id3_bytes(file.read(10))
    file.seek(tag)
    head = file.read(HEAD_BYTES)
    frame = parse_frame(head)
    xing = frame and read_xing(head, frame.xing_offset)
    return bool(xing and all(xing) and size - tag - xing[1] <= TAG_BYTES)


def split_file(content: bytes | FileBytes) -> tuple[tuple[tuple[bytes | range, ...], ...], bool]:
    """Return the parts that were joined to an MP3 file, each as a header that declares all of its frames and a range of bytes.

    The second value is True if a part's own header declares more frames than follow.
    """
    parts = [part for part in split_parts(content, id3_bytes(content[:10])) if part.count]
    return tuple(part.to_file(content) for part in parts), any(
        part.xing and part.xing[0] > part.count for part in parts
    )


class Part:
    """Frames that were written together: of one sample rate and number of channels, after at most one Xing header."""

    def __init__(self, start: int, xing: tuple[int, int] | None, frame: Frame):
        self.start, self.end, self.count, self.xing, self.frame = start, start, 0, xing, frame

    def to_file(self, content: bytes | FileBytes) -> tuple[bytes | range, ...]:
        """Return a header that declares the part's number of frames, and the range of the frames."""
        frames = range(self.start, self.end)
        if self.frame.layer != 3 or (self.xing and self.xing[0] >= self.count):
            return (frames,)
        if self.xing:
            frames = frames[self.frame.size :]
        header = bytearray(content[frames.start : frames.start + 4])
        header[1] |= 1  # no check sum
        for bit_rate_index in range(1, 15):
            header[2] = bit_rate_index << 4 | header[2] & 0x0C
            parsed = parse_frame(bytes(header))
            if parsed and parsed.size >= MIN_XING_FRAME_BYTES:
                break
        assert parsed is not None
        header.extend(bytes(parsed.size - 4))
        total = len(frames) + parsed.size
        struct.pack_into(">4s3I", header, parsed.xing_offset, b"Xing", 3, self.count, total)
        return bytes(header), frames


def split_parts(content: bytes | FileBytes, position: int) -> list[Part]:
    """Walk all frames from `position` and return the parts that were joined."""
    parts: list[Part] = []
    while position + 4 <= len(content):
        frame = parse_frame(content[position : position + 4])
        if frame is None or position + frame.size > len(content):
            tag = 128 if content.startswith(b"TAG", position) else id3_bytes(content[position : position + 10])
            position = position + tag if tag else find_frame(content, position + 1)
            continue
        xing = read_xing(content[position : position + 64], frame.xing_offset) if frame.layer == 3 else None
        last = parts[-1].frame if parts else None
        if last is None or xing or frame[1:4] != last[1:4]:
            parts.append(Part(position, xing, frame))
        parts[-1].count += not xing
        position += frame.size
        parts[-1].end = position
    return parts


def find_frame(content: bytes | FileBytes, position: int) -> int:
    """Return the position of the next frame that another frame, or the end of the file, follows."""
    while 0 <= (position := content.find(b"\xff", position)) <= len(content) - 4:
        frame = parse_frame(content[position : position + 4])
        if frame and position + frame.size <= len(content):
            following = content[position + frame.size : position + frame.size + 4]
            if len(following) < 4 or parse_frame(following) or following[:3] in (b"TAG", b"ID3"):
                return position
        position += 1
    return len(content)

"""Damage what lies below a checksum, and compute the checksum anew: zip, gzip, xz, PNG, FLAC, Ogg, tar and ONNX."""

import gzip
import io
import lzma
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

Damage = Callable[[bytes], bytes]
MAX_EXPANDED = 1 << 20  # bytes
TAR_MAGIC = 257  # where the magic stands in a header


def reseal(content: bytes, rng: random.Random, damage: Damage) -> bytes | None:
    """Return the file with one damaged part and valid checksums, or None for a format without checksums.

    Args:
        content: The file.
        rng: Source of all randomness.
        damage: Returns a damaged copy of a part.
    """
    for magic, change in FORMATS.items():
        if content.startswith(magic, TAR_MAGIC if change is reseal_tar else 0):
            try:
                return change(content, rng, damage)
            except Exception:  # damaged before: no checksum needs to be right
                return None
    return None


def reseal_zip(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage, leave out, rename or repeat one member of a zip archive."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        chosen, action = rng.choice(names), rng.random()
        for name in names:
            part = source.read(name)
            if name != chosen:
                target.writestr(name, part)
            elif action < 0.06:
                continue
            elif action < 0.12:
                target.writestr(rng.choice((f"../{name}", f"/{name}", f"{name}x", "a" * 3000)), part)
            else:
                target.writestr(name, damage(part))
    return result.getvalue()


def reseal_gzip(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    return gzip.compress(damage(gzip.decompress(content)), 1, mtime=0)


def reseal_xz(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    return lzma.compress(damage(lzma.decompress(content)), preset=0)


def reseal_png(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage, remove or repeat one chunk, or the pixels under their compression."""
    chunks, position = [], 8
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        chunks.append((content[position + 4 : position + 8], content[position + 8 : position + 8 + length]))
        position += 12 + length
    number, action = rng.randrange(len(chunks)), rng.random()
    name, data = chunks[number]
    if action < 0.1:
        chunks.insert(rng.randrange(len(chunks)), chunks.pop(number))
    elif action < 0.4 and name == b"IDAT":
        chunks[number] = name, zlib.compress(damage(zlib.decompress(data)))
    else:
        chunks[number] = name, damage(data)
    sealed = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return content[:8] + b"".join(sealed)


def reseal_tar(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage the header of one member: its name, size, type, link or attributes."""
    headers = [start for start in range(0, len(content), 512) if content.startswith(b"ustar", start + TAR_MAGIC)]
    start = rng.choice(headers)
    header = bytearray(content[start : start + 512])
    first, end = rng.choice(((0, 100), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500)))
    header[first:end] = damage(bytes(header[first:end]))[: end - first].ljust(end - first, b"\0")
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    return content[:start] + bytes(header) + content[start + 512 :]


def crc(data: bytes, bits: int, polynomial: int) -> int:
    """Return a checksum of that many bits, highest bit first, which begins with 0."""
    top, mask, value = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


def reseal_flac(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage the audio of the first frame or its header, with the two checksums of a frame."""
    position, is_last = 4, False
    while not is_last:
        is_last = bool(content[position] & 0x80)
        position += 4 + int.from_bytes(content[position + 1 : position + 4], "big")
    end = content.find(content[position : position + 2], position + 10)
    end = len(content) if end < 0 else end
    frame = content[position:end]
    header = next(n for n in range(5, 17) if crc(frame[:n], 8, 0x07) == frame[n])
    start, body = bytearray(frame[:header]), frame[header + 1 : -2]
    if rng.random() < 0.4:
        start[rng.randrange(2, header)] = rng.randrange(256)
    else:
        body = damage(body)
    frame = bytes(start) + bytes([crc(start, 8, 0x07)]) + body
    return content[:position] + frame + crc(frame, 16, 0x8005).to_bytes(2, "big") + content[end:]


def reseal_ogg(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage the content of one page."""
    starts, position = [], 0
    while content.startswith(b"OggS", position):
        starts.append(position)
        segments = content[position + 26]
        position += 27 + segments + sum(content[position + 27 : position + 27 + segments])
    index = rng.randrange(len(starts))
    start, end = starts[index], [*starts, position][index + 1]
    header = 27 + content[start + 26]
    data = damage(content[start + header : end])[: end - start - header]
    page = content[start : start + 22] + bytes(4) + content[start + 26 : start + header] + data.ljust(end - start - header, b"\0")
    page = page[:22] + crc(page, 32, 0x04C11DB7).to_bytes(4, "little") + page[26:]
    return content[:start] + page + content[end:]


def reseal_onnx(content: bytes, rng: random.Random, damage: Damage) -> bytes:
    """Damage one value of the metadata, or a serialized node of the graph."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    if rng.random() < 0.8:
        entry = rng.choice(list(model.metadata_props))
        entry.value = damage(entry.value.encode()).decode("utf-8", "replace")
    else:
        node = rng.choice(list(model.graph.node))
        node.op_type = rng.choice(("Loop", "If", "Custom", "Reshape", ""))
    return model.SerializeToString()


FORMATS: dict[bytes, Callable[[bytes, random.Random, Damage], bytes]] = {
    b"PK\3\4": reseal_zip, b"\x1f\x8b": reseal_gzip, b"\xfd7zXZ": reseal_xz, b"\x89PNG": reseal_png, b"fLaC": reseal_flac,
    b"OggS": reseal_ogg, b"ustar": reseal_tar, b"\x08\x0a": reseal_onnx, b"\x08\x08": reseal_onnx, b"\x08\x09": reseal_onnx,
}  # fmt: skip

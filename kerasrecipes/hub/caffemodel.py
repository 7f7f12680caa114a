"""Weights in Caffe's files, read without Caffe: `.caffemodel` (NetParameter) and `.binaryproto` (one blob, the mean image).

Both are messages in the protobuf wire format: fields of a number, a wire type and a value, which may be a message again. Names
and numbers of the fields are those of Caffe's `caffe.proto`. Every length is compared with the bytes that are there.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasrecipes.errors import WeightsCorrupted, reader

MAX_FILE_BYTES = 4_000_000_000
MAX_FIELDS = 1_000_000  # of all messages in a file; the values of a blob count as one
MAX_DIMENSIONS = 32  # Caffe's own limit

VARINT, FIXED64, MESSAGE, FIXED32 = 0, 1, 2, 5
BLOB_NUM, BLOB_CHANNELS, BLOB_HEIGHT, BLOB_WIDTH, BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLE_DATA = 1, 2, 3, 4, 5, 7, 8
OLD_SHAPE = (BLOB_NUM, BLOB_CHANNELS, BLOB_HEIGHT, BLOB_WIDTH)


class LayerFields(NamedTuple):
    """Numbers of the fields of a kind of layer message: its name, its blobs, and an older layer message in it (0 for none)."""

    name: int
    blobs: int
    inner: int = 0


OLDEST_LAYER = LayerFields(name=1, blobs=50)  # V0LayerParameter
LAYERS = {
    100: LayerFields(name=1, blobs=7),  # `layer`: LayerParameter
    2: LayerFields(name=4, blobs=6, inner=1),  # `layers`: V1LayerParameter
}  # number of the field in NetParameter -> kind of layer


class Field(NamedTuple):
    """A field of a message: its number, its wire type, an integer value, and where its bytes begin and end."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


class Message:
    """Bytes of a protobuf message, with a limit on the fields that are read of it.

    Args:
        content: The whole file.
    """

    def __init__(self, content: bytes):
        self.content, self.num_fields = content, 0

    def read_varint(self, position: int, end: int) -> tuple[int, int]:
        """Return an integer of 7 bits per byte, and the position after it."""
        value = 0
        for shift in range(0, 70, 7):
            if position >= end:
                raise ValueError("an integer is cut off")
            byte = self.content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        raise ValueError("an integer has more than 10 bytes")

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message between two positions. Unpacked values in a row come as one field of all their bytes."""
        position = start
        while position < end:
            tag_start = position
            tag, position = self.read_varint(position, end)
            number, wire_type, value = tag >> 3, tag & 7, 0
            if not number:
                raise ValueError(f"a field at byte {tag_start} has no number")
            first = position
            if wire_type == VARINT:
                value, position = self.read_varint(position, end)
            elif wire_type == MESSAGE:
                length, first = self.read_varint(position, end)
                position = first + length
            elif wire_type in (FIXED32, FIXED64):
                size = 4 if wire_type == FIXED32 else 8
                position += size
                if position - tag_start == 1 + size:
                    first, position = tag_start, self.end_of_run(tag_start, end, 1 + size)
            else:
                raise ValueError(f"byte {tag_start} has the wire type {wire_type}, which no file of Caffe has")
            if position > end:
                raise ValueError(f"field {number} at byte {tag_start} ends after its message")
            self.num_fields += 1
            if self.num_fields > MAX_FIELDS:
                raise ValueError(f"it has more than {MAX_FIELDS} fields")
            yield Field(number, wire_type, value, first, position)

    def end_of_run(self, start: int, end: int, size: int) -> int:
        """Return the end of the items of `size` bytes from `start` on that begin with the same byte."""
        count, run = (end - start) // size, 1
        while run < count:  # in growing steps, because the run may be short
            window = np.frombuffer(self.content, "u1", min(count - run, 2 * run) * size, start + run * size)[::size]
            different = np.flatnonzero(window != self.content[start])
            run += int(different[0]) if len(different) else len(window)
            if len(different):
                break
        return start + max(run, 1) * size

    def values(self, field: Field, dtype: str) -> np.ndarray:
        """Return the numbers of a packed field or of a run of unpacked ones, whose type is `<f4` or `<f8`."""
        itemsize = np.dtype(dtype).itemsize
        if field.wire_type == MESSAGE:
            if (field.end - field.start) % itemsize:
                raise ValueError(f"{field.end - field.start} bytes are no whole number of values")
            return np.frombuffer(self.content, dtype, (field.end - field.start) // itemsize, field.start)
        if field.wire_type != (FIXED32 if itemsize == 4 else FIXED64):
            raise ValueError(f"values have the wire type {field.wire_type}")
        items = np.dtype([("tag", "u1"), ("value", dtype)])
        return np.frombuffer(self.content, items, (field.end - field.start) // items.itemsize, field.start)["value"]

    def text(self, field: Field) -> str:
        if field.wire_type != MESSAGE:
            raise ValueError("a name is no text")
        return self.content[field.start : field.end].decode("utf-8")

    def read_blob(self, start: int, end: int) -> np.ndarray:
        """Return the values of a BlobProto with its shape."""
        parts: list[np.ndarray] = []
        old_shape: dict[int, int] = {}
        shape: tuple[int, ...] | None = None
        for field in self.fields(start, end):
            if field.number in (BLOB_DATA, BLOB_DOUBLE_DATA):
                parts.append(self.values(field, "<f4" if field.number == BLOB_DATA else "<f8"))
            elif field.number in OLD_SHAPE and field.wire_type == VARINT:
                old_shape[field.number] = field.value
            elif field.number == BLOB_SHAPE and field.wire_type == MESSAGE:
                shape = self.read_shape(field.start, field.end)
        values = np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0, "<f4")
        if shape is None:
            shape = tuple(old_shape.get(number, 0) for number in OLD_SHAPE) if old_shape else (len(values),)
        if len(shape) > MAX_DIMENSIONS or prod(shape) != len(values):
            raise ValueError(f"a blob of shape {shape[:MAX_DIMENSIONS]} holds {len(values)} values")
        with np.errstate(over="ignore"):  # what becomes infinite is refused where the weights are used
            return values.astype("float32", copy=False).reshape(shape)

    def read_shape(self, start: int, end: int) -> tuple[int, ...]:
        """Return the sizes in a BlobShape, packed or not."""
        sizes: list[int] = []
        for field in self.fields(start, end):
            if field.number != 1:
                continue
            if field.wire_type == VARINT:
                sizes.append(field.value)
                continue
            position = field.start
            while field.wire_type == MESSAGE and position < field.end:
                size, position = self.read_varint(position, field.end)
                sizes.append(size)
                if len(sizes) > MAX_DIMENSIONS:
                    break
        return tuple(sizes)

    def read_layer(self, start: int, end: int, kind: LayerFields) -> tuple[str, list[np.ndarray]]:
        """Return the name and the blobs of a layer."""
        name, blobs = "", []
        for field in self.fields(start, end):
            if field.number == kind.name:
                name = self.text(field)
            elif field.number == kind.blobs and field.wire_type == MESSAGE:
                blobs.append(self.read_blob(field.start, field.end))
            elif field.number == kind.inner and field.wire_type == MESSAGE:
                inner_name, inner_blobs = self.read_layer(field.start, field.end, OLDEST_LAYER)
                name, blobs = name or inner_name, blobs + inner_blobs
        return name, blobs


@reader(WeightsCorrupted)
def read_caffemodel(path: str | Path) -> dict[str, np.ndarray]:
    """Return the blobs of a trained network of Caffe, of all three generations of its format.

    Args:
        path: `.caffemodel` file.

    Returns:
        {"LAYER.NUMBER": values}: the blob 0 of a layer is its kernel (outputs first), and the blob 1 its bias.

    Raises:
        WeightsCorrupted: It is no such file, or it is damaged.
    """
    message = Message(read_bytes(path))
    tensors: dict[str, np.ndarray] = {}
    for field in message.fields(0, len(message.content)):
        if field.number not in LAYERS or field.wire_type != MESSAGE:
            continue
        name, blobs = message.read_layer(field.start, field.end, LAYERS[field.number])
        for number, blob in enumerate(blobs):
            if f"{name}.{number}" in tensors:
                raise ValueError(f"two layers are called {name!r:.80}")
            tensors[f"{name}.{number}"] = blob
    if not tensors:
        raise ValueError("no layer has weights")
    return tensors


@reader(WeightsCorrupted)
def read_mean_image(path: str | Path) -> np.ndarray:
    """Return the mean image of a `.binaryproto` file: (channels, height, width), blue, green and red.

    Raises:
        WeightsCorrupted: It is no such file, or it holds another blob.
    """
    message = Message(read_bytes(path))
    mean = message.read_blob(0, len(message.content))
    mean = mean[0] if mean.ndim == 4 and len(mean) == 1 else mean
    if mean.ndim != 3 or not mean.size:
        raise ValueError(f"a mean image has 3 dimensions, and this has the shape {mean.shape}")
    return mean


def read_bytes(path: str | Path) -> bytes:
    """Read a file whole, so that nothing can change it while it is read."""
    size = Path(path).stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"it has {size} bytes, more than the {MAX_FILE_BYTES} that are read")
    return Path(path).read_bytes()

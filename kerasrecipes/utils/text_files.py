"""Text files as people bring them: UTF-8 with or without a byte order mark, UTF-16 with one, compressed by gzip or xz."""

import codecs
import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasrecipes.errors import DataError, convert_errors

COMPRESSIONS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open}  # by the first bytes of a file
MAX_LINE_CHARACTERS = 1 << 26
MAX_EXPANSION = 200  # characters for a byte of a compressed file
MIN_CHARACTERS = 10_000_000  # that any file may have
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: str | Path) -> str:
    """Return the text of a file. Lines end with "\\n".

    Raises:
        DataError: The file cannot be read, or is in another encoding. The message names the line.
    """
    return "\n".join(read_lines(path))


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a file, which gzip or xz may have compressed, without their ends.

    Raises:
        DataError: The file cannot be read, or is in another encoding. The message names the line.
    """
    path = Path(path)
    count = characters = 0
    with convert_errors(DataError, path):
        with open(path, "rb") as file:
            head = file.read(6)
        opener = next((o for mark, o in COMPRESSIONS.items() if head.startswith(mark)), open)
        with opener(path, "rb") as file:
            head = file.read(4)
        max_characters = max(MIN_CHARACTERS, MAX_EXPANSION * path.stat().st_size)
        encoding = next((e for mark, e in BYTE_ORDER_MARKS.items() if head.startswith(mark)), "utf-8")
        try:
            with opener(path, "rt", encoding=encoding) as file:
                for line in iter(lambda: file.readline(MAX_LINE_CHARACTERS), ""):
                    count += 1
                    characters += len(line)
                    if len(line) == MAX_LINE_CHARACTERS or characters > max_characters:
                        raise DataError(
                            f"{path} has a line of more than {MAX_LINE_CHARACTERS} characters, or is {MAX_EXPANSION} times as long as "
                            f"its compressed file, at line {count}: it is damaged, or made to fill the memory"
                        )
                    if "\0" in line:
                        raise DataError(f"{path} is not UTF-8 text: line {count} holds a zero byte. Save it as UTF-8")
                    yield line.removesuffix("\n")
        except UnicodeDecodeError as error:
            line_number = count + error.object.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{path} is not UTF-8 text: line {line_number} holds the byte {error.object[error.start]:#04x}. Save it as UTF-8, "
                "or convert it from its encoding, for instance: iconv -f WINDOWS-1252 -t UTF-8"
            ) from error

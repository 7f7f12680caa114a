"""The files of one checkpoint of TensorFlow in a tar archive, compressed by gzip or not. Nothing else is unpacked."""

import contextlib
import gzip
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kerasrecipes.utils.tar_members import describe_unsafe_member
from kerasrecipes.utils.weight_checks import MAX_COMPRESSION

GZIP_MAGIC = b"\x1f\x8b"
MAX_MEMBERS = 1000
SLACK_BYTES = 1 << 20  # what is allowed beside `MAX_COMPRESSION` times the archive: headers, and the ends of blocks
MAX_HEADER_BYTES = 1 << 16  # of names and attributes that other headers announce, which are not read
EXTENDED_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
BLOCK = tarfile.BLOCKSIZE
CHECKPOINT_FILE = re.compile(r"(?P<prefix>[A-Za-z0-9_][A-Za-z0-9_.-]{0,199})\.(?P<part>index|data-\d{5}-of-\d{5})", re.ASCII)


class MemberReader:
    """Read the plain files of a tar archive one after the other, with a bound on all bytes.

    Args:
        stream: Archive without compression.
        max_bytes: Largest number of bytes, of headers and members together.
    """

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, max_bytes: int):
        self.stream, self.max_bytes, self.num_bytes = stream, max_bytes, 0

    def reserve(self, size: int) -> None:
        """Count bytes before they are read.

        Raises:
            ValueError: There are too many.
        """
        self.num_bytes += size
        if self.num_bytes > self.max_bytes:
            raise ValueError(f"it holds more than {self.max_bytes:,} bytes, which is too much for its size")

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield the header of each plain file. Its content is read by `copy`, or skipped.

        Raises:
            ValueError: A member is something else, or would lie outside a folder, or there are too many.
            tarfile.HeaderError: A header is damaged.
        """
        for _ in range(MAX_MEMBERS):
            self.reserve(BLOCK)
            block = self.stream.read(BLOCK)
            if not block or not block.strip(b"\0"):
                return
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            is_header = member.type in EXTENDED_HEADERS
            problem = "" if is_header else "is sparse" if member.type == tarfile.GNUTYPE_SPARSE else describe_unsafe_member(member)
            if member.size < 0 or (is_header and member.size > MAX_HEADER_BYTES):
                problem = f"has {member.size} bytes"
            if problem:
                raise ValueError(f"its member {member.name!r:.100} {problem}")
            self.remaining = -(-member.size // BLOCK) * BLOCK
            self.reserve(self.remaining)
            if not is_header and member.isreg():
                yield member
            self.copy(self.remaining, None)
        raise ValueError(f"it has more than {MAX_MEMBERS} members")

    def copy(self, size: int, target: Any) -> None:
        """Write the next bytes of the current member to a file, or skip them for None.

        Raises:
            EOFError: The archive is cut off.
        """
        self.remaining -= size
        while size:
            block = self.stream.read(min(size, 1 << 20))
            if not block:
                raise EOFError("it is cut off")
            size -= len(block)
            if target:
                target.write(block)


def unpack_checkpoint(path: str | Path, folder: Path) -> Path:
    """Unpack the checkpoint of an archive into an existing folder, and return its prefix there.

    Of several checkpoints the one is taken whose name begins with "best".

    Args:
        path: `.tar`, `.tar.gz` or `.tgz` file.
        folder: Folder that receives the `.index` file and the `.data` files.

    Raises:
        ValueError: The archive holds no checkpoint, several, links, or more bytes than its size allows.
        tarfile.HeaderError: It is damaged.
    """
    prefixes: dict[str, list[str]] = {}
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))
        is_gzip = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream = stack.enter_context(gzip.GzipFile(fileobj=file)) if is_gzip else file
        archive = MemberReader(stream, MAX_COMPRESSION * Path(path).stat().st_size + SLACK_BYTES)
        for member in archive.members():
            match = CHECKPOINT_FILE.fullmatch(PurePosixPath(member.name).name)
            if not match:
                continue
            prefix = match["prefix"]
            if match["part"] in prefixes.setdefault(prefix, []):
                raise ValueError(f"it holds {prefix}.{match['part']} twice")
            prefixes[prefix].append(match["part"])
            with open(folder / f"{prefix}.{match['part']}", "xb") as target:
                archive.copy(member.size, target)
    names = [prefix for prefix, parts in prefixes.items() if "index" in parts]
    best = [name for name in names if name.startswith("best")] or names
    if len(best) != 1:
        problem = f"the checkpoints {', '.join(best[:8])}: unpack it and pass one of their .index files" if best else "no .index file"
        raise ValueError(f"it holds {problem}")
    return folder / best[0]

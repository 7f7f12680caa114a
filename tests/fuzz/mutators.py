"""Damage files at random: their bytes, their ends, their numbers, and what lies below a checksum."""

import json
import random
import re
from collections.abc import Callable

from containers import reseal

TINY_BYTES = 1024  # files up to this size are cut off at every byte
EXTREME_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
EXTREME_NUMBERS = (
    b"0", b"-1", b"-0", b"1e309", b"-1e309", b"nan", b"inf", b"1" * 400, b"2147483648", b"99999999999999999999", b"1e-320", b"0x10", b"",
)  # fmt: skip
TOKENS = (
    b"\0", b"\xed\xa0\x80", b"\xff\xfe", b"\xef\xbb\xbf", "\u2028".encode(), b"\r", b"\n", b"\t", b'"', b"'", b"\\", b"|", b",", b":",
    b"{", b"}", b"[", b"]", b"&a", b"*a", b"!!python/object/apply:os.system [id]", b"../", b"/etc/passwd", b"\x1b[2J",
    b"[" * 6000, b'{"a":' * 6000, b"a" * 5000, b"../" * 2000, b"%s%n", b"- " * 2000, b"null", b"true", b"hf://a/b@c", b"<<: *a\n",
)  # fmt: skip
EXTREME_VALUES = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "a" * 5000, "\0", "\ud800", "../../x",
    "/dev/zero", [], {}, [[]], {"": None}, [0] * 300, [None, "a", 1],
)  # fmt: skip


def mutate(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Return a damaged copy.

    Args:
        content: The file.
        rng: Source of all randomness.
        others: Files of the same reader, from which splices take their other half.
    """
    if rng.random() < 0.4 and (damaged := reseal(content, rng, lambda part: mutate(part, rng, [part]))) is not None:
        return damaged
    if content[:1] in b"{[" and rng.random() < 0.4 and (damaged := mutate_json(content, rng)) is not None:
        return damaged
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        content = rng.choice(MUTATORS)(content, rng, others)
    return content


def cut_at(content: bytes, number: int) -> bytes:
    """Return the file cut off after so many bytes, counted around its end."""
    return content[: number % max(len(content), 1)]


def change_bytes(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Replace some bytes or flip one of their bits."""
    damaged = bytearray(content)
    for _ in range(min(len(damaged), rng.choice((1, 1, 2, 8, 64)))):
        position = choose_position(damaged, rng)
        damaged[position] = rng.randrange(256) if rng.random() < 0.5 else damaged[position] ^ 1 << rng.randrange(8)
    return bytes(damaged)


def cut_off(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    return cut_at(content, rng.randrange(len(content) + 1))


def remove_part(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice((1, 4, 100)) :]


def repeat_part(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    start, count = rng.randrange(len(content) + 1), rng.choice((1, 16, 300))
    return content[:start] + content[start : start + count] * rng.choice((2, 9)) + content[start + count :]


def splice(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Join the beginning of the file and the end of another."""
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def write_extreme_integer(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Overwrite what may be a declared length or count with an extreme, in either byte order."""
    width = rng.choice((1, 2, 4, 4, 8))
    position = choose_position(content, rng)
    value = (rng.choice(EXTREME_INTEGERS) % 2 ** (8 * width)).to_bytes(width, rng.choice(("little", "big")))
    return content[:position] + value + content[position + width :]


def write_extreme_number(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Replace a number that is written in digits."""
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", content[:20000]))
    if not numbers:
        return write_extreme_integer(content, rng, others)
    match = rng.choice(numbers)
    return content[: match.start()] + rng.choice(EXTREME_NUMBERS) + content[match.end() :]


def insert_token(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    position = choose_position(content, rng)
    return content[:position] + rng.choice(TOKENS) + content[position + rng.choice((0, 0, 1, 4)) :]


MUTATORS: tuple[Callable[[bytes, random.Random, list[bytes]], bytes], ...] = (
    change_bytes, change_bytes, cut_off, remove_part, repeat_part, splice, write_extreme_integer, write_extreme_integer,
    write_extreme_number, insert_token,
)  # fmt: skip


def choose_position(content: bytes | bytearray, rng: random.Random) -> int:
    """Choose a position, half of the time among the first bytes, where headers are."""
    end = min(len(content), 80) if rng.random() < 0.5 else len(content)
    return rng.randrange(end) if end else 0


def mutate_json(content: bytes, rng: random.Random) -> bytes | None:
    """Replace, remove or repeat one value of a JSON text, or of one of its lines. None if it is not JSON."""
    lines = content.split(b"\n")
    number = rng.randrange(len(lines))
    for start, end in ((0, len(lines)), (number, number + 1)):
        try:
            value = json.loads(b"\n".join(lines[start:end]))
        except (ValueError, RecursionError):
            continue
        changed = json.dumps(change_value(value, rng), indent=1 if end - start > 1 else None)
        return b"\n".join([*lines[:start], changed.encode(), *lines[end:]])
    return None


def change_value(value: object, rng: random.Random) -> object:
    """Return the value with one value inside it changed."""
    if not isinstance(value, list | dict) or not value or rng.random() < 0.1:
        return rng.choice(EXTREME_VALUES)
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed = value.copy()
    action = rng.random()
    if action < 0.12:
        del changed[key]
    elif action < 0.2 and isinstance(changed, list):
        changed.extend([value[key]] * rng.choice((1, 50)))
    else:
        changed[key] = change_value(value[key], rng)
    return changed

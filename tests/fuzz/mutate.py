"""Mutations of the bytes of a file."""

import random
import struct


def flip(data: bytearray, draw: random.Random) -> None:
    """Flips up to eight bits."""
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def replace(data: bytearray, draw: random.Random) -> None:
    """Replaces a few bytes by drawn ones."""
    start, size = _block(data, draw, 16)
    data[start : start + size] = draw.randbytes(size)


def zero(data: bytearray, draw: random.Random) -> None:
    """Sets a block to zero."""
    start, size = _block(data, draw, 4096)
    data[start : start + size] = bytes(size)


def cut(data: bytearray, draw: random.Random) -> None:
    """Cuts the end off."""
    del data[draw.randrange(len(data)) :]


def remove(data: bytearray, draw: random.Random) -> None:
    """Removes a block."""
    start, size = _block(data, draw, 512)
    del data[start : start + size]


def repeat(data: bytearray, draw: random.Random) -> None:
    """Writes a block twice."""
    start, size = _block(data, draw, 512)
    data[start:start] = data[start : start + size]


def move(data: bytearray, draw: random.Random) -> None:
    """Copies a block over another place."""
    start, size = _block(data, draw, 256)
    target = draw.randrange(len(data))
    data[target : target + size] = data[start : start + size]


def enlarge(data: bytearray, draw: random.Random) -> None:
    """Writes a huge number where a length may stand."""
    form, values = draw.choice(
        [
            ("<Q", (2**63, 2**40, 2**33, 2**64 - 1)),
            ("<I", (2**31, 2**32 - 1, 2**30, 10**9)),
            (">I", (2**31 - 1, 2**24)),
            ("<H", (2**16 - 1, 2**15)),
            ("<B", (255, 127)),
        ]
    )
    number = struct.pack(form, draw.choice(values))
    start = draw.randrange(max(1, len(data) - len(number))) // len(number) * len(number)
    data[start : start + len(number)] = number


def extend(data: bytearray, draw: random.Random) -> None:
    """Appends bytes."""
    data += draw.randbytes(draw.choice([1, 100, 5000]))


MUTATIONS = (flip, flip, flip, replace, zero, cut, remove, repeat, move, enlarge, enlarge, extend)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Returns the bytes after one to three mutations."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        if changed:
            draw.choice(MUTATIONS)(changed, draw)
    return bytes(changed)


TOKENS = (
    "nan", "inf", "-inf", "1e400", "-1", "0", "9" * 30, "null", "true", "[]", "{}", '""', "é\u202e", "\x00", "'", '"',
    ",", ";", "\n", "<", "&x;", "=1+1", "\\", "1e-320", "0x10", " ", "\ufeff", "../..", "1_000",
)  # fmt: skip


def mutated_text(data: bytes, draw: random.Random) -> bytes:
    """Returns a text in which words, lines or numbers are replaced, removed or repeated."""
    words = _words(data.decode(errors="replace"))
    for _ in range(draw.choice([1, 1, 2, 4])):
        place = draw.randrange(len(words))
        kind = draw.randrange(4)
        if kind == 0:
            words[place] = draw.choice(TOKENS)
        elif kind == 1:
            words[place] = ""
        elif kind == 2:
            words[place] *= draw.choice([2, 1000])
        else:
            words[place] = words[draw.randrange(len(words))]
    return "".join(words).encode(errors="surrogatepass")


def _words(text: str) -> list[str]:
    """Splits a text into words and what stands between them."""
    words, kinds = [""], None
    for letter in text:
        kind = letter.isalnum() or letter in "._-+"
        if kind is kinds and kind:
            words[-1] += letter
        else:
            words.append(letter)
        kinds = kind
    return words


def _block(data: bytearray, draw: random.Random, most: int) -> tuple[int, int]:
    """Draws the start and the size of a block."""
    start = draw.randrange(len(data))
    return start, min(draw.randint(1, most), len(data) - start)

"""The numbers that tests use, where tests write, and the search for the ones in the other.

Every test takes its numbers from `NUMBERS`; every folder that a test writes to is put into
`WRITTEN`. At the end of the run all of it is searched (promise 1).
"""

import base64
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

NUMBERS = (
    "+8613912340917", "+8613512348203", "+8618612345719", "+8615012347461",
    "+8617712342386", "+8613612349954", "+8618912341577", "+8615812346630",
    "+447400123771", "+4915123418095", "+12025550147", "+886912348876",
    "+61412345671", "+79123456781", "+393123456781",
)  # fmt: skip
CALLING_CODES = ("+86", "+44", "+49", "+1", "+886", "+61", "+7", "+39")
WRITTEN: list[Path] = []


def national(number: str) -> str:
    """Return the number as people at home type it."""
    code = next(code for code in sorted(CALLING_CODES, key=len)[::-1] if number.startswith(code))
    return number.removeprefix(code)


def swapped(digits: str) -> bytes:
    """Return digits as SMS carries them: BCD, the nibbles of each octet swapped (TS 23.040)."""
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2)))


def in_base64(data: bytes) -> Iterator[bytes]:
    """Return the letters that base64 has for data, wherever in a longer text it begins."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data + b"\0" * 2)
        begin = -(-before * 8 // 6)
        inner = text[begin : begin + (len(data) * 8 - (begin * 6 - before * 8)) // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


@cache
def forms(number: str) -> frozenset[bytes]:
    """Return every form in which a number could stand somewhere."""
    digits = number.removeprefix("+")
    plain = {number, digits, national(number)}
    found: set[bytes] = set()
    for text in plain:
        data = text.encode()
        found |= {data, text.encode("utf-16-le"), text.encode("utf-16-be"), data[::-1]}
        found |= {data.hex().encode(), data.hex().upper().encode()}
        found |= set(in_base64(data))
    found |= {swapped(digits), swapped(national(number))}
    found |= {f"{digits[:2]} {digits[2:5]} {digits[5:9]} {digits[9:]}".encode()}
    found |= {number.replace("+", "%2B").encode()}
    return frozenset(found)


def branches(texts: Collection[bytes]) -> bytes:
    """Return a regular expression for any of the texts, which branches octet by octet."""
    if b"" in texts:
        return b""
    rest = defaultdict(set)
    for text in texts:
        rest[text[:1]].add(text[1:])
    found = [re.escape(first) + branches(more) for first, more in sorted(rest.items())]
    return found[0] if len(found) == 1 else b"(?:%b)" % b"|".join(found)


@cache
def any_form(numbers: Sequence[str]) -> re.Pattern[bytes]:
    """Return a pattern that is found in whatever holds a form of a number.

    It is much quicker than a search for each form, above all in zeros, of which databases are full.
    """
    texts = {form.strip(b"\0") for number in numbers for form in forms(number)}
    shortest = [text for text in texts if not any(each in text for each in texts if each != text)]
    return re.compile(branches(shortest), re.DOTALL)


def found_in(data: bytes, numbers: Sequence[str] = NUMBERS) -> list[tuple[str, bytes]]:
    """Return which numbers stand in data, and in which form."""
    if not any_form(tuple(numbers)).search(data):
        return []
    return [(number, form) for number in numbers for form in forms(number) if form in data]


class Searched(NamedTuple):
    """What was found in one file."""

    octets: int
    found: list[tuple[str, bytes]]


def searched(path: Path) -> Searched:
    """Search one file; for a process of its own."""
    data = path.read_bytes()
    return Searched(len(data), found_in(data))


def searched_all(folders: Sequence[Path]) -> tuple[list[str], int]:
    """Return the files in which a number stands, and how many octets were searched."""
    paths = list(files([folder for folder in folders if folder.exists()]))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as searchers:
        found = list(searchers.map(searched, paths, chunksize=8))
    leaks = [str(path) for path, each in zip(paths, found, strict=True) if each.found]
    return leaks, sum(each.octets for each in found)


def files(folders: Sequence[Path]) -> Iterator[Path]:
    """Return every file below folders."""
    for folder in {path.resolve() for path in folders}:
        yield from (path for path in folder.rglob("*") if path.is_file())

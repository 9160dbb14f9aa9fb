"""The encoding of a campaign file: found from its bytes, and checked over the whole file.

In order: a byte order mark, UTF-16 by its zero bytes, UTF-8, then GB18030 or Big5. A file that is
part UTF-8 and part something else is refused: read as either, some of its texts would be garbled.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from consent_tokens.errors import InvalidError

SAMPLE_BYTES: Final = 1 << 20
MAX_LINE_BYTES: Final = 1 << 20  # of one line; the API takes texts of 20,000 characters
MIN_ZERO_SHARE: Final = 0.2  # zero bytes among those of UTF-16 that holds tokens
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_FORMATS: Final = {
    b"PK\x03\x04": "an Excel workbook or another ZIP file: save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV (UTF-8)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed: unpack it first",
    b"SQLite format 3": "a SQLite database",
}
MIXED: Final = "Line {} is UTF-8 and line {} is not: save the whole file in one encoding."
UTF8_HAN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}")
BIG5_COMMON: Final = range(0xA4, 0xC7)  # lead bytes of the commonest 5401 characters


def find_encoding(path: Path) -> str:
    """Return the encoding of a file, in which all of it can be read. Raises InvalidError."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        _reject_other_formats(sample)
        file.seek(0)
        encoding = _by_mark(sample) or _by_zeros(sample) or _by_lines(file, sample)
        file.seek(0)
        _check_whole(file, encoding)
    return encoding


def _reject_other_formats(sample: bytes) -> None:
    for magic, what in OTHER_FORMATS.items():
        if sample.startswith(magic):
            raise InvalidError({"file": [f"It is {what}."]})


def _by_mark(sample: bytes) -> str | None:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if sample.startswith(mark)), None)
    if encoding == "":
        raise InvalidError({"file": ["It is UTF-32: save it as CSV (UTF-8)."]})
    return encoding


def _by_zeros(sample: bytes) -> str | None:
    """Return the kind of UTF-16 that has no mark, by where its zero bytes are."""
    if b"\0" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < MIN_ZERO_SHARE * len(sample) / 2:
        raise InvalidError({"file": ["It holds zero bytes: it is no text file."]})
    return "utf-16-be" if even > odd else "utf-16-le"


def _by_lines(file: IO[bytes], sample: bytes) -> str:
    """Return UTF-8 if every line is; the Chinese encoding if none is. Raises InvalidError."""
    first_utf8 = first_other = None
    for number, line in enumerate(read_lines(file), start=1):
        if line.isascii():
            continue
        if not _is_utf8(line):
            first_other = first_other or number
        elif UTF8_HAN.search(line):  # two bytes alone may be either
            first_utf8 = first_utf8 or number
        if first_utf8 and first_other:
            raise InvalidError({"file": [MIXED.format(first_utf8, first_other)]})
    return _chinese(sample) if first_other else "utf-8"


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines. Raises InvalidError for one that is too long to be one."""
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise InvalidError({"file": ["A line is longer than 1 MiB: it is no campaign file."]})
        yield line


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _chinese(sample: bytes) -> str:
    """Return GB18030 or Big5, whichever makes more of the characters common ones."""
    text = sample[: sample.rfind(b"\n") + 1] or sample
    gb18030 = _common_share(text, "gb18030", "gb2312", range(0xB0, 0xD8))
    big5 = _common_share(text, "cp950", "cp950", BIG5_COMMON)
    return "cp950" if big5 > gb18030 else "gb18030"


def _common_share(text: bytes, encoding: str, common: str, leads: range) -> float:
    """Return the share of the Chinese characters that are common in an encoding's tables."""
    try:
        characters = [each for each in text.decode(encoding) if ord(each) >= 0x3400]  # noqa: PLR2004 - the first Han character
    except UnicodeDecodeError:
        return 0.0
    encoded = [each.encode(common, "ignore") for each in characters if each < "\uff00"]
    return sum(1 for each in encoded if each and each[0] in leads) / max(1, len(encoded))


def _check_whole(file: IO[bytes], encoding: str) -> None:
    """Raise InvalidError at the first line that cannot be decoded."""
    decoder, number = codecs.getincrementaldecoder(encoding)(), 1
    try:
        while chunk := file.read(SAMPLE_BYTES):
            number += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        number += bytes(error.object[: error.start]).count(b"\n")
        raise InvalidError(
            {"file": [f"Line {number} is not {encoding.upper()}, and not UTF-8: save it as UTF-8."]}
        ) from None

"""The encoding of a campaign file: found from its bytes, and checked over the whole file.

In order: a byte order mark, UTF-16 by its zero bytes, UTF-8, then GB18030 or Big5. A file that is
part UTF-8 and part something else is refused: read as either, some of its texts would be garbled.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from encodings import normalize_encoding
from encodings.aliases import aliases
from types import MappingProxyType
from typing import IO, Final, Literal, Protocol

from consent_tokens.errors import InvalidError
from consent_tokens.localization import N_
from consent_tokens.services.campaigns.faults import CampaignFileError

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
    b"PK\x03\x04": N_("It is an Excel workbook or another ZIP file: save it as CSV (UTF-8)."),
    b"\xd0\xcf\x11\xe0": N_("It is an old Excel workbook: save it as CSV (UTF-8)."),
    b"%PDF": N_("It is a PDF."),
    b"\x1f\x8b": N_("It is compressed: unpack it first."),
    b"SQLite format 3": N_("It is a SQLite database."),
}
UTF32: Final = N_("It is UTF-32: save it as CSV (UTF-8).")
ZEROS: Final = N_("It holds zero bytes: it is no text file.")
MIXED: Final = N_(
    "Line %(first)s is UTF-8 and line %(other)s is not: save the whole file in one encoding."
)
LONG: Final = N_("A line is longer than 1 MiB: it is no campaign file.")
WRONG_ENCODING: Final = N_("Line %(line)s is not %(encoding)s; save the file as CSV (UTF-8).")
UTF8_HAN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}")
# lead bytes of punctuation and of the commonest characters: 3755 of GB 2312, 5401 of Big5
GB2312_COMMON: Final = frozenset(range(0xA1, 0xA4)) | frozenset(range(0xB0, 0xD8))
BIG5_COMMON: Final = frozenset({0xA1}) | frozenset(range(0xA4, 0xC7))
MIN_COMMON_SHARE: Final = 0.5
WIDE = re.compile(r"[\u2010-\u2027\u3000-\u9fff\uff00-\uffef]|[^\x00-\u33ff]")
INSIDE_WORD = re.compile(r"(?<=[A-Za-z])[\u3400-\u9fff](?=[A-Za-z])")  # of no Chinese text
UNKNOWN: Final = N_(
    "Line %(line)s is not UTF-8, and does not read as Chinese in GB18030 or Big5: save the file as "
    "CSV (UTF-8), or name its encoding, such as windows-1252."
)
MAX_SAMPLE_BYTES: Final = 1 << 18  # of lines that are not UTF-8


# of the encodings of Python only these: others compress, keep a state, or read escapes
TEXT_ENCODINGS: Final = frozenset({
    "utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "ascii",
    "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "cp950",
    "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "koi8_r", "koi8_u", "tis_620", "cp874",
    "latin_1", *(f"cp{number}" for number in range(1250, 1259)),
    *(f"iso8859_{part}" for part in (*range(1, 12), *range(13, 17))),
})  # fmt: skip
NAMED_ENCODINGS: Final[Mapping[str, str]] = MappingProxyType(
    {alias: name for alias, name in aliases.items() if name in TEXT_ENCODINGS}
    | {name: name for name in TEXT_ENCODINGS}
)


class Source(Protocol):
    """Where a file is: a path, or what was uploaded."""

    @property
    def name(self) -> str:
        """Return the name of the file."""

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Open it, from the beginning."""


def find_encoding(source: Source, named: str | None = None) -> str:
    """Return the encoding of a file, in which all of it can be read: the one named, or found.

    Raises InvalidError.
    """
    with source.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        _reject_other_formats(sample)
        file.seek(0)
        encoding = _known(named) or _by_mark(sample) or _by_zeros(sample) or _by_lines(file)
        file.seek(0)
        _check_whole(file, encoding)
    return encoding


def _known(named: str | None) -> str | None:
    """Return an encoding that is named. Raises InvalidError if there is none of that name."""
    if not named:
        return None
    name = NAMED_ENCODINGS.get(normalize_encoding(named).lower())
    if name is None:
        raise InvalidError({"encoding": ["No such encoding; for example gb18030."]})
    return codecs.lookup(name).name


def _reject_other_formats(sample: bytes) -> None:
    for magic, what in OTHER_FORMATS.items():
        if sample.startswith(magic):
            raise CampaignFileError(what)


def _by_mark(sample: bytes) -> str | None:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if sample.startswith(mark)), None)
    if encoding == "":
        raise CampaignFileError(UTF32)
    return encoding


def _by_zeros(sample: bytes) -> str | None:
    """Return the kind of UTF-16 that has no mark, by where its zero bytes are."""
    if b"\0" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) < MIN_ZERO_SHARE * len(sample) / 2:
        raise CampaignFileError(ZEROS)
    return "utf-16-be" if even > odd else "utf-16-le"


def _by_lines(file: IO[bytes]) -> str:
    """Return UTF-8 if every line is; the Chinese encoding if none is. Raises InvalidError."""
    first_utf8 = first_other = None
    other = b""
    for number, line in enumerate(read_lines(file), start=1):
        if line.isascii():
            continue
        if not _is_utf8(line):
            first_other = first_other or number
            other += line if len(other) < MAX_SAMPLE_BYTES else b""
        elif UTF8_HAN.search(line):  # two bytes alone may be either
            first_utf8 = first_utf8 or number
        if first_utf8 and first_other:
            raise CampaignFileError(MIXED, first=first_utf8, other=first_other)
    return _chinese(other, first_other) if first_other else "utf-8"


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines. Raises InvalidError for one that is too long to be one."""
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise CampaignFileError(LONG)
        yield line


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _chinese(lines: bytes, first: int) -> str:
    """Return GB18030 or Big5, whichever makes more of the characters common ones.

    Raises InvalidError if neither makes half of them common: an accented letter and the letter
    behind it are a rare Chinese character, and nobody should be sent that.
    """
    gb18030 = _common_share(lines, "gb18030", "gb2312", GB2312_COMMON)
    big5 = _common_share(lines, "cp950", "cp950", BIG5_COMMON)
    if max(gb18030, big5) < MIN_COMMON_SHARE:
        raise CampaignFileError(UNKNOWN, line=first)
    return "cp950" if big5 > gb18030 else "gb18030"


def _common_share(lines: bytes, encoding: str, table: str, leads: frozenset[int]) -> float:
    """Return the share of the Chinese characters that are common in the table of an encoding."""
    text = lines.decode(encoding, "replace")
    found = WIDE.findall(text)
    inside_words = len(INSIDE_WORD.findall(text))
    encoded = [each.encode(table, "ignore") for each in found]
    common = sum(1 for each in encoded if len(each) > 1 and each[0] in leads)
    wrong = text.count("\ufffd") + inside_words
    return max(0, common - inside_words) / max(1, len(found) + wrong)


def _check_whole(file: IO[bytes], encoding: str) -> None:
    """Raise InvalidError at the first line that cannot be decoded."""
    decoder, number = codecs.getincrementaldecoder(encoding)(), 1
    try:
        while chunk := file.read(SAMPLE_BYTES):
            number += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeError as error:  # without a place: UTF-16 that has no mark
        if isinstance(error, UnicodeDecodeError):
            number += bytes(error.object[: error.start]).count(b"\n")
        raise CampaignFileError(WRONG_ENCODING, line=number, encoding=encoding.upper()) from None
